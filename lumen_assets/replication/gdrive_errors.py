"""What Drive answers, as errors of ours: what to do about it in, secrets out.

The reasons are those of https://developers.google.com/workspace/drive/api/guides/handle-errors and, where it says so,
of answers that people met.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
import urllib3
from google.auth.exceptions import GoogleAuthError, RefreshError

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.texts import MASK, Masker, visible

FAILURES: Final = (requests.RequestException, urllib3.exceptions.HTTPError, GoogleAuthError, OSError)
"""What a request raises, and reading its answer does."""

_THROTTLE: Final = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "dailyLimitExceeded",
        "sharingRateLimitExceeded",
        "downloadQuotaExceeded",
        "uploadLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
    }
)
_QUOTA: Final = {
    "storageQuotaExceeded": "free space in that account or buy more",
    # the same, as met in https://github.com/iterative/PyDrive2/issues/238
    "quotaExceeded": "free space in that account or buy more",
    "teamDriveFileLimitExceeded": "the shared drive has as many items as one can have: empty its trash or use another",
    "activeItemCreationLimitExceeded": "the account has as many items as one can have: empty its trash",
    "numChildrenInNonRootLimitExceeded": "the folder has as many items as one can have: choose another `folder`",
}
_NO_OWN_SPACE: Final = (
    "a service account has no space of its own: set `drive_id` to a shared drive that it is a member of, or use a "
    "person's refresh token"
)
_SCOPES: Final = (
    "grant the scope https://www.googleapis.com/auth/drive.file (to files that another program made: "
    "https://www.googleapis.com/auth/drive), then authorize again: a token keeps its scopes"
)
_ROLE: Final = "give the account that GDRIVE_TOKEN belongs to at least the role Contributor there"
_PERMISSION: Final = {
    "insufficientFilePermissions": _ROLE,
    "insufficientParentPermissions": _ROLE,
    "insufficientPermissions": _SCOPES,
    "insufficientScopes": _SCOPES,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _SCOPES,
    "appNotAuthorizedToFile": _SCOPES,
    "appNotAuthorizedToChild": _SCOPES,
    "domainPolicy": "an administrator of the Google Workspace must allow the app",
    "cannotDownloadAbusiveFile": "Google holds the file for malware: have its owner ask for a review",
    "fileNotDownloadable": "have the file's owner allow downloads",
    "cannotDownloadFile": "have the file's owner allow downloads",
}
_API_IS_OFF: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_SECRET_LIKE: Final = re.compile(
    r"(Bearer|Basic)\s+\S+|\bya29\.\S+|\b1//\S+|upload_id=\S+|-----BEGIN.*?(-----END[^-]*-----|$)|(?:[\w\-]|%[0-9A-Fa-f]{2}){45,}",
    re.DOTALL,
)


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error.

    Attributes:
        status: the HTTP status.
        reasons: Drive's machine-readable words for it, old style and new.
        text: its message for people, as it came.
        retry_after: seconds it asked us to wait, if it did.
    """

    status: int
    reasons: tuple[str, ...]
    text: str
    retry_after: float | None

    @classmethod
    def of(cls, response: requests.Response) -> Refusal:
        """What ``response`` says; reads its body."""
        body = response.content
        reasons, text = _reasons(body)
        return cls(response.status_code, reasons, text, _retry_after(response.headers.get("Retry-After", "")))

    def has(self, *reasons: str) -> bool:
        """Whether one of them was given."""
        return not set(reasons).isdisjoint(self.reasons)


class Translator:
    """Turns failures into errors of ours.

    Args:
        where: the destination, for messages.
        secrets: what no message may show.
        service_account: its address, if the credentials are one.
    """

    def __init__(self, where: str, secrets: Iterable[str] = (), service_account: str | None = None) -> None:
        self._where = where
        self._secrets = tuple(secrets)
        self._service_account = service_account

    def failed(self, error: Exception, action: str, subject: str) -> LumenError:
        """An exception of the connection or of google-auth."""
        subject = f"{subject} in {self._where}"
        match error:
            case RefreshError():
                return self._no_access_token(error, action, subject)
            case requests.exceptions.InvalidHeader():  # its text is the header
                return _credentials(action, subject, "the token has characters that no header takes")
            case requests.exceptions.SSLError():
                return _transient(action, subject, "the TLS handshake failed", "network")
            case requests.exceptions.JSONDecodeError():
                return self.not_drives(action, subject)
        return _transient(action, subject, _connection_cause(error), "network")

    def _no_access_token(self, error: RefreshError, action: str, subject: str) -> LumenError:
        cause = f"Google gave no access token ({self._cleaned(_first(error))})"
        if getattr(error, "retryable", False):
            return _transient(action, subject, cause, "provider")
        if "JWT" in cause:
            hint = "set this machine's clock, which a service account's signature holds, or renew GDRIVE_TOKEN"
            return _permanent(action, subject, cause, "credentials", hint)
        return _credentials(action, subject, cause)

    def not_drives(self, action: str, subject: str) -> LumenError:
        """An answer that is no answer of Drive's: a proxy's page, a captive portal."""
        return _transient(action, subject, "the answer is not Drive's", "provider")

    def refused(self, refusal: Refusal, action: str, subject: str) -> LumenError:
        """An answer that is an error."""
        subject = f"{subject} in {self._where}"
        told = ", ".join(filter(None, (" ".join(refusal.reasons[:1]), self._cleaned(refusal.text))))
        cause = f"HTTP {refusal.status}{f' ({told})' if told else ''}"
        if refusal.status == 429 or refusal.has(*_THROTTLE):
            return _transient(action, subject, cause, "throttle", refusal.retry_after)
        if refusal.status >= 500 or refusal.status in (408, 425) or refusal.status < 400:
            return _transient(action, subject, cause, "provider", refusal.retry_after)
        if refusal.status == 401:
            return _credentials(action, subject, f"Google refused the credentials ({told or 'HTTP 401'})")
        if refusal.status == 403:
            return self._forbidden(refusal, action, subject, cause)
        if refusal.status == 404:
            hint = "the folder or shared drive is gone, or the account that GDRIVE_TOKEN belongs to cannot see it"
            return _permanent(action, subject, cause, "permission", self._with_invitation(hint))
        return _permanent(action, subject, cause, "configuration", "")

    def _forbidden(self, refusal: Refusal, action: str, subject: str, cause: str) -> LumenError:
        for reason in refusal.reasons:
            if reason in _QUOTA:
                own = self._service_account and reason in ("storageQuotaExceeded", "quotaExceeded")
                return _permanent(action, subject, cause, "quota", _NO_OWN_SPACE if own else _QUOTA[reason])
        if refusal.has(*_API_IS_OFF):
            return _permanent(action, subject, cause, "configuration", "enable the Google Drive API in the project")
        hints = [_PERMISSION[reason] for reason in refusal.reasons if reason in _PERMISSION]
        hint = hints[-1] if hints else "give the account that GDRIVE_TOKEN belongs to access"
        return _permanent(action, subject, cause, "permission", self._with_invitation(hint))

    def _with_invitation(self, hint: str) -> str:
        return f"{hint}; it is {self._service_account}" if self._service_account else hint

    def _cleaned(self, text: str) -> str:
        """One short line without the secrets and without what looks like one."""
        text = Masker(self._secrets)(text)
        return " ".join(_SECRET_LIKE.sub(MASK, visible(text)).split())[:200].rstrip(".")


def _reasons(body: bytes) -> tuple[tuple[str, ...], str]:
    """The reasons and the message in the JSON of an error; of anything else nothing, as it may be a page."""
    try:
        error = json.loads(body)["error"]
        if isinstance(error, str):  # as the token endpoint does
            return (error,), ""
        found: list[Any] = [item.get("reason") for item in error.get("errors", [])]
        found += [item.get("reason") for item in error.get("details", [])]
        return tuple(str(reason) for reason in found if reason), str(error.get("message", ""))
    except (ValueError, LookupError, AttributeError, TypeError):
        return (), ""


def _retry_after(header: str) -> float | None:
    """Seconds, from either form of RFC 9110, 10.2.3."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _first(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__


def _connection_cause(error: BaseException) -> str:
    """What broke, without the address: an upload's is a secret, and the libraries' texts hold it."""
    inner, names = error, []
    for _ in range(8):
        timed_out = isinstance(inner, requests.Timeout | TimeoutError | urllib3.exceptions.TimeoutError)
        # urllib3 counts a refused connection among the time-outs
        if timed_out and not isinstance(inner, urllib3.exceptions.NewConnectionError):
            return "no answer in time"
        names.append(type(inner).__name__)
        if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, requests.RequestException):
            return f"{inner.strerror} ({names[0]})"
        deeper = getattr(inner, "reason", None) or next((arg for arg in reversed(inner.args) if _is_error(arg)), None)
        deeper = deeper or inner.__cause__ or inner.__context__
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    return f"the connection broke ({', '.join(dict.fromkeys(names))})"


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)


def _permanent(action: str, subject: str, cause: str, error_class: str, hint: str) -> PermanentError:
    return PermanentError(action=action, subject=subject, cause=cause, error_class=error_class, hint=hint)


def _credentials(action: str, subject: str, cause: str) -> PermanentError:
    hint = "renew GDRIVE_TOKEN; a bare access token lives an hour, a refresh token or a service account's key longer"
    return _permanent(action, subject, cause, "credentials", hint)


def _transient(
    action: str, subject: str, cause: str, error_class: str, retry_after: float | None = None
) -> TransientError:
    return TransientError(action=action, subject=subject, cause=cause, error_class=error_class, retry_after=retry_after)
