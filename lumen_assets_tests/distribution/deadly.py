"""A mail server that kills whoever sends."""

from __future__ import annotations

import os
import signal

from lumen_assets_tests.alerting.mail_server import MailServer


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
