"""Verification of an SQLite file: its guards, its pages, and walking it in several processes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scoring.ledger.verify as verifying
from scoring.errors import ScoringError
from scoring.ledger.chain import envelope, link
from scoring.ledger.record import Batch, Head
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from tests.ledger.tampering import AT, LAST, write_a_sound_ledger

COLUMNS = (
    "record_id", "kind", "account_ref", "as_of", "batch_id", "about", "recorded_at", "body_hash", "prev_hash", "hash"
)  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Head]:
    path = tmp_path_factory.mktemp("sound") / "ledger.db"
    return path, write_a_sound_ledger(str(path))[0]


@pytest.fixture
def copied(sound: tuple[Path, Head], tmp_path: Path) -> tuple[Path, Head]:
    return Path(shutil.copy(sound[0], tmp_path)), sound[1]


def change_file(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    """Change the file as its owner could: guards away, the change, guards back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
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


def test_a_duplicated_record_is_found_though_the_unique_index_is_gone(copied: tuple[Path, Head]) -> None:
    path, head = copied

    def duplicate(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', '') WHERE name = 'records'")
        connection.execute("DELETE FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_records_%'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"INSERT INTO records SELECT 10, {', '.join(COLUMNS)}, body_id FROM records WHERE seq = 9")

    change_file(path, duplicate)

    codes = [code for code, _ in found_in(path, head)]
    assert {"guard_missing", "broken_link", "record_edited", "duplicate_record"} <= set(codes)


def test_a_forged_record_with_a_fresh_hash_breaks_the_next_link(copied: tuple[Path, Head]) -> None:
    path, head = copied

    def forge(connection: sqlite3.Connection) -> None:
        row = connection.execute(
            "SELECT seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at, prev_hash FROM records "
            "WHERE seq = 2"
        ).fetchone()
        body_hash = sha256(b"{}").digest()
        forged = link(row[8], body_hash, envelope(*row[:8]))
        connection.execute("UPDATE bodies SET body = '{}' WHERE body_id = 2")
        connection.execute("UPDATE records SET body_hash = ?, hash = ? WHERE seq = 2", (body_hash, forged))

    change_file(path, forge)

    assert found_in(path, head) == [("broken_link", 3), ("tree_mismatch", 7)]


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


def everything_in(path: Path) -> Iterator[object]:
    with Ledger.open(path, read_only=True) as ledger:
        yield from ledger.records()
        yield from ledger.for_account("A1")
        yield ledger.get("B1-A3")
        yield ledger.about("D2")
        yield ledger.latest_batch("decision")


@settings(max_examples=100, deadline=None)
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
        shutil.copy(path.with_name("ledger-subjects.db"), folder)

        try:
            findings = found_in(copy, head)
        except ScoringError:
            return  # refused at the door

        assert findings or list(everything_in(copy)) == list(everything_in(path))


def test_several_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ids = pa.array([f"D{number}" for number in range(150)])
        block = pa.table({"record_id": ids, "account_id": ids, "body": pa.array(["{}"] * 150)})
        ledger.append_batch(Batch("B", "decision", AT.date()), [block], recorded_at=AT)
    change_file(path, lambda connection: connection.execute("UPDATE bodies SET body = '[]' WHERE body_id IN (3, 140)"))
    monkeypatch.setattr(verifying, "STRETCH", 40)

    with Ledger.open(path, read_only=True) as ledger:
        apart, alone = verify(ledger, processes=2), verify(ledger)

    assert apart == alone
    assert [(finding.code, finding.seq) for finding in apart] == [("body_edited", 3), ("body_edited", 140)]
