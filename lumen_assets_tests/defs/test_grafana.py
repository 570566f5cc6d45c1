"""Pictures from Grafana in real runs: optional, said where they are missing, and taken once."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pypdf
import pytest

from lumen_assets.definitions import build_defs
from lumen_assets.defs import grafana as glue
from lumen_assets.grafana import taking
from lumen_assets.replication.retrying import Backoff
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.receiver import Say, Server, server
from lumen_assets_tests.grafana.stub import environment, in_turn, picture, png, seen_in
from lumen_assets_tests.installation import LAST_DAY, Installation

FIRST = ("telemetry", "grafana_snapshot", "report", "report_pdf", "archive")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A Grafana whose failures are tried again at once."""
    monkeypatch.setattr(taking.take_pictures, "__kwdefaults__", {
        **(taking.take_pictures.__kwdefaults__ or {}), "backoff": Backoff(2, base=0.01)
    })  # fmt: skip
    with server() as running:
        running.say = picture(png("red"))
        yield running


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    installation = Installation.make(tmp_path / "installation", days=1, configuration="report: {language: en}")
    installation.lighten()
    return installation


def run(installation: Installation, *, assets: tuple[str, ...] = FIRST, **more: str) -> dg.AssetCheckEvaluation:
    """The day's run up to its archive, which succeeds; what its check said of the pictures."""
    workspace = Workspace(load_settings({**installation.environment, **more}, installation.root))
    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            build_defs(workspace)
            .resolve_job_def("daily")
            .execute_in_process(
                instance=instance, partition_key=str(LAST_DAY), asset_selection=[dg.AssetKey(name) for name in assets]
            )
        )
        logs = [str(entry) for entry in instance.all_logs(result.run_id)]
    assert seen_in(installation.root, *logs, str(result.dagster_run)) == [], "the token is nowhere"
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made == {*assets}, "a partition that stays empty would be a failed one to a backfill"
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == glue.PICTURES.name]
    assert found.severity is dg.AssetCheckSeverity.WARN
    return found


def markdown(installation: Installation) -> str:
    return (installation.home / "controls" / "reports" / f"report_{LAST_DAY}.md").read_text(encoding="utf-8")


def pictures_of_pdf(installation: Installation) -> int:
    reader = pypdf.PdfReader(installation.home / "controls" / "reports" / f"report_{LAST_DAY}.pdf")
    return sum(len(page.images) for page in reader.pages)


def revisions(installation: Installation) -> int:
    folder = installation.home / "archive" / str(LAST_DAY)
    return len(list(folder.rglob("*.tink")))


def reports(installation: Installation) -> dict[str, str]:
    folder = installation.home / "controls" / "reports"
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_where_it_is_not_configured_the_day_goes_on_and_says_so(installation: Installation) -> None:
    found = run(installation)
    assert not found.passed
    assert "not configured" in str(found.description)
    assert "| Pictures from Grafana | none (not configured) |" in markdown(installation)
    assert "## From Grafana" not in markdown(installation)
    assert pictures_of_pdf(installation) == 0
    assert revisions(installation) == 1


def test_a_picture_is_placed_frozen_and_taken_once(installation: Installation, stub: Server, tmp_path: Path) -> None:
    grafana = environment(stub, "4, 7")
    stub.say = in_turn(picture(png("red")), picture(png("green")))
    assert run(installation, **grafana).passed
    assert f"(assets/grafana_{LAST_DAY}.png)" in markdown(installation)
    assert f"(assets/grafana_{LAST_DAY}-7.png)" in markdown(installation)
    assert "| Pictures from Grafana | 2 of 2 |" in markdown(installation)
    assert pictures_of_pdf(installation) == 2
    asked, before = len(stub.received), reports(installation)
    assert asked == 2

    stub.say = picture(png("blue"))  # the same panel, in other bytes
    assert run(installation, **grafana).passed
    shutil.rmtree(installation.home / "controls")
    assert run(installation, **grafana).passed
    assert run(installation).passed, "those that are frozen stay where Grafana is not configured any more"
    assert (revisions(installation), len(stub.received)) == (1, asked)
    assert reports(installation) == before


def test_another_machine_has_the_pictures_from_a_destination(installation: Installation, stub: Server) -> None:
    grafana = environment(stub)
    everything = ("replica/here", "replica/there")
    assert run(installation, assets=FIRST, **grafana).passed
    workspace = Workspace(load_settings(installation.environment, installation.root))
    with dg.DagsterInstance.ephemeral() as instance:
        build_defs(workspace).resolve_job_def("daily").execute_in_process(
            instance=instance,
            partition_key=str(LAST_DAY),
            asset_selection=[dg.AssetKey(name.split("/")) for name in everything],
        )
    before = reports(installation)
    for folder in installation.home.iterdir():
        if folder.name != "copies":
            shutil.rmtree(folder)
    Workspace(load_settings(installation.environment, installation.root)).take_over()
    stub.say = picture(png("blue"))
    assert run(installation, **grafana).passed
    assert len(stub.received) == 1
    assert reports(installation) == before
    assert revisions(installation) == 1


def test_where_it_is_down_the_day_goes_on_and_a_later_run_gets_the_picture(
    installation: Installation, stub: Server
) -> None:
    grafana = environment(stub, "4")
    stub.say = Say(503)
    found = run(installation, **grafana)
    assert not found.passed
    assert "4: could not get a picture from Grafana" in str(found.description)
    assert len(stub.received) == 2, "it was tried again, within bounds"
    assert "Pictures that Grafana did not give: 1 of 1." in markdown(installation)
    stub.say = Say(401)
    assert "GRAFANA_TOKEN" in str(run(installation, **grafana).description)
    assert revisions(installation) == 1, "why there is none is not in the report, so another reason changes nothing"
    stub.say = picture(png())
    assert run(installation, **grafana).passed
    assert (revisions(installation), pictures_of_pdf(installation)) == (2, 1)


def test_where_it_has_no_image_renderer_its_own_picture_is_not_frozen(installation: Installation, stub: Server) -> None:
    grafana = environment(stub, "4")
    stub.say = picture(png(size=(824, 347)))
    found = run(installation, **grafana)
    assert not found.passed
    assert "824 by 347 pixels instead of 1000 by 500" in str(found.description)
    assert pictures_of_pdf(installation) == 0
    stub.say = picture(png("green"))
    assert run(installation, **grafana).passed, "a later run asks again"
    assert (revisions(installation), pictures_of_pdf(installation)) == (2, 1)


def test_whatever_it_answers_the_day_goes_on_with_the_pictures_that_are_some(
    installation: Installation, stub: Server
) -> None:
    path = installation.root / "lumen.yaml"
    path.write_text(path.read_text().replace("{language: en}", "{language: en, grafana: {timeout_seconds: 1}}"))
    answers = {
        "html": picture(b"<html>Grafana</html>", "text/html"),
        "cut": picture(png()[:-20]),
        "large": picture(png()[:100] + bytes(50_000_000) + png()[-12:]),
        "right": picture(png("green")),
        "slow": Say(play=lambda handler: time.sleep(1.5)),
    }
    stub.say = lambda request: answers[request.target.rpartition("=")[2]]
    found = run(installation, **environment(stub, ",".join(answers)))
    assert not found.passed
    for panel, why in {
        "html": "it answers with text/html instead of image/png",
        "cut": "the picture broke off, or is damaged",
        "large": "it sends more than 20 MiB",
        "slow": "no answer in time",
    }.items():
        assert f"{panel}: could not get a picture from Grafana" in str(found.description)
        assert why in str(found.description)
    asked = Counter(request.target.rpartition("=")[2] for request in stub.received)
    assert asked == {"html": 1, "cut": 2, "large": 1, "right": 1, "slow": 2}, "what passes is tried again"
    assert "Pictures that Grafana did not give: 4 of 5." in markdown(installation)
    assert (pictures_of_pdf(installation), revisions(installation)) == (1, 1)
