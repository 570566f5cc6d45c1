"""The Dropbox SDK's client as we use it: credentials, time-outs, no retries of its own, no secret let out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import requests
from dropbox import Dropbox, create_session
from pydantic import SecretStr

from lumen_assets import __version__
from lumen_assets.errors import PermanentError
from lumen_assets.replication.dropbox_errors import raise_refused

CONNECTIONS: Final = 8
"""More than an upload's threads, so that a stat never waits for a piece."""

TIMEOUT: Final = (120.0, 100.0)
"""Seconds to connect and send one request's body, and to wait for its answer.

The first bounds the sending too: urllib3 gives the socket the connect time-out until the body is out, and
``socket.sendall`` takes a time-out for all of it. Two pieces of 4 MiB in 120 s are 70 kB/s.
"""

_FORMS: Final = "set DROPBOX_TOKEN to an access token, or to a JSON with refresh_token, app_key and app_secret"
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Credentials:
    """What DROPBOX_TOKEN holds: an access token that lives four hours, or what new ones are asked for with.

    Attributes:
        access_token: a bare access token.
        refresh_token: lives until it is revoked; with it the SDK asks for access tokens, also in mid-upload.
        app_key: the app's key.
        app_secret: the app's secret; None for an app authorized with PKCE, which has none.
    """

    access_token: str | None = None
    refresh_token: str | None = None
    app_key: str | None = None
    app_secret: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({'access token' if self.access_token else 'refresh token'})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen."""
        return tuple(value for value in (self.access_token, self.refresh_token, self.app_secret) if value)


def parse_credentials(token: SecretStr | None) -> Credentials:
    """What DROPBOX_TOKEN holds, in either form.

    Raises:
        PermanentError: with ``error_class="credentials"`` if it is missing or neither form; its value is not shown.
    """
    text = token.get_secret_value().strip() if token else ""
    if not text:
        raise _bad("it is not set")
    if not text.startswith("{"):
        # requests refuses a header value with spaces or line ends, and shows it in the exception
        if not _TOKEN.fullmatch(text):
            raise _bad("it has characters that no token has")
        return Credentials(access_token=text)
    fields = _json_object(text)
    if fields is None:
        raise _bad("it begins with { but is not a JSON object")
    known = ("refresh_token", "app_key", "app_secret")
    wrong = [name for name in known if not isinstance(fields.get(name, ""), str)]
    missing = [name for name in known[:2] if not fields.get(name)]
    if wrong or missing:
        raise _bad(f"its JSON has no text for {', '.join(wrong or missing)}")
    return Credentials(**{name: fields.get(name) or None for name in known})


def open_client(credentials: Credentials, session: requests.Session | None = None) -> Dropbox:
    """A client that tries every request once: retrying is ``RetryingStore``'s business.

    The SDK's own retries on a rate limit never end, and its retries on errors neither resume nor are logged.
    An expired access token is replaced and its request sent again, which is no retry of ours.

    Args:
        credentials: as ``parse_credentials`` gives them.
        session: connections to use; tests give their own.
    """
    session = session or create_session(max_connections=CONNECTIONS)
    session.hooks["response"].append(raise_refused)
    return Dropbox(
        oauth2_access_token=credentials.access_token,
        oauth2_refresh_token=credentials.refresh_token,
        app_key=credentials.app_key,
        app_secret=credentials.app_secret,
        max_retries_on_error=0,
        max_retries_on_rate_limit=0,
        timeout=TIMEOUT,
        user_agent=f"LumenAssets/{__version__}",
        session=session,
    )


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(text)
    except ValueError:  # it carries the text, so it ends here
        return None
    return fields if isinstance(fields, dict) else None


def _bad(cause: str) -> PermanentError:
    return PermanentError(action="use", subject="DROPBOX_TOKEN", cause=cause, error_class="credentials", hint=_FORMS)
