"""Connections to the ledger's PostgreSQL: nobody waits for one without an end, and whatever the server says comes back as a refusal.

The driver is an extra: this is the module that asks for it, and says so where it is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import POLLIN, poll
from typing import Any, Final

from scoring.errors import LedgerError, MissingToolError, NotReadyError
from scoring.ledger.database import RefusedByDatabase, Row
from scoring.ledger.postgres_schema import SCHEMA, WRITER

try:
    import psycopg
    from psycopg import errors
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:  # the driver is an extra
    raise MissingToolError(
        "The PostgreSQL driver is not installed. Install the project with its extra `postgres`.", field="ledger"
    ) from missing

LONGEST_WAIT_SECONDS: Final = 20
"""Nobody waits longer for another's lock; a batch says itself how long it waits for its turn."""
LONGEST_PAUSE_SECONDS: Final = 600
"""A transaction in which nothing happens for so long is ended by the server. Between two blocks of a batch, Python prepares the next."""
CONNECTING: Final = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that is gone without a word is noticed within half a minute."""


@contextmanager
def connected(place: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection as the user named in the address, closed afterwards."""
    connection = _connection(place)
    try:
        yield connection
    finally:
        connection.close()


def working(place: str) -> psycopg.Connection[Row]:
    """A connection under the role that may insert and read, and nothing else."""
    connection = _connection(place)
    try:
        connection.execute(f"SET ROLE {WRITER}")
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute("SET synchronous_commit TO on")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def live(connection: psycopg.Connection[Row] | None, place: str) -> psycopg.Connection[Row]:
    """The connection, or a fresh one where the server closed it."""
    if connection is not None:
        if not connection.closed and not connection.broken and _is_quiet(connection):
            return connection
        connection.close()
    fresh = working(place)
    fresh.autocommit = True  # a read is one message; who writes says BEGIN with the first one
    return fresh


def _is_quiet(connection: psycopg.Connection[Row]) -> bool:
    """Whether there is nothing to read where nothing was asked; the server's farewell, or its end, would be. The server is not asked."""
    waiting = poll()
    waiting.register(connection.fileno(), POLLIN)
    return not waiting.poll(0)


def connecting(place: str, pause_seconds: int = LONGEST_PAUSE_SECONDS) -> dict[str, Any]:
    """How a database is connected to, so that nobody waits for it without an end; what the address says itself goes first.

    Parameters
    ----------
    place : str
        The database's address.
    pause_seconds : int
        How long a transaction may do nothing.

    Examples
    --------
    >>> connecting("postgresql://h/d?connect_timeout=9&options=-c%20lock_timeout%3D1s", 30)["options"]
    '-c lock_timeout=20s -c idle_in_transaction_session_timeout=30s -c lock_timeout=1s'
    >>> "connect_timeout" in connecting("postgresql://h/d?connect_timeout=9")
    False
    """
    said = conninfo_to_dict(place)
    ours = f"-c lock_timeout={LONGEST_WAIT_SECONDS}s -c idle_in_transaction_session_timeout={pause_seconds}s"
    options = f"{ours} {said.get('options') or ''}".strip()
    return {name: value for name, value in CONNECTING.items() if name not in said} | {"options": options}


def _connection(place: str) -> psycopg.Connection[Row]:
    return psycopg.connect(place, application_name="scoring-ledger", **connecting(place))


def is_idle(connection: psycopg.Connection[Row]) -> bool:
    """Whether no transaction has begun."""
    return connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def roll_back(connection: psycopg.Connection[Row]) -> None:
    """Take back what was not committed; where the connection is gone, the server does."""
    with suppress(psycopg.OperationalError):
        connection.rollback()


@contextmanager
def as_refusals() -> Iterator[None]:
    """The server's errors as refusals that say what to do; none holds a value or a password."""
    try:
        yield
    except (
        errors.LockNotAvailable,
        errors.QueryCanceled,
        errors.DeadlockDetected,
        errors.SerializationFailure,
    ) as problem:
        raise NotReadyError(
            "Another process is writing to the ledger and did not finish in time. Try again."
        ) from problem
    except errors.InsufficientPrivilege as problem:
        raise MissingToolError(
            f"The database user may not do this: {problem.diag.message_primary}. Let the owner open the ledger once, and grant "
            f"{WRITER} to the user.",
            field="ledger",
        ) from problem
    except (errors.DiskFull, errors.OutOfMemory) as problem:
        raise MissingToolError(
            f"The database refused: {problem.diag.message_primary}. Nothing of this call was recorded.", field="ledger"
        ) from problem
    except (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout) as problem:
        raise NotReadyError(
            "The ledger's database cannot be reached, or closed the connection. What was not acknowledged was not recorded. Try "
            "again.",
            field="ledger",
        ) from problem
    except psycopg.Error as problem:
        raise LedgerError(
            f"The ledger's database refused ({type(problem).__name__}): {problem.diag.message_primary}. Run verify.",
            field="ledger",
        ) from problem


@contextmanager
def refused_rows() -> Iterator[None]:
    """The guards' own errors as `RefusedByDatabase`."""
    try:
        yield
    except (errors.UniqueViolation, errors.RaiseException, errors.CheckViolation) as problem:
        raise RefusedByDatabase(problem.diag.message_primary or "") from problem
