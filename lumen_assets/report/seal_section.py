"""The last section of a PDF: what leads from the paper to the archive that proves it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lumen_assets.report.document import Block, Code, Heading, Text
from lumen_assets.report.model import DayReport
from lumen_assets.report.wording import Wording


def seal_section(report: DayReport, numbers: str) -> Iterator[Block]:
    """Where the day's archive is, and the digest that it holds of the numbers.

    A PDF is in the archive, so it is made before there is a manifest and cannot name the digest of that.

    Args:
        report: the day.
        numbers: its JSON, as it is attached to the PDF.
    """
    wording, day = Wording(report.language), report.day.isoformat()
    digest, file = hashlib.sha256(numbers.encode()).hexdigest(), f"report_{day}.json"
    manifest = f"{day}/snapshot.manifest.json"
    yield Heading(wording("section_seal"), "seal")
    yield Text(wording("seal_explained", file=file), tone="quiet")
    yield Code(
        f"{manifest}\nsha256:{digest}",
        (
            (wording("seal_manifest"), manifest),
            (wording("seal_revisions"), f"{day}/rN/snapshot.manifest.json"),
            (wording("seal_digest", file=file), digest),
            (wording("seal_commands"), f"lumen verify {day}\nlumen restore {day}"),
        ),
    )
