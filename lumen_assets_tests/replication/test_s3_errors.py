"""S3's libraries' errors as ours, where no server is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_assets.errors import PermanentError
from lumen_assets.replication.s3 import S3Store
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
