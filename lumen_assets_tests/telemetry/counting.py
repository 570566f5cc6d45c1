"""A source that counts what is read of it."""

from __future__ import annotations

from lumen_assets.telemetry.lines import Source


class CountingSource(Source):
    """Counts what is read."""

    read_bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        data = super().read(offset, length)
        self.read_bytes += len(data)
        return data
