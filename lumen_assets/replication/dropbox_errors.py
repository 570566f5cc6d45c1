"""What Dropbox answers, as errors of ours: what to do about it in, secrets out.

The answers are those of https://github.com/dropbox/dropbox-api-spec (``files.stone``, ``auth.stone``) and of
https://www.dropbox.com/developers/documentation/http/documentation#error-handling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import requests
import urllib3
from dropbox.exceptions import ApiError, AuthError, BadInputError, DropboxException, HttpError
from stone.backends.python_rsrc.stone_validators import ValidationError

from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError
from lumen_assets.texts import MASK, Masker, visible

_Answer = TypeVar("_Answer")


class RefusedError(HttpError):  # type: ignore[misc]  # the SDK has no types
    """An answer that must not reach the SDK, or that it would lose something of."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.headers.get("x-dropbox-request-id"), response.status_code, response.text)
        seconds = response.headers.get("Retry-After", "")
        self.retry_after = float(seconds) if seconds.isascii() and seconds.isdigit() else None
        self.reason = _reason(self.body)


def raise_refused(response: requests.Response, *_: object, **__: object) -> None:
    """A hook for the connections of a client.

    Raises:
        RefusedError: where the SDK would follow a redirect (a 307 carries a refresh token to another host), read a 403
            as an unknown error of the route, drop the Retry-After of a 5xx or stumble over one that is no number.
    """
    if response.is_redirect or response.status_code in (403, 429) or response.status_code >= 500:
        raise RefusedError(response)


FAILURES: Final = (
    DropboxException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    # an answer that is not Dropbox's (a proxy's page): the SDK asserts the content type, parses and looks up
    AssertionError,
    ValidationError,
    ValueError,
    KeyError,
    OSError,
)
"""What the SDK raises, and reading its answers does."""

_PERMANENT: Final = {
    "insufficient_space": ("quota", "the account's space is used up", "free space in Dropbox or buy more"),
    "no_write_permission": ("permission", "the account may not write there", "give it edit access to the folder"),
    "access_restricted": ("permission", "a team administrator restricted it", "ask the team's administrator"),
    "team_folder": ("permission", "a team folder cannot be written this way", "choose a folder inside it"),
    "operation_suppressed": ("permission", "Dropbox does not allow it at this path", "choose another `folder`"),
    "restricted_content": ("permission", "Dropbox restricts this content", "ask Dropbox's support"),
    "unsupported_file": ("permission", "Dropbox cannot hand this file out", "ask Dropbox's support"),
    "locked": ("permission", "somebody locked it", "unlock it in Dropbox"),
    "malformed_path": ("configuration", "Dropbox takes no such path", "correct the destination's `folder`"),
    "disallowed_name": ("configuration", "Dropbox takes no such name", "correct the destination's `folder`"),
    "not_folder": ("configuration", "it is a file", "correct the destination's `folder`"),
    "encryption_not_supported": ("configuration", "the team's folder is end-to-end encrypted", "choose another"),
    "too_large": ("input", "it is larger than Dropbox takes", ""),
}
_PASSING: Final = {
    "too_many_write_operations": ("throttle", "too many writes in this account at once"),
    "content_hash_mismatch": ("network", "what arrived at Dropbox is not what was sent"),
}
_NOT_A_TOKEN: Final = re.compile(r"malformed|invalid_client|unauthorized_client|client_id|authorization", re.IGNORECASE)
_SCOPE: Final = re.compile(r"required scope '?([a-z_.]+)")
_SECRET_LIKE: Final = re.compile(
    r"(Bearer|Basic)\s+\S+|\bsl\.\S+|pid_upload_session:\S+|(?:[\w\-]|%[0-9A-Fa-f]{2}){40,}"
)


def attempt(call: Callable[[], _Answer], action: str, subject: str, secrets: Iterable[str] = ()) -> _Answer:
    """What ``call`` returns.

    Its failure is raised as one of ours, outside of the handler: the SDK's exceptions hold requests with their
    Authorization header, so none of them stays attached as a cause or a context.

    Raises:
        TransientError, PermanentError, IntegrityError: as ``translate`` says.
    """
    try:
        return call()
    except FAILURES as error:
        failure = translate(error, action, subject, secrets)
    raise failure


def tags(error: object) -> tuple[str, ...]:
    """The tags of an API error from the outside in: ``("path", "conflict", "file")``; empty for another error."""
    found: list[str] = []
    value: Any = error.error if isinstance(error, ApiError) else None
    while value is not None:
        value = getattr(value, "reason", value)  # UploadWriteFailed wraps a WriteError
        tag = getattr(value, "_tag", None)  # the only way to any union's tag that is not a name for each
        if not isinstance(tag, str):
            break
        found.append(tag)
        value = value._value
    return tuple(found)


def cleaned(text: str, secrets: Iterable[str] = ()) -> str:
    """One short line of ``text`` without the secrets and without what looks like one.

    Dropbox repeats a malformed Authorization header in its answer.
    """
    text = Masker(secrets)(text)
    return " ".join(_SECRET_LIKE.sub(MASK, visible(text)).split())[:300]


def translate(error: Exception, action: str, subject: str, secrets: Iterable[str] = ()) -> LumenError:
    """An error of the SDK or of the connection under it, as one of ours."""
    if isinstance(error, DropboxException):
        return _answered(error, action, subject, secrets)
    match error:
        case requests.exceptions.SSLError():
            cause = "the TLS handshake failed"
        case requests.exceptions.InvalidHeader():  # its text is the header
            return _credentials(action, subject, "the token has characters that no header takes")
        case requests.RequestException() | urllib3.exceptions.HTTPError() | OSError():
            cause = _connection_cause(error, secrets)
        case _:
            cause = f"an answer that is not Dropbox's ({type(error).__name__})"
            return _transient(action, subject, cause, "provider")
    return _transient(action, subject, cause, "network")


def _answered(error: DropboxException, action: str, subject: str, secrets: Iterable[str]) -> LumenError:
    match error:
        case ApiError():
            return _api_error(error, action, subject)
        case AuthError():
            return _auth_error(error, action, subject)
        case RefusedError(status_code=403):
            return PermanentError(
                action=action,
                subject=subject,
                cause=f"Dropbox refused access ({cleaned(error.reason, secrets)})",
                error_class="permission",
                hint="give the account that authorized the app access to the folder",
            )
        case RefusedError():
            error_class = "throttle" if error.status_code == 429 else "provider"
            cause = f"HTTP {error.status_code}, {cleaned(error.reason, secrets)}"
            return _transient(action, subject, cause.rstrip(", "), error_class, error.retry_after)
        case BadInputError():
            return _bad_input(cleaned(str(error.message), secrets), action, subject)
    cause = f"HTTP {getattr(error, 'status_code', '?')}: {cleaned(str(getattr(error, 'body', '')), secrets)}"
    return PermanentError(action=action, subject=subject, cause=cause, error_class="configuration")


def _api_error(error: ApiError, action: str, subject: str) -> LumenError:
    found = tags(error)
    for tag in found:
        if tag == "conflict":
            return IntegrityError(
                action=action,
                subject=subject,
                cause=f"there is something in the way ({'/'.join(found)})",
                error_class="conflict",
                hint="it was left as it is; look at that path in Dropbox",
            )
        if tag in _PERMANENT:
            error_class, cause, hint = _PERMANENT[tag]
            return PermanentError(action=action, subject=subject, cause=cause, error_class=error_class, hint=hint)
        if tag in _PASSING:
            error_class, cause = _PASSING[tag]
            return _transient(action, subject, cause, error_class)
    if "not_found" in found:
        return PermanentError(action=action, subject=subject, cause="there is no such file", error_class="missing")
    return _transient(action, subject, f"Dropbox answered {'/'.join(found) or 'an unknown error'}", "provider")


def _auth_error(error: AuthError, action: str, subject: str) -> LumenError:
    tag = getattr(error.error, "_tag", "other")
    if tag == "missing_scope":
        return _missing_scope(action, subject, str(error.error.get_missing_scope().required_scope))
    return _credentials(action, subject, f"Dropbox refused the credentials ({tag})")


def _bad_input(text: str, action: str, subject: str) -> LumenError:
    if scope := _SCOPE.search(text):
        return _missing_scope(action, subject, scope[1].rstrip("."))
    if _NOT_A_TOKEN.search(text):
        return _credentials(action, subject, f"Dropbox refused the credentials ({text})")
    return PermanentError(
        action=action, subject=subject, cause=f"Dropbox refused the request ({text})", error_class="configuration"
    )


def _missing_scope(action: str, subject: str, scope: str) -> PermanentError:
    return PermanentError(
        action=action,
        subject=subject,
        cause=f"the token lacks the scope {scope}",
        error_class="permission",
        hint=f"grant {scope} on the app's Permissions tab, then authorize again: a token keeps its scopes",
    )


def _credentials(action: str, subject: str, cause: str) -> PermanentError:
    return PermanentError(
        action=action,
        subject=subject,
        cause=cause,
        error_class="credentials",
        hint="renew DROPBOX_TOKEN; a bare access token lives four hours, a refresh token until it is revoked",
    )


def _transient(
    action: str, subject: str, cause: str, error_class: str, retry_after: float | None = None
) -> TransientError:
    return TransientError(action=action, subject=subject, cause=cause, error_class=error_class, retry_after=retry_after)


def _reason(body: str) -> str:
    """The tag in the answer's JSON; of a text, its beginning; nothing of a page."""
    try:
        summary = json.loads(body).get("error_summary", "")
    except (ValueError, AttributeError):
        return "" if body.lstrip().startswith("<") else body[:200]
    return str(summary).rstrip("./")


def _connection_cause(error: Exception, secrets: Iterable[str]) -> str:
    if isinstance(error, requests.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    inner: BaseException = error
    while isinstance(inner.args[0] if inner.args else None, BaseException):
        inner = inner.args[0]
    return cleaned(f"{type(error).__name__}: {inner}", secrets)
