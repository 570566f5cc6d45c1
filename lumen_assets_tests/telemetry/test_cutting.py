"""Cutting a day: odd files, patterns, errors, the folder it leaves, and how much of a long file it reads."""

from __future__ import annotations

import io
import os
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.telemetry import TelemetryFile, cut_day, describe_day, load_slice, read_day
from lumen_assets.telemetry.bisecting import ZONE
from lumen_assets.telemetry.cutting import UNDATED_LIMIT, Output, cut_lines, dating
from lumen_assets.telemetry.lines import MAX_LINE
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets_tests.telemetry.counting import CountingSource

DAY = date(2025, 11, 21)
METRICS = "logs/metrics.csv"
ROW = b"2025-11-21T12:00:00+09:00,1\n"
EXTRA = ("gateway_activation.yaml", "controls/*.jsonl", "logs/rules_effects.csv")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "logs").mkdir(parents=True)
    (folder / "controls").mkdir()
    (folder / METRICS).write_bytes(b"ts,a\n" + ROW)
    return folder


def cut(root: Path, day: date = DAY, extra=EXTRA, telemetry_path: str = METRICS):
    return cut_day(
        FolderRoot(root), day, root.parent / "slices" / str(day), telemetry=[TelemetryFile(telemetry_path)], extra=extra
    )


def test_links_are_followed_and_said_or_refused(root):
    files = [TelemetryFile(METRICS)]
    (root / "real.jsonl").write_text("{}\n")
    (root / "controls/link.jsonl").symlink_to("../real.jsonl")
    taken = cut(root, extra=("controls/*.jsonl",))
    link = next(item for item in taken.inputs if item.name == "controls/link.jsonl")
    assert link.link
    assert not any(item.link for item in taken.inputs if item is not link)
    notes = {item.name: item.notes for item in read_day(taken, files).inputs}
    assert notes["controls/link.jsonl"] == {"link": 1}
    assert "link" not in notes[METRICS]
    refusing, sources = FolderRoot(root, links="refuse"), {"telemetry": files, "extra": ("controls/*.jsonl",)}
    for function in (partial(cut_day, folder=root.parent / "other"), describe_day):
        with pytest.raises(PermanentError, match=r"controls/link.jsonl: it is a symbolic link, or lies behind one"):
            function(refusing, DAY, **sources)
    (root / "controls/link.jsonl").unlink()
    assert cut_day(refusing, DAY, root.parent / "other", **sources).inputs


@pytest.mark.parametrize("links", ["follow", "refuse"])
@pytest.mark.parametrize("name", [METRICS, "controls/named.jsonl", "behind/named.jsonl"])
def test_a_path_that_a_link_leads_out_of_the_data_root_is_refused(root, tmp_path, links, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / METRICS).rename(outside / "named.jsonl")
    (root / METRICS).write_bytes(b"ts,a\n")
    (root / "behind").symlink_to(outside)
    if not name.startswith("behind"):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(outside / "named.jsonl")
    with pytest.raises(PermanentError, match=rf"{name}: a symbolic link leads out of LUMEN_DATA_ROOT") as caught:
        describe_day(FolderRoot(root, links), DAY, telemetry=[TelemetryFile(METRICS)], extra=(name,))
    assert caught.value.error_class == "input"


def sliced(root: Path, content: bytes, day: date = DAY) -> bytes:
    (root / METRICS).write_bytes(content)
    return (cut(root, day).folder / METRICS).read_bytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"ts,a\n", b"ts,a\n"),
        (b"ts,a", b"ts,a"),
        (b"\xef\xbb\xbfts,a\r\n" + ROW, b"ts,a\r\n" + ROW),
        (b"ts,a\n" + ROW + b"2025-11-21T12:00:0", b"ts,a\n" + ROW + b"2025-11-21T12:00:0"),
        (b"ts,a\n" + ROW + b"2025-11-22T12:00:00Z,1\n2025-11", b"ts,a\n" + ROW),
        (b"ts,a\nno newline and no time", b"ts,a\nno newline and no time"),
        (b"# a\n\n# b\nts,a\n" + ROW, b"# a\n\n# b\nts,a\n" + ROW),
    ],
)
def test_odd_files(root, content, expected):
    assert sliced(root, content) == expected


def test_a_line_of_many_megabytes_is_dirt_that_stays_where_it_is(root):
    content = b"ts,a\n" + ROW + b"x" * (3 * MAX_LINE) + b"\n" + ROW + b"2025-11-23T00:00:00+09:00,2\n"
    assert sliced(root, content) == content[: content.index(b"2025-11-23")]
    assert sliced(root, content, DAY + timedelta(days=1)) == b"ts,a\n"


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        (b"ts,a\n", r"not one of its lines has a time of the form that is configured\. .*timestamp_offset"),
        (b"time,a\n", r"it has no header line with a column ts\. put the header back"),
        (b"# by a logger\nts;a\n", r"it has no header line with a column ts\. its cells are not separated by commas"),
    ],
)
def test_telemetry_without_any_timestamp_is_whole_while_it_is_short_and_then_refused(root, header, cause):
    line = b"2025-11-21T12:00:00,1\n"
    short = header + line * ((UNDATED_LIMIT - len(header)) // len(line))
    assert sliced(root, short) == short
    with pytest.raises(PermanentError, match=cause) as caught:
        sliced(root, short + line)
    assert caught.value.error_class == "input"


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [
        ("controls/app.jsonl", b"", b'{"time": "2025-11-21T12:00:00+09:00", "text": "%060d"}\n'),
        ("controls/local.jsonl", b"\xef\xbb\xbf", b'{"ts": "2025-11-21T12:00:00", "text": "%060d"}\n'),
        ("logs/local.csv", b"# a\nts,a\n", b"2025-11-21T12:00:00,%060d\n"),
        ("logs/names.csv", b"name,a\n", b"x,%080d\n"),
    ],
)
def test_a_further_file_without_timestamps_is_whole_in_every_slice(root, name, header, line):
    content = header + b"".join(line % number for number in range(40_000))
    assert len(content) > 3 * UNDATED_LIMIT
    (root / name).write_bytes(content)
    for day in (DAY, DAY + timedelta(days=40)):
        found = cut(root, day, extra=(name,))
        assert (found.folder / name).read_bytes() == content
        assert [item.by_day for item in found.inputs if item.name == name] == [False]


def test_lines_without_a_time_are_in_the_day_of_the_line_before_them_and_the_first_ones_in_that_of_the_first(root):
    undated = b'{"time": "2025-11-21T12:00:00+09:00", "text": "%060d"}\n'
    front = b"".join(undated % number for number in range(40_000))
    first, last = b'{"ts": "2025-11-21T12:00:00+09:00"}\n', b'{"ts": "2025-11-23T12:00:00+09:00"}\n'
    (root / "controls/app.jsonl").write_bytes(front + first + undated % 1 + undated % 2 + last + undated % 3)
    assert len(front) > 3 * UNDATED_LIMIT
    slices = [cut(root, DAY + timedelta(days=n)).folder / "controls/app.jsonl" for n in range(-1, 4)]
    expected = [b"", front + first + undated % 1 + undated % 2, b"", last + undated % 3, b""]
    assert [path.read_bytes() for path in slices] == expected


def test_inputs_are_listed_with_roles_present_or_not(root):
    (root / "controls/rules_history.jsonl").write_bytes(b'{"ts":"2025-11-21T01:00:00+09:00"}\n')
    (root / "controls/other.jsonl").write_bytes(b'{"ts":"2025-11-20T01:00:00+09:00"}\n')
    (root / "gateway_activation.yaml").write_bytes(b"gateway:\n  status: locked\n")
    (root / "notes.csv").write_bytes(b"name,value\nx,1\n")
    found = cut(root, extra=(*EXTRA, "notes.csv", "missing.txt", METRICS))
    assert [(item.name, item.role, item.present) for item in found.inputs] == [
        ("controls/other.jsonl", "extra", True),
        ("controls/quotes_bank.jsonl", "quotes_bank", False),
        ("controls/risk_ledger.jsonl", "risk_ledger", False),
        ("controls/rules_history.jsonl", "rules_history", True),
        ("gateway_activation.yaml", "gateway", True),
        (METRICS, "telemetry", True),
        ("logs/rules_effects.csv", "rules_effects", False),
        ("missing.txt", "extra", False),
        ("notes.csv", "extra", True),
    ]
    assert (found.folder / "controls/other.jsonl").read_bytes() == b""
    assert (found.folder / "notes.csv").read_bytes() == b"name,value\nx,1\n"


def test_links_out_of_the_data_root_and_temporary_files_are_not_taken(root, tmp_path):
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (root / "controls/link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (root / "controls/.tmp-1-x.jsonl").write_text("{}\n")
    (root / "controls/real.jsonl").write_text("{}\n")
    (root / "controls/inside.jsonl").symlink_to(root / "controls/real.jsonl")
    names = {item.name for item in cut(root).inputs if item.present}
    assert names == {METRICS, "controls/real.jsonl", "controls/inside.jsonl"}


def test_links_in_a_circle_are_a_permanent_error(root):
    (root / "controls/a.jsonl").symlink_to("b.jsonl")
    (root / "controls/b.jsonl").symlink_to("a.jsonl")
    with pytest.raises(PermanentError, match=r"controls/a\.jsonl: Too many levels of symbolic links"):
        cut(root, extra=("controls/a.jsonl",))


@pytest.mark.parametrize("telemetry_path", ["logs/none.csv", "logs", METRICS + "/x"])
def test_telemetry_that_is_not_there_is_a_permanent_error(root, telemetry_path):
    with pytest.raises(PermanentError, match=r"sources\.telemetry") as caught:
        cut(root, telemetry_path=telemetry_path)
    assert caught.value.error_class == "input"
    assert "LUMEN_DATA_ROOT" in caught.value.hint
    assert not list((root.parent / "slices").iterdir())


def test_a_named_pipe_does_not_block(root):
    os.mkfifo(root / "logs" / "pipe.csv")
    with pytest.raises(PermanentError, match="not a regular file"):
        cut(root, telemetry_path="logs/pipe.csv")


def test_the_slice_is_loaded_as_it_was_cut_and_only_while_it_is_intact(root):
    found = cut(root)
    assert load_slice(found.folder) == found
    description = found.folder.with_name(f"{DAY}.json").read_bytes()
    assert cut(root) == found
    assert found.folder.with_name(f"{DAY}.json").read_bytes() == description
    (found.folder / METRICS).write_bytes(b"ts,a\n" + ROW.replace(b",1", b",2"))
    assert load_slice(found.folder) is None
    assert load_slice(found.folder.with_name("none")) is None
    assert load_slice(cut(root).folder) == found


def test_a_new_cut_replaces_the_whole_folder(root):
    (root / "controls/gone.jsonl").write_text("{}\n")
    before = cut(root)
    (root / "controls/gone.jsonl").unlink()
    after = cut(root)
    assert after != before
    assert not (after.folder / "controls/gone.jsonl").exists()
    assert sorted(path.name for path in after.folder.parent.iterdir()) == [str(DAY), f"{DAY}.json"]


def test_what_is_read_depends_on_the_day_and_not_on_the_history(tmp_path):
    step = timedelta(seconds=20)
    start = datetime.fromisoformat("2025-10-01T00:00:00+09:00")
    path = tmp_path / METRICS.replace("/", "-")
    with path.open("wb") as file:
        file.write(b"ts,a\n")
        for number in range(60 * 4320):
            moment = start + number * step
            if number % 997 == 0:  # strays, which the medians have to outvote
                moment = moment.replace(year=2031 if number % 2 else 1999)
            file.write(b"%s,%060d\n" % (moment.isoformat().encode(), number))
    with path.open("rb") as file:
        source = CountingSource(file.fileno(), chunk=1 << 14)
        how = dating(source, METRICS, Clock())
        assert how is not None
        output = Output(io.BytesIO())
        first, last = cut_lines(source, how, date(2025, 11, 15), output)
    assert output.size == last - first + len(how.preamble) == 4320 * 87 + 5
    hour = 180 * 87
    zones = 2 * (ZONE // timedelta(hours=1)) * hour
    scans = 4 * (2 * hour + (1 << 16) + (1 << 14))
    probes = 4 * 10 * 3 * (1 << 14)  # 23 MB halved to 64 KiB are 9 steps
    assert source.read_bytes < output.size + 2 * zones + scans + probes
    assert source.read_bytes < source.size / 5
