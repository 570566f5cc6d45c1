"""docs/operations.md says of every alert what to do."""

from __future__ import annotations

import re

from lumen_assets.alerting.events import Kind
from lumen_assets_tests.documents.reading import ROOT

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_kind_of_alert_has_its_heading_and_no_other_one_does() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", RUNBOOK, re.MULTILINE)) == sorted(Kind)


def test_each_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for rest in re.split(r"^### ", RUNBOOK, flags=re.MULTILINE)[1:]:
        section = rest.partition("\n## ")[0]
        assert re.findall(r"^- \*\*(\w+):\*\* \S", section, re.MULTILINE) == ["Means", "Look", "Do"], section
