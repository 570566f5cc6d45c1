"""Whether two pictures of pages are the same to the eye, tile by tile: one small thing that is missing is seen.

Tolerated is what another version of Poppler or FreeType does to the same PDF: edges that are smoothed otherwise, and
letters that lie a pixel beside where they were. A machine has what its distribution has of them; nothing else is
pinned. So a pixel is only unlike where nothing like it is next to its place in the other picture, and a tile only
where several are, or where all of it has another shade. What is left out, or moved by more, is tolerated nowhere.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE: Final = 32
"""Pixels of a tile's side: a centimetre at 80 dpi, two cells of a calendar."""

SHADE: Final = 40
"""Of 255, in any colour: how far a pixel may be beyond those around its place. The finest hatching makes some 80."""

PIXELS: Final = 6
"""Of a tile's 1,024, that may be unlike."""

GROUND: Final = 14
"""Of 255, in any colour, of a tile's mean. References are rounded by up to 8; the target range differs by 28."""

_LEVELS: Final = 15
"""Between nothing and all of a colour: so many are few enough for a palette, and pale areas still differ."""

_Pixels = NDArray[np.int16]


def unlike(picture: Image.Image, reference: Image.Image) -> list[tuple[int, int]]:
    """The tiles, by column and row, in which two pictures differ; all of them where their sizes do."""
    if picture.size != reference.size:
        columns, rows = (-(-side // TILE) for side in reference.size)
        return [(column, row) for row in range(rows) for column in range(columns)]
    one, other = (np.asarray(image.convert("RGB"), np.int16) for image in (picture, reference))
    beyond = _beyond(one, other) | _beyond(other, one)
    several = _tiles(beyond).sum(axis=(1, 3)) > PIXELS
    shaded = (np.abs(_tiles(one - other).mean(axis=(1, 3))) > GROUND).any(axis=2)
    return [(int(column), int(row)) for row, column in np.argwhere(several | shaded)]


def _tiles(pixels: NDArray[Any]) -> NDArray[Any]:
    """By row of tiles, row in the tile, column of tiles, column in the tile; the last ones are filled up with zeros."""
    height, width = (-side % TILE for side in pixels.shape[:2])
    padded = np.pad(pixels, ((0, height), (0, width), *[(0, 0)] * (pixels.ndim - 2)))
    return padded.reshape(padded.shape[0] // TILE, TILE, padded.shape[1] // TILE, TILE, *padded.shape[2:])


def as_reference(picture: Image.Image) -> Image.Image:
    """A picture with its colours rounded, which takes a fourth of the bytes."""
    step = 255 // _LEVELS
    rounded = Image.fromarray((np.round(np.asarray(picture) / step) * step).astype(np.uint8))
    return rounded.quantize(256)


def _beyond(picture: _Pixels, other: _Pixels) -> NDArray[np.bool_]:
    """The pixels of one picture that are lighter or darker than all of the other's around the same place."""
    lightest, darkest = _around(other, np.maximum), _around(other, np.minimum)
    found: NDArray[np.bool_] = ((picture > lightest + SHADE) | (picture < darkest - SHADE)).any(axis=2)
    return found


def _around(pixels: _Pixels, most: np.ufunc) -> _Pixels:
    """Of each pixel and its eight neighbours, the lightest or darkest of each colour."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = most(most(padded[:-2], padded[1:-1]), padded[2:])
    found: _Pixels = most(most(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return found
