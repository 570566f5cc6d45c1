"""Dagster's storage in the Postgres that several machines share."""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from lumen_assets.environment import require_secret
from lumen_assets.errors import SettingsError
from lumen_assets.state import postgres_url


class SharedStorage(DagsterPostgresStorage):
    """Dagster's own storage, at ``LUMEN_STATE_URL``.

    Dagster reads variables itself, but no ``NAME_FILE``; and SQLAlchemy 2.1 takes a bare address for psycopg 3.
    """

    @classmethod
    def config_type(cls) -> Any:
        """Nothing: the address is a secret."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> SharedStorage:  # noqa: ARG003 - nothing
        """What ``dagster.yaml`` would configure.

        Raises:
            SettingsError: if the variable is not set, its file cannot be read, or it holds no address of a Postgres.
        """
        try:
            url = postgres_url(require_secret("LUMEN_STATE_URL"))
        except ValueError as error:
            fix = "give one like postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"
            raise SettingsError(subject="LUMEN_STATE_URL", problems=[f"LUMEN_STATE_URL: {error}: {fix}"]) from None
        return cls(url.render_as_string(hide_password=False), inst_data=inst_data)
