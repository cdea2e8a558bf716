"""Verification: whatever is changed in the file is found, by name and place."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import ScoringError
from scoring.ledger.canonical import canonical_column
from scoring.ledger.chain import envelope, link
from scoring.ledger.record import Batch, Head, Record
from scoring.ledger.store import Ledger
from scoring.ledger.verify import FINDING_CODES, verify

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
COLUMNS = (
    "record_id", "kind", "account_id", "as_of", "batch_id", "about", "recorded_at", "body_hash", "prev_hash", "hash",
    "body",
)  # fmt: skip
BLOBS = ("body_hash", "prev_hash", "hash")
LAST = 9
"""Records 1 and 2 stand alone, 3 to 6 are batch B1, 7 closes it, 8 and 9 stand alone."""


def write_a_sound_ledger(path: Path) -> Head:
    with Ledger.open(path) as ledger:
        ledger.append([Record(f"D{i}", "decision", {"rank": i}, account_id=f"A{i}") for i in (1, 2)], recorded_at=AT)
        ids, accounts = pa.array([f"B1-A{i}" for i in range(4)]), pa.array([f"A{i}" for i in range(4)])
        body = canonical_column({"account_id": accounts, "note": pa.array(["还款", 'a "b"', "c\n", ""])})
        block = pa.table({"record_id": ids, "account_id": accounts, "body": body})
        ledger.append_batch(Batch("B1", "decision", date(2025, 5, 1), {"run": 1}), [block], recorded_at=AT)
        ledger.append([Record(f"O{i}", "override", {"to": "letter"}, about=f"D{i}") for i in (1, 2)], recorded_at=AT)
        return ledger.head()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Head]:
    path = tmp_path_factory.mktemp("sound") / "ledger.db"
    return path, write_a_sound_ledger(path)


@pytest.fixture
def copied(sound: tuple[Path, Head], tmp_path: Path) -> tuple[Path, Head]:
    return Path(shutil.copy(sound[0], tmp_path)), sound[1]


def tamper(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    """Change the file as its owner could: guards away, the change, guards back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        for _, text in guards:
            connection.execute(text)


def found_in(path: Path, expected: Head | None = None) -> list[tuple[str, int | None]]:
    with Ledger.open(path, read_only=True) as ledger:
        return [(finding.code, finding.seq) for finding in verify(ledger, expected)]


def test_a_sound_ledger_has_no_findings(sound: tuple[Path, Head]) -> None:
    assert sound[1].seq == LAST
    assert found_in(*sound) == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE records SET body = replace(body, '2', '1') WHERE seq = 2"], [("body_edited", 2)]),
        (["UPDATE records SET account_id = 'A9' WHERE seq = 2"], [("record_edited", 2)]),
        (["UPDATE records SET recorded_at = '2025-05-01T00:00:00.000000Z' WHERE seq = 9"], [("record_edited", 9)]),
        (["DELETE FROM records WHERE seq = 1"], [("gap_in_seq", 2), ("broken_link", 2)]),
        (["DELETE FROM records WHERE seq = 9"], [("cut_tail", 8)]),
        (["DELETE FROM records"], [("cut_tail", 0)]),
        (
            ["DELETE FROM records WHERE seq = 4"],
            [("gap_in_seq", 5), ("broken_link", 5), ("batch_mismatch", 7)],
        ),
        (["DELETE FROM records WHERE seq > 6"], [("batch_unclosed", 6), ("cut_tail", 6)]),
        (
            ["DELETE FROM records WHERE seq BETWEEN 3 AND 6"],
            [("gap_in_seq", 7), ("broken_link", 7), ("batch_mismatch", 7)],
        ),
        (
            [
                "UPDATE records SET seq = 99 WHERE seq = 1",
                "UPDATE records SET seq = 1 WHERE seq = 2",
                "UPDATE records SET seq = 2 WHERE seq = 99",
            ],
            [("broken_link", 1), ("record_edited", 1), ("broken_link", 2), ("record_edited", 2), ("broken_link", 3)],
        ),
        (
            [
                "UPDATE records SET seq = 10 WHERE seq = 9",
                "INSERT INTO records SELECT 9, 'X', kind, account_id, as_of, batch_id, NULL, recorded_at, body_hash, "
                "prev_hash, hash, body FROM records WHERE seq = 8",
            ],
            [
                ("broken_link", 9),
                ("record_edited", 9),
                ("rewritten", 9),
                ("record_edited", 10),
            ],
        ),
    ],
    ids=["body", "column", "instant", "first gone", "last gone", "all gone", "one of a batch gone", "closing gone",
         "batch emptied", "swapped", "inserted"],
)  # fmt: skip
def test_each_kind_of_tampering_is_found_and_named(
    copied: tuple[Path, Head], statements: list[str], expected: list[tuple[str, int]]
) -> None:
    path, head = copied

    tamper(path, lambda connection: [connection.execute(statement) for statement in statements])

    assert found_in(path, head) == expected


def test_several_edits_are_all_found_in_one_run(copied: tuple[Path, Head]) -> None:
    path, head = copied

    tamper(path, lambda c: c.execute("UPDATE records SET body = '{}' WHERE seq IN (1, 8)"))
    tamper(path, lambda c: c.execute("DELETE FROM records WHERE seq = 5"))

    assert found_in(path, head) == [
        ("body_edited", 1), ("gap_in_seq", 6), ("broken_link", 6), ("batch_mismatch", 7), ("body_edited", 8)
    ]  # fmt: skip


def test_a_duplicated_record_is_found_though_the_unique_index_is_gone(copied: tuple[Path, Head]) -> None:
    path, head = copied

    def duplicate(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', '') WHERE name = 'records'")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_records_1'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"INSERT INTO records SELECT 10, {', '.join(COLUMNS)} FROM records WHERE seq = 9")

    tamper(path, duplicate)

    codes = [code for code, _ in found_in(path, head)]
    assert {"guard_missing", "broken_link", "record_edited", "duplicate_record"} <= set(codes)


def test_a_forged_record_with_a_fresh_hash_breaks_the_next_link(copied: tuple[Path, Head]) -> None:
    path, head = copied

    def forge(connection: sqlite3.Connection) -> None:
        row = connection.execute(
            "SELECT seq, record_id, kind, account_id, as_of, batch_id, about, recorded_at, prev_hash FROM records "
            "WHERE seq = 2"
        ).fetchone()
        body_hash = sha256(b"{}").digest()
        forged = link(row[8], body_hash, envelope(*row[:8]))
        connection.execute("UPDATE records SET body = '{}', body_hash = ?, hash = ? WHERE seq = 2", (body_hash, forged))

    tamper(path, forge)

    assert found_in(path, head) == [("broken_link", 3)]


def test_a_ledger_rewritten_as_a_whole_shows_only_against_a_head_kept_elsewhere(
    sound: tuple[Path, Head], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.append([Record(f"X{i}", "decision", {}) for i in range(LAST)], recorded_at=AT)

    assert found_in(path) == []
    assert found_in(path, sound[1]) == [("rewritten", LAST)]


def test_a_ledger_that_grew_since_the_head_was_kept_is_sound(copied: tuple[Path, Head]) -> None:
    path, head = copied
    with Ledger.open(path) as ledger:
        ledger.append([Record("D3", "decision", {})], recorded_at=AT)

    assert found_in(path, head) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER records_are_never_deleted",
        "DROP INDEX records_by_account",
        "CREATE TRIGGER quietly AFTER INSERT ON records BEGIN SELECT 1; END",
    ],
)
def test_a_guard_that_is_missing_or_added_is_found(copied: tuple[Path, Head], statement: str) -> None:
    path, head = copied
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)

    assert found_in(path, head) == [("guard_missing", None)]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, LAST), st.sampled_from(COLUMNS), st.integers(0, 10_000), st.integers(0, 7))
def test_any_flipped_bit_of_any_column_of_any_record_is_found(
    sound: tuple[Path, Head], seq: int, column: str, place: int, bit: int
) -> None:
    path, head = sound
    with Ledger.open(path, read_only=True) as ledger:
        original = list(ledger.rows_as_stored())
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))

        def flip(connection: sqlite3.Connection) -> None:
            query = f"SELECT CAST({column} AS BLOB) FROM records WHERE seq = ?"
            value = bytearray(connection.execute(query, (seq,)).fetchone()[0] or b"\0")
            value[place % len(value)] ^= 1 << bit
            kept_as = "BLOB" if column in BLOBS else "TEXT"
            change = f"UPDATE records SET {column} = CAST(? AS {kept_as}) WHERE seq = ?"
            with suppress(sqlite3.IntegrityError):  # an id that is taken: the database itself refuses
                connection.execute(change, (bytes(value), seq))

        tamper(copy, flip)

        with Ledger.open(copy, read_only=True) as ledger:
            findings = verify(ledger, head)
            assert findings or list(ledger.rows_as_stored()) == original
        assert {finding.code for finding in findings} <= set(FINDING_CODES)


def everything_in(path: Path) -> Iterator[object]:
    with Ledger.open(path, read_only=True) as ledger:
        yield from ledger.records()
        yield from ledger.for_account("A1")
        yield ledger.get("B1-A3")
        yield ledger.about("D2")
        yield ledger.latest_batch("decision")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_bit_anywhere_in_the_file_is_found_or_changes_nothing_that_is_read(
    sound: tuple[Path, Head], data: st.DataObject
) -> None:
    path, head = sound
    raw = bytearray(path.read_bytes())
    used = [place for place, byte in enumerate(raw) if byte]
    place = data.draw(st.sampled_from(used) | st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "ledger.db"
        copy.write_bytes(raw)

        try:
            findings = found_in(copy, head)
        except ScoringError:
            return  # refused at the door

        assert findings or list(everything_in(copy)) == list(everything_in(path))
