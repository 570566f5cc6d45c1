"""The image: what its Dockerfile promises; in the long campaign, built and run without an engine or a registry."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lumen_assets_tests.containers.dockerfile import DOCKERFILE, REPOSITORY, environment, instructions, last_stage
from lumen_assets_tests.containers.programs import program


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([program("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_is_not_root_and_is_told_what_may_be_written() -> None:
    stage = last_stage()
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", stage["USER"]), "by number: Kubernetes cannot know a name"
    assert stage["VOLUME"] == '["/tmp", "/var/lib/lumen"]'
    assert "HEALTHCHECK" in stage
    assert "ENTRYPOINT" not in stage, "launchers give a run's whole command"
    assert environment()["DAGSTER_DISABLE_TELEMETRY"] == "1", "which would make folders in DAGSTER_HOME"


def test_the_base_is_pinned_and_every_package_too() -> None:
    found = instructions()
    [base, revision] = [rest for word, rest in found if word == "ARG"]
    assert revision == "LUMEN_GIT_REVISION"
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert {rest.split()[0] for word, rest in found if word == "FROM"} == {"${BASE}"}
    installs = [rest for word, rest in found if word == "RUN" and " install " in rest and "pip" in rest]
    assert installs
    assert all("--no-deps" in rest and ("--require-hashes" in rest or rest.endswith(" /src")) for rest in installs)


def test_it_gets_what_it_copies_and_no_more_than_that() -> None:
    allowed = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    for source in copied:
        assert (REPOSITORY / source).exists(), source
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == copied


def test_it_has_what_every_launcher_needs() -> None:
    lock = (REPOSITORY / "requirements" / "fleet.txt").read_text()
    for package in ("dagster-celery==", "dagster-k8s==", "dagster-aws==", "dagster-postgres==", "redis=="):
        assert f"\n{package}" in lock, package


@dataclass(frozen=True)
class Image:
    """A built one, its files laid out.

    Attributes:
        root: its root file system.
        home: what is mounted at ``/var/lib/lumen``, the volume.
    """

    root: Path
    home: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """As its user, on its root file system, read only, without network, capabilities or a way to new privileges."""
        stage = last_stage()
        user, group = stage["USER"].split(":")
        given = environment()
        path = given.pop("PATH").replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
        variables = [word for name, value in given.items() for word in ("--setenv", name, value)]
        needed = [word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
        confined = [
            "bwrap", "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev",
            "--perms", "1777", "--tmpfs", "/tmp", "--bind", str(self.home), "/var/lib/lumen",  # noqa: S108
            "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--die-with-parent", "--new-session",
            "--clearenv", "--setenv", "PATH", path, *variables, "--chdir", stage["WORKDIR"], *needed,
            "setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs", "--inh-caps=-all",
            "--bounding-set=-all", "--",
        ]  # fmt: skip
        return subprocess.run([*confined, *command], capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built on a base made of Debian's packages, in the place of the one that the Dockerfile names."""
    if os.getuid() != 0:
        pytest.skip("debootstrap and buildah's chroot need root")
    folder = tmp_path_factory.mktemp("image")
    packages = "ca-certificates,netbase,python-is-python3,python3-pip,python3-venv,tzdata"
    quietly(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(folder / "base")])
    for left_over in ("var/cache/apt", "var/lib/apt/lists"):
        subprocess.run(["rm", "-rf", str(folder / "base" / left_over)], check=True)
    quietly(["tar", "-C", str(folder / "base"), "-cf", str(folder / "base.tar"), "."])
    buildah = ["buildah", "--storage-driver", "vfs", "--root", str(folder / "store"), "--runroot", str(folder / "run")]
    base = quietly([*buildah, "from", "scratch"])
    quietly([*buildah, "add", base, str(folder / "base.tar"), "/"])
    quietly([*buildah, "commit", "--format", "docker", base, "localhost/base"])
    quietly(
        [*buildah, "build", "--isolation", "chroot", "--format", "docker", "--pull-never",
         "--build-arg", "BASE=localhost/base", "--build-arg", "LUMEN_GIT_REVISION=c0ffee",
         "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro",
         "--tag", "localhost/lumen", str(REPOSITORY)]
    )  # fmt: skip
    for name in ("base", "lumen"):
        size = quietly([*buildah, "images", "--format", "{{.Size}}", f"localhost/{name}"])
        quietly([*buildah, "push", f"localhost/{name}", f"oci-archive:{folder / name}.tar"])
        print(f"{name}: {size}, {(folder / f'{name}.tar').stat().st_size / 1e6:.0f} MB compressed")
    container = quietly([*buildah, "from", "--pull-never", "localhost/lumen"])
    home = folder / "home"
    home.mkdir()
    user, group = map(int, last_stage()["USER"].split(":"))
    os.chown(home, user, group)
    try:
        yield Image(Path(quietly([*buildah, "mount", container])), home)
    finally:
        quietly([*buildah, "rm", "--all"])
        quietly([*buildah, "rmi", "--all", "--force"])


def quietly(command: list[str]) -> str:
    """What it printed last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.strip().rpartition("\n")[2]


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_it_runs_a_day_as_nobody_special_on_a_root_that_is_read_only(image: Image) -> None:
    who = image.run("sh", "-c", "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; touch /opt/x")
    assert who.stdout.split() == ["10001", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    assert "Read-only file system" in who.stderr
    began = time.monotonic()
    assert "(git revision c0ffee)" in image.run("lumen", "--version").stdout
    print(f"lumen --version: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    day = image.run("lumen", "daily")
    assert day.returncode == 0, day.stdout + day.stderr
    assert "2 of 2 (2 required)" in day.stdout
    print(f"lumen daily, a first sample day of 432,000 rows: {time.monotonic() - began:.1f} s")
    assert image.run("lumen", "healthcheck").returncode == 0
    assert image.run("lumen", "status", "--json").returncode == 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_it_has_every_server(image: Image) -> None:
    for command in ("dagster", "dagster-daemon", "dagster-webserver", "celery"):
        found = image.run(command, "--version")
        assert found.returncode == 0, found.stderr
    modules = "lumen_assets.defs.celery_workers, lumen_assets.defs.shared_storage, dagster_k8s, dagster_aws.ecs"
    found = image.run("python", "-c", f"import {modules}, sys; print(sys.prefix)")
    assert (found.returncode, found.stdout.strip()) == (0, "/opt/lumen"), found.stderr
    assert not image.run("python", "-m", "pip", "--version").stdout, "what installed it stays behind"
