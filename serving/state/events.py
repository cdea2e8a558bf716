"""What was told during the day: kept once by its key, in the order in which everybody sees it.

Rows are added one transaction at a time, so that a number that is seen means that every smaller one is seen too; a worker can
therefore ask for what came after the last number it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select

from scoring.errors import ScoringError
from serving.state.database import State, instant, microseconds
from serving.state.permits import use_permit_in
from serving.state.tables import EVENTS, PERMITS, REDECISIONS


class OutcomeConflictError(ScoringError):
    """An outcome's key came before with other content."""

    code = "outcome_conflict"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Told:
    """One event.

    Attributes
    ----------
    key : str
        The teller's own: the same event told again is the same event.
    table : str
        The event table it belongs to.
    row : dict
        The row of that table, as told.
    happened_at : datetime
        When it happened; for the bank also when it knew, unless the row says otherwise.
    decision_id, permit_id : str or None
        What it came of.
    """

    key: str
    table: str
    account_id: str
    customer_id: str
    happened_at: datetime
    row: dict[str, Any]
    decision_id: str | None = None
    permit_id: str | None = None

    def body(self) -> str:
        """What must be the same when it is told again."""
        facts = {"row": self.row, "decision_id": self.decision_id, "permit_id": self.permit_id}
        return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is kept: its number, when it was first told, and whether this was the first time."""

    seq: int
    told: Told
    recorded_at: datetime
    is_new: bool = False


def keep_event(state: State, told: Told, now: datetime) -> Kept:
    """Keep an event and end its permit, in one transaction.

    Raises
    ------
    BadRequestError
        ``bad_request``: the account has no such permit; nothing is kept.
    OutcomeConflictError
        ``outcome_conflict``: the key came before with other content.
    """
    with state.writing(f"customer {told.customer_id}", "events", is_news=True) as connection:
        found = connection.execute(select(EVENTS).where(EVENTS.c.event_key == told.key)).first()
        if found is not None:
            return _again(found, told)
        done = connection.execute(
            EVENTS.insert().values(
                event_key=told.key,
                kind=told.table,
                account_id=told.account_id,
                customer_id=told.customer_id,
                happened_at=microseconds(told.happened_at),
                recorded_at=microseconds(now),
                body=told.body(),
            )
        )
        if told.permit_id is not None:
            use_permit_in(connection, told.permit_id, told.account_id, now)
        assert done.inserted_primary_key is not None
        return Kept(int(done.inserted_primary_key[0]), told, now, is_new=True)


def _again(found: Any, told: Told) -> Kept:
    if (found.body, found.kind, found.account_id) != (told.body(), told.table, told.account_id):
        raise OutcomeConflictError(
            "This outcome's key came before with other content. What is kept stays; tell a correction under a new key.",
            field="key",
        )
    return Kept(found.seq, told, instant(found.recorded_at))


def events_after(connection: Connection, seq: int, since: datetime) -> list[Kept]:
    """Events with higher numbers that still hold or were told since a day, in order."""
    asked = select(EVENTS).where(EVENTS.c.seq > seq, _remembered(since)).order_by(EVENTS.c.seq)
    return [_kept(row) for row in connection.execute(asked)]


def events_of_customer(connection: Connection, customer_id: str, since: datetime) -> list[Kept]:
    """One customer's events that still hold or were told since a day, in order."""
    of_customer = EVENTS.c.customer_id == customer_id
    asked = select(EVENTS).where(of_customer, _remembered(since)).order_by(EVENTS.c.seq)
    return [_kept(row) for row in connection.execute(asked)]


HOLD_UNTIL_THEY_END: Final = ("standings", "consents")
"""Tables whose rows are never too old: who died years ago, or opted out, has done so today."""


def _remembered(since: datetime) -> ColumnElement[bool]:
    """What was told since; when it happened does not count, because a bank may learn of it late."""
    return or_(EVENTS.c.kind.in_(HOLD_UNTIL_THEY_END), EVENTS.c.recorded_at >= microseconds(since))


def last_of_customer(connection: Connection, customer_id: str) -> int:
    """The number of a customer's latest event; 0 where there is none."""
    found = connection.execute(select(func.max(EVENTS.c.seq)).where(EVENTS.c.customer_id == customer_id)).scalar_one()
    return found or 0


def last_numbers(connection: Connection) -> tuple[int, int]:
    """The numbers of the latest event and of the latest decision after one."""
    row = connection.execute(_LAST_NUMBERS).one()
    return row[0] or 0, row[1] or 0


_LAST_NUMBERS: Final = select(
    select(func.max(EVENTS.c.seq)).scalar_subquery(), select(func.max(REDECISIONS.c.seq)).scalar_subquery()
)
"""Built once."""


def keep_redecision(state: State, account_id: str, plan_run_id: str, event_seq: int, body: dict[str, Any]) -> None:
    """Keep what was decided after an event, for all workers."""
    with state.writing("events", is_news=True) as connection:
        connection.execute(
            REDECISIONS.insert().values(
                account_id=account_id, plan_run_id=plan_run_id, event_seq=event_seq, body=orjson.dumps(body).decode()
            )
        )


def redecisions_after(connection: Connection, seq: int, plan_run_id: str) -> Sequence[tuple[int, str, dict[str, Any]]]:
    """Number, account and body of decisions after events, under one plan, in order."""
    asked = (
        select(REDECISIONS)
        .where(REDECISIONS.c.plan_run_id == plan_run_id, REDECISIONS.c.seq > seq)
        .order_by(REDECISIONS.c.seq)
    )
    return [(row.seq, row.account_id, orjson.loads(row.body)) for row in connection.execute(asked)]


class Reservations:
    """Which contacts of each channel are reserved and not yet made; asked for again when something was committed or a permit ends.

    Parameters
    ----------
    state : State

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> state = State(f"{folder.name}/state.db")
    >>> Reservations(state).by_channel(instant(0), None)
    {}
    >>> state.close(); folder.cleanup()
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: tuple[int | None, int, dict[str, tuple[str, ...]]] = (None, 0, {})

    def by_channel(self, now: datetime, version: int | None) -> dict[str, tuple[str, ...]]:
        """Accounts by channel, one for each contact; a channel without a reservation is left out.

        ``version`` is the state's number at the last look (`serving.state.news`); None where it is not known.
        """
        seen, until, accounts = self._known
        if version is None or version != seen or microseconds(now) >= until:
            with self._state.reading() as connection:
                found = connection.execute(_RESERVED, {"now": microseconds(now)}).all()
            by_channel: dict[str, list[str]] = {}
            for channel, account_id, _ in found:
                by_channel.setdefault(channel, []).append(account_id)
            accounts = {channel: tuple(names) for channel, names in by_channel.items()}
            self._known = (version, min((ends for _, _, ends in found), default=_NEVER), accounts)
        return accounts


_NEVER: Final = 2**63 - 1
_RESERVED: Final = (
    select(PERMITS.c.channel, PERMITS.c.account_id, PERMITS.c.expires_at)
    .where(PERMITS.c.ended_at.is_(None), PERMITS.c.expires_at > bindparam("now"))
    .order_by(PERMITS.c.channel, PERMITS.c.account_id)
)
"""Built once: every new decision asks."""


def _kept(row: Any) -> Kept:
    facts = orjson.loads(row.body)
    told = Told(
        row.event_key,
        row.kind,
        row.account_id,
        row.customer_id,
        instant(row.happened_at),
        facts["row"],
        facts["decision_id"],
        facts["permit_id"],
    )
    return Kept(row.seq, told, instant(row.recorded_at))
