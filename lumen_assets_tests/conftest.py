"""What tests share: an environment that is theirs alone."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

from lumen_assets.environment import ENVIRONMENT

PUBLIC_TEST_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""The 32 bytes 0 to 31 in base64: a test vector, no secret."""

# `make test` tries the same examples everywhere, so that what is green here is green there; `make soak` searches.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile("same")

# Behind `&` in a script these two are ignored, and would be by every process that tests start and then interrupt.
for _number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty HOME and none of our variables, whatever the machine has set; returns the HOME."""
    for name in ENVIRONMENT:
        for form in (name, f"{name}_FILE", f"{name}_AWS"):
            monkeypatch.delenv(form, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    home = tmp_path / "HOME"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def impatient_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of a run in this process waits for a moment, and not for seconds, before it is tried again."""
    monkeypatch.setattr("dagster.RetryPolicy.calculate_delay", lambda policy, attempt: 0.01)
