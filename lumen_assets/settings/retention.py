"""``retention``: which days' archives stay at a destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from lumen_assets.settings.section import Section


@dataclass(frozen=True)
class Hold:
    """Days under legal hold, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"


def _hold(value: object) -> object:
    """YAML makes a date of a bare day, and leaves a range as text."""
    if isinstance(value, Hold):
        return value
    first, dots, last = str(value).partition("..")
    try:
        hold = Hold(date.fromisoformat(first.strip()), date.fromisoformat((last if dots else first).strip()))
    except ValueError:
        raise ValueError("must be a day, 2026-03-01, or days from and to, 2026-04-01..2026-04-30") from None
    if hold.last < hold.first:
        raise ValueError("the last day of a hold is before its first")
    return hold


class KeepAt(Section):
    """What one destination, of whatever type, keeps where that is not what all others keep."""

    keep_days: int | None = Field(None, ge=1, description="instead of retention.keep_days")
    keep_weekly: int | None = Field(None, ge=0, description="instead of retention.keep_weekly")
    keep_monthly: int | None = Field(None, ge=0, description="instead of retention.keep_monthly")


class Retention(Section):
    """Which archives stay, and whether any is removed by itself. `lumen retention` shows what would be."""

    keep_days: int = Field(60, ge=1, description="the newest days, by the calendar")
    keep_weekly: int = Field(8, ge=0, description="the newest day of each of the last so many ISO weeks that have one")
    keep_monthly: int = Field(12, ge=0, description="the newest day of each of the last so many months that have one")
    apply: bool = Field(False, description="whether what is not kept is removed every week")
    hold: tuple[Annotated[Hold, BeforeValidator(_hold)], ...] = Field(
        (), description="days, or days from..to, of which nothing is ever removed"
    )
    newest_within_days: int = Field(
        7,
        ge=1,
        description="nothing is removed where the newest day with rows is older, or a longer pause lies shortly before "
        "it: the clock may be wrong",
    )

    def at(self, own: KeepAt | None) -> Retention:
        """The same with what a destination has of its own."""
        return self.model_copy(update=own.model_dump(exclude_none=True)) if own else self
