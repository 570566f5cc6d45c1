"""Secrets Manager and the Parameter Store on loopback: Moto's server, which enforces users' policies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

from lumen_assets_tests.ports import free_ports

REGION = "ap-northeast-2"
POLICY = json.loads((Path(__file__).parents[2] / "configs" / "iam" / "secrets-read.json").read_text())
ALLOWED = {
    action: statement["Resource"]
    for statement in POLICY["Statement"]
    for action in statement["Action"]
    if not action.startswith("kms:")  # Moto asks for none
}
"""What the policy that ships allows, and on what."""


@dataclass(frozen=True)
class AwsServer:
    """A running server."""

    url: str

    def client(self, service: str) -> Any:
        """A client of somebody who may do everything, as long as policies are not enforced."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="nobody",
            aws_secret_access_key="nobody",  # noqa: S106 - any will do
        )

    def user(self, name: str, actions: Collection[str]) -> dict[str, str]:
        """The environment of somebody who may do these and nothing else, on everything: Moto knows no resources."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            **environment(self.url),
        }

    def enforce(self, *, enforced: bool = True) -> None:
        """From now on users may do what their policies say; or everybody may do everything."""
        count = b"0" if enforced else b"inf"
        requests.post(f"{self.url}/moto-api/reset-auth", data=count, timeout=10).raise_for_status()


def environment(url: str) -> dict[str, str]:
    """What makes boto3 ask this address for secrets, and nobody for credentials."""
    return {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": url,
        "AWS_ENDPOINT_URL_SSM": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def running_aws(folder: Path) -> Iterator[AwsServer]:
    """Moto's server, which keeps everything in memory; its log is in ``folder``."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        server = AwsServer(f"http://127.0.0.1:{port}")
        _wait_until_ready(server, process, folder / "moto.log")
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: AwsServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "moto did not answer"
        try:
            requests.get(f"{server.url}/moto-api/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
