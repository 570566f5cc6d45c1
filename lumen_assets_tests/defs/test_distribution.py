"""Distribution in real runs: optional for the day, once for each revision, told where it fails."""

from __future__ import annotations

import json
import logging
import multiprocessing
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lumen_assets.alerting.events import Kind
from lumen_assets.definitions import build_defs
from lumen_assets.defs import distribution as glue
from lumen_assets.defs.alerts.telling import look
from lumen_assets.defs.day_runs import open_instance
from lumen_assets.distribution import State
from lumen_assets.replication.retrying import Backoff
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.conftest import authority
from lumen_assets_tests.alerting.mail_server import MailServer
from lumen_assets_tests.distribution.deadly import Deadly
from lumen_assets_tests.grafana.stub import seen_in
from lumen_assets_tests.installation import LAST_DAY, Installation

__all__ = ["authority"]

TO = ["ops@example.org", "second@example.org"]
MAIL = "to: [Ops <ops@example.org>, second@example.org]"
EVERYBODY = f"distribution: {{mail: {{{MAIL}, within_days: 36500}}, folder: reports}}\n"
AGAIN = {"ops": {"distribution": {"config": {"again": True}}}}
CANARY = "canary-mail-password-of-reports"
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["lumen_assets_tests.defs.test_distribution"])


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.make(tmp_path_factory.mktemp("frozen"), days=1, configuration=EVERYBODY)
    installation.lighten()
    environment = {"SMTP_HOST": "localhost", "SMTP_FROM": "lumen@example.org"}
    assert installation.lumen("daily", "--day", str(LAST_DAY), "--until", "freeze", **environment).exit_code == 0
    return installation


@pytest.fixture
def installation(frozen: Installation, tmp_path: Path) -> Installation:
    shutil.copytree(frozen.root, tmp_path / "installation")
    return Installation(tmp_path / "installation")


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    monkeypatch.setattr(glue, "BACKOFF", Backoff(3, base=0.01))
    server = Deadly(auth_require_tls=False)
    yield server
    server.close()


def environment(installation: Installation, port: int) -> dict[str, str]:
    mail = {"SMTP_HOST": "localhost", "SMTP_PORT": str(port), "SMTP_FROM": "Lumen <lumen@example.org>"}
    return {**installation.environment, **mail}


def workspace_of(installation: Installation, port: int) -> Workspace:
    return Workspace(load_settings(environment(installation, port), installation.root))


def configure(installation: Installation, text: str) -> None:
    path = installation.root / "lumen.yaml"
    assert EVERYBODY in path.read_text()
    path.write_text(path.read_text().replace(EVERYBODY, text))


def run(
    workspace: Workspace, *, success: bool = True, **options: Any
) -> tuple[dg.ExecuteInProcessResult, dg.AssetCheckEvaluation]:
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(workspace)
            .resolve_job_def("daily")
            .execute_in_process(
                instance=instance,
                partition_key=str(LAST_DAY),
                asset_selection=[dg.AssetKey("distribution")],
                raise_on_error=False,
                **options,
            )
        )
    assert result.success is success
    (found,) = result.get_asset_check_evaluations()
    assert found.severity is dg.AssetCheckSeverity.WARN
    return result, found


def made(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        str(event.asset_key.to_user_string()) for event in result.get_asset_materialization_events() if event.asset_key
    ]


def had(mails: MailServer) -> dict[str, int]:
    return dict(Counter(to for recipients in mails.recipients for to in recipients))


def put(installation: Installation) -> list[str]:
    copies = installation.home / "copies"
    return sorted(p.relative_to(copies).as_posix() for p in copies.rglob("*") if p.is_file())


FOLDERS = [f"{name}/reports/report_{LAST_DAY}_r1.{suffix}" for name in ("here", "there") for suffix in ("md", "pdf")]


def test_to_people_and_folders_once(installation: Installation, mails: MailServer) -> None:
    workspace = workspace_of(installation, mails.port)
    for _ in range(2):
        result, found = run(workspace)
        assert (found.passed, made(result)) == (True, ["distribution"])
        assert had(mails) == dict.fromkeys(TO, 1)
        assert put(installation) == FOLDERS
    report = installation.home / "controls" / "reports" / f"report_{LAST_DAY}"
    for file in FOLDERS:
        assert (installation.home / "copies" / file).read_bytes() == report.with_suffix(Path(file).suffix).read_bytes()
    (pdf,) = mails.mails[0].iter_attachments()
    assert pdf.get_content() == report.with_suffix(".pdf").read_bytes()
    assert "SAMPLE" in mails.mails[0]["Subject"]


def test_where_nobody_is_to_have_it_nothing_is_sent_and_nothing_is_said_to_be(
    installation: Installation, mails: MailServer
) -> None:
    configure(installation, "")
    result, found = run(workspace_of(installation, mails.port))
    assert (found.passed, mails.mails, put(installation)) == (True, [], [])
    assert made(result) == ["distribution"], "a partition that stays empty would be a failed one to a backfill"


def test_a_dry_run_withholds_it_and_says_so(installation: Installation, mails: MailServer) -> None:
    configure(installation, f"dry_run: true\n{EVERYBODY}")
    result, _ = run(workspace_of(installation, mails.port))
    (observed,) = result.get_asset_observation_events()
    said = str(observed.asset_observation_data.asset_observation.metadata)
    assert f"send the report of {LAST_DAY} r1 to mail:ops@example.org, mail:second@example.org, folder:here" in said
    assert (made(result), mails.mails, put(installation)) == ([], [], [])
    assert not (installation.home / "distribution").exists()


def test_what_passes_is_tried_again_in_the_run(installation: Installation, mails: MailServer) -> None:
    mails.busy = 1
    result, found = run(workspace_of(installation, mails.port))
    assert (found.passed, made(result)) == (True, ["distribution"])
    assert sum(event.is_step_up_for_retry for event in result.all_events) == 1


def test_a_failure_fails_no_run_and_is_told_until_it_is_over(installation: Installation, mails: MailServer) -> None:
    workspace = workspace_of(installation, mails.port)
    mails.refuse = {"second@example.org": "550 5.1.1 no such user"}
    result, found = run(workspace)
    assert (found.passed, made(result)) == (False, [])
    assert "mail:second@example.org: failed: SMTP 550" in str(found.description)
    assert had(mails) == {"ops@example.org": 1}
    assert put(installation) == FOLDERS
    with dg.DagsterInstance.ephemeral() as instance:
        outbox = workspace.outbox()
        look(workspace, instance, outbox)
        (incident,) = [one for one in outbox.open_incidents() if one.kind is Kind.REPORT_NOT_DELIVERED]
        assert (incident.source, incident.subjects) == ("distribution", (str(LAST_DAY),))
        mails.refuse = {}
        assert made(run(workspace)[0]) == ["distribution"]
        look(workspace, instance, outbox)
        assert not [one for one in outbox.open_incidents() if one.kind is Kind.REPORT_NOT_DELIVERED]
    assert had(mails) == dict.fromkeys(TO, 1)


def test_an_old_day_is_mailed_when_somebody_asks_and_not_by_itself(
    installation: Installation, mails: MailServer
) -> None:
    configure(installation, f"distribution: {{mail: {{{MAIL}}}, folder: reports}}\n")
    result, found = run(workspace_of(installation, mails.port))
    why = f"2 mails: the day ended more than 3 days ago; `lumen send {LAST_DAY}` sends"
    assert (found.passed, made(result), mails.mails, put(installation)) == (True, ["distribution"], [], FOLDERS)
    assert found.metadata["withheld"].value == why
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["withheld"].value == why
    assert event.materialization.metadata["to"].value == "folder:here, folder:there"

    more = environment(installation, mails.port)
    for _ in range(2):
        sent = installation.json("send", str(LAST_DAY), **more)
        assert [one["state"] for one in sent["to"]] == ["sent"] * 4
        assert had(mails) == dict.fromkeys(TO, 1)
    _, found = run(workspace_of(installation, mails.port))
    assert (found.passed, found.description) == (True, "r1 to 4 recipients"), "what was sent is not withheld"


def test_where_all_that_is_to_be_sent_is_withheld_nothing_is_made(
    installation: Installation, mails: MailServer
) -> None:
    configure(installation, f"distribution: {{mail: {{{MAIL}}}}}\n")
    result, found = run(workspace_of(installation, mails.port))
    assert (found.passed, made(result), mails.mails) == (True, ["distribution"], [])
    assert "2 mails: the day ended more than 3 days ago" in str(found.description)


def test_lumen_send_says_what_failed_and_what_is_in_doubt_is_sent_again_when_asked(
    installation: Installation, mails: MailServer
) -> None:
    more = environment(installation, mails.port)
    mails.dies_at = "answer"
    _, found = run(workspace_of(installation, mails.port))
    assert not found.passed
    assert "mail:ops@example.org: in doubt" in str(found.description)
    assert found.metadata["when mended"].value == f"`lumen send {LAST_DAY}`, with --again to whom it is in doubt"
    mails.dies_at = ""
    mails.refuse = {TO[1]: "550 5.1.1 no such user"}
    states = [one["state"] for one in installation.json("send", str(LAST_DAY), exit_code=1, **more)["to"]]
    assert states == ["in doubt", "in doubt", "sent", "sent"]
    assert had(mails) == dict.fromkeys(TO, 1)
    result = installation.lumen("send", str(LAST_DAY), "--again", **more)
    assert result.exit_code == 1
    assert f"{LAST_DAY} r1 to mail:ops@example.org: sent\n" in result.stdout
    assert f"{LAST_DAY} r1 to mail:second@example.org: failed: SMTP 550" in result.stdout
    assert had(mails) == {TO[0]: 2, TO[1]: 1}
    configure(installation, "")
    refused = installation.lumen("send", str(LAST_DAY), **more)
    assert (refused.exit_code, "nobody is to have it" in refused.stderr) == (2, True)


def test_the_password_is_nowhere(
    installation: Installation, mails: MailServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.CRITICAL, "mail.log")  # the server's own
    caplog.set_level(logging.DEBUG)
    mails.login_answer = f"535 5.7.8 {CANARY} is wrong"
    more = {**environment(installation, mails.port), "SMTP_USER": "me@example.org", "SMTP_PASS": CANARY}
    shown = installation.lumen("send", str(LAST_DAY), "--json", **more)
    assert [one["state"] for one in json.loads(shown.stdout)["to"]] == ["failed", "failed", "sent", "sent"]
    assert {password for _, password in mails.logins} == {CANARY}
    with open_instance(workspace_of(installation, mails.port)) as instance:
        (ended,) = [one for one in instance.get_runs() if one.asset_selection == {dg.AssetKey("distribution")}]
        logs = [str(entry) for entry in instance.all_logs(ended.run_id)]
        assert any("credentials" in log or "535" in log for log in logs)
    written = capfd.readouterr()
    texts = (shown.output, str(ended), caplog.text, written.out, written.err, *logs)
    assert seen_in(installation.root, *texts, secret=CANARY) == []


def test_a_day_is_safe_without_its_mails(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glue, "BACKOFF", Backoff(2, base=0.01))
    gone = MailServer()
    gone.close()
    found = installation.json("daily", "--day", str(LAST_DAY), **environment(installation, gone.port))
    assert (found["ok"], found["failures"], found["attestation"]["good"]) == (True, {}, 2)
    assert found["distribution"] is None
    assert set(FOLDERS) <= set(put(installation))


def test_another_file_in_the_place_of_a_report_is_left_alone(installation: Installation, mails: MailServer) -> None:
    other = installation.home / "copies" / FOLDERS[1]
    other.parent.mkdir(parents=True)
    other.write_bytes(b"somebody's own")
    _, found = run(workspace_of(installation, mails.port))
    assert not found.passed
    assert "folder:here: failed: it exists with other content" in str(found.description)
    assert other.read_bytes() == b"somebody's own"
    assert had(mails) == dict.fromkeys(TO, 1)


def test_the_next_revision_is_sent_again(installation: Installation, mails: MailServer) -> None:
    run(workspace_of(installation, mails.port))
    with (installation.data_root / "controls" / "risk_ledger.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            f'{{"ts": "{LAST_DAY}T23:59:00+09:00", "severity": "warn", "rule": "r", "signal": {{}}, "note": ""}}\n'
        )
    more = environment(installation, mails.port)
    assert installation.lumen("daily", "--day", str(LAST_DAY), "--until", "freeze", **more).exit_code == 0
    run(workspace_of(installation, mails.port))
    assert had(mails) == dict.fromkeys(TO, 2)
    assert put(installation) == sorted([*FOLDERS, *(file.replace("_r1", "_r2") for file in FOLDERS)])


def live(root: Path, port: int) -> None:
    run(workspace_of(Installation(root), port))


@pytest.mark.parametrize("kills_at", ["recipient", "taken"])
def test_killed_in_the_middle_and_run_again_each_has_it_once(
    installation: Installation, mails: Deadly, kills_at: str
) -> None:
    process = context.Process(target=live, args=(installation.root, mails.port))
    process.start()
    mails.kills_at, mails.victim = kills_at, process.pid or 0
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    workspace = workspace_of(installation, mails.port)
    for _ in range(2):
        _, found = run(workspace)
        assert found.passed is (kills_at == "recipient")
        assert had(mails) == dict.fromkeys(TO, 1)
    states = {one.target: one.state for one in workspace.deliveries.of(LAST_DAY, 1).values()}
    assert states["mail:second@example.org"] is (State.SENT if kills_at == "recipient" else State.IN_DOUBT)
    if kills_at == "taken":
        started_again = {"dagster/retry_number": "1"}  # as Dagster does with a run whose process died
        run(workspace, run_config=AGAIN, tags=started_again)
        assert had(mails) == dict.fromkeys(TO, 1), "a person asked for one more, not for one more for each crash"
        assert made(run(workspace, run_config=AGAIN)[0])
        assert had(mails) == {TO[0]: 1, TO[1]: 2}
        first, second = (mail for mail in mails.mails if mail["To"] == TO[1])
        assert first["Message-ID"] == second["Message-ID"]
    assert workspace.deliveries.since(datetime(2026, 1, 1, tzinfo=UTC))
