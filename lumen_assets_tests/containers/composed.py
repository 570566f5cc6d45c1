"""``deploy/compose`` without containers: each service a process of this machine, by what ``compose.yaml`` itself says.

What a container has of its own is moved: its paths below one folder, its names and ports to free ones of loopback.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lumen_assets_tests.containers.dockerfile import REPOSITORY, environment
from lumen_assets_tests.ports import free_ports
from lumen_assets_tests.postgres import running_postgres

COMPOSE = REPOSITORY / "deploy" / "compose"
PORTS = (3000, 4000, 5432, 6379, 8080)
_PATHS = r"/(?:etc/lumen|run/secrets|var/lib/lumen|opt/lumen-celery|data|tmp)(?=[/\s;\"'),]|$)"
_MOVED = re.compile(
    rf"(?P<path>(?<![\w/.]){_PATHS})"
    r"|(?P<name>\b(?:postgres|redis|code|webserver)\b(?=:\d)|(?<=host: )code\b|\b0\.0\.0\.0\b)"
    rf"|(?P<listen>listen )?\b(?P<port>{'|'.join(map(str, PORTS))})\b"
)


def read_compose(file: str = "compose.yaml", **variables: str) -> Any:
    """One of the files, as Compose reads it: variables put in, ``$$`` a dollar.

    Raises:
        KeyError: a variable that must be given is not.
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables[found[1]] if found[2] == "?" else variables.get(found[1], found[3])

    text = re.sub(r"\$\$|\$\{(\w+):([-?])([^}]*)\}", value, (COMPOSE / file).read_text())
    return yaml.safe_load(text)


@dataclass
class Composed:
    """The services of ``compose.yaml`` on this machine.

    Attributes:
        root: the folder that all containers' paths are below.
        document: the file, with the override merged in.
        ports: those of this machine, by those in the file.
    """

    root: Path
    document: dict[str, Any]
    ports: Mapping[int, int]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The proxy's, as a browser would open it."""
        return f"http://127.0.0.1:{self.ports[8080]}"

    @property
    def login(self) -> tuple[str, str]:
        """User and password."""
        return "lumen", self.secret("ui_password")

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def path(self, inside: str) -> Path:
        """Where a container's path is."""
        return self.root / inside.lstrip("/")

    def secret(self, name: str) -> str:
        return (self.root / "compose" / "secrets" / name).read_text().strip()

    def moved(self, text: str) -> str:
        """A text of the file, or of one that it mounts, with all that is moved."""

        def place(found: re.Match[str]) -> str:
            if found["path"]:
                return str(self.path(found["path"]))
            if found["name"]:
                return "127.0.0.1"
            port = str(self.ports[int(found["port"])])
            return f"listen 127.0.0.1:{port}" if found["listen"] else port

        return _MOVED.sub(place, text)

    def lay_out(self) -> None:
        """Every configuration and every secret where its containers have it."""
        settings = self.document["configs"]
        for service in self.document["services"].values():
            for mounted in service.get("configs", ()):
                target = self.path(mounted["target"])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self.moved((COMPOSE / settings[mounted["source"]]["file"]).read_text()))
            for name in service.get("secrets", ()):
                target = self.path(f"/run/secrets/{name}")
                target.parent.mkdir(parents=True, exist_ok=True)
                text = (self.root / "compose" / self.document["secrets"][name]["file"]).read_text()
                target.write_text(self.moved(text) if "://" in text else text)
        for folder in ("/tmp", "/data", "/var/lib/lumen", "/opt/lumen-celery"):  # noqa: S108 - moved, too
            self.path(folder).mkdir(parents=True, exist_ok=True)
        self.path("/tmp").chmod(0o1777)  # noqa: S108
        shutil.copy(REPOSITORY / "deploy" / "celery" / "dagster_celery_config.py", self.path("/opt/lumen-celery"))
        self.logs.mkdir()

    def start(self, name: str) -> None:
        """Start a service after those that it depends on, and wait until its own health check says that it is well."""
        service = self.document["services"][name]
        for needed in service.get("depends_on", {}):
            if needed not in self._running and needed != "postgres":
                self.start(needed)
        command = [self.moved(part) for part in (*service.get("entrypoint", ()), *service["command"])]
        log = self.logs / f"{name}.log"
        log.touch()
        log.chmod(0o666)
        as_other: dict[str, Any] = {}
        if os.getuid() == 0 and name == "proxy":  # its workers would be of another user than the files
            as_other = {"user": 65534, "group": 65534, "extra_groups": []}
        with log.open("ab") as output:
            self._running[name] = subprocess.Popen(
                command,
                env=self._environment(service),
                cwd=self.path("/var/lib/lumen"),
                stdout=output,
                stderr=output,
                start_new_session=True,
                **as_other,
            )
        self.wait_until_healthy(name)

    def wait_until_healthy(self, name: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.healthy(name):
            assert self._running[name].poll() is None, (self.logs / f"{name}.log").read_text()
            assert time.monotonic() < deadline, f"{name} is not healthy: {(self.logs / f'{name}.log').read_text()}"
            time.sleep(0.5)

    def healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        service = self.document["services"][name]
        kind, *words = service["healthcheck"]["test"]
        command = [self.moved(word) for word in words]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", *command]
        done = subprocess.run(command, env=self._environment(service), capture_output=True, check=False, timeout=60)
        return done.returncode == 0

    def _environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        """The image's variables and the service's; of this process's only where programs are."""
        given = (environment() if "build" in service else {}) | service.get("environment", {})
        given = {name: self.moved(str(value)) for name, value in given.items() if name != "PATH"}
        python = [given.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH", str(REPOSITORY))]
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(self.path("/var/lib/lumen")),
            "PYTHONPATH": ":".join(filter(None, python)),
            **given,
        }

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()


@contextmanager
def composed(settings: Path | None = None, more_secrets: Mapping[str, str] | None = None) -> Iterator[Composed]:
    """Everything laid out with secrets of its own, and nothing started. All that was started is stopped at the end.

    Args:
        settings: a ``lumen.yaml``; default: the one that ships.
        more_secrets: values for ``compose.override.example.yaml``, which is merged in where there are any.
    """
    root = Path(tempfile.mkdtemp(prefix="lumen-composed-"))  # pytest's folders are closed to the proxy's user
    root.chmod(0o755)
    try:
        variables = {"LUMEN_DATA": "/data"} | ({"LUMEN_SETTINGS": str(settings)} if settings else {})
        document = read_compose(**variables)
        (root / "compose").mkdir()
        shutil.copy(COMPOSE / "make-secrets", root / "compose")
        subprocess.run([root / "compose" / "make-secrets"], check=True, capture_output=True)
        if more_secrets:
            _merge(document, read_compose("compose.override.example.yaml"))
            for name, value in more_secrets.items():
                (root / "compose" / "secrets" / name).write_text(value)
        services = Composed(root, document, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
        services.lay_out()
        try:
            yield services
        finally:
            services.stop()
    finally:
        shutil.rmtree(root)


def _merge(document: dict[str, Any], override: Mapping[str, Any]) -> None:
    """As Compose does it, for what the override has."""
    document["secrets"] |= override["secrets"]
    for name, more in override["services"].items():
        service = document["services"][name]
        service["environment"] = service["environment"] | more["environment"]
        service["secrets"] = service["secrets"] + more["secrets"]


@contextmanager
def composed_postgres(services: Composed) -> Iterator[None]:
    """The service ``postgres``: Debian's server, with the user, password and database that the file gives it."""
    service = services.document["services"]["postgres"]
    given = service["environment"]
    password = services.path(given["POSTGRES_PASSWORD_FILE"]).read_text().strip()
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres(services.ports[5432], password))
        assert server.user == given["POSTGRES_USER"]
        server.new_database(given["POSTGRES_DB"])
        assert services.healthy("postgres")
        yield
