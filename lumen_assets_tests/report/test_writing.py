from __future__ import annotations

import pytest

from lumen_assets.durable import replace_bytes
from lumen_assets.errors import PermanentError
from lumen_assets.report import build_report, load_report, render_markdown, write_report
from lumen_assets_tests.report.scenes import DAY, configuration, normal_day


def test_what_is_written_can_be_loaded(tmp_path):
    report = build_report(*normal_day(rate_hz=0.2), configuration(rate_hz=0.2))
    written = write_report(report, tmp_path)
    assert written.markdown == tmp_path / "report_2025-10-23.md"
    assert written.model == tmp_path / "report_2025-10-23.json"
    assert written.markdown.read_text("utf-8") == render_markdown(report)
    assert {p.parent for p in written.figures} == {tmp_path / "assets"}
    assert load_report(tmp_path, DAY) == report
    before = {p: p.read_bytes() for p in (written.markdown, written.model, *written.figures)}
    write_report(report, tmp_path)
    assert {p: p.read_bytes() for p in before} == before
    assert not list(tmp_path.rglob(".tmp-*"))


def test_figures_named_in_markdown_exist(tmp_path):
    import re

    written = write_report(build_report(*normal_day(rate_hz=0.2), configuration(rate_hz=0.2)), tmp_path)
    named = re.findall(r"!\[.*\]\((.*)\)", written.markdown.read_text("utf-8"))
    assert [tmp_path / name for name in named] == list(written.figures)


def test_a_report_that_is_not_there_says_so(tmp_path):
    with pytest.raises(PermanentError, match="does not exist") as caught:
        load_report(tmp_path, DAY)
    assert caught.value.error_class == "input"


def test_a_broken_model_says_so(tmp_path):
    (tmp_path / "report_2025-10-23.json").write_text("{")
    with pytest.raises(PermanentError, match="not a report"):
        load_report(tmp_path, DAY)


def test_a_report_that_was_replaced_is_read_again(tmp_path):
    report = build_report(*normal_day(rate_hz=0.2), configuration(rate_hz=0.2))
    path = write_report(report, tmp_path).model
    assert load_report(tmp_path, DAY) is report
    assert load_report(tmp_path, DAY).to_json() == path.read_text("utf-8")
    replace_bytes(path, report.to_json().replace('"present":true', '"present":null').encode())
    with pytest.raises(PermanentError, match="not a report"):
        load_report(tmp_path, DAY)
    replace_bytes(path, report.to_json().encode())
    assert load_report(tmp_path, DAY) is not report
    assert load_report(tmp_path, DAY) == report
    path.unlink()
    with pytest.raises(PermanentError, match="does not exist"):
        load_report(tmp_path, DAY)
