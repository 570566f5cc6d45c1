"""Mail: over TLS that is verified, in threads, each recipient once.

Standards: RFC 5321 and 3207 (SMTP, STARTTLS), RFC 5322 (Message-ID, In-Reply-To, References), RFC 3834
(Auto-Submitted).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import smtplib
import socket
import ssl
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Final

from lumen_assets.alerting.deadline import Deadline
from lumen_assets.alerting.http import excerpt
from lumen_assets.alerting.messages import Message
from lumen_assets.durable import replace_bytes
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.settings import MailServer

IMPLICIT_TLS: Final = 465

LONGEST_TEXT: Final = 100_000
"""Characters of a mail's text."""

_THREADS: Final = uuid.UUID("0f3b1f0e-6a52-5f0c-8b8e-0d2a4a0c5d11")
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
        self._server = server
        self._to = tuple(to)
        self._folder = folder
        self._plain = is_this_machine(server.host) if plain is None else plain
        self._timeout = timeout
        self._total = total

    def send(self, message: Message, now: datetime) -> str:
        """See ``Channel.send``.

        Where the server refuses some of the recipients for good, that is in what is returned; where it refuses them for
        now, it is an error, and the next try of the same message goes to these alone.
        """
        had = self._taken(message)
        recipients = [address for address in self._to if address not in had]
        mail = mail_of(message, self._server.sender, self._to, now)
        refused = self._transmitted(mail, recipients) if recipients else {}
        later = {address: said for address, said in refused.items() if said[0] < 500}
        for_good = {address: said for address, said in refused.items() if address not in later}
        if for_good:
            _log.warning("mail: %s refuses %s", self._server.host, self._list(for_good))
        if later:
            if done := {address for address in self._to if address not in later}:
                self._remember(message, done)
            raise TransientError(
                action="send to",
                subject=f"{len(later)} of {len(self._to)} recipients by {self._server.host}",
                cause=self._list(later),
                error_class="provider",
            )
        if for_good and len(for_good) == len(self._to):
            raise PermanentError(
                action="send to",
                subject=f"any recipient by {self._server.host}",
                cause=self._list(for_good),
                error_class="configuration",
                hint="correct alerts.mail.to",
            )
        self._path(message).unlink(missing_ok=True)
        if for_good:
            return (
                f"{self._server.host} took it, not for {len(for_good)} of {len(self._to)}; "
                f"refused for good: {self._list(for_good)}: correct alerts.mail.to"
            )
        return f"{self._server.host} took it"

    def _transmitted(self, mail: EmailMessage, recipients: Sequence[str]) -> Mapping[str, tuple[int, bytes]]:
        """Who was refused, with what was said."""
        sender, to = _bare(self._server.sender), {_bare(address): address for address in recipients}
        with Deadline(self._total) as deadline:
            try:
                smtp = self._connected(deadline)
                try:
                    if self._server.user is not None:
                        smtp.login(self._server.user, self._password)
                    refused = smtp.send_message(mail, sender, list(to))
                    return {to[address]: said for address, said in refused.items()}
                finally:
                    with contextlib.suppress(OSError, smtplib.SMTPException):  # what was taken is taken
                        smtp.quit()
                    smtp.close()
            except smtplib.SMTPRecipientsRefused as error:
                return {to[address]: said for address, said in error.recipients.items()}
            except (OSError, smtplib.SMTPException, ValueError) as error:
                late = deadline.over or isinstance(error, TimeoutError)
                failure = self._transient("no answer in time", "network") if late else self._failed(error)
        raise failure  # out of the handler: nothing of the library's stays attached

    def _connected(self, deadline: Deadline) -> smtplib.SMTP:
        host, port, context = self._server.host, self._server.port, ssl.create_default_context()
        kind = _ImplicitTls if port == IMPLICIT_TLS else _Smtp
        smtp = kind(deadline, context, self._timeout)
        try:
            smtp.start(host, port)
            smtp.ehlo_or_helo_if_needed()
            if kind is _Smtp and not self._plain:
                smtp.starttls(context=context)  # raises where it is not offered, so that nothing goes in the clear
                smtp.ehlo()
        except BaseException:
            smtp.close()
            raise
        return smtp

    @property
    def _password(self) -> str:
        return self._server.password.get_secret_value() if self._server.password else ""

    def _failed(self, error: Exception) -> LumenError:
        match error:
            case ssl.SSLCertVerificationError():
                cause = f"its certificate cannot be verified ({error.verify_message})"
                return self._permanent(
                    cause, hint="set SMTP_HOST to the name in the certificate, or give its authority in SSL_CERT_FILE"
                )
            case smtplib.SMTPAuthenticationError():
                return self._refused(error.smtp_code, b"", hint="check SMTP_USER and SMTP_PASS", kind="credentials")
            case smtplib.SMTPResponseException():
                hint = "correct SMTP_FROM" if isinstance(error, smtplib.SMTPSenderRefused) else ""
                return self._refused(error.smtp_code, error.smtp_error, hint=hint)
            case smtplib.SMTPNotSupportedError():
                cause = "the server does not offer what is needed: STARTTLS, login or non-ASCII addresses"
                return self._permanent(cause, hint="use its port with TLS (587 or 465), or correct SMTP_HOST")
            case ValueError() if not isinstance(error, OSError):
                cause = "an address, the user or the password has characters that mail cannot carry"
                return self._permanent(cause, hint="correct alerts.mail.to, SMTP_FROM, SMTP_USER and SMTP_PASS")
        return self._transient(f"the connection broke ({type(error).__name__})", "network")

    def _refused(self, code: int, said: bytes | str, *, hint: str = "", kind: str = "configuration") -> LumenError:
        cause = f"SMTP {code}: {self._clean(said)}".rstrip(": ")
        if code < 500:  # smtplib has -1 for what is no answer of SMTP
            return self._transient(cause, "provider" if code >= 400 else "network")
        hint = hint or "see what the server says, and correct SMTP_HOST, SMTP_FROM or alerts.mail.to"
        return self._permanent(cause, hint=hint, kind=kind)

    def _transient(self, cause: str, kind: str) -> TransientError:
        return TransientError(action="send", subject=self._subject, cause=cause, error_class=kind)

    def _permanent(self, cause: str, *, hint: str, kind: str = "configuration") -> PermanentError:
        return PermanentError(action="send", subject=self._subject, cause=cause, error_class=kind, hint=hint)

    @property
    def _subject(self) -> str:
        return f"mail by {self._server.host}:{self._server.port}"

    def _clean(self, said: bytes | str) -> str:
        secrets = {self._password} if self._password else set()
        return excerpt(said.encode() if isinstance(said, str) else said, "", secrets)

    def _list(self, refused: Mapping[str, tuple[int, bytes]]) -> str:
        return "; ".join(f"{address} (SMTP {code}: {self._clean(said)})" for address, (code, said) in refused.items())

    def _path(self, message: Message) -> Path:
        return self._folder / f"{_uuid(message.id)}.json"

    def _taken(self, message: Message) -> set[str]:
        try:
            taken = json.loads(self._path(message).read_bytes())
        except (OSError, ValueError):
            return set()
        return {address for address in taken if isinstance(address, str)} if isinstance(taken, list) else set()

    def _remember(self, message: Message, taken: Collection[str]) -> None:
        replace_bytes(self._path(message), json.dumps(sorted(taken)).encode(), mode=0o600)


def is_this_machine(host: str) -> bool:
    """Whether a name or number is that of the loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def mail_of(message: Message, sender: str, to: Sequence[str], now: datetime) -> EmailMessage:
    """The mail; the first message of an incident is what the later ones answer, for mail programs to put them together.

    So the Message-ID of the first is made of what all of them know: the incident, and when it began.

    Raises:
        PermanentError: if an address is none.
    """
    author = _address(sender, "SMTP_FROM")
    domain = author.domain if author.domain.isascii() else "lumen.invalid"
    root = f"<{_uuid(f'{message.incident}|{message.since.astimezone(UTC).isoformat()}')}@{domain}>"
    mail = EmailMessage(policy=SMTP)
    mail["From"] = author
    mail["To"] = [_address(one, "alerts.mail.to") for one in to]
    mail["Subject"] = _one_line(f"[lumen] {message.severity} {message.state}: {message.title}")[:200]
    mail["Date"] = format_datetime(now)
    if message.number == 1:
        mail["Message-ID"] = root
    else:
        mail["Message-ID"] = f"<{_uuid(message.id)}@{domain}>"
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Lumen-Message"] = _one_line(message.id)
    text = f"{message.title}\n\n{message.text()}"
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}…\n"
    mail.set_content(_encodable(text), cte="base64")
    return mail


def _uuid(text: str) -> str:
    return str(uuid.uuid5(_THREADS, _encodable(text)))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _one_line(text: str) -> str:
    """Without anything that could end a header."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(_encodable(text).split())


def _bare(address: str) -> str:
    return parseaddr(address)[1]


def _address(text: str, setting: str) -> Address:
    name, bare = parseaddr(text)
    problem = None
    if not text.isprintable() or bare.count("@") != 1 or " " in bare:
        problem = "it is none"
    else:
        try:
            return Address(name, addr_spec=bare)
        except (ValueError, IndexError) as error:
            problem = type(error).__name__
    raise PermanentError(
        action="send mail with",
        subject=f"an address of {setting}",
        cause=f"it cannot be read as an address ({problem})",
        error_class="configuration",
        hint=f"correct {setting}: name@example.org",
    )


class _Smtp(smtplib.SMTP):
    """A connection that a deadline ends, from its first byte."""

    def __init__(self, deadline: Deadline, context: ssl.SSLContext, timeout: float) -> None:
        self._deadline = deadline
        self._context = context
        super().__init__(timeout=timeout)  # without a host it does not connect yet

    def start(self, host: str, port: int) -> None:
        """Connect, and read the greeting."""
        self._host = host  # what starttls verifies the certificate against
        code, said = self.connect(host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._deadline.watch(connection)
        return self._wrapped(connection, host)

    def _wrapped(self, connection: socket.socket, host: str) -> socket.socket:  # noqa: ARG002 - for the one below
        return connection


class _ImplicitTls(_Smtp):
    def _wrapped(self, connection: socket.socket, host: str) -> socket.socket:
        try:
            return self._context.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise
