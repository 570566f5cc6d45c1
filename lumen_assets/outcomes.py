"""What a day's runs came to, in terms that need no Dagster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from lumen_assets.verification import Verification

STEPS: Final = ("report", "pdf", "freeze", "upload", "verify")
"""Where a day can be stopped, in order."""


@dataclass(frozen=True)
class Outcome:
    """What a day's runs proved.

    Attributes:
        day: the KST day.
        runs: the Dagster run id by job: ``daily``, and ``attest`` where that did not come to the attestation.
        materialized: metadata by asset, for those that succeeded.
        failures: why, by asset, for those that failed.
        verdicts: the newest verdict by destination, of those that this run came to.
        told: by channel, what became of the alerts that were due; empty where there is no channel.
        withheld: by asset, what a dry run would have done; empty where it was none.
    """

    day: date
    runs: dict[str, str]
    materialized: dict[str, dict[str, Any]]
    failures: dict[str, str]
    verdicts: dict[str, Verification]
    told: dict[str, str] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for succeeded, the attestation included."""
        return not self.failures and bool(self.materialized.get("attestation", {"ok": True})["ok"])
