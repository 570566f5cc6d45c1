"""docs/alerts.md: its receiver works, and its words are the program's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import WebhookVerificationError

from lumen_assets.alerting.webhook import WebhookChannel
from lumen_assets_tests.alerting.receiver import message

DOCUMENT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


@pytest.fixture
def documented() -> dict[str, Any]:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - it is our own document
    return names


def test_its_receiver_takes_what_is_right_once_and_rejects_the_rest(receiver, documented):
    (secret,) = re.findall(r'Webhook\("(whsec_[^"]+)"\)', DOCUMENT)
    channel = WebhookChannel(SecretStr(receiver.url), SecretStr(secret))
    receive = documented["receive"]
    channel.send(message(), datetime.now(UTC))
    request = receiver.received[-1]
    with pytest.raises(WebhookVerificationError):
        receive(request.headers, request.body.replace(b"critical", b"info"))
    assert receive(request.headers, request.body) == message().title
    assert receive(request.headers, request.body) is None
    channel.send(message(2), datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError):
        receive(receiver.received[-1].headers, receiver.received[-1].body)


def test_its_headers_are_those_that_are_sent(receiver):
    WebhookChannel(SecretStr(receiver.url), SecretStr("secret!")).send(message(), datetime.now(UTC))
    named = re.findall(r"^\| `((?:webhook|X)-[\w-]+)` \|", DOCUMENT, re.MULTILINE)
    assert len(named) == 4
    assert {name.lower() for name in named} <= set(receiver.received[0].headers)
