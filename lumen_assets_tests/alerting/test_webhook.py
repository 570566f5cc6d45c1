"""The signed webhook, against receivers that verify as the documents say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.webhook import LARGEST, WebhookChannel, body_of, signing_key
from lumen_assets.errors import LumenError
from lumen_assets_tests.alerting.receiver import NOW, Received, Say, Server, event, message

NEW = "whsec_" + base64.b64encode(b"the new secret, 32 bytes long...").decode()
OLD = "그냥 문장 canary-old-secret"


class Verifying:
    """A receiver as docs/alerts.md has it: verifies, with the library's own reading of the secret; remembers ids."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret if secret.startswith("whsec_") else secret.encode())
        self._seen: set[str] = set()

    def take(self, request: Received) -> dict[str, object]:
        content = self._webhook.verify(request.body, dict(request.headers))
        if request.headers["webhook-id"] in self._seen:
            raise WebhookVerificationError("seen")
        self._seen.add(request.headers["webhook-id"])
        assert isinstance(content, dict)
        return content


def sent(server: Server, *secrets: str, now: datetime | None = None, **changes: object) -> Received:
    channel = WebhookChannel(SecretStr(f"{server.url}/hook"), SecretStr(",".join(secrets)) if secrets else None)
    assert channel.send(message(**changes), now or datetime.now(UTC)) == "HTTP 200"
    return server.received[-1]


def test_the_right_message_is_taken_and_says_everything(receiver):
    request = sent(receiver, NEW)
    content = Verifying(NEW).take(request)
    assert set(content) == {"type", "timestamp", "title", "payload"}
    assert content["type"] == "lumen.alert"
    assert content["timestamp"] == "2026-03-10T03:04:05+00:00"
    assert content["title"] == "replica/cloud: 자격 증명이 만료됨"
    assert Message.from_payload(content["payload"]) == message()
    assert request.headers["webhook-id"] == message().id
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert "자격".encode() in request.body  # UTF-8, not escapes
    assert b'": ' not in request.body.split(b"payload")[0]  # compact


def test_a_tampered_message_is_rejected(receiver):
    request = sent(receiver, NEW)
    for headers, body in (
        (request.headers, request.body.replace(b"critical", b"info")),
        ({**request.headers, "webhook-id": "another"}, request.body),
        ({**request.headers, "webhook-timestamp": str(int(request.headers["webhook-timestamp"]) + 1)}, request.body),
        ({**request.headers, "webhook-signature": "v1,AAAA"}, request.body),
    ):
        with pytest.raises(WebhookVerificationError):
            Verifying(NEW).take(Received("POST", "/hook", headers, body))


def test_a_replayed_message_is_rejected_and_a_retry_has_the_same_id_and_body(receiver):
    receiving = Verifying(NEW)
    first = sent(receiver, NEW)
    receiving.take(first)
    with pytest.raises(WebhookVerificationError, match="seen"):
        receiving.take(first)
    again = sent(receiver, NEW, now=datetime.now(UTC) + timedelta(seconds=60))
    assert (again.headers["webhook-id"], again.body) == (first.headers["webhook-id"], first.body)
    with pytest.raises(WebhookVerificationError, match="seen"):
        receiving.take(again)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_message_of_another_time_is_rejected(receiver, minutes):
    request = sent(receiver, NEW, now=datetime.now(UTC) + timedelta(minutes=minutes))
    with pytest.raises(WebhookVerificationError, match="too"):
        Verifying(NEW).take(request)


def test_the_zone_of_now_does_not_matter(receiver):
    request = sent(receiver, NEW, now=datetime.now(timezone(timedelta(hours=9))))
    Verifying(NEW).take(request)


def test_while_a_secret_is_replaced_both_receivers_take_it(receiver):
    request = sent(receiver, NEW, OLD)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    Verifying(NEW).take(request)
    Verifying(OLD).take(request)
    with pytest.raises(WebhookVerificationError):
        Verifying("whsec_" + base64.b64encode(b"neither").decode()).take(request)


def test_a_secret_is_replaced_without_a_message_lost(receiver):
    """Old; new and old while receivers change, one after the other; new alone, which the old one does not open."""
    secrets_of = {"before": (OLD,), "meanwhile": (NEW, OLD), "after": (NEW,)}
    opens = {"before": (OLD,), "meanwhile": (OLD, NEW), "after": (NEW,)}
    for step, secrets in secrets_of.items():
        request = sent(receiver, *secrets)
        assert len(request.headers["webhook-signature"].split(" ")) == len(secrets)
        for secret in (OLD, NEW):
            if secret in opens[step]:
                assert Verifying(secret).take(request)
            else:
                with pytest.raises(WebhookVerificationError, match="No matching signature"):
                    Verifying(secret).take(request)


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_with_two_signatures_a_tampered_an_old_and_a_replayed_message_are_rejected_too(receiver, secret):
    request = sent(receiver, NEW, OLD)
    receiving = Verifying(secret)
    tampered = request.body.replace(b"firing", b"solved")
    assert tampered != request.body
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        receiving.take(Received("POST", "/hook", request.headers, tampered))
    moved = {**request.headers, "webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 60)}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        receiving.take(Received("POST", "/hook", moved, request.body))
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiving.take(sent(receiver, NEW, OLD, now=datetime.now(UTC) - timedelta(minutes=6)))
    receiving.take(request)
    with pytest.raises(WebhookVerificationError, match="seen"):
        receiving.take(request)


@pytest.mark.parametrize("secret", [NEW, OLD, "hunter2"])
def test_receivers_of_before_verify_the_exact_body_with_the_first_secret_as_it_is_written(receiver, secret):
    request = sent(receiver, secret, "another")
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(request.headers["x-lumen-signature"], expected)


def test_without_a_secret_it_is_sent_unsigned(receiver):
    headers = sent(receiver).headers
    assert {"webhook-id", "webhook-timestamp"} <= set(headers)
    assert not {"webhook-signature", "x-lumen-signature"} & set(headers)


def test_redirects_are_not_followed(receiver, elsewhere):
    receiver.say = Say(307, {"Location": elsewhere.url})
    with pytest.raises(LumenError, match="redirect"):
        sent(receiver, NEW)
    assert elsewhere.received == []


def test_no_secret_is_in_what_is_sent_said_or_logged(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    request = sent(receiver, OLD)
    receiver.say = lambda request: Say(403, body=f"{request.headers} {OLD} /hook".encode())
    with pytest.raises(LumenError) as caught:
        sent(receiver, OLD)
    said = request.body.decode() + str(request.headers) + str(caught.value) + caplog.text
    assert "canary-old-secret" not in said
    assert request.headers["x-lumen-signature"] not in str(caught.value)


@given(st.binary(min_size=1, max_size=40), st.booleans(), st.booleans())
def test_base64_is_the_key_that_the_library_takes(key, prefixed, padded):
    text = base64.b64encode(key).decode()
    text = ("whsec_" if prefixed else "") + (text if padded else text.rstrip("="))
    assert signing_key(text) == key
    assert Webhook(text).sign("id", NOW, "{}") == Webhook(signing_key(text)).sign("id", NOW, "{}")


@given(st.from_regex(r"\A(whsec_)?[A-Za-z0-9+/]{1,40}={0,2}\Z"))
def test_what_looks_like_base64_is_the_key_that_the_library_takes_or_text(text):
    key = signing_key(text)
    if key != text.encode():
        assert Webhook(text).sign("id", NOW, "{}") == Webhook(key).sign("id", NOW, "{}")


@pytest.mark.parametrize("text", ["a word", "비밀", "url-safe_alphabet==", "whsec_!", "abcde", "whsec_", "a=b", "="])
def test_any_other_text_is_its_bytes(text):
    assert signing_key(text) == text.encode()


def test_a_large_body_loses_the_oldest_details_and_no_count():
    events = tuple(event(number, cause=f"{number} " + "긴 " * 10_000) for number in range(20))
    body = body_of(message(events=events, count=400, events_total=300))
    payload = json.loads(body)["payload"]
    assert len(body) <= LARGEST
    assert payload["events"][-1]["id"] == events[-1].id
    assert 0 < len(payload["events"]) < 20
    assert (payload["count"], payload["events_total"]) == (400, 300)


@pytest.mark.parametrize(
    "changes",
    [
        {"events": (event(cause="x" * 300_000),)},
        {"events": (event(facts={f"fact {number}": "y" * 1000 for number in range(500)}),)},
        {"title": "제" * 300_000},
        {"digest": tuple("z" * 1000 for _ in range(500))},
        {"title": "\ud800 half a pair"},
    ],
)
def test_nothing_makes_a_body_too_large(changes):
    body = body_of(message(**changes))
    assert len(body) <= LARGEST
    content = json.loads(body)
    assert content["title"]
    Message.from_payload(content["payload"])
