"""A figure in a PDF looks to the pixel as reportlab's own renderer draws it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from reportlab.graphics import renderPDF
from reportlab.graphics.shapes import Drawing, Ellipse
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_assets.report import build_report
from lumen_assets.report.figures import figure_drawing
from lumen_assets.report.fonts import typeface
from lumen_assets.report.pdf_drawing import Drawn
from lumen_assets.report.sections import document
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


def page(flowable: Flowable, folder: Path) -> Image.Image:
    path = folder / "drawn.pdf"
    canvas = Canvas(str(path), pagesize=(WIDTH + 20, flowable.height + 20), initialFontName=FACE.regular)
    flowable.drawOn(canvas, 10, 10)
    canvas.save()
    subprocess.run(["pdftoppm", "-r", "150", "-singlefile", "-png", path, folder / "drawn"], check=True)
    return Image.open(folder / "drawn.png").convert("RGB")


def scaled(drawing: Drawing) -> Flowable:
    """By reportlab's renderer."""
    scale = WIDTH / drawing.width
    drawing.scale(scale, scale)
    drawing.width, drawing.height = WIDTH, drawing.height * scale
    return renderPDF.GraphicsFlowable(drawing)


@pytest.mark.parametrize("name", REPORTS)
def test_every_kind_of_figure_looks_as_reportlab_draws_it(name, tmp_path):
    figures = document(REPORTS[name]).figures
    for figure in figures:
        ours = page(Drawn(figure_drawing(figure, FACE), WIDTH), tmp_path)
        theirs = page(scaled(figure_drawing(figure, FACE)), tmp_path)
        assert ours.size == theirs.size
        assert ImageChops.difference(ours, theirs).getbbox() is None, figure.file


def test_a_shape_less_is_seen(tmp_path):
    figure = document(REPORTS["whole"]).figures[0]
    whole = page(Drawn(figure_drawing(figure, FACE), WIDTH), tmp_path)
    for number in range(0, len(figure_drawing(figure, FACE).contents), 7):
        drawing = figure_drawing(figure, FACE)
        del drawing.contents[number]
        assert ImageChops.difference(whole, page(Drawn(drawing, WIDTH), tmp_path)).getbbox(), number


def test_a_shape_that_no_figure_has_is_refused(tmp_path):
    drawing = Drawing(100, 100, Ellipse(50, 50, 20, 10))
    with pytest.raises(TypeError, match="Ellipse"):
        page(Drawn(drawing, WIDTH), tmp_path)
