"""A real Prometheus on loopback, of the Debian package ``prometheus``, with a past day in it where wanted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from lumen_assets_tests.alerting.authority import Authority
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.waiting import until

USER, PASSWORD = "lumen", "lumen-test-password"
_BCRYPT = "$2b$04$abcdefghijklmnopqrstuuSqXk5Ghp0xLcsDQNd9w7xMunwi5AMWq"  # of PASSWORD


@dataclass(frozen=True)
class Running:
    """A server; ``ca_file`` where it speaks TLS."""

    url: str
    ca_file: Path | None
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """As an operator does: it writes down what it has."""
        self.process.terminate()
        self.process.wait(30)


def fill(data: Path, samples: Iterable[str]) -> None:
    """Put samples, lines of OpenMetrics with timestamps, in a new server's folder."""
    data.mkdir(parents=True)
    text = data.parent / "samples.om"
    text.write_text("".join(f"{line}\n" for line in [*samples, "# EOF"]), encoding="utf-8")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(text), str(data)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@contextmanager
def running_prometheus(
    data: Path,
    *options: str,
    keeps: str = "100y",
    port: int | None = None,
    scraped: Sequence[int] = (),
    authority: Authority | None = None,
) -> Iterator[Running]:
    """A server on what is in ``data``.

    Args:
        options: further ones of the command line.
        keeps: how long it keeps data, counted from the newest.
        port: where it listens; default: a free one.
        scraped: ports of targets that are scraped five times a second, besides itself; none: nothing is.
        authority: speak TLS, with a certificate of it, and ask for ``USER`` and ``PASSWORD``.
    """
    port = port or free_ports(1)[0]
    folder = data.parent / f"server-{port}"
    folder.mkdir(exist_ok=True)
    targets = [f"127.0.0.1:{number}" for number in (port, *scraped)] if scraped else []
    configuration = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [{"job_name": "lumen", "static_configs": [{"targets": targets}]}] if targets else [],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={keeps}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        *options,
    ]  # fmt: skip
    scheme = "http"
    if authority:
        authority.server_context("127.0.0.1")
        certificate = str(authority.ca.with_name("127.0.0.1.pem"))
        web = {
            "tls_server_config": {"cert_file": certificate, "key_file": certificate},
            "basic_auth_users": {USER: _BCRYPT},
        }
        (folder / "web.yml").write_text(json.dumps(web))
        command.append(f"--web.config.file={folder}/web.yml")
        scheme = "https"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    running = Running(f"{scheme}://127.0.0.1:{port}", authority.ca if authority else None, process)
    try:
        until(lambda: _is_ready(running, folder / "log"), "Prometheus", 60)
        yield running
    finally:
        process.kill()
        process.wait()


def _is_ready(running: Running, log: Path) -> bool:
    assert running.process.poll() is None, log.read_text(errors="replace")[-2000:]
    try:
        verify = str(running.ca_file) if running.ca_file else True
        return requests.get(f"{running.url}/-/ready", auth=(USER, PASSWORD), timeout=5, verify=verify).ok
    except requests.RequestException:
        return False
