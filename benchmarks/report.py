"""A day's report, from the file to Markdown, figures and PDF, against the least that it could take, in the same run.

    .venv/bin/python -m benchmarks.report [--rounds 5] [--rate 5] [--long DAYS [--dense]]

The least is Polars reading the same day of the same file, picked by its text so that no other day is parsed, and
aggregating every signal (count, mean, deviation, least, most, seven quantiles, share on target, by the hour, and 1,200
envelopes of least and most for a figure), and reportlab drawing as many pages: fifty lines of text in the same font on
each, a line of 2,400 points for each figure. Each is a process of its own, its imports included, in turn. The report of
the day before is there, as it is in the morning.

With ``--long``, also from a file with so many days before, of a row a minute; with ``--dense`` of as many rows as the
others have (three years at 5 Hz: 30 GB).
"""

# ruff: noqa: PLC0415, S603 - a child imports what it needs alone, and that is measured; our own commands

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from lumen_assets.days import yesterday

DAYS = 3
_SPARSE = 1 / 60
_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""What is installed has its bytecode; compiling it anew is no part of a report."""


@dataclass(frozen=True)
class Measured:
    """One process: seconds, processor seconds, and its memory at its peak, MB."""

    seconds: float
    cpu: float
    memory: float


def make_report(day: date) -> None:
    """What the assets `telemetry`, `report` and `report_pdf` do."""
    from lumen_assets.report import build_report, report_path, write_pdf, write_report
    from lumen_assets.settings import load_settings
    from lumen_assets.workspace import Workspace

    lumen = Workspace(load_settings())
    configuration, folder = lumen.settings.configuration, lumen.settings.reports_folder
    day_slice = lumen.inputs.cut(day)
    reading, before = lumen.inputs.read(day_slice), lumen.inputs.day_before(day)
    report = build_report(
        reading, before, configuration, lumen.history(day, day_slice.inputs), lumen.pictures.at_hand(day)
    )
    write_report(report, folder)
    write_pdf(report, report_path(folder, day, ".pdf"), font=configuration.report.font)


def make_least(day: date, file: Path, pages: int, figures: int) -> None:
    """What Polars and reportlab need for a day of such a file and for such pages."""
    import polars as pl
    from reportlab.pdfgen.canvas import Canvas

    from lumen_assets.report.fonts import typeface

    start = datetime.fromisoformat(f"{day}T00:00:00+09:00").astimezone(UTC)
    first, end = (pl.lit(f"{at:%Y-%m-%dT%H:%M:%S}") for at in (start, start + timedelta(days=1)))
    signal = pl.selectors.float()
    rows = (
        pl.scan_csv(file, schema_overrides={"ts": pl.String}, comment_prefix="#", ignore_errors=True)
        .filter(pl.col("ts").is_between(first, end, closed="left"))  # as text, so that only the day's are parsed
        .with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_zone="UTC", strict=False))
        .drop_nulls("ts")
        .collect()
    )
    quantiles = [signal.quantile(q).name.suffix(f"_{q}") for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]
    rows.select(
        signal.count().name.suffix("_n"), signal.mean().name.suffix("_mean"), signal.std().name.suffix("_std"),
        signal.min().name.suffix("_min"), signal.max().name.suffix("_max"), *quantiles,
        signal.is_between(0, 1).mean().name.suffix("_share"),
    )  # fmt: skip
    for every in ("1h", "72s"):
        envelopes = (
            rows.sort("ts")
            .group_by_dynamic("ts", every=every)
            .agg(signal.min().name.suffix("_min"), signal.max().name.suffix("_max"))
        )
    font = typeface().regular
    canvas = Canvas(str(file.with_name("least.pdf")))
    for _ in range(pages):
        canvas.setFont(font, 10)
        for line in range(50):
            canvas.drawString(50, 800 - 15 * line, f"{line} 신호 {day} The quick brown fox jumps over the lazy dog")
        canvas.showPage()
    for column in range(figures):
        path = canvas.beginPath()
        values = envelopes.to_series(1 + 2 * (column % ((envelopes.width - 1) // 2))).fill_null(0)
        path.moveTo(0, 0)
        for x, y in enumerate([*values, *values]):
            path.lineTo(x, y)
        canvas.drawPath(path)
    canvas.save()


def run(environment: dict[str, str], *arguments: object) -> Measured:
    """A child of this program."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.report", "--child", *map(str, arguments)],
        env={**os.environ, **_INSTALLED, **environment},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return Measured(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)


def demo(environment: dict[str, str], days: int, rate: float, last: date) -> None:
    """Write sample telemetry."""
    command = [sys.executable, "-m", "lumen_assets.cli", "demo", "--days", str(days), "--rate", str(rate)]
    subprocess.run(
        [*command, "--last-day", str(last)], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
    )


def prepend(file: Path, rate: float, days: int) -> None:
    """Put so many days in front of a file of telemetry, each a copy of one row at other times."""
    import polars as pl

    with file.open(encoding="utf-8") as short:
        head, first = [short.readline(), short.readline()], short.readline()
        stamp, _, values = first.partition(",")
        start = datetime.fromisoformat(stamp[:23])  # of a day in Seoul, with its offset behind: 00:00
        end = start + timedelta(days=1)
        times = pl.datetime_range(start, end, interval=f"{round(1000 / rate)}ms", closed="left", eager=True)
        rows = "".join((times.dt.strftime("%Y-%m-%dT%H:%M:%S%.3f") + f"{stamp[23:]},{values}").to_list())
        longer = file.with_suffix(".longer")
        with longer.open("w", encoding="utf-8") as written:
            written.writelines(head)
            for earlier in range(days, 0, -1):
                written.write(rows.replace(f"{start:%F}T", f"{start - timedelta(days=earlier):%F}T"))
            written.write(first)
            shutil.copyfileobj(short, written)
    longer.replace(file)


def installation(root: Path, rate: float, day: date, long: int = 0, rate_before: float = 0) -> dict[str, str]:
    """An installation with telemetry, ``long`` days of another rate first, and the report of the day before ``day``."""
    root.mkdir()
    configuration = root / "lumen.yaml"
    configuration.write_text(
        f"start_date: {day - timedelta(days=DAYS - 1)}\nsources: {{telemetry: {{rate_hz: {rate}}}}}\n"
    )
    environment = {
        "LUMEN_HOME": str(root / "home"),
        "LUMEN_DATA_ROOT": str(root / "data"),
        "LUMEN_CONFIG": str(configuration),
    }
    demo(environment, DAYS, rate, day)
    if long:
        prepend(root / "data" / "logs" / "metrics.csv", rate_before, long)
    run(environment, "report", day - timedelta(days=1))
    return environment


def shown(name: str, found: list[Measured], least: list[Measured]) -> str:
    """A line of the table."""
    cells = [
        f"{statistics.median(one.seconds for one in found):.2f}",
        f"{statistics.median(one.cpu for one in found):.2f}",
    ]
    cells.append(f"{max(one.memory for one in found):.0f}")
    for what in ("seconds", "cpu"):
        ratios = [getattr(one, what) / getattr(other, what) for one, other in zip(found, least, strict=True)]
        cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="a day's report against Polars and reportlab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--long", type=int, default=0, metavar="DAYS")
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    day = yesterday()
    with tempfile.TemporaryDirectory(prefix="lumen-report-") as folder:
        root = Path(folder)
        environment = installation(root / "short", asked.rate, day)
        file = root / "short" / "data" / "logs" / "metrics.csv"
        run(environment, "report", day)
        pages, figures, size = pages_of(root / "short" / "home", day)
        installations = {"report": environment}
        if asked.long:
            rate_before = asked.rate if asked.dense else _SPARSE
            installations[f"report, {asked.long} days before"] = installation(
                root / "long", asked.rate, day, asked.long, rate_before
            )
        found: dict[str, list[Measured]] = {name: [] for name in ["least", *installations]}
        for _ in range(asked.rounds):
            found["least"].append(run(environment, "least", day, file, pages, figures))
            for name, where in installations.items():
                found[name].append(run(where, "report", day))
    rows = f"{86_400 * asked.rate:,.0f}"
    print(f"{rows} rows a day, file of {DAYS} days; {pages} pages, {figures} figures, PDF {size:,} bytes\n")
    print("| | seconds | processor seconds | memory, MB | times the least | of processor seconds |")
    print("|---|---:|---:|---:|---|---|")
    for name, measured in found.items():
        print(shown(name, measured, found["least"]))


def child(what: str, of: str, *rest: Any) -> None:
    """What a child does."""
    if what == "report":
        make_report(date.fromisoformat(of))
    else:
        file, pages, figures = rest
        make_least(date.fromisoformat(of), Path(file), int(pages), int(figures))


def pages_of(home: Path, day: date) -> tuple[int, int, int]:
    """Pages, figures and bytes of a report."""
    import pypdf

    [pdf] = home.rglob(f"report_{day}.pdf")
    return len(pypdf.PdfReader(pdf).pages), len(list(home.rglob(f"*{day}*.svg"))), pdf.stat().st_size


if __name__ == "__main__":
    main()
