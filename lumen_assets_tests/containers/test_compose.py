"""``deploy/compose``: valid, hardened, and with a proxy that lets nobody in without a password."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from lumen_assets.environment import ENVIRONMENT, FOREIGN_SECRETS, SECRETS
from lumen_assets_tests.containers.composed import COMPOSE, Composed, composed, read_compose
from lumen_assets_tests.containers.dockerfile import REPOSITORY
from lumen_assets_tests.waiting import until

OURS = ("code", "daemon", "webserver", "worker")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def document() -> Any:
    return read_compose(LUMEN_DATA="/data")


@pytest.mark.parametrize("file", ["compose.yaml", "compose.override.example.yaml"])
def test_the_files_are_valid(file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_has_what_it_should(document: Any) -> None:
    assert document["services"].keys() == {"postgres", "redis", "proxy", *OURS}
    with pytest.raises(KeyError):  # where the inputs are must be said
        read_compose()


def test_every_container_is_hardened(document: Any) -> None:
    for name, service in document["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["user"].partition(":")[0]) > 0, name
        assert any(place.startswith("/tmp:size=") for place in service["tmpfs"]), name  # noqa: S108
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name


def test_ours_are_one_image_and_the_others_are_pinned_by_digest(document: Any) -> None:
    services = document["services"]
    assert {services[name]["image"] for name in OURS} == {"lumen-assets"}
    assert {(COMPOSE / services[name]["build"]["context"]).resolve() for name in OURS} == {REPOSITORY}
    for name in services.keys() - set(OURS):
        assert re.fullmatch(r"docker\.io/[\w/-]+:[\w.-]+@sha256:[0-9a-f]{64}", services[name]["image"]), name


def test_the_image_is_told_its_commit() -> None:
    built = read_compose(LUMEN_DATA="/data", LUMEN_GIT_REVISION="c0ffee")["services"]["code"]["build"]
    assert built["args"] == {"LUMEN_GIT_REVISION": "c0ffee"}


def test_what_can_be_written_is_named(document: Any) -> None:
    for name in OURS:
        volumes = document["services"][name].get("volumes", [])
        writable = {volume["target"] for volume in volumes if not volume.get("read_only")}
        assert writable <= {"/var/lib/lumen"}, name


def test_each_waits_until_what_it_needs_is_healthy(document: Any) -> None:
    for name, service in document["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", (name, needed)


def test_only_the_proxy_can_be_reached_and_only_from_this_machine(document: Any) -> None:
    services = document["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert {port["host_ip"] for port in services["proxy"]["ports"]} == {"127.0.0.1"}
    assert {name for name, service in services.items() if "front" in service["networks"]} == {"webserver", "proxy"}
    assert not set(services["proxy"]["networks"]) & {"inside", "outside"}
    networks = document["networks"]
    assert [name for name, network in networks.items() if network.get("internal")] == ["inside", "front"]


def test_secrets_are_given_as_files_and_only_to_those_that_need_them(document: Any) -> None:
    services = document["services"] | read_compose("compose.override.example.yaml")["services"]
    known = {f"{name}_FILE" for name in SECRETS} | {"POSTGRES_PASSWORD_FILE", "AWS_SHARED_CREDENTIALS_FILE"}
    for name, service in services.items():
        environment = service.get("environment", {})
        assert not environment.keys() & {*SECRETS, *FOREIGN_SECRETS}, name
        files = {variable: value for variable, value in environment.items() if value.startswith("/run/secrets/")}
        assert files.keys() <= known, name
        assert {value.rpartition("/")[2] for value in files.values()} <= set(service["secrets"]), name
        others = environment.keys() - files.keys() - {"POSTGRES_USER", "POSTGRES_DB", "PYTHONPATH"}
        assert others <= ENVIRONMENT.keys(), name
    for name in ("daemon", "webserver"):  # they run no code of ours
        assert set(document["services"][name]["secrets"]) == {"LUMEN_STATE_URL", "LUMEN_REDIS_URL"}
    assert document["services"]["proxy"]["secrets"] == ["htpasswd"]


def test_the_script_makes_every_secret_once(document: Any) -> None:
    with composed() as services:
        folder = services.root / "compose" / "secrets"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        made = {path.name: path.read_text() for path in folder.iterdir()}
        assert made.keys() == {*document["secrets"], "ui_password"}
        assert all(text.strip() for text in made.values())
        (folder / "htpasswd").unlink()
        again = subprocess.run([folder.parent / "make-secrets"], check=True, capture_output=True, text=True)
        assert {path.name: path.read_text() for path in folder.iterdir()} == made | {
            "htpasswd": (folder / "htpasswd").read_text()
        }
        said = again.stdout + again.stderr
        assert not [name for name, text in made.items() if text.strip() in said]


GOT: list[set[str]] = []
"""The names of the headers of each request that came through."""


class Upstream(BaseHTTPRequestHandler):
    """Where the webserver would be."""

    def do_GET(self) -> None:
        GOT.append(set(self.headers))
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def proxy() -> Iterator[Composed]:
    with composed() as services:
        del services.document["services"]["proxy"]["depends_on"]
        upstream = ThreadingHTTPServer(("127.0.0.1", services.ports[3000]), Upstream)
        thread = threading.Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        try:
            services.start("proxy")
            yield services
        finally:
            upstream.shutdown()
            upstream.server_close()
            thread.join()


@pytest.mark.parametrize("path", ["/", "/graphql", "/graphql?query={version}", "/logs/x", "/notebook", "/server_info"])
@pytest.mark.parametrize("login", [None, ("lumen", "wrong"), ("lumen", ""), ("root", "secret")])
def test_nobody_is_let_in_without_the_password(proxy: Composed, path: str, login: tuple[str, str] | None) -> None:
    before = len(GOT)
    for method in ("GET", "POST", "HEAD"):
        answer = requests.request(method, f"{proxy.url}{path}", auth=login, timeout=10)
        assert answer.status_code == 401, method
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Lumen Assets"'
    assert len(GOT) == before, "and nothing of it gets through"


def test_neither_is_a_websocket(proxy: Composed) -> None:
    before = len(GOT)
    connection = HTTPConnection("127.0.0.1", proxy.ports[8080], timeout=10)
    connection.request("GET", "/graphql", headers={**UPGRADE, "Sec-WebSocket-Protocol": "graphql-ws"})
    assert connection.getresponse().status == 401
    connection.close()
    assert len(GOT) == before


def test_who_has_the_password_gets_through_and_it_goes_no_further(proxy: Composed) -> None:
    answer = requests.post(f"{proxy.url}/graphql", json={"query": "{ version }"}, auth=proxy.login, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Authorization" not in GOT[-1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://{host}"}, 200),
        ({"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "http://{host}.elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_another_page_cannot_use_the_password_that_a_browser_keeps(
    proxy: Composed, headers: dict[str, str], status: int
) -> None:
    host = f"127.0.0.1:{proxy.ports[8080]}"
    sent = {name: value.format(host=host) for name, value in headers.items()}
    for method in ("GET", "POST"):
        answer = requests.request(method, f"{proxy.url}/graphql", auth=proxy.login, headers=sent, timeout=10)
        assert answer.status_code == status, method


def test_a_link_from_elsewhere_opens_the_ui(proxy: Composed) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert requests.get(f"{proxy.url}/runs", auth=proxy.login, headers=headers, timeout=10).status_code == 200


def test_the_proxy_writes_no_password(proxy: Composed) -> None:
    def log() -> str:
        return (proxy.logs / "proxy.log").read_text()

    requests.get(f"{proxy.url}/in-the-log", auth=proxy.login, timeout=10)
    until(lambda: "GET /in-the-log" in log(), "the request to be logged")  # nginx does so after it has answered
    assert proxy.login[1] not in log()


def test_the_page_names_every_part(document: Any) -> None:
    page = (COMPOSE / "README.md").read_text()
    for name in (*document["services"], *document["secrets"], "ui_password"):
        assert f"`{name}`" in page, name
    named = set(re.findall(r"\$\{(\w+):", Path(COMPOSE / "compose.yaml").read_text()))
    assert all(f"`{name}`" in page for name in named)
