"""A day that a wrong clock made is moved away by hand, as docs/retention.md says: its destination knows it no more."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lumen_assets.cli.daily import run_day
from lumen_assets_tests.replication.test_providers import DAY, DAY_BEFORE, REMOTE, Clouds, clouds

__all__ = ["clouds"]


def move_away(clouds: Clouds, destination: str) -> None:
    """The day's folder, by another client than Lumen; in a bucket as ``aws s3 mv --recursive`` does it."""
    if destination == "cloud":
        client, names = clouds.server.client(), {"Bucket": clouds.bucket, "Prefix": f"snapshots/{DAY}/"}
        for found in client.list_objects_v2(**names)["Contents"]:
            client.delete_object(Bucket=clouds.bucket, Key=found["Key"])
    elif destination == "drive":
        account = clouds.drive.account
        [folder] = [item for item in account.items.values() if item.name == str(DAY)]
        folder.parent = account.place("Moved", None).id
    else:
        entries = clouds.dropbox.account.entries
        for path in [path for path in entries if f"/archive/{DAY}" in path]:
            entry = entries.pop(path)
            entry.display = entry.display.replace("/FDO-AGI/Archive", "/Moved")
            entries[entry.display.lower()] = entry


@pytest.mark.parametrize("destination", REMOTE)
def test_its_destination_knows_it_no_more(clouds: Clouds, destination: str) -> None:
    workspace = clouds.workspace()
    for day in (DAY_BEFORE, DAY):
        assert run_day(workspace, day, console=Console(file=io.StringIO())).failures == {}
    move_away(clouds, destination)
    known = clouds.workspace().known()
    assert known.silent == {}
    assert {held.manifest.day for held in known.held[destination]} == {DAY_BEFORE}
    assert {held.manifest.day for held in known.held["here"]} == {DAY_BEFORE, DAY}
