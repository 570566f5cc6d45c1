"""Inputs in a bucket of a real S3 server: the same slices as from a folder, and little more read than the day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.settings import S3Connection, S3Folder, load_settings
from lumen_assets.telemetry import ChunkDays, Reach, TelemetryFile, cut_day, describe_day, write_sample
from lumen_assets.telemetry.roots import FolderRoot
from lumen_assets.telemetry.s3_root import PAGE, S3Root
from lumen_assets_tests.installation import Installation
from lumen_assets_tests.replication.seaweedfs import REGION, S3Server

LAST_DAY = date(2026, 3, 9)
METRICS = "logs/metrics.csv"
EXTRA = ("gateway_activation.yaml", "controls/*.jsonl", "logs/rules_effects.csv", "none.csv", "**/*.txt")


def folder_in(server: S3Server, prefix: str = "plant/data") -> S3Folder:
    connection = S3Connection(endpoint_url=server.endpoint_url, path_style=True, region=REGION)
    return S3Folder(bucket=server.new_bucket(), prefix=prefix, connection=connection)


def upload(server: S3Server, folder: S3Folder, root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            server.client().upload_file(str(path), folder.bucket, folder.key(path.relative_to(root).as_posix()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_sample(root, last_day=LAST_DAY, days=2, rate_hz=0.5)
    (root / "notes").mkdir()
    (root / "notes" / "n.txt").write_text("note\n")
    return root


@pytest.mark.parametrize("prefix", ["plant/data", ""])
def test_the_same_is_cut_as_from_a_folder(seaweedfs: S3Server, data: Path, tmp_path: Path, prefix: str) -> None:
    folder = folder_in(seaweedfs, prefix)
    upload(seaweedfs, folder, data)
    roots = {"folder": FolderRoot(data), "bucket": S3Root(folder, seaweedfs.client())}
    for offset in range(-1, 3):
        day = LAST_DAY - timedelta(days=offset)
        cuts = [
            cut_day(root, day, tmp_path / name / str(day), telemetry=[TelemetryFile(METRICS)], extra=EXTRA)
            for name, root in roots.items()
        ]
        assert cuts[0].inputs == cuts[1].inputs
        assert {item.name for item in cuts[0].inputs} >= {"notes/n.txt", "none.csv", "controls/rules_history.jsonl"}
        for item in cuts[0].inputs:
            if item.present:
                assert (cuts[0].folder / item.name).read_bytes() == (cuts[1].folder / item.name).read_bytes()
        assert describe_day(roots["bucket"], day, telemetry=[TelemetryFile(METRICS)], extra=EXTRA) == cuts[1].inputs


def test_a_day_in_the_middle_of_a_long_object_is_read_by_itself(seaweedfs: S3Server, tmp_path: Path) -> None:
    folder, client = folder_in(seaweedfs), seaweedfs.client()
    start = datetime(2026, 2, 10)  # noqa: DTZ001 - the offset is written
    cells = ",0.123456789" * 40
    rows = (f"{(start + timedelta(seconds=10 * n)).isoformat()}+09:00{cells}\n" for n in range(20 * 8640))
    header = f"ts{''.join(f',c{n}' for n in range(40))}\n"
    content = (header + "".join(rows)).encode()
    client.put_object(Bucket=folder.bucket, Key=folder.key(METRICS), Body=content)
    asked: list[int] = []

    def count(request: Any, **_: object) -> None:
        start, end = request.headers["Range"].decode().removeprefix("bytes=").split("-")
        asked.append(int(end) - int(start) + 1)

    client.meta.events.register("before-send.s3.GetObject", count)
    for late_days in (0, 2):
        cut = cut_day(
            S3Root(folder, client),
            date(2026, 2, 20),
            tmp_path / f"cut {late_days}",
            telemetry=[TelemetryFile(METRICS)],
            extra=(),
            reach=Reach(late_days, ChunkDays(size=PAGE)),
        )
        [item] = cut.inputs
        day = item.size - len(header)
        assert day == 8640 * len(f"2026-02-20T00:00:00+09:00{cells}\n")
        around = 2 * (late_days * day + PAGE) if late_days else 0
        assert sum(asked) < day + around + 10 * PAGE < len(content) / 2
        asked.clear()


def test_an_object_that_was_replaced_meanwhile_is_not_mixed(seaweedfs: S3Server) -> None:
    folder, client = folder_in(seaweedfs), seaweedfs.client()
    names = {"Bucket": folder.bucket, "Key": folder.key(METRICS)}
    client.put_object(**names, Body=b"ts,a\n" * PAGE)
    with S3Root(folder, client).open(METRICS) as source:
        assert source is not None
        assert source.read(0, 5) == b"ts,a\n"
        client.put_object(**names, Body=b"ts,b\n" * PAGE)
        with pytest.raises(TransientError, match="another object was put in its place"):
            source.read(2 * PAGE, 5)


def test_what_is_not_there_and_who_may_not(
    seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_in(seaweedfs)
    with pytest.raises(PermanentError, match=rf"{folder}/{METRICS}: there is no such file.*LUMEN_DATA_ROOT"):
        cut_day(
            S3Root(folder, seaweedfs.client()), LAST_DAY, tmp_path / "x", telemetry=[TelemetryFile(METRICS)], extra=()
        )
    for name, value in {**seaweedfs.environment(), "AWS_SECRET_ACCESS_KEY": "canary-5ecre7-canary"}.items():
        monkeypatch.setenv(name, value)
    for pattern in (METRICS, "controls/*.jsonl"):
        with pytest.raises(PermanentError) as caught:
            cut_day(S3Root(folder), LAST_DAY, tmp_path / "x", telemetry=[TelemetryFile(METRICS)], extra=[pattern])
        assert caught.value.error_class in ("credentials", "permission")
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("root", ["s3://", "s3://B/x", "s3:///x", "s3://ab"])
def test_a_wrong_address_is_named(tmp_path: Path, root: str) -> None:
    with pytest.raises(PermanentError, match="LUMEN_DATA_ROOT: must be s3://BUCKET/PREFIX"):
        load_settings({"LUMEN_DATA_ROOT": root, "HOME": str(tmp_path)}, tmp_path)


def test_a_report_from_a_bucket_is_that_from_a_folder(seaweedfs: S3Server, tmp_path: Path) -> None:
    source = f"endpoint_url: {seaweedfs.endpoint_url}, path_style: true"
    installation = Installation.make(tmp_path, last_day=LAST_DAY)
    settings = tmp_path / "lumen.yaml"
    settings.write_text(settings.read_text().replace("sources: {", f"sources: {{s3: {{{source}}}, "))
    folder = folder_in(seaweedfs)
    upload(seaweedfs, folder, installation.data_root)
    environment: dict[str, Any] = {**seaweedfs.environment(), "LUMEN_DATA_ROOT": str(folder)}
    day = ("daily", "--day", str(LAST_DAY), "--until", "report")
    from_folder = Path(installation.json(*day)["report"]).read_bytes()
    from_bucket = installation.json(*day, LUMEN_HOME=str(tmp_path / "other"), **environment)
    assert Path(from_bucket["report"]).read_bytes() == from_folder
    found = installation.json("doctor", LUMEN_HOME=str(tmp_path / "other"), **environment)["findings"]
    [seen] = [item for item in found if item["name"] == "inputs"]
    assert (seen["ok"], seen["detail"].startswith(f"{folder}/{METRICS}: ")) == (True, True), seen
    assert installation.lumen("demo", **environment).exit_code == 2
