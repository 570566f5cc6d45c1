"""What stands above the figure of a signal: its name on the left, its target on the right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from reportlab.pdfbase.pdfmetrics import stringWidth

from lumen_assets.report import formats
from lumen_assets.report.axes import Axis
from lumen_assets.report.drawing import INK, TARGET_EDGE, fitted, text
from lumen_assets.report.fonts import Typeface
from lumen_assets.report.model import TargetRange
from lumen_assets.report.wording import Wording

if TYPE_CHECKING:
    from reportlab.graphics.shapes import String


class Drawn(formats.Named, Protocol):
    """A signal that has a figure."""

    @property
    def unit(self) -> str:
        """Of its values; may be empty."""

    @property
    def target(self) -> TargetRange | None:
        """The values that are good, if any are configured."""


def figure_titles(
    signal: Drawn, axis: Axis, *, left: float, right: float, y: float, face: Typeface, wording: Wording
) -> Iterator[String]:
    """From ``left`` to ``right``, in points; with what is to be added to the labels of ticks."""
    title = formats.with_unit(formats.signal_title(signal), f"[{signal.unit}]" if signal.unit else "")
    parts = [wording("figure_base", base=axis.base)] if axis.base else []
    if signal.target is not None:
        parts.append(wording("figure_target", target=formats.target(signal.target, signal.unit, wording)))
    beside = face.showable(" · ".join(parts))
    if beside:
        yield text(beside, x=right, y=y, font=face.regular, size=8, color=TARGET_EDGE, anchor="end")
    room = right - left - stringWidth(beside, face.regular, 8) - 12
    yield text(fitted(face.showable(title), face.bold, 9, room), x=left, y=y, font=face.bold, size=9, color=INK)
