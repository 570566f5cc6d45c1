from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.report.korean import Word


@pytest.mark.parametrize(
    ("word", "topic", "subject", "towards"),
    [
        ("위상차", "위상차는", "위상차가", "위상차로"),
        ("엔트로피율", "엔트로피율은", "엔트로피율이", "엔트로피율로"),
        ("창의 밴드", "창의 밴드는", "창의 밴드가", "창의 밴드로"),
        ("공백", "공백은", "공백이", "공백으로"),
        ("센서 1", "센서 1은", "센서 1이", "센서 1로"),
        ("센서 2", "센서 2는", "센서 2가", "센서 2로"),
        ("센서 3", "센서 3은", "센서 3이", "센서 3으로"),
        ("센서 6", "센서 6은", "센서 6이", "센서 6으로"),
        ("센서 9", "센서 9는", "센서 9가", "센서 9로"),
        ("10", "10은", "10이", "10으로"),
        ("12.5%", "12.5%는", "12.5%가", "12.5%로"),
        ("위상차 (phase)", "위상차 (phase)는", "위상차 (phase)가", "위상차 (phase)로"),
        ("‘공백’", "‘공백’은", "‘공백’이", "‘공백’으로"),
        ("phase_diff", "phase_diff은(는)", "phase_diff이(가)", "phase_diff(으)로"),
        ("", "은(는)", "이(가)", "(으)로"),
        ("🌊", "🌊은(는)", "🌊이(가)", "🌊(으)로"),
    ],
)
def test_a_particle_fits_how_the_word_is_read(word: str, topic: str, subject: str, towards: str) -> None:
    assert f"{Word(word):은/는}" == topic
    assert f"{Word(word):이/가}" == subject
    assert f"{Word(word):으로/로}" == towards


@given(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3))
def test_a_syllable_with_a_final_consonant_decomposes_into_three(syllable: str) -> None:
    final = len(unicodedata.normalize("NFD", syllable)) == 3
    assert f"{Word(syllable):을/를}" == syllable + ("을" if final else "를")
    assert f"{Word(syllable):과/와}" == syllable + ("과" if final else "와")


@given(st.text(alphabet="()[] .가a", max_size=60))
def test_any_label_stands_in_any_text(label: str) -> None:
    assert f"{Word(label):은/는}".startswith(label)
    assert f"{Word(label)}" == label
