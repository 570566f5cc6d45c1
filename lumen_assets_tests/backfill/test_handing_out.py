"""Who gets which day, in whatever order workers end and die."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumen_assets.backfill.handing_out import LONGEST_BLOCK, HandOut

DAYS = [date(2026, 3, 1) + timedelta(days=number) for number in range(8)]


def test_each_worker_goes_through_days_in_a_row_and_the_blocks_get_short() -> None:
    hand_out = HandOut(DAYS, workers=2)
    assert [hand_out.take(1), hand_out.take(2)] == [DAYS[0], DAYS[2]]
    hand_out.end(1)
    assert hand_out.take(1) == DAYS[1]
    hand_out.end(2)
    assert hand_out.take(2) == DAYS[3]
    for worker in (1, 2, 1, 2):
        hand_out.end(worker)
        hand_out.take(worker)
    assert hand_out.wanted == 2
    assert hand_out.take(3) is None


def test_no_block_is_longer_than_it_may_be() -> None:
    hand_out = HandOut([DAYS[0] + timedelta(days=number) for number in range(100)], workers=1)
    hand_out.take(1)
    assert hand_out.take(2) == DAYS[0] + timedelta(days=LONGEST_BLOCK)


def test_what_a_lost_worker_had_comes_next_and_its_day_is_given_up_when_lost_again() -> None:
    hand_out = HandOut(DAYS, workers=2)
    assert hand_out.take(1) == DAYS[0]
    assert hand_out.lose(1) == (DAYS[0], True)
    assert hand_out.take(2) == DAYS[0]
    assert hand_out.lose(2) == (DAYS[0], False)
    assert [hand_out.take(worker) for worker in (3, 4)] == [DAYS[1], DAYS[3]]


def test_a_worker_without_a_day_loses_none() -> None:
    assert HandOut(DAYS, workers=2).lose(1) is None


def test_what_is_closed_hands_out_nothing_not_even_what_was_lost_before() -> None:
    hand_out = HandOut(DAYS, workers=2)
    hand_out.take(1)
    hand_out.take(2)
    hand_out.lose(1)
    hand_out.close()
    assert hand_out.take(3) is None
    hand_out.end(2)
    assert hand_out.take(2) is None
    assert hand_out.wanted == 0


@given(seed=st.integers(0, 10_000), workers=st.integers(1, 4), deadly=st.floats(0, 1))
def test_whatever_dies_every_day_ends_once_or_is_lost_twice(seed: int, workers: int, deadly: float) -> None:
    dice, hand_out = random.Random(seed), HandOut(DAYS, workers)  # noqa: S311 - no secret
    ended: Counter[date] = Counter()
    lost: Counter[date] = Counter()
    busy: dict[int, date] = {}
    while hand_out.wanted:
        worker = dice.randrange(workers)
        day = busy.pop(worker, None) or hand_out.take(worker)
        if day is None or dice.random() < 0.3:
            busy |= {worker: day} if day else {}
        elif dice.random() < deadly:
            assert hand_out.lose(worker) == (day, not lost[day])
            lost[day] += 1
        else:
            hand_out.end(worker)
            ended[day] += 1
            following = hand_out.take(worker)
            busy |= {worker: following} if following else {}
    assert set(ended) | {day for day, times in lost.items() if times == 2} == set(DAYS)
    assert not [day for day in ended if ended[day] + lost[day] > 2 or ended[day] > 1]
    assert max(lost.values(), default=0) <= 2
