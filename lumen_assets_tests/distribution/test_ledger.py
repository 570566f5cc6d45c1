"""The ledger, on SQLite and on Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State, mail_target
from lumen_assets.distribution.telling import TOLD_FOR, UNDER_WAY, doubtful, undelivered
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.state import postgres_url
from lumen_assets_tests.alerting.receiver import NOW
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

DAY = date(2026, 3, 9)
OPS = Delivery(DAY, 1, "mail:ops@example.org", State.IN_DOUBT, NOW)
DOWN = TransientError(action="send", subject="mail", cause="no connection", error_class="network")
WRONG = PermanentError(action="send", subject="mail", cause="no", error_class="credentials", hint="check SMTP_PASS")


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path) -> DeliveryLedger:
    if request.param == "sqlite":
        return DeliveryLedger(tmp_path / "folder" / "deliveries.sqlite")
    server: Postgres = request.getfixturevalue("postgres")
    return DeliveryLedger(postgres_url(server.new_database()))


def test_what_is_in_doubt_or_sent_is_nobodys_to_send(ledger: DeliveryLedger) -> None:
    assert ledger.of(DAY, 1) == {}
    assert ledger.note(Delivery.failed(DAY, 1, OPS.target, DOWN, NOW))
    assert ledger.note(OPS)
    assert not ledger.note(OPS)
    assert not ledger.note(Delivery.failed(DAY, 1, OPS.target, DOWN, NOW)), "who lost the race spoils nothing"
    assert ledger.of(DAY, 1) == {OPS.target: OPS}
    ledger.settle(replace(OPS, state=State.SENT))
    assert not ledger.note(OPS, over=(State.FAILED, State.IN_DOUBT))
    assert ledger.of(DAY, 1)[OPS.target].state is State.SENT
    assert ledger.note(replace(OPS, revision=2))


def test_one_of_many_at_once_has_it(ledger: DeliveryLedger) -> None:
    ledger.settle(Delivery.failed(DAY, 1, OPS.target, DOWN, NOW))
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: ledger.note(OPS), range(8))) == 1


def test_only_what_is_new_and_of_the_newest_revision_is_told(ledger: DeliveryLedger) -> None:
    old = Delivery.failed(DAY - timedelta(1), 1, OPS.target, DOWN, NOW - TOLD_FOR - timedelta(seconds=1))
    for one in (old, Delivery.failed(DAY, 1, OPS.target, WRONG, NOW), replace(OPS, revision=2, state=State.SENT)):
        ledger.settle(one)
    assert [(one.revision, one.state) for one in ledger.since(NOW - TOLD_FOR)] == [(2, State.SENT)]


def test_a_day_and_cause_are_one_alert_and_who_is_not_configured_is_none() -> None:
    failed = [Delivery.failed(DAY, 1, f"mail:{name}", error, NOW) for name, error in
              (("a@b", DOWN), ("c@d", DOWN), ("e@f", WRONG), ("gone@b", WRONG))]  # fmt: skip
    told = undelivered(failed, ["mail:a@b", "mail:c@d", "mail:e@f"])
    assert [(event.error_class, event.retry_helps, event.facts["not to"]) for event in told] == [
        ("network", True, "mail:a@b, mail:c@d"),
        ("credentials", False, "mail:e@f"),
    ]
    assert told[1].cause == "no: check SMTP_PASS"
    assert {(event.severity, event.subject, event.command) for event in told} == {
        ("warning", str(DAY), f"lumen send {DAY}")
    }


def test_doubt_is_said_once_and_not_while_it_is_being_sent() -> None:
    at_work = replace(OPS, at=NOW)
    assert doubtful([at_work], NOW + timedelta(seconds=5)) == []
    (event,) = doubtful([at_work], NOW + UNDER_WAY + timedelta(seconds=1))
    assert (event.state, event.severity) == ("notice", "warning")
    (at_once,) = doubtful([replace(OPS, error_class="in-doubt")], NOW)
    assert at_once.id == event.id
    assert doubtful([replace(OPS, state=State.SENT)], NOW + timedelta(days=1)) == []


def test_a_recipient_has_one_name() -> None:
    assert mail_target("Ops@Example.org") == mail_target("ops@example.org")
