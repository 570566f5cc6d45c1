"""`lumen archive` against `tar | zstd`, age, borg and restic, in the same run.

    .venv/bin/python -m benchmarks.archive [--rounds 5] [--folder /dev/shm] [--large GB]

About 1.09 GB of CSV, JSONL and incompressible files in turn, made the same every time. In every round each program does
everything once, each time in a new process and from nothing: what the machine does besides hits all of them. A folder
in memory leaves the disk out of it. Peers compress with Zstandard 3, restic with the level that it has; ours with its
default, which is 1 (decision 14), and once more with 3. Then small
files are read alone out of an archive of about 500 MB, on this machine and from a SeaweedFS server. With ``--large``,
memory on so many GB as well: the same files under many names.

It needs the Debian packages age, borgbackup, restic and zstd, and says which are missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from lumen_assets.archive import FileRange, Key, RangedReader, create_archive, digest_file, extract_paths, verify_stream
from lumen_assets.archive.payload import members_of
from lumen_assets.archive.stream import ReadableStream
from lumen_assets.replication.restore import StoreRange
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import S3Destination
from lumen_assets_tests.replication.seaweedfs import running_seaweedfs

PACKAGES: Final = {"age": "age", "borg": "borgbackup", "restic": "restic", "zstd": "zstd"}
GROUPS: Final = 10
ROWS: Final = 745_000
EVENTS: Final = ("lock", "unlock", "calibrate", "alarm", "note of an operator")
SMALL: Final = 200_000
"""Bytes of a file that is read alone."""
SMALL_FILES: Final = 500
KEY: Final = Key(bytes(range(32)))
BOUND_TO: Final = b"lumen-archive/v1|"


@dataclass(frozen=True)
class Measured:
    """One run of a command: seconds, processor seconds, and the memory of its processes at their peaks, MB."""

    seconds: float
    cpu: float
    memory: float


@dataclass
class Program:
    """A row of the tables: what the shell is told for each thing that is done."""

    name: str
    create: str
    verify: str = ""
    restore: str = ""
    before: str = ""
    output: str = "a"
    size: int = 0
    measured: dict[str, list[Measured]] = field(default_factory=dict)


WHAT: Final = ("create", "verify", "restore")
LUMEN: Final = f"{sys.executable} -m lumen_assets.cli archive"
PROGRAMS: Final = (
    Program("tar, zstd", "tar -C $DATA -c . | zstd -q -3 -T2 > /dev/null"),
    Program(
        "tar, zstd, age",
        "tar -C $DATA -c . | zstd -q -3 -T2 | age -r $RECIPIENT > a",
        verify="age -d -i $IDENTITY a | zstd -q -d | tar -t > /dev/null",
        restore="mkdir out && age -d -i $IDENTITY a | zstd -q -d | tar -x -C out",
    ),
    Program(
        "lumen",
        f"{LUMEN} create $DATA --output a --json > /dev/null",
        verify=f"{LUMEN} verify a --json > /dev/null",
        restore=f"{LUMEN} extract a --to out --json > /dev/null",
    ),
    Program("lumen at level 3", f"{LUMEN} create $DATA --level 3 --output a --json > /dev/null"),
    Program(
        "borg",
        "repo=$PWD/a && cd $DATA && borg create --compression zstd,3 $repo::a .",
        verify="borg check --verify-data a",
        restore="mkdir out && cd out && borg extract ../a::a",
        before="borg init --encryption repokey-blake2 a 2> /dev/null",
    ),
    Program(
        "restic",
        "restic -q -r a backup $DATA",
        verify="restic -q -r a check --read-data",
        restore="restic -q -r a restore latest --target out",
        before="restic -q -r a init",
    ),
)


def require_packages() -> None:
    """Stop where a peer is missing."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        raise SystemExit(f"missing, by their Debian package names: {' '.join(missing)}")


def make_data(folder: Path) -> None:
    """Write the files."""
    random = np.random.default_rng(7)
    first = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1e6)
    for number in range(GROUPS):
        group = folder / f"{number:02}"
        group.mkdir(parents=True)
        ts = pl.Series("ts", first + 200_000 * np.arange(ROWS)).cast(pl.Datetime("us"))
        walks = [pl.Series(name, _walk(random)) for name in ("phase", "gain", "drift", "power", "noise", "temperature")]
        rows = pl.DataFrame([ts.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"), *walks])
        rows.write_csv(group / "metrics.csv")
        events = rows.head(ROWS // 3).with_columns(event=pl.Series(random.choice(EVENTS, ROWS // 3)))
        events.write_ndjson(group / "events.jsonl")
        (group / "frames.bin").write_bytes(random.bytes(19_000_000))


def _walk(random: np.random.Generator) -> np.ndarray:
    return np.round(np.cumsum(random.normal(0, 0.01, ROWS)), 4)


def bytes_below(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def environment_in(root: Path) -> dict[str, str]:
    """Keys, passwords and caches of all programs."""
    identity = root / "identity"
    age_keygen = shutil.which("age-keygen") or "age-keygen"
    subprocess.run([age_keygen, "-o", identity], check=True, stderr=subprocess.DEVNULL)  # noqa: S603
    recipient = subprocess.run([age_keygen, "-y", identity], check=True, capture_output=True, text=True)  # noqa: S603
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",  # what is installed has its bytecode
        "HOME": str(root),
        "XDG_CACHE_HOME": str(root / "cache"),
        "DATA": str(root / "data"),
        "IDENTITY": str(identity),
        "RECIPIENT": recipient.stdout.strip(),
        "LUMEN_ARCHIVE_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",  # 0 to 31: no secret
        "BORG_PASSPHRASE": "no secret",
        "RESTIC_PASSWORD": "no secret",
    }


def run(command: str, folder: Path, environment: dict[str, str]) -> Measured:
    """Run a shell command to its end."""
    started = time.perf_counter()
    shell = ["/bin/bash", "-o", "pipefail", "-ec", command]
    process = subprocess.Popen(shell, cwd=folder, env=environment)  # noqa: S603 - our own commands
    peaks: dict[int, float] = {}
    while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
        _note_peaks(process.pid, peaks)
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    _, status, usage = found
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {command}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, sum(peaks.values()))


def _note_peaks(pid: int, peaks: dict[int, float]) -> None:
    """The most memory that a process and those below it have held, MB, by process."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    if found:
        peaks[pid] = int(found[1]) * 1024 / 1e6
    for child in children:
        _note_peaks(int(child), peaks)


def run_round(programs: list[Program], root: Path, environment: dict[str, str]) -> None:
    """Each program once, from nothing: all that it does."""
    for program in programs:
        folder = root / "work"
        folder.mkdir()
        if program.before:
            run(program.before, folder, environment)
        for what in WHAT:
            if command := getattr(program, what):
                program.measured.setdefault(what, []).append(run(command, folder, environment))
        program.size = bytes_below(folder / program.output)
        shutil.rmtree(folder)
        shutil.rmtree(root / "cache", ignore_errors=True)


def report(what: str) -> None:
    """Print a table of one thing that is done, with the ratios of ours to the others, round by round."""
    ours = next(program for program in PROGRAMS if program.name == "lumen").measured[what]
    print(f"\n| {what} | seconds | processor seconds | memory, MB | lumen / this, by rounds | of processor seconds |")
    print("|---|---:|---:|---:|---|---|")
    for program in PROGRAMS:
        if not (found := program.measured.get(what)):
            continue
        pairs = list(zip(ours, found, strict=True))
        print(
            f"| {program.name} | {statistics.median(one.seconds for one in found):.2f} "
            f"| {statistics.median(one.cpu for one in found):.2f} | {max(one.memory for one in found):.0f} "
            f"| {_spread([mine.seconds / other.seconds for mine, other in pairs])} "
            f"| {_spread([mine.cpu / other.cpu for mine, other in pairs])} |"
        )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


class Counted:
    """Tells how much is read through it."""

    def __init__(self, source: RangedReader) -> None:
        self._source = source
        self.size = source.size
        self.read: list[int] = []

    def read_at(self, offset: int, length: int) -> bytes:
        """As the source."""
        self.read.append(length)
        return self._source.read_at(offset, length)


def measure_single(root: Path) -> None:
    """Small files, each read alone, against `verify`, in this process."""
    members: dict[str, str | Path] = dict(members_of(root / "data"))
    for number in range(SMALL_FILES):
        path = root / "small" / f"{number:03}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(SMALL))
        members[f"{number % GROUPS:02}/metrics/{path.name}"] = path
    archive = root / "single"
    create_archive(
        members,
        archive,
        key=KEY,
        associated_data=BOUND_TO,
        base_name="bag",
        bag_info={},
        mtime=0,
        level=3,
        threads=0,
    )
    wanted = [path for path in members if "/metrics/" in path][::10]
    size = archive.stat().st_size
    print(f"\nOne of {len(wanted)} files of {SMALL:,} bytes alone, of an archive of {size:,} bytes\n")
    print("| from | verify, s | one file, s, median | slowest | / verify | bytes read, most | reads, most |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with archive.open("rb", buffering=0) as file:
        _compare("a file", lambda: archive.open("rb", buffering=0), FileRange(file), wanted, root)
    with running_seaweedfs(root / "seaweedfs") as server:
        os.environ |= server.environment()
        bucket = server.new_bucket()
        destination = S3Destination(type="s3", bucket=bucket, endpoint_url=server.endpoint_url, path_style=True)
        store = S3Store("cloud", destination, UploadSessions(root / "sessions"))
        store.put("archive", archive, digest_file(archive))
        _compare("S3", lambda: store.read("archive"), StoreRange(store, "archive", size), wanted, root)


def _compare(
    name: str,
    opened: Callable[[], AbstractContextManager[ReadableStream]],
    ranged: RangedReader,
    wanted: list[str],
    root: Path,
) -> None:
    def verify() -> None:
        with opened() as stream:
            verify_stream(stream, key=KEY, associated_data=BOUND_TO)

    whole = min(_seconds(verify) for _ in range(3))
    seconds, amounts, reads = [], [], []
    for path in wanted:
        counted, out = Counted(ranged), root / "alone"
        seconds.append(_seconds(partial(extract_paths, counted, [path], out, key=KEY, associated_data=BOUND_TO)))
        amounts.append(sum(counted.read))
        reads.append(len(counted.read))
        shutil.rmtree(out)
    median = statistics.median(seconds)
    print(
        f"| {name} | {whole:.2f} | {median:.3f} | {max(seconds):.3f} | {median / whole:.3f} "
        f"| {max(amounts):,} | {max(reads)} |"
    )


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure_large(root: Path, environment: dict[str, str], gigabytes: int) -> None:
    """Memory of creating and verifying, on the files once and under many names."""
    print("\n| input, GB | archive, GB | create, s | memory, MB | verify, s | memory, MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    once = bytes_below(root / "data")
    for copies in (1, round(gigabytes * 1e9 / once)):
        many = root / "many"
        for number in range(copies):
            shutil.copytree(root / "data", many / f"{number:03}", copy_function=os.link)
        created = run(f"{LUMEN} create many --output a --json > /dev/null", root, environment)
        verified = run(f"{LUMEN} verify a --json > /dev/null", root, environment)
        print(
            f"| {copies * once / 1e9:.2f} | {(root / 'a').stat().st_size / 1e9:.2f} | {created.seconds:.1f} "
            f"| {created.memory:.0f} | {verified.seconds:.1f} | {verified.memory:.0f} |"
        )
        shutil.rmtree(many)
        (root / "a").unlink()


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description="lumen archive against tar, zstd, age, borg and restic")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="what is written goes there")
    parser.add_argument("--large", type=int, metavar="GB", help="measure memory on so much input as well")
    asked = parser.parse_args()
    require_packages()
    with tempfile.TemporaryDirectory(prefix="lumen-archive-", dir=asked.folder) as name:
        root = Path(name)
        make_data(root / "data")
        environment = environment_in(root)
        programs, loads = list(PROGRAMS), []
        for _ in range(asked.rounds):
            run_round(programs, root, environment)
            loads.append(os.getloadavg()[0])
            programs.append(programs.pop(0))  # nobody always follows the same one
        print(f"{bytes_below(root / 'data'):,} bytes, {os.cpu_count()} cores, {asked.rounds} rounds", end=", ")
        print(f"load {min(loads):.1f} to {max(loads):.1f}")
        for what in WHAT:
            report(what)
        print("\nsizes: " + ", ".join(f"{program.name} {program.size:,}" for program in PROGRAMS if program.size))
        measure_single(root)
        if asked.large:
            measure_large(root, environment, asked.large)


if __name__ == "__main__":
    main()
