"""Days whose inputs changed after they were frozen, as commands show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date


def changed_json(changed: Mapping[date, Sequence[str]]) -> dict[str, list[str]]:
    """The names of the inputs by day."""
    return {str(day): list(names) for day, names in changed.items()}


def changed_lines(changed: Mapping[date, Sequence[str]]) -> list[str]:
    """A line a day, with the command that makes its next revision."""
    return [
        f"inputs of {day} changed after it was frozen: {', '.join(names)}; lumen daily --day {day}"
        for day, names in changed.items()
    ]
