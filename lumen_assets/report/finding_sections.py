"""The section of findings, with which a report begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lumen_assets.report.document import Block, Heading, Point, Points, Text, Tone
from lumen_assets.report.findings import basis_text, left_out_text
from lumen_assets.report.model import DayReport, Finding
from lumen_assets.report.wording import Wording

SHOWN: Final = 20
"""Findings that the pages show; the JSON has all."""

_SAID_MORE_IN: Final = {
    "empty": "inputs",
    "unusable": "inputs",
    "no_values": "inputs",
    "no_column": "inputs",
    "all_null": "inputs",
    "rejected": "inputs",
    "other_days": "inputs",
    "late_rows": "inputs",
    "pictures": "grafana",
    "critical_risks": "risks",
    "risks": "risks",
    "gaps": "gaps",
    "beside": "gaps",
    "effects_differ": "rules",
    "means_differ": "rules",
    "actors_differ": "rules",
    "effects_without_change": "rules",
    "changes_without_effect": "rules",
}
"""The section about a kind of finding; the others are about signals, whose table comes next."""

_TONES: Final[dict[str, Tone]] = {
    **dict.fromkeys(
        (
            "empty",
            "unusable",
            "no_values",
            "critical_risks",
            "off_target",
            "no_column",
            "all_null",
            "gaps",
            "few_values",
        ),
        "bad",
    ),
    **dict.fromkeys(("no_days", "missing", "few_days", "few_rows"), "bad"),  # of weeks and months
    **dict.fromkeys(("improved", "nothing"), "good"),
}


def findings_section(report: DayReport, wording: Wording) -> Iterator[Block]:
    """The findings, by weight, and what the day was compared with."""
    yield from findings_blocks(report.findings, _SAID_MORE_IN, basis_text(report, wording), wording)


def findings_blocks(
    findings: Sequence[Finding], said_more_in: Mapping[str, str], basis: str, wording: Wording
) -> Iterator[Block]:
    """The section of some findings.

    Args:
        findings: by weight.
        said_more_in: by their kinds, the anchors of the sections that say more.
        basis: what there was to compare with.
        wording: of the report.
    """
    yield Heading(wording("section_findings"), "findings")
    yield Points(
        tuple(Point(finding.text, tone_of(finding), said_more_in.get(finding.kind)) for finding in findings[:SHOWN])
    )
    if left_out := left_out_text(findings, SHOWN, wording):
        yield Text(left_out, tone="quiet")
    yield Text(basis, tone="quiet")


def tone_of(finding: Finding) -> Tone:
    """How grave a finding is, by its kind: ``bad``, ``good`` or neither."""
    return _TONES.get(finding.kind, "")
