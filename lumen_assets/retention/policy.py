"""What stays at each destination and what may go, each with its reasons: a pure function.

Whatever is not known for sure keeps: a verdict that does not count, a destination that did not answer, a clock that
does not fit the days that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from lumen_assets.settings import Hold, Retention
from lumen_assets.texts import counted
from lumen_assets.verification import Verdict

Revision = tuple[date, int]

DAYS_AFTER_PAUSE: Final = 7
"""Days with rows that have to follow a pause before it is believed: a clock that is wrong is noticed within a week, and
until then nothing is lost by what it made old."""


@dataclass(frozen=True)
class Replica:
    """One archive at one destination.

    Attributes:
        verdict: the one that stands, at a level that counts; None if there is none.
        size: bytes; None if the archive is not there.
    """

    verdict: Verdict | None
    size: int | None

    @property
    def good(self) -> bool:
        """Whether it is there, and was proven."""
        return self.size is not None and self.verdict is Verdict.MATCH


@dataclass(frozen=True)
class Place:
    """A destination.

    Attributes:
        keep: the settings that hold for it.
        locked_days: days from a day's end for which the provider lets nobody delete it (S3 Object Lock).
        silent: why it did not answer; empty if it did.
    """

    keep: Retention
    locked_days: int = 0
    silent: str = ""


@dataclass(frozen=True)
class Decision:
    """What is to become of one replica.

    Attributes:
        destination, day, revision: which one.
        size: its bytes.
        rules: the rules by which it is kept; empty if none asks for it.
        hindrances: why it stays though no rule asks for it.
        outlived: which rules it has outlived, for people.
        stays: where good copies of the same revision stay.
    """

    destination: str
    day: date
    revision: int
    size: int
    rules: tuple[str, ...]
    hindrances: tuple[str, ...]
    outlived: str = ""
    stays: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it stays."""
        return bool(self.rules or self.hindrances)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it stays or may go, for people."""
        return self.rules or self.hindrances or (self.outlived, f"a good copy stays at {', '.join(self.stays)}")


@dataclass(frozen=True)
class Plan:
    """What is to become of every replica that is there.

    Attributes:
        decisions: by day, revision and destination.
        stopped: why nothing is removed at all; empty if something may be.
    """

    decisions: tuple[Decision, ...]
    stopped: str = ""

    @property
    def kept(self) -> list[Decision]:
        """What stays."""
        return [item for item in self.decisions if item.kept]

    @property
    def removals(self) -> list[Decision]:
        """What may go."""
        return [item for item in self.decisions if not item.kept]


@dataclass(frozen=True)
class _Scene:
    replicas: Mapping[Revision, Mapping[str, Replica]]
    places: Mapping[str, Place]
    required: int
    today: date
    start_date: date
    holds: Sequence[Hold]
    stopped: str
    rules: Mapping[str, Mapping[date, Sequence[str]]]
    newest: Mapping[date, int]


def plan(
    replicas: Mapping[Revision, Mapping[str, Replica]],
    places: Mapping[str, Place],
    *,
    required: int,
    today: date,
    start_date: date,
    holds: Sequence[Hold] = (),
    newest_within_days: int = 7,
    without_rows: Collection[date] = (),
) -> Plan:
    """Decide about every replica that is there.

    Args:
        replicas: every revision that exists anywhere, with its replicas by destination.
        places: every destination by name; of the good copies that no rule keeps, that at the first of them stays.
        required: good replicas that the policy asks for.
        today: the KST day of the clock.
        start_date: the first day there is.
        holds: days of which nothing is removed.
        newest_within_days: see ``Retention``. A longer pause between days with rows, too, says that the clock may be
            wrong, until ``DAYS_AFTER_PAUSE`` days with rows have followed it.
        without_rows: days that no telemetry came for: such ones are made of every day by which the clock is ahead, and
            say nothing of it.
    """
    stopped = _clock_problem({day for day, _ in replicas}, without_rows, today, newest_within_days)
    rules = {name: kept_by_rule(_good_days(replicas, name), place.keep, today) for name, place in places.items()}
    scene = _Scene(replicas, places, required, today, start_date, holds, stopped, rules, dict(sorted(replicas)))
    decisions: list[Decision] = []
    for revision in sorted(replicas):
        decisions += _decide(revision, scene)
    return Plan(tuple(decisions), stopped)


def kept_by_rule(days: Iterable[date], keep: Retention, today: date) -> dict[date, list[str]]:
    """Days of a destination with the rules that keep them; days of the future have no say.

    Args:
        days: those whose newest revision is good there. The calendar's newest days are kept whether it is or not, which
            a hindrance sees to.
        keep: the settings.
        today: the KST day of the clock.
    """
    newest_first = sorted((day for day in set(days) if day < today), reverse=True)
    kept: dict[date, list[str]] = {}
    first = today - timedelta(days=keep.keep_days)
    for day in newest_first:
        if day >= first:
            kept.setdefault(day, []).append(f"one of the newest {keep.keep_days} days")
    for what, count, bucket in (("week", keep.keep_weekly, _week), ("month", keep.keep_monthly, _month)):
        for day in _newest_of_each(newest_first, count, bucket):
            kept.setdefault(day, []).append(f"the newest of its {what}, one of the last {count} with one")
    return kept


def _newest_of_each(newest_first: Iterable[date], count: int, bucket: Callable[[date], Hashable]) -> Collection[date]:
    newest: dict[Hashable, date] = {}
    for day in newest_first:
        newest.setdefault(bucket(day), day)
    return list(newest.values())[:count]


def _week(day: date) -> Hashable:
    return day.isocalendar()[:2]


def _month(day: date) -> Hashable:
    return day.year, day.month


def _clock_problem(days: Collection[date], without_rows: Collection[date], today: date, within: int) -> str:
    """Why the clock, or that of what writes the telemetry, may be wrong; empty if nothing says so."""
    if not days:
        return ""
    told = sorted(set(days).difference(without_rows))
    if not told:
        return f"the clock says {today} in KST, but no day with telemetry says so"
    newest = told[-1]
    if newest >= today:
        return f"the clock says {today} in KST, but there is telemetry in the archive of {newest}: it may be wrong"
    if newest < today - timedelta(days=within):
        return (
            f"the clock says {today} in KST, but the newest day with telemetry is {newest}, more than {within} days "
            "before: either it is wrong, or nothing was recorded for long"
        )
    return _pause_problem(told, today, within)


def _pause_problem(told: Sequence[date], today: date, within: int) -> str:
    """Why the newest of the days with telemetry, sorted, prove nothing: a pause lies among them.

    What writes the telemetry may go by the same wrong clock as this: then its days fit the clock, and it is only those
    of before that do not fit them.
    """
    newest = told[-DAYS_AFTER_PAUSE:]
    before, after = max(pairwise(newest), key=lambda pair: pair[1] - pair[0], default=(today, today))
    length = (after - before).days
    if length <= within:
        return ""
    so_far = sum(day >= after for day in newest)
    return (
        f"the clock says {today} in KST, but no day between {before} and {after} has telemetry, and only "
        f"{counted(so_far, 'day')} since: either it is wrong, with what dates the telemetry, or nothing was recorded "
        f"for long; if so, wait for {DAYS_AFTER_PAUSE} days with telemetry after that, or set "
        f"retention.newest_within_days to {length} for once"
    )


def _good_days(replicas: Mapping[Revision, Mapping[str, Replica]], name: str) -> list[date]:
    newest = dict(sorted(replicas))
    return [day for day, number in newest.items() if (held := replicas[day, number].get(name)) and held.good]


def _decide(revision: Revision, scene: _Scene) -> list[Decision]:
    day, number = revision
    held = scene.replicas[revision]
    there = [name for name in scene.places if name in held]
    common = _hindrances_everywhere(day, held, scene)
    rules = {name: _rules(name, revision, scene) for name in there}
    hindrances = {name: (*common, *_hindrances_at(name, day, held[name], scene)) for name in there}
    good = [name for name in there if held[name].good and not scene.places[name].silent]
    stays = [name for name in good if rules[name] or hindrances[name]]
    if good and not stays:
        stays = good[:1]
        hindrances[stays[0]] = ("the last good copy of it stays",)
    return [
        Decision(
            destination=name,
            day=day,
            revision=number,
            size=size,
            rules=rules[name],
            hindrances=hindrances[name],
            outlived=_outlived(scene.places[name].keep),
            stays=tuple(other for other in stays if other != name),
        )
        for name in there
        if (size := held[name].size) is not None
    ]


def _rules(name: str, revision: Revision, scene: _Scene) -> tuple[str, ...]:
    day, number = revision
    rules = tuple(scene.rules[name].get(day, ()))
    return rules if number == scene.newest[day] or not rules else (f"an earlier revision of a kept day: {rules[0]}",)


def _outlived(keep: Retention) -> str:
    return (
        f"older than the newest {keep.keep_days} days, and not the newest of one of the last {keep.keep_weekly} weeks "
        f"or {keep.keep_monthly} months"
    )


def _hindrances_everywhere(day: date, held: Mapping[str, Replica], scene: _Scene) -> tuple[str, ...]:
    found = [scene.stopped] if scene.stopped else []
    found += [f"under legal hold ({hold})" for hold in scene.holds if day in hold]
    if day < scene.start_date:
        found.append("its day lies before start_date")
    answering = [replica for name, replica in held.items() if name in scene.places and not scene.places[name].silent]
    good = sum(replica.good for replica in answering)
    removed = sum(replica.size is None and replica.verdict is Verdict.REMOVED for replica in answering)
    if good + removed < scene.required:
        gone = f" and {removed} removed before" if removed else ""
        found.append(f"below policy: {good} proven good{gone}, {scene.required} required")
    return tuple(found)


def _hindrances_at(name: str, day: date, replica: Replica, scene: _Scene) -> tuple[str, ...]:
    place = scene.places[name]
    found = [f"{name} did not answer: {place.silent}"] if place.silent else []
    if not replica.good:
        found.append(f"it is not proven good ({replica.verdict or 'no verdict that counts'})")
    if day >= scene.today - timedelta(days=place.keep.keep_days):
        found.append(f"one of the newest {place.keep.keep_days} days")
    if place.locked_days and scene.today <= (until := day + timedelta(days=1 + place.locked_days)):
        found.append(f"under Object Lock until {until} at least")
    return tuple(found)
