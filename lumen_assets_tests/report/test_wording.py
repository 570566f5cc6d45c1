from __future__ import annotations

import math
import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lumen_assets.report as package
from lumen_assets.report import formats
from lumen_assets.report.model import TargetRange
from lumen_assets.report.wording import TEXTS, Wording

PREFIXES = ("severity_", "kind_", "note_", "column_", "good_", "finding_", "side_", "times_")


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_both_languages_say_it_with_the_same_fields(key):
    korean, english = TEXTS[key]
    assert korean.strip()
    assert english.strip()
    assert not re.search(r"[가-힣]", english)

    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    if key != "day":  # the order and names of its parts differ
        assert fields(korean) == fields(english)


def test_every_text_that_is_asked_for_exists_and_none_is_idle():
    source = "".join(path.read_text("utf-8") for path in Path(package.__path__[0]).glob("*.py"))
    asked = set(re.findall(r"wording\(\s*[\"'](\w+)[\"']", source))
    assert asked <= set(TEXTS)
    idle = {key for key in TEXTS if key not in asked and f'"{key}"' not in source.replace(f'    "{key}": (', "")}
    assert all(key.startswith(PREFIXES) for key in idle), {k for k in idle if not k.startswith(PREFIXES)}


def test_every_kind_of_rejected_line_and_note_has_words():
    from lumen_assets.telemetry import reading

    kinds, _, notes = str(reading.__doc__).partition("Notes:")
    for kind in re.findall(r"^``(\w+)``", kinds, re.MULTILINE):
        assert f"kind_{kind}" in TEXTS
    for note in re.findall(r"``(\w+)``", notes):
        assert f"note_{note}" in TEXTS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.04217, "0.0422"), (0.3, "0.3000"), (3.14159, "3.142"), (422142.0, "422,142"),
        (-0.0000831, "-8.31e-5"),
        (53_510_000.4, "53,510,000"), (-999_999_999, "-999,999,999"), (1e9, "1.000e9"), (-5.3519e12, "-5.352e12"),
        (1e-9, "1.00e-9"), (1e300, "1.000e300"), (None, "–"),
    ],
)  # fmt: skip
def test_numbers_have_sensible_digits(value, text):
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("new", "old", "shown"),
    [
        (0.03126, 0.03014, ("0.0313", "0.0301", "+0.0012")),
        (40.124, 39.996, ("40.12", "40.00", "+0.12")),
        (9.9994, 10.006, ("9.999", "10.01", "-0.011")),
        (1234.4, 1000.4, ("1,234", "1,000", "+234")),
        (0.0, 0.03, ("0", "0.0300", "-0.0300")),
        (0.03, 0.03, ("0.0300", "0.0300", "0")),
        (0.03001, 0.03003, ("0.0300", "0.0300", "-2.00e-5")),
        (8.342e-5, 1.263e-5, ("8.34e-5", "1.26e-5", "+7.08e-5")),
        (53_510_000, 52_490_000, ("53,510,000", "52,490,000", "+1,020,000")),
        (5.351e12, 5.249e12, ("5.351e12", "5.249e12", "+1.020e11")),
        (1.79e308, -1.0, ("1.790e308", "-1.000", "+1.790e308")),
    ],
)
def test_differences_are_those_of_the_numbers_beside_them(new, old, shown):
    assert (formats.number(new), formats.number(old), formats.difference(new, old)) == shown


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.05, None, 0.05, "0.0500"), (0.0500002, None, 0.05, "0.0500002"), (0.0612, None, 0.05, "0.0612"),
        (0.0500002, 0.05, None, "0.0500"), (0.0499996, 0.05, 0.06, "0.0499996"), (0.04996, None, 0.04997, "0.04996"),
        (52_500_000.2, None, 52_500_000, "52,500,000.2"), (-1.00000001e-7, -1e-7, None, "-1.00000001e-7"),
        (0.1 + 0.2, None, 0.3, "0.30000000000000004"), (0.06, None, None, "0.0600"), (None, 1, 2, "–"),
    ],
)  # fmt: skip
def test_a_number_beside_its_target_has_the_digits_that_tell_on_which_side_it_is(value, low, high, text):
    assert formats.judged(value, TargetRange(low, high)) == text
    assert formats.judged(value, None) == formats.number(value)


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3), st.booleans())
def test_what_is_read_is_on_target_where_the_number_is(bound, steps, upper):
    value = bound
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))
    wanted = TargetRange(None, bound) if upper else TargetRange(bound, None)
    if math.isfinite(value):
        assert (float(formats.judged(value, wanted).replace(",", "")) in wanted) == (value in wanted)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5_000_000, "5,000,000"), (52_500_000.5, "52,500,000.5"), (-1000, "-1,000"), (0.05, "0.05"), (5, "5"),
        (123_456.789, "123,456.789"), (0, "0"), (0.00005, "5e-5"), (2.5e12, "2.5e12"), (1 / 3, "0.3333333333333333"),
    ],
)  # fmt: skip
def test_bounds_have_the_digits_that_were_given(value, text):
    assert formats.bound(value) == text
    assert formats.target(TargetRange(None, value), "V", Wording("en")) == f"≤ {text} V"


@pytest.mark.parametrize(
    ("new", "old", "shown"),
    [
        (0.3916, 0.9974, ("39.2%", "99.7%", "-60.5 pp")),
        (0.9974, 0.3916, ("99.7%", "39.2%", "+60.5 pp")),
        (0.9004, 0.9001, ("90.0%", "90.0%", "0.0 pp")),
        (None, 0.9, ("–", "90.0%", "–")),
    ],
)
def test_changes_of_shares_are_those_of_the_shares_beside_them(new, old, shown):
    assert (formats.share(new), formats.share(old), formats.points_between(new, old, Wording("en"))) == shown


@pytest.mark.parametrize(
    ("rate_hz", "korean", "english"),
    [
        (5, "초당 5행", "5 rows a second"),
        (2.5, "초당 2.5행", "2.5 rows a second"),
        (1, "1초마다 1행", "a row every 1 s"),
        (0.5, "2초마다 1행", "a row every 2 s"),
        (1 / 15, "15초마다 1행", "a row every 15 s"),
        (1 / 60, "1분마다 1행", "a row every 1 min"),
        (0.0167, "초당 0.0167행", "0.0167 rows a second"),
        (2 / 3, "초당 0.6667행", "0.6667 rows a second"),
    ],
)
def test_slow_rates_are_told_by_the_time_between_rows(rate_hz, korean, english):
    assert (formats.rate(rate_hz, Wording("ko")), formats.rate(rate_hz, Wording("en"))) == (korean, english)


def test_shares_say_all_and_nothing_only_when_it_is_so():
    assert formats.share(1) == "100.0%"
    assert formats.share(0.99999) == ">99.9%"
    assert formats.share(0.00001) == "<0.1%"
    assert formats.share(0) == "0.0%"
    assert formats.share(0.8534) == "85.3%"


@pytest.mark.parametrize(
    ("seconds", "korean", "english"),
    [
        (5, "5초", "5 s"), (12.34, "12.3초", "12.3 s"), (59.99, "1분", "1 min"), (86_400, "24시간", "24 h"),
        (3661, "1시간 1분 1초", "1 h 1 min 1 s"), (0, "0초", "0 s"),
    ],
)  # fmt: skip
def test_lengths(seconds, korean, english):
    assert formats.length(seconds, Wording("ko")) == korean
    assert formats.length(seconds, Wording("en")) == english
