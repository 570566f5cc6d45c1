"""The one place for HTTP that goes out: bounded in time and size, no redirects, no secret let out.

Proxies and certificate authorities are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``,
``REQUESTS_CA_BUNDLE``), unless the receiver has an authority of its own. TLS is always verified.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from lumen_assets.deadline import Deadline
from lumen_assets.errors import LumenError, PermanentError, TransientError

LONGEST_WAIT: Final = 86_400.0
"""Seconds: no receiver can make us wait longer than a day by a Retry-After."""

EXCERPT: Final = 160
"""Characters of a refusal's body that an error repeats."""

_LOOKS_SECRET: Final = re.compile(r"(?i)\b(bearer|basic)\s+\S+|whsec_\S+|[\w+/=.-]{24,}")
_TRANSIENT: Final = {408: "provider", 425: "provider", 429: "throttle"}


@dataclass(frozen=True)
class Limits:
    """How long and how large an exchange may be.

    Attributes:
        connect: seconds to connect, to each address of the host.
        read: seconds between two bytes of the answer.
        total: seconds from the first to the last.
        body: bytes of the answer's body that are read.
    """

    connect: float = 10.0
    read: float = 20.0
    total: float = 30.0
    body: int = 4096


@dataclass(frozen=True)
class Receiver:
    """Who is asked, in the words of an error.

    Attributes:
        what: "the webhook", "Alertmanager".
        address: where its address is set: the name of a variable or setting.
        secret: where what it knows us by is set.
        secrets: texts that no error may repeat, besides the address.
        action: what is attempted, as a verb phrase.
        authority: where the certificate of its authority is set.
        ca_file: that certificate, where it is not of those that the environment gives.
    """

    what: str
    address: str
    secret: str
    secrets: Collection[str] = ()
    action: str = "send to"
    authority: str = "REQUESTS_CA_BUNDLE"
    ca_file: Path | None = None


@dataclass(frozen=True)
class Reply:
    """Whatever was answered: the status, the headers, and the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(
    method: Literal["GET", "POST"],
    url: str,
    *,
    receiver: Receiver,
    now: datetime,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
) -> Reply:
    """Ask once.

    Args:
        now: what a Retry-After that is a date is counted from.

    Raises:
        TransientError: if the network failed, or the receiver says that it may take it later.
        PermanentError: if the address, the secret or the certificate has to be changed first.
    """
    reply = exchange(method, url, receiver=receiver, body=body, headers=headers, limits=limits)
    if 200 <= reply.status < 300:
        return reply
    html = "html" in reply.headers.get("Content-Type", "")
    raise refusal(
        reply.status,
        reply.headers.get("Retry-After", ""),
        receiver=receiver,
        subject=named(receiver, url),
        now=now,
        said="" if html else excerpt(reply.body, url, receiver.secrets),
    )


def exchange(
    method: Literal["GET", "POST"],
    url: str,
    *,
    receiver: Receiver,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
) -> Reply:
    """Ask once, and take whatever status is answered.

    Raises:
        TransientError: if the network failed.
        PermanentError: if the address or the certificate has to be changed first.
    """
    from lumen_assets.http_session import FAILURES, ask, broken_by  # requests, 0.1 s: most processes ask nobody

    with Deadline(limits.total) as deadline:
        try:
            return ask(method, url, body, headers or {}, limits, deadline, receiver.ca_file)
        except FAILURES as error:
            cause = "no answer in time" if deadline.over else broken_by(error)
            failure = _broken(error, url, receiver, cause)
    raise failure  # out of the handler: requests' exceptions hold the address, so none stays attached


def refusal(
    status: int, retry_after: str, *, receiver: Receiver, subject: str, now: datetime, said: str = ""
) -> LumenError:
    """The error that an HTTP status other than 2xx is."""
    cause = f"HTTP {status}" + (f": {said}" if said else "")
    if status in _TRANSIENT or status >= 500:
        return TransientError(
            action=receiver.action,
            subject=subject,
            cause=cause,
            error_class=_TRANSIENT.get(status, "provider"),
            retry_after=seconds_to_wait(retry_after, now),
        )
    error_class, hint = "configuration", f"it refuses what is sent: check that {receiver.address} is an address for it"
    if 300 <= status < 400:
        cause = f"HTTP {status}: it redirects, which is not followed"
        hint = f"set {receiver.address} to the address that it redirects to, if you trust that"
    elif status in (401, 403):
        error_class, hint = "credentials", f"check {receiver.secret}, and that the receiver has the same"
    elif status in (404, 410):
        hint = f"correct {receiver.address}: there is nothing at that address"
    elif status == 407:
        hint = "give the proxy's user and password in HTTPS_PROXY"
    return PermanentError(action=receiver.action, subject=subject, cause=cause, error_class=error_class, hint=hint)


def seconds_to_wait(value: str, now: datetime) -> float | None:
    """Seconds, from a ``Retry-After`` of either form (RFC 9110, 10.2.3); at most ``LONGEST_WAIT``; None if it is none.

    Args:
        now: with a zone.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(value)
        seconds = (then - now).total_seconds() if then.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None
    return None if seconds is None else min(max(0.0, seconds), LONGEST_WAIT)


def origin(url: str) -> str:
    """Scheme, host and port of an address, which is all that may be said of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    if not parts.scheme or not host:
        return "an address without a host"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def is_this_machine(host: str) -> bool:
    """Whether a name or number is that of the loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_readable_on_the_way(url: str) -> bool:
    """Whether what is sent to an address goes over a network without TLS."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_this_machine(parts.hostname or "")


def named(receiver: Receiver, url: str) -> str:
    """The receiver and where it is, for errors and logs."""
    return f"{receiver.what} at {origin(url)}"


def excerpt(body: bytes, url: str, secrets: Collection[str] = ()) -> str:
    """The beginning of an answer on one line, without the secrets, the address and what looks like a secret."""
    text = body.decode("utf-8", "replace")
    for secret in sorted({*secrets, *_parts(url)}, key=len, reverse=True):
        text = text.replace(secret, "[removed]")
    text = "".join(sign if sign.isprintable() else " " for sign in _LOOKS_SECRET.sub("[removed]", text))
    return " ".join(text.split())[:EXCERPT]


def _parts(url: str) -> set[str]:
    """Everything of an address that may be a secret, as it is and unquoted; short words of a path are none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    pieces = [url, parts.path, parts.query, parts.username or "", parts.password or ""]
    pieces += [piece for piece in re.split(r"[/&=]", f"{parts.path}&{parts.query}") if len(piece) >= 6]
    return {text for piece in pieces for text in (piece, unquote(piece)) if len(text) >= 3}


def _broken(error: Exception, url: str, receiver: Receiver, cause: str) -> LumenError:
    subject = named(receiver, url)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return PermanentError(
            action=receiver.action,
            subject=subject,
            cause="its certificate cannot be verified",
            error_class="configuration",
            hint=f"correct {receiver.address}, renew the certificate, or give its authority in {receiver.authority}",
        )
    if isinstance(error, ValueError):  # requests' errors about an address are
        return PermanentError(
            action=receiver.action,
            subject=subject,
            cause="its address is not one that can be used",
            error_class="configuration",
            hint=f"correct {receiver.address}: it must be an http or https address",
        )
    return TransientError(action=receiver.action, subject=subject, cause=cause, error_class="network")
