"""Where the inputs are, and how they are reached: what ``LUMEN_DATA_ROOT`` and ``PROMETHEUS_…`` say."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr

from lumen_assets.settings.configuration import Sources
from lumen_assets.settings.destinations import S3Connection
from lumen_assets.settings.sources import setting_of

_FOLDER: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


class S3Folder(BaseModel):
    """A data root in a bucket.

    Attributes:
        prefix: of every key, without a slash at its ends.
        connection: how the bucket is reached.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    bucket: str
    prefix: str
    connection: S3Connection

    def key(self, name: str) -> str:
        """The key of an input, by its path under the data root."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        """Its address: ``s3://BUCKET/PREFIX``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class PrometheusLogin(BaseModel):
    """What a Prometheus server knows us by; nothing where all are None.

    Attributes:
        token: a bearer token.
        user, password: for basic authentication.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None

    @property
    def is_given(self) -> bool:
        """Whether a login is sent."""
        return self.token is not None or (self.user is not None and self.password is not None)

    @property
    def header(self) -> dict[str, str]:
        """The header of a request.

        Raises:
            LumenError: if a secret that AWS keeps cannot be had.
        """
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        if self.user is not None and self.password is not None:
            login = f"{self.user}:{self.password.get_secret_value()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        return {}


def data_root(
    given: str | None, sources: Sources, home: Path, working_folder: Path, problems: list[str]
) -> Path | S3Folder:
    """Where the inputs are: what ``LUMEN_DATA_ROOT`` says, else a folder in ``home``.

    Args:
        given: the variable's value.
        problems: what is wrong with it goes there.
    """
    if given and given.startswith("s3://"):
        found = _FOLDER.fullmatch(given)
        if found is None:
            problems.append("LUMEN_DATA_ROOT: must be s3://BUCKET/PREFIX, or a folder: correct it")
        bucket, prefix = (found[1], (found[2] or "").strip("/")) if found else ("", "")
        return S3Folder(bucket=bucket, prefix=prefix, connection=sources.s3)
    if given:
        return working_folder / Path(given).expanduser()
    return home / ("sample" if sources.telemetry.type == "csv" else "inputs")


def prometheus_login(
    sources: Sources,
    values: Mapping[str, str | None],
    secrets: Mapping[str, SecretStr],
    working_folder: Path,
    problems: list[str],
) -> PrometheusLogin:
    """The login of the server of ``sources``; nothing where there is none.

    Args:
        values, secrets: the environment's.
        problems: what is wrong with them goes there.
    """
    if not sources.servers:
        return PrometheusLogin()
    login = PrometheusLogin(
        token=secrets.get("PROMETHEUS_TOKEN"),
        user=values["PROMETHEUS_USER"],
        password=secrets.get("PROMETHEUS_PASSWORD"),
    )
    if (login.user is None) != (login.password is None):
        given, other = ("USER", "PASSWORD") if login.password is None else ("PASSWORD", "USER")
        problems.append(f"PROMETHEUS_{other}: is needed where PROMETHEUS_{given} is set: set it, or unset both")
    if login.token is not None and login.user is not None:
        problems.append("PROMETHEUS_TOKEN: is set, and PROMETHEUS_USER too: unset one of them")
    for name, source in sources.servers.items():
        if source.ca_file and not (working_folder / source.ca_file.expanduser()).is_file():
            where = setting_of(name)
            problems.append(f"{where}.ca_file: {source.ca_file} is not a file: give the path of a certificate")
            break  # all have the same
    return login
