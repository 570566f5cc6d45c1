"""Runs given to Celery's workers through Redis. Only where ``dagster-celery`` is installed: the extra ``fleet``."""

from __future__ import annotations

from typing import Any

from dagster_celery.launcher import CeleryRunLauncher

from lumen_assets.environment import require_secret


class RedisRunLauncher(CeleryRunLauncher):
    """Dagster's launcher for Celery, with the Redis at ``LUMEN_REDIS_URL`` as broker and as backend.

    Dagster reads variables itself, but no ``NAME_FILE``. And its default backend ``rpc://`` is not left to be
    forgotten: with it a healthy run was failed and executed three times, overlapping.
    """

    @classmethod
    def config_type(cls) -> Any:
        """Dagster's, without the two addresses: they are a secret."""
        fields: Any = super().config_type()
        return {name: field for name, field in fields.items() if name not in ("broker", "backend")}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> RedisRunLauncher:
        """What ``dagster.yaml`` would configure.

        Raises:
            SettingsError: if the variable is not set, or its file cannot be read.
        """
        url = require_secret("LUMEN_REDIS_URL")
        return cls(inst_data=inst_data, broker=url, backend=url, **config_value)
