"""Who may send what when: order, leases, waits, quiet hours and the cap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumen_assets.alerting.backoff import CAP, wait_after
from lumen_assets.alerting.claiming import LEASE
from lumen_assets.alerting.events import Kind, Severity, State
from lumen_assets.alerting.line import MEMBERS
from lumen_assets.alerting.messages import Message
from lumen_assets.alerting.outbox import Outbox
from lumen_assets.alerting.quiet import is_quiet
from lumen_assets.errors import IntegrityError, PermanentError, TransientError
from lumen_assets.settings.alerts import QuietHours
from lumen_assets_tests.alerting.scenes import DOWN, START, after, event, outbox_at, over, take_all

REFUSED = PermanentError(action="post to", subject="the receiver", cause="401", error_class="credentials")


def notices(*names: object, **given: Any) -> list[Any]:
    return [event(name, kind=Kind.NOTICE, state=State.NOTICE, **given) for name in names]


def with_notices(address: str, count: int, **alerts: Any) -> Outbox:
    outbox = outbox_at(address, **alerts)
    outbox.record(notices(*range(count)), START)
    assert outbox.compose(START) == count
    return outbox


def claimed(outbox: Outbox, now: datetime, channel: str = "hook") -> Message:
    message = outbox.claim(channel, now)
    assert message is not None
    return message


def two_messages_of_one_incident(address: str) -> Outbox:
    outbox = outbox_at(address)
    outbox.record([event("a")], START)
    outbox.compose(after(minutes=1))
    outbox.record([over("a")], after(minutes=2))
    outbox.compose(after(hours=1))
    return outbox


def test_a_claimed_message_is_nobody_elses_until_its_lease_ends(address: str) -> None:
    one, two = with_notices(address, 1), outbox_at(address)
    now = after(hours=1)
    message = claimed(one, now)
    assert two.claim("hook", now + LEASE - timedelta(seconds=1)) is None
    assert claimed(two, now + LEASE) == message
    two.delivered("hook", message.id, "ok", now + LEASE)
    assert two.claim("hook", after(days=1)) is None


def test_who_lost_the_lease_does_not_end_that_of_another(address: str) -> None:
    one, two = with_notices(address, 1), outbox_at(address)
    message = claimed(one, START)
    later = START + LEASE
    assert claimed(two, later) == message
    one.failed("hook", message.id, DOWN, later)
    assert one.claim("hook", later + timedelta(minutes=2)) is None
    two.delivered("hook", message.id, "ok", later + timedelta(minutes=2))
    one.failed("hook", message.id, DOWN, later + timedelta(minutes=3))
    assert one.claim("hook", after(days=1)) is None
    assert one.depth(after(days=1))["hook"].messages == 0


def test_a_message_waits_for_the_earlier_one_of_its_incident_others_do_not(address: str) -> None:
    outbox = two_messages_of_one_incident(address)
    outbox.record(notices("n"), after(hours=1))
    outbox.compose(after(hours=1))
    first = claimed(outbox, after(hours=1))
    assert (first.number, first.state) == (1, State.FIRING)
    assert claimed(outbox, after(hours=1)).state is State.NOTICE
    assert outbox.claim("hook", after(hours=1)) is None
    outbox.delivered("hook", first.id, "ok", after(hours=1))
    assert claimed(outbox, after(hours=1)).number == 2


def test_one_channel_waits_for_no_other(address: str) -> None:
    outbox = outbox_at(address, "hook", "mail")
    outbox.record(notices("n"), START)
    outbox.compose(START)
    message = claimed(outbox, START, "hook")
    outbox.failed("hook", message.id, DOWN, START)
    assert outbox.claim("hook", START) is None
    assert claimed(outbox, START, "mail") == message


def test_while_a_channel_is_down_one_message_is_tried_then_the_rest_follows(address: str) -> None:
    outbox = with_notices(address, 20)
    now, tries = START, 0
    while now < after(days=1):
        while (message := outbox.claim("hook", now)) is not None:
            assert outbox.claim("hook", now) is None or not tries, "one probe at a time"
            tries += 1
            outbox.failed("hook", message.id, DOWN, now)
        now += timedelta(minutes=5)
    assert 24 * 3 <= tries <= 24 * 4 + 10
    error = outbox.last_error("hook")
    assert error is not None
    assert (error.text, error.failures) == ("network: connection refused", tries)
    got = take_all(outbox, error.next_try)
    assert got
    got += take_all(outbox, error.next_try + timedelta(seconds=CAP))
    assert len({message.id for message in got}) == len(got) == 20
    assert outbox.last_error("hook") is None


def test_a_message_that_is_refused_does_not_hold_up_the_others(address: str) -> None:
    outbox = with_notices(address, 5)
    refused = claimed(outbox, START)
    outbox.failed("hook", refused.id, REFUSED, START)
    assert len(take_all(outbox, after(seconds=31))) == 4
    assert outbox.claim("hook", after(minutes=59)) is None
    assert claimed(outbox, after(minutes=60)) == refused


def hours_of_refusing(outbox: Outbox, hours: int, *, down: bool = False) -> list[tuple[int, State]]:
    """What of an incident a channel took that refuses its first message for good; something else comes every hour."""
    taken = []
    for hour in range(1, hours + 1):
        now = after(hours=hour + 1)
        outbox.record(notices(f"of hour {hour}"), now)
        outbox.compose(now)
        for minute in range(10):
            while (message := outbox.claim("hook", now + timedelta(minutes=minute))) is not None:
                refused = (message.number, message.state) == (1, State.FIRING)
                if down or refused:
                    outbox.failed("hook", message.id, REFUSED, now + timedelta(minutes=minute))
                else:
                    outbox.delivered("hook", message.id, "ok", now + timedelta(minutes=minute))
                    taken += [(message.number, message.state)] if message.state is not State.NOTICE else []
    return taken


def test_what_is_refused_again_and_again_stands_aside_for_what_follows_it(address: str) -> None:
    outbox = two_messages_of_one_incident(address)
    assert hours_of_refusing(outbox, 2) == []
    assert hours_of_refusing(outbox, 5) == [(2, State.RESOLVED)]
    assert outbox.depth(after(hours=9))["hook"].messages == 1, "it is not dropped"
    (first,) = take_all(outbox, after(hours=9))
    assert first.number == 1


def test_a_channel_that_refuses_everything_gets_everything_in_order_when_it_no_longer_does(address: str) -> None:
    outbox = two_messages_of_one_incident(address)
    assert hours_of_refusing(outbox, 12, down=True) == []
    got = take_all(outbox, after(days=3))
    got += take_all(outbox, after(days=4))
    assert [message.number for message in got if message.state is not State.NOTICE] == [1, 2]


def test_waits_double_from_half_a_minute_to_a_quarter_of_an_hour() -> None:
    most = [wait_after(n, DOWN, lambda _, high: high).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 5000)]
    assert most == [30, 60, 120, 240, 480, 900, 900, 900]
    assert [wait_after(n, DOWN, lambda low, _: low).total_seconds() for n in (1, 9)] == [0, 0]
    drawn = {wait_after(3, DOWN).total_seconds() for _ in range(50)}
    assert len(drawn) > 40
    assert max(drawn) <= 120


@pytest.mark.parametrize(("asked", "waits"), [(600, 600), (10, 30), (-5, 30), (10**9, 86400)])
def test_what_a_receiver_asks_for_is_kept_up_to_a_day(address: str, asked: float, waits: float) -> None:
    busy = TransientError(action="post", subject="x", cause="429", error_class="throttled", retry_after=asked)
    outbox = with_notices(address, 2)
    outbox.failed("hook", claimed(outbox, START).id, busy, START)
    assert outbox.claim("hook", after(seconds=waits - 1)) is None
    assert outbox.claim("hook", after(seconds=waits)) is not None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (REFUSED, "credentials: 401"),
        (ValueError("password=hunter22"), "ValueError"),
        (IntegrityError(action="a", subject="b", cause="said hunter22", error_class="forged"), "forged: said [secret]"),
    ],
)
def test_of_an_error_is_kept_what_may_be_seen(address: str, error: Exception, text: str) -> None:
    outbox = outbox_at(address, secrets=("hunter22",))
    outbox.record(notices("n"), START)
    outbox.compose(START)
    message = claimed(outbox, START)
    assert outbox.failed("hook", message.id, error, START) == text
    last = outbox.last_error("hook")
    assert last is not None
    assert (last.text, last.at) == (text, START)
    assert outbox.recent(5)[0].channels["hook"].error == text
    assert outbox.delivered("hook", message.id, "200 hunter22\n", after(hours=2)) == "200 [secret]"
    assert outbox.recent(5)[0].channels["hook"].answer == "200 [secret]"


# Quiet hours


def kst(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=9)


QUIET = QuietHours(start="22:00", end="07:00")


def test_quiet_hours_are_those_of_seoul_and_may_pass_midnight() -> None:
    assert [is_quiet(QUIET, kst(*at)) for at in ((21, 59), (22, 0), (3, 0), (6, 59), (7, 0), (12, 0))] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    noon = QuietHours(start="12:00", end="13:00")
    assert [is_quiet(noon, kst(*at)) for at in ((11, 59), (12, 0), (12, 59), (13, 0), (0, 0))] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert not is_quiet(None, kst(3))


def test_what_is_mild_or_over_waits_for_the_morning(address: str) -> None:
    outbox = outbox_at(address, quiet=QUIET)
    night, morning = kst(23), kst(7, day=24)
    outbox.record([event("mild"), event("bad", severity=Severity.CRITICAL, source="key")], night)
    outbox.compose(night + timedelta(minutes=1))
    assert [m.source for m in take_all(outbox, night + timedelta(minutes=1))] == ["key"]
    outbox.record([over("bad", source="key", at=night)], night + timedelta(minutes=20))
    outbox.compose(night + timedelta(minutes=20))
    assert take_all(outbox, morning - timedelta(seconds=1)) == []
    got = take_all(outbox, morning)
    assert [(m.source, m.state) for m in got] == [("key", State.RESOLVED), ("replica/cloud", State.FIRING)]


def test_a_channel_that_groups_by_itself_hears_everything_at_night_too(address: str) -> None:
    outbox = outbox_at(address, "hook", "manager", at_once=("manager",), quiet=QUIET, repeat_hours=1)
    night = kst(23)
    outbox.record([event("mild")], night)
    for hours in (1, 2, 3):
        now = night + timedelta(hours=hours)
        outbox.compose(now)
        assert len(take_all(outbox, now, "manager")) == 1, "it would take what is not repeated for over"
        assert take_all(outbox, now, "hook") == []


def test_what_is_critical_at_night_takes_what_stands_before_it_along(address: str) -> None:
    outbox = outbox_at(address, quiet=QUIET)
    night = kst(23)
    outbox.record([event("mild"), event("other", source="pdf")], night)
    outbox.compose(night + timedelta(minutes=1))
    assert take_all(outbox, night + timedelta(minutes=1)) == []
    outbox.record([event("bad", severity=Severity.CRITICAL)], night + timedelta(minutes=20))
    outbox.compose(night + timedelta(minutes=20))
    got = take_all(outbox, night + timedelta(minutes=20))
    assert [(m.source, m.number, m.severity) for m in got] == [
        ("replica/cloud", 1, Severity.WARNING),
        ("replica/cloud", 2, Severity.CRITICAL),
    ]


# The cap


def test_beyond_the_cap_the_rest_is_one_digest(address: str) -> None:
    outbox = with_notices(address, 10, cap_per_hour=4)
    got = take_all(outbox, START)
    assert [len(message.digest) for message in got] == [0, 0, 0, 0, 6]
    digest = got[-1]
    assert digest.digest == tuple(f"warning, notice: {n} failed" for n in range(4, 10))
    assert (digest.source, digest.kind, digest.state, digest.count) == ("several", Kind.NOTICE, State.NOTICE, 6)
    assert digest.title == "6 alerts in one, 0 of them firing"
    assert "4 failed" in digest.text()
    assert outbox.depth(START)["hook"].messages == 0
    assert Message.from_payload(digest.payload()) == digest
    statuses = [recent.channels["hook"].status for recent in outbox.recent(20)]
    assert statuses == ["delivered"] * 11


def test_after_an_hour_single_messages_go_again(address: str) -> None:
    outbox = with_notices(address, 4, cap_per_hour=4)
    assert len(take_all(outbox, START)) == 4
    outbox.record(notices("late", "later"), after(minutes=30))
    outbox.compose(after(minutes=30))
    [digest] = take_all(outbox, after(minutes=30))
    assert len(digest.digest) == 2
    outbox.record(notices("next"), after(minutes=44))
    outbox.compose(after(minutes=44))
    assert take_all(outbox, after(minutes=44)) == [], "a digest less than an interval ago"
    assert [m.title for m in take_all(outbox, after(minutes=60))] == ["next failed"]


def test_digests_keep_the_interval_but_what_is_critical_does_not_wait(address: str) -> None:
    outbox = with_notices(address, 6, cap_per_hour=4)
    assert len(take_all(outbox, START)) == 5
    outbox.record(notices("mild"), after(minutes=5))
    outbox.compose(after(minutes=5))
    assert take_all(outbox, after(minutes=5)) == []
    outbox.record(notices("bad", severity=Severity.CRITICAL), after(minutes=6))
    outbox.compose(after(minutes=6))
    [digest] = take_all(outbox, after(minutes=6))
    assert (digest.severity, digest.number) == (Severity.CRITICAL, 2)
    assert digest.digest == ("critical, notice: bad failed", "warning, notice: mild failed")
    assert [event.title for event in digest.events] == ["bad failed"]


def test_what_is_severe_is_told_by_itself_what_is_mild_in_the_digest(address: str) -> None:
    outbox = with_notices(address, 5, cap_per_hour=2)
    outbox.record(notices("bad", "worse", severity=Severity.CRITICAL), START)
    outbox.compose(START)
    assert [m.title for m in take_all(outbox, START)][:2] == ["bad failed", "worse failed"]


def test_messages_of_an_incident_wait_for_the_digest_that_tells_the_earlier_one(address: str) -> None:
    outbox = outbox_at(address, cap_per_hour=2)
    outbox.record([*notices(1, 2), event("a")], START)
    outbox.compose(START)
    assert len(take_all(outbox, START)) == 2
    outbox.compose(after(minutes=1))
    digest = claimed(outbox, after(minutes=1))
    assert digest.digest == ("warning, firing: a failed",)
    outbox.record([over("a")], after(minutes=2))
    outbox.compose(after(minutes=50))
    outbox.failed("hook", digest.id, DOWN, after(minutes=50))
    assert take_all(outbox, after(minutes=50)) == []
    assert outbox.depth(after(minutes=50))["hook"].messages == 2
    assert claimed(outbox, after(hours=3)) == digest
    assert outbox.claim("hook", after(hours=3)) is None
    outbox.delivered("hook", digest.id, "ok", after(hours=3))
    assert claimed(outbox, after(hours=3)).state is State.RESOLVED


def test_a_channel_without_a_cap_gets_each_message(address: str) -> None:
    outbox = outbox_at(address, at_once=("hook",), cap_per_hour=2)
    outbox.record(notices(*range(5)), START)
    outbox.compose(START)
    got = take_all(outbox, START)
    assert len(got) == 5
    assert not any(message.digest for message in got)


def test_what_is_on_its_way_counts_for_the_cap(address: str) -> None:
    one, two = with_notices(address, 5, cap_per_hour=2), outbox_at(address, cap_per_hour=2)
    assert [len(claimed(outbox, START).digest) for outbox in (one, two, one)] == [0, 0, 3]


def test_a_digest_stands_for_so_many_at_most_and_the_rest_follows(address: str) -> None:
    outbox = with_notices(address, MEMBERS + 12, cap_per_hour=2)
    got = take_all(outbox, START)
    assert [len(message.digest) for message in got] == [0, 0, MEMBERS]
    assert outbox.depth(START)["hook"].messages == 10
    assert [len(message.digest) for message in take_all(outbox, after(minutes=15))] == [10]


def test_the_cap_is_of_each_channel(address: str) -> None:
    outbox = outbox_at(address, "hook", "mail", cap_per_hour=2)
    outbox.record(notices(*range(3)), START)
    outbox.compose(START)
    ids = {channel: [m.id for m in take_all(outbox, START, channel)] for channel in ("hook", "mail")}
    assert ids["hook"][:2] == ids["mail"][:2]
    assert ids["hook"][2] != ids["mail"][2], "digests have ids of their own"


# Channels that come and go


def test_a_channel_that_is_gone_gets_nothing_and_counts_nothing(address: str) -> None:
    both = outbox_at(address, "hook", "mail")
    both.record(notices("n"), START)
    both.compose(START)
    one = outbox_at(address, "hook")
    assert list(one.depth(START)) == ["hook"]
    assert one.claim("mail", START) is None
    assert list(one.recent(1)[0].channels) == ["hook"]
    one.record(notices("while it was away"), START)
    one.compose(START)
    assert [m.title for m in take_all(both, START, "mail")] == ["n failed"]
