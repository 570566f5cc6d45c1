"""S3's libraries' errors as ours, where no server is needed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.errors import PermanentError
from lumen_assets.replication.s3 import S3Store
from lumen_assets.replication.s3_errors import cleaned
from lumen_assets.settings import S3Destination


def test_a_credential_that_no_header_may_hold_is_permanent_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary\nsecond-line")
    destination = S3Destination(
        type="s3", bucket="lumen", region="us-east-1", endpoint_url="http://127.0.0.1:9", path_style=True
    )
    with pytest.raises(PermanentError) as caught:
        S3Store("cloud", destination, tmp_path).stat("key")
    assert caught.value.error_class == "credentials"
    assert "canary" not in str(caught.value)
    assert "second-line" not in str(caught.value)


@given(st.binary(min_size=30, max_size=30), st.sampled_from([quote, quote_plus, lambda text: quote(text, safe="")]))
def test_a_key_that_is_repeated_is_removed_quoted_too(key: bytes, quoted: Callable[[str], str]) -> None:
    text = quoted(base64.b64encode(key).decode())
    assert cleaned(f"denied for {text}, sorry") == "denied for [removed], sorry"


def test_what_cannot_be_seen_is_taken_out() -> None:
    assert cleaned("a\u202eb\x1b[31mc\x00\nd") == "abc d"
