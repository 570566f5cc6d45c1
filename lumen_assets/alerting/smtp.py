"""The client for SMTP: over TLS that is verified, bounded in time, and sure of what it does not know.

Standards: RFC 5321 and 3207 (SMTP, STARTTLS). A server acts on a mail when the line that ends it has arrived, and on
none before (RFC 5321, 4.1.1.4). So whatever breaks before that line is sent, nothing was delivered; behind it, until
the answer, it may have been.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any, Final

from lumen_assets.alerting.headers import bare
from lumen_assets.deadline import Deadline
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import excerpt, is_this_machine
from lumen_assets.settings import MailServer

IMPLICIT_TLS: Final = 465

IN_DOUBT: Final = "in-doubt"
"""The error class of a mail that was sent to its end and not answered: it may have been delivered."""

Refused = Mapping[str, tuple[int, bytes]]
"""Recipients that the server did not take, with the code and text that it said."""

_FAILURES: Final = (OSError, smtplib.SMTPException, ValueError)
_THE_END: Final = b".\r\n"


def _nothing() -> None:
    """Done before a mail is ended, where nobody asks for more."""


class SmtpClient:
    """Hands mails to a server.

    Args:
        server: where to, and as whom.
        setting: where the recipients are set, for hints.
        plain: whether it may do without TLS; default: if the server is this machine.
        timeout: seconds for a step.
    """

    def __init__(self, server: MailServer, setting: str, *, plain: bool | None = None, timeout: float = 20.0) -> None:
        self._server = server
        self._setting = setting
        self._plain = is_this_machine(server.host) if plain is None else plain
        self._timeout = timeout

    @property
    def host(self) -> str:
        """The server's."""
        return self._server.host

    @contextmanager
    def session(self, total: float = 60.0) -> Iterator[SmtpSession]:
        """A connection, with TLS and logged in.

        Args:
            total: seconds for all that is done in it.

        Raises:
            TransientError, PermanentError: if there is none; then nothing was sent.
        """
        with Deadline(total) as deadline:
            smtp = self._opened(deadline)
            try:
                yield SmtpSession(self, smtp, deadline)
            finally:
                with contextlib.suppress(OSError, smtplib.SMTPException):  # what was taken is taken
                    smtp.quit()
                smtp.close()

    def _opened(self, deadline: Deadline) -> _Smtp:
        host, port, context = self._server.host, self._server.port, ssl.create_default_context()
        kind = _ImplicitTls if port == IMPLICIT_TLS else _Smtp
        smtp = kind(deadline, context, self._timeout)
        try:
            smtp.start(host, port)
            smtp.ehlo_or_helo_if_needed()
            if kind is _Smtp and not self._plain:
                smtp.starttls(context=context)  # raises where it is not offered, so that nothing goes in the clear
                smtp.ehlo()
            if self._server.user is not None:
                smtp.login(self._server.user, self._password)
            return smtp
        except _FAILURES as error:
            failure = self.failed(error, deadline)
        except BaseException:
            smtp.close()
            raise
        smtp.close()
        raise failure  # out of the handler: nothing of the library's stays attached

    @property
    def sender(self) -> str:
        """Who the mails are from."""
        return self._server.sender

    @property
    def _password(self) -> str:
        return self._server.password.get_secret_value() if self._server.password else ""

    def failed(self, error: Exception, deadline: Deadline) -> LumenError:
        """What an exception of the library means."""
        late = deadline.over or isinstance(error, TimeoutError)
        match error:
            case _ if late:
                pass
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
                return self._permanent(cause, hint=f"correct {self._setting}, SMTP_FROM, SMTP_USER and SMTP_PASS")
        cause = "no answer in time" if late else f"the connection broke ({type(error).__name__})"
        return self._transient(cause, "network")

    def unanswered(self) -> TransientError:
        """A mail was sent to its end, and the server did not say what became of it."""
        cause = "the connection broke between the end of the mail and the answer to it: it may have been delivered"
        return self._transient(cause, IN_DOUBT)

    def _refused(self, code: int, said: bytes | str, *, hint: str = "", kind: str = "configuration") -> LumenError:
        cause = f"SMTP {code}: {self.clean(said)}".rstrip(": ")
        if code < 500:  # smtplib has -1 for what is no answer of SMTP
            return self._transient(cause, "provider" if code >= 400 else "network")
        hint = hint or f"see what the server says, and correct SMTP_HOST, SMTP_FROM or {self._setting}"
        return self._permanent(cause, hint=hint, kind=kind)

    def _transient(self, cause: str, kind: str) -> TransientError:
        return TransientError(action="send", subject=self._subject, cause=cause, error_class=kind)

    def _permanent(self, cause: str, *, hint: str, kind: str = "configuration") -> PermanentError:
        return PermanentError(action="send", subject=self._subject, cause=cause, error_class=kind, hint=hint)

    @property
    def _subject(self) -> str:
        return f"mail by {self._server.host}:{self._server.port}"

    def clean(self, said: bytes | str) -> str:
        """What the server said, fit to be repeated."""
        secrets = {self._password} if self._password else set()
        return excerpt(said.encode() if isinstance(said, str) else said, "", secrets)

    def listed(self, refused: Refused) -> str:
        """Who was refused and why, for people."""
        return "; ".join(f"{address} (SMTP {code}: {self.clean(said)})" for address, (code, said) in refused.items())


class SmtpSession:
    """One connection, which takes one mail after another."""

    def __init__(self, client: SmtpClient, smtp: _Smtp, deadline: Deadline) -> None:
        self._client = client
        self._smtp = smtp
        self._deadline = deadline

    @property
    def is_open(self) -> bool:
        """Whether it can take another mail."""
        return self._smtp.sock is not None

    def send(
        self, mail: EmailMessage, recipients: Sequence[str], before_the_end: Callable[[], None] = _nothing
    ) -> Refused:
        """Hand over one mail; who of the recipients was refused, all of them included.

        Args:
            mail: with its headers.
            recipients: of the envelope.
            before_the_end: called when all but the line that ends the mail was sent. What it raises ends the
                connection, and nothing is delivered.

        Raises:
            TransientError: with ``error_class`` ``IN_DOUBT`` where the mail may have been delivered.
            LumenError: where it was not.
        """
        smtp, to = self._smtp, {bare(address): address for address in recipients}
        smtp.before_the_end, smtp.unanswered = before_the_end, False
        try:
            refused = smtp.send_message(mail, bare(self._client.sender), list(to))
            return {to[address]: said for address, said in refused.items()}
        except smtplib.SMTPRecipientsRefused as error:
            return {to[address]: said for address, said in error.recipients.items()}
        except _FAILURES as error:
            failure = self._client.unanswered() if smtp.unanswered else self._client.failed(error, self._deadline)
        raise failure  # out of the handler: nothing of the library's stays attached


class _Smtp(smtplib.SMTP):
    """A connection that a deadline ends, from its first byte, and that knows whether a mail was ended.

    Attributes:
        before_the_end: called before the line that ends a mail is sent.
        unanswered: whether that line was sent and there is no answer to it.
    """

    before_the_end: Callable[[], None] = staticmethod(_nothing)
    unanswered = False

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

    def send(self, s: Any) -> None:
        """As it is; of a mail, which alone is bytes, the line that ends it by itself."""
        if not (isinstance(s, bytes) and s.endswith(b"\r\n" + _THE_END)):
            super().send(s)
            return
        super().send(s.removesuffix(_THE_END))
        try:
            self.before_the_end()
        except BaseException:
            self.close()
            raise
        self.unanswered = True
        super().send(_THE_END)

    def data(self, msg: Any) -> tuple[int, bytes]:
        """As it is; what the server answered, it knows."""
        code, said = super().data(msg)
        self.unanswered = code < 0
        return code, said

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
