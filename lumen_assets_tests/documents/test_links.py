"""What the documents point at is there, and the two READMEs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lumen_assets_tests.documents.reading import DOCUMENTS, ROOT, blocks, inline_code

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
ENGLISH, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"


def targets(document: Path) -> list[str]:
    found = (one or other for one, other in LINK.findall(document.read_text(encoding="utf-8")))
    return [target for target in found if not re.match(r"\w+:", target)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    assert [name for name in targets(document) if not (document.parent / name.partition("#")[0]).exists()] == []


def test_every_document_is_found_from_the_readme() -> None:
    reached = {ENGLISH}
    waiting = [ENGLISH]
    while waiting:
        document = waiting.pop()
        for name in targets(document):
            path = (document.parent / name.partition("#")[0]).resolve()
            if path.suffix == ".md" and path not in reached:
                reached.add(path)
                waiting.append(path)
    records = set((ROOT / "docs" / "decisions").glob("0*.md"))
    assert set(DOCUMENTS) - reached - records == set()


def test_both_readmes_have_the_same_commands_blocks_and_links() -> None:
    def commands(document: Path) -> list[str]:
        return [code for code in inline_code(document) if code.startswith("lumen ")]

    assert sorted(set(commands(ENGLISH))) == sorted(set(commands(KOREAN)))
    assert [block.language for block in blocks(ENGLISH)] == [block.language for block in blocks(KOREAN)]
    assert [name for name in targets(ENGLISH) if "README" not in name] == [
        name for name in targets(KOREAN) if "README" not in name
    ]


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert {picture.name: size for picture in pictures if (size := picture.stat().st_size) >= 200_000} == {}
