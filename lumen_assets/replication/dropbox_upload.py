"""One file into Dropbox through a concurrent upload session that goes on after a restart of the process.

Why a concurrent session can be resumed, though Dropbox cannot be asked what it has of one:

- A piece is accepted only if its content hash is that of what arrived, and ``finish`` is refused with
  ``concurrent_session_missing_data`` unless every piece is there. So there are neither damaged pieces nor holes.
- The record names the content hash of every piece before it is sent, and all pieces of a session but the last have one
  size. So whatever arrived came from these bytes; if the source's hash for a piece is another now, the session is
  given up.
- A piece whose answer was lost is sent again. Dropbox's own example does the same, ``examples/large-file-upload.rs`` in
  https://github.com/dropbox/dropbox-sdk-rust: pieces again that may be there already, the closing piece alone at the
  end because a closed session takes no more, and the finish tried although the closing failed. Its history (02a1f91,
  a971628) tells that *different* data at an offset that has some is HTTP 400 "Different data already uploaded at
  offset N"; that session is given up too, which costs bytes and never the content.

``finish`` cannot be given the hash of the whole file: ``content_hash`` is that "of the file content uploaded in this
call" (``UploadSessionFinishArg`` in ``files.stone``), and that of a concurrent session is empty. So the answer's
``content_hash`` is compared.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from dropbox import Dropbox
from dropbox.content_hash import content_hash
from dropbox.exceptions import ApiError, BadInputError
from dropbox.files import CommitInfo, FileMetadata, UploadSessionCursor, UploadSessionType

from lumen_assets.archive.digests import Digests
from lumen_assets.errors import IntegrityError, LumenError
from lumen_assets.replication.dropbox_errors import FAILURES, tags, translate
from lumen_assets.replication.sessions import UploadSessions
from lumen_assets.replication.store import Progress

BLOCK: Final = 4 << 20
"""Pieces of a concurrent session are multiples of this."""

WORKERS: Final = 2
"""Pieces on their way at once, which a kill interrupts and which are sent again.

1 GiB killed twenty times took 1.18 and 1.19 times its size with three of 4 MiB, and may take 1.2; two cannot take more
than 1.16.
"""

_BIG: Final = 16 << 30  # from here on pieces are twice as big, for half the requests and a shorter record


class SessionLostError(Exception):
    """Dropbox has no such session any more, or not one that leads to this file."""


class NameTakenError(Exception):
    """There is something at the path."""


@dataclass(frozen=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        key: its key, for the session's record.
        source: the file.
        digests: of the file.
        commit: where it goes and what happens if there is something.
        secrets: what no message may show.
        progress: called with the bytes of every piece that arrived.
    """

    key: str
    source: Path
    digests: Digests
    commit: CommitInfo
    secrets: tuple[str, ...] = ()
    progress: Progress | None = None

    @property
    def subject(self) -> str:
        """For messages."""
        return f"{self.source.name} to {self.commit.path}"

    def translated(self, error: Exception) -> LumenError:
        """A failure of the SDK as one of ours."""
        return translate(error, "upload", self.subject, self.secrets)

    def require(self, sha256: str) -> None:
        """Stop before anything is stored if the source is not what its digests say.

        Raises:
            IntegrityError: with ``error_class="digest"``.
        """
        if sha256 != self.digests.sha256:
            raise IntegrityError(
                action="upload",
                subject=self.subject,
                cause=f"the source's SHA-256 is {sha256}, its manifest says {self.digests.sha256}",
                error_class="digest",
                hint="the source is damaged; nothing was stored",
            )


@dataclass
class _Record:
    """What is remembered of an unfinished session.

    Attributes:
        session_id: Dropbox's; worth a password while it lives, which is seven days.
        piece: bytes in every piece but the last.
        sent: content hash of every piece that was ever begun, by offset.
        arrived: offsets of the pieces that Dropbox confirmed.
        closed: whether the last piece arrived, so that only the finish is missing.
    """

    session_id: str
    piece: int
    sent: dict[str, str] = field(default_factory=dict)
    arrived: list[int] = field(default_factory=list)
    closed: bool = False

    @classmethod
    def parse(cls, saved: dict[str, Any] | None) -> _Record | None:
        if saved is None:
            return None
        try:
            record = cls(**saved)
            good = record.piece > 0 and record.piece % BLOCK == 0 and isinstance(record.session_id, str)
            return record if good and isinstance(record.sent, dict) and isinstance(record.arrived, list) else None
        except TypeError:
            return None


@dataclass(frozen=True)
class _Piece:
    offset: int
    data: bytes
    hash: str


class SessionUpload:
    """Uploads one file; ``run`` may be called again after a failure, in another process too.

    Memory: at most ``WORKERS`` pieces, those on their way and the one being read, and the last one.

    Args:
        client: the SDK's.
        sessions: where the record is kept.
        upload: what goes where.
    """

    def __init__(self, client: Dropbox, sessions: UploadSessions, upload: Upload) -> None:
        self._client = client
        self._sessions = sessions
        self._upload = upload
        self._record = _Record("", BLOCK)
        self._lock = threading.Lock()
        self.bytes_sent = 0

    def run(self) -> FileMetadata:
        """What Dropbox says of the finished file; its content hash is for the caller to compare.

        Raises:
            SessionLostError: the remembered session leads nowhere and is forgotten; start again.
            NameTakenError: there is something at the path; the session is kept.
            IntegrityError: if the source is not what its digests say; nothing was stored.
            TransientError, PermanentError: as Dropbox failed; the session is kept.
        """
        try:
            self._open()
            if not self._record.closed:
                self._send_pieces()
            metadata = self._finish()
        except SessionLostError:
            self._forget()
            raise
        self._forget()
        return metadata

    def _open(self) -> None:
        record = _Record.parse(self._sessions.load(self._upload.key, self._upload.digests))
        if record is None:
            record = _Record(self._start(), BLOCK if self._upload.digests.size < _BIG else 2 * BLOCK)
        self._record = record
        self._save()

    def _start(self) -> str:
        try:
            started = self._client.files_upload_session_start(b"", session_type=UploadSessionType.concurrent)
            return str(started.session_id)
        except FAILURES as error:
            failure = self._upload.translated(error)
        raise failure

    def _send_pieces(self) -> None:
        """All pieces but the last side by side, then the last one, which closes the session."""
        digest = hashlib.sha256()
        last = None
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dropbox") as threads:
            under_way: set[Future[_Piece]] = set()
            try:
                for piece in self._pieces(digest):
                    if self._announce(piece):
                        continue
                    if piece.offset + len(piece.data) >= self._upload.digests.size:
                        last = piece
                        break
                    under_way.add(threads.submit(self._append, piece))
                    del piece  # and only then the next is read, so that no more than these are in memory
                    if len(under_way) == WORKERS:
                        self._gather(under_way, FIRST_COMPLETED)
                self._upload.require(digest.hexdigest())
                self._gather(under_way, ALL_COMPLETED)
            except BaseException:
                self._gather(under_way, ALL_COMPLETED, failing=True)
                raise
        if last is not None:
            self._arrived(self._append(last, close=True))
        self._record.closed = True
        self._save()

    def _pieces(self, digest: hashlib._Hash) -> Iterator[_Piece]:
        """The source in pieces; before the last one ``digest`` has taken in everything, what is beyond it too."""
        size = self._upload.digests.size
        with self._upload.source.open("rb") as file:
            for offset in range(0, size, self._record.piece):
                data = file.read(self._record.piece)
                digest.update(data)
                if offset + self._record.piece >= size:
                    while beyond := file.read(BLOCK):
                        digest.update(beyond)
                yield _Piece(offset, data, content_hash(data))
                if len(data) < self._record.piece:
                    return

    def _announce(self, piece: _Piece) -> bool:
        """Note that a piece is about to be sent; returns whether it arrived earlier."""
        name = str(piece.offset)
        before = self._record.sent.get(name)
        if before is None:
            with self._lock:
                self._record.sent[name] = piece.hash
                self._save()
        elif before != piece.hash:  # the source was another then, or is now
            raise SessionLostError
        return piece.offset in self._record.arrived

    def _gather(self, under_way: set[Future[_Piece]], until: str, *, failing: bool = False) -> None:
        """Count what arrived, whatever else failed; raises the first failure unless ``failing`` already."""
        done, _ = wait(under_way, return_when=until)
        under_way -= done
        failures = [error for future in done if (error := future.exception())]
        for future in done:
            if not future.exception():
                self._arrived(future.result())
        if failures and not failing:
            raise failures[0]

    def _arrived(self, piece: _Piece) -> None:
        self.bytes_sent += len(piece.data)
        if self._upload.progress:
            self._upload.progress(len(piece.data))

    def _append(self, piece: _Piece, *, close: bool = False) -> _Piece:
        cursor = UploadSessionCursor(self._record.session_id, piece.offset)
        try:
            self._client.files_upload_session_append_v2(piece.data, cursor, close=close, content_hash=piece.hash)
            failure: Exception | None = None
        except FAILURES as error:
            if _is_there_already(error, piece, close=close):
                failure = None
            elif set(tags(error)) & {"not_found", "incorrect_offset", "closed"} or _is_other_data(error):
                failure = SessionLostError()
            else:
                failure = self._upload.translated(error)
        if failure:
            raise failure
        return self._noted(piece)

    def _noted(self, piece: _Piece) -> _Piece:
        """At once and in the piece's own thread: what is not noted when the process is killed is sent again."""
        with self._lock:
            self._record.arrived.append(piece.offset)
            self._save()
        return piece

    def _finish(self) -> FileMetadata:
        cursor = UploadSessionCursor(self._record.session_id, self._upload.digests.size)
        try:
            return self._client.files_upload_session_finish(b"", cursor, self._upload.commit)
        except FAILURES as error:
            found = set(tags(error))
            if "lookup_failed" in found or any(tag.startswith("concurrent_session_") for tag in found):
                failure: Exception = SessionLostError()
            elif "conflict" in found:
                failure = NameTakenError()
            else:
                failure = self._upload.translated(error)
        raise failure

    def _save(self) -> None:
        self._sessions.save(self._upload.key, self._upload.digests, asdict(self._record))

    def _forget(self) -> None:
        self._sessions.forget(self._upload.key, self._upload.digests)


def _is_there_already(error: Exception, piece: _Piece, *, close: bool) -> bool:
    """Whether Dropbox refused a piece because it has it: the answer to it was lost, or a second process was first.

    A closed session has the closing piece; only we close it.
    """
    found = tags(error)
    if "incorrect_offset" in found and isinstance(error, ApiError):
        return bool(error.error.get_incorrect_offset().correct_offset == piece.offset + len(piece.data))
    return "closed" in found and close


def _is_other_data(error: Exception) -> bool:
    return isinstance(error, BadInputError) and "already uploaded at offset" in str(error.message)
