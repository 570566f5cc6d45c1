"""The signed webhook: Standard Webhooks, and the one header that receivers of before know.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md and docs/alerts.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr
from standardwebhooks import Webhook

from lumen_assets.alerting.messages import Message
from lumen_assets.http import Limits, Receiver, send

TYPE: Final = "lumen.alert"

LARGEST: Final = 256 << 10
"""Bytes of a body."""

SHORTENED: Final = 2000
"""Characters that a text is cut to where a body would be larger than ``LARGEST``."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class WebhookChannel:
    """Posts messages as JSON, signed with every secret that there is.

    Args:
        url: LUMEN_ALERT_URL.
        secret: LUMEN_ALERT_SECRET: one, or several with commas, the newest first; None: unsigned.
        limits: of one request.
    """

    name = "webhook"

    def __init__(self, url: SecretStr, secret: SecretStr | None = None, *, limits: Limits | None = None) -> None:
        self._url = url
        self._secret = secret
        self._limits = limits or Limits()

    def send(self, message: Message, now: datetime) -> str:
        """See ``Channel.send``."""
        body, secrets = body_of(message), self._secrets()
        answer = send(
            "POST",
            self._url.get_secret_value(),
            receiver=Receiver("the webhook", "LUMEN_ALERT_URL", "LUMEN_ALERT_SECRET", secrets),
            now=now,
            body=body,
            headers={"Content-Type": "application/json; charset=utf-8", **_signatures(message.id, body, now, secrets)},
            limits=self._limits,
        )
        return f"HTTP {answer.status}"

    def _secrets(self) -> tuple[str, ...]:
        given = self._secret.get_secret_value().split(",") if self._secret else ()
        return tuple(part.strip() for part in given if part.strip())


def _signatures(message_id: str, body: bytes, now: datetime, secrets: Sequence[str]) -> dict[str, str]:
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
    if secrets:
        moment = now.astimezone(UTC)  # the library takes any clock time for one in UTC
        headers["webhook-signature"] = " ".join(
            Webhook(signing_key(secret)).sign(message_id, moment, body.decode()) for secret in secrets
        )
        headers["X-Lumen-Signature"] = hmac.new(secrets[0].encode(), body, hashlib.sha256).hexdigest()
    return headers


def signing_key(secret: str) -> bytes:
    """The key that a secret of LUMEN_ALERT_SECRET is for Standard Webhooks.

    With or without ``whsec_`` before it, base64 of the standard alphabet, with or without padding, is decoded, as the
    libraries of Standard Webhooks do; any other text is its UTF-8 bytes.
    """
    encoded = secret.removeprefix("whsec_")
    digits = encoded.rstrip("=")
    if not _BASE64.fullmatch(encoded) or len(digits) % 4 == 1:  # what is left over of that is no whole byte
        return secret.encode()
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def body_of(message: Message) -> bytes:
    """The body: the same through every retry, UTF-8, at most ``LARGEST`` bytes.

    Where it would be larger, details go, the oldest first, and then long texts are cut. Counts stay as they are.
    """
    payload = message.payload()
    if len(body := _encoded(message, payload)) <= LARGEST:
        return body
    events = payload["events"]
    while len(events) > 1 and len(body) > LARGEST:
        del events[0]
        body = _encoded(message, payload)
    if len(body) > LARGEST:
        payload = _cut(payload)
        body = _encoded(message, payload)
    for name in ("events", "digest", "subjects"):
        if len(body) > LARGEST:
            payload[name] = []
            body = _encoded(message, payload)
    return body


def _encoded(message: Message, payload: dict[str, Any]) -> bytes:
    content = {
        "type": TYPE,
        "timestamp": message.at.isoformat(),
        "title": payload["title"],
        "payload": payload,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= SHORTENED else f"{value[:SHORTENED]}…"
    if isinstance(value, dict):
        return {name: _cut(part) for name, part in value.items()}
    return [_cut(part) for part in value] if isinstance(value, list) else value
