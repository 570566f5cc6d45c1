from __future__ import annotations

import threading
import time

import pytest

from lumen_assets.archive.stage import Stage


def test_results_come_in_the_order_of_the_calls() -> None:
    def call(number: int) -> int:
        time.sleep(0.02 / (1 + number))
        return number

    with Stage[int](4, limit=8) as stage:
        for number in range(8):
            assert not stage.is_full
            stage.submit(call, number)
        assert stage.is_full
        assert [stage.take() for _ in range(8)] == list(range(8))
        assert not stage


def test_one_thread_makes_one_call_after_another() -> None:
    state: list[int] = []

    def call(number: int) -> None:
        seen = list(state)
        time.sleep(0.005)
        state[:] = [*seen, number]

    with Stage[None](1, limit=5) as stage:
        for number in range(5):
            stage.submit(call, number)
        while stage:
            stage.take()
    assert state == list(range(5))


def test_an_error_is_raised_where_its_result_is_taken() -> None:
    with Stage[float](2, limit=3) as stage:
        for divisor in (1, 0, 2):
            stage.submit(lambda number: 1 / number, divisor)
        assert stage.take() == 1
        with pytest.raises(ZeroDivisionError):
            stage.take()
        assert stage.take() == 0.5


def test_on_leaving_no_thread_is_left_and_what_waits_is_not_begun() -> None:
    begun: list[int] = []
    before = threading.active_count()

    def call(number: int) -> None:
        begun.append(number)
        time.sleep(0.05)

    with pytest.raises(KeyError), Stage[None](2, limit=9) as stage:
        for number in range(9):
            stage.submit(call, number)
        raise KeyError
    assert threading.active_count() == before
    assert len(begun) < 5
