"""A real SMTP server with TLS on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult


class MailServer:
    """What arrived is in ``mails``, with who it was for in ``recipients``.

    Attributes:
        refuse: recipient → what is answered to it.
        on_data: what is answered to a mail's content; default: 250.
        busy: how many mails' contents are answered with 451 first.
        dies_at: where the connection is lost: at ``RCPT``, within the ``content`` of a mail that is larger than what
            lies between two sockets, or at the ``answer`` to a mail that was taken.
        password: the right one.
        logins: every user and password that was tried.
        in_the_clear: whether anything about a mail came without TLS.
    """

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuse: dict[str, str] = {}
        self.on_data = "250 OK"
        self.on_sender = ""
        self.busy = 0
        self.dies_at = ""
        self.password = "right"  # noqa: S105 - nobody's
        self.logins: list[tuple[str, str]] = []
        self.login_answer: str | None = None
        self.in_the_clear = False
        self._implicit: ssl.SSLContext | None = options.pop("implicit", None)
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._started.wait()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)

        def session() -> SMTP:
            return _Session(self, loop=self._loop, authenticator=self._authenticate, hostname="test", **self._options)

        server = self._loop.run_until_complete(self._loop.create_server(session, "127.0.0.1", 0, ssl=self._implicit))
        self.port = int(server.sockets[0].getsockname()[1])
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.02))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        if self.login_answer:
            return AuthResult(success=False, handled=False, message=self.login_answer)
        return AuthResult(success=data.password == self.password.encode(), handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        self.in_the_clear |= not (session.ssl or self._implicit)
        if self.on_sender:
            return self.on_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.dies_at == "RCPT":
            server.transport.abort()
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.busy:
            self.busy -= 1
            return "451 4.3.0 later"
        if self.on_data.startswith("2"):
            parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(parsed, EmailMessage)
            self.mails.append(parsed)
            self.recipients.append(list(envelope.rcpt_tos))
        if self.dies_at == "answer":
            server.transport.abort()
        return self.on_data


class _Session(SMTP):
    async def push(self, status: Any) -> None:
        await super().push(status)
        if self.event_handler.dies_at == "content" and str(status).startswith("354"):
            self.transport.pause_reading()
            self.loop.call_later(0.3, self.transport.abort)


@contextlib.contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    running = MailServer(**options)
    try:
        yield running
    finally:
        running.close()
