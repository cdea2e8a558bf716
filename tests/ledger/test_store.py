"""The ledger: written once, read back, refused when it would change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from scoring.errors import LedgerConflictError, LedgerError, MissingToolError, NotReadyError, UnknownDecisionError
from scoring.ledger import schema
from scoring.ledger.canonical import canonical_column
from scoring.ledger.chain import envelope, link
from scoring.ledger.record import Batch, Head, Record
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
AS_OF = date(2025, 5, 1)


def a_decision(record_id: str, account_id: str = "A1", **values: object) -> Record:
    return Record(record_id, "decision", {"channel": "sms", **values}, account_id=account_id, as_of=AS_OF)


def a_block(*accounts: str, prefix: str = "D", rank: int = 1) -> pa.Table:
    ids = pa.array([f"{prefix}-{account}" for account in accounts], pa.string())
    body = canonical_column({"record_id": ids, "account_id": pa.array(accounts, pa.string()), "rank": rank})
    return pa.table({"record_id": ids, "account_id": pa.array(accounts, pa.string()), "body": body})


def a_batch(batch_id: str = "B1", kind: str = "decision", as_of: date = AS_OF) -> Batch:
    return Batch(batch_id, kind, as_of, {"run_id": "R1"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.db"


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with Ledger.open(place) as ledger:
        yield ledger


def test_a_record_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    (written,) = ledger.append([a_decision("D1", w_none=0.25)], recorded_at=AT)

    assert ledger.get("D1") == written
    assert written.text == '{"channel":"sms","w_none":0.25}'
    assert (written.seq, written.account_id, written.as_of, written.recorded_at) == (1, "A1", AS_OF, AT)
    assert ledger.head() == Head(1, written.hash)


def test_every_record_links_to_the_one_before(ledger: Ledger) -> None:
    first, second = ledger.append([a_decision("D1"), a_decision("D2")], recorded_at=AT)
    (third,) = ledger.append([a_decision("D3")], recorded_at=AT)

    assert (first.prev_hash, second.prev_hash, third.prev_hash) == (bytes(32), first.hash, second.hash)
    assert verify(ledger, ledger.head()) == []


def test_the_moment_of_recording_is_outside_the_hashed_body_but_inside_the_chain(tmp_path: Path) -> None:
    written = []
    for hour in (1, 2):
        with Ledger.open(tmp_path / f"{hour}.db") as ledger:
            written += ledger.append([a_decision("D1")], recorded_at=AT + timedelta(hours=hour))

    assert written[0].body_hash == written[1].body_hash
    assert written[0].hash != written[1].hash


def test_an_instant_is_kept_in_utc_whatever_its_zone(ledger: Ledger) -> None:
    shanghai = AT.astimezone(timezone(timedelta(hours=8)))

    (written,) = ledger.append([a_decision("D1")], recorded_at=shanghai)

    assert written.recorded_at.isoformat() == "2025-05-02T01:30:00+00:00"


def test_an_instant_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="has no time zone"):
        ledger.append([a_decision("D1")], recorded_at=AT.replace(tzinfo=None))


def test_the_same_record_again_is_written_once(ledger: Ledger) -> None:
    (first,) = ledger.append([a_decision("D1")], recorded_at=AT)
    again = ledger.append([a_decision("D1"), a_decision("D1")], recorded_at=AT + timedelta(days=1))

    assert again == [first, first]
    assert len(list(ledger.records())) == 1


@pytest.mark.parametrize("other", [a_decision("D1", rank=2), a_decision("D1", "A2")], ids=["body", "account"])
def test_another_record_under_the_same_id_is_refused_and_nothing_of_the_call_is_written(
    ledger: Ledger, other: Record
) -> None:
    ledger.append([a_decision("D1")], recorded_at=AT)

    with pytest.raises(LedgerConflictError, match="Record D1 is already in the ledger with other content") as refusal:
        ledger.append([a_decision("D2"), other], recorded_at=AT)

    assert refusal.value.as_dict()["code"] == "ledger_conflict"
    assert [record.record_id for record in ledger.records()] == ["D1"]


def test_a_correction_is_a_new_record_about_the_old_one(ledger: Ledger) -> None:
    ledger.append([a_decision("D1")], recorded_at=AT)
    override = Record("O1", "override", {"to": "letter", "reason_code": "R7"}, account_id="A1", about="D1")
    (written,) = ledger.append([override], recorded_at=AT)

    assert ledger.about("D1") == [written]
    assert ledger.get("D1").body == {"channel": "sms"}


def test_a_record_about_an_unknown_one_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownDecisionError, match="Record O1 is about D9, which is not in the ledger"):
        ledger.append([Record("O1", "override", {}, about="D9")], recorded_at=AT)


def test_an_unknown_record_is_refused_by_its_id(ledger: Ledger) -> None:
    with pytest.raises(UnknownDecisionError, match="Record D9 is not in the ledger"):
        ledger.get("D9")


def test_the_history_of_an_account_is_paged_newest_first(ledger: Ledger) -> None:
    ledger.append([a_decision(f"D{i}", "A1" if i % 2 else "A2") for i in range(1, 8)], recorded_at=AT)

    page = ledger.for_account("A1", limit=3)
    rest = ledger.for_account("A1", limit=3, before=page[-1].seq)

    assert [record.record_id for record in page] == ["D7", "D5", "D3"]
    assert [record.record_id for record in rest] == ["D1"]
    assert ledger.for_account("A3") == []


def test_a_batch_is_written_whole_and_described(ledger: Ledger) -> None:
    ledger.append([a_decision("D0")], recorded_at=AT)
    written = ledger.append_batch(a_batch(), [a_block("A1", "A2"), a_block("A3")], recorded_at=AT)

    assert (written.n_records, written.first_seq, written.last_seq, written.closing_seq) == (3, 2, 4, 5)
    assert (written.meta, written.already_there) == ({"run_id": "R1"}, False)
    assert ledger.batch("B1") == written
    assert [r.account_id for r in ledger.records(first_seq=2, last_seq=4)] == ["A1", "A2", "A3"]
    assert [r.record_id for r in ledger.records(kind="decision")] == ["D0", "D-A1", "D-A2", "D-A3"]
    assert verify(ledger) == []


def test_an_empty_batch_is_a_batch(ledger: Ledger) -> None:
    written = ledger.append_batch(a_batch(), [], recorded_at=AT)

    assert (written.n_records, written.first_seq, written.last_seq) == (0, None, None)
    assert verify(ledger) == []


def test_the_same_batch_again_writes_nothing_however_it_is_cut_into_blocks(ledger: Ledger) -> None:
    first = ledger.append_batch(a_batch(), [a_block("A1", "A2"), a_block("A3")], recorded_at=AT)
    head = ledger.head()

    again = ledger.append_batch(a_batch(), [a_block("A1"), a_block("A2", "A3")], recorded_at=AT + timedelta(days=1))

    assert again.already_there
    assert (again.tree_root, again.first_seq, again.last_seq) == (first.tree_root, 1, 3)
    assert ledger.head() == head


@pytest.mark.parametrize(
    "blocks",
    [
        [a_block("A1", "A2", rank=2)],
        [a_block("A1")],
        [a_block("A2", "A1")],
        [a_block("A1", "A2", "A3")],
        [a_block("A1", "A2").set_column(1, "account_id", pa.array(["A1", "A9"]))],
    ],
    ids=["other bodies", "fewer", "other order", "more", "other account"],
)
def test_other_records_under_the_same_batch_id_are_refused(ledger: Ledger, blocks: list[pa.Table]) -> None:
    ledger.append_batch(a_batch(), [a_block("A1", "A2")], recorded_at=AT)
    head = ledger.head()

    with pytest.raises(LedgerConflictError, match="Batch B1 is already in the ledger with 2 records"):
        ledger.append_batch(a_batch(), blocks, recorded_at=AT)

    assert ledger.head() == head


@pytest.mark.parametrize(
    "blocks",
    [[a_block("A2", "A1")], [a_block("A2", "A2")], [a_block("A2"), a_block("A2")]],
    ids=["in the ledger", "twice in a block", "in two blocks"],
)
def test_a_batch_that_repeats_a_record_is_refused_whole_and_names_it(ledger: Ledger, blocks: list[pa.Table]) -> None:
    ledger.append([Record("D-A1", "decision", {}, account_id="A1")], recorded_at=AT)
    repeated = "D-A1" if len(blocks) == 1 and blocks[0]["account_id"][1].as_py() == "A1" else "D-A2"

    with pytest.raises(LedgerConflictError, match=f"Record {repeated} is already in the ledger"):
        ledger.append_batch(a_batch(), blocks, recorded_at=AT)

    assert [record.record_id for record in ledger.records()] == ["D-A1"]
    assert ledger.batch("B1") is None


def test_a_batch_whose_blocks_fail_midway_leaves_nothing(ledger: Ledger) -> None:
    def blocks() -> Iterator[pa.Table]:
        yield a_block("A1")
        raise LedgerError("No second block.")

    with pytest.raises(LedgerError, match="No second block"):
        ledger.append_batch(a_batch(), blocks(), recorded_at=AT)

    assert ledger.head() == Head(0, bytes(32))


def test_the_latest_batch_is_found_by_kind_and_day(ledger: Ledger) -> None:
    for batch in (a_batch("B1"), a_batch("B2", as_of=date(2025, 5, 2)), a_batch("S1", kind="score")):
        ledger.append_batch(batch, [a_block("A1", prefix=batch.batch_id)], recorded_at=AT)

    found = [ledger.latest_batch("decision"), ledger.latest_batch("decision", AS_OF), ledger.latest_batch("score")]

    assert [batch.batch_id for batch in found if batch] == ["B2", "B1", "S1"]
    assert ledger.latest_batch("decision", date(2025, 5, 3)) is None


def test_a_block_without_bodies_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"A block lacks the columns \['body'\]"):
        ledger.append_batch(a_batch(), [a_block("A1").drop_columns(["body"])], recorded_at=AT)


def test_a_block_with_missing_accounts_is_refused(ledger: Ledger) -> None:
    block = a_block("A1").set_column(1, "account_id", pa.array([None], pa.string()))

    with pytest.raises(LedgerError, match="Column account_id of a block is string with 1 nulls"):
        ledger.append_batch(a_batch(), [block], recorded_at=AT)


@pytest.mark.parametrize("record", [Record("", "decision", {}), Record("X", "", {}), Record("X", "batch", {})])
def test_an_id_a_kind_and_an_honest_kind_are_demanded(ledger: Ledger, record: Record) -> None:
    with pytest.raises(LedgerError, match="an id and a kind are needed"):
        ledger.append([record], recorded_at=AT)


def test_a_body_that_is_not_utf_8_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="is not UTF-8"):
        ledger.append([Record("D1", "decision", b"\xff")], recorded_at=AT)


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE records SET kind = 'x' WHERE seq = 1", "a correction is a new record"),
        ("DELETE FROM records", "records are never deleted"),
        ("UPDATE bodies SET body = '{}'", "a body is never changed"),
        ("DELETE FROM bodies WHERE body_id = 1", "body of a record is never deleted"),
        ("INSERT OR REPLACE INTO bodies VALUES (1, '{}')", "body_id is already there"),
        ("INSERT OR REPLACE INTO records SELECT * FROM records WHERE seq = 1", "seq must follow"),
        ("INSERT INTO records SELECT 4, 'X', kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, "
         "prev_hash, hash, 3 FROM records WHERE seq = 1", "seq must follow"),
        ("INSERT INTO records SELECT 3, 'X', kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, "
         "prev_hash, hash, 3 FROM records WHERE seq = 1", "prev_hash must be the last"),
        ("INSERT OR REPLACE INTO records SELECT 3, 'D1', kind, account_ref, as_of, batch_id, about, recorded_at, "
         "body_hash, hash, hash, 3 FROM records WHERE seq = 2", "record_id is already there"),
        ("INSERT INTO records SELECT 3, 'X', kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, "
         "hash, hash, 2 FROM records WHERE seq = 2", "be no other record's"),
        ("INSERT INTO records SELECT 3, 'X', kind, account_ref, as_of, batch_id, about, recorded_at, body_hash, "
         "hash, hash, 99 FROM records WHERE seq = 2", "the body must be there"),
    ],
)  # fmt: skip
def test_the_file_itself_refuses_to_change_what_is_written(path: Path, statement: str, refusal: str) -> None:
    with Ledger.open(path) as ledger:
        ledger.append([a_decision("D1"), a_decision("D2")], recorded_at=AT)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("INSERT INTO bodies VALUES (3, '{}')")

        with pytest.raises(sqlite3.IntegrityError, match=refusal):
            connection.execute(statement)

        connection.close()
        assert verify(ledger, ledger.head()) == []


def test_a_ledger_opened_again_goes_on_where_it_stopped(place: str) -> None:
    for number in (1, 2):
        with Ledger.open(place) as ledger:
            ledger.append([a_decision(f"D{number}")], recorded_at=AT)

    with Ledger.open(place, read_only=True) as ledger:
        assert [record.record_id for record in ledger.records()] == ["D1", "D2"]
        assert verify(ledger) == []


def test_reading_only_refuses_to_append_and_never_makes_a_file(path: Path) -> None:
    with pytest.raises(LedgerError, match=r"There is no ledger at ledger\.db"):
        Ledger.open(path, read_only=True)
    Ledger.open(path).close()

    with Ledger.open(path, read_only=True) as ledger, pytest.raises(LedgerError, match="for reading only"):
        ledger.append([a_decision("D1")], recorded_at=AT)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")

    with pytest.raises(MissingToolError, match="The ledger's folder home cannot be made"):
        Ledger.open(tmp_path / "home" / "ledger.db")


def test_another_database_is_not_taken_for_a_ledger(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()

    with pytest.raises(LedgerError, match="not a decision ledger"):
        Ledger.open(tmp_path / "other.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, " * 100)

    with pytest.raises(LedgerError, match="file is damaged: file is not a database"):
        Ledger.open(tmp_path / "notes.txt")


def test_a_ledger_of_a_later_version_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(LedgerError, match="schema version 99, and this program knows 2"):
        Ledger.open(path)


def test_readers_see_what_is_committed_and_nothing_of_a_batch_that_is_being_written(ledger: Ledger) -> None:
    ledger.append([a_decision("D0")], recorded_at=AT)
    seen = []

    def blocks() -> Iterator[pa.Table]:
        for account in ("A1", "A2"):
            yield a_block(account)
            seen.append(ledger.head().seq)

    ledger.append_batch(a_batch(), blocks(), recorded_at=AT)

    assert seen == [1, 1]
    assert ledger.head().seq == 4


def test_others_write_while_a_batch_is_prepared(place: str, ledger: Ledger) -> None:
    def blocks() -> Iterator[pa.Table]:
        for number in range(3):
            yield a_block(f"A{number}")
            with Ledger.open(place, wait_seconds=5) as other:
                other.append([a_decision(f"L{number}")], recorded_at=AT)

    written = ledger.append_batch(a_batch(), blocks(), recorded_at=AT)

    assert (written.first_seq, written.last_seq, ledger.head().seq) == (4, 6, 7)
    assert verify(ledger, ledger.head()) == []


def test_a_writer_that_waits_too_long_is_told_to_try_again(place: str, ledger: Ledger) -> None:
    with (
        ledger.database.staging() as stage,
        stage.linking(),
        Ledger.open(place, wait_seconds=0.01) as other,
        pytest.raises(NotReadyError, match="Try again"),
    ):
        other.append([a_decision("D9")], recorded_at=AT)

    assert verify(ledger) == []


def test_two_runs_of_one_batch_at_once_write_it_once(place: str, ledger: Ledger) -> None:
    def blocks() -> Iterator[pa.Table]:
        yield a_block("A1", "A2")
        with Ledger.open(place) as other:
            assert not other.append_batch(a_batch(), [a_block("A1", "A2")], recorded_at=AT).already_there

    written = ledger.append_batch(a_batch(), blocks(), recorded_at=AT)

    assert written.already_there
    assert ledger.head().seq == 3
    assert verify(ledger) == []


def test_a_batch_that_is_not_written_leaves_no_bodies(place: str, ledger: Ledger) -> None:
    ledger.append([a_decision("D-A3")], recorded_at=AT)

    with pytest.raises(LedgerConflictError):
        ledger.append_batch(a_batch(), [a_block("A1", "A2"), a_block("A3")], recorded_at=AT)

    assert ledger.database.rows("SELECT count(*) FROM bodies") == [(1,)]


def test_a_ledger_of_schema_1_is_brought_forward_with_its_chain(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(schema.MIGRATIONS[0])
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("BEGIN")
    previous = bytes(32)
    for seq in range(1, 301):
        row = (seq, f"D{seq}", "decision", "A1", None, None, None, "2025-05-02T01:30:00.000000Z")
        body_hash = sha256(b"{}").digest()
        own = link(previous, body_hash, envelope(*row))
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}')", (*row, body_hash, previous, own)
        )
        previous = own
    connection.execute("COMMIT")
    connection.close()

    with pytest.raises(LedgerError, match="Open it once for writing"):
        Ledger.open(path, read_only=True)
    with Ledger.open(path) as ledger:
        assert verify(ledger, Head(300, previous)) == []
        assert [record.record_id for record in ledger.for_account("A1", limit=2)] == ["D300", "D299"]
        ledger.append([a_decision("D301")], recorded_at=AT)
        assert verify(ledger, ledger.head()) == []
