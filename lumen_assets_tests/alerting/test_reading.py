"""What gauges and commands read, what is forgotten, and what the database refuses."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.pool import NullPool

from lumen_assets.alerting import schema
from lumen_assets.alerting.database import Database
from lumen_assets.alerting.events import State
from lumen_assets.alerting.reading import Depth
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets_tests.alerting.scenes import START, after, event, outbox_at, over, take_all
from lumen_assets_tests.postgres import Postgres


def rows(address: str) -> dict[str, int]:
    with Database(address, str).reading() as connection:
        return {
            table.name.removeprefix("lumen_alert_"): connection.scalar(select(func.count()).select_from(table)) or 0
            for table in schema.METADATA.sorted_tables
        }


def test_depth_counts_what_is_not_delivered_and_how_long_it_waits(address: str) -> None:
    outbox = outbox_at(address, "hook", "mail")
    assert outbox.depth(START) == {"hook": Depth(0, timedelta()), "mail": Depth(0, timedelta())}
    outbox.record([event("a"), event("b", source="pdf")], START)
    outbox.compose(after(minutes=1))
    take_all(outbox, after(minutes=1), "mail")
    assert outbox.depth(after(minutes=6)) == {
        "hook": Depth(2, timedelta(minutes=5)),
        "mail": Depth(0, timedelta()),
    }


def test_recent_messages_are_newest_first_with_their_fate(address: str) -> None:
    outbox = outbox_at(address)
    outbox.record([event(n, state=State.NOTICE) for n in range(3)], START)
    outbox.compose(START)
    take_all(outbox, after(minutes=1))
    recent = outbox.recent(2)
    assert [r.message.title for r in recent] == ["2 failed", "1 failed"]
    sent = recent[0].channels["hook"]
    assert (sent.status, sent.attempts, sent.done_at, sent.answer) == ("delivered", 0, after(minutes=1), "ok")
    assert outbox.last_error("hook") is None
    assert outbox.last_error("nobody") is None


def test_what_is_over_and_told_is_forgotten_the_rest_stays(address: str) -> None:
    outbox = outbox_at(address, "hook", cap_per_hour=2, repeat_hours=10_000)
    outbox.record([event("old"), event("open", source="pdf"), over("stray", source="x")], START)
    outbox.compose(after(minutes=1))
    outbox.record([over("old")], after(hours=1))
    outbox.record([event(n, state=State.NOTICE) for n in range(130)], after(hours=1))
    outbox.compose(after(hours=1))
    for hour in range(2, 6):
        take_all(outbox, after(hours=hour))
    outbox.record([event("waits", state=State.NOTICE)], after(hours=9))
    outbox.compose(after(hours=9))
    outbox.record([event("new", state=State.NOTICE)], after(days=100))
    outbox.compose(after(days=100))
    assert outbox.forget(START) == 0
    assert outbox.forget(after(days=90)) > 130
    assert outbox.forget(after(days=90)) == 0
    assert [r.message.title for r in outbox.recent(9)] == ["new failed", "waits failed"]
    assert [(i.source, i.count) for i in outbox.open_incidents()] == [("pdf", 1)]
    left = rows(address)
    assert (left["incident"], left["event"], left["subject"]) == (3, 3, 1)
    assert (left["message"], left["delivery"]) == (2, 2)
    outbox.record([over("open", source="pdf", at=after(days=100))], after(days=100))
    outbox.compose(after(days=100))
    assert [m.digest for m in take_all(outbox, after(days=101))][2:] == [("warning, resolved: Resolved: open failed",)]
    assert outbox.forget(after(days=300)) > 0
    assert sum(count for name, count in rows(address).items() if name not in ("schema", "channel")) == 0


def test_what_waits_for_a_channel_that_is_gone_is_forgotten_too(address: str) -> None:
    outbox_both = outbox_at(address, "hook", "mail")
    outbox_both.record([event("a", state=State.NOTICE)], START)
    outbox_both.compose(START)
    take_all(outbox_both, START, "hook")
    assert outbox_both.forget(after(days=90)) == 0
    assert outbox_at(address, "hook").forget(after(days=90)) == 2


def test_the_file_is_made_with_its_folder_on_first_use_and_again_if_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "outbox.db"
    outbox = outbox_at(f"sqlite:///{path}")
    assert not path.parent.exists()
    assert outbox.open_incidents() == ()
    assert path.exists()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    path.unlink()
    assert outbox.record([event("a")], START) == 1


def test_an_outbox_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="durable"):
        outbox_at("sqlite://")


def test_a_newer_database_is_refused(address: str) -> None:
    outbox_at(address).open_incidents()
    with Database(address, str).writing() as connection:
        connection.execute(schema.schema.insert().values(version=99))
    with pytest.raises(PermanentError, match="version 99"):
        outbox_at(address).record([event("a")], START)


def test_an_older_database_is_brought_up_to_date_and_keeps_what_waits(address: str) -> None:
    older = outbox_at(address)
    older.record([event("a")], START)
    older.compose(after(minutes=1))
    with Database(address, str).writing() as connection:
        connection.execute(text("ALTER TABLE lumen_alert_delivery DROP COLUMN refusals"))
        connection.execute(text("DELETE FROM lumen_alert_schema"))
        connection.execute(schema.schema.insert().values(version=1))
    for _ in range(2):  # the second finds it done
        assert outbox_at(address).depth(after(hours=1))["hook"].messages == 1
    assert [message.title for message in take_all(outbox_at(address), after(hours=1))] == ["a failed"]


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(PermanentError, match=r"could not use the alert outbox .*outbox\.db: file is not a database"):
        outbox_at(f"sqlite:///{tmp_path / 'outbox.db'}").record([event("a")], START)


def test_a_postgres_that_is_away_is_transient_and_its_password_unsaid() -> None:
    outbox = outbox_at("postgresql://lumen:hunter22@127.0.0.1:1/alerts")
    with pytest.raises(TransientError) as caught:
        outbox.record([event("a")], START)
    assert "127.0.0.1/alerts" in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_crash_within_a_transaction_leaves_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = outbox_at(address)
    outbox.open_incidents()

    def crash(connection: Connection, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lumen_assets.alerting.incidents._fired", crash)
        with pytest.raises(KeyboardInterrupt):
            outbox.record([event("a"), event("b")], START)
    assert sum(count for name, count in rows(address).items() if name != "schema") == 0
    assert outbox.record([event("a"), event("b")], START) == 2


def test_it_may_share_a_database_with_others(postgres: Postgres) -> None:
    address = postgres.new_database()
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE event (id int); CREATE TABLE schema (version int)"))
    assert outbox_at(address).record([event("a")], START) == 1
