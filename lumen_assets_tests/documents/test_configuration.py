"""docs/configuration.md is what the settings model says, and the examples that ship name every variable."""

from __future__ import annotations

import re

from lumen_assets.environment import ENVIRONMENT
from lumen_assets.settings import Configuration
from lumen_assets_tests.documents.reading import ROOT
from tools.configuration_reference import PAGE, page


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_has_a_meaning_and_every_top_name_is_there() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", page(), re.MULTILINE)
    assert len(rows) > 60
    assert [name for name, value, default, meaning in rows if not (value and default and meaning.strip())] == []
    assert {name.split(".")[0] for name, *_ in rows} == set(Configuration.model_fields)


def test_every_variable_is_in_the_example() -> None:
    example = (ROOT / "configs" / "ci.env.example").read_text(encoding="utf-8")
    assert [name for name in ENVIRONMENT if f"\n{name}=" not in example] == []
