"""A file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from lumen_assets.durable import TEMPORARY_PREFIX, fsync_folder


def write_textfile(path: Path, page: bytes) -> None:
    """Put ``page`` in the place of ``path`` at once, readable for everybody.

    The collector reads every file whose name ends in ``.prom``, hidden ones too, so the temporary name must not; and it
    runs as another user, so the mode is set whatever the umask.
    """
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=".part", dir=path.parent)
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
