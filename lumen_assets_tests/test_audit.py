"""``make audit`` asks about each package of what is delivered, and fails for a finding and where nobody answers."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from lumen_assets_tests.alerting.receiver import Received, Say, Server, server
from lumen_assets_tests.targets import ROOT, make

DELIVERED = [ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "fleet")]


def audit(service: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    """The target, with advisories from our service in the place of PyPI's."""
    asked = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": f"{service.url}/v1/query"}
    return make("audit", environment={"HOME": str(folder), **asked})


def locked() -> set[tuple[str, str]]:
    """Name and version of what the locks have for this system."""
    text = "".join(path.read_text() for path in DELIVERED)
    return set(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+) \\$", text, re.MULTILINE))


def test_every_package_is_asked_about(tmp_path: Path) -> None:
    with server() as service:
        service.say = Say(body=b"{}")
        done = audit(service, tmp_path)
        asked = [json.loads(request.body) for request in service.received]
    assert done.returncode == 0, done.stdout + done.stderr
    assert locked() <= {(one["package"]["name"], one["version"]) for one in asked}


@pytest.mark.parametrize("answer", ["a finding", "no answer"])
def test_a_finding_fails_it_and_so_does_what_cannot_be_looked_up(tmp_path: Path, answer: str) -> None:
    finding = {
        "id": "PYSEC-2026-1",
        "affected": [
            {
                "package": {"name": "dagster", "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
            }
        ],
    }

    def say(request: Received) -> Say:
        if json.loads(request.body)["package"]["name"] != "dagster":
            return Say(body=b"{}")
        return Say(503) if answer == "no answer" else Say(body=json.dumps({"vulns": [finding]}).encode())

    with server() as service:
        service.say = say
        done = audit(service, tmp_path)
    assert done.returncode != 0
    assert answer == "no answer" or "PYSEC-2026-1" in done.stdout
