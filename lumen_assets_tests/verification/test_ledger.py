from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_assets import state
from lumen_assets.errors import PermanentError, TransientError
from lumen_assets.state import postgres_url
from lumen_assets.verification import (
    Attestation,
    Attested,
    Finding,
    Level,
    Verdict,
    Verification,
    attest,
)
from lumen_assets.verification.ledger import VerdictLedger, weigh
from lumen_assets_tests.postgres import Postgres, postgres

__all__ = ["postgres"]

DAY = date(2026, 3, 9)


def found(
    verdict: Verdict = Verdict.MATCH,
    *,
    day: date = DAY,
    destination: str = "here",
    revision: int = 1,
    level: Level = Level.MEMBERS,
    finding: Finding = Finding.INTACT,
) -> Verification:
    return Verification(day, revision, destination, level, verdict, finding, "detail", 5, datetime.now(UTC))


@pytest.fixture(params=["file", "Postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> VerdictLedger:
    if request.param == "file":
        return VerdictLedger(tmp_path / "verification" / "verdicts.sqlite")
    server: Postgres = request.getfixturevalue("postgres")
    return VerdictLedger(postgres_url(server.new_database()))


def test_an_unused_ledger_is_empty_and_makes_no_file(ledger: VerdictLedger, tmp_path: Path) -> None:
    assert ledger.newest(DAY, DAY) == {}
    assert ledger.newest_attestations(DAY, DAY) == {}
    assert list(tmp_path.glob("verification")) == []


def test_the_newest_verdict_of_each_replica_is_kept_as_it_was(ledger: VerdictLedger) -> None:
    there = found(destination="there")
    for item in (found(Verdict.MISMATCH, finding=Finding.DAMAGED), there, last := found()):
        ledger.record(item)
    assert ledger.newest(DAY, DAY) == {DAY: {"here": last, "there": there}}


def test_only_days_of_the_range(ledger: VerdictLedger) -> None:
    for offset in range(5):
        ledger.record(found(day=DAY + timedelta(days=offset)))
    assert list(ledger.newest(DAY + timedelta(days=1), DAY + timedelta(days=2))) == [
        DAY + timedelta(days=1),
        DAY + timedelta(days=2),
    ]


def test_a_missing_checksum_says_nothing_about_bytes_that_were_read(ledger: VerdictLedger) -> None:
    ledger.record(read := found())
    ledger.record(found(Verdict.UNVERIFIABLE, level=Level.DIGEST, finding=Finding.NO_CHECKSUM))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == read


def test_a_checksum_that_is_right_does_not_heal_bytes_that_were_read_and_wrong(ledger: VerdictLedger) -> None:
    ledger.record(wrong := found(Verdict.MISMATCH, finding=Finding.DAMAGED))
    ledger.record(found(level=Level.DIGEST))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == wrong


def test_a_checksum_that_is_wrong_makes_it_worse_and_a_right_one_after_it_gives_the_reading_back(
    ledger: VerdictLedger,
) -> None:
    ledger.record(read := found())
    ledger.record(gone := found(Verdict.MISSING, level=Level.DIGEST, finding=Finding.MISSING))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == gone
    ledger.record(found(level=Level.DIGEST))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == read


def test_reading_an_older_revision_again_says_nothing_of_the_newest(ledger: VerdictLedger) -> None:
    ledger.record(newest := found(revision=2))
    ledger.record(found(Verdict.MISSING, revision=1, finding=Finding.MISSING))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == newest


def test_a_destination_that_did_not_answer_is_no_longer_a_match(ledger: VerdictLedger) -> None:
    ledger.record(found())
    ledger.record(silent := found(Verdict.UNVERIFIABLE, finding=Finding.UNREACHABLE))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == silent


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Verdict)), st.sampled_from(list(Level)), st.sampled_from([1, 2])), max_size=12
    )
)
def test_what_stands_is_weighed_as_if_everything_had_been_read(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[Verdict, Level, int]]
) -> None:
    ledger = VerdictLedger(tmp_path_factory.mktemp("ledger") / "verdicts.sqlite")
    of_revision: dict[tuple[date, int], list[Verification]] = {}
    for number, (verdict, level, revision) in enumerate(history):
        unreachable = verdict is Verdict.UNVERIFIABLE and number % 2 == 0
        finding = Finding.UNREACHABLE if unreachable else Finding.DAMAGED
        at = datetime(2026, 3, 10, tzinfo=UTC) + timedelta(minutes=number)
        made = replace(found(verdict, level=level, finding=finding, revision=revision), at=at, bytes_read=number)
        ledger.record(made)
        of_revision.setdefault((DAY, revision), []).append(made)
    expected = {key: {"here": weigh(verdicts)} for key, verdicts in sorted(of_revision.items())}
    assert ledger.standing(DAY, DAY) == expected


def _record(place: Path | sa.URL, count: int) -> None:
    for _ in range(count):
        VerdictLedger(place).record(found())


@pytest.mark.parametrize("kind", ["file", "Postgres"])
def test_processes_write_at_once(kind: str, tmp_path: Path, postgres: Postgres) -> None:
    path = tmp_path / "verdicts.sqlite" if kind == "file" else postgres_url(postgres.new_database())
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_record, args=(path, 20)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert VerdictLedger(path).newest(DAY, DAY)[DAY]["here"].verdict is Verdict.MATCH


def test_a_damaged_ledger_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(PermanentError, match="move it away"):
        VerdictLedger(path).newest(DAY, DAY)


def test_a_postgres_that_does_not_answer_is_asked_again_later() -> None:
    with pytest.raises(TransientError, match="verdict ledger at 127") as caught:
        VerdictLedger(postgres_url("postgresql://lumen:word@127.0.0.1:1/lumen")).record(found())
    assert "word" not in str(caught.value)


def test_what_was_good_anywhere_and_what_a_look_around_saw(ledger: VerdictLedger) -> None:
    ledger.record(first := found())
    ledger.record(found(Verdict.MISMATCH, revision=2, finding=Finding.DAMAGED))
    assert ledger.proven() == {DAY: (1, first.at)}
    ledger.record(second := found(revision=2, destination="there"))
    assert ledger.proven(DAY) == ledger.proven() == {DAY: (2, second.at)}
    assert ledger.proven(DAY + timedelta(days=1)) == {}
    ledger.note_seen({DAY: 1, DAY - timedelta(days=1): 3})
    ledger.note_seen({DAY: 2})
    assert ledger.seen() == {DAY: 2}
    ledger.note_retention("here", first.at)
    ledger.note_retention("here", second.at)
    assert ledger.retention_done() == {"here": second.at}


def test_kept_connections_are_to_the_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_pool", sa.NullPool)
    place = tmp_path / "verdicts.sqlite"
    state.keep_connections()
    kept = VerdictLedger(place)
    kept.note_seen({DAY: 1})
    assert place in [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.exists()]
    monkeypatch.setattr(state, "_pool", sa.NullPool)
    assert VerdictLedger(place).seen() == {DAY: 1}
    place.rename(tmp_path / "away.sqlite")
    assert kept.seen() == {}
    kept.note_seen({DAY: 2})
    assert VerdictLedger(place).seen() == kept.seen() == {DAY: 2}
    place.unlink()
    VerdictLedger(place).note_seen({DAY: 3})
    assert kept.seen() == {DAY: 3}


def test_a_kept_connection_that_the_server_closed_is_made_anew(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_url(postgres.new_database())
    monkeypatch.setattr(state, "_pool", sa.QueuePool)
    kept = VerdictLedger(url)
    kept.note_seen({DAY: 1})
    other = sa.create_engine(url)
    with other.connect() as connection:
        closed = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :name"
        )
        assert connection.execute(sa.text(closed), {"name": url.database}).scalars().all() == [True]
    other.dispose()
    assert kept.seen() == {DAY: 1}


def test_two_machines_may_note_at_once_what_they_have_seen(postgres: Postgres) -> None:
    url = postgres_url(postgres.new_database())
    ledger = VerdictLedger(url)
    ledger.note_seen({DAY: 1})
    other = sa.create_engine(url)
    with ThreadPoolExecutor() as pool:
        with other.begin() as connection:
            connection.execute(sa.text("DELETE FROM lumen.seen"))
            connection.execute(sa.text("INSERT INTO lumen.seen VALUES (:day, 1)"), {"day": DAY.isoformat()})
            noted = pool.submit(ledger.note_seen, {DAY: 2, DAY + timedelta(days=1): 1})
            with pytest.raises(TimeoutError):
                noted.result(timeout=0.5)  # it waits for the other one
        noted.result(timeout=10)
    assert ledger.seen() == {DAY: 2, DAY + timedelta(days=1): 1}
    other.dispose()


def test_heads_are_the_manifests_that_no_other_one_names(ledger: VerdictLedger) -> None:
    assert ledger.heads() == ()
    ledger.note_manifests({"a": ()})
    ledger.note_manifests({"b": ("a",), "c": ("a",)})
    ledger.note_manifests({"a": ()})
    assert ledger.heads() == ("b", "c")
    ledger.note_manifests({"d": ("b", "c")})
    assert ledger.heads() == ("d",)


def test_attestations(ledger: VerdictLedger) -> None:
    bad = Attestation(DAY, 1, good=1, destinations=2, required=2, verdicts={})
    good = Attestation(DAY, 1, good=2, destinations=2, required=2, verdicts={})
    ledger.record_attestation(bad, datetime.now(UTC))
    assert not ledger.newest_attestations(DAY, DAY)[DAY].met
    at = datetime.now(UTC)
    ledger.record_attestation(good, at)
    assert ledger.newest_attestations(DAY, DAY) == {DAY: Attested(revision=1, good=2, required=2, at=at)}
    assert ledger.newest_attestations(DAY, DAY)[DAY].met


@pytest.mark.parametrize(
    ("verdicts", "good"),
    [
        ({"here": found(), "there": found()}, 2),
        ({"here": found()}, 1),
        ({"here": found(), "there": found(revision=2)}, 1),
        ({"here": found(), "elsewhere": found()}, 1),
        *(({"here": found(), "there": found(verdict)}, 1) for verdict in Verdict if not verdict.accepted),
    ],
)
def test_only_a_match_of_this_revision_at_a_configured_destination_counts(
    verdicts: dict[str, Verification], good: int
) -> None:
    attestation = attest(DAY, 1, verdicts, destinations=["here", "there"], required=2)
    assert attestation.good == good
    assert attestation.ok == (good == 2)
    assert attestation.destinations == 2


def test_what_retention_removed_is_not_asked_for_but_one_good_copy_always_is() -> None:
    def counted(*verdicts: Verdict) -> Attestation:
        names = [f"d{number}" for number in range(len(verdicts))]
        made = {name: found(verdict, destination=name) for name, verdict in zip(names, verdicts, strict=True)}
        return attest(DAY, 1, made, destinations=names, required=2)

    one = counted(Verdict.MATCH, Verdict.REMOVED)
    assert (one.good, one.required, one.removed, one.ok) == (1, 1, 1, True)
    assert "1 removed by retention" in str(one)
    assert counted(Verdict.MATCH, Verdict.REMOVED, Verdict.REMOVED).ok
    assert not counted(Verdict.REMOVED, Verdict.REMOVED, Verdict.REMOVED).ok
    assert not counted(Verdict.MISSING, Verdict.REMOVED).ok


def test_a_removal_on_record_stands_until_the_archive_is_there_and_read_again(ledger: VerdictLedger) -> None:
    ledger.record(found())
    ledger.record(removed := found(Verdict.REMOVED, level=Level.DIGEST, finding=Finding.RETENTION))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == removed
    assert ledger.last_read("here")[DAY, 1] == removed.at
    ledger.record(again := found(level=Level.BYTES))
    assert ledger.newest(DAY, DAY)[DAY]["here"] == again
