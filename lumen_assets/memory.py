"""What the C library does with memory that is let go of."""

from __future__ import annotations

from functools import cache
from typing import Final

_KEPT: Final = 16 << 20
"""Bytes: more than any buffer or column of a day here, so that none is mapped by itself, and twice that is kept."""


@cache
def keep_freed_memory() -> None:
    """Have it keep what is freed of such a size, not give it back and be given it anew every time.

    GNU's raises its thresholds to the largest block that was freed (mallopt(3), "dynamic mmap threshold"); that saves
    every seventh second of processor in reading an archive, half of a signal's statistics, and little in making an
    archive. Elsewhere it does nothing. It stays so, and is done once a process.
    """
    bytearray(_KEPT)
