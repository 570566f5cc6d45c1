"""Cutting by bisection compared with reading everything: same rows, every line once, stable while the file grows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets.telemetry.bisecting import MAX_DISORDER, WITNESSES, Bisection
from lumen_assets.telemetry.chunk_days import ChunkDays
from lumen_assets.telemetry.cutting import Output, Reach, cut_lines, dating
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import Clock

SEOUL = ZoneInfo("Asia/Seoul")
FIRST = datetime(2025, 11, 20, 21, tzinfo=SEOUL)
HEADER = b"ts,a\n"
SIZES = st.tuples(st.integers(8, 300), st.integers(2, 600), st.integers(3, 500))
"""Block, scanned range, read chunk: small, so that small files are bisected."""


@contextmanager
def opened(content: bytes, chunk: int = 1 << 18) -> Iterator[Source]:
    descriptor = os.memfd_create("input")
    try:
        os.write(descriptor, content)
        yield Source(descriptor, chunk=chunk, max_line=500)
    finally:
        os.close(descriptor)


def cut(
    content: bytes, day: date, sizes: tuple[int, int, int], name: str = "logs/metrics.csv", late_days: int = 0
) -> bytes:
    """The lines of the slice, without its preamble."""
    block, scanned, chunk = sizes
    with opened(content, chunk) as source:
        how = dating(source, name, Clock() if name.endswith(".csv") else None)
        assert how is not None
        output = io.BytesIO()
        make = partial(Bisection, block=block, scanned=scanned)
        cut_lines(source, how, day, Output(output), make, Reach(late_days, ChunkDays(size=10 * block)))
        assert output.getvalue().startswith(how.preamble)
        return output.getvalue()[len(how.preamble) :]


def start_of_data(content: bytes) -> int:
    with opened(content) as source:
        how = dating(source, "logs/metrics.csv", Clock())
        assert how is not None
        return how.start


def dated(line: bytes) -> datetime | None:
    """Independent of the code under test, but for what a timestamp is."""
    try:
        moment = datetime.fromisoformat(line.split(b",")[0].decode().strip())
    except ValueError:
        return None
    return moment if moment.utcoffset() is not None else None


def split_keeping_ends(content: bytes) -> list[bytes]:
    return [piece for piece in content.replace(b"\n", b"\n\0").split(b"\0") if piece]


def day_rows(lines: Sequence[bytes], day: date) -> list[bytes]:
    """The full scan: lines dated in the day, in file order."""
    return [line for line in lines if (moment := dated(line)) and moment.astimezone(SEOUL).date() == day]


def days_of(lines: Sequence[bytes]) -> list[date]:
    days = [moment.astimezone(SEOUL).date() for line in lines if (moment := dated(line))]
    return [min(days) + timedelta(days=n) for n in range((max(days) - min(days)).days + 1)]


DIRT = st.sampled_from(
    [b"", b"   ", b"# note", b"ts,a", b"2025-11-21T00:0", b"2025-11-21T00:00:00,1", b"x" * 90, b"\xff\xfe,1", b"\0\0"]
)
ENDINGS = st.sampled_from([b"\n", b"\n", b"\r\n"])


def row(moment: datetime, number: int, zone: ZoneInfo = SEOUL) -> bytes:
    return f"{moment.astimezone(zone).isoformat()},{number}".encode()


@st.composite
def bounded_lines(draw: st.DrawFn, *, max_rows: int = 60) -> list[bytes]:
    """Lines as a writer whose clock steps back by at most MAX_DISORDER leaves them, with undated dirt."""
    lines = []
    highest = FIRST
    zone = draw(st.sampled_from([SEOUL, ZoneInfo("UTC"), ZoneInfo("America/New_York")]))
    for number in range(draw(st.integers(1, max_rows))):
        if draw(st.integers(0, 6)) == 0:
            lines.append(draw(DIRT) + draw(ENDINGS))
        step = draw(st.sampled_from([0, 1, 60, 600, 1800, 3599, 3600, 3601, 7200, 20_000, 90_000]))
        highest += timedelta(seconds=step)
        back = draw(st.sampled_from([0, 0, 0, 1, 900, 3599, 3600]))
        lines.append(row(highest - timedelta(seconds=back), number, zone) + draw(ENDINGS))
        # M is the highest so far; with `back` it may not have been reached by this row
        highest = max(highest - timedelta(seconds=back), *(m for line in lines if (m := dated(line))))
    return lines


fronts = st.sampled_from([b"", HEADER, b"\xef\xbb\xbf" + HEADER, b"# SAMPLE\r\n\r\n" + HEADER, b"# only a comment\n"])
torn_ends = st.sampled_from([b"", b"2025-11-2", b"2025-11-22T10:00:00+09:00,0.", b"junk"])


@settings(max_examples=300)
@given(lines=bounded_lines(), front=fronts, end=torn_ends, sizes=SIZES)
def test_under_bounded_disorder_the_rows_are_those_of_a_full_scan(lines, front, end, sizes):
    end = b"" if dated(end) else end
    content = front + b"".join(lines) + end
    for day in days_of(lines):
        assert day_rows(split_keeping_ends(cut(content, day, sizes)), day) == day_rows(lines, day)


ANYTHING = st.one_of(
    DIRT,
    st.builds(
        lambda second, number: row(FIRST + timedelta(seconds=second), number),
        st.integers(-400_000, 400_000),
        st.integers(0, 9),
    ),
)


@settings(max_examples=300)
@given(middle=st.lists(st.one_of(ANYTHING, st.integers(0, 30)), max_size=60), front=fronts, end=torn_ends, sizes=SIZES)
def test_every_line_is_in_exactly_one_slice_whatever_the_file_holds(middle, front, end, sizes):
    clock = FIRST
    lines = []
    for number, item in enumerate(middle):
        clock += timedelta(minutes=40)
        # every line is unique, so that a line in two slices cannot hide behind an equal one
        text = row(clock, number) if isinstance(item, int) else item
        lines.append(text + b",%d\n" % number)
    lines.append(end)
    if not any(dated(line) for line in lines):
        return  # then there is no day to cut: see test_cutting.py
    content = front + b"".join(lines)
    slices = b"".join(cut(content, day, sizes) for day in days_of(lines))
    assert sorted(split_keeping_ends(slices)) == sorted(split_keeping_ends(content[start_of_data(content) :]))


@settings(max_examples=150)
@given(data=st.data(), sizes=SIZES)
def test_strays_do_not_mislead(data, sizes):
    """Rows every ten minutes, in order but for small steps back; single strays of any time in between."""
    lines = []
    strays = set()
    moment = FIRST
    for number in range(data.draw(st.integers(60, 250))):
        moment += timedelta(minutes=10)
        lines.append(row(moment - timedelta(seconds=data.draw(st.integers(0, 900))), number) + b"\n")
        if number % 20 == 19:
            for _ in range(data.draw(st.integers(0, 4))):
                stray = FIRST + timedelta(seconds=data.draw(st.integers(-10_000_000, 10_000_000)))
                lines.append(row(stray, 1000 + number) + b"\n")
                strays.add(lines[-1])
    sizes = (max(sizes[0], 32 * 20), *sizes[1:])  # a block's median has to outvote its strays
    genuine = [line for line in lines if line not in strays]
    for day in days_of(genuine)[:-1]:
        found = split_keeping_ends(cut(HEADER + b"".join(lines), day, sizes))
        assert [line for line in found if line not in strays] == day_rows(genuine, day)


def test_a_stray_near_midnight_costs_no_sparse_row_its_day():
    """Ten minutes between rows: what a crossing is judged by spans hours."""
    lines = [row(FIRST + timedelta(minutes=10 * number), number) + b"\n" for number in range(250)]
    midnight = next(n for n, line in enumerate(lines) if dated(line) == FIRST + timedelta(hours=27))
    for distance in range(1, 13):
        for strays in (1, 4):
            later = [row(FIRST + timedelta(days=9), 1000 + n) + b"\n" for n in range(strays)]
            at = midnight - distance
            slices = [
                cut(HEADER + b"".join(lines[:at] + later + lines[at:]), day, (640, 2, 3)) for day in days_of(lines)
            ]
            for day, found in zip(days_of(lines), slices, strict=True):
                assert day_rows(split_keeping_ends(found), day) == day_rows(lines, day)


@settings(max_examples=150)
@given(lines=bounded_lines(max_rows=120), sizes=SIZES, data=st.data())
def test_cutting_again_after_the_file_grew_gives_the_same_bytes(lines, sizes, data):
    moments = [moment for line in lines if (moment := dated(line))]
    kept = data.draw(st.integers(1, len(lines)))
    before, after = HEADER + b"".join(lines[:kept]), HEADER + b"".join(lines)
    there = [moment for line in lines[:kept] if (moment := dated(line))]
    for day in days_of(lines):
        over = datetime.combine(day + timedelta(days=1), datetime.min.time(), SEOUL) + 2 * MAX_DISORDER
        if sum(moment >= over for moment in there[-WITNESSES:]) == WITNESSES and moments:
            assert cut(before, day, sizes) == cut(after, day, sizes)


@settings(max_examples=100)
@given(lines=bounded_lines(), sizes=SIZES, bom=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_json_lines_are_cut_by_their_ts(lines, sizes, bom):
    def as_json(line: bytes) -> bytes:
        body = line.rstrip(b"\r\n")
        if dated(line) is None:
            return line
        return b'{"note": {"ts": "1999-01-01T00:00:00Z"}, "ts": "%s"}' % body.split(b",")[0] + line[len(body) :]

    content = bom + b"".join(map(as_json, lines))
    for day in days_of(lines):
        found = split_keeping_ends(cut(content, day, sizes, name="controls/rules_history.jsonl"))
        wanted = [as_json(line) for line in day_rows(lines, day)]
        assert [line for line in found if line in wanted] == wanted
    together = b"".join(cut(content, day, sizes, name="x.jsonl") for day in days_of(lines))
    assert sorted(split_keeping_ends(together)) == sorted(split_keeping_ends(content[len(bom) :]))


@settings(max_examples=200)
@given(middle=st.lists(st.one_of(ANYTHING, st.integers(0, 30)), max_size=60), sizes=SIZES, late_days=st.integers(1, 20))
def test_what_is_reached_is_every_line_of_the_day_between_the_positions(middle, sizes, late_days):
    """Whatever the file holds: the section as it is, and of what lies around it the lines of the day, each once."""
    lines = []
    for number, item in enumerate(middle):
        text = row(FIRST + timedelta(minutes=40 * number), number) if isinstance(item, int) else item
        lines.append(text + b",%d\n" % number)
    if not any(dated(line) for line in lines):
        return
    content = HEADER + b"".join(lines)
    for day in days_of(lines):
        start = datetime.combine(day, datetime.min.time(), SEOUL)
        with opened(content, sizes[2]) as source:
            how = dating(source, "logs/metrics.csv", Clock())
            assert how is not None
            bisection = Bisection(source, how.start, how.line_instant, block=sizes[0], scanned=sizes[1])
            before, first = bisection.position(start - timedelta(days=late_days)), bisection.position(start)
            behind = bisection.zone_end(start + timedelta(days=1))
            until = max(behind, bisection.position(start + timedelta(days=1 + late_days)))
        around = day_rows(split_keeping_ends(content[before:first]), day), split_keeping_ends(content[behind:until])
        expected = [*around[0], *split_keeping_ends(cut(content, day, sizes)), *day_rows(around[1], day)]
        assert split_keeping_ends(cut(content, day, sizes, late_days=late_days)) == expected


@st.composite
def lines_with_late_rows(draw: st.DrawFn) -> list[bytes]:
    """Rows a minute apart, but for stretches of up to two days that came up to three days late: together, or by turns
    with those of the day on which they came.
    """
    rows = [row(FIRST + timedelta(minutes=number), number) + b"\n" for number in range(draw(st.integers(600, 6000)))]
    for together in (draw(st.booleans()), *draw(st.sampled_from([(), (True,)]))):
        first = draw(st.integers(0, len(rows) - 1))
        late = rows[first : first + draw(st.integers(1, 2880))]
        rest = rows[:first] + rows[first + len(late) :]
        at = min(len(rest), first + draw(st.integers(0, 4320)))
        turns = [] if together else [line for pair in zip(late, rest[at:], strict=False) for line in pair]
        taken = len(turns) // 2
        rows = [*rest[:at], *turns, *late[taken:], *rest[at + taken :]]
    return rows


@settings(max_examples=60)
@given(lines=lines_with_late_rows(), data=st.data())
def test_rows_that_came_late_are_in_their_day(lines, data):
    content = HEADER + b"".join(lines)
    for day in days_of(lines):
        found = day_rows(split_keeping_ends(cut(content, day, (300, 600, 500), late_days=14)), day)
        assert sorted(found) == sorted(day_rows(lines, day))


@settings(max_examples=30)
@given(lines=lines_with_late_rows(), grown=st.integers(1, 4000))
def test_a_day_with_late_rows_is_cut_the_same_after_the_file_grew(lines, grown):
    last = max(moment for line in lines if (moment := dated(line)))
    more = [row(last + timedelta(minutes=1 + number), number) + b"\n" for number in range(grown)]
    before, after = HEADER + b"".join(lines), HEADER + b"".join([*lines, *more])
    for day in days_of(lines)[:-1]:
        sizes = (300, 600, 500)
        assert cut(before, day, sizes, late_days=14) == cut(after, day, sizes, late_days=14)


@pytest.mark.parametrize("before", [1, 2, 5, 40])
@pytest.mark.parametrize("history", [3, 90])
@pytest.mark.parametrize("overlap", [0, 2])
def test_a_long_history_that_is_appended_later_costs_no_day_its_rows(before, history, overlap):
    """Some days were recorded; then the days before them are put behind them, from elsewhere, and more are recorded."""
    first = FIRST + timedelta(hours=3)

    def rows(start: int, end: int) -> list[bytes]:
        return [row(first + timedelta(minutes=5 * n), n) + b"\n" for n in range(288 * start, 288 * end)]

    live, later = rows(0, before), rows(before, before + 3)
    lines = [*live, *rows(-history, min(overlap, before)), *later]
    content = HEADER + b"".join(lines)
    for offset in {0, 1, before // 2, before - 1, before, before + 1}:
        day = (first + timedelta(days=offset)).date()
        found = split_keeping_ends(cut(content, day, (300, 600, 500), late_days=14))
        assert set(day_rows([*live, *later], day)) <= set(found), offset
