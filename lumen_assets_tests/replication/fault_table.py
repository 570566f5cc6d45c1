"""The fault table: every fault at every provider, played, measured and written down.

A fault is played at each place of an upload where it can strike. What came of it is measured, then the same put is
tried again without the fault. ``document`` writes it all as ``docs/destinations/faults.md``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lumen_assets.errors import LumenError
from lumen_assets.replication.retrying import DEFAULT_BACKOFF, RetryingStore
from lumen_assets_tests.replication.fault_cases import ASKED, CASES, Case
from lumen_assets_tests.replication.fault_subjects import (
    EVERYWHERE,
    PROVIDERS,
    Clock,
    Place,
    clock_of_clients,
    opened,
)
from lumen_assets_tests.replication.seaweedfs import S3Server

_WAIT: Final = re.compile(r"attempt \d+ of \d+ failed \((\w+): .+\), waiting ([\d.]+) s$")
_BESIDES: Final = 64 << 10  # bytes of requests that carry no content


@dataclass(frozen=True)
class Came:
    """What came of a fault.

    Attributes:
        happened: ``stored``, or ``refused`` with the error's class.
        attempts: tries that it took.
        waits: the class and the seconds of every wait, as logged; they were not really waited for.
        logged: other lines in the log of warnings.
        there: SHA-256 of every object there afterwards, the fault still on.
        then: what the same put did without the fault.
        held: SHA-256 of every object there in the end.
        left_over: unfinished uploads in the end.
        up: bytes that both puts sent, of requests that broke off too.
        most: bytes that they may send: all once, and for every try that failed what was on its way.
        right: the SHA-256 that was to be stored.
    """

    happened: str
    attempts: int
    waits: Sequence[tuple[str, float]]
    logged: Sequence[str]
    there: Sequence[str]
    then: str
    held: Sequence[str]
    left_over: Sequence[str]
    up: int
    most: int
    right: str

    @property
    def shown(self) -> tuple[str, ...]:
        """The cells of the document."""
        there = "the object" if self.there else "nothing"
        return self.happened, str(self.attempts), self._said, there, self.then

    @property
    def _said(self) -> str:
        if not self.waits:
            return "nothing"
        count = f"{len(self.waits)} wait{'s' if len(self.waits) > 1 else ''}"
        asked = f", {ASKED} s as asked" if all(seconds == ASKED for _, seconds in self.waits) else ""
        return f"{count}: {', '.join(dict.fromkeys(kind for kind, _ in self.waits))}{asked}"


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def waits(self) -> list[re.Match[str]]:
        return [found for line in self.lines if (found := _WAIT.search(line))]


@contextmanager
def _listening() -> Iterator[_Heard]:
    heard, log = _Heard(), logging.getLogger("lumen_assets")
    log.addHandler(heard)
    try:
        yield heard
    finally:
        log.removeHandler(heard)


def measure(case: Case, place: Place, server: S3Server, folder: Path) -> Came:
    """Play the fault at the place, then put the same without it."""
    clock = Clock()
    clocks: AbstractContextManager[None] = clock_of_clients(clock) if case.fault == "clock skew" else nullcontext()
    with opened(case.provider, server, folder) as subject, clocks, _listening() as heard:
        if case.make:
            subject.proxy.inject(case.make(subject, clock), case.when or place.when, case.times)
        if case.before:
            case.before(subject, clock)
        source, digests = subject.source(place.size)
        slept: list[float] = []
        store = RetryingStore(subject.store(case.token and case.token(subject)), sleep=slept.append)
        try:
            receipt = store.put(subject.key, source, digests)
            happened, attempts = "stored", receipt.attempts
        except LumenError as error:
            happened, attempts = f"refused: {error.error_class}", len(slept) + 1
        if subject.renewed():
            happened += ", token renewed"
        there, up = subject.held(), subject.proxy.bytes_up
        subject.mend()
        clock.set(0)
        again = RetryingStore(subject.store(case.token and case.token(subject)), sleep=slept.append)
        receipt = again.put(subject.key, source, digests)
        waits = [(found[1], seconds) for found, seconds in zip(heard.waits(), slept, strict=True)]
        return Came(
            happened,
            attempts,
            waits,
            [line for line in heard.lines if not _WAIT.search(line)],
            there,
            _then(receipt.created, receipt.bytes_sent, digests.size),
            subject.held(),
            subject.left_over(),
            up + subject.proxy.bytes_up,
            digests.size + attempts * place.on_its_way * case.sends + _BESIDES,
            digests.sha256,
        )


def _then(created: bool, sent: int, size: int) -> str:
    if not created:
        return "there already"
    if not sent:
        return "only finished"
    return "all sent" if sent >= size else "the rest sent"


def require_nothing_lost(came: Came) -> None:
    """Whatever the fault: one object with the right bytes or none, and one in the end; the waits are those asked."""
    assert came.there in ([], [came.right]), "lost or doubled"
    assert (came.there == [came.right]) or came.happened != "stored"
    assert came.held == [came.right]
    assert came.left_over == []
    assert came.up <= came.most
    assert came.logged == []
    assert len(came.waits) in (came.attempts - 1, came.attempts)
    assert all(0 <= seconds <= DEFAULT_BACKOFF.cap for _, seconds in came.waits)
    assert came.attempts <= DEFAULT_BACKOFF.attempts


@dataclass
class Measurements:
    """Every case measured at most once.

    Args:
        server: the S3 server.
        folder: for all that the measurements need.
    """

    server: S3Server
    folder: Path
    _known: dict[int, dict[str, Came]] = field(default_factory=dict)

    def of(self, number: int) -> dict[str, Came]:
        """What came of a case, by the name of the place."""
        if number not in self._known:
            case = CASES[number]
            places = PROVIDERS[case.provider].places
            self._known[number] = {
                name: measure(case, places[name], self.server, self.folder / f"{number}-{name}") for name in case.places
            }
        return self._known[number]

    def rows(self, number: int) -> list[str]:
        """The lines of the table for a case: places with the same outcome are one."""
        case = CASES[number]
        if not case.places:
            return [_line(case.fault, case.provider, case.played, "", "", "", "", "", "")]
        grouped: dict[tuple[str, ...], list[str]] = {}
        for place, came in self.of(number).items():
            grouped.setdefault(came.shown, []).append(place)
        at = {shown: "all" if names == [*EVERYWHERE] else ", ".join(names) for shown, names in grouped.items()}
        if all(case.before and not case.make for _ in at):
            at = dict.fromkeys(at, "the first request")
        return [_line(case.fault, case.provider, case.played, at[shown], *shown) for shown in grouped]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


HEAD: Final = f"""# Faults: what happens when a provider or the network does wrong

Measured, not promised: a test plays every fault and fails where this page is not what it saw
(`lumen_assets_tests/replication/test_fault_table.py`; with `LUMEN_WRITE_FAULT_TABLE=1` it writes the page). S3 is a
real server, SeaweedFS; Google Drive and Dropbox are emulated by their documentation; a proxy in front of them plays the
faults. Nobody waited: the waits are those that were asked for.

In every line: there was one object with the right bytes or none, never two and never another; the same put again,
without the fault, ended with the one right object and left no unfinished upload; and in all of it no more was sent than
the whole once and, for every try that failed, the pieces that were on their way.

- *at*: the request that is struck. `begin`, a later `piece` and the `finish` are those of an archive that goes up in
  pieces; `whole` is a small one that takes one request. What passes strikes once; a refusal stays.
- *came*: `stored`, or `refused` with the `error_class` of the error, whose text says what to do.
- *tries*: at most {DEFAULT_BACKOFF.attempts} in one put. The wait before each is drawn between 0 and 1, 2, 4 … seconds,
  at most {DEFAULT_BACKOFF.cap:.0f}, and is never shorter than a Retry-After.
- *logged*: each wait is one line, with the attempt and the reason. What does not pass is not tried again; the error
  itself is in the run's log.
- *there*: what the destination had then. *again*: what the same put did after that, without the fault.
"""
COLUMNS: Final = ("fault", "provider", "how", "at", "came", "tries", "logged", "there", "again")


def document(measured: Measurements) -> str:
    """``docs/destinations/faults.md``."""
    lines = [row for number in range(len(CASES)) for row in measured.rows(number)]
    return "\n".join([HEAD, _line(*COLUMNS), _line(*["---"] * len(COLUMNS)), *lines, ""])
