"""What proof rests on: the key, the destinations, the attestations, and the newest report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from lumen_assets import archive
from lumen_assets.archive import Keyring
from lumen_assets.days import KST, day_bounds, day_of, parse_day, yesterday
from lumen_assets.environment.stored import StoredSecret
from lumen_assets.health.due import due_at, newest_due
from lumen_assets.health.findings import Finding
from lumen_assets.replication import Store
from lumen_assets.settings import Configuration, Settings
from lumen_assets.texts import counted

if TYPE_CHECKING:
    from lumen_assets.late_data import FrozenInputs
    from lumen_assets.report.numbers import DayNumbers
    from lumen_assets.verification.ledger import VerdictLedger

_REPORT: Final = re.compile(r"report_(\d{4}-\d{2}-\d{2})\.md", re.ASCII)


class Installation(Protocol):
    """What is looked at: the part of ``Workspace`` that this package needs."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def key_file(self) -> Path:
        """Where the key that was made on first run lies."""

    @property
    def keyring(self) -> Keyring:
        """The archive keys; asking for it makes none."""

    @property
    def stores(self) -> Mapping[str, Store]:
        """A store a destination, by name."""

    @property
    def ledger(self) -> VerdictLedger:
        """The verdicts so far."""

    @property
    def frozen_inputs(self) -> FrozenInputs:
        """What the days that were frozen were frozen from."""

    def existing_days(self) -> set[date]:
        """The days that are frozen, by what is known without asking a destination."""

    def frozen_revisions(self) -> dict[date, tuple[int, datetime]]:
        """The newest revision by day, and when it was frozen or last found good."""

    def frozen_numbers(self, first: date, last: date) -> dict[date, DayNumbers]:
        """The numbers of frozen days."""

    def anything_frozen(self) -> bool:
        """Whether any archive exists here or at a destination that answers."""

    def require_fitting_key(self) -> None:
        """Refuse a key that made nothing of what exists."""

    def trying_once(self) -> Installation:
        """The same installation, whose destinations are asked once and not again."""


def archive_key(installation: Installation) -> Finding:
    """Whether there is a key, it made what exists, and the newest archive here is authentic under it.

    Raises:
        LumenError: if there is none, or it is another.
    """
    settings = installation.settings
    made = settings.archive_key is not None or installation.key_file.exists()
    if not made and not installation.anything_frozen():
        return Finding("archive key", ok=True, detail=f"none yet: the first run makes one at {installation.key_file}")
    installation.require_fitting_key()
    keyring = installation.keyring
    newest = max((entry.day for entry in archive.read_index(settings.archive_folder)), default=None)
    if newest:
        archive.newest(settings.archive_folder, newest, keyring)
    where = "LUMEN_ARCHIVE_KEY" if settings.archive_key is not None else installation.key_file
    return Finding(
        "archive key", ok=True, detail=f"id {keyring.primary.id}, from {where}; keep a copy of it somewhere else"
    )


def stored_secret(secret: StoredSecret) -> Finding:
    """Whether a secret that AWS keeps can be had.

    Raises:
        LumenError: if it cannot.
    """
    secret.get_secret_value()
    return Finding(f"secret {secret.name}", ok=True, detail="AWS keeps it and gives it to this machine")


def destination(installation: Installation, name: str) -> Finding:
    """Whether a destination answers when it is asked for yesterday.

    Raises:
        LumenError: if it does not.
    """
    held = installation.stores[name].list(f"{yesterday()}/")
    count = sum(1 for _ in held)
    what = f"{counted(count, 'object')} of yesterday" if count else "nothing of yesterday is there so far"
    return Finding(f"destination {name}", ok=True, detail=f"answers; {what}")


def state(installation: Installation) -> Finding:
    """Where verdicts and attestations are kept, and whether they can be read.

    Raises:
        LumenError: if they cannot.
    """
    settings = installation.settings
    installation.ledger.last_success()
    if settings.state_url is None:
        where = f"files under {settings.home}, of this machine alone"
    else:
        where = "LUMEN_STATE_URL, shared by all machines that have it"
    return Finding("state", ok=True, detail=where)


def expected_day(configuration: Configuration, now: datetime, underway: date | None = None) -> date | None:
    """The newest day that should be done: the newest that is due, but before the one that is being worked on."""
    due = newest_due(configuration, now)
    if due is not None and underway is not None and due >= underway:
        due = underway - timedelta(days=1)
    return due if due is not None and due >= configuration.start_date else None


def attestation(installation: Installation, now: datetime, underway: date | None = None) -> Finding:
    """Whether the newest attestation is as new as it should be, and met the policy.

    Args:
        now: with a zone.
        underway: the day that a run is working on at the moment; nothing is expected of it yet.
    """
    configuration = installation.settings.configuration
    attested = installation.ledger.newest_attestations(configuration.start_date, yesterday(now))
    expected = expected_day(configuration, now, underway)
    if not attested and (expected is None or underway is not None):
        return Finding("attestation", ok=True, detail="none yet, and none is due before the first day is done")
    fix = f"`lumen daily --day {expected}`, then see what it says"
    if not attested:
        return Finding("attestation", ok=False, detail="no day has been attested yet", fix=fix)
    newest = max(attested)
    found = attested[newest]
    said = f"{newest}: {counted(found.good, 'good replica')}, {found.required} required"
    if expected is not None and newest < expected:
        due = due_at(expected, configuration)
        said = f"the newest is of {newest}, but {expected} was due at {due:%Y-%m-%d %H:%M} KST"
        return Finding("attestation", ok=False, detail=said, fix=fix)
    return Finding("attestation", ok=found.met, detail=said, fix=f"`lumen repair {newest}`")


def report(path: Path, configuration: Configuration, now: datetime, underway: date | None = None) -> Finding:
    """Whether ``LUMEN_REPORT_MD`` is there and fresh: of a folder its newest report.

    A report that has a day in its name must be of the newest day that is due, or newer; any other file must have been
    written after that day was over.
    """
    expected = expected_day(configuration, now, underway)
    newest = _newest_report(path, day_of(now)) if path.is_dir() else path
    if newest is None or not newest.is_file():
        said = f"{path}: no report in it" if newest is None else f"there is no {path}"
        return Finding("report", ok=False, detail=said, fix="correct LUMEN_REPORT_MD, or run `lumen daily`")
    day = _report_day(newest)
    written = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    said = f"{newest}, written {written.astimezone(KST):%Y-%m-%d %H:%M} KST"
    if newest.stat().st_size == 0:
        return Finding("report", ok=False, detail=f"{newest} is empty", fix="run `lumen daily` again")
    if day > day_of(now) if day else written > now + timedelta(minutes=2):
        return Finding("report", ok=False, detail=f"{said}, which is yet to come", fix="set the machine's clock (NTP)")
    fresh = expected is None or (day >= expected if day else written >= day_bounds(expected)[1])
    if not fresh:
        said += f": older than {expected}, which is due"
    return Finding("report", ok=fresh, detail=said, fix=f"`lumen daily --day {expected}`, then see what it says")


def _newest_report(folder: Path, today: date) -> Path | None:
    """The report of the newest day that is no later than today; without one, the Markdown file written last."""
    files = sorted(path for path in folder.glob("*.md") if path.is_file())
    dated = {day: path for path in files if (day := _report_day(path)) and day <= today}
    if dated:
        return dated[max(dated)]
    undated = [path for path in files if _report_day(path) is None]
    written: Callable[[Path], float] = lambda path: path.stat().st_mtime  # noqa: E731 - typed
    return max(undated, key=written, default=None)


def _report_day(path: Path) -> date | None:
    match = _REPORT.fullmatch(path.name)
    try:
        return parse_day(match[1]) if match else None
    except ValueError:
        return None
