"""The faults of the fault table: what is played at each provider, and where."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lumen_assets_tests.replication import drive_bench, dropbox_bench, s3_bench
from lumen_assets_tests.replication.fault_proxy import (
    Answer,
    ChangeAnswer,
    Fault,
    First,
    LoseAnswer,
    Reset,
    Twice,
    When,
    method,
)
from lumen_assets_tests.replication.fault_subjects import (
    EVERYWHERE,
    PROVIDERS,
    S3,
    Clock,
    Drive,
    Dropbox,
    source_of,
)
from lumen_assets_tests.replication.s3_bench import changed, xml

ASKED: Final = 7
"""Seconds of Retry-After: more than is ever drawn for a first wait, so it shows that it is honoured."""

FOR_EVER: Final = -1


@dataclass(frozen=True)
class Case:
    """One fault at one provider.

    Attributes:
        provider: its name.
        fault: the name of the row.
        played: how it was made to happen, for readers.
        places: names of the places where it was; empty where it cannot be, and ``played`` says why.
        make: the fault, given the provider under test and the machine's clock; None if ``before`` is all.
        times: how often it is played.
        when: the requests that it strikes; those of the place unless given.
        token: what the store's credentials are, given the provider under test; None for the usual ones.
        before: what is wrong from the start.
    """

    provider: str
    fault: str
    played: str
    places: Sequence[str] = ()
    make: Callable[[Any, Clock], Fault] | None = None
    times: int = 1
    when: When | None = None
    token: Callable[[Any], Any] | None = None
    before: Callable[[Any, Clock], object] | None = None

    @property
    def sends(self) -> int:
        """How often a request is sent in one try: where the access token expired, again with a new one."""
        return 2 if self.fault in ("401 expired", "clock skew") else 1


LAST: Final = ("finish", "whole")


def _same(fault: Fault) -> Callable[[Any, Clock], Fault]:
    return lambda subject, clock: fault


def _answers(provider: str, fault: str, played: str, answer: Answer, *, for_ever: bool = False) -> Case:
    return Case(provider, fault, played, EVERYWHERE, _same(answer), FOR_EVER if for_ever else 1)


def _each(fault: str, played: str, places: Sequence[str], what: Fault, times: int = 1) -> list[Case]:
    return [Case(provider, fault, played, places, _same(what), times) for provider in PROVIDERS]


def _wrong_json(**fields: str) -> ChangeAnswer:
    def change(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        return status, headers, json.dumps({**json.loads(body), **fields}).encode()

    return ChangeAnswer(change)


def _wrong_part_checksum(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    kept = {name: value for name, value in headers.items() if name.lower() != "x-amz-checksum-crc64nvme"}
    return status, {**kept, "x-amz-checksum-crc64nvme": base64.b64encode(bytes(8)).decode()}, body


def _wrong_object_checksum(subject: S3, clock: Clock) -> Fault:
    crc = (s3_bench.SIZE, s3_bench.MIB)
    right = [base64.b64encode(bytes.fromhex(source_of(subject.folder, size)[1].crc64nvme)) for size in crc]

    def change(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        for value in right:
            status, headers, body = changed(value, base64.b64encode(bytes(8))).change(status, headers, body)
        return status, headers, body

    return ChangeAnswer(change)


def _expire(subject: Any, clock: Clock) -> Fault:
    return First(subject.bench.emulator.expire_tokens)


def _fill(subject: Any, clock: Clock) -> Fault:
    return First(subject.fill)


def _drive_refresh(subject: Drive) -> Any:
    return subject.bench.emulator.new_refresh_token()


def _drive_service_account(subject: Drive) -> Any:
    return subject.bench.emulator.new_service_account()


def _dropbox_refresh(subject: Dropbox) -> Any:
    return json.dumps(subject.bench.emulator.new_refresh_token())


def _jumps(hours: float, *, expires: bool) -> Callable[[Any, Clock], Fault]:
    def make(subject: Any, clock: Clock) -> Fault:
        def happens() -> None:
            clock.set(hours)
            if expires:
                subject.bench.emulator.expire_tokens()

        return First(happens)

    return make


def _off(hours: float) -> Callable[[Any, Clock], object]:
    return lambda subject, clock: clock.set(hours)


_LATE: Final = "the clock is set back in mid-upload, so an access token seems good longer than it is: HTTP 401"
_EARLY: Final = "the clock is set forward in mid-upload, so a good access token seems expired"

CASES: Final[Sequence[Case]] = (
    *_each("connection reset", "RST in the middle of the request", EVERYWHERE, Reset(100_000)),
    *_each("connection reset, every time", "the same for ever", ("piece",), Reset(100_000), FOR_EVER),
    _answers("S3", "500", "`InternalError`", Answer(500, body=xml("InternalError"))),
    _answers("Google Drive", "500", "no body", Answer(500)),
    _answers("Dropbox", "500", "a text", Answer(500, {}, b"oops")),
    _answers("S3", "503", "`SlowDown`", Answer(503, body=xml("SlowDown"))),
    _answers("Google Drive", "503", "`backendError`", drive_bench.refusal(503, "backendError")),
    _answers("Dropbox", "503", "a text", Answer(503, {}, b"unavailable")),
    _answers("S3", "429 with Retry-After", f"`Retry-After: {ASKED}`", Answer(429, {"Retry-After": str(ASKED)})),
    _answers(
        "Google Drive",
        "429 with Retry-After",
        f"`rateLimitExceeded`, `Retry-After: {ASKED}`",
        drive_bench.refusal(429, "rateLimitExceeded", headers={"Retry-After": str(ASKED)}),
    ),
    _answers(
        "Dropbox",
        "429 with Retry-After",
        f"`too_many_requests`, `Retry-After: {ASKED}`",
        dropbox_bench.rate_limited(ASKED),
    ),
    Case("S3", "403 rate limit", "n/a: S3 slows down with 503 `SlowDown`, above"),
    _answers(
        "Google Drive",
        "403 rate limit",
        "`userRateLimitExceeded`",
        drive_bench.refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
    ),
    Case("Dropbox", "403 rate limit", "n/a: Dropbox slows down with 429, above"),
    _answers(
        "S3",
        "401 expired",
        "a session that cannot renew itself: S3 says 400 `ExpiredToken`",
        Answer(400, body=xml("ExpiredToken")),
        for_ever=True,
    ),
    Case("Google Drive", "401 expired", "a bare access token", EVERYWHERE, _expire),
    Case("Google Drive", "401 expired", "a refresh token", EVERYWHERE, _expire, token=_drive_refresh),
    Case("Google Drive", "401 expired", "a service account", EVERYWHERE, _expire, token=_drive_service_account),
    Case("Dropbox", "401 expired", "a bare access token", EVERYWHERE, _expire),
    Case("Dropbox", "401 expired", "a refresh token", EVERYWHERE, _expire, token=_dropbox_refresh),
    _answers("S3", "403 permission", "`AccessDenied`", Answer(403, body=xml("AccessDenied")), for_ever=True),
    _answers(
        "Google Drive",
        "403 permission",
        "`insufficientFilePermissions`",
        drive_bench.refusal(403, "insufficientFilePermissions"),
        for_ever=True,
    ),
    _answers(
        "Dropbox",
        "403 permission",
        "`no_permission`",
        dropbox_bench.api_error({".tag": "no_permission"}, "no_permission", 403),
        for_ever=True,
    ),
    _answers("S3", "quota full", "403 `QuotaExceeded`", Answer(403, body=xml("QuotaExceeded")), for_ever=True),
    Case("Google Drive", "quota full", "the account fills up at that moment", EVERYWHERE, _fill),
    Case("Dropbox", "quota full", "the account fills up at that moment", EVERYWHERE, _fill),
    Case("S3", "wrong checksum answered", "of a part", ("piece",), _same(ChangeAnswer(_wrong_part_checksum))),
    Case(
        "S3",
        "wrong checksum answered",
        "of the object",
        LAST,
        _wrong_object_checksum,
        FOR_EVER,
        method("HEAD"),
    ),
    Case(
        "Google Drive",
        "wrong checksum answered",
        "of the file (a piece has none)",
        LAST,
        _same(_wrong_json(sha256Checksum="0" * 64)),
    ),
    Case(
        "Dropbox",
        "wrong checksum answered",
        "of the file (a piece has none)",
        LAST,
        _same(_wrong_json(content_hash="0" * 64)),
    ),
    *_each("lost final response", "done, then RST instead of the answer", LAST, LoseAnswer()),
    *_each("duplicate finish", "the request arrives twice, the second answer is seen", LAST, Twice()),
    _answers(
        "S3", "clock skew", "403 `RequestTimeTooSkewed`", Answer(403, body=xml("RequestTimeTooSkewed")), for_ever=True
    ),
    *(
        Case(
            "Google Drive",
            "clock skew",
            f"a service account, {abs(hours)} hours {'fast' if hours > 0 else 'slow'}: "
            "Google refuses its signature, `invalid_grant`",
            ("whole",),
            token=_drive_service_account,
            before=_off(hours),
        )
        for hours in (2, -2)
    ),
    Case(
        "Google Drive",
        "clock skew",
        _LATE,
        ("begin", "piece", "finish"),
        _jumps(-2, expires=True),
        token=_drive_refresh,
    ),
    Case("Google Drive", "clock skew", _EARLY, ("begin", "piece"), _jumps(2, expires=False), token=_drive_refresh),
    Case(
        "Dropbox", "clock skew", _LATE, ("begin", "piece", "finish"), _jumps(-5, expires=True), token=_dropbox_refresh
    ),
    Case("Dropbox", "clock skew", _EARLY, ("begin", "piece"), _jumps(5, expires=False), token=_dropbox_refresh),
)
"""In the order of the document."""
