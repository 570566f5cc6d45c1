from __future__ import annotations

import re

import pytest

from lumen_assets.report import build_report, render_markdown
from lumen_assets.report.markdown import escaped
from lumen_assets.telemetry.model import Risk
from lumen_assets_tests.report.scenes import (
    at,
    broken_day,
    configuration,
    empty_day,
    hostile_day,
    normal_day,
    stormy_day,
    telemetry,
)


def markdown(today, previous=None, language="ko", rate_hz=1):
    return render_markdown(build_report(today, previous, configuration(language, rate_hz=rate_hz)))


def tables(text: str) -> list[list[str]]:
    return [block.splitlines() for block in re.split(r"\n\n", text) if block.startswith("|")] + [
        re.findall(r"^\|.*$", block, re.MULTILINE) for block in re.split(r"\n\n", text) if "\n|" in block
    ]


def top(text: str) -> str:
    """What stands before any table."""
    return text.split("\n|", maxsplit=1)[0]


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_normal_day_says_everything(language):
    text = markdown(*normal_day(rate_hz=1), language=language)
    assert text.endswith("\n")
    assert "\r" not in text
    for needed in ("phase_diff", "creative_gain", "13:04:10", "03:10:00", "resonating", "84447"):
        assert needed in text
    assert "](assets/report_2025-10-23_phase_diff.svg)" in text


def test_a_risk_of_another_severity_is_counted_in_the_facts_and_shown_as_it_was_written():
    odd = Risk(at("01:00:00"), "sev-1", "r", {}, "")
    text = markdown(telemetry(risks=(odd,)), language="en")
    assert "crit 0 · warn 0 · info 0 · other 1" in text
    assert "| Risks | crit 0 · warn 0 · info 0 · other 1 |" in text
    assert "| sev-1 |" in text


@pytest.mark.parametrize(("count", "more"), [(15, 0), (20, 0), (22, 2)])
def test_critical_risks_are_shown_and_how_many_more_there_are(count, more):
    found = tuple(Risk(at(f"{n:02}:00:00"), "crit", "r", {}, f"grave{n}-") for n in range(count))
    text = markdown(telemetry(risks=found), language="en")
    assert [f"grave{n}-" in text for n in range(count)] == [n >= more for n in range(count)]
    assert ("Critical ones that are not shown" in text) == bool(more)
    assert (f"Critical ones that are not shown: {more} more." in text) == bool(more)


def test_korean_and_english_headings():
    today, previous = normal_day(rate_hz=0.2)
    korean = markdown(today, previous, "ko", 0.2)
    english = markdown(today, previous, "en", 0.2)
    assert "## 한눈에 보기" in korean
    assert "## At a glance" in english
    assert not re.search(r"[가-힣]", re.sub(r"^[|-].*$", "", english, flags=re.MULTILINE))


def test_every_row_has_the_cells_of_its_header():
    for text in (markdown(hostile_day()), markdown(stormy_day(30)), markdown(*normal_day(rate_hz=0.2))):
        for table in tables(text):
            assert len({cells(row) for row in table}) == 1, table[0]


def test_hostile_texts_stay_texts():
    text = markdown(hostile_day())
    assert "<script" not in text
    assert set(re.findall(r"<[^>]*>", text)) <= {"<br>"}
    assert "http://" not in text
    assert "www.q" not in text
    assert not re.search(r"(?<!\\)`", text)
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert not set("\u202e\u2066\ufeff\u200b\u2028") & set(text)
    targets = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert all(re.fullmatch(r"#[\w%-]+|assets/report_2025-10-23_[\w.-]+\.svg", target) for target in targets), targets


def test_escapes_leave_plain_names_readable():
    assert escaped("phase_diff, a__b") == "phase_diff, a__b"
    assert escaped("_em_ *b* a|b") == r"\_em\_ \*b\* a\|b"
    assert escaped("&lt;") == "&amp;lt;"
    assert escaped("a\nb") == "a<br>b"


@pytest.mark.parametrize(
    ("language", "sample", "empty"),
    [("ko", "샘플 데이터", "기록된 텔레메트리가 없습니다"), ("en", "sample data", "No telemetry was recorded")],
)
def test_an_empty_sample_day_says_so_at_the_top(language, sample, empty):
    first = top(markdown(empty_day(), language=language))
    assert "SAMPLE DATA" in first
    assert sample in first
    assert empty in first


@pytest.mark.parametrize(
    ("language", "text"), [("ko", "값이 있는 신호가 하나도 없습니다"), ("en", "No signal has a single value")]
)
def test_a_broken_day_says_so_at_the_top(language, text):
    whole = markdown(broken_day(), language=language)
    assert text in top(whole)
    assert "431,998" in top(whole)
    assert "x\\|y" in whole
    assert "![" not in whole


def test_rows_without_columns_are_a_day_too():
    from lumen_assets_tests.report.scenes import DAY, at, frame, telemetry

    assert "값이 있는 신호가 하나도 없습니다" in markdown(telemetry(DAY, frame([at("05:00:00")])))


def test_rejected_lines_are_told_near_the_top():
    assert "제외한 줄이 13개" in top(markdown(*normal_day(rate_hz=0.2), rate_hz=0.2))


def test_blank_lines_are_remarked_and_not_among_those_left_out():
    text = markdown(*normal_day(rate_hz=0.2), rate_hz=0.2)
    (row,) = re.findall(r"^\| logs/metrics.csv \| 있음 .*", text, re.MULTILINE)
    left_out, remarks = row.split(" | ")[3:]
    assert left_out == "중복된 시각 12<br>잘린 줄 1"
    assert remarks == "빈 줄 3<br>시계 역행 1 |"
    assert "| logs/metrics.csv | 17 | 빈 줄 |" in text


def test_the_same_day_gives_the_same_bytes():
    assert markdown(*normal_day(rate_hz=0.2), rate_hz=0.2) == markdown(*normal_day(rate_hz=0.2), rate_hz=0.2)


def test_links_lead_to_headings():
    text = markdown(*normal_day(rate_hz=0.2))
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^## (.*)$", text, re.MULTILINE)}
    from urllib.parse import unquote

    links = {unquote(link) for link in re.findall(r"\]\(#([^)]*)\)", text)}
    assert links
    assert links <= headings
