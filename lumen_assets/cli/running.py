"""What every command shares: lazy loading, options, error output and exit codes."""

from __future__ import annotations

import importlib
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from types import FrameType
from typing import Any, Final, TypeVar

import click

from lumen_assets.days import parse_day
from lumen_assets.errors import LumenError, PermanentError, TransientError

PROBLEM: Final = 1
USAGE: Final = 2

_JSON: Final = "lumen_assets.json"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _OnStderr(logging.Handler):
    """Says what is logged as errors are said, see ``report_error``."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        color = "red" if record.levelno >= logging.ERROR else "yellow"
        try:
            label = click.style(f"{record.levelname.lower()}:", fg=color, bold=True)
            click.echo(f"{label} {self.format(record)}", err=True)
        except Exception:
            self.handleError(record)


class LumenGroup(click.Group):
    """A group whose commands are imported when called, and whose errors are ours.

    Args:
        commands_in: module under ``lumen_assets.cli`` by command name; the command has the module's name in it.
    """

    def __init__(self, *args: Any, commands_in: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_in = dict(commands_in or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, sorted."""
        return sorted({*super().list_commands(ctx), *self._commands_in})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        module = self._commands_in.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"lumen_assets.cli.{module}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"lumen_assets.cli.{module}.{cmd_name} is not a command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes its message and the right exit code."""
        logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_OnStderr()])
        try:
            with _signals_raised():
                return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output has gone
            raise
        except (LumenError, OSError, MemoryError, KeyboardInterrupt) as error:
            problem, code = _explained(error, f"{ctx.command_path} {ctx.invoked_subcommand}")
            report_error(problem, as_json=bool(ctx.meta.get(_JSON)))
            ctx.exit(code)


class _Signalled(KeyboardInterrupt):
    """A signal that ends this process, as an exception: so that what is half made is removed, as by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _signals_raised() -> Iterator[None]:
    """SIGTERM and SIGHUP raise; what is ignored, as SIGHUP under nohup, stays ignored."""

    def end(number: int, _: FrameType | None) -> None:
        raise _Signalled(number)

    own = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in own:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in own:
            signal.signal(one, signal.SIG_DFL)


def _explained(error: BaseException, command: str) -> tuple[LumenError, int]:
    """What ended a command, as an error of ours, and the exit code for it."""
    if isinstance(error, LumenError):
        return error, USAGE if error.error_class in ("configuration", "unknown-key") else PROBLEM
    if isinstance(error, OSError):
        where = error.filename or "a file or folder"
        cause = error.strerror or str(error)
        return PermanentError(action="use", subject=str(where), cause=cause, error_class="system"), PROBLEM
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, _Signalled) else signal.SIGINT
        cause, code = f"it was ended by {signal.Signals(number).name}", 128 + number
    else:
        cause, code = "there is not enough memory", PROBLEM
    return TransientError(action="finish", subject=command, cause=cause, error_class="ended"), code


def report_error(error: LumenError, *, as_json: bool) -> None:
    """Say what failed: on stderr for people, as the one JSON object on stdout for programs."""
    if as_json:
        print_json(
            {
                "ok": False,
                "error": {
                    "action": error.action,
                    "subject": error.subject,
                    "cause": error.cause,
                    "error_class": error.error_class,
                    "retry_helps": error.retry_helps,
                    "hint": error.hint,
                },
            }
        )
        return
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _remember_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[_JSON] = value
    return value


def json_option(command: _Command) -> _Command:
    """``--json``: one JSON object on stdout and nothing else there."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=_remember_json,
        is_eager=True,
        help="Print one JSON object on stdout and nothing else there.",
    )(command)


def first_of_last(count: int, last: date, earliest: date) -> date:
    """The first of the ``count`` days up to ``last``, but none before ``earliest``."""
    return max(earliest, last - timedelta(days=count - 1))


def refuse_both(**options: object) -> None:
    """Refuse a call that names the same days in two ways.

    Raises:
        click.UsageError: if more than one of the options was given.
    """
    given = [f"--{name}" if name != "days" else "DAY" for name, value in options.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"give {' or '.join(given)}, not both")


class DayType(click.ParamType[date]):
    """A day ``YYYY-MM-DD``."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day that was written."""
        if isinstance(value, date):
            return value
        try:
            return parse_day(value)
        except ValueError:
            self.fail(f"{value!r} is not a day in the form YYYY-MM-DD", param, ctx)


DAY: Final = DayType()
