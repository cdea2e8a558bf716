"""Permits: the check just before a contact, which also reserves its place under every cap.

One transaction per customer judges the rules and reserves, so that two workers, or two accounts of one customer, never exceed a cap
together. A reserved contact counts towards the caps as if the customer had been reached, because it may be; cooldowns follow
what has happened, not what is reserved. A permit that is not used ends by itself, and one whose contact failed can be given back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, select

from scoring.errors import BadRequestError
from scoring.policy import Contact, Facts, Outcome, Profile, verdicts
from scoring.policy.rules import CHANNEL_INDEX, Cap
from serving.state.database import State, instant, microseconds
from serving.state.tables import PERMITS

LASTS: Final = timedelta(minutes=15)
"""How long a permit may wait for its contact."""
COUNTS_AS: Final = "conversation"
USED, RELEASED = "used", "released"


@dataclass(frozen=True, slots=True)
class Asked:
    """A contact that somebody wants to make now or at ``at``.

    Attributes
    ----------
    asked_with : str or None
        The caller's idempotency key: asking again gives the same permit.
    """

    account_id: str
    customer_id: str
    channel: str
    number_ref: str | None
    at: datetime
    asked_with: str | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer.

    Attributes
    ----------
    is_granted : bool
    permit_id, at, expires_at : str, datetime, datetime, or None
        Where it is granted; ``at`` is the contact's instant.
    rules : tuple of str
        The rules that forbid it, or leave it to a person.
    would_pass_at : datetime or None
        When all of them would pass if nothing else happened; None where waiting does not help.
    """

    is_granted: bool
    permit_id: str | None = None
    at: datetime | None = None
    expires_at: datetime | None = None
    rules: tuple[str, ...] = ()
    would_pass_at: datetime | None = None


FactsNow = Callable[[Connection], Facts]
"""Facts of the account with everything told so far, read inside the transaction."""


def request_permit(state: State, profile: Profile, asked: Asked, facts_now: FactsNow, now: datetime) -> Permit:
    """Reserve a contact under every cap, or say which rule forbids it.

    Parameters
    ----------
    state : State
    profile : Profile
    asked : Asked
    facts_now : callable
        Called inside the transaction; knows of no reservations.
    now : datetime
        UTC.

    Returns
    -------
    Permit
    """
    with state.writing(f"customer {asked.customer_id}", is_news=True) as connection:
        if asked.asked_with is not None and (given := _given_before(connection, asked.asked_with)) is not None:
            return given
        facts = replace(facts_now(connection), number_ref=asked.number_ref)
        reserved = _reserved(connection, asked, now)
        against = _against(profile, facts, reserved, asked)
        if against:
            waits = [wait for _, wait in against]
            latest = max((wait for wait in waits if wait is not None), default=None)
            names = tuple(dict.fromkeys(rule for rule, _ in against))
            return Permit(False, rules=names, would_pass_at=None if None in waits else latest)
        permit_id, expires_at = str(uuid4()), max(asked.at, now) + LASTS
        connection.execute(
            PERMITS.insert().values(
                permit_id=permit_id,
                account_id=asked.account_id,
                customer_id=asked.customer_id,
                channel=asked.channel,
                number_ref=asked.number_ref,
                contact_at=microseconds(asked.at),
                granted_at=microseconds(now),
                expires_at=microseconds(expires_at),
                asked_with=asked.asked_with,
            )
        )
        return Permit(True, permit_id, asked.at, expires_at)


def end_permit(state: State, permit_id: str, ended_by: str, now: datetime, *, may_be_ours: bool = False) -> None:
    """Note that a permit's contact was made (``used``) or will not be (``released``).

    Parameters
    ----------
    may_be_ours : bool
        Whether an end of the same kind at the same instant is this one, noted before its answer was lost.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such permit, or it was ended before.
    """
    with state.writing(f"permit {permit_id}", is_news=True) as connection:
        ended = end_permit_in(connection, permit_id, ended_by, now)
        if not ended and may_be_ours:
            found = connection.execute(select(PERMITS).where(PERMITS.c.permit_id == permit_id)).first()
            ended = found is not None and (found.ended_at, found.ended_by) == (microseconds(now), ended_by)
    if not ended:
        raise BadRequestError(
            f"There is no permit {permit_id[:40]}, or it was ended before. Ask for a new one.",
            field="permit_id",
            got=permit_id[:40],
        )


def end_permit_in(connection: Connection, permit_id: str, ended_by: str, now: datetime) -> bool:
    """`end_permit` inside a transaction; whether there was one to end."""
    done = connection.execute(
        PERMITS.update()
        .where(PERMITS.c.permit_id == permit_id, PERMITS.c.ended_at.is_(None))
        .values(ended_at=microseconds(now), ended_by=ended_by)
    )
    return bool(done.rowcount)


def use_permit_in(connection: Connection, permit_id: str, account_id: str, now: datetime) -> None:
    """Note inside a transaction that an account's contact was made under a permit; one that has ended stays as it ended.

    Raises
    ------
    BadRequestError
        ``bad_request``: the account has no such permit. To end another one's would free a place that is still taken.
    """
    of_account = (PERMITS.c.permit_id == permit_id, PERMITS.c.account_id == account_id)
    if connection.execute(select(PERMITS.c.permit_id).where(*of_account)).first() is None:
        raise BadRequestError(
            "This account has no such permit, so the outcome was not kept. Name the permit that was granted for this contact, or "
            "leave permit_id out.",
            field="permit_id",
            got=permit_id[:40],
        )
    end_permit_in(connection, permit_id, USED, now)


def _given_before(connection: Connection, asked_with: str) -> Permit | None:
    row = connection.execute(select(PERMITS).where(PERMITS.c.asked_with == asked_with)).first()
    return None if row is None else Permit(True, row.permit_id, instant(row.contact_at), instant(row.expires_at))


def _reserved(connection: Connection, asked: Asked, now: datetime) -> tuple[Contact, ...]:
    """The customer's contacts that are reserved and neither made nor given back, as if each had reached them."""
    rows: Sequence[Any] = connection.execute(
        select(PERMITS).where(
            PERMITS.c.customer_id == asked.customer_id,
            PERMITS.c.ended_at.is_(None),
            PERMITS.c.expires_at > microseconds(now),
        )
    ).all()
    return tuple(
        Contact(
            min(instant(row.contact_at), asked.at),
            row.channel,
            COUNTS_AS,
            number_ref=row.number_ref,
            this_debt=row.account_id == asked.account_id,
        )
        for row in rows
    )


def _against(
    profile: Profile, facts: Facts, reserved: tuple[Contact, ...], asked: Asked
) -> list[tuple[str, datetime | None]]:
    """The rules that do not pass, each with when it would: caps with reservations counted, all others without."""
    as_it_is = verdicts(profile, facts, asked.at)
    column = CHANNEL_INDEX[asked.channel]
    rows = as_it_is.findings
    if reserved:
        counted = verdicts(profile, replace(facts, contacts=(*facts.contacts, *reserved)), asked.at)
        rows = tuple(
            with_reserved if isinstance(rule, Cap) else plain
            for rule, plain, with_reserved in zip(profile.rules, as_it_is.findings, counted.findings, strict=True)
        )
    return [
        (rule.id, row[column].next_pass_at)
        for rule, row in zip(profile.rules, rows, strict=True)
        if row[column].outcome > Outcome.PASS
    ]
