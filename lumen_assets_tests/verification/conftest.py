from __future__ import annotations

import pytest

from lumen_assets_tests.installation import LAST_DAY, Installation


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with its last day made; not to be changed but for what is put back."""
    installation = Installation.make(tmp_path_factory.mktemp("made"))
    installation.json("daily", "--day", str(LAST_DAY))
    return installation
