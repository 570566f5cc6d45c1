"""The day's path with a destination of every kind: all good, one down, one damaged, one that was never let in."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dagster_aws.s3 import S3Resource
from pydantic import SecretStr
from rich.console import Console

from lumen_assets.archive import digest_file
from lumen_assets.cli.daily import Outcome, run_day
from lumen_assets.definitions import build_defs
from lumen_assets.replication import Store
from lumen_assets.replication.dropbox import DropboxStore
from lumen_assets.replication.gdrive import GoogleDriveStore
from lumen_assets.replication.local import LocalStore
from lumen_assets.replication.retrying import Backoff, RetryingStore
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import DropboxDestination, GoogleDriveDestination, S3Destination
from lumen_assets.verification import Level, Verdict
from lumen_assets.workspace import Workspace
from lumen_assets_tests.arguments import watched_arguments
from lumen_assets_tests.installation import LAST_DAY, Installation
from lumen_assets_tests.replication.drive_emulator import DriveEmulator, drive_emulator
from lumen_assets_tests.replication.drive_emulator import store_at as drive_at
from lumen_assets_tests.replication.dropbox_emulator import DropboxEmulator, dropbox_emulator
from lumen_assets_tests.replication.dropbox_emulator import store_at as dropbox_at
from lumen_assets_tests.replication.s3_stores import s3_store
from lumen_assets_tests.replication.seaweedfs import S3Server

DAY = LAST_DAY
DAY_BEFORE = DAY - timedelta(days=1)
KEY = f"{DAY}/lumen-{DAY}-r1.tar.zst.tink"
OTHER = f"{DAY_BEFORE}/lumen-{DAY_BEFORE}-r1.tar.zst.tink"
CONFIGURATION = """
destinations:
  here: {type: local, path: copies/here}
  cloud: {type: s3, bucket: never-used}
  drive: {type: gdrive, folder: FDO-AGI/Archive}
  box: {type: dropbox, folder: /FDO-AGI/Archive}
policy: {required_replicas: 3}
"""
REMOTE = ("cloud", "drive", "box")
QUICK = Backoff(attempts=3, base=0.001)


@dataclass
class Clouds:
    """An installation with four destinations and the servers behind three of them."""

    installation: Installation
    server: S3Server
    bucket: str
    drive: DriveEmulator
    dropbox: DropboxEmulator
    stores: dict[str, Store]

    def workspace(self, **replaced: Store) -> Workspace:
        return Workspace(self.installation.settings, {**self.stores, **replaced})

    def run(self, workspace: Workspace, until: str | None = None) -> Outcome:
        return run_day(workspace, DAY, until=until, console=Console(file=io.StringIO()))

    def stored_bytes(self, destination: str, key: str) -> bytes:
        with self.stores[destination].read(key) as reader:
            return b"".join(iter(lambda: reader.read(1 << 20), b""))

    def overwrite(self, destination: str, key: str, content: bytes) -> None:
        """What somebody else with access, or a provider that loses bytes, leaves in the place of an object."""
        if destination == "here":
            (self.installation.home / "copies" / "here" / key).write_bytes(content)
        elif destination == "cloud":
            client = self.server.client()
            # Amazon computes a CRC-64/NVME whether or not it is asked to; SeaweedFS only if it is.
            client.put_object(Bucket=self.bucket, Key=f"snapshots/{key}", Body=content, ChecksumAlgorithm="CRC64NVME")
        elif destination == "drive":
            self.drive.account.trash(f"{self._drive_root}/{key}")
            self.drive.account.place(f"FDO-AGI/Archive/{key}", content)
        else:
            self._dropbox_entry(key).replace(content)

    def remove(self, destination: str, key: str) -> None:
        if destination == "here":
            (self.installation.home / "copies" / "here" / key).unlink()
        elif destination == "cloud":
            self.server.client().delete_object(Bucket=self.bucket, Key=f"snapshots/{key}")
        elif destination == "drive":
            self.drive.account.trash(f"{self._drive_root}/{key}")
        else:
            del self.dropbox.account.entries[f"/FDO-AGI/Archive/{key}".lower()]

    @property
    def _drive_root(self) -> str:
        account = self.drive.account
        return next(path for path in account.folders() if path.endswith("FDO-AGI/Archive"))

    def _dropbox_entry(self, key: str) -> DropboxFile:
        return DropboxFile(self.dropbox, f"/FDO-AGI/Archive/{key}")


@dataclass
class DropboxFile:
    dropbox: DropboxEmulator
    path: str

    def replace(self, content: bytes) -> None:
        account = self.dropbox.account
        del account.entries[self.path.lower()]
        from lumen_assets_tests.replication.dropbox_account import Body

        account.upload({"path": self.path, "mode": {".tag": "add"}}, Body(content))


def made_at(root: Path, server: S3Server, drive: DriveEmulator, dropbox: DropboxEmulator) -> Clouds:
    installation = Installation.make(root, configuration=CONFIGURATION)
    uploads = installation.home / "uploads"
    bucket = server.new_bucket()
    stores: dict[str, Store] = {
        "here": LocalStore("here", installation.home / "copies" / "here", create=True),
        "cloud": s3_store(server, uploads / "cloud", bucket),
        "drive": drive_at(drive.url, drive.new_token(), uploads / "drive"),
        "box": dropbox_at(dropbox.port, dropbox.new_token(), uploads / "box"),
    }
    quick = {name: RetryingStore(store, QUICK) for name, store in stores.items()}
    return Clouds(installation, server, bucket, drive, dropbox, dict(quick))


@pytest.fixture
def clouds(tmp_path: Path, seaweedfs: S3Server, drive_server: DriveEmulator, dropbox_server: DropboxEmulator) -> Clouds:
    drive_server.account.clear()
    dropbox_server.account.clear()
    return made_at(tmp_path / "installation", seaweedfs, drive_server, dropbox_server)


@dataclass
class Good:
    """A day that is good everywhere, which each test leaves as it found it; and the archive of the day before."""

    clouds: Clouds
    other: bytes


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, seaweedfs: S3Server) -> Iterator[Good]:
    root = tmp_path_factory.mktemp("good")
    with drive_emulator(root / "drive") as drive, dropbox_emulator(root / "dropbox") as dropbox:
        clouds = made_at(root / "installation", seaweedfs, drive, dropbox)
        workspace = clouds.workspace()
        assert clouds.run(workspace).failures == {}
        before = run_day(workspace, DAY_BEFORE, until="freeze", console=Console(file=io.StringIO()))
        yield Good(clouds, Path(before.materialized["archive"]["path"]).read_bytes())


def unreachable(clouds: Clouds, destination: str) -> Store:
    """The same destination where nobody answers."""
    uploads = UploadSessions(clouds.installation.home / "uploads" / destination)
    if destination == "cloud":
        client = clouds.server.client("http://127.0.0.1:9", connect_timeout=1)
        settings = S3Destination(type="s3", bucket=clouds.bucket, endpoint_url="http://127.0.0.1:9", path_style=True)
        return RetryingStore(S3Store("cloud", settings, uploads, client), QUICK)
    if destination == "drive":
        return RetryingStore(drive_at("http://127.0.0.1:9", clouds.drive.new_token(), Path("/nowhere")), QUICK)
    return RetryingStore(dropbox_at(9, clouds.dropbox.new_token(), Path("/nowhere")), QUICK)


def test_a_day_goes_everywhere_and_every_copy_is_proven(clouds: Clouds) -> None:
    workspace = clouds.workspace()
    outcome = clouds.run(workspace)
    assert outcome.failures == {}
    assert {name: (found.verdict, found.level) for name, found in outcome.verdicts.items()} == dict.fromkeys(
        ("here", *REMOTE), (Verdict.MATCH, Level.MEMBERS)
    )
    assert outcome.materialized["attestation"]["good"] == 4
    for name in REMOTE:
        shown = outcome.materialized[f"replica/{name}"]
        assert {"uri", "size", "sha256", "attempts", "mb_per_second"} <= shown.keys()
        assert shown["attempts"] == 1
        assert shown["bytes_sent"] == shown["size"]
        digest = workspace.verify(name, DAY, 1, Level.DIGEST)
        assert (digest.verdict, digest.bytes_read) == (Verdict.MATCH, 0)  # by what the provider itself computed
    again = clouds.run(workspace)
    assert not any(again.materialized[f"replica/{name}"]["created"] for name in ("here", *REMOTE))


@pytest.mark.usefixtures("impatient_steps")
@pytest.mark.parametrize("down", REMOTE)
def test_one_that_is_down_costs_the_others_nothing_and_the_next_run_heals_it(clouds: Clouds, down: str) -> None:
    outcome = clouds.run(clouds.workspace(**{down: unreachable(clouds, down)}))
    assert list(outcome.failures) == [f"replica/{down}"]
    assert "Trying again may help" in outcome.failures[f"replica/{down}"]
    for name in ("here", *REMOTE):
        made = {f"replica/{name}", f"verification/{name}"} <= outcome.materialized.keys()
        assert made == (name != down)
    attestation = outcome.materialized["attestation"]
    assert (attestation["good"], attestation["destinations"], attestation["ok"]) == (3, 4, True)
    healed = clouds.run(clouds.workspace())
    assert healed.failures == {}
    assert healed.materialized["attestation"]["good"] == 4


def flipped(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize("destination", ["here", *REMOTE])
@pytest.mark.parametrize("damage", ["bit rot", "truncation", "another day's archive", "deletion"])
def test_damage_is_found_by_its_level_and_repaired_from_another(good: Good, destination: str, damage: str) -> None:
    clouds = good.clouds
    workspace = clouds.workspace()
    content = clouds.stored_bytes(destination, KEY)
    match damage:
        case "bit rot":
            clouds.overwrite(destination, KEY, flipped(content))
        case "truncation":
            clouds.overwrite(destination, KEY, content[: len(content) // 2])
        case "another day's archive":
            clouds.overwrite(destination, KEY, good.other)
        case _:
            clouds.remove(destination, KEY)
    expected = Verdict.MISSING if damage == "deletion" else Verdict.MISMATCH
    by_checksum = workspace.verify(destination, DAY, 1, Level.DIGEST)
    same_size_without_checksum = destination == "here" and damage == "bit rot"
    assert by_checksum.verdict is (Verdict.UNVERIFIABLE if same_size_without_checksum else expected)
    for level in (Level.BYTES, Level.MEMBERS):
        found = workspace.verify(destination, DAY, 1, level)
        assert found.verdict is expected
        if damage == "another day's archive":
            assert found.detail == f"it is the archive of {DAY_BEFORE} r1"
    outcomes = {outcome.before.destination: outcome for outcome in workspace.repair_day(DAY)}
    repair = outcomes.pop(destination).repair
    assert all(outcome.repair is None and not outcome.problem for outcome in outcomes.values())
    assert repair is not None
    assert repair.after.verdict is Verdict.MATCH
    assert workspace.verify(destination, DAY, 1, Level.MEMBERS).verdict is Verdict.MATCH
    assert clouds.stored_bytes(destination, KEY) == content
    assert len(repair.set_aside) == (0 if damage == "deletion" else 1)


def test_the_repair_job_heals_and_shows_the_verdicts_on_the_assets(clouds: Clouds) -> None:
    workspace = clouds.workspace()
    assert clouds.run(workspace).failures == {}
    clouds.remove("cloud", KEY)
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(workspace).resolve_job_def("repair")
        result = job.execute_in_process(instance=instance, partition_key=str(DAY))
        assert result.success
        observed = instance.fetch_observations(dg.AssetKey(["verification", "cloud"]), limit=1).records[0]
    assert observed.partition_key == str(DAY)
    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["verdict"].value == "MATCH"


def test_the_rolling_job_reads_all_of_an_unread_month_and_then_only_a_share(clouds: Clouds) -> None:
    workspace = clouds.workspace()
    for day in (DAY_BEFORE, DAY):
        run_day(workspace, day, until="upload", console=Console(file=io.StringIO()))
    job = build_defs(workspace).resolve_job_def("rolling_verification")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    read = workspace.ledger.newest(DAY_BEFORE, DAY)
    assert {day: set(found) for day, found in read.items()} == {day: {"here", *REMOTE} for day in (DAY_BEFORE, DAY)}
    clouds.overwrite("drive", KEY, flipped(clouds.stored_bytes("drive", KEY)))
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert len(workspace.verify_due("box")) == 1
    bad = [event.step_key for event in result.filter_events(lambda event: event.is_step_failure)]
    assert bad in (["read_due_at_drive"], [])  # a share is read; the damaged one is in it today or on the next day


ARCHIVE_KEY = "c2VjcmV0LWNhbmFyeS1vZi0zMi1ieXRlcy1sZW4hISE="


@dataclass(frozen=True)
class Secrets:
    """Credentials that nobody accepts, and what of them must not be seen anywhere.

    Attributes:
        drive: ``GDRIVE_TOKEN``.
        dropbox: ``DROPBOX_TOKEN``.
        canaries: by what they are.
    """

    drive: str
    dropbox: str
    canaries: dict[str, str]

    @property
    def all(self) -> dict[str, str]:
        return {"archive key": ARCHIVE_KEY, "S3 secret key": S3_SECRET, "S3 session": S3_SESSION, **self.canaries}


S3_SECRET = "canarySECRETcanarySECRETcanarySECRET0001"  # noqa: S105
S3_SESSION = "FwoGZXIvYXdzEcanarySESSIONcanarySESSIONcanary0002"
DROPBOX_JSON = {
    "refresh_token": "canaryREFRESHofDropbox-canaryREFRESHofDropbox-00000000000000003",
    "app_key": "abc123def456ghi",
    "app_secret": "canaryAPPSEC004",
}


def bare_tokens(_: str) -> Secrets:
    drive, dropbox = "ya29.canary-drive-token-canary-drive-token", "sl.canary-dropbox-token-canary-dropbox-tok"
    return Secrets(drive, dropbox, {"Drive access token": drive, "Dropbox access token": dropbox})


def refresh_tokens(token_uri: str) -> Secrets:
    drive = {
        "type": "authorized_user",
        "refresh_token": "1//0gcanaryREFRESHofDrive-canaryREFRESHofDrive-005",
        "client_id": "1234567890.apps.googleusercontent.com",
        "client_secret": "GOCSPX-canaryCLIENTSECRET006",
        "token_uri": token_uri,
    }
    return Secrets(
        json.dumps(drive),
        json.dumps(DROPBOX_JSON),
        {
            "Drive refresh token": drive["refresh_token"],
            "Drive client secret": drive["client_secret"],
            "Dropbox refresh token": DROPBOX_JSON["refresh_token"],
            "Dropbox app secret": DROPBOX_JSON["app_secret"],
        },
    )


def service_account(token_uri: str) -> Secrets:
    """Its key is a real one, of another account; every line of it is a secret."""
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    drive = {
        "type": "service_account",
        "project_id": "lumen",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": pem.decode(),
        "client_email": "lumen@lumen.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    lines = {f"private key, line {number}": line for number, line in enumerate(pem.decode().split()) if len(line) == 64}
    assert len(lines) > 20
    return Secrets(json.dumps(drive), json.dumps(DROPBOX_JSON), lines)


FORMS = [bare_tokens, refresh_tokens, service_account]


def refused(clouds: Clouds, secrets: Secrets) -> dict[str, Store]:
    """The destinations with credentials that nobody accepts."""
    import boto3
    from botocore.config import Config

    from lumen_assets.replication.dropbox_client import open_client, parse_credentials
    from lumen_assets_tests.replication.dropbox_emulator import redirected_session

    uploads = UploadSessions(clouds.installation.home / "uploads" / "refused")
    client = boto3.client(
        "s3",
        endpoint_url=clouds.server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="AKIACANARY0000000001",
        aws_secret_access_key=S3_SECRET,
        aws_session_token=S3_SESSION,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    s3 = S3Destination(type="s3", bucket=clouds.bucket, endpoint_url=clouds.server.endpoint_url, path_style=True)
    drive = GoogleDriveDestination(type="gdrive", folder="FDO-AGI/Archive")
    box = DropboxDestination(type="dropbox", folder="/FDO-AGI/Archive")
    token = SecretStr(secrets.dropbox)
    dropbox_client = open_client(parse_credentials(token), redirected_session(clouds.dropbox.port))
    return {
        "cloud": S3Store("cloud", s3, uploads, client),
        "drive": GoogleDriveStore("drive", drive, SecretStr(secrets.drive), uploads, base_url=clouds.drive.url),
        "box": DropboxStore("box", box, token, uploads, client=dropbox_client),
    }


def require_unseen(secrets: Secrets, root: Path, *texts: str | bytes) -> None:
    """No canary in what was said, nor in any file under ``root``."""
    said = [text.encode() if isinstance(text, str) else text for text in texts]
    files = [path for path in root.rglob("*") if path.is_file()]
    assert any("dagster" in path.parts for path in files)
    held = {path: path.read_bytes() for path in files}
    for name, canary in secrets.all.items():
        assert not [text for text in said if canary.encode() in text], name
        assert not [path for path, content in held.items() if canary.encode() in content], name


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_is_in_any_file_that_failing_runs_leave_nor_in_any_argument(
    clouds: Clouds, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], form: Callable[[str], Secrets]
) -> None:
    secrets = form(f"{clouds.drive.url}/token")
    caplog.set_level(logging.DEBUG)
    settings = clouds.installation.settings.model_copy(update={"archive_key": SecretStr(ARCHIVE_KEY)})
    workspace = Workspace(settings, {**clouds.stores, **refused(clouds, secrets)})
    said = io.StringIO()
    with watched_arguments() as arguments:
        outcome = run_day(workspace, DAY, verbose=True, console=Console(file=said))
        for name in REMOTE:
            workspace.verify_or_unreachable(name, DAY, 1, Level.BYTES)
    assert sorted(outcome.failures) == sorted(f"replica/{name}" for name in REMOTE)
    for name in REMOTE:
        assert "Trying again does not help" in outcome.failures[f"replica/{name}"]
    captured = capfd.readouterr()
    texts = [said.getvalue(), captured.out, captured.err, caplog.text, str(outcome)]
    require_unseen(secrets, clouds.installation.root, *texts, *arguments)


@pytest.mark.parametrize("form", [refresh_tokens, service_account])
def test_no_secret_is_in_what_a_failing_command_leaves(
    clouds: Clouds, tmp_path: Path, form: Callable[[str], Secrets]
) -> None:
    """The same from the environment, as operators give them. Dropbox is left out: its hosts cannot be redirected."""
    configuration = f"""
destinations:
  here: {{type: local, path: copies/here}}
  cloud: {{type: s3, bucket: {clouds.bucket}, endpoint_url: "{clouds.server.endpoint_url}", path_style: true}}
  drive: {{type: gdrive, folder: FDO-AGI/Archive}}
"""
    installation = Installation.make(tmp_path / "command", configuration=configuration)
    secrets = form(f"{clouds.drive.url}/token")
    environment = {
        **os.environ,
        **installation.environment,
        "LUMEN_ARCHIVE_KEY": ARCHIVE_KEY,
        "GDRIVE_TOKEN": secrets.drive,
        "DROPBOX_TOKEN": secrets.dropbox,
        **clouds.server.environment(),
        "AWS_ACCESS_KEY_ID": "AKIACANARY0000000001",
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_SESSION_TOKEN": S3_SESSION,
    }
    command = [sys.executable, "-m", "lumen_assets.cli", "daily", "--day", str(DAY), "--verbose", "--json"]
    with watched_arguments() as arguments:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    failures = json.loads(done.stdout)["failures"]
    assert sorted(failures) == ["replica/cloud", "replica/drive"]
    assert all("Trying again does not help" in cause for cause in failures.values())
    assert any(b"lumen_assets.cli" in line for line in arguments)
    require_unseen(secrets, installation.root, done.stdout, done.stderr, *arguments)


def test_what_a_test_looks_for_would_be_found(tmp_path: Path) -> None:
    """The search above finds a canary in a file of the kind that an instance keeps, and in a child's arguments."""
    import sqlite3

    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("CREATE TABLE event (body TEXT)")
        connection.execute("INSERT INTO event VALUES (?)", (f'{{"message": "{S3_SECRET}"}}',))
    connection.close()
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "log").write_text("")
    with pytest.raises(AssertionError, match="S3 secret key"):
        require_unseen(bare_tokens(""), tmp_path)
    with watched_arguments() as arguments:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)", S3_SESSION], check=True)
    (tmp_path / "events.db").unlink()
    with pytest.raises(AssertionError, match="S3 session"):
        require_unseen(bare_tokens(""), tmp_path, *arguments)


def test_a_client_of_dagster_aws_serves_too(seaweedfs: S3Server, tmp_path: Path) -> None:
    resource = S3Resource(
        endpoint_url=seaweedfs.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key=seaweedfs.secret_key,
    )
    settings = S3Destination(type="s3", bucket=seaweedfs.new_bucket(), part_size_mib=5)
    store = S3Store("cloud", settings, UploadSessions(tmp_path / "uploads"), resource.get_client())
    source = tmp_path / "source"
    source.write_bytes(bytes(12 << 20))
    assert store.put(KEY, source, digest_file(source)).created
    stored = store.stat(KEY)
    assert stored is not None
    assert stored.checksums["crc64nvme"] == digest_file(source).crc64nvme
