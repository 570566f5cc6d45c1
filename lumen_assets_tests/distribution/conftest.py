"""A report to be sent, and servers that take it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lumen_assets.distribution.frozen import FrozenReport
from lumen_assets.report import build_report, write_report
from lumen_assets_tests.alerting import mail_server
from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.alerting.conftest import authority, no_proxy
from lumen_assets_tests.report.scenes import DAY, configuration, empty_day

__all__ = ["authority", "no_proxy"]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> FrozenReport:
    """The first revision of an empty day."""
    folder = tmp_path_factory.mktemp("report")
    made = build_report(empty_day(), None, configuration("en", title="Report <of> the & day"))
    write_report(made, folder)
    (folder / f"report_{DAY}.pdf").write_bytes(b"%PDF-1.4 " + bytes(range(256)) * 300)
    return FrozenReport(DAY, 1, made, folder, "c0ffee")


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))


@pytest.fixture
def server(authority: Authority, trusted: None) -> Iterator[mail_server.MailServer]:
    """It asks for TLS and a login."""
    context = authority.server_context("localhost")
    with mail_server.mail_server(tls_context=context, require_starttls=True, auth_required=True) as running:
        yield running
