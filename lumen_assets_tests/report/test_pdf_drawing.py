"""A figure in a PDF looks to the pixel as reportlab's own renderer draws it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from PIL import ImageChops
from reportlab.graphics import renderPDF
from reportlab.graphics.shapes import Drawing, Ellipse
from reportlab.platypus import Flowable

from lumen_assets.report import build_report
from lumen_assets.report.figures import figure_drawing
from lumen_assets.report.fonts import typeface
from lumen_assets.report.pdf_drawing import Drawn
from lumen_assets.report.sections import document
from lumen_assets_tests.report.pages import picture_of
from lumen_assets_tests.report.scenes import (
    DAY,
    at,
    configuration,
    frame,
    normal_day,
    past_days,
    stormy_day,
    telemetry,
)

FACE = typeface()
WIDTH = 480.0
GAPS = telemetry(DAY, frame([at(f"0{i}:00:00") for i in range(1, 6)], {"phase_diff": [0.1, None, 0.3, 1e5, -2.0]}))
REPORTS = {
    "whole": build_report(
        *normal_day(rate_hz=0.2), configuration(rate_hz=0.2), past_days([0.5, None] * 14, configuration())
    ),
    "gaps": build_report(GAPS, None, configuration()),
    "stormy": build_report(stormy_day(200, rate_hz=0.05), None, configuration("en", rate_hz=0.05)),
}


def scaled(drawing: Drawing) -> Flowable:
    """By reportlab's renderer."""
    drawing = deepcopy(drawing)
    scale = WIDTH / drawing.width
    drawing.scale(scale, scale)
    drawing.width, drawing.height = WIDTH, drawing.height * scale
    return renderPDF.GraphicsFlowable(drawing)


@pytest.mark.parametrize("name", REPORTS)
def test_every_kind_of_figure_looks_as_reportlab_draws_it(name):
    figures = document(REPORTS[name]).figures
    for figure in figures:
        ours = picture_of(Drawn(figure_drawing(figure, FACE), WIDTH), WIDTH)
        theirs = picture_of(scaled(figure_drawing(figure, FACE)), WIDTH)
        assert ours.size == theirs.size
        assert ImageChops.difference(ours, theirs).getbbox() is None, figure.file


def test_a_shape_less_is_seen():
    figure = document(REPORTS["whole"]).figures[0]
    whole = picture_of(Drawn(figure_drawing(figure, FACE), WIDTH), WIDTH)
    for number in range(0, len(figure_drawing(figure, FACE).contents), 7):
        drawing = deepcopy(figure_drawing(figure, FACE))
        del drawing.contents[number]
        assert ImageChops.difference(whole, picture_of(Drawn(drawing, WIDTH), WIDTH)).getbbox(), number


def test_a_shape_that_no_figure_has_is_refused():
    drawing = Drawing(100, 100, Ellipse(50, 50, 20, 10))
    with pytest.raises(TypeError, match="Ellipse"):
        picture_of(Drawn(drawing, WIDTH), WIDTH)
