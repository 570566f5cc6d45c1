"""What is known of the days of a file's chunks: right, shared, cheap, and given up when the chunk changes."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lumen_assets.days import day_bounds
from lumen_assets.telemetry import ChunkDays
from lumen_assets.telemetry.chunk_days import days_of
from lumen_assets.telemetry.lines import MAX_LINE, Source
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.preamble import (
    Dating,
    LineInstant,
    csv_line_instant,
    json_line_instant,
    telemetry_line_instant,
)
from lumen_assets_tests.telemetry.counting import CountingSource

DAY = date(2026, 3, 9)
START, _ = day_bounds(DAY)
OTHER = DAY + timedelta(days=3)
SIZE = 1 << 17


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"".join(b"%s,%d\n" % (stamp(n), n) for n in range(20_000)))
    return path


def stamp(number: int) -> bytes:
    return (START + timedelta(seconds=number)).isoformat().encode()


def asked(chunks: ChunkDays, path: Path, day: date = OTHER) -> tuple[bool, bool]:
    """Whether any chunk may have the day, and whether much was read for that. The file is one that is written to."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = CountingSource(descriptor, max_line=100)
        source.mark = None
        how = Dating(b"", 0, csv_line_instant)
        answers = [chunks.may_have(source, how, number, day) for number in range((source.size - 100) // chunks.size)]
        return any(answers), source.read_bytes > source.size / 2
    finally:
        os.close(descriptor)


def test_a_chunk_is_read_once_by_all_processes(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "chunk_days.json"
    chunks = ChunkDays(kept, size=SIZE)
    assert asked(chunks, path) == (False, True)
    assert asked(chunks, path, DAY) == (True, False)
    chunks.save(100)
    other = ChunkDays(kept, size=SIZE)
    assert asked(other, path) == (False, False)
    assert asked(ChunkDays(tmp_path / "none", size=SIZE), path) == (False, True)
    more = tmp_path / "more.csv"
    more.write_bytes(path.read_bytes())
    asked(other, more)
    other.save(100)
    assert asked(chunks, more) == (False, False), "what others found since is found too"


@pytest.mark.parametrize("same_length", [False, True])
def test_a_line_that_was_put_right_is_seen(path: Path, same_length: bool) -> None:
    """As sed -i and editors do: they write another file."""
    chunks = ChunkDays(size=SIZE)
    assert not asked(chunks, path)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[10_000] = lines[10_000].replace(b"2026-03-09", b"2026-03-12") + b"" if same_length else b"2026-03-12T00:00Z\n"
    beside = path.with_name("beside")
    beside.write_bytes(b"".join(lines))
    beside.replace(path)
    assert asked(chunks, path)[0]


def test_a_line_that_is_put_in_in_place_is_seen(path: Path) -> None:
    chunks = ChunkDays(size=SIZE)
    assert not asked(chunks, path)[0]
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(b"2026-03-12T00:00:00Z,1\n" + content)
    assert asked(chunks, path)[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": "12"}', b"\xff"])
def test_what_is_damaged_is_found_again(path: Path, tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "chunk_days.json"
    kept.write_bytes(content)
    chunks = ChunkDays(kept, size=SIZE)
    assert not asked(chunks, path)[0]
    chunks.save(100)
    assert asked(ChunkDays(kept, size=SIZE), path) == (False, False)


def test_what_was_not_used_for_longest_is_forgotten(path: Path, tmp_path: Path) -> None:
    kept, other = tmp_path / "chunk_days.json", tmp_path / "other.csv"
    other.write_bytes(path.read_bytes())
    chunks = ChunkDays(kept, size=SIZE)
    for each in (path, other, path):
        asked(chunks, each)
    chunks.save(path.stat().st_size // SIZE)
    assert asked(ChunkDays(kept, size=SIZE), path) == (False, False)
    assert asked(ChunkDays(kept, size=SIZE), other) == (False, True)


def test_a_full_disk_fails_nothing(path: Path) -> None:
    chunks = ChunkDays(Path("/dev/full/chunk_days.json"), size=SIZE)
    assert not asked(chunks, path)[0]
    chunks.save(100)


def number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("line_instant", "line"),
    [
        (csv_line_instant, lambda moment: moment.isoformat() + ",1"),
        (csv_line_instant, lambda moment: moment.astimezone(UTC).isoformat() + ",1"),
        (telemetry_line_instant(Clock("t", "unix_ms"), 1), lambda moment: f"1,{moment.timestamp() * 1000:.0f}"),
        (telemetry_line_instant(Clock("t", "unix_s"), 1), lambda moment: f'"1",{moment.timestamp()}'),
        (json_line_instant, lambda moment: f'{{"ts": "{moment.isoformat()}"}}'),
    ],
)
def test_all_days_of_a_part_are_known_whatever_its_form(tmp_path: Path, line_instant: LineInstant, line) -> None:
    moments = [START + timedelta(hours=9, seconds=n, microseconds=n % 3) for n in range(3000)]
    late, midnight = START - timedelta(milliseconds=1), START + timedelta(days=1)
    odd = ["", "#", "ts,a", "x" * (MAX_LINE + 1), "x" * MAX_LINE, '"torn']
    lines = [*map(line, moments[:2000]), *odd, line(late), *map(line, moments[2000:]), line(midnight)]
    path = tmp_path / "file"
    path.write_text("".join(f"{text}\n" for text in lines))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = Source(descriptor)
        found = days_of(source, line_instant, 0, source.size)
    finally:
        os.close(descriptor)
    assert found == {number(DAY) - 1, number(DAY), number(DAY) + 1}


def test_a_part_of_very_many_days_may_have_any(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("".join(f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n)},1\n" for n in range(400)))
    assert asked(ChunkDays(size=10_000), path, date(2031, 1, 1))[0]


def test_what_is_being_written_to_may_have_any_day(path: Path) -> None:
    chunks = ChunkDays(size=SIZE)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = Source(descriptor, max_line=100)
        last = source.size // SIZE
        assert chunks.may_have(source, Dating(b"", 0, csv_line_instant), last, OTHER)
        assert not chunks.may_have(source, Dating(b"", 0, csv_line_instant), last - 1, OTHER)
    finally:
        os.close(descriptor)
