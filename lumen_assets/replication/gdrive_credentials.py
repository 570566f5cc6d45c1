"""What GDRIVE_TOKEN holds, and connections that carry it: no retries of their own, no secret let out."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import credentials, service_account
from pydantic import SecretStr

from lumen_assets import __version__
from lumen_assets.errors import PermanentError

SCOPE: Final = "https://www.googleapis.com/auth/drive"
"""Asked for with a service account, which sees nothing but what it was invited to.

``drive.file`` would hide a folder that a person made in the shared drive. A refresh token has the scope that was
consented to, and ``drive.file`` is enough there: the folders are our own.
"""

CONNECTIONS: Final = 8
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_FORMS: Final = (
    "set GDRIVE_TOKEN to an access token, to the JSON key of a service account, or to a JSON with refresh_token, "
    "client_id and client_secret"
)
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_UPLOAD_ID: Final = re.compile(r"upload_id=[^&\s\"']+")


@dataclass(frozen=True)
class Credentials:
    """What requests are signed with.

    Attributes:
        signer: google-auth's credentials; they get new access tokens by themselves, also in mid-upload, unless they
            are a bare access token.
        secrets: what must never be seen.
        service_account: its address, if it is one, for hints.
    """

    signer: Any
    secrets: tuple[str, ...] = ()
    service_account: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.service_account or type(self.signer).__name__})"


class _ServiceAccount(service_account.Credentials):
    """Without google-auth's look-up of regional access boundaries, for which it asks another Google API in a thread.

    Drive does not need them and an account with no rights but on one shared drive may not ask.
    """

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


def parse_credentials(token: SecretStr | None) -> Credentials:
    """What GDRIVE_TOKEN holds, in any of its forms.

    Raises:
        PermanentError: with ``error_class="credentials"`` if it is missing or none of them; its value is not shown.
    """
    text = token.get_secret_value().strip() if token else ""
    if not text:
        raise _bad("it is not set")
    if not text.startswith("{"):
        # requests refuses a header value with spaces or line ends, and shows it in the exception
        if not _TOKEN.fullmatch(text):
            raise _bad("it has characters that no token has")
        return Credentials(credentials.Credentials(token=text), (text,))
    fields = _json_object(text)
    if fields is None:
        raise _bad("it begins with { but is not a JSON object")
    if fields.get("type") == "service_account":
        return _service_account(fields)
    if "refresh_token" in fields or fields.get("type") == "authorized_user":
        return _authorized_user(fields)
    raise _bad("its JSON is neither a service account's key nor has it a refresh_token")


def open_session(held: Credentials) -> AuthorizedSession:
    """Connections that try every request once: retrying is ``RetryingStore``'s business.

    An access token that expired is replaced and its request sent again, which is no retry of ours. Bodies are bytes,
    so they can be sent again.
    """
    for name in ("urllib3.connectionpool", "google.auth.transport.requests", "google.auth.transport._http_client"):
        logging.getLogger(name).addFilter(_without_upload_ids)
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS)
    tokens = requests.Session()
    tokens.mount("https://", adapter)
    session = AuthorizedSession(held.signer, max_refresh_attempts=1, auth_request=Request(tokens))
    session.mount("https://", adapter)
    session.headers["User-Agent"] = f"LumenAssets/{__version__}"
    return session


def _without_upload_ids(record: logging.LogRecord) -> bool:
    """A filter for loggers that tell of every request: an upload's URI is worth a password while it lives."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _UPLOAD_ID.sub("upload_id=[secret]", value) if isinstance(value, str) else value for value in record.args
        )
    record.__dict__.pop("httpRequest", None)
    return True


def _service_account(fields: dict[str, Any]) -> Credentials:
    _require_texts(fields, ("client_email", "private_key"))
    info = {**fields, "token_uri": _token_uri(fields)}
    try:
        signer = _ServiceAccount.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever the parser of the key raises may show the key
        cause = f"its private_key cannot be read ({type(error).__name__})"
    else:
        return Credentials(signer, (fields["private_key"],), fields["client_email"])
    raise _bad(cause)


def _authorized_user(fields: dict[str, Any]) -> Credentials:
    """Not by google-auth's own reader, which replaces ``token_uri``."""
    names = ("refresh_token", "client_id", "client_secret")
    _require_texts(fields, names)
    known = {name: fields[name] for name in names}
    # A token that is not asked for until it is needed: what is already expired is renewed first.
    expired = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
    signer = credentials.Credentials(token=None, token_uri=_token_uri(fields), expiry=expired, **known)
    return Credentials(signer, (fields["refresh_token"], fields["client_secret"]))


def _token_uri(fields: dict[str, Any]) -> str:
    uri = fields.get("token_uri") or _TOKEN_URI
    parts = urlsplit(uri) if isinstance(uri, str) else urlsplit("")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        return str(uri)
    raise _bad("its token_uri is not an https address")


def _require_texts(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    missing = [name for name in names if not isinstance(fields.get(name), str) or not fields[name]]
    if missing:
        raise _bad(f"its JSON has no text for {', '.join(missing)}")


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(text)
    except ValueError:  # it carries the text, so it ends here
        return None
    return fields if isinstance(fields, dict) else None


def _bad(cause: str) -> PermanentError:
    return PermanentError(action="use", subject="GDRIVE_TOKEN", cause=cause, error_class="credentials", hint=_FORMS)
