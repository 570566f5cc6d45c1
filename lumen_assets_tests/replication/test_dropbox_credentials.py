"""DROPBOX_TOKEN in its two forms, what is said of a wrong one, and that no secret is in what is said."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from dropbox import files
from dropbox.exceptions import ApiError, BadInputError
from dropbox.files import GetMetadataError, UploadError, UploadWriteFailed, WriteConflictError, WriteError
from pydantic import SecretStr

from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.replication.dropbox import DropboxStore
from lumen_assets.replication.dropbox_client import Credentials, open_client, parse_credentials
from lumen_assets.replication.dropbox_errors import attempt, cleaned, tags, translate
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.settings import DropboxDestination
from lumen_assets_tests.replication.dropbox_emulator import (
    DropboxEmulator,
    dropbox_emulator,
    redirected_session,
    store_at,
)
from lumen_assets_tests.replication.fault_proxy import Answer, Fault, FaultProxy, Reset, fault_proxy

CANARY = "sl.u.CANARYaccess0123456789-abcdefghijklmnopqrstuvwxyzABCDEFG"
FORM = {"refresh_token": "CANARYrefresh0123456789abcdef", "app_key": "k3y", "app_secret": "CANARYsecret01"}


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[DropboxEmulator]:
    with dropbox_emulator(tmp_path / "account") as running:
        yield running


@pytest.fixture
def proxy(emulator: DropboxEmulator) -> Iterator[FaultProxy]:
    with fault_proxy(emulator.port) as running:
        yield running


def store(token: str | None, folder: Path) -> DropboxStore:
    destination = DropboxDestination(type="dropbox", folder="/a")
    return DropboxStore("box", destination, SecretStr(token) if token else None, UploadSessions(folder))


def test_both_forms() -> None:
    assert parse_credentials(SecretStr(f" {CANARY}\n")) == Credentials(access_token=CANARY)
    assert parse_credentials(SecretStr(json.dumps(FORM))) == Credentials(**FORM)
    public = {name: value for name, value in FORM.items() if name != "app_secret"}
    assert parse_credentials(SecretStr(json.dumps(public))).app_secret is None


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "it is not set"),
        ("   ", "it is not set"),
        ("{CANARY", "not a JSON object"),
        ('{"CANARY"}', "not a JSON object"),
        ("CANARY with spaces", "no token has"),
        ("CANARY\nin two lines", "no token has"),
        ("CANARY토큰", "no token has"),
        ('{"access_token": "CANARY"}', "no text for refresh_token, app_key"),
        ('{"refresh_token": "CANARY", "app_secret": "CANARY"}', "no text for app_key"),
        ('{"refresh_token": "CANARY", "app_key": 5}', "no text for app_key"),
    ],
)
def test_a_wrong_token_is_said_without_showing_it(token: str | None, said: str, tmp_path: Path) -> None:
    made = store(token, tmp_path)  # nothing happens yet: the other destinations go on
    for call in (lambda: made.stat("a"), lambda: list(made.list()), lambda: made.read("a").__enter__()):
        with pytest.raises(PermanentError, match=said) as caught:
            call()
        assert caught.value.error_class == "credentials"
        require_clean(caught.value, "CANARY")


def test_credentials_do_not_show_themselves() -> None:
    assert "CANARY" not in repr(Credentials(**FORM)) + repr(Credentials(access_token=CANARY))


def test_the_client_retries_nothing_by_itself() -> None:
    """The SDK's default for a rate limit is for ever."""
    client = open_client(Credentials(access_token=CANARY))
    assert (client._max_retries_on_error, client._max_retries_on_rate_limit) == (0, 0)
    client.close()


def stat(emulator: DropboxEmulator, token: str, folder: Path) -> LumenError:
    with pytest.raises(LumenError) as caught:
        store_at(emulator.port, token, folder).stat("a")
    return caught.value


def test_a_refused_token(emulator: DropboxEmulator, tmp_path: Path) -> None:
    error = stat(emulator, CANARY, tmp_path)
    assert (error.error_class, error.retry_helps) == ("credentials", False)
    assert "invalid_access_token" in error.cause
    require_clean(error, "CANARY")


def test_a_header_that_dropbox_repeats_in_its_answer(emulator: DropboxEmulator, tmp_path: Path) -> None:
    error = stat(emulator, "CANARY+/=!", tmp_path)
    assert error.error_class == "credentials"
    require_clean(error, "CANARY")


@pytest.mark.parametrize("known", [False, True], ids=["revoked refresh token", "wrong app secret"])
def test_a_refused_refresh(emulator: DropboxEmulator, tmp_path: Path, known: bool) -> None:
    if known:
        emulator.refresh_tokens[FORM["refresh_token"]] = (FORM["app_key"], "another")
    error = stat(emulator, json.dumps(FORM), tmp_path)
    assert (error.error_class, error.retry_helps) == ("credentials", False)
    require_clean(error, "CANARY")


def faults(said: str) -> dict[str, Fault]:
    """Answers that repeat what they must not, and a connection that breaks."""
    body = f"Authorization: Bearer {said}".encode()
    refusals = {str(status): Answer(status, {}, body) for status in (200, 400, 401, 403, 404, 409, 418, 422, 429, 500)}
    return {
        **refusals,
        "bare text": Answer(400, {}, said.encode()),
        "503": Answer(503, {"Retry-After": "9"}, body),
        "redirect": Answer(307, {"Location": f"https://elsewhere.example/{said}"}),
        "reset": Reset(),
    }


@pytest.mark.parametrize("fault", faults(""))
@pytest.mark.parametrize("token", [CANARY, json.dumps(FORM)], ids=["bare", "refresh"])
def test_no_fault_lets_a_secret_out(
    proxy: FaultProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, token: str
) -> None:
    caplog.set_level(logging.DEBUG)
    said = CANARY if token == CANARY else f"{FORM['refresh_token']} {FORM['app_secret']}"
    proxy.inject(faults(said)[fault], times=-1)
    with pytest.raises(LumenError) as caught:
        store_at(proxy.port, token, tmp_path / "uploads").stat("a")
    require_clean(caught.value, "CANARY")
    assert caplog.text
    assert "CANARY" not in caplog.text


def test_a_redirect_is_not_followed(proxy: FaultProxy, tmp_path: Path) -> None:
    """A 307 would carry the refresh token and the app's secret along."""
    proxy.inject(Answer(307, {"Location": "https://elsewhere.example/"}), times=-1)
    with pytest.raises(TransientError, match="HTTP 307"):
        store_at(proxy.port, json.dumps(FORM), tmp_path).stat("a")
    assert len(proxy.requests) == 1


def test_a_5xx_keeps_its_retry_after(proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.inject(faults("")["503"])
    with pytest.raises(TransientError) as caught:
        store_at(proxy.port, CANARY, tmp_path).stat("a")
    assert caught.value.retry_after == 9


def require_clean(error: BaseException, secret: str) -> None:
    """Neither the error nor anything that hangs on it holds the secret."""
    shown = [*traceback.format_exception(error), str(error), repr(error), repr(error.args), repr(vars(error))]
    assert secret not in "\n".join(line for line in shown if "assert" not in line and "CANARY" in line)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_what_looks_like_a_secret_is_cut_and_the_rest_is_one_short_line() -> None:
    text = cleaned(f'bad "Authorization": Bearer {CANARY}\n pid_upload_session:abc {"y " * 500} hunter2', ["hunter2"])
    assert text.startswith('bad "Authorization": [secret] [secret] y y')
    assert len(text) == 300
    assert cleaned("a hunter2 b", ["hunter2"]) == "a [secret] b"


def test_tags_lead_through_unions_and_the_struct_that_wraps_a_write_error() -> None:
    conflict = UploadError.path(UploadWriteFailed(WriteError.conflict(WriteConflictError.file), "session"))
    assert tags(ApiError("id", conflict, None, None)) == ("path", "conflict", "file")
    missing = ApiError("id", GetMetadataError.path(files.LookupError.not_found), None, None)
    assert tags(missing) == ("path", "not_found")
    assert translate(missing, "read", "x").error_class == "missing"
    assert tags(ValueError()) == ()


def test_an_unknown_refusal_is_permanent_and_an_unknown_failure_passes() -> None:
    assert translate(BadInputError("id", "no such field"), "read", "x").error_class == "configuration"
    assert translate(ApiError("id", UploadError.other, None, None), "write", "x").error_class == "provider"
    assert translate(requests.exceptions.SSLError(), "read", "x").error_class == "network"


def test_errors_of_ours_pass_through() -> None:
    error = TransientError(action="a", subject="b", cause="c", error_class="network")

    def fail() -> None:
        raise error

    with pytest.raises(TransientError) as caught:
        attempt(fail, "x", "y")
    assert caught.value is error


def test_a_korean_folder(emulator: DropboxEmulator, tmp_path: Path) -> None:
    secret = SecretStr(emulator.new_token())
    client = open_client(parse_credentials(secret), redirected_session(emulator.port))
    destination = DropboxDestination(type="dropbox", folder="/보관 폴더/Archive")
    made = DropboxStore("box", destination, secret, UploadSessions(tmp_path / "uploads"), client=client)
    emulator.account.place("/보관 폴더/Archive/2026-11-21/가", b"x")
    assert [found.key for found in made.list()] == ["2026-11-21/가"]
    found = made.stat("2026-11-21/가")
    assert found is not None
    assert found.uri == "dropbox:/보관 폴더/Archive/2026-11-21/가"
    with made.read("2026-11-21/가") as reader:
        assert reader.read(10) == b"x"
