"""What ``http.py`` asks with: requests, with an end to every exchange, and nothing of it in the log."""

from __future__ import annotations

import contextlib
import http.client
import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from lumen_assets import __version__
from lumen_assets.deadline import Deadline
from lumen_assets.http import Limits, Reply

FAILURES: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
"""What requests and what it stands on raise."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - overrides
        """None: else a redirect that is not followed is prepared all the same, and its whole body read for that."""
        return None


class _Adapter(HTTPAdapter):
    """Connections that a deadline ends."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> urllib3.HTTPConnectionPool:
        """The pool for a request, whose connections are watched."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        deadline, kind = self._deadline, pool.ConnectionCls

        def connect(self: Any) -> Any:
            connection = kind._new_conn(self)
            deadline.watch(connection)
            return connection

        pool.ConnectionCls = type("Watched", (kind,), {"_new_conn": connect})
        return pool  # type: ignore[no-any-return]


class _NoLogin(AuthBase):
    """Nothing is added; without it requests looks for a password in ``~/.netrc``."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


def ask(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    limits: Limits,
    deadline: Deadline,
    ca_file: Path | None,
) -> Reply:
    """The reply; once there is a status, a body that breaks off is no failure.

    Raises:
        FAILURES: of which nothing may be said but ``broken_by``.
    """
    user, password = requests.utils.get_auth_from_url(url)
    with _unlogged(), _Session() as session:
        session.mount("http://", _Adapter(deadline))
        session.mount("https://", _Adapter(deadline))
        with session.request(
            method,
            url,
            data=body,
            headers={"User-Agent": f"lumen-assets/{__version__}", "Accept-Encoding": "identity", **headers},
            auth=HTTPBasicAuth(user, password) if user or password else _NoLogin(),
            timeout=(limits.connect, limits.read),
            allow_redirects=False,
            verify=True if ca_file is None else str(ca_file),
            stream=True,
        ) as response:
            beginning = bytearray()
            with contextlib.suppress(*FAILURES):
                while len(beginning) < limits.body and (
                    piece := response.raw.read1(limits.body - len(beginning), decode_content=False)
                ):
                    beginning += piece
            return Reply(response.status_code, response.headers, bytes(beginning))


def broken_by(error: Exception) -> str:
    """What broke an exchange, without the address, which the error holds."""
    match error:
        case requests.exceptions.ProxyError():
            return "no connection to the proxy"
        case requests.exceptions.ConnectTimeout():
            return "no connection in time"
        case requests.exceptions.ReadTimeout():
            return "no answer in time"
        case requests.exceptions.SSLError():
            return "TLS could not be agreed on"
        case _ if "NewConnectionError" in str(error) or "NameResolutionError" in str(error):
            return "no connection"
        case _:
            return f"the connection broke ({type(error).__name__})"


class _Unlogged(logging.Filter):
    """Drops what urllib3 logs of our requests, and of ours only: it logs paths and queries, which hold secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - overrides
        return not getattr(self.ours, "sending", False)


_UNLOGGED: Final = _Unlogged()


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    logging.getLogger("urllib3.connectionpool").addFilter(_UNLOGGED)  # once is enough, and again changes nothing
    _UNLOGGED.ours.sending = True
    try:
        yield
    finally:
        _UNLOGGED.ours.sending = False
