"""``configs/ci.env.example`` has every name, and nothing set."""

from __future__ import annotations

import re
from pathlib import Path

from lumen_assets.environment import ENVIRONMENT, FOREIGN_SECRETS, SECRETS
from lumen_assets.settings import load_settings

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "configs" / "ci.env.example").read_text(encoding="utf-8").splitlines()
LINES = [line for line in EXAMPLE if line and not line.startswith("#")]
OF_AWS = {"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", *FOREIGN_SECRETS}


def test_it_has_every_name_once_and_no_value() -> None:
    assert sorted(LINES) == sorted(f"{name}=" for name in ENVIRONMENT.keys() | OF_AWS)
    assert ENVIRONMENT.keys() >= SECRETS


def test_as_it_stands_it_sets_nothing(tmp_path: Path) -> None:
    empty = {line.rstrip("="): "" for line in LINES}
    assert load_settings({"HOME": "/h", **empty}, tmp_path) == load_settings({"HOME": "/h"}, tmp_path)


def test_the_page_about_secrets_names_each() -> None:
    page = (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([A-Z_]+)`", page)) >= SECRETS
