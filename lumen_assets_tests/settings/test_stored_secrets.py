"""Secrets that AWS keeps: ``NAME_AWS``."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lumen_assets.definitions import build_defs
from lumen_assets.environment import aws
from lumen_assets.errors import LumenError, PermanentError, SettingsError, TransientError
from lumen_assets.settings import Settings, load_settings
from lumen_assets.workspace import Workspace
from lumen_assets_tests.alerting.receiver import Say, Server, event, server
from lumen_assets_tests.settings.aws_server import ALLOWED, AwsServer, environment, running_aws

CANARY = "canary-kept-by-aws-0001"
MEMBERS = {"archive_key": f"{CANARY}-member", "number": 5, "drive": {"refresh_token": CANARY}}
SECRETS = {
    "lumen/plain": f"{CANARY}\n",
    "lumen/json": json.dumps(MEMBERS),
    "lumen/list": json.dumps([CANARY]),
    "lumen/blank": " ",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AwsServer, dict[str, dict[str, str]]]]:
    with running_aws(tmp_path_factory.mktemp("moto")) as running:
        manager, parameters = running.client("secretsmanager"), running.client("ssm")
        for name, text in SECRETS.items():
            manager.create_secret(Name=name, SecretString=text)
        manager.create_secret(Name="lumen/binary", SecretBinary=CANARY.encode())
        manager.create_secret(Name="lumen/deleted", SecretString=CANARY)
        manager.delete_secret(SecretId="lumen/deleted", RecoveryWindowInDays=7)
        parameters.put_parameter(Name="/lumen/key", Value=CANARY, Type="SecureString")
        parameters.put_parameter(Name="/lumen/key", Value=f"{CANARY}-new", Type="SecureString", Overwrite=True)
        users = {"lumen": running.user("lumen", ALLOWED), "other": running.user("other", ["s3:GetObject"])}
        running.enforce()
        yield running, users


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither what other tests fetched, or still fetch, nor credentials that the machine has."""
    monkeypatch.setattr(aws, "_kept", {})
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("fetch from"):
            thread.join(30)


@pytest.fixture
def kept(made: tuple[AwsServer, dict[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch) -> AwsServer:
    """The server, and us as somebody who may read there."""
    become(monkeypatch, made[1]["lumen"])
    return made[0]


def test_the_policy_allows_the_two_requests_on_these_names_only(kept: AwsServer) -> None:
    """That each of them is needed, the tests show that read as who may do these and nothing else."""
    assert set(ALLOWED) == set(aws._ACTION.values())
    kept.enforce(enforced=False)
    arns = {
        "secretsmanager:GetSecretValue": kept.client("secretsmanager").describe_secret(SecretId="lumen/plain")["ARN"],
        "ssm:GetParameters": kept.client("ssm").get_parameter(Name="/lumen/key")["Parameter"]["ARN"],
    }
    kept.enforce()
    for action, arn in arns.items():
        pattern = ALLOWED[action].replace("111122223333", arn.split(":")[4])
        assert fnmatchcase(arn, pattern), action
        assert not fnmatchcase(arn.replace("lumen/", "other/"), pattern), action


def become(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def settings_of(folder: Path, **environ: str) -> Settings:
    return load_settings({"LUMEN_HOME": str(folder / "home"), **environ}, folder)


def archive_key(folder: Path, reference: str) -> str:
    secret = settings_of(folder, LUMEN_ARCHIVE_KEY_AWS=reference).archive_key
    assert secret is not None
    return secret.get_secret_value()


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("secretsmanager:lumen/plain", CANARY),
        ("secretsmanager:lumen/json#archive_key", f"{CANARY}-member"),
        ("secretsmanager:lumen/json#number", "5"),
        ("secretsmanager:lumen/json#drive", json.dumps(MEMBERS["drive"])),
        ("secretsmanager:lumen/json", SECRETS["lumen/json"]),
        ("ssm:/lumen/key", f"{CANARY}-new"),
        ("ssm:/lumen/key:1", CANARY),
    ],
)
def test_a_secret_is_had_by_its_name(kept: AwsServer, tmp_path: Path, reference: str, value: str) -> None:
    assert archive_key(tmp_path, reference) == value


@pytest.mark.parametrize("service", ["secretsmanager", "ssm"])
def test_an_arn_says_service_and_region(
    kept: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    kept.enforce(enforced=False)
    if service == "ssm":
        arn = kept.client("ssm").get_parameter(Name="/lumen/key")["Parameter"]["ARN"]
    else:
        arn = kept.client("secretsmanager").describe_secret(SecretId="lumen/plain")["ARN"]
    kept.enforce()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert archive_key(tmp_path, arn).startswith(CANARY)
    with pytest.raises(PermanentError, match="none of that name"):
        archive_key(tmp_path, {"ssm": "ssm:/lumen/key", "secretsmanager": "secretsmanager:lumen/plain"}[service])


@pytest.mark.parametrize(
    ("reference", "error_class", "said"),
    [
        ("secretsmanager:lumen/none", "configuration", "none of that name"),
        ("ssm:/lumen/none", "configuration", "none of that name"),
        ("secretsmanager:lumen/deleted", "configuration", "InvalidRequestException (HTTP 400)"),
        ("secretsmanager:lumen/binary", "configuration", "it is binary"),
        ("secretsmanager:lumen/blank", "configuration", "what is kept there is empty"),
        ("secretsmanager:lumen/json#key", "configuration", "lumen/json: it has no member key"),
        ("secretsmanager:lumen/plain#key", "configuration", "lumen/plain: it is no JSON object"),
        ("secretsmanager:lumen/list#key", "configuration", "lumen/list: it is no JSON object"),
    ],
)
def test_what_is_no_such_secret_is_said(
    kept: AwsServer, tmp_path: Path, reference: str, error_class: str, said: str
) -> None:
    error = refused(tmp_path, reference)
    assert (error.error_class, error.retry_helps) == (error_class, False)
    assert said in str(error)
    assert "LUMEN_ARCHIVE_KEY" in str(error)


def refused(folder: Path, reference: str) -> LumenError:
    with pytest.raises(LumenError) as caught:
        archive_key(folder, reference)
    error = caught.value
    for text in (str(error), repr(error), repr(error.__cause__), repr(error.__context__)):
        assert "canary" not in text
    return error


@pytest.mark.parametrize("reference", ["secretsmanager:lumen/plain", "ssm:/lumen/key"])
def test_who_may_not_read_it_is_told_what_to_allow(
    made: tuple[AwsServer, dict[str, dict[str, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: str,
) -> None:
    become(monkeypatch, made[1]["other"])
    error = refused(tmp_path, reference)
    assert error.error_class == "permission"
    assert any(action in error.hint for action in ALLOWED)
    assert not error.retry_helps


def test_no_credentials_are_said(kept: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    error = refused(tmp_path, "secretsmanager:lumen/plain")
    assert (error.error_class, error.retry_helps) == ("credentials", False)
    assert "NoCredentialsError" in error.cause


def test_no_region_is_said(kept: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "set AWS_DEFAULT_REGION" in str(refused(tmp_path, "ssm:/lumen/key"))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What answers in the place of AWS."""
    with server() as running:
        become(monkeypatch, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **environment(running.url)})
        yield running


def says(status: int, code: str) -> Say:
    body = json.dumps({"__type": code, "message": f"{CANARY} is not to be repeated"}).encode()
    return Say(status, {"Content-Type": "application/x-amz-json-1.1"}, body)


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        ("UnrecognizedClientException", "credentials"),
        ("InvalidSignatureException", "credentials"),
        ("ExpiredTokenException", "credentials"),
        ("AccessDeniedException", "permission"),
        ("DecryptionFailure", "permission"),
        ("canary in a code", "configuration"),
    ],
)
def test_what_does_not_pass_is_not(service: Server, tmp_path: Path, code: str, error_class: str) -> None:
    """As Amazon says it, which Moto, whose refusals have no code, does not."""
    service.say = says(400, code)
    error = refused(tmp_path, "secretsmanager:lumen/plain")
    assert (error.error_class, error.retry_helps) == (error_class, False)
    assert "HTTP 400" in error.cause


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        (says(400, "ThrottlingException"), "throttle"),
        (says(429, "Whatever"), "throttle"),
        (says(500, "InternalServiceError"), "provider"),
        (Say(503, body=b"<html>canary</html>"), "provider"),
        (Say(play=lambda handler: handler.connection.close()), "network"),
    ],
)
def test_what_passes_is_tried_again(service: Server, tmp_path: Path, answer: Say, error_class: str) -> None:
    service.say = answer
    for reference in ("secretsmanager:lumen/plain", "ssm:/lumen/key"):
        error = refused(tmp_path, reference)
        assert isinstance(error, TransientError)
        assert error.error_class == error_class
    service.say = Say(200, body=json.dumps({"SecretString": "value"}).encode())
    assert archive_key(tmp_path, "secretsmanager:lumen/plain") == "value", "a failure is not remembered"


def test_a_service_that_does_not_answer_is_not_waited_for(
    service: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "SECONDS", 0.5)
    service.say = Say(play=lambda handler: service.closing.wait(20))
    names = ("LUMEN_ARCHIVE_KEY", "SMTP_PASS", "DROPBOX_TOKEN")
    settings = settings_of(tmp_path, **{f"{name}_AWS": f"ssm:/lumen/{name}" for name in names})
    began = time.monotonic()
    assert settings.secrets == frozenset()
    assert time.monotonic() - began < 5, "it was waited for once, not for each"
    assert settings.archive_key is not None
    with pytest.raises(TransientError, match=r"no answer within 0\.5 s"):
        settings.archive_key.get_secret_value()


def test_loading_definitions_asks_nobody(service: Server, tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text(
        "destinations: {box: {type: dropbox, folder: /a}, drive: {type: gdrive, folder: b}}\n"
        "alerts: {apprise: [CHAT_URL], mail: {to: [ops@example.org]}, dead_man_url: PING_URL}\n"
    )
    names = ("LUMEN_ARCHIVE_KEY", "LUMEN_STATE_URL", "GDRIVE_TOKEN", "DROPBOX_TOKEN", "LUMEN_ALERT_URL")
    names += ("LUMEN_ALERT_SECRET", "SMTP_PASS", "CHAT_URL", "PING_URL")
    environ = {f"{name}_AWS": f"secretsmanager:lumen#{name}" for name in names}
    settings = settings_of(tmp_path, SMTP_HOST="localhost", SMTP_FROM="a@example.org", **environ)
    workspace = Workspace(settings)
    build_defs(workspace).get_repository_def()
    assert list(workspace.channels) == ["webhook", "mail", "apprise-1"]
    assert len(workspace.stores) == 2
    assert settings.archive_key
    assert settings.archive_key != settings.alert_secret
    assert "lumen#" not in repr(settings)
    assert service.received == []
    service.say = Say(body=json.dumps({"SecretString": json.dumps(dict.fromkeys(names, "value-0001"))}).encode())
    assert settings.archive_key.get_secret_value() == "value-0001"
    assert settings.gdrive_token is not None
    assert settings.gdrive_token.get_secret_value() == "value-0001"
    assert len(service.received) == 1, "one secret is fetched once a process, whoever needs it"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LUMEN_ALERT_URL", "ftp://x", "it is not an address of the form"),
        ("LUMEN_ALERT_SECRET", ",", "there is no secret in it, only commas"),
        ("LUMEN_STATE_URL", "mysql://x", "it is an address of mysql"),
    ],
)
def test_a_wrong_value_is_met_when_it_is_needed(
    service: Server, tmp_path: Path, name: str, value: str, said: str
) -> None:
    service.say = Say(body=json.dumps({"SecretString": value}).encode())
    settings = settings_of(tmp_path, **{f"{name}_AWS": "secretsmanager:x", "LUMEN_ARCHIVE_KEY": "k"})
    [secret] = [secret for secret in settings.given_secrets if hasattr(secret, "name")]
    with pytest.raises(SettingsError) as caught:
        secret.get_secret_value()
    assert caught.value.problems[0].startswith(f"{name}_AWS: {said}")


@pytest.mark.parametrize(
    "value",
    [
        "canary-5ecre7",
        "vault:canary",
        "secretsmanager:",
        "ssm:",
        "ssm:/canary key",
        "secretsmanager:canary#",
        "ssm:arn:aws:ssm:us-east-1:1:parameter/canary",
        "arn:aws:s3:::canary",
        "arn:aws:secretsmanager:us-east-1:1:canary",
        "arn:aws:secretsmanager:us-east-1:1:secret:canary:key::",
    ],
)
def test_a_wrong_form_stops_at_start_and_is_not_repeated(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(tmp_path, LUMEN_ARCHIVE_KEY_AWS=value)
    [problem] = caught.value.problems
    assert problem.startswith("LUMEN_ARCHIVE_KEY_AWS: ")
    assert "give secretsmanager:NAME, ssm:NAME or the ARN of either" in problem
    assert "canary" not in problem


@pytest.mark.parametrize("other", ["GDRIVE_TOKEN", "GDRIVE_TOKEN_FILE"])
def test_a_secret_is_given_once(tmp_path: Path, other: str) -> None:
    with pytest.raises(SettingsError, match=f"GDRIVE_TOKEN: set twice, as {other} and as GDRIVE_TOKEN_AWS"):
        settings_of(tmp_path, **{"GDRIVE_TOKEN_AWS": "ssm:x", other: "y"})


def test_what_is_no_secret_is_not_looked_up(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SMTP_HOST_AWS: only secrets are looked up, and this is none: set SMTP_HO"):
        settings_of(tmp_path, SMTP_HOST_AWS="ssm:x")


def test_whoever_debugs_botocore_does_not_see_it(
    kept: AwsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert archive_key(tmp_path, "ssm:/lumen/key").startswith(CANARY)
    assert archive_key(tmp_path, "secretsmanager:lumen/plain") == CANARY
    assert "GetSecretValue" in caplog.text
    assert "canary" not in caplog.text


def test_texts_of_others_are_cleaned_of_it_as_soon_as_it_can_be_had(service: Server, tmp_path: Path) -> None:
    """An error that another process met may have it in it; this one never needed it itself."""
    workspace = Workspace(settings_of(tmp_path, LUMEN_ARCHIVE_KEY_AWS="secretsmanager:x"))
    now = datetime.now(UTC)
    service.say = Say(503)
    workspace.outbox().depth(now)
    service.say = Say(body=json.dumps({"SecretString": CANARY}).encode())
    workspace.outbox().record([replace(event(), cause=f"denied: {CANARY}, sorry")], now)
    files = [path.read_bytes() for path in (tmp_path / "home" / "alerts").iterdir()]
    assert any(b"denied: [secret], sorry" in content for content in files)
    assert not any(CANARY.encode() in content for content in files)
