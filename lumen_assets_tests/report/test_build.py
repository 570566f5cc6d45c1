from __future__ import annotations

import json
import math
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.report import DayReport, build_report
from lumen_assets.report.plain_text import visible
from lumen_assets.telemetry.model import Quote, Risk
from lumen_assets_tests.report.scenes import (
    at,
    configuration,
    empty_day,
    hostile_day,
    normal_day,
    stormy_day,
    telemetry,
)


@pytest.fixture(scope="module")
def normal():
    today, previous = normal_day(rate_hz=1)
    return build_report(today, previous, configuration(rate_hz=1))


def test_quotes_are_ordered_by_confidence_then_time(normal):
    assert [(q.confidence, f"{q.at:%H:%M}") for q in normal.quotes.top] == [
        (0.91, "06:31"), (0.91, "10:16"), (0.88, "13:07"),
    ]  # fmt: skip
    assert normal.quotes.count == 5
    assert normal.quotes.mean_confidence == pytest.approx((0.91 + 0.88 + 0.91 + 0.42 + 0.5) / 5)


def test_risks_are_counted_and_the_latest_come_first(normal):
    assert normal.risks.by_severity == {"crit": 1, "warn": 2, "info": 1}
    assert [f"{r.at:%H:%M}" for r in normal.risks.latest] == ["21:12", "13:04", "09:41", "02:00"]


def test_critical_risks_are_all_shown_up_to_a_bound_and_the_latest_of_the_others():
    def risks(severity: str, count: int) -> list[Risk]:
        return [Risk(at(f"{n:02}:00:00"), severity, "r", {}, f"{severity}{n}") for n in range(count)]

    found = build_report(telemetry(risks=(*risks("crit", 15), *risks("warn", 5))), None, configuration()).risks
    assert [r.note for r in found.latest if r.severity == "crit"] == [f"crit{n}" for n in reversed(range(15))]
    assert [r.note for r in found.latest if r.severity != "crit"] == ["warn4", "warn3", "warn2"]
    assert [r.at for r in found.latest] == sorted((r.at for r in found.latest), reverse=True)
    assert found.more_critical == 0
    found = build_report(telemetry(risks=tuple(risks("crit", 24))), None, configuration()).risks
    assert [r.note for r in found.latest] == [f"crit{n}" for n in reversed(range(4, 24))]
    assert found.more_critical == 4


def test_a_severity_nobody_knows_is_counted_too():
    report = build_report(telemetry(risks=(Risk(at("01:00:00"), "odd", "r", {}, ""),)), None, configuration())
    assert report.risks.by_severity == {"crit": 0, "warn": 0, "info": 0, "other": 1}
    assert [risk.severity for risk in report.risks.latest] == ["odd"]
    assert report.risks.count == 1


def test_json_round_trip(normal):
    days = [empty_day(), hostile_day(), stormy_day(20, rate_hz=0.1)]
    for report in (normal, *(build_report(day, None, configuration()) for day in days)):
        text = report.to_json()
        again = DayReport.from_json(text)
        assert again == report
        assert again.to_json() == text


def test_json_is_canonical(normal):
    text = normal.to_json()
    assert text.endswith("}\n")
    content = json.loads(text, parse_constant=pytest.fail)
    assert list(content) == sorted(content)
    assert "위상차" in text
    assert content["rule_effects"][0]["at"] == "2025-10-23T00:00:10+09:00"


def test_json_of_something_else_is_refused(normal):
    content = json.loads(normal.to_json())
    with pytest.raises(ValueError, match="unknown"):
        DayReport.from_json(json.dumps({**content, "unknown": 1}))
    with pytest.raises(ValueError, match="day"):
        DayReport.from_json("{}")


def test_empty_day_has_no_numbers_and_no_failure():
    report = build_report(empty_day(), telemetry(), configuration())
    assert report.sample
    assert report.previous_day is None
    assert all(s.values is None and s.curve is None and s.figure is None for s in report.signals)
    assert report.quotes.mean_confidence is None


def test_no_text_of_an_input_keeps_a_character_that_nobody_sees():
    text = build_report(hostile_day(), None, configuration()).to_json()
    assert not any(ord(c) < 32 for c in text.removesuffix("\n"))
    assert not set("\u202e\u2066\ufeff\u200b\u2028\x1b\x00\x7f") & set(text)
    assert "[U+202E]" in text
    assert "[U+D800]" in text


def test_visible_composes_and_joins_lines():
    assert visible("\u1100\u1161") == "가"
    assert visible(" a \r\n b\tc\n") == "a ↵ b c"
    assert visible("👩\u200d🚀") == "👩\u200d🚀"


def test_visible_knows_no_version_of_unicode(monkeypatch):
    """U+1FA77 is a pink heart since Unicode 15; another Python has tables without it, or with more."""
    texts = ("🩷", "\U0001faff", "\u0378", "\U0003fffd")
    for text in texts:
        assert visible(text) == text
    category = unicodedata.category
    monkeypatch.setattr(unicodedata, "category", lambda c: "Cn" if category(c) == "So" else category(c))
    assert visible("🩷😀") == "🩷😀"


@pytest.mark.parametrize(
    "code",
    ["FDD0", "FDEF", "FFFE", "FFFF", "1FFFE", "10FFFF", "2065", "FFF0", "E0000", "E0080", "E0FFF", "E0041", "AD"],
)
def test_what_nobody_can_see_is_named(code):
    assert visible(f"a{chr(int(code, 16))}b") == f"a[U+{code.zfill(4)}]b"


def test_a_flag_is_one_emoji_and_hides_no_text():
    def tags(text: str) -> str:
        return "".join(chr(0xE0000 + ord(c)) for c in text)

    scotland = f"🏴{tags('gbsct')}\U000e007f"
    assert visible(f"a{scotland}b") == f"a{scotland}b"
    for hidden in (
        tags("gbsct"),
        f"🏴{tags('gbsct')}",
        f"🏴{tags('ignore all')}\U000e007f",
        f"😀{tags('gbsct')}\U000e007f",
    ):
        assert "[U+E00" in visible(hidden)
        assert not any(0xE0000 <= ord(c) <= 0xE007F for c in visible(hidden))


@given(st.text())
def test_what_is_visible_is_valid_in_utf_8_and_xml(text):
    shown = visible(text)
    assert ET.fromstring(f"<a>{escape(shown)}</a>".encode()).text == (shown or None)  # noqa: S314 - our own text
    assert visible(shown) == shown


def test_quotes_of_equal_confidence_and_time_keep_their_order():
    quotes = tuple(Quote(at("01:00:00"), str(i), "", {}, 0.5, "") for i in range(5))
    report = build_report(telemetry(quotes=quotes), None, configuration())
    assert [q.by for q in report.quotes.top] == ["0", "1", "2"]
    assert math.isclose(report.quotes.mean_confidence or 0, 0.5)


def test_importing_the_package_loads_no_drawing():
    code = (
        "import sys, lumen_assets.report; print([m for m in ('reportlab', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_building_and_drawing_never_import_matplotlib():
    code = (
        "import sys\nfrom lumen_assets.report import build_report, write_pdf\n"
        "from lumen_assets.report.fonts import typeface\n"
        "typeface()\nprint('matplotlib' in sys.modules, 'dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
