"""The subjects' keys: what links a reference in the ledger to an account, and opens what is sealed for it.

The ledger never holds an account's id. It holds a *reference*, 128 random bits given to the account the first time it is seen;
free text that concerns a person is sealed with the account's own key. References, ids and keys stand here, apart from the
ledger. Destroying a subject's entry therefore erases the person: the reference leads nowhere, the sealed text stays shut, and
every hash of the ledger still verifies. An account that is seen again later gets a new reference.

*Why random and not a keyed hash:* a keyed hash could be computed again by whoever keeps the secret, so erasing would be a promise;
a random reference that is forgotten cannot.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

import orjson

from scoring.errors import LedgerError, MissingToolError, NotReadyError

REFERENCE_PREFIX: Final = "s-"
_AT_ONCE: Final = 20_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subjects (
    account_id  TEXT PRIMARY KEY,
    ref         TEXT NOT NULL UNIQUE,
    key         BLOB NOT NULL
) STRICT, WITHOUT ROWID
"""


class Subjects(Protocol):
    """References and keys, wherever they are kept."""

    def refs(self, account_ids: Sequence[str]) -> list[str]:
        """The reference of each account, given now where it had none; on disk when this returns."""

    def known_ref(self, account_id: str) -> str | None:
        """The reference of an account, or None."""

    def accounts(self, refs: Sequence[str]) -> dict[str, str]:
        """The accounts that references stand for; erased and unknown ones are absent."""

    def key(self, ref: str) -> bytes | None:
        """The key of a subject (32 bytes), or None once it was destroyed."""

    def destroy(self, ref: str) -> bool:
        """Destroy a subject's entry for good; False where there was none."""

    def close(self) -> None:
        """Close the store."""


def new_entries(account_ids: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """Account, new reference, new key: 16 and 32 random bytes for each.

    >>> ((account_id, ref, key),) = new_entries(["A1"])
    >>> account_id, ref[:2], len(ref), len(key)
    ('A1', 's-', 34, 32)
    """
    noise = os.urandom(48 * len(account_ids))
    cuts = range(0, len(noise), 48)
    return [
        (account_id, REFERENCE_PREFIX + noise[cut : cut + 16].hex(), noise[cut + 16 : cut + 48])
        for account_id, cut in zip(account_ids, cuts, strict=True)
    ]


class SubjectFile:
    """Subjects in an SQLite file that its owner alone may read (mode 0600).

    Deleted entries are overwritten, and there is no log beside the file that would keep them. Copies are another matter: keep the
    backups of this file as short as the law asks, because an erased subject comes back with them.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     subjects = SubjectFile(Path(folder) / "subjects.db")
    ...     ref, again = subjects.refs(["A1", "A1"])
    ...     before, gone, after = subjects.accounts([ref]), subjects.destroy(ref), subjects.accounts([ref])
    ...     subjects.close()
    >>> ref == again, list(before.values()), gone, after
    (True, ['A1'], True, {})
    """

    def __init__(self, path: Path, *, read_only: bool = False, wait_seconds: float = 60.0) -> None:
        self._lock, self._read_only = Lock(), read_only
        self._connection: sqlite3.Connection | None = None
        if read_only and not path.is_file():
            return
        with _as_refusals():
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
            self._connection = sqlite3.connect(
                address, uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False
            )
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = DELETE")
                self._connection.execute("PRAGMA secure_delete = ON")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def refs(self, account_ids: Sequence[str]) -> list[str]:
        """The reference of each account, given now where it had none."""
        found = self._by_account(account_ids)
        unseen = [account_id for account_id in dict.fromkeys(account_ids) if account_id not in found]
        if unseen:
            with self._lock, _as_refusals(), self._writing() as connection:
                connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", new_entries(unseen))
            found |= self._by_account(unseen)
        return [found[account_id] for account_id in account_ids]

    def known_ref(self, account_id: str) -> str | None:
        """The reference of an account, or None."""
        return self._by_account([account_id]).get(account_id)

    def accounts(self, refs: Sequence[str]) -> dict[str, str]:
        """The accounts that references stand for."""
        return self._found("SELECT s.ref, s.account_id FROM json_each(?) j JOIN subjects s ON s.ref = j.value", refs)

    def key(self, ref: str) -> bytes | None:
        """The key of a subject, or None."""
        found = self._rows("SELECT key FROM subjects WHERE ref = ?", (ref,))
        return found[0][0] if found else None

    def destroy(self, ref: str) -> bool:
        """Destroy a subject's entry for good."""
        with self._lock, _as_refusals(), self._writing() as connection:
            return connection.execute("DELETE FROM subjects WHERE ref = ?", (ref,)).rowcount > 0

    def _by_account(self, account_ids: Sequence[str]) -> dict[str, str]:
        return self._found(
            "SELECT s.account_id, s.ref FROM json_each(?) j JOIN subjects s ON s.account_id = j.value", account_ids
        )

    def _found(self, statement: str, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), _AT_ONCE):
            found.update(self._rows(statement, (orjson.dumps(names[start : start + _AT_ONCE]).decode(),)))
        return found

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        if self._connection is None:
            return []
        with self._lock, _as_refusals():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None or self._read_only:
            raise LedgerError("The subjects' keys were opened for reading only.", field="read_only")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _as_refusals() -> Iterator[None]:
    """SQLite's and the disk's errors as refusals; none of them names an account."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise NotReadyError("Another process is writing the subjects' keys. Try again.") from problem
        raise MissingToolError(
            f"The subjects' keys cannot be read or written: {problem}. Grant access to the file, or free some disk.",
            field="path",
        ) from problem
    except sqlite3.DatabaseError as problem:
        raise LedgerError(
            f"The file of the subjects' keys is damaged: {problem}. Restore it from its last backup.", field="path"
        ) from problem
    except OSError as problem:
        raise MissingToolError(
            f"The subjects' keys cannot be opened: {problem.strerror}. Grant access, or name another folder.",
            field="path",
        ) from problem
