"""Slack, Discord and everything else that Apprise knows: https://appriseit.com/services/."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from lumen_assets.alerting import chat_sender
from lumen_assets.alerting.events import State
from lumen_assets.alerting.messages import Message
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import Receiver, refusal

LONGEST_TEXT: Final = 8000
"""Characters of a message; services that take less get less."""

LONGEST_TITLE: Final = 200

TOTAL: Final = 60.0
"""Seconds for a message, with the start of the program that sends it."""


class ChatChannel:
    """Sends messages through one address of Apprise.

    Args:
        number: which of ``alerts.apprise`` it is, from 1.
        url: the address.
        total: seconds for a message.
    """

    def __init__(self, number: int, url: SecretStr, *, total: float = TOTAL) -> None:
        self._number = number
        self._url = url
        self._total = total

    @property
    def name(self) -> str:
        """``apprise-1`` and so on."""
        return f"apprise-{self._number}"

    def send(self, message: Message, now: datetime) -> str:
        """See ``Channel.send``.

        An address with several targets is taken when all of them took it; where one did not, all get it again.
        """
        text = message.text()
        order = {
            "url": self._url.get_secret_value(),
            "title": _short(f"[{message.severity}, {message.state}] {message.title}", LONGEST_TITLE),
            "body": _short(text, LONGEST_TEXT),
            "severity": "resolved" if message.state is State.RESOLVED else str(message.severity),
        }
        # By its path and with -P: it must not see this folder, whose http.py would be Python's.
        command = [sys.executable, "-P", str(Path(chat_sender.__file__))]
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                command, input=json.dumps(order).encode(), capture_output=True, timeout=self._total, check=False
            )
        except subprocess.TimeoutExpired:
            outcome = None
        else:
            outcome = _parsed(done.stdout)
        if outcome is None:
            raise self._transient("no answer in time")
        if outcome.get("outcome") == "taken":
            status = outcome.get("status")
            return f"HTTP {status}" if status else f"{self._scheme} took it"
        raise self._failure(outcome, now)

    @property
    def _scheme(self) -> str:
        return self._url.get_secret_value().partition("://")[0]

    def _failure(self, outcome: dict[str, Any], now: datetime) -> LumenError:
        status = outcome.get("status")
        if isinstance(status, int) and not 200 <= status < 300:
            receiver = Receiver(self.name, "its address in alerts.apprise", "its address in alerts.apprise")
            return refusal(
                status, str(outcome.get("retry_after", "")), receiver=receiver, subject=self._subject, now=now
            )
        if outcome.get("outcome") == "unknown":
            return PermanentError(
                action="send to",
                subject=self._subject,
                cause="Apprise does not take its address, or lacks a package for it",
                error_class="configuration",
                hint="correct it in alerts.apprise: https://appriseit.com/services/ has the forms",
            )
        if outcome.get("outcome") == "refused" and not outcome.get("connected", True):
            return self._transient("no connection, or it broke")
        return self._transient("the service did not take it, and Apprise does not say why", "provider")

    def _transient(self, cause: str, error_class: str = "network") -> TransientError:
        return TransientError(action="send to", subject=self._subject, cause=cause, error_class=error_class)

    @property
    def _subject(self) -> str:
        return f"{self.name} ({self._scheme})"


def _parsed(output: bytes) -> dict[str, Any] | None:
    """What the program said; that it failed where it said nothing."""
    try:
        outcome = json.loads(output)
    except ValueError:
        return {"outcome": "failed"}
    return outcome if isinstance(outcome, dict) else {"outcome": "failed"}


def _short(text: str, length: int) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= length else f"{text[: length - 1]}…"
