from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lumen_assets.archive import Key, Keyring, load_or_create_key_file, new_key_text, parse_keyring
from lumen_assets.errors import PermanentError

SECRET = bytes([0xFB, 0xFF, *range(30)])
STANDARD = base64.b64encode(SECRET).decode()
URL_SAFE = base64.urlsafe_b64encode(SECRET).decode()


@pytest.mark.parametrize(
    "text", [STANDARD, URL_SAFE, STANDARD.rstrip("="), URL_SAFE.rstrip("="), f"  {STANDARD}\n", f"{URL_SAFE},"]
)
def test_every_way_to_write_a_key_is_the_same_key(text: str) -> None:
    assert STANDARD != URL_SAFE
    assert parse_keyring(text).keys == (Key(SECRET),)


def test_a_keyring_keeps_the_order_and_the_first_is_primary() -> None:
    one, two, three = new_key_text(), new_key_text(), new_key_text()
    keyring = parse_keyring(f"{one}, {two}\n{three} {one}")
    assert [key.text() for key in keyring.keys] == [one, two, three]
    assert keyring.primary.text() == one
    assert keyring.find(keyring.keys[2].id).text() == three


def test_a_missing_key_is_named_by_its_id() -> None:
    with pytest.raises(PermanentError, match="0123456789abcdef") as caught:
        Keyring([Key(SECRET)]).find("0123456789abcdef")
    assert caught.value.error_class == "unknown-key"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "this+is!no#base64",
        base64.b64encode(SECRET[:31]).decode(),
        base64.b64encode(SECRET + b"x").decode(),
        SECRET.hex(),
        f"{STANDARD},{base64.b64encode(b'short secret').decode()}",
        STANDARD[:20] + "é" + STANDARD[21:],
    ],
)
def test_a_wrong_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(PermanentError, match="lumen key new") as caught:
        parse_keyring(text)
    assert caught.value.error_class == "configuration"
    for part in text.replace(",", " ").split():
        assert part not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_id_is_hkdf_and_says_nothing_of_the_key() -> None:
    key = Key(SECRET)
    expected = HKDF(algorithm=SHA256(), length=8, salt=None, info=b"lumen-key-id/v1").derive(SECRET)
    assert key.id == expected.hex()
    assert key.derive("lumen-manifest/v1", 32) != key.derive("lumen-key-id/v1", 32)


def test_no_representation_shows_the_key() -> None:
    key = Key(SECRET)
    for shown in (repr(key), str(key), f"{key!r:>99}", repr(Keyring([key]))):
        assert STANDARD not in shown
        assert SECRET.hex() not in shown
        assert repr(SECRET)[2:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_new_keys_differ() -> None:
    assert len({new_key_text() for _ in range(50)}) == 50


def test_the_first_run_makes_a_private_file_and_the_second_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "archive.key"
    made = load_or_create_key_file(path, may_create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key_file(path, may_create=False).primary == made.primary
    assert [file.name for file in path.parent.iterdir()] == ["archive.key"]


def test_a_key_is_not_made_where_that_is_not_allowed(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no such file"):
        load_or_create_key_file(tmp_path / "archive.key", may_create=False)
    assert not (tmp_path / "archive.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "archive.key"
    load_or_create_key_file(path, may_create=True)
    path.chmod(mode)
    with pytest.raises(PermanentError, match="chmod 600"):
        load_or_create_key_file(path, may_create=True)


def test_a_damaged_key_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "archive.key"
    path.write_bytes(os.urandom(40) + b"\xff")
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(PermanentError):
        load_or_create_key_file(path, may_create=True)
    assert path.read_bytes() == before
