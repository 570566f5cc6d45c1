"""What can be wrong with a secret, each with the fix; never with the value in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit


def nothing_wrong(_: str) -> str | None:
    """For what is looked at where it is used."""
    return None


def _url_problem(url: str) -> str | None:
    return None if _is_http(url) else "it is not an address of the form https://HOST/PATH"


def _signing_problem(secrets: str) -> str | None:
    """What would only be met when there is something to tell, or never: that nothing is signed."""
    given = any(part.strip() for part in secrets.split(","))
    return None if given else "there is no secret in it, only commas: set one, or unset it"


def _state_problem(url: str) -> str | None:
    from lumen_assets.state import postgres_url  # SQLAlchemy, for those who need it

    try:
        postgres_url(url)
    except ValueError as error:
        return f"{error}: give one like postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"
    return None


def address_problem(address: str) -> str | None:
    """For the addresses of ``alerts``, which have many schemes."""
    return None if "://" in address else "it is not an address: it must begin with a scheme and ://"


def base_problem(address: str) -> str | None:
    """For an address that is no secret and that paths are put behind."""
    if not _is_http(address):
        return "it is not an address of the form https://HOST"
    parts = urlsplit(address)
    if parts.username is not None or parts.query or parts.fragment:
        return "it must be without user, password and anything behind a ? or #"
    return None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


PROBLEM_IN: Final[dict[str, Callable[[str], str | None]]] = {
    "LUMEN_STATE_URL": _state_problem,
    "LUMEN_ALERT_URL": _url_problem,
    "LUMEN_ALERT_SECRET": _signing_problem,
}
"""What is wrong with a secret, with the fix; the others are looked at where they are used."""
