"""``retention.json``: an authenticated record, beside the manifest, that retention removed the archive there.

Without it an archive that is gone was lost or taken. It names its destination, so that a copy of it excuses no loss
anywhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, NoReturn

from lumen_assets.archive.keys import Key, Keyring
from lumen_assets.days import parse_day
from lumen_assets.errors import IntegrityError

FORMAT: Final = "lumen-removal/v1"
_MAC_PURPOSE: Final = FORMAT


@dataclass(frozen=True)
class Removal:
    """That an archive was removed on purpose.

    Attributes:
        day, revision, destination: which replica.
        archive_sha256: of the archive that was there.
        reason: for people.
        removed_at: when the decision was carried out, UTC, whole seconds.
        stays: destinations that had a good copy then.
    """

    day: date
    revision: int
    destination: str
    archive_sha256: str
    reason: str
    removed_at: datetime
    stays: tuple[str, ...]

    def to_bytes(self, key: Key) -> bytes:
        """The file: canonical JSON as a manifest's, authenticated with HMAC-SHA256 under a key of its own purpose."""
        content = {
            "format": FORMAT,
            "key_id": key.id,
            "day": self.day.isoformat(),
            "revision": self.revision,
            "destination": self.destination,
            "archive_sha256": self.archive_sha256,
            "reason": self.reason,
            "removed_at": self.removed_at.astimezone(UTC).isoformat(timespec="seconds"),
            "stays": list(self.stays),
        }
        return _signed(content, key)

    @classmethod
    def parse(cls, data: bytes, keyring: Keyring, name: str = "the record of a removal") -> Removal:
        """A record, authenticated.

        Raises:
            IntegrityError: if it is not one exactly as ``to_bytes`` writes it.
            PermanentError: if the key that it names is not in the keyring.
        """
        try:
            content = json.loads(data.decode())
            content.pop("mac")
            key_id = content["key_id"]
        except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
            _refuse(name, "it is no record of a removal")
        if not isinstance(key_id, str) or content.get("format") != FORMAT:
            _refuse(name, f"its format is not {FORMAT}")
        key = keyring.find(key_id)
        try:
            removal = cls(
                day=parse_day(content["day"]),
                revision=content["revision"],
                destination=content["destination"],
                archive_sha256=content["archive_sha256"],
                reason=content["reason"],
                removed_at=datetime.fromisoformat(content["removed_at"]),
                stays=tuple(content["stays"]),
            )
            same = hmac.compare_digest(removal.to_bytes(key), data)
        except (ValueError, LookupError, TypeError, AttributeError):  # half a surrogate is no UTF-8 either
            same = False
        if not same:
            _refuse(name, "its MAC is wrong, or it is not in canonical form: it was changed after it was made")
        return removal


def _signed(content: Mapping[str, Any], key: Key) -> bytes:
    mac = hmac.new(key.derive(_MAC_PURPOSE), _canonical(content), hashlib.sha256).hexdigest()
    return _canonical({**content, "mac": mac})


def _canonical(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2)
    return text.encode() + b"\n"


def _refuse(name: str, cause: str) -> NoReturn:
    raise IntegrityError(action="use", subject=name, cause=cause, error_class="removal") from None
