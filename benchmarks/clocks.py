"""A day of 432,000 rows cut and read, by how a CSV tells the time, against ISO 8601 with an offset in the first column.

    .venv/bin/python -m benchmarks.clocks [--rounds 5]

Three days of `lumen demo`'s telemetry at 5 Hz, written in each form; in every round each is cut and read once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from lumen_assets.telemetry import TelemetryFile, cut_day, read_day, write_sample
from lumen_assets.telemetry.model import Clock
from lumen_assets.telemetry.roots import FolderRoot

LAST_DAY = date(2026, 3, 9)
DAY = LAST_DAY - timedelta(days=1)

FORMS: dict[str, tuple[Clock, str]] = {
    "ISO 8601 with an offset, first": (Clock(), "{iso},{cells}"),
    "the same, last": (Clock(), "{cells},{iso}"),
    "the same, last, text first": (Clock(), "site,{cells},{iso}"),
    "ISO 8601 without an offset": (Clock(offset="+09:00"), "{local},{cells}"),
    "the same, with a blank for the T": (Clock(offset="+09:00"), "{blank},{cells}"),
    "seconds since 1970": (Clock(form="unix_s"), "{unix},{cells}"),
}
"""By name: the clock, and how a line is written."""


def line(form: str, text: str) -> str:
    """A line of the sample, or its header, in another form."""
    iso, _, cells = text.partition(",")
    if iso == "ts":
        return form.format(iso=iso, local=iso, blank=iso, unix=iso, cells=cells)
    try:
        unix = f"{datetime.fromisoformat(iso).timestamp():.3f}"
    except ValueError:  # the sample's own odd lines
        return text
    return form.format(iso=iso, local=iso[:-6], blank=iso[:-6].replace("T", " "), unix=unix, cells=cells)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="telemetry by how it tells the time")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in FORMS}
    with tempfile.TemporaryDirectory(prefix="lumen-clocks-") as folder:
        root = Path(folder)
        write_sample(root, last_day=LAST_DAY, days=3, rate_hz=5)
        usual = (root / "logs" / "metrics.csv").read_text(encoding="utf-8").splitlines()
        for number, (_, form) in enumerate(FORMS.values()):
            lines = [line(form, text) for text in usual if not text.startswith("#")]
            (root / f"{number}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
        for _ in range(rounds):
            for number, (name, (clock, _)) in enumerate(FORMS.items()):
                files = [TelemetryFile(f"{number}.csv", clock)]
                started = time.perf_counter()
                cut = cut_day(FolderRoot(root), DAY, root / "cut" / str(number), telemetry=files, extra=())
                rows = read_day(cut, files).rows.height
                seconds[name].append(time.perf_counter() - started)
                if rows < 400_000:
                    raise SystemExit(f"{name}: only {rows} rows")
    least = statistics.median(seconds[next(iter(FORMS))])
    print("| timestamps | seconds | against the first |\n|---|---:|---:|")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"| {name} | {median:.2f} ({min(taken):.2f} to {max(taken):.2f}) | {median / least:.1f} |")


if __name__ == "__main__":
    main()
