"""The way back: which revision of a day is good, and the command that restores it. Nothing is restored by itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import date

from lumen_assets.verification.verdicts import Verdict, Verification


def restore_command(day: date, standing: Mapping[tuple[date, int], Mapping[str, Verification]]) -> str:
    """The exact command that restores the newest revision of a day of which a good replica stands; empty if none does.

    Args:
        day: the KST day.
        standing: the verdict that stands, by day and revision, then by destination.
    """
    for revision in sorted((number for of_day, number in standing if of_day == day), reverse=True):
        good = [name for name, found in standing[day, revision].items() if found.verdict is Verdict.MATCH]
        if good:
            to = f"restored-{day}-r{revision}"
            return shlex.join(
                ["lumen", "restore", str(day), "--revision", str(revision), "--from", good[0], "--to", to]
            )
    return ""
