"""Unfinished uploads, remembered under ``LUMEN_HOME`` so that a put goes on after a restart of the process.

A record says where the provider keeps the unfinished upload and what it has of it. It is a hint, never a truth: a
store asks the provider before it goes on, and starts again where the provider knows nothing of it. Records hold
session ids, which are worth as much as a password while they live, so they are readable by their owner only.

A put holds its session, so that two of the same on one machine do not write into one upload: the second waits and then
finds the object.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lumen_assets.archive import Digests
from lumen_assets.durable import TEMPORARY_PREFIX, replace_bytes


class UploadSessions:
    """The unfinished uploads to one destination.

    Args:
        folder: where the records lie, one JSON file each; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str, digests: Digests) -> dict[str, Any] | None:
        """What was saved for this upload; None if nothing, or nothing readable."""
        try:
            record = json.loads(self._path(key, digests).read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def save(self, key: str, digests: Digests, record: Mapping[str, Any]) -> None:
        """Remember how far this upload is."""
        replace_bytes(self._path(key, digests), json.dumps(record).encode(), mode=0o600)

    def forget(self, key: str, digests: Digests) -> None:
        """The upload is finished, or there is nothing to go on with; what a kill left of saving it goes too."""
        path = self._path(key, digests)
        path.unlink(missing_ok=True)
        for left in self._folder.glob(f"{TEMPORARY_PREFIX}*-{path.name}"):
            left.unlink(missing_ok=True)

    @contextmanager
    def hold(self, key: str, digests: Digests) -> Iterator[None]:
        """Keep other processes and threads of this machine out of this upload; ends with the process at the latest."""
        path = self._path(key, digests).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_still(path, descriptor):
                    try:
                        yield
                    finally:
                        path.unlink(missing_ok=True)  # before the lock is given up: who waits for it sees that
                    return
            finally:
                os.close(descriptor)

    def _path(self, key: str, digests: Digests) -> Path:
        name = hashlib.sha256(f"{key}\n{digests.sha256}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
