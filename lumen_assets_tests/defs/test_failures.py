from __future__ import annotations

import dagster as dg
import pytest

from lumen_assets.defs.failures import RETRIES, translated
from lumen_assets.errors import IntegrityError, LumenError, PermanentError, TransientError


def outcome(error: Exception, attempts_that_fail: int = 99) -> tuple[dg.ExecuteInProcessResult, int]:
    """An asset that fails so often with ``error``, materialized; and how often it was tried."""
    tries = 0

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=RETRIES.max_retries, delay=0))
    def fails() -> None:
        nonlocal tries
        tries += 1
        with translated():
            if tries <= attempts_that_fail:
                raise error

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([fails], instance=instance, raise_on_error=False)
    return result, tries


def make(kind: type[LumenError]) -> LumenError:
    return kind(action="copy", subject="a to b", cause="the reason", error_class="network", hint="do that")


def test_a_transient_error_is_tried_again() -> None:
    result, tries = outcome(make(TransientError), attempts_that_fail=2)
    assert result.success
    assert tries == 3


def test_retries_end() -> None:
    result, tries = outcome(make(TransientError))
    assert not result.success
    assert tries == 1 + RETRIES.max_retries


@pytest.mark.parametrize("error", [make(PermanentError), make(IntegrityError), ZeroDivisionError("ours")])
def test_permanent_and_integrity_errors_and_our_own_faults_are_not(error: Exception) -> None:
    result, tries = outcome(error)
    assert not result.success
    assert tries == 1


def test_the_text_of_an_unexpected_exception_reaches_no_event() -> None:
    result, _ = outcome(ValueError("canary-5ecre7"))
    assert not result.success
    events = [str(event) for event in result.all_events]
    assert any("unexpected ValueError at test_failures.py:" in event for event in events)
    assert not any("canary-5ecre7" in event for event in events)


def test_the_failure_says_what_why_and_whether_a_retry_helps() -> None:
    result, _ = outcome(make(PermanentError))
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None
    assert data.description == "could not copy a to b: the reason. do that. Trying again does not help."
    assert {key: value.value for key, value in data.metadata.items()} == {
        "action": "copy",
        "subject": "a to b",
        "cause": "the reason",
        "error_class": "network",
        "retry_helps": False,
        "hint": "do that",
    }


def test_a_provider_s_retry_after_is_honoured() -> None:
    error = TransientError(action="put", subject="x", cause="busy", error_class="throttle", retry_after=0.01)
    result, tries = outcome(error, attempts_that_fail=1)
    assert result.success
    assert tries == 2
    (event,) = result.filter_events(lambda event: event.is_step_up_for_retry)
    assert event.step_retry_data.seconds_to_wait == pytest.approx(0.01)
