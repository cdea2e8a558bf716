"""One small database for SQLite and PostgreSQL: short writing transactions that never run beside each other where it matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from scoring.errors import BadRequestError, ScoringError
from serving.state.news import RAISE, News, PostgresNews, SqliteNews
from serving.state.tables import MIGRATIONS, VERSION

BUSY_SECONDS: Final = 20
CACHED_KIB: Final = 256
"""Of an SQLite file, by each connection of the pool: SQLite's own 2 MiB for each would fill all day, and the system caches the file too."""
LONGEST_PAUSE_SECONDS: Final = 30
"""PostgreSQL ends a transaction in which nothing happens for so long: its worker is stuck, and others wait."""
RETRY_AFTER_SECONDS: Final = 2
TRUSTED_SECONDS: Final = 1.0
"""A connection that was used this lately is used again without asking whether it is alive."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StateUnavailableError(ScoringError):
    """The database does not answer; nothing was changed, and asking again later is safe."""

    code = "state_unavailable"
    http_status = 503


class StateVersionError(ScoringError):
    """The database is of a version that this program does not know."""

    code = "state_version"
    http_status = 409


class State:
    """The service's state in one database.

    Parameters
    ----------
    place : str
        A path of an SQLite file, or an address that begins with ``postgresql://``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> state = State(str(Path(folder.name) / "state.db"))
    >>> with state.reading() as connection:
    ...     connection.execute(select(VERSION.c.version)).scalar_one()
    3
    >>> state.close(); folder.cleanup()
    """

    def __init__(self, place: str) -> None:
        self.is_sqlite = not place.startswith("postgresql")
        self.engine = _sqlite(Path(place)) if self.is_sqlite else _postgres(place)
        alone = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reader = self.engine.execution_options(**alone)
        with _answering():
            self._migrate()
        self.news: News = SqliteNews(Path(place)) if self.is_sqlite else PostgresNews(place)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading; on PostgreSQL every question sees what is committed by then."""
        with _answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *alone_for: str, is_news: bool = False) -> Iterator[Connection]:
        """A transaction that no other one for the same thing runs beside; on disk when it ends, undone where it raises.

        Parameters
        ----------
        *alone_for : str
            What must not be written by two at once, e.g. one customer. SQLite lets one writer in at all. Who names several
            things names them in the same order as everybody else.
        is_news : bool
            Whether everybody who asks about the day must see it: events, new decisions, permits.
        """
        with _answering(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(state_writes=True)
            with connection.begin():
                for thing in () if self.is_sqlite else alone_for:
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(hashtextextended(:thing, 0))"), {"thing": thing}
                    )
                yield connection
                if is_news and not self.is_sqlite:
                    connection.execute(text(RAISE))

    def close(self) -> None:
        """Close all connections."""
        self.news.close()
        self.engine.dispose()

    def _migrate(self) -> None:
        """Bring the tables forward; refuse a database of a later version."""
        newest = len(MIGRATIONS)
        with self.writing("migration") as connection:
            VERSION.create(connection, checkfirst=True)
            found = connection.execute(select(VERSION.c.version)).scalar_one_or_none() or 0
            if found > newest:
                raise StateVersionError(
                    f"The state database is of version {found} and this program knows versions up to {newest}, so it could damage "
                    "it. Start the newer program, or restore a backup of the older state.",
                    field="state",
                    got=found,
                    expected=f"<= {newest}",
                )
            for additions in MIGRATIONS[found:]:
                for one in additions:
                    one.create(connection, checkfirst=True)
            if found != newest:
                connection.execute(VERSION.delete())
                connection.execute(VERSION.insert().values(version=newest))


def microseconds(at: datetime) -> int:
    """An instant as microseconds since 1970 in UTC.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    """The instant of `microseconds`.

    >>> instant(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return _EPOCH + timedelta(microseconds=us)


def _sqlite(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=8
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHED_KIB}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("state_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(address: str) -> Engine:
    from scoring.ledger.postgres_connection import connecting  # the driver is an extra

    driver = address.replace("postgresql://", "postgresql+psycopg://", 1)
    arguments = connecting(address, LONGEST_PAUSE_SECONDS)
    engine = sqlalchemy.create_engine(driver, pool_size=8, max_overflow=8, pool_timeout=5, connect_args=arguments)

    @event.listens_for(engine, "checkin")
    def _leave(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["left_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        """A connection that lay idle may be gone: it is tried before it is used, and replaced where it does not answer."""
        if monotonic() - record.info.get("left_at", monotonic()) > TRUSTED_SECONDS:
            _refuse_dead(connection)

    return engine


def _refuse_dead(connection: Any) -> None:
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError from error


@contextmanager
def _answering() -> Iterator[None]:
    """A database that does not answer becomes one clear refusal with a retry hint."""
    try:
        yield
    except (OperationalError, sqlalchemy.exc.TimeoutError, sqlalchemy.exc.InterfaceError) as error:
        raise _unavailable() from error
    except sqlalchemy.exc.DataError as error:
        raise BadRequestError(
            "The request holds a value that the service's database cannot keep, such as the character U+0000. Correct it."
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _unavailable() from error
        raise


def _unavailable() -> StateUnavailableError:
    return StateUnavailableError(
        f"The service's database does not answer, so nothing was recorded or reserved. Ask again in {RETRY_AFTER_SECONDS} seconds.",
        field="state",
        expected=f"retry after {RETRY_AFTER_SECONDS} s",
    )
