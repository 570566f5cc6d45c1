"""Archive keys: 32 bytes each, an id that may be shown, and everything else derived by HKDF-SHA256 (RFC 5869)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lumen_assets.durable import new_file
from lumen_assets.errors import PermanentError

KEY_SIZE: Final = 32
_KEY_LETTERS: Final = 44
_ID_PURPOSE: Final = "lumen-key-id/v1"
_ID_SIZE: Final = 8


class Key:
    """One archive key. Neither its repr nor any message of ours shows it.

    Args:
        secret: 32 bytes.
    """

    __slots__ = ("_secret", "id")

    id: str
    """16 hex digits derived from the key; they identify it and reveal nothing of it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(secret)}")
        self._secret = bytes(secret)
        self.id = self.derive(_ID_PURPOSE, _ID_SIZE).hex()

    def derive(self, purpose: str, length: int = KEY_SIZE) -> bytes:
        """A key of ``length`` bytes for one purpose; those of other purposes cannot be told from it."""
        return hkdf(self._secret, salt=b"", info=purpose.encode(), length=length)

    def derive_stream_key(self, salt: bytes, associated_data: bytes) -> bytes:
        """The AES key of one archive, as Tink's streaming AEAD derives it."""
        return hkdf(self._secret, salt=salt, info=associated_data, length=KEY_SIZE)

    def text(self) -> str:
        """The key itself, as ``LUMEN_ARCHIVE_KEY`` takes it. For storing a new key only."""
        return base64.b64encode(self._secret).decode()

    def tink_keyset_json(self) -> str:
        """See ``tink_keyset_json``."""
        return _tink_keyset_json(self._secret)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and secrets.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Key(id={self.id!r})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled: pickles end up in files and logs")


class Keyring:
    """Keys in order: the first makes new archives, all of them read.

    Args:
        keys: at least one.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        if not keys:
            raise ValueError("a keyring holds at least one key")
        self.keys = tuple(dict.fromkeys(keys))

    @property
    def primary(self) -> Key:
        """The key that makes new archives."""
        return self.keys[0]

    def find(self, key_id: str) -> Key:
        """The key with this id.

        Raises:
            PermanentError: naming the id, if no key has it.
        """
        for key in self.keys:
            if key.id == key_id:
                return key
        raise PermanentError(
            action="find",
            subject=f"the archive key {key_id}",
            cause=f"the keys that we have are {', '.join(key.id for key in self.keys)}",
            error_class="unknown-key",
            hint="append the key with that id to LUMEN_ARCHIVE_KEY, after a comma",
        )

    def __repr__(self) -> str:
        return f"Keyring({', '.join(key.id for key in self.keys)})"


def candidates(key: Key | Keyring) -> tuple[Key, ...]:
    """The keys that may open an archive."""
    return key.keys if isinstance(key, Keyring) else (key,)


def parse_keyring(text: str) -> Keyring:
    """The keys in ``text``: base64, standard or URL-safe, padded or not, separated by commas or whitespace.

    Raises:
        PermanentError: saying which one is wrong and what to do, without repeating any of it.
    """
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    if not parts:
        raise _bad_key("it is empty")
    return Keyring([_parse_key(part, number, len(parts)) for number, part in enumerate(parts, 1)])


def new_key_text() -> str:
    """A new random key, as ``LUMEN_ARCHIVE_KEY`` takes it."""
    return Key(secrets.token_bytes(KEY_SIZE)).text()


def tink_keyset_json(key: Key) -> str:
    """The key as a cleartext Tink JSON keyset, so that any Tink reads and writes our archives.

    It is an ``AesGcmHkdfStreamingKey``: 1 MiB ciphertext segments, 32-byte derived keys, HKDF with SHA-256.
    """
    return key.tink_keyset_json()


def load_or_create_key_file(path: Path, may_create: bool) -> Keyring:
    """The keyring in the key file of a first run; a new key is put there if there is none and that is allowed.

    The file has mode 0600. Safe to call from several processes at once: they come to the same key.

    Raises:
        PermanentError: if there is no file and none may be made, if others could read it, or if it holds no key.
    """
    if not path.exists():
        if not may_create:
            raise PermanentError(
                action="read",
                subject=f"the archive key {path}",
                cause="there is no such file",
                error_class="configuration",
                hint="set LUMEN_ARCHIVE_KEY; `lumen key new` makes a key",
            )
        _create_key_file(path)
    return _load_key_file(path)


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869); an empty salt is 32 zero bytes, as there."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(secret)


def _parse_key(part: str, number: int, count: int) -> Key:
    which = f"key {number} of {count} " if count > 1 else "it "
    standard = part.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        secret = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _bad_key(f"{which}is not base64") from None
    if len(secret) != KEY_SIZE:
        raise _bad_key(f"{which}has {len(secret)} bytes instead of {KEY_SIZE}")
    return Key(secret)


def _bad_key(cause: str) -> PermanentError:
    return PermanentError(
        action="use",
        subject="LUMEN_ARCHIVE_KEY",
        cause=cause,
        error_class="configuration",
        hint=f"it must be {KEY_SIZE} bytes in base64, {_KEY_LETTERS} characters: copy the one again that made the "
        "archives; where there are none yet, `lumen key new` makes one",
    )


def _create_key_file(path: Path) -> None:
    try:
        with new_file(path, mode=0o600) as file:
            file.write(new_key_text().encode() + b"\n")
    except FileExistsError:
        return  # another process was first: its key is the key
    except OSError as error:
        raise _key_file_error(path, "create", error) from error


def _load_key_file(path: Path) -> Keyring:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise PermanentError(
                action="use",
                subject=f"the archive key {path}",
                cause=f"its mode is {mode:04o}: other users could read it",
                error_class="configuration",
                hint=f"chmod 600 {path}",
            )
        return parse_keyring(path.read_text(encoding="ascii"))
    except OSError as error:
        raise _key_file_error(path, "read", error) from error
    except UnicodeDecodeError:
        raise _bad_key(f"{path} is not text") from None


def _key_file_error(path: Path, action: str, error: OSError) -> PermanentError:
    return PermanentError(
        action=action,
        subject=f"the archive key {path}",
        cause=error.strerror or type(error).__name__,
        error_class="configuration",
        hint="give Lumen access to it, or set LUMEN_ARCHIVE_KEY",
    )


def _tink_keyset_json(secret: bytes) -> str:
    # AesGcmHkdfStreamingKey {params = 2 {segment size = 1, derived key size = 2, SHA256 = 3}, key_value = 3}
    params = b"\x08" + _varint(1 << 20) + b"\x10" + _varint(KEY_SIZE) + b"\x18\x03"
    message = b"\x12" + _varint(len(params)) + params + b"\x1a" + _varint(len(secret)) + secret
    key = {
        "keyData": {
            "typeUrl": "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
            "value": base64.b64encode(message).decode(),
            "keyMaterialType": "SYMMETRIC",
        },
        "status": "ENABLED",
        "keyId": 1,
        "outputPrefixType": "RAW",
    }
    return json.dumps({"primaryKeyId": 1, "key": [key]}, indent=2)


def _varint(number: int) -> bytes:
    """A number as protocol buffers write it."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
