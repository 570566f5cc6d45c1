"""A file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from lumen_assets.durable import TEMPORARY_PREFIX, fsync_folder
from lumen_assets.errors import PermanentError


def write_textfile(path: Path, page: bytes) -> None:
    """Put ``page`` in the place of ``path`` at once, readable for everybody.

    The collector reads every file whose name ends in ``.prom``, hidden ones too, so the temporary name must not; and it
    runs as another user, so the mode is set whatever the umask.

    Raises:
        PermanentError: if no file can be made in its folder.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=".part", dir=path.parent)
    except OSError as error:
        raise PermanentError(
            action="write into",
            subject=f"the folder {path.parent.absolute()}",
            cause=error.strerror or type(error).__name__,
            error_class="output",
            hint=f"make it, with leave to write for this user, or choose another place for {path.name}",
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(page)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    fsync_folder(path.parent)
