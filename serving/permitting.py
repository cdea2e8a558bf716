"""Permits over HTTP: the facts of an account now, judged and reserved in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from scoring.errors import BadRequestError, NotReadyError
from serving.desk import Desk, there
from serving.state.permits import Asked, Permit, request_permit
from serving.wire import PermitRequest

EARLIEST, LATEST = timedelta(hours=-1), timedelta(days=7)
"""When the contact may be, seen from now."""


def permit(desk: Desk, asked: PermitRequest, asked_with: str | None, now: datetime) -> dict[str, Any]:
    """Reserve a contact, or say what forbids it and when it would pass.

    Parameters
    ----------
    now : datetime
        Of this attempt, also where an earlier one under the same key was cut off: what was lawful then may not be now. A permit
        that the earlier one reserved is given again.

    Raises
    ------
    BadRequestError
        ``bad_request``: the instant has no zone, or is too long ago or ahead.
    NotReadyError
        ``not_ready``: no plan, or no contact policy for its currency.
    """
    state, today, day = desk.known_state(), desk.today, there(desk.day)
    if state is None or today is None:
        raise NotReadyError("Permits need a plan and a state to be kept in. Make a plan first.", field="state")
    policy = there(day.policy)
    if policy.profile is None:
        raise NotReadyError(
            "The plan was made without a contact policy, so no contact can be permitted. Make it with `--policy`.",
            field="policy",
        )
    is_stale = desk.is_stale(now)
    at = asked.at or now
    refuse_far_away(at, now)
    customer_id = day.customer_of(asked.account_id)
    wish = Asked(asked.account_id, customer_id, str(asked.channel), asked.number_ref, at, asked_with)
    facts = partial(today.facts, asked.account_id, customer_id, policy.profile, policy.operations, at)
    with state.reading() as connection:
        facts(connection)  # worked out before anybody has to wait for the transaction
    given = request_permit(state, policy.profile, wish, facts, now)
    return {**permit_answer(given, at), "is_stale": is_stale}


def refuse_far_away(at: datetime, now: datetime) -> None:
    """Refuse a contact long ago or far ahead: it would be judged on facts that are not those of its day."""
    if at.tzinfo is None or not now + EARLIEST <= at <= now + LATEST:
        raise BadRequestError(
            "The contact must lie between an hour ago and seven days ahead, and say its zone. Leave `at` out for now.",
            field="at",
            expected=f"{(now + EARLIEST).isoformat()} to {(now + LATEST).isoformat()}",
        )


def permit_answer(given: Permit, at: datetime) -> dict[str, Any]:
    """A permit as it is answered."""
    return {
        "is_granted": given.is_granted,
        "permit_id": given.permit_id,
        "at": (given.at or at).isoformat(),
        "expires_at": given.expires_at.isoformat() if given.expires_at else None,
        "rules": list(given.rules),
        "would_pass_at": given.would_pass_at.isoformat() if given.would_pass_at else None,
    }
