"""What a Prometheus was asked, in the comments of its rows."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.telemetry.asked import asked_in, opening
from lumen_assets.telemetry.lines import Source
from lumen_assets.telemetry.model import Asked, Clock
from lumen_assets.telemetry.preamble import csv_preamble

SERVERS = ["", "http://127.0.0.1:9090", "https://prometheus.example", "http://[::1]:9090"]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r") | st.sampled_from('\n\n #="{}')
EXPRESSION = st.text(CHARACTERS, min_size=1).map(str.strip).filter(bool)
NAME = st.from_regex(r"[^\W\d][\w.-]*", fullmatch=True)


@given(
    st.sampled_from(SERVERS),
    st.sampled_from(["200ms", "15s", "1h"]),
    st.lists(st.tuples(NAME, EXPRESSION), min_size=1, max_size=4),
)
def test_what_was_asked_comes_out_of_the_file_as_it_was(server: str, step: str, queries: list[tuple[str, str]]) -> None:
    asked = Asked(server, step, tuple(queries))
    lines = [*opening(asked), "ts,a\n", "2026-03-09T00:00:00.000+09:00,1\n"]
    with tempfile.TemporaryFile() as file:
        file.write("".join(lines).encode())
        file.flush()
        front = csv_preamble(Source(file.fileno()), Clock())
    assert front.header == ("ts", "a")
    assert asked_in(front.comments) == asked


def test_files_of_before_do_not_say_whom_they_asked() -> None:
    comments = ("# From Prometheus, every 15s. Empty: no value, NaN or an infinity.", "# a = sum(b) by (c)")
    assert asked_in(comments) == Asked("", "15s", (("a", "sum(b) by (c)"),))


@pytest.mark.parametrize(
    "comments",
    [
        (),
        ("# SAMPLE DATA", "# From Prometheus, every 15s. Empty"),
        ("# a = b",),
        ("# From Prometheus at http://somebody@host, every 15s. Empty",),
        ("# From Prometheus at http://host/path?token=x, every 15s. Empty",),
    ],
)
def test_other_comments_are_no_such_thing(comments: tuple[str, ...]) -> None:
    assert asked_in(comments) is None
