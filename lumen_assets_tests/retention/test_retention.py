"""Retention on real folders, through the command and the job, as an operator meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lumen_assets.definitions import build_defs
from lumen_assets.retention.carrying_out import carry_out, look
from lumen_assets.settings import Configuration
from lumen_assets.workspace import Workspace
from lumen_assets_tests.installation import LAST_DAY, Installation

DAYS = [LAST_DAY - timedelta(days=back) for back in (4, 3, 2, 1, 0)]
TODAY = LAST_DAY + timedelta(days=1)
RULES = "retention: {keep_days: 2, keep_weekly: 0, keep_monthly: 0}\n"
OLD = DAYS[:3]
RETENTION_DOCUMENT = Path(__file__).parents[2] / "docs" / "retention.md"


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Five days at two destinations, read and found good."""
    installation = Installation.make(tmp_path_factory.mktemp("installation"), days=5, configuration=RULES)
    for day in DAYS:
        installation.json("daily", "--day", str(day))
    return installation


@pytest.fixture
def installation(proven: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    shutil.copytree(proven.root, tmp_path / "installation")
    set_clock(monkeypatch, TODAY)
    return Installation(tmp_path / "installation")


def set_clock(monkeypatch: pytest.MonkeyPatch, today: date) -> None:
    monkeypatch.setattr("lumen_assets.retention.carrying_out.day_of", lambda _: today)


def configure(installation: Installation, old: str, new: str) -> None:
    path = installation.root / "lumen.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def archives(installation: Installation, place: str = "copies") -> set[str]:
    folder = installation.home / place
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.tink")}


def removed(installation: Installation, exit_code: int = 0) -> list[tuple[str, str]]:
    found = installation.json("retention", "--apply", exit_code=exit_code)
    return [(item["day"], item["destination"]) for item in found["removed"]]


def test_the_plan_changes_nothing_and_says_why(installation: Installation) -> None:
    before = {path: path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}
    found = installation.json("retention")
    assert (found["ok"], found["applied"], found["removed"]) == (True, False, [])
    assert [(item["day"], item["destination"]) for item in found["remove"]] == [(str(day), "there") for day in OLD]
    assert found["bytes"] == sum(item["size"] for item in found["remove"]) > 0
    for item in found["remove"]:
        assert item["reasons"][0].startswith("older than the newest 2 days")
        assert item["reasons"][1] == "a good copy stays at here"
    reasons = {(item["day"], item["destination"]): item["reasons"] for item in found["keep"]}
    assert reasons[str(OLD[0]), "here"] == ["the last good copy of it stays"]
    assert reasons[str(LAST_DAY), "there"] == ["one of the newest 2 days"]
    text = installation.lumen("retention").output
    assert "nothing was changed" in text
    assert "the last good copy of it stays" in text
    assert before == {path: path.read_bytes() for path in (installation.home / "copies").rglob("*") if path.is_file()}


def test_applied_the_rest_is_whole_and_everything_says_so(installation: Installation) -> None:
    local = archives(installation, "archive")
    assert removed(installation) == [(str(day), "there") for day in OLD]
    assert archives(installation, "copies/here") == {f"{day}/lumen-{day}-r1.tar.zst.tink" for day in DAYS}
    assert archives(installation, "copies/there") == {f"{day}/lumen-{day}-r1.tar.zst.tink" for day in DAYS[3:]}
    assert archives(installation, "archive") == local
    verified = installation.json("verify")
    assert verified["ok"]
    assert verified["history"] == []
    verdicts = {(item["day"], item["destination"]): item for item in verified["verdicts"]}
    of_removed = verdicts[str(OLD[0]), "there"]
    assert (of_removed["verdict"], of_removed["finding"]) == ("REMOVED", "removed by retention")
    assert of_removed["detail"].endswith("12 months") or "older than the newest 2 days" in of_removed["detail"]
    assert verified["attestations"][str(OLD[0])] == {"good": 1, "required": 1, "ok": True}
    status = installation.json("status", "--from", str(DAYS[0]), "--to", str(LAST_DAY))["days"]
    assert status[str(OLD[0])]["replicas"]["there"]["verdict"] == "REMOVED"
    assert all(day["attestation"]["ok"] for day in status.values())
    assert installation.json("retention")["remove"] == []
    assert removed(installation) == []


def test_what_was_removed_is_not_put_again(installation: Installation) -> None:
    removed(installation)
    left = archives(installation)
    for arguments in (["repair"], ["repair", str(OLD[0])], ["daily", "--day", str(OLD[0])]):
        found = installation.json(*arguments)
        assert found["ok"]
        assert archives(installation) == left
    assert installation.json("daily", "--dry-run", "--day", str(OLD[0]))["withheld"] == {}
    workspace = installation.workspace
    assert all(item.verdict.accepted for item in workspace.verify_due("there"))
    assert archives(installation) == left


def test_a_fresh_machine_comes_to_the_same(installation: Installation) -> None:
    removed(installation)
    for name in ("archive", "verification"):
        shutil.rmtree(installation.home / name)
    found = installation.json("retention")
    assert found["remove"] == []  # nothing is proven yet
    assert installation.json("verify")["ok"]
    assert installation.json("retention")["remove"] == []
    restored = installation.json("restore", str(OLD[0]), "--to", installation.root / "restored")
    assert restored["from"] == "here"


def test_an_archive_that_somebody_else_removed_is_missing(installation: Installation) -> None:
    """Also with another destination's record beside it: that names the destination that it is of."""
    removed(installation)
    here, there = (installation.archive_at(name, OLD[0]).parent for name in ("here", "there"))
    installation.archive_at("here", OLD[0]).unlink()
    shutil.copyfile(there / "retention.json", here / "retention.json")
    found = installation.json("verify", str(OLD[0]), exit_code=1)
    assert {item["destination"]: item["verdict"] for item in found["verdicts"]} == {
        "here": "MISSING",
        "there": "REMOVED",
    }
    assert not found["attestations"][str(OLD[0])]["ok"]


def test_a_clock_a_year_ahead_removes_nothing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, TODAY + timedelta(days=365))
    before = archives(installation)
    assert removed(installation, exit_code=1) == []
    assert archives(installation) == before
    assert "the clock says 2027-03-10" in installation.lumen("retention").output


def test_days_that_a_wrong_clock_made_do_not_prove_it_right(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes missing days goes by the same clock, and makes days of which there is no telemetry."""
    made = LAST_DAY + timedelta(days=20)
    assert installation.json("daily", "--day", str(made))["ok"]
    set_clock(monkeypatch, made + timedelta(days=1))
    before = archives(installation)
    assert removed(installation, exit_code=1) == []
    assert archives(installation) == before
    assert f"the newest day with telemetry is {LAST_DAY}" in installation.lumen("retention").output


def test_rows_that_a_wrong_clock_dated_do_not_prove_it_right(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes the telemetry is on the same machine as its clock, and one day of rows is made by it."""
    written = LAST_DAY + timedelta(days=20)
    add_a_row(installation, written)
    assert installation.json("daily", "--day", str(written))["ok"]
    set_clock(monkeypatch, written + timedelta(days=1))
    before = archives(installation)
    assert removed(installation, exit_code=1) == []
    assert archives(installation) == before
    assert f"no day between {LAST_DAY} and {written} has telemetry" in installation.lumen("retention").output
    configure(installation, "keep_monthly: 0", "keep_monthly: 0, newest_within_days: 20")
    assert len(installation.json("retention")["remove"]) > 0, "where the pause was real, the setting says so"


def add_a_row(installation: Installation, day: date) -> None:
    metrics = installation.data_root / "logs" / "metrics.csv"
    text = metrics.read_text()
    metrics.write_text(f"{text}{day}{text.splitlines()[-1][10:]}\n")


def test_what_a_clock_that_was_ahead_made_hinders_nothing_or_is_moved_away_as_documented(
    installation: Installation, tmp_path: Path
) -> None:
    """Days without telemetry hinder nothing; for one with it, the commands of the document are run."""
    empty, written = LAST_DAY + timedelta(days=20), LAST_DAY + timedelta(days=21)
    assert installation.json("daily", "--day", str(empty))["ok"]
    assert installation.json("retention")["stopped"] is None
    add_a_row(installation, written)
    assert installation.json("daily", "--day", str(written))["ok"]
    assert str(written) in installation.json("retention", exit_code=1)["stopped"]
    (commands,) = re.findall(r"```sh\n(DAY=.*?)```", RETENTION_DOCUMENT.read_text(), re.DOTALL)
    script = commands.replace("DAY=2027-03-09", f"DAY={written}").replace(
        "lumen ", f"{sys.executable} -m lumen_assets.cli "
    )
    environment = {**os.environ, **installation.environment}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, check=False)
    assert str(written) not in done.stdout, done.stdout + done.stderr
    assert installation.json("verify")["history"] == []
    assert installation.json("retention")["stopped"] is None
    assert len(list((installation.home / "moved").rglob("*.tink"))) == 3


def test_legal_hold(installation: Installation) -> None:
    configure(installation, "keep_monthly: 0", f"keep_monthly: 0, hold: [{OLD[0]}, '{OLD[2]}..{LAST_DAY}']")
    assert removed(installation) == [(str(OLD[1]), "there")]
    found = installation.json("retention")
    reasons = {(item["day"], item["destination"]): item["reasons"] for item in found["keep"]}
    assert f"under legal hold ({OLD[0]})" in reasons[str(OLD[0]), "there"]


def test_a_destination_of_its_own_rules(installation: Installation) -> None:
    configure(
        installation,
        "retention:",
        "destinations:\n"
        "  here: {type: local, path: copies/here}\n"
        "  there: {type: local, path: copies/there, retention: {keep_days: 90}}\n"
        "retention:",
    )
    assert removed(installation) == [(str(day), "here") for day in OLD]


def test_what_is_not_good_any_more_saves_the_other_copy(installation: Installation) -> None:
    """The ledger says that it is; what is there now says otherwise, just before the other would go."""
    archive = installation.archive_at("here", OLD[0])
    content = bytearray(archive.read_bytes())
    content[-5] ^= 0x10
    archive.write_bytes(content)
    assert removed(installation, exit_code=1) == [(str(day), "there") for day in OLD[1:]]
    assert installation.archive_at("there", OLD[0]).exists()
    assert not (installation.archive_at("there", OLD[0]).parent / "retention.json").exists()
    assert "below policy" in str(installation.json("retention")["keep"])


def test_a_destination_that_does_not_answer_loses_nothing_and_saves_the_others(installation: Installation) -> None:
    configure(
        installation,
        "retention:",
        f"destinations:\n  here: {{type: local, path: {installation.home / 'copies' / 'gone'}}}\n"
        "  there: {type: local, path: copies/there}\nretention:",
    )
    before = archives(installation)
    assert removed(installation, exit_code=1) == []
    assert archives(installation) == before
    assert list(installation.json("retention", exit_code=1)["silent"]) == ["here"]


def test_two_machines_at_once_that_count_on_each_others_copies_leave_one(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each made its plan before the other began: one keeps its days here, the other there."""
    monkeypatch.setattr(Workspace, "locked", lambda *_: nullcontext())  # it keeps processes of one machine apart
    one, other = installation.workspace, with_own_rules(installation, "here")
    of_one, of_other = look(one, TODAY), look(other, TODAY)
    assert {item.destination for item in of_one.plan.removals} == {"there"}
    assert {item.destination for item in of_other.plan.removals} == {"here"}
    first, second = carry_out(one, of_one), carry_out(other, of_other)
    problems: list[str] = []
    for outcome in interleaved(first, second):
        problems.append(outcome.problem)
    left = archives(installation)
    for day in OLD:
        assert any(f"{day}/" in path for path in left), day
    assert sum(bool(problem) for problem in problems) == len(OLD)


def with_own_rules(installation: Installation, name: str) -> Workspace:
    """Another machine, on which ``name`` keeps little and the other destination everything."""
    configuration = installation.settings.configuration.model_dump()
    for other, destination in configuration["destinations"].items():
        if other != name:
            destination["retention"] = {"keep_days": 90}
    changed = Configuration.model_validate(configuration)
    return Workspace(installation.settings.model_copy(update={"configuration": changed}))


def interleaved(first: Iterator[Any], second: Iterator[Any]) -> Iterator[Any]:
    """One of the first, one of the second, in turn."""
    waiting = [first, second]
    while waiting:
        for steps in list(waiting):
            try:
                yield next(steps)
            except StopIteration:
                waiting.remove(steps)


def test_the_job_removes_only_where_it_is_asked_to(installation: Installation) -> None:
    before = archives(installation)
    assert run_job(installation).success
    assert archives(installation) == before
    assert installation.workspace.ledger.retention_done() == {}
    configure(installation, "keep_monthly: 0", "keep_monthly: 0, apply: true")
    assert run_job(installation).success
    assert len(archives(installation)) == len(before) - len(OLD)
    done = installation.workspace.ledger.retention_done()
    assert set(done) == {"here", "there"}
    assert all(datetime.now(UTC) - at < timedelta(minutes=1) for at in done.values())


def run_job(installation: Installation) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return build_defs(installation.workspace).get_job_def("retention").execute_in_process(instance=instance)


@pytest.mark.parametrize(("text", "runs"), [("", False), ("retention: {apply: true}\n", True)])
def test_the_schedule_is_on_only_where_it_is_asked_for(tmp_path: Path, text: str, runs: bool) -> None:
    installation = Installation.make(tmp_path, days=1, configuration=text)
    (schedule,) = [item for item in build_defs(installation.workspace).schedules or () if item.name == "retention"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status.value == ("RUNNING" if runs else "STOPPED")
    assert schedule.cron_schedule == "5 11 * * 1"
    assert schedule.execution_timezone == "Asia/Seoul"


def test_the_lifecycle_that_goes_with_it(tmp_path: Path) -> None:
    installation = Installation.make(
        tmp_path,
        days=1,
        configuration="destinations:\n  here: {type: local, path: here}\n"
        "  cloud: {type: s3, bucket: archive, prefix: snapshots, lock: {mode: COMPLIANCE, days: 90}}\n"
        "  plain: {type: s3, bucket: other}\n",
    )
    found = json.loads(installation.lumen("retention", "--s3-lifecycle").stdout)
    assert list(found) == ["cloud", "plain"]
    unfinished, versions = found["cloud"]["Rules"]
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert unfinished["Filter"] == {"Prefix": "snapshots/"}
    assert versions["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert found["plain"]["Rules"][1]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 60}
    for rules in found.values():
        assert all("Days" not in rule.get("Expiration", {}) for rule in rules["Rules"])
    assert installation.lumen("retention", "--s3-lifecycle", "--apply").exit_code == 2


def test_on_an_empty_installation_there_is_nothing_to_do(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path, days=1)
    assert installation.json("retention", "--apply")["removed"] == []


@pytest.mark.parametrize("hold", ["tomorrow", "2026-03-05..2026-03-01", "2026-02-30"])
def test_a_wrong_hold_is_a_wrong_setting(tmp_path: Path, hold: str) -> None:
    installation = Installation.make(tmp_path, days=1, configuration=f"retention: {{hold: ['{hold}']}}\n")
    result = installation.lumen("retention")
    assert result.exit_code == 2
    assert "hold" in result.stderr
