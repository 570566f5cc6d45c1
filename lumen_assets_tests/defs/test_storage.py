"""The storage that stays open writes what Dagster's own reads, and gives way to one that is configured."""

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import dagster as dg
import pytest
import yaml
from alembic.script import ScriptDirectory
from dagster._check import CheckError
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import DagsterEventType
from dagster._core.instance.ref import InstanceRef
from dagster._core.utils import make_new_run_id
from sqlalchemy import create_engine

from lumen_assets.defs.instance import prepare_instance
from lumen_assets.defs.storage import KeptOpen, open_instance_in

PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
RUNS = 7  # more than there are databases that stay open


@dg.asset(partitions_def=dg.StaticPartitionsDefinition([str(number) for number in range(RUNS)]))
def thing(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")


def dagsters_own(folder: Path) -> dg.DagsterInstance:
    """The same instance, as Dagster's own storage opens it."""
    storage = {"storage": {"sqlite": {"base_dir": str(folder)}}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=storage))


def make(instance: dg.DagsterInstance, partition: str) -> str:
    return dg.materialize([thing], instance=instance, partition_key=partition).run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str]]:
    return [(entry.dagster_event_type, entry.user_message) for entry in instance.all_logs(run_id)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepare_instance(tmp_path / "dagster")


def test_dagster_reads_what_it_wrote_and_the_other_way_round(folder: Path) -> None:
    with open_instance_in(folder) as ours:
        run_ids = [make(ours, str(number)) for number in range(RUNS)]
        written = {run_id: told(ours, run_id) for run_id in run_ids}
        keys = ours.get_materialized_partitions(dg.AssetKey("thing"))
    with dagsters_own(folder) as theirs:
        assert {run_id: told(theirs, run_id) for run_id in run_ids} == written
        assert theirs.get_materialized_partitions(dg.AssetKey("thing")) == keys == {str(n) for n in range(RUNS)}
        assert all(run.status is dg.DagsterRunStatus.SUCCESS for run in theirs.get_runs())
        assert theirs.event_log_storage.alembic_version()[0] == theirs.event_log_storage.alembic_version()[1]
        again = make(theirs, "0")
        log_of_theirs = told(theirs, again)
    with open_instance_in(folder) as ours:
        assert told(ours, again) == log_of_theirs
        assert len(ours.get_runs()) == RUNS + 1


@dg.asset(partitions_def=thing.partitions_def, deps=[thing], check_specs=[dg.AssetCheckSpec("good", asset="checked")])
def checked() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@pytest.mark.parametrize("together", ["0", "1000"])
def test_all_that_dagster_would_write_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: str
) -> None:
    """In the database of all runs: events, what is known of each asset, tags, and the results of checks."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", together)
    other = prepare_instance(tmp_path / "theirs")
    for opened in (open_instance_in(folder), dagsters_own(other)):
        with opened as instance:
            for partition in ("1", "2", "2"):
                dg.materialize([thing, checked], instance=instance, partition_key=partition)
    assert rows_of_all(folder) == rows_of_all(other)


def rows_of_all(folder: Path) -> dict[str, list[dict[str, object]]]:
    """The rows by table, but for what differs from run to run."""
    engine = create_engine(f"sqlite:///{folder / 'history' / 'runs' / 'index.db'}")
    own = re.compile(
        r"(?<=: )[\d.e-]+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|\d{4}-\d\d-\d\d[T ][\d:.]+|'pid': .*|\b\d+ms|[\d.]+s\b"
    )
    tables = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")
    with engine.connect() as connection:
        found = {table: connection.exec_driver_sql(f"SELECT * FROM {table}").mappings().all() for table in tables}  # noqa: S608
    engine.dispose()
    return {
        table: sorted(({column: own.sub("", str(value)) for column, value in row.items()} for row in rows), key=str)
        for table, rows in found.items()
    }


def test_it_answers_what_dagster_would(folder: Path) -> None:
    """Also of an asset that was never made, was wiped, and was made again since."""
    keys = [thing.key, checked.key, dg.AssetKey("never")]
    with open_instance_in(folder) as ours:
        dg.materialize([thing, checked], instance=ours, partition_key="1")
        dg.materialize([thing], instance=ours, partition_key="2")
    for wiped in (None, thing.key, checked.key):
        with open_instance_in(folder) as ours, dagsters_own(folder) as theirs:
            if wiped:
                ours.wipe_assets([wiped])
            of_ours, of_theirs = (answers(instance, keys) for instance in (ours, theirs))
            assert of_ours == of_theirs
            assert len(of_ours[0]) == (1 if wiped else 2)
            make(ours, "2")
            assert answers(ours, keys) == answers(theirs, keys)
    assert [len(events) for events in of_theirs[2:]] == [0, 1, 0, 0, 0, 0, 0]


def test_it_refuses_what_dagster_would(folder: Path) -> None:
    with open_instance_in(folder) as ours:
        make(ours, "1")
        for tags in ([], ["not indexed"]):
            with pytest.raises(CheckError, match="whitelisted"):
                ours.event_log_storage.get_latest_tags_by_partition(
                    thing.key, DagsterEventType.ASSET_MATERIALIZATION, tags, ["1"]
                )


def answers(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> list[object]:
    storage = instance.event_log_storage
    found: list[object] = [instance.get_asset_records(keys)]
    found.append(
        [
            storage.get_latest_tags_by_partition(
                key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], [partition]
            )
            for key in keys
            for partition in ("1", "2")
        ]
    )
    for key in keys:
        for partition in ("1", "2"):
            events = instance.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=[partition]), limit=1)
            found.append(events.records)
    before = dg.EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, thing.key, ["1"], before_cursor=0)
    return [*found, storage.get_event_records(before, limit=1)]


def test_events_are_written_together_or_not_at_all(folder: Path) -> None:
    with open_instance_in(folder) as ours:
        run_id = make(ours, "1")
        planned = [entry for entry in ours.all_logs(run_id) if entry.dagster_event_type is PLANNED]
        before = told(ours, run_id)
        with pytest.raises(AttributeError):
            ours.event_log_storage.store_event_batch([*planned, None])
        with dagsters_own(folder) as theirs:
            assert told(theirs, run_id) == before
            keys = dg.EventRecordsFilter(PLANNED, dg.AssetKey("thing"))
            assert len(theirs.event_log_storage.get_event_records(keys)) == len(planned) == 1
        ours.event_log_storage.store_event_batch(planned)
        assert len(told(ours, run_id)) == len(before) + 1


def test_two_at_once_see_each_other(folder: Path) -> None:
    with open_instance_in(folder) as one, open_instance_in(folder) as other:
        first = make(one, "1")
        assert told(other, first) == told(one, first)
        second = make(other, "2")
        assert one.get_run_by_id(second).status is dg.DagsterRunStatus.SUCCESS
        assert one.get_materialized_partitions(dg.AssetKey("thing")) == {"1", "2"}


def test_a_run_that_the_ui_asked_for_first_keeps_its_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look whether it is there and its making, Dagster's own storage makes it."""
    run_id = make_new_run_id()
    with open_instance_in(folder) as ours, dagsters_own(folder) as theirs:
        made = folder / "history" / "runs" / f"{run_id}.db"
        exists = Path.exists

        def asked_for_meanwhile(path: Path) -> bool:
            found = exists(path)
            if path == made and not found:
                assert theirs.all_logs(run_id) == []
            return found

        monkeypatch.setattr(Path, "exists", asked_for_meanwhile)
        assert ours.all_logs(run_id) == []
        inode = made.stat().st_ino
        ours.report_engine_event("said", run_id=run_id, job_name="x")
        assert [entry.message for entry in theirs.all_logs(run_id)] == ["said"]
        assert made.stat().st_ino == inode


def test_databases_do_not_pile_up(folder: Path) -> None:
    with open_instance_in(folder) as instance:
        for number in range(RUNS):
            make(instance, str(number))
        open_files = [path for path in Path("/proc/self/fd").iterdir() if str(path.resolve()).startswith(str(folder))]
        assert 0 < len({path.resolve() for path in open_files if path.resolve().suffix == ".db"}) <= 6
    open_files = [path for path in Path("/proc/self/fd").iterdir() if str(path.resolve()).startswith(str(folder))]
    assert open_files == []


def test_an_instance_that_is_there_is_opened_without_reading_its_migrations(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance_in(folder) as instance:
        run_id = make(instance, "1")

    def read(*_: object) -> None:
        raise AssertionError("the migrations are read")

    monkeypatch.setattr(ScriptDirectory, "from_config", read)
    with open_instance_in(folder) as instance:
        assert [run.run_id for run in instance.get_runs()] == [run_id]
        assert instance.all_instigator_state() == []


@pytest.mark.parametrize(
    ("database", "left_over"),
    [
        ("history/runs.db", ""),
        ("history/runs.db", "DROP TABLE instance_info"),
        ("history/runs.db", "DELETE FROM alembic_version"),
        ("schedules/schedules.db", ""),
        ("schedules/schedules.db", "DROP TABLE alembic_version"),
    ],
)
def test_what_a_kill_left_of_a_database_is_made_whole(folder: Path, database: str, left_over: str) -> None:
    with open_instance_in(folder) as instance:
        make(instance, "1")
    path = folder / database
    if left_over:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(left_over)
            connection.commit()
    else:
        path.write_bytes(b"")
    with open_instance_in(folder) as instance:
        make(instance, "2")
        assert instance.all_instigator_state() == []
        assert instance.run_storage.get_run_storage_id()
    with dagsters_own(folder) as theirs:
        for storage in (theirs.run_storage, theirs.schedule_storage):
            assert storage.alembic_version()[0] is not None


def test_a_storage_that_is_configured_is_used(folder: Path, tmp_path: Path) -> None:
    configuration = folder / "dagster.yaml"
    elsewhere = {"sqlite": {"base_dir": str(tmp_path / "elsewhere")}}
    changed = {**yaml.safe_load(configuration.read_text("utf-8")), "storage": elsewhere}
    configuration.write_text(yaml.safe_dump(changed), encoding="utf-8")
    with open_instance_in(folder) as instance:
        make(instance, "1")
    assert list((tmp_path / "elsewhere" / "history").glob("*.db"))
    assert not (folder / "history").exists()


def test_processes_that_dagster_starts_keep_it_open_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="DAGSTER_HOME"):
        dg.DagsterInstance.from_config(str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__module__ == KeptOpen.__module__
        make(instance, "1")
    assert list((folder / "history" / "runs").glob("*.db"))


def test_as_many_as_ask_at_once_are_served(folder: Path) -> None:
    """The daemon and the webserver ask from many threads at once, more than a pool has by default."""
    threads = 40
    with open_instance_in(folder) as instance, ThreadPoolExecutor(threads) as pool:
        make(instance, "1")
        together = Barrier(threads)

        def ask(_: int) -> int:
            with instance.run_storage.connect():
                together.wait(30)
            return instance.get_runs_count()

        assert list(pool.map(ask, range(threads))) == [1] * threads
