"""Throughput and memory of a put to S3 against `aws s3 cp`, in the same run.

    .venv/bin/python -m benchmarks.s3_throughput [--mib 512] [--rounds 5]

A SeaweedFS server on loopback takes turns with both, round by round, each in a process of its own: what the machine
does besides hits both. The AWS CLI pins botocore, so it gets a virtual environment of its own. Time is that of
the transfer with the start of the process, memory the most that the process held.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from lumen_assets.archive import digest_file
from lumen_assets_tests.replication.seaweedfs import S3Server, running_seaweedfs

_OURS = """
import sys, time
from pathlib import Path
from lumen_assets.archive import Digests
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import S3Destination
source, bucket, key, endpoint, sessions, *digests = sys.argv[1:]
destination = S3Destination(type="s3", bucket=bucket, endpoint_url=endpoint, path_style=True)
store = S3Store("cloud", destination, UploadSessions(Path(sessions)))
receipt = store.put(key, Path(source), Digests(int(digests[0]), *digests[1:]))
assert receipt.created
"""


@dataclass
class Measured:
    """One transfer."""

    seconds: float
    memory_mib: float


def measured(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a command to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own commands
    memory, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        _, _, high_water = status.read_text().partition("VmHWM:")  # getrusage would count what we held when we forked
        memory = max(memory, int(high_water.split()[0]) if high_water else 0)
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    return Measured(seconds, memory / 1024)


def aws_cli(folder: Path) -> Path:
    """The AWS CLI, installed into a virtual environment in ``folder``."""
    program = folder / "bin" / "aws"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "awscli"], check=True)  # noqa: S603
    return program


def clear(server: S3Server, bucket: str) -> None:
    """Delete what is in the bucket, so that the disk does not fill."""
    client = server.client()
    for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        client.delete_object(Bucket=bucket, Key=entry["Key"])


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="put to S3 against `aws s3 cp`")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--awscli", type=Path, default=Path(tempfile.gettempdir()) / "lumen-benchmark-awscli")
    asked = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="lumen-s3-throughput-"))
    try:
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(asked.mib):
                file.write(os.urandom(1 << 20))
        digests = [str(value) for value in vars(digest_file(source)).values()]
        program = aws_cli(asked.awscli)
        with running_seaweedfs(folder / "seaweedfs") as server:
            bucket = server.new_bucket()
            environment = {**os.environ, **server.environment()}
            results: dict[str, list[Measured]] = {"lumen": [], "aws s3 cp": []}
            for number in range(asked.rounds + 1):  # the first round warms up and is not counted
                ours = [sys.executable, "-c", _OURS, str(source), bucket, f"ours-{number}", server.endpoint_url]
                turns = {
                    "lumen": [*ours, str(folder / "sessions"), *digests],
                    "aws s3 cp": [
                        *(str(program), "--endpoint-url", server.endpoint_url, "s3", "cp", "--only-show-errors"),
                        *(str(source), f"s3://{bucket}/aws-{number}"),
                    ],
                }
                for name in sorted(turns, reverse=number % 2 == 0):
                    result = measured(turns[name], environment)
                    if number:
                        results[name].append(result)
                clear(server, bucket)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(results, asked.mib)


def report(results: dict[str, list[Measured]], mib: int) -> None:
    """Print the table and the ratio of the rounds."""
    print(f"{mib} MiB, {os.cpu_count()} cores, {len(results['lumen'])} rounds\n")
    print("| | MiB/s, median | slowest | fastest | memory, MiB |\n|---|---:|---:|---:|---:|")
    for name, measurements in results.items():
        rates = sorted(mib / one.seconds for one in measurements)
        memory = max(one.memory_mib for one in measurements)
        print(f"| {name} | {statistics.median(rates):.0f} | {rates[0]:.0f} | {rates[-1]:.0f} | {memory:.0f} |")
    pairs = zip(results["lumen"], results["aws s3 cp"], strict=True)
    ratios = sorted(theirs.seconds / ours.seconds for ours, theirs in pairs)
    print(f"\nlumen / aws s3 cp, per round: median {statistics.median(ratios):.2f}, worst {ratios[0]:.2f}")


if __name__ == "__main__":
    main()
