from __future__ import annotations

import base64
import json
import time
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumen_assets.alerting.clean import LENGTH, Cleaner
from lumen_assets.texts import MASK
from lumen_assets_tests.alerting.scenes import event

SECRET = 'hunter2/+ "&pass'  # noqa: S105 - made up


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        'hunt\x00er2/+ "&pass',
        'hunt\x1b[31mer2/+ "&pass',
        'hunter2/+\n"&pass',
    ],
)
def test_no_form_of_a_secret_is_left(form: str) -> None:
    assert Cleaner([SECRET])(f"denied: {form}, sorry") == f"denied: {MASK}, sorry"


@pytest.mark.parametrize("user", ["a", "ab", "abc", "abcd"])
def test_what_can_be_known_of_a_secret_inside_base64_is_masked(user: str) -> None:
    basic = base64.b64encode(f"{user}:correct horse battery".encode()).decode()
    clean = Cleaner(["correct horse battery"])(f"Authorization: Basic {basic}")
    assert MASK in clean
    assert len(clean) < len("Authorization: Basic ") + len(MASK) + 14


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=20), behind=st.text(max_size=20))
def test_no_secret_comes_through_whatever_stands_around_it(secret: str, before: str, behind: str) -> None:
    if not secret.strip() or any(secret in ours for ours in (MASK, "…?@")):
        return
    clean = Cleaner([secret])(f"{before}{secret}{behind}")
    assert secret not in clean.replace(MASK, "\x00")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:pa55@host/path", "https://…@host/path"),
        ("smtp://user:pa/55@host", "smtp://…@host"),
        ("smtp://user:pa?55@host", "smtp://…"),
        ("https://host/path?token=abc", "https://host/path?…"),
        ("https://host/path#token=abc", "https://host/path?…"),
        ("https://host:8080?token=a@b", "https://host:8080?…"),
        ("http://127.0.0.1:3000/runs/0f3e", "http://127.0.0.1:3000/runs/0f3e"),
    ],
)
def test_of_urls_user_password_and_query_are_cut(url: str, clean: str) -> None:
    assert Cleaner([])(f"GET {url} failed") == f"GET {clean} failed"


def test_colours_controls_and_line_breaks_go() -> None:
    text = "\x1b[1;31mred\x1b[0m\r\n\ttitle\x07 \x1b]0;window\x07 \u202eevil\u200b \ud800end\x9b2K"
    assert Cleaner([])(text) == "red title evil end"


@given(st.text(max_size=2000))
@example("secret")
def test_what_comes_out_is_short_and_can_be_shown_and_stored(text: str) -> None:
    clean = Cleaner(["secret"])(text)
    assert len(clean) <= LENGTH
    assert clean == clean.strip()
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in clean)
    clean.encode()
    assert Cleaner(["secret"])(clean) == clean


def test_a_long_text_ends_in_an_ellipsis_and_a_secret_is_not_cut_in_two() -> None:
    clean = Cleaner([SECRET])("x" * (LENGTH - 6) + SECRET)
    assert len(clean) == LENGTH
    assert clean.endswith("x[secr…")
    assert Cleaner([])("word " * 300).endswith("word…")


def test_a_long_text_takes_no_long_time() -> None:
    began = time.process_time()
    assert len(Cleaner([SECRET])("x" * 200_000)) == LENGTH
    assert time.process_time() - began < 10, "it was minutes where each letter could begin the scheme of a URL"


def test_a_secret_of_several_lines_is_found_by_its_lines() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nzzzzzzzzzzzzzzzzzzzzzzzzz\n"
    clean = Cleaner([key])("bad key: MIIEvQIBADANBgkqhkiG9w0BAQ here")
    assert clean == f"bad key: {MASK} here"


def test_empty_and_short_secrets_mask_nothing() -> None:
    assert Cleaner(["", " ", "ab"])("about a cab") == "about a cab"


@pytest.mark.parametrize("secret", ["secret", "[secret]", "[sec", "cret]"])
def test_a_secret_that_looks_like_the_mask_is_masked_once(secret: str) -> None:
    clean = Cleaner([secret])
    assert clean(f"the password {secret} was refused") == f"the password {MASK} was refused"
    assert clean(clean(secret)) == MASK


def test_every_text_of_an_event_is_cleaned() -> None:
    texts = (
        "source", "subject", "title", "error_class", "cause", "hint", "run_id", "run_url", "command",
    )  # fmt: skip
    dirty = event("x", **dict.fromkeys(texts, f"a {SECRET}"), facts={f"k {SECRET}": f"v {SECRET}"})
    clean = Cleaner([SECRET]).event(dirty)
    for name in texts:
        assert getattr(clean, name) == f"a {MASK}", name
    assert clean.facts == {f"k {MASK}": f"v {MASK}"}
    assert clean.id == dirty.id
    assert SECRET not in repr(clean)
