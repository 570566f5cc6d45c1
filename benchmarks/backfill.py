"""`lumen backfill` against the same steps as plain scripts, one Python process a step, one day after the other.

    .venv/bin/python -m benchmarks.backfill [--days 30] [--script-days 6] [--workers N] [--ui]

The telemetry is that of `lumen demo` at 5 Hz. Both report, make a PDF, compress and encrypt, put two local copies, and
read each copy back, decrypt it and compare its content. The scripts do it with the standard library, reportlab and
cryptography, as a CI job would, and find each day's rows already cut out. Half of the scripts' days are measured before
the backfill and half after it, so that what the machine does besides hits both. At last there is a day a core at once:
what all cores are worth together, of what `lumen backfill` uses and one script after the other does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from benchmarks.ui_backfill import ui_backfill
from lumen_assets.days import yesterday
from lumen_assets.settings import load_settings
from lumen_assets.workspace import Workspace

_CONFIGURATION = """
start_date: {first}
catch_up: {{enabled: false}}
destinations:
  here: {{type: local, path: copies/here}}
  there: {{type: local, path: copies/there}}
"""

_SCRIPTS = {
    "report": """
import csv, sys
with open(sys.argv[1], newline="") as file:
    rows = csv.reader(line for line in file if not line.startswith("#"))
    values = [(number, name, []) for number, name in enumerate(next(rows)) if name not in ("ts", "ion_mock_mode")]
    for row in rows:
        try:
            for number, _, of in values:
                of.append(float(row[number]))
        except (ValueError, IndexError):
            pass
lines = ["| signal | count | mean | std | min | max |", "|---|---|---|---|---|---|"]
for _, name, of in values:
    mean = sum(of) / len(of)
    std = (sum((value - mean) ** 2 for value in of) / len(of)) ** 0.5
    lines.append(f"| {name} | {len(of)} | {mean:.4f} | {std:.4f} | {min(of)} | {max(of)} |")
open("report.md", "w").write("\\n".join(lines))
""",
    "pdf": """
from reportlab.pdfgen.canvas import Canvas
canvas = Canvas("report.pdf")
for number, line in enumerate(open("report.md")):
    canvas.drawString(40, 800 - 14 * number, line.strip())
canvas.save()
""",
    "compress": """
import gzip, shutil, sys
with open(sys.argv[1], "rb") as source, gzip.open("day.csv.gz", "wb") as target:
    shutil.copyfileobj(source, target)
""",
    "encrypt": """
import os
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
nonce = os.urandom(12)
open("day.enc", "wb").write(nonce + AESGCM(bytes(32)).encrypt(nonce, open("day.csv.gz", "rb").read(), None))
""",
    "put": """
import os, shutil
for name in ("here", "there"):
    os.makedirs(name, exist_ok=True)
    shutil.copy("day.enc", name)
""",
    "verify": """
import gzip, hashlib, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
wanted = hashlib.sha256(open(sys.argv[1], "rb").read()).digest()
for name in ("here", "there"):
    data = open(f"{name}/day.enc", "rb").read()
    plain = gzip.decompress(AESGCM(bytes(32)).decrypt(data[:12], data[12:], None))
    assert hashlib.sha256(plain).digest() == wanted
""",
}


def children_cpu() -> float:
    """Processor seconds of every process that we have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def script_day(source: Path, folder: Path) -> dict[str, float]:
    """Seconds by step, and of the processor under ``cpu``."""
    folder.mkdir(parents=True)
    seconds, cpu = {}, children_cpu()
    for name, code in _SCRIPTS.items():
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, source], cwd=folder, check=True)  # noqa: S603 - our own
        seconds[name] = time.perf_counter() - started
    return {**seconds, "cpu": children_cpu() - cpu}


def scripts_at_once(source: Path, folder: Path) -> float:
    """Seconds a day of the scripts where every core is at work on a day of its own."""
    cores = os.cpu_count() or 1
    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda number: script_day(source, folder / str(number)), range(cores)))
    return (time.perf_counter() - started) / cores


def resident_mb(pid: int) -> float:
    """Memory of a process and its children, MB; 0 of one that is gone."""
    try:
        _, _, resident = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = int(resident.split()[0]) / 1e3 if resident else 0.0
    return own + sum(resident_mb(int(child)) for child in children)


def backfill(arguments: list[str]) -> tuple[dict[str, object], float, float]:
    """What `lumen backfill --json` says, the seconds of the whole command, and the peak memory of all processes, MB."""
    started, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "lumen_assets.cli", "backfill", "--json", *arguments]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)  # noqa: S603 - our own
        while process.poll() is None:
            peak = max(peak, resident_mb(process.pid))
            time.sleep(0.2)
        seconds = time.perf_counter() - started
        output.seek(0)
        said = json.load(output)
    if process.returncode:
        raise SystemExit(f"lumen backfill failed: {said}")
    return said, seconds, peak


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="lumen backfill against plain scripts")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--script-days", type=int, default=6)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--ui", action="store_true", help="also a backfill of the same days from the UI")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lumen-backfill-") as name:
        root = Path(name)
        first = yesterday() - timedelta(days=asked.days - 1)
        (root / "lumen.yaml").write_text(_CONFIGURATION.format(first=first))
        os.environ |= {
            "LUMEN_HOME": str(root / "home"),
            "LUMEN_DATA_ROOT": str(root / "data"),
            "LUMEN_CONFIG": str(root / "lumen.yaml"),
            "LUMEN_ARCHIVE_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  # 0 to 31: no secret
        }
        demo = [sys.executable, "-m", "lumen_assets.cli", "demo", "--days", str(asked.days), "--rate", str(asked.rate)]
        subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        workspace = Workspace(load_settings())
        path = workspace.settings.configuration.sources.telemetry.path

        def scripts(numbers: range) -> list[dict[str, float]]:
            days = [first + timedelta(days=number) for number in numbers]
            sources = [workspace.inputs.cut(day).folder / path for day in days]
            return [script_day(source, root / "scripts" / str(day)) for day, source in zip(days, sources, strict=True)]

        half = asked.script_days // 2
        before = scripts(range(half))
        cpu = children_cpu()
        said, seconds, peak = backfill(["--workers", str(asked.workers)] if asked.workers else [])
        cpu = children_cpu() - cpu
        ui_seconds = None
        if asked.ui:
            os.environ["LUMEN_HOME"] = str(root / "home-of-ui")
            days = [first + timedelta(days=number) for number in range(asked.days)]
            ui_seconds = ui_backfill(days, _free_port(), root / "ui.log")
        after = scripts(range(half, asked.script_days))
        at_once = scripts_at_once(workspace.inputs.cut(first).folder / path, root / "at-once")
    report(before + after, at_once, said, asked.days, seconds, cpu, peak, ui_seconds)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def report(
    scripts: list[dict[str, float]],
    at_once: float,
    said: dict[str, object],
    days: int,
    seconds: float,
    cpu: float,
    peak: float,
    ui_seconds: float | None,
) -> None:
    """Print the table; processor seconds are what a machine busy with other work distorts least."""
    median = {name: statistics.median(day[name] for day in scripts) for name in scripts[0]}
    script_cpu = median.pop("cpu")
    script = sum(median.values())
    ours, ours_cpu = seconds / days, cpu / days
    print(f"{days} days, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| | seconds a day | days/min | processor seconds a day |\n|---|---:|---:|---:|")
    print(f"| plain scripts, medians of {len(scripts)} days | {script:.2f} | {60 / script:.1f} | {script_cpu:.2f} |")
    print(f"| the same, one a core at once | {at_once:.2f} | {60 / at_once:.1f} | |")
    print(f"| `lumen backfill`, its start included | {ours:.2f} | {60 / ours:.1f} | {ours_cpu:.2f} |")
    if ui_seconds is not None:
        ui = ui_seconds / days
        print(f"| a backfill from the UI | {ui:.2f} | {60 / ui:.1f} | |")
        print(f"\nratio of the UI's {script / ui:.1f}")
    print(f"\nratio {script / ours:.1f}, of processor seconds {script_cpu / ours_cpu:.1f}; peak memory {peak:.0f} MB")
    print(
        f"all cores are worth {script / at_once:.2f} of one; ratio to the scripts on all of them {at_once / ours:.1f}"
    )
    print(f"`lumen backfill` says {said['days_per_minute']} days/min")
    print("scripts: " + ", ".join(f"{name} {value:.2f} s" for name, value in median.items()))


if __name__ == "__main__":
    main()
