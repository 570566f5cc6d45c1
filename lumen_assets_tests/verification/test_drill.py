"""The restore drill: from the destination alone, every file compared, and told when it fails."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.definitions import build_defs
from lumen_assets.health import exposition, vitals
from lumen_assets.verification.drill import choose, run_drill
from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [date(2026, 1, 1) + timedelta(days=offset) for offset in range(12)]
PLACES = st.sets(st.tuples(st.sampled_from(DAYS), st.sampled_from(["here", "there", "cloud"])), min_size=1)


@given(PLACES, st.data())
def test_what_was_never_drilled_comes_first_then_what_was_drilled_longest_ago(
    places: set[tuple[date, str]], data: st.DataObject
) -> None:
    drilled: dict[tuple[date, str], datetime] = {}
    now = datetime(2026, 3, 1, tzinfo=UTC)
    generator = random.Random(data.draw(st.integers()))  # noqa: S311 - no secret
    for round_number in range(2 * len(places)):
        chosen = choose(places, drilled, generator)
        assert chosen in places
        if round_number < len(places):
            assert chosen not in drilled, "each is drilled once before any is a second time"
        else:
            older = sum(at < drilled[chosen] for at in drilled.values())
            assert older < -(-len(places) // 4)
        drilled[chosen] = now + timedelta(days=round_number)


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Iterator[Installation]:
    shutil.copytree(made.root, tmp_path / "installation")
    copied = Installation(tmp_path / "installation")
    yield copied
    assert list((copied.home / "drills").glob("*")) == [], "the scratch folder is removed"


def open_kinds(installation: Installation) -> set[str]:
    """What is told to be wrong, after one more look at everything."""
    defs = build_defs(installation.workspace)
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = defs.get_repository_def().get_sensor_def("alerts_survey")
        with dg.build_sensor_context(instance=instance, resources={"lumen": installation.workspace}) as context:
            sensor.evaluate_tick(context)
    return {one.kind.value for one in installation.workspace.outbox().open_incidents()}


def test_a_replica_is_restored_with_nothing_local_and_every_file_compared(installation: Installation) -> None:
    shutil.rmtree(installation.home / "archive")
    found = installation.json("drill", "--day", str(LAST_DAY), "--destination", "there")
    assert (found["ok"], found["destination"], found["revision"]) == (True, "there", 1)
    assert found["restore"] is None
    assert found["files"] > 5
    assert found["bytes"] > 1_000_000
    assert found["mb_per_second"] > 0
    text = installation.lumen("drill").stdout
    assert "to restore" not in text
    assert f"restored {LAST_DAY} r1 from here" in text, "the one that was not drilled yet"
    shown = installation.json("drill", "--coverage")
    assert shown["destinations"] == {name: {"replicas": 1, "drilled": 1} for name in ("here", "there")}
    assert "here: 1 of 1 replicas were restored by a drill" in installation.lumen("drill", "--coverage").stdout
    page = exposition(vitals(installation.workspace)).decode()
    assert 'lumen_drilled_ratio{destination="there"} 1.0' in page
    assert "lumen_drill_age_seconds " in page


def test_a_machine_that_knows_nothing_drills_what_the_destinations_hold(installation: Installation) -> None:
    for folder in ("archive", "verification"):
        shutil.rmtree(installation.home / folder)
    assert installation.json("drill", "--day", str(LAST_DAY))["ok"]
    shutil.rmtree(installation.home / "verification")
    assert installation.json("drill")["ok"]


def test_one_byte_that_changed_fails_it_is_told_and_repaired(installation: Installation) -> None:
    path = installation.archive_at("there", LAST_DAY)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = installation.json("drill", "--destination", "there", exit_code=1)
    assert (found["ok"], found["good"]) == (False, False)
    command = f"lumen restore {LAST_DAY} --revision 1 --from here --to restored-{LAST_DAY}-r1"
    assert found["restore"] == command
    assert {"drill", "replica_not_good"} <= open_kinds(installation)
    assert "lumen_drill_age_seconds" not in exposition(vitals(installation.workspace)).decode(), "no good one yet"
    installation.json("repair", str(LAST_DAY))
    assert not {"drill", "replica_not_good"} & open_kinds(installation)
    path.write_bytes(content)
    assert f"to restore {LAST_DAY}: {command}\n" in installation.lumen("drill", "--destination", "there").stdout


def test_a_drill_that_could_not_be_made_is_told_as_that_and_counts_as_none(installation: Installation) -> None:
    assert installation.json("drill", "--destination", "here")["ok"]
    folder = installation.home / "copies" / "there"
    folder.rename(folder.with_name("away"))
    folder.write_text("not a folder")
    found = installation.json("drill", exit_code=1)
    assert (found["destination"], found["good"]) == ("there", None)
    assert "--from here" in found["restore"], "there does not answer, though what was proven of it stands"
    assert "drill" in open_kinds(installation)
    (told,) = [one for one in installation.workspace.outbox().open_incidents() if one.kind == "drill"]
    assert (told.source, told.error_class, told.severity) == ("there", "unreachable", "warning")
    folder.unlink()
    folder.with_name("away").rename(folder)
    assert installation.json("drill", "--coverage")["destinations"]["there"] == {"replicas": 1, "drilled": 0}
    assert "could not be tried" in installation.lumen("drill", "--coverage").output
    assert installation.json("drill")["destination"] == "there", "it is not drilled yet, and here is"
    assert "drill" not in open_kinds(installation)


def test_the_job_shows_what_was_drilled_and_fails_where_it_fails(installation: Installation) -> None:
    def run() -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            job = build_defs(installation.workspace).resolve_job_def("restore_drill")
            return job.execute_in_process(instance=instance, raise_on_error=False)

    good = run()
    (made,) = good.get_asset_materialization_events()
    metadata = {name: value.value for name, value in made.materialization.metadata.items()}
    assert metadata["day"] == str(LAST_DAY)
    assert metadata[f"coverage at {metadata['destination']}"] == "1 of 1 replicas"
    for name in ("here", "there"):
        installation.archive_at(name, LAST_DAY).unlink()
    bad = run()
    assert not bad.success
    (failed,) = [event for event in bad.all_events if event.is_step_failure]
    assert "restore drill" in str(failed.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]


def test_what_cannot_be_drilled_is_a_clear_error(installation: Installation) -> None:
    unknown = installation.json("drill", "--destination", "nowhere", exit_code=2)
    assert "choose from here, there" in unknown["error"]["hint"]
    absent = installation.json("drill", "--day", str(LAST_DAY - timedelta(days=5)), exit_code=1)
    assert "has one" in absent["error"]["cause"]


KILLED = """
import sys, time
from datetime import date
from pathlib import Path
from lumen_assets.verification import drill
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
def waits(*_):
    print("restored", flush=True)
    time.sleep(60)
drill._compare = waits
Workspace(load_settings()).drill()
"""


def test_what_a_killed_drill_left_is_removed_by_the_next(installation: Installation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        env={**os.environ, **installation.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "restored\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list((installation.home / "drills").iterdir())) == 1
    assert installation.json("drill")["ok"]


def test_files_that_did_not_reach_the_disk_are_noticed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lumen_assets.verification import drill as module

    restore = module.restore_replica

    def loses_one(*arguments: object, **more: object) -> object:
        done = restore(*arguments, **more)  # type: ignore[arg-type]
        folder = arguments[3]
        assert isinstance(folder, Path)
        next((folder / "data").rglob("*.md")).unlink()
        return done

    monkeypatch.setattr(module, "restore_replica", loses_one)
    workspace = installation.workspace
    found = run_drill(workspace.stores["here"], LAST_DAY, 1, workspace.keyring, tmp_path / "scratch")
    assert found.good is False
    assert "the signed manifest says" in found.detail


def test_where_the_newest_revision_is_bad_everywhere_the_way_back_is_said_and_works(installation: Installation) -> None:
    metrics = installation.data_root / "logs" / "metrics.csv"
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:-40]))
    assert installation.json("daily", "--day", str(LAST_DAY))["archive"]["revision"] == 2
    for name in ("here", "there"):
        (path,) = (installation.home / "copies" / name).rglob(f"*{LAST_DAY}-r2*.tink")
        path.write_bytes(b"damaged")
    found = installation.json("verify", str(LAST_DAY), exit_code=1)
    command = found["restore"][str(LAST_DAY)]
    assert command == f"lumen restore {LAST_DAY} --revision 1 --from here --to restored-{LAST_DAY}-r1"
    assert f"to restore {LAST_DAY}: {command}" in installation.lumen("verify", str(LAST_DAY)).output
    open_kinds(installation)
    outbox = installation.workspace.outbox()
    outbox.compose(datetime.now(UTC) + timedelta(hours=1), at_once=True)
    events = [event for item in outbox.recent(50) for event in item.message.events]
    told = [event for event in events if event.kind == "replica_not_good"]
    assert {event.facts["restore the newest good revision"] for event in told} == {command}
    with dg.DagsterInstance.ephemeral() as instance:
        failed = (
            build_defs(installation.workspace)
            .resolve_job_def("daily")
            .execute_in_process(
                instance=instance,
                partition_key=str(LAST_DAY),
                raise_on_error=False,
                asset_selection=[dg.AssetKey(["verification", "here"])],
            )
        )
        (event,) = [event for event in failed.all_events if event.is_step_failure]
        metadata = event.step_failure_data.user_failure_data.metadata  # type: ignore[union-attr]
        assert metadata["restore"].value == command
        assert str(metadata["run"].value).endswith(f"/runs/{failed.run_id}")
    words = shlex.split(command)[1:]
    words[-1] = str(installation.root / words[-1])
    assert installation.lumen(*words).exit_code == 0
    assert list((installation.root / f"restored-{LAST_DAY}-r1" / "data").rglob("*.md"))
