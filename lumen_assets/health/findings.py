"""Looks at an installation: each says what it found, all are made side by side, and none lasts for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from lumen_assets.errors import LumenError


@dataclass(frozen=True)
class Finding:
    """What one look found: its name, whether it is good, what was seen, and what to do where it is not.

    A warning is good enough for a day to succeed; ``fix`` says what would be better.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """One line: ``name: detail``, with what to do behind it where it is not good."""
        text = f"{self.name}: {self.detail}" + (f"; {self.fix}" if self.fix and not self.ok else "")
        return " ".join(text.split())


@dataclass(frozen=True)
class Check:
    """A look that is still to be made.

    Attributes:
        name: that of its finding.
        look: makes it; what it raises becomes a finding too.
    """

    name: str
    look: Callable[[], Finding]


def look_at(checks: Sequence[Check], *, within: float) -> list[Finding]:
    """Make every look at the same time; the findings in the order of ``checks``.

    A look that has no answer after ``within`` seconds is a finding that is not good. It is left behind, in a thread
    that does not keep the process: a mount that hangs cannot be interrupted.

    Args:
        within: seconds for all of them together.
    """
    found: dict[int, Finding] = {}

    def make(number: int, check: Check) -> None:
        found[number] = _guarded(check)

    threads = [
        Thread(target=make, args=(number, check), name=f"look at {check.name}", daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + within
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    answered = dict(found)  # as of now: a look that ends later changes nothing any more
    return [answered.get(number) or _silent(check, within) for number, check in enumerate(checks)]


def _silent(check: Check, within: float) -> Finding:
    return Finding(
        check.name, ok=False, detail=f"no answer within {within:g} s", fix="see why it hangs, then try again"
    )


def _guarded(check: Check) -> Finding:
    try:
        found = check.look()
    except LumenError as error:
        return Finding(check.name, ok=False, detail=error.cause, fix=error.hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Finding(check.name, ok=False, detail=f"{where}{error.strerror or type(error).__name__}")
    except Exception as error:
        return Finding(check.name, ok=False, detail=f"unexpected {type(error).__name__}", fix="please report it")
    return replace(found, fix="") if found.ok and not found.warning else found
