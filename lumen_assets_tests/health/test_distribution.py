"""``lumen doctor`` on Grafana and on mail: it asks and logs in, draws nothing and sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lumen_assets_tests.alerting.mail_server import MailServer, mail_server
from lumen_assets_tests.alerting.receiver import Say, Server, server
from lumen_assets_tests.grafana.stub import TOKEN, environment
from lumen_assets_tests.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    everybody = "distribution: {mail: {to: [ops@example.org, second@example.org]}}"
    return Installation.make(tmp_path / "installation", days=1, configuration=everybody)


@pytest.fixture
def grafana() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server(auth_require_tls=False) as running:
        yield running


def findings(
    installation: Installation, exit_code: int, grafana: Server, mails: MailServer
) -> dict[str, dict[str, str]]:
    mail = {"SMTP_HOST": "localhost", "SMTP_PORT": str(mails.port), "SMTP_USER": "me@example.org", "SMTP_PASS": "right"}
    found = installation.json("doctor", exit_code=exit_code, **environment(grafana, "2,4"), **mail)
    return {finding["name"]: finding for finding in found["findings"]}


def test_what_is_right(installation: Installation, grafana: Server, mails: MailServer) -> None:
    found = findings(installation, 0, grafana, mails)
    assert found["Grafana"]["detail"] == "the token may view the dashboard abc; asked for: 2 panels"
    assert found["report mail"]["detail"] == "localhost would take it for 2 recipients"
    (request,) = grafana.received
    assert (request.target, request.headers["authorization"]) == ("/api/dashboards/uid/abc", f"Bearer {TOKEN}")
    assert (mails.mails, mails.logins) == ([], [("me@example.org", "right")])


def test_a_token_that_goes_over_a_network_without_tls_is_told(
    installation: Installation, grafana: Server, mails: MailServer
) -> None:
    elsewhere = grafana.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - this machine, but by no name of loopback
    given = {**environment(grafana), "GRAFANA_BASE": elsewhere, "SMTP_HOST": "localhost"}
    given |= {"SMTP_PORT": str(mails.port), "SMTP_USER": "me@example.org", "SMTP_PASS": "right"}
    (found,) = [one for one in installation.json("doctor", **given)["findings"] if one["name"] == "Grafana"]
    assert (found["ok"], found["warning"], found["fix"]) == (True, True, "use https in GRAFANA_BASE")
    assert "it goes there over http" in found["detail"]


def test_what_is_wrong_with_the_fix(installation: Installation, grafana: Server, mails: MailServer) -> None:
    grafana.say = Say(404, body=b'{"message": "Dashboard not found"}')
    mails.password = "other"  # noqa: S105 - nobody's
    found = findings(installation, 1, grafana, mails)
    assert found["Grafana"]["detail"].startswith("HTTP 404")
    assert "GRAFANA_DASHBOARD_UID" in found["Grafana"]["fix"]
    assert found["report mail"]["detail"] == "SMTP 535"
    assert "SMTP_PASS" in found["report mail"]["fix"]


def test_what_is_not_configured_is_not_looked_at(installation: Installation) -> None:
    text = (installation.root / "lumen.yaml").read_text()
    (installation.root / "lumen.yaml").write_text(text.replace("to: [ops@example.org, second@example.org]", "to: []"))
    names = {finding["name"] for finding in installation.json("doctor")["findings"]}
    assert not {"Grafana", "report mail"} & names
