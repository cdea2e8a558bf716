"""What the ledger asks of a database: the same few things of SQLite and of PostgreSQL.

Bodies go in first, in blocks and without holding other writers up; a record counts only when it is linked, and all records
of a call are linked in one transaction that other writers wait for. Statements are written with ``?`` for values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from scoring.ledger.tree import Node

Row = tuple[Any, ...]


class RefusedByDatabase(Exception):
    """The database's own guards refused rows: an id that is taken, or a link that does not fit."""


class Linking(Protocol):
    """One transaction at the end of the chain; no other writer is in one at the same time."""

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query, as this transaction sees them."""

    def link(self, rows: Sequence[Row]) -> None:
        """Add records, in the order of `scoring.ledger.rows.COLUMNS`; raises `RefusedByDatabase`."""

    def link_alone(self, row: Row, body: str) -> None:
        """Add one record and its body inside this transaction; as `link`, without the body's id."""

    def keep_nodes(self, nodes: Sequence[Node]) -> None:
        """Add complete nodes of the tree."""


class Staging(Protocol):
    """Bodies on their way in. What is not linked when it ends is taken out again."""

    def keep(self, bodies: Sequence[str]) -> list[int]:
        """Add bodies and give their ids; other writers go on meanwhile."""

    def linking(self) -> AbstractContextManager[Linking]:
        """The transaction that links; at its end everything is on disk, or after an error nothing is."""


class Database(Protocol):
    """Where a ledger is kept."""

    read_only: bool
    place: str
    """Where it is, as `scoring.ledger.store.open_database` takes it; may hold a password, so it is never shown."""

    @property
    def body_bytes(self) -> str:
        """SQL for a body's bytes in `rows` and `stream`, whatever they are."""

    def close(self) -> None:
        """Close all connections."""

    def staging(self) -> AbstractContextManager[Staging]:
        """Begin to write."""

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a short query over what is committed."""

    def stream(self, statement: str, values: tuple[Any, ...] = (), *, lenient: bool = False) -> Iterator[Row]:
        """Rows of a long query, one by one, as of its start; ``lenient`` reads damaged text as well."""

    def guards(self) -> dict[str, str]:
        """Every table, index, trigger, function and right that is there, by name."""

    def expected_guards(self) -> dict[str, str]:
        """The same of a sound ledger."""

    def damage(self) -> Iterable[str]:
        """What the database's own check reports."""
