"""A process that sends is killed with -9 at the worst moments, and started again: each recipient has one mail."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from lumen_assets.distribution.frozen import FrozenReport
from lumen_assets.distribution.ledger import DeliveryLedger
from lumen_assets_tests.alerting.mail_server import MailServer
from lumen_assets_tests.distribution.test_sending import BARE, Distributing
from lumen_assets_tests.report.scenes import DAY

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["lumen_assets_tests.distribution.test_sending"])


class Deadly(MailServer):
    """Kills the process that talks to it at one moment of its second mail."""

    kills_at = ""
    victim = 0

    def _moment(self, name: str, mails: int) -> None:
        if name == self.kills_at and len(self.mails) == mails and self.victim:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self._moment("recipient", 1)
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        self._moment("taken", 2)
        return answer


def live(report: FrozenReport, port: int, folder: Path, authority: Path) -> None:
    os.environ["SSL_CERT_FILE"] = str(authority)  # the server that forks may be older than what a test sets
    Distributing(report, SimpleNamespace(port=port, password="right"), folder).send()  # noqa: S106 - nobody's


@pytest.mark.parametrize(("kills_at", "states"), [("recipient", ["sent"] * 3), ("taken", ["sent", "in doubt", "sent"])])
def test_each_has_one_mail(
    report: FrozenReport, authority, trusted, tmp_path: Path, kills_at: str, states: list[str]
) -> None:
    server = Deadly(tls_context=authority.server_context("localhost"), require_starttls=True, auth_required=True)
    try:
        server.kills_at = kills_at
        process = context.Process(target=live, args=(report, server.port, tmp_path, authority.ca))
        process.start()
        server.victim = process.pid or 0
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        assert len(DeliveryLedger(tmp_path / "deliveries.sqlite").of(DAY, 1)) == (2 if kills_at == "taken" else 1)
        again = Distributing(report, server, tmp_path)
        for _ in range(2):
            found = again.send()
            assert [found[f"mail:{to}"].state for to in BARE] == states
        assert dict(Counter(to for recipients in server.recipients for to in recipients)) == dict.fromkeys(BARE, 1)
    finally:
        server.close()
