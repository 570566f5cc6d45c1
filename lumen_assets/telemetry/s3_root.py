"""Inputs in a bucket: append-only objects, of which a day costs little more than its own bytes.

An object never changes: who appends puts a new one in its place. So every range is asked of the object that was first
seen, by its ETag, and a day is never cut from two of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.replication.s3 import new_client
from lumen_assets.replication.s3_errors import code_of, s3_error
from lumen_assets.settings import S3Folder
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.roots import ABSENT, matches

PAGE: Final = 1 << 20
"""Bytes that are asked for at a time: a day of 5 Hz telemetry is some 30 of them."""

PROBE: Final = 1 << 14
"""Bytes that are asked for where only a few are looked at: while a day's place is searched for."""

_KEPT: Final = 16
_ATTEMPTS: Final = 5
_FAILURES: Final = (ClientError, BotoCoreError, OSError)
_MISSING: Final = {"404", "NoSuchKey", "NotFound"}


class _Object:
    """An object, read by pages of which the last few are kept: lines are looked for near each other."""

    def __init__(self, client: Any, folder: S3Folder, key: str, size: int, etag: str) -> None:
        self.size = size
        self.mark: Hashable = (str(folder), key, etag)
        self._client = client
        self._names = {"Bucket": folder.bucket, "Key": key, "IfMatch": etag}
        self._uri = f"s3://{folder.bucket}/{key}"
        self._pages: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def fingerprint(self, start: int, end: int) -> str:
        return f"{self.mark} {start} {end}"

    def read(self, offset: int, length: int) -> bytes:
        size = PAGE if length > PROBE or self._is_kept(PAGE, offset) else PROBE
        first, last = offset // size, (min(offset + length, self.size) - 1) // size
        data = b"".join(self._page(size, number) for number in range(first, last + 1))
        return data[offset - first * size :][:length]

    def _is_kept(self, size: int, offset: int) -> bool:
        return (size, offset // size) in self._pages

    def _page(self, size: int, number: int) -> bytes:
        page = (size, number)
        if page not in self._pages:
            self._pages[page] = self._fetch(number * size, min((number + 1) * size, self.size))
            if len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
        self._pages.move_to_end(page)
        return self._pages[page]

    def _fetch(self, start: int, end: int) -> bytes:
        try:
            answer = self._client.get_object(**self._names, Range=f"bytes={start}-{end - 1}")
            data: bytes = answer["Body"].read()
        except _FAILURES as error:
            self._fail(error)
        if len(data) != end - start:
            raise TransientError(action="read", subject=self._uri, cause="the answer broke off", error_class="network")
        return data

    def _fail(self, error: Exception) -> NoReturn:
        if code_of(error) in ("412", "PreconditionFailed", *_MISSING):
            raise TransientError(
                action="read",
                subject=self._uri,
                cause="another object was put in its place meanwhile",
                error_class="conflict",
            ) from None
        raise s3_error(error, "read", self._uri) from None


class S3Root:
    """Inputs in a bucket, under a prefix.

    Args:
        folder: where.
        client: a ready-made boto3 client; default: one of the standard credential chain.
    """

    def __init__(self, folder: S3Folder, client: Any = None) -> None:
        self._folder = folder
        self._ready_client = client

    def found(self, pattern: str) -> set[str]:
        """See ``DataRoot.found``."""
        literal = pattern[: min(pattern.find(sign) for sign in "*?[" if sign in pattern)]
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._folder.bucket, Prefix=self._folder.key(literal)
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        except _FAILURES as error:
            raise s3_error(error, "list", self.place(literal)) from None
        names = {key.removeprefix(self._folder.key("")) for key in keys}
        return {name for name in names if not name.endswith("/") and matches(name, pattern)}

    @contextmanager
    def open(self, name: str) -> Iterator[Source | None]:
        """See ``DataRoot.open``."""
        found = self.look(name)
        key = self._folder.key(name)
        yield Source(_Object(self._client, self._folder, key, found["ContentLength"], found["ETag"])) if found else None

    def mark(self, name: str) -> Hashable | None:
        """See ``DataRoot.mark``."""
        found = self.look(name)
        return found["ETag"] if found else ABSENT

    def place(self, name: str) -> str:
        """Its address."""
        return f"s3://{self._folder.bucket}/{self._folder.key(name)}"

    def look(self, name: str) -> dict[str, Any] | None:
        """What S3 says of an input: ``ContentLength``, ``ETag``, ``LastModified``; None if it is not there.

        Raises:
            LumenError: if it cannot be asked.
        """
        try:
            answer: dict[str, Any] = self._client.head_object(Bucket=self._folder.bucket, Key=self._folder.key(name))
        except _FAILURES as error:
            if code_of(error) in _MISSING:
                return None
            raise s3_error(error, "read", self.place(name)) from None
        return answer

    @property
    def _client(self) -> Any:
        if self._ready_client is None:
            try:
                self._ready_client = new_client(self._folder.connection, attempts=_ATTEMPTS)
            except (BotoCoreError, ValueError) as error:
                raise PermanentError(
                    action="use",
                    subject=str(self._folder),
                    cause=f"boto3 does not accept its settings ({type(error).__name__})",
                    error_class="configuration",
                    hint="check region and endpoint_url of sources.s3, and the AWS profile",
                ) from None
        return self._ready_client
