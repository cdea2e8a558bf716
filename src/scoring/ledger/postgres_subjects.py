"""The subjects' references and keys in PostgreSQL: a table of their own, the only one of the ledger's where rows may be deleted.

A deleted row's bytes stay in the table's file and in the server's log until they are vacuumed and recycled, and in every backup until
it is dropped. Where the law asks for less, keep the subjects in a database of their own with short backups.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import psycopg

from scoring.errors import LedgerError
from scoring.ledger.database import Row
from scoring.ledger.postgres_connection import as_refusals, connected, live
from scoring.ledger.subjects import new_entries


class PostgresSubjects:
    """Subjects in the database of the ledger; see `scoring.ledger.subjects.Subjects`."""

    def __init__(self, place: str, *, read_only: bool = False) -> None:
        self._place, self._read_only = place, read_only
        self._lock = Lock()
        self._connection: psycopg.Connection[Row] | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def refs(self, account_ids: Sequence[str]) -> list[str]:
        """The reference of each account, given now where it had none."""
        found = self._by_account(account_ids)
        unseen = [account_id for account_id in dict.fromkeys(account_ids) if account_id not in found]
        if unseen:
            self._refuse_read_only()
            in_order = sorted(new_entries(unseen))  # two who add the same ones never wait for each other
            accounts, refs, keys = zip(*in_order, strict=True)
            self._run(
                "INSERT INTO subjects SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING",
                (list(accounts), list(refs), list(keys)),
            )
            found |= self._by_account(unseen)
        return [found[account_id] for account_id in account_ids]

    def known_ref(self, account_id: str) -> str | None:
        """The reference of an account, or None."""
        return self._by_account([account_id]).get(account_id)

    def accounts(self, refs: Sequence[str]) -> dict[str, str]:
        """The accounts that references stand for."""
        return dict(self._run("SELECT ref, account_id FROM subjects WHERE ref = ANY(%s)", (list(refs),)))

    def key(self, ref: str) -> bytes | None:
        """The key of a subject, or None."""
        found = self._run("SELECT key FROM subjects WHERE ref = %s", (ref,))
        return bytes(found[0][0]) if found else None

    def destroy(self, ref: str) -> bool:
        """Destroy a subject's entry for good."""
        self._refuse_read_only()
        gone = bool(self._run("DELETE FROM subjects WHERE ref = %s RETURNING 1", (ref,)))
        with as_refusals(), connected(self._place) as owner:
            owner.autocommit = True
            owner.execute("VACUUM scoring_ledger.subjects")  # a user who is not the owner gets a warning only
        return gone

    def _by_account(self, account_ids: Sequence[str]) -> dict[str, str]:
        return dict(self._run("SELECT account_id, ref FROM subjects WHERE account_id = ANY(%s)", (list(account_ids),)))

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[Row]:
        with self._lock, as_refusals():
            self._connection = live(self._connection, self._place)
            found = self._connection.execute(statement, values)
            return found.fetchall() if found.description else []

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise LedgerError("The subjects' keys were opened for reading only.", field="read_only")
