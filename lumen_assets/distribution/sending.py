"""The report by mail: to each recipient a message of their own, once for each revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lumen_assets.alerting.headers import bare
from lumen_assets.alerting.smtp import IN_DOUBT, SmtpClient, SmtpSession
from lumen_assets.distribution.frozen import FrozenReport
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, mail_target
from lumen_assets.distribution.mail import SETTING, report_mail
from lumen_assets.errors import LumenError, PermanentError, TransientError

SECONDS: Final = 30.0
"""For a mail, and as much for the connection."""

_NOT_KNOWN: Final = "the process that sent it ended before it knew the server's answer: it may have been delivered"


def send_report(
    frozen: FrozenReport,
    recipients: Sequence[str],
    client: SmtpClient,
    ledger: DeliveryLedger,
    over: Collection[State] = (State.FAILED,),
) -> None:
    """Send a report to those who do not have it; what became of each is in the ledger, and is not raised.

    Safe to run again, to run twice at once, and to be killed in: nobody is sent what they may have already.

    Args:
        recipients: addresses.
        over: the states of earlier deliveries that are made again.

    Raises:
        LumenError: of the ledger.
    """
    known = ledger.of(frozen.day, frozen.revision)
    standing = {to: known.get(mail_target(bare(to))) for to in recipients}
    waiting = [to for to, earlier in standing.items() if earlier is None or earlier.state in over]
    session: SmtpSession | None = None
    with ExitStack() as stack:
        for number, to in enumerate(waiting):
            try:
                if session is None or not session.is_open:
                    session = stack.enter_context(client.session(SECONDS * (1 + len(waiting) - number)))
            except LumenError as error:  # and so it would be for all who are left
                for one in waiting[number:]:
                    ledger.note(_failed(frozen, one, error), over)
                return
            _Letter(frozen, to, ledger, over).send(session, client)


class _Letter:
    """A report on its way to one recipient."""

    def __init__(self, frozen: FrozenReport, to: str, ledger: DeliveryLedger, over: Collection[State]) -> None:
        self._frozen = frozen
        self._to = to
        self._ledger = ledger
        self._over = over
        self._ours = False
        self._delivery = Delivery(
            frozen.day, frozen.revision, mail_target(bare(to)), State.IN_DOUBT, _now(), _NOT_KNOWN
        )

    def send(self, session: SmtpSession, client: SmtpClient) -> None:
        try:
            mail = report_mail(self._frozen, client.sender, self._to, _now())
            refused = session.send(mail, [self._to], self._take)
        except _NotOursError:
            return
        except LumenError as error:
            if error.error_class == IN_DOUBT:
                self._ledger.settle(replace(self._delivery, detail=error.cause, error_class=IN_DOUBT))
            else:
                self._failed(error)
            return
        if refused:
            self._failed(_refusal(client, *refused[self._to]))
        else:
            self._ledger.settle(replace(self._delivery, state=State.SENT, at=_now(), detail=""))

    def _take(self) -> None:
        """All but its end was sent: from here on it may arrive, and nobody else may send it."""
        self._ours = self._ledger.note(self._delivery, self._over)
        if not self._ours:
            raise _NotOursError

    def _failed(self, error: LumenError) -> None:
        failed = _failed(self._frozen, self._to, error)
        if self._ours:
            self._ledger.settle(failed)
        else:
            self._ledger.note(failed, self._over)


class _NotOursError(Exception):
    """Another process sends the same to the same recipient at this moment, or has."""


def _failed(frozen: FrozenReport, to: str, error: LumenError) -> Delivery:
    return Delivery.failed(frozen.day, frozen.revision, mail_target(bare(to)), error, _now())


def _refusal(client: SmtpClient, code: int, said: bytes) -> LumenError:
    """A recipient that the server does not take."""
    cause, subject = f"SMTP {code}: {client.clean(said)}".rstrip(": "), f"mail by {client.host}"
    if code < 500:
        return TransientError(action="send", subject=subject, cause=cause, error_class="provider")
    return PermanentError(
        action="send", subject=subject, cause=cause, error_class="configuration", hint=f"correct {SETTING}"
    )


def _now() -> datetime:
    return datetime.now(UTC)
