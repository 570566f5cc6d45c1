"""Every fault at every provider: nothing lost, nothing doubled, and ``docs/destinations/faults.md`` says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lumen_assets_tests.replication.fault_table import CASES, Measurements, document, require_nothing_lost
from lumen_assets_tests.replication.seaweedfs import S3Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "destinations" / "faults.md"
WRITING = bool(os.environ.get("LUMEN_WRITE_FAULT_TABLE"))


@pytest.fixture(scope="module")
def measured(seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Measurements:
    return Measurements(seaweedfs, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.provider}-{case.fault}" for case in CASES])
def test_a_fault_loses_and_doubles_nothing_and_is_as_documented(measured: Measurements, number: int) -> None:
    for came in measured.of(number).values():
        require_nothing_lost(came)
    if not WRITING:
        lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
        assert [row for row in measured.rows(number) if row not in lines] == []


def test_the_document_is_what_was_measured(measured: Measurements) -> None:
    text = document(measured)
    if WRITING:
        DOCUMENT.write_text(text, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text
