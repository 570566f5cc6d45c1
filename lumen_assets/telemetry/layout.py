"""Which files under the data root are inputs, and what each is for."""

from __future__ import annotations

from typing import Final

RULES_EFFECTS: Final = "logs/rules_effects.csv"
RULES_HISTORY: Final = "controls/rules_history.jsonl"
QUOTES_BANK: Final = "controls/quotes_bank.jsonl"
RISK_LEDGER: Final = "controls/risk_ledger.jsonl"
GATEWAY: Final = "gateway_activation.yaml"

ROLES: Final = {
    RULES_EFFECTS: "rules_effects",
    RULES_HISTORY: "rules_history",
    QUOTES_BANK: "quotes_bank",
    RISK_LEDGER: "risk_ledger",
    GATEWAY: "gateway",
}
"""Role by path under the data root; the telemetry file's path is a setting, every other file is ``extra``."""
