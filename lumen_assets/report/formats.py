"""Numbers, times and lengths as the report shows them: rounded here, once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol

from lumen_assets.days import day_bounds
from lumen_assets.report.model import TargetRange
from lumen_assets.report.wording import MONTHS, Wording

NOTHING = "–"

SMALL: Final = 1e-4
LARGE: Final = 1e9
"""Magnitudes from which on, and below which, numbers are written without an exponent."""


def number(value: float | Decimal | None, *, signed: bool = False, more: int = 0) -> str:
    """Four significant digits, at most four decimals, of whole numbers all; below a thousandth three digits.

    An exponent below 0.0001, with three digits, and from ``LARGE`` on, with four. ``more`` digits, where asked for.
    """
    if value is None:
        return NOTHING
    sign = "+" if signed and value > 0 else ""
    if value == 0:
        return "0"
    magnitude = abs(float(value))
    if not SMALL <= magnitude < LARGE:
        return sign + _short_exponent(f"{value:.{more + (2 if magnitude < 1 else 3)}e}")
    order = math.floor(math.log10(magnitude))
    decimals = 2 - order if magnitude < 1e-3 else min(4, max(0, 3 - order))
    return f"{sign}{value:,.{decimals + more}f}"


def judged(value: float | None, wanted: TargetRange | None) -> str:
    """A number beside its target: with more digits where it would read as on target and is not, or the reverse."""
    if value is None or wanted is None:
        return number(value)
    texts = (number(value, more=more) for more in range(18))  # with 17 digits a number is read as itself
    return next(text for text in texts if (float(text.replace(",", "")) in wanted) == (value in wanted))


def _short_exponent(text: str) -> str:
    """``1.5e-07`` as ``1.5e-7``."""
    mantissa, exponent = text.lower().split("e")
    return f"{mantissa}e{int(exponent)}"


def difference(new: float, old: float) -> str:
    """``new - old`` of the two as ``number`` shows them: who subtracts what is read finds the same.

    Where they are shown alike and are not, it is how far apart they are.
    """
    shown = [number(value).replace(",", "") for value in (new, old)]
    change = Decimal(shown[0]) - Decimal(shown[1])
    if not change:
        return number(new - old, signed=True)
    return number(change, signed=True) if any("e" in text for text in shown) else f"{change:+,f}"


def bound(value: float) -> str:
    """A configured bound with as many digits as it was given with, written as ``number`` writes."""
    given = Decimal(repr(value)).normalize()
    if given == 0:
        return "0"
    return f"{given:,f}" if SMALL <= abs(value) < LARGE else _short_exponent(f"{given:e}")


def with_unit(text: str, unit: str) -> str:
    """A value with its unit behind it."""
    return f"{text} {unit}" if unit and text != NOTHING else text


def confidence(value: float | None) -> str:
    """A confidence from 0 to 1, to hundredths."""
    return NOTHING if value is None else f"{value:.2f}"


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{round(value):,}"


def share(value: float | None) -> str:
    """A percentage with one decimal that says 0.0% and 100.0% only where it is exactly so."""
    if value is None:
        return NOTHING
    percent = value * 100
    if 0 < percent < 0.05:
        return "<0.1%"
    if 99.95 <= percent < 100:
        return ">99.9%"
    return f"{percent:,.1f}%"


def points(value: float | None, wording: Wording, *, signed: bool = True) -> str:
    """A change of a share, in percentage points."""
    if value is None:
        return NOTHING
    rounded = f"{value * 100:{'+' if signed else ''}.1f}"
    return wording("points", value="0.0" if rounded in ("+0.0", "-0.0") else rounded)


def points_between(new: float | None, old: float | None, wording: Wording) -> str:
    """The change from one share to another, of the two as ``share`` shows them."""
    if new is None or old is None:
        return NOTHING
    now, then = (Decimal(f"{value * 100:.1f}") for value in (new, old))
    return points(float((now - then) / 100), wording)


def target(wanted: TargetRange | None, unit: str, wording: Wording) -> str:
    """A target range in words."""
    if wanted is None:
        return NOTHING
    if wanted.min is None and wanted.max is not None:
        return with_unit(f"≤ {bound(wanted.max)}", unit)
    if wanted.max is None and wanted.min is not None:
        return with_unit(f"≥ {bound(wanted.min)}", unit)
    if wanted.min is None or wanted.max is None:
        return NOTHING
    if wanted.min == wanted.max:
        return with_unit(f"= {bound(wanted.min)}", unit)
    return with_unit(wording("between", low=bound(wanted.min), high=bound(wanted.max)), unit)


def time_of_day(moment: datetime, day: date) -> str:
    """``HH:MM:SS`` in KST; the end of the day is 24:00:00."""
    return "24:00:00" if moment == day_bounds(day)[1] else f"{moment:%H:%M:%S}"


def length(seconds: float, wording: Wording) -> str:
    """A stretch of time in hours, minutes and seconds; tenths only under a minute."""
    if seconds < 60:
        tenths = f"{seconds:.1f}".removesuffix(".0")
        if tenths != "60":
            return wording("seconds", s=tenths)
    whole = round(seconds)
    parts = (
        ("hours", {"h": whole // 3600}),
        ("minutes", {"m": whole // 60 % 60}),
        ("seconds", {"s": whole % 60}),
    )
    return " ".join(wording(unit, **value) for unit, value in parts if any(value.values()))


def rate(per_second: float, wording: Wording, *, of_values: bool = False) -> str:
    """Rows, or values, a second; of one or fewer the time between two, where that is whole seconds."""
    many, one = ("values_rate", "values_every") if of_values else ("rate_value", "rate_every")
    if per_second > 1:
        return wording(many, rate=bound(per_second))
    between = 1 / per_second
    if math.isclose(between, round(between), rel_tol=1e-6):
        return wording(one, length=length(between, wording))
    return wording(many, rate=f"{per_second:.4g}")


def long_day(day: date, wording: Wording) -> str:
    """The day in words, with its weekday."""
    return wording(
        "day",
        year=day.year,
        month=day.month,
        day=day.day,
        weekday=wording.weekday(day.weekday()),
        month_name=MONTHS[day.month - 1],
    )


def named_values(values: Mapping[str, float], *, signed: bool) -> str:
    """``phase -0.012, risk +0.004``, by name."""
    shown = (f"{name} {number(value, signed=signed)}" for name, value in sorted(values.items()))
    return ", ".join(shown) or NOTHING


def severity(name: str, wording: Wording) -> str:
    """A risk's severity in words; one that nobody knows as it was recorded."""
    return wording.get(f"severity_{name}", name)


def severities(counts: Mapping[str, int], wording: Wording) -> str:
    """``crit 1 · warn 2``, the gravest first."""
    order = ["crit", "warn", "info"]
    by_weight = sorted(counts.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 3, item[0]))
    return " · ".join(f"{severity(name, wording)} {n}" for name, n in by_weight)


class Named(Protocol):
    """A signal, of a day or of a period."""

    @property
    def name(self) -> str:
        """The column's name."""

    @property
    def label(self) -> str:
        """How reports call it."""


def signal_title(signal: Named) -> str:
    """Label and column name, the name once if they are the same."""
    return signal.label if signal.label == signal.name else f"{signal.label} ({signal.name})"
