"""Events: kept once by their key; a contact ends the permit it was made under, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from scoring.errors import BadRequestError
from serving.state.database import State
from serving.state.events import Told, keep_event
from serving.state.permits import LASTS, RELEASED, Permit, end_permit
from serving.state.tables import EVENTS, PERMITS
from tests.serving.state.test_permits import NOON, ask, asked, granted_of


def contact(permit: Permit, **change: Any) -> Told:
    """A contact of account A1 under a permit."""
    told = Told("contact-1", "contacts", "A1", "C1", NOON, {"channel": "agent_call"}, permit_id=permit.permit_id)
    return replace(told, **change)


def n_kept(state: State) -> int:
    with state.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(EVENTS)).scalar_one())


def ended_by(state: State, permit: Permit) -> str | None:
    asked_for = select(PERMITS.c.ended_by).where(PERMITS.c.permit_id == permit.permit_id)
    with state.reading() as connection:
        found: str | None = connection.execute(asked_for).scalar_one()
    return found


@pytest.mark.parametrize(
    "other", [{"account_id": "A2"}, {"account_id": "B1", "customer_id": "C2"}, {"permit_id": "no-such-permit"}]
)
def test_a_contact_under_a_permit_that_is_not_its_accounts_is_refused_and_frees_no_place_under_the_cap(
    state: State, other: dict[str, str]
) -> None:
    permit = ask(state, asked())
    granted_of(state, 30)

    with pytest.raises(BadRequestError, match="has no such permit") as refused:
        keep_event(state, contact(permit, **other), NOON)

    assert (refused.value.field, refused.value.http_status) == ("permit_id", 400)
    assert n_kept(state) == 0 and ended_by(state, permit) is None
    assert not ask(state, asked()).is_granted


def test_a_contact_ends_its_permit_and_told_again_under_its_key_it_is_the_same_event(state: State) -> None:
    permit = ask(state, asked())

    first = keep_event(state, contact(permit), NOON)
    again = keep_event(state, contact(permit), NOON + LASTS)

    assert ended_by(state, permit) == "used"
    assert (first.is_new, again.is_new, again.seq, n_kept(state)) == (True, False, first.seq, 1)


def test_a_contact_under_a_permit_that_has_ended_is_kept_because_it_took_place(state: State) -> None:
    released, expired = ask(state, asked()), ask(state, asked())
    end_permit(state, str(released.permit_id), RELEASED, NOON)

    keep_event(state, contact(released), NOON)
    keep_event(state, contact(expired, key="contact-2"), NOON + 2 * LASTS)

    assert n_kept(state) == 2
    assert [ended_by(state, permit) for permit in (released, expired)] == [RELEASED, "used"]
