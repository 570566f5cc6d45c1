"""Which days a backfill makes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from lumen_assets.backfill.choosing import choose, days_asked, workers_that_fit
from lumen_assets.errors import PermanentError

START = date(2026, 2, 1)
NEWEST = date(2026, 3, 9)


def test_every_day_of_the_range_is_asked_for_oldest_first() -> None:
    days = days_asked(START, NEWEST, start_date=START, newest=NEWEST)
    assert (days[0], days[-1], len(days)) == (START, NEWEST, 37)
    assert list(days) == sorted(days)
    assert days_asked(NEWEST, NEWEST, start_date=START, newest=NEWEST) == (NEWEST,)


def test_days_that_do_not_exist_are_refused_by_name_with_the_days_to_choose_from() -> None:
    with pytest.raises(PermanentError) as caught:
        days_asked(date(2026, 1, 30), date(2026, 3, 10), start_date=START, newest=NEWEST)
    said = str(caught.value)
    assert "2026-01-30 to 2026-01-31: before start_date, 2026-02-01" in said
    assert "2026-03-10: not over yet in KST" in said
    assert "choose days from 2026-02-01 to 2026-03-09" in said
    assert caught.value.error_class == "configuration"


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(PermanentError, match="2026-02-01 is before 2026-03-09"):
        days_asked(NEWEST, START, start_date=START, newest=NEWEST)


def test_each_day_is_missing_or_good_or_skipped_and_a_good_one_is_good_whatever_goes_on() -> None:
    asked = [START + timedelta(days=number) for number in range(4)]
    skipped = {asked[0]: "run w", asked[2]: "run x", NEWEST: "run y"}
    chosen = choose(asked, good={asked[0], asked[3]}, skipped=skipped)
    assert chosen.missing == (asked[1],)
    assert chosen.good == (asked[0], asked[3])
    assert chosen.skipped == {asked[2]: "run x"}


def test_no_more_workers_than_days_and_never_none() -> None:
    assert workers_that_fit(0) == workers_that_fit(1) == 1
    assert 1 <= workers_that_fit(1000) < 1000
