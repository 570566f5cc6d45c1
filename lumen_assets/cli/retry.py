"""``lumen retry``: a command again until it succeeds, waiting twice as long each time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

import click

ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""Signals that are passed on, and end the retrying."""

PASSED_ON: Final = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that are only passed on."""

LONGEST_WAIT: Final = 365 * 86_400.0

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""What a shell says, see POSIX.1-2024, XCU 2.8.2."""


class Delay(click.ParamType[float]):
    """Seconds, 0 or more."""

    name = "delay"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that was written."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST_WAIT:  # NaN is not
            self.fail(f"{value!r} is not a number of seconds, 0 or more", param, ctx)
        return seconds


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("attempts", type=click.IntRange(min=1))
@click.argument("delay", type=Delay())
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def retry(attempts: int, delay: float, command: tuple[str, ...]) -> None:
    """Run COMMAND up to ATTEMPTS times until it succeeds: `lumen retry 3 10 -- COMMAND…`.

    The first attempt is at once; after attempt n it waits DELAY·2^(n−1) seconds. Each attempt, its return code and the
    wait are said on stderr. Signals are passed on to the command, and end the retrying.

    Exit codes: that of the last attempt; 128 + n after signal n; 126 if the command cannot be executed, 127 if there is
    none; 2 usage.
    """
    if command[0] == "--":
        command = command[1:]
    if not command:
        raise click.UsageError("there is no COMMAND")
    # Signals are waited for instead of handled: none is lost between two attempts, or before the command runs. What is
    # ignored, as SIGHUP under nohup, stays ignored.
    own = [one for one in (*ENDING, *PASSED_ON) if signal.getsignal(one) is not signal.SIG_IGN]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [*own, signal.SIGCHLD])
    try:
        code = _retried(command, attempts, delay, [*own, signal.SIGCHLD], before)
    finally:
        while signal.sigtimedwait(own, 0):  # of a second Ctrl-C nothing more is to be said
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    raise SystemExit(code)


def _retried(command: Sequence[str], attempts: int, delay: float, signals: list[int], mask: set[Any]) -> int:
    wait = delay
    for attempt in range(1, attempts + 1):
        code, ended_by, started = _attempted(command, signals, mask)
        said = f"lumen retry: attempt {attempt} of {attempts}: return code {code}"
        if ended_by:
            _say(f"{said}; {signal.Signals(ended_by).name}: no more attempts")
            return 128 + ended_by
        if code == 0 or attempt == attempts or not started:
            _say(said)
            return code
        _say(f"{said}; waiting {wait:g} s")
        if caught := _wait(wait, signals):
            _say(f"lumen retry: {signal.Signals(caught).name}: no more attempts")
            return 128 + caught
        wait = min(wait * 2, LONGEST_WAIT)
    raise AssertionError("there is at least one attempt")


def _attempted(command: Sequence[str], signals: list[int], mask: set[Any]) -> tuple[int, int, bool]:
    """The return code as a shell says it, the signal that is to end it all (0: none), and whether it was started."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is what it was given
            command,
            # A mask is inherited. Only this thread runs here, so nothing can hold a lock between fork and exec.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),  # noqa: PLW1509
        )
    except FileNotFoundError:
        _say(f"lumen retry: {command[0]}: command not found")
        return NOT_FOUND, 0, False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        _say(f"lumen retry: {command[0]}: {reason}")
        return NOT_EXECUTABLE, 0, False
    ended_by = 0
    while (code := process.poll()) is None:
        caught = signal.sigwaitinfo(signals)
        if caught.si_signo == signal.SIGCHLD:
            continue
        if caught.si_signo in ENDING:
            ended_by = ended_by or caught.si_signo
        if caught.si_code <= 0:  # sent by a process; what the terminal sends, it sends to the command too
            process.send_signal(caught.si_signo)
    return (code if code >= 0 else 128 - code), ended_by, True


def _wait(seconds: float, signals: list[int]) -> int:
    """Wait; the signal that ended it early, or 0."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        caught = signal.sigtimedwait(signals, left)
        if caught and caught.si_signo in ENDING:
            return caught.si_signo
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)
