"""Changing a ledger as its owner could: past the guards, in SQLite and in PostgreSQL, and putting it back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.ledger.anchors import signed_head
from scoring.ledger.canonical import canonical_column
from scoring.ledger.heads import SignedHead
from scoring.ledger.record import Batch, Head, Record
from scoring.ledger.store import Ledger

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LAST = 9
"""Records 1 and 2 stand alone, 3 to 6 are batch B1, 7 closes it, 8 and 9 stand alone."""
TABLES = ("bodies", "records", "tree_nodes")

Execute = Callable[..., list[tuple[Any, ...]]]


def write_a_sound_ledger(place: str, mark: int = 1) -> tuple[Head, SignedHead]:
    """Nine records; another ``mark`` gives another history of the same shape."""
    with Ledger.open(place) as ledger:
        ledger.append(
            [Record(f"D{i}", "decision", {"rank": i * mark}, account_id=f"A{i}") for i in (1, 2)], recorded_at=AT
        )
        ids, accounts = pa.array([f"B1-A{i}" for i in range(4)]), pa.array([f"A{i}" for i in range(4)])
        refs = pa.array(ledger.refs(accounts.to_pylist()))
        body = canonical_column({"account_ref": refs, "note": pa.array(["还款", 'a "b"', "c\n", ""])})
        block = pa.table({"record_id": ids, "account_id": accounts, "body": body})
        ledger.append_batch(Batch("B1", "decision", date(2025, 5, 1), {"run": 1}), [block], recorded_at=AT)
        ledger.append([Record(f"O{i}", "override", {"to": "letter"}, about=f"D{i}") for i in (1, 2)], recorded_at=AT)
        return ledger.head(), signed_head(ledger, KEY, AT)


def tamper(place: str, change: Callable[[Execute], object]) -> None:
    """Run a change with the guards out of the way, and the guards back afterwards."""
    if place.startswith("postgresql"):
        with psycopg.connect(place) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET search_path TO scoring_ledger")

            def execute(statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
                found = connection.execute(statement.replace("?", "%s"), values)
                return found.fetchall() if found.description else []

            change(execute)
        return
    with closing(sqlite3.connect(place, isolation_level=None)) as file:
        file.execute("PRAGMA synchronous = OFF")
        guards = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            file.execute(f"DROP TRIGGER {name}")
        try:
            change(lambda statement, values=(): file.execute(statement, values).fetchall())
        finally:
            for _, text in guards:
                file.execute(text)


def contents(place: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the ledger's tables."""
    found: dict[str, list[tuple[Any, ...]]] = {}

    def read(execute: Execute) -> None:
        for table in TABLES:
            found[table] = execute(f"SELECT * FROM {table}")

    tamper(place, read)
    return found


def put_back(place: str, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    """Make the tables hold these rows again."""

    def restore(execute: Execute) -> None:
        for table, rows in kept.items():
            execute(f"DELETE FROM {table}")
            for row in rows:
                execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    tamper(place, restore)
