"""Alerts as mail: in threads, each recipient once.

Standards: RFC 5322 (Message-ID, In-Reply-To, References), RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from lumen_assets.alerting.headers import address, encodable, message_id, name_of, one_line
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.smtp import Refused, SmtpClient
from lumen_assets.durable import replace_bytes
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.settings import MailServer

LONGEST_TEXT: Final = 100_000
"""Characters of a mail's text."""

_SETTING: Final = "alerts.mail.to"
_log = logging.getLogger(__name__)


class MailChannel:
    """Sends messages as mail.

    Args:
        server: where to, and as whom.
        to: the recipients' addresses.
        folder: where it is remembered who took a message that others have still to take; made when first needed.
        plain: whether it may do without TLS; default: if the server is this machine.
        timeout: seconds for a step.
        total: seconds for all of it.
    """

    name = "mail"

    def __init__(
        self,
        server: MailServer,
        to: Sequence[str],
        folder: Path,
        *,
        plain: bool | None = None,
        timeout: float = 20.0,
        total: float = 60.0,
    ) -> None:
        self._client = SmtpClient(server, _SETTING, plain=plain, timeout=timeout)
        self._to = tuple(to)
        self._folder = folder
        self._total = total

    def send(self, message: Message, now: datetime) -> str:
        """See ``Channel.send``.

        Where the server refuses some of the recipients for good, that is in what is returned; where it refuses them for
        now, it is an error, and the next try of the same message goes to these alone.
        """
        had = self._taken(message)
        recipients = [address for address in self._to if address not in had]
        mail = mail_of(message, self._client.sender, self._to, now)
        refused: Refused = {}
        if recipients:
            with self._client.session(self._total) as session:
                refused = session.send(mail, recipients)
        later = {address: said for address, said in refused.items() if said[0] < 500}
        for_good = {address: said for address, said in refused.items() if address not in later}
        if for_good:
            _log.warning("mail: %s refuses %s", self._client.host, self._client.listed(for_good))
        if later:
            if done := {address for address in self._to if address not in later}:
                self._remember(message, done)
            raise TransientError(
                action="send to",
                subject=f"{len(later)} of {len(self._to)} recipients by {self._client.host}",
                cause=self._client.listed(later),
                error_class="provider",
            )
        if for_good and len(for_good) == len(self._to):
            raise PermanentError(
                action="send to",
                subject=f"any recipient by {self._client.host}",
                cause=self._client.listed(for_good),
                error_class="configuration",
                hint=f"correct {_SETTING}",
            )
        self._path(message).unlink(missing_ok=True)
        if for_good:
            return (
                f"{self._client.host} took it, not for {len(for_good)} of {len(self._to)}; "
                f"refused for good: {self._client.listed(for_good)}: correct {_SETTING}"
            )
        return f"{self._client.host} took it"

    def _path(self, message: Message) -> Path:
        return self._folder / f"{name_of(message.id)}.json"

    def _taken(self, message: Message) -> set[str]:
        try:
            taken = json.loads(self._path(message).read_bytes())
        except (OSError, ValueError):
            return set()
        return {address for address in taken if isinstance(address, str)} if isinstance(taken, list) else set()

    def _remember(self, message: Message, taken: Collection[str]) -> None:
        replace_bytes(self._path(message), json.dumps(sorted(taken)).encode(), mode=0o600)


def mail_of(message: Message, sender: str, to: Sequence[str], now: datetime) -> EmailMessage:
    """The mail; the first message of an incident is what the later ones answer, for mail programs to put them together.

    So the Message-ID of the first is made of what all of them know: the incident, and when it began.

    Raises:
        PermanentError: if an address is none.
    """
    author = address(sender, "SMTP_FROM")
    root = message_id(f"{message.incident}|{message.since.astimezone(UTC).isoformat()}", author)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = author
    mail["To"] = [address(one, _SETTING) for one in to]
    mail["Subject"] = one_line(f"[lumen] {message.severity} {message.state}: {message.title}")[:200]
    mail["Date"] = format_datetime(now)
    if message.number == 1:
        mail["Message-ID"] = root
    else:
        mail["Message-ID"] = message_id(message.id, author)
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Lumen-Message"] = one_line(message.id)
    text = f"{message.title}\n\n{message.text()}"
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}…\n"
    mail.set_content(encodable(text), cte="base64")
    return mail
