"""What a day costs at the end of a long history, against the first days.

    .venv/bin/python benchmarks/history.py [--days 1095] [--rate 5]

The history is made by `lumen backfill` from telemetry at 0.02 Hz. What is measured are the first and the last days,
from telemetry at ``--rate``, each in one process, in processor seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from lumen_assets.days import yesterday
from lumen_assets.defs.day_runs import DayRunner, open_instance
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace

MEASURED = 6
_CONFIGURATION = """
start_date: {first}
sources: {{telemetry: {{rate_hz: {rate}}}}}
destinations:
  here: {{type: local, path: copies/here}}
  there: {{type: local, path: copies/there}}
"""


def cost(days: Sequence[date]) -> float:
    """Median processor seconds of a day; the first one, which imports and opens, is not counted."""
    workspace = Workspace(load_settings())
    seconds = []
    with open_instance(workspace) as instance:
        runner = DayRunner(workspace, instance)
        for day in days:
            began = time.process_time()
            if not runner.run(day).ok:
                raise SystemExit(f"{day} was not made")
            seconds.append(time.process_time() - began)
    return statistics.median(seconds[1:])


def _demo(days: int, rate: float, last: date) -> None:
    demo = ["demo", "--days", str(days), "--rate", str(rate), "--last-day", str(last)]
    subprocess.run([sys.executable, "-m", "lumen_assets.cli", *demo], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="the cost of a day after a long history")
    parser.add_argument("--days", type=int, default=1095)
    parser.add_argument("--rate", type=float, default=5.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lumen-history-") as name:
        root = Path(name)
        last = yesterday()
        first = last - timedelta(days=asked.days + 2 * MEASURED - 1)
        os.environ |= {
            "LUMEN_HOME": str(root / "home"),
            "LUMEN_CONFIG": str(root / "lumen.yaml"),
            "LUMEN_ARCHIVE_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  # 0 to 31: no secret
        }

        def use(rate: float) -> None:
            os.environ["LUMEN_DATA_ROOT"] = str(root / f"data-{rate}")
            (root / "lumen.yaml").write_text(_CONFIGURATION.format(first=first, rate=rate))

        begin = [first + timedelta(days=number) for number in range(MEASURED)]
        end = [last - timedelta(days=number) for number in reversed(range(MEASURED))]
        use(asked.rate)
        _demo(MEASURED, asked.rate, begin[-1])
        before = cost(begin)
        use(0.02)
        _demo(asked.days + 2 * MEASURED, 0.02, last)
        backfill = ["backfill", "--json", "--from", str(begin[-1] + timedelta(days=1)), "--to", str(end[0])]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "lumen_assets.cli", *backfill], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        seconds = time.monotonic() - began
        use(asked.rate)
        _demo(MEASURED, asked.rate, last)
        after = cost(end)
    print(f"| history | processor seconds a day at {asked.rate} Hz |\n|---|---:|")
    print(f"| none | {before:.2f} |\n| {asked.days} days, made in {seconds:.0f} s | {after:.2f} |")
    print(f"\nratio {after / before:.2f}")


if __name__ == "__main__":
    main()
