"""What a day costs at the end of a long history, against the same day without one.

    .venv/bin/python -m benchmarks.history [--days 1095] [--rate 5]

The history is made by `lumen backfill` from telemetry at 0.02 Hz. What is measured are the days after it, from
telemetry at ``--rate``, as a worker of `lumen backfill` makes them: one after the other, each in both installations, so
that what the machine does besides hits both; in processor seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from lumen_assets.backfill.worker import make_day
from lumen_assets.days import yesterday
from lumen_assets.defs.day_runs import DayRunner, open_instance
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace

MEASURED = 24
_CONFIGURATION = """
start_date: {first}
sources: {{telemetry: {{rate_hz: {rate}}}}}
destinations:
  here: {{type: local, path: copies/here}}
  there: {{type: local, path: copies/there}}
"""


class Installation:
    """One in ``folder``, from telemetry at ``rate`` hertz, whose first day is ``first``."""

    def __init__(self, folder: Path, first: date, rate: float) -> None:
        self.environment = {
            "LUMEN_HOME": str(folder / "home"),
            "LUMEN_CONFIG": str(folder / "lumen.yaml"),
            "LUMEN_DATA_ROOT": str(folder / f"data-{rate}"),
            "LUMEN_ARCHIVE_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  # 0 to 31: no secret
        }
        folder.mkdir(exist_ok=True)
        (folder / "lumen.yaml").write_text(_CONFIGURATION.format(first=first, rate=rate))

    def lumen(self, *arguments: str) -> None:
        """Run a command, silently."""
        command = [sys.executable, "-m", "lumen_assets.cli", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **self.environment})  # noqa: S603

    def demo(self, days: int, rate: float, last: date) -> None:
        """Write telemetry."""
        self.lumen("demo", "--days", str(days), "--rate", str(rate), "--last-day", str(last))


class Worker:
    """What a worker process of `lumen backfill` holds."""

    def __init__(self, installation: Installation, folder: Path, opened: ExitStack) -> None:
        self._workspace = Workspace(load_settings(installation.environment, folder))
        self._instance = opened.enter_context(open_instance(self._workspace))
        self._runner = DayRunner(self._workspace, self._instance)

    def cost(self, day: date) -> float:
        """Processor seconds of a day."""
        began = time.process_time()
        made: dict[str, Any] = make_day(day, self._workspace, self._instance, self._runner)
        if made["failures"] or made["skipped"]:
            raise SystemExit(f"{day} was not made: {made}")
        return time.process_time() - began


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="the cost of a day after a long history")
    parser.add_argument("--days", type=int, default=1095)
    parser.add_argument("--rate", type=float, default=5.0)
    asked = parser.parse_args()
    days = [yesterday() - timedelta(days=number) for number in reversed(range(MEASURED))]
    first = days[0] - timedelta(days=asked.days)
    with tempfile.TemporaryDirectory(prefix="lumen-history-") as name, ExitStack() as opened:
        old, new = Path(name) / "old", Path(name) / "new"
        history = Installation(old, first, 0.02)
        history.demo(asked.days + MEASURED, 0.02, days[-1])
        began = time.monotonic()
        history.lumen("backfill", "--json", "--to", str(days[0] - timedelta(days=1)))
        seconds = time.monotonic() - began
        installations = {old: Installation(old, first, asked.rate), new: Installation(new, days[0], asked.rate)}
        for installation in installations.values():
            installation.demo(MEASURED + 1, asked.rate, days[-1])
        workers = [Worker(installation, folder, opened) for folder, installation in installations.items()]
        costs = [[worker.cost(day) for worker in workers] for day in days][1:]  # the first one imports
    after, before = (statistics.median(found) for found in zip(*costs, strict=True))
    print(f"| history | processor seconds a day at {asked.rate} Hz, medians of {len(costs)} |\n|---|---:|")
    print(f"| none | {before:.2f} |\n| {asked.days} days, made in {seconds:.0f} s | {after:.2f} |")
    print(f"\nratio {after / before:.2f}, median of the days' own {statistics.median(a / b for a, b in costs):.2f}")


if __name__ == "__main__":
    main()
