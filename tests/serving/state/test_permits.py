"""Permits: never more than a cap allows, whoever asks at once; they end by themselves and can be given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from scoring.errors import BadRequestError
from scoring.policy import Contact, Facts, Profile, Truth, load_profile
from scoring.resources import data_folder
from serving.state.database import State
from serving.state.permits import LASTS, RELEASED, USED, Asked, Permit, end_permit, request_permit

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)  # noon in Shanghai, a Monday
KNOWN = Facts(account_id="A1", flags={"call_recording_on": Truth.TRUE}, unlisted=Truth.FALSE)


def profile() -> Profile:
    return load_profile(data_folder() / "policy" / "cn_bank_card.yaml")


def asked(account_id: str = "A1", channel: str = "agent_call", key: str | None = None, at: datetime = NOON) -> Asked:
    return Asked(account_id, "C1", channel, "number-1", at, key)


def ask(state: State, wish: Asked, facts: Facts = KNOWN, now: datetime = NOON) -> Permit:
    return request_permit(state, profile(), wish, lambda _: replace(facts, account_id=wish.account_id), now)


def granted_of(state: State, n: int) -> int:
    """How many calls one after the other are granted to a customer of whom nothing is known."""
    return sum(ask(state, asked()).is_granted for _ in range(n))


def ask_many(place: str, first: int, n: int) -> int:
    state = State(place)
    try:
        with ThreadPoolExecutor(8) as pool:
            wishes = [asked("A1" if (first + k) % 2 else "A2") for k in range(n)]
            return sum(permit.is_granted for permit in pool.map(lambda wish: ask(state, wish), wishes))
    finally:
        state.close()


def test_a_granted_permit_names_itself_and_its_end(state: State) -> None:
    permit = ask(state, asked())

    assert permit.is_granted and permit.permit_id and permit.expires_at == NOON + LASTS


def test_the_cap_is_reached_and_then_every_further_call_is_refused_by_name_and_told_when_it_would_pass(
    state: State,
) -> None:
    most = granted_of(state, 30)

    refused = ask(state, asked())

    assert 0 < most < 30 and not refused.is_granted
    assert any("CAP" in rule for rule in refused.rules)
    assert refused.would_pass_at is not None and refused.would_pass_at > NOON


def test_workers_and_accounts_of_one_customer_never_exceed_the_cap_together(place: str, state: State) -> None:
    alone = State(place)
    most = sum(ask(alone, replace(asked(), customer_id="alone")).is_granted for _ in range(30))
    alone.close()

    with get_context("spawn").Pool(2) as workers:
        granted = workers.starmap(ask_many, [(place, 0, 60), (place, 60, 60)])

    assert sum(granted) == most


def test_of_a_thousand_calls_asked_for_at_once_by_two_workers_three_are_granted(place: str, state: State) -> None:
    """Every other one is for another account of the same customer; the cap is three calls a day that may reach them."""
    with get_context("spawn").Pool(2) as workers:
        granted = workers.starmap(ask_many, [(place, 0, 500), (place, 500, 500)])

    assert sum(granted) == 3


def test_a_permit_that_is_not_used_ends_by_itself(state: State) -> None:
    most = granted_of(state, 30)

    later = ask(state, asked(at=NOON + LASTS), now=NOON + LASTS)

    assert most and later.is_granted


def test_a_permit_given_back_frees_its_place(state: State) -> None:
    permits = [ask(state, asked()) for _ in range(granted_of(state, 0) or 30)]
    last = [permit for permit in permits if permit.is_granted][-1]
    assert not ask(state, asked()).is_granted

    end_permit(state, str(last.permit_id), RELEASED, NOON)

    assert ask(state, asked()).is_granted


def test_asking_again_with_the_same_key_gives_the_same_permit(state: State) -> None:
    first, second = ask(state, asked(key="k1")), ask(state, asked(key="k1"))

    assert first == second
    assert ask(state, asked(key="k2")).permit_id != first.permit_id


def test_a_call_in_the_night_is_refused_with_the_hour_at_which_it_would_pass(state: State) -> None:
    night = NOON + timedelta(hours=10)

    refused = ask(state, asked(at=night), now=night)

    assert refused == Permit(False, rules=("CN-CURFEW",), would_pass_at=datetime(2026, 11, 24, 0, tzinfo=UTC))


def test_what_is_not_known_is_never_granted(state: State) -> None:
    refused = ask(state, asked(), replace(KNOWN, flags={}, unlisted=Truth.UNKNOWN))

    assert not refused.is_granted and refused.would_pass_at is None


def test_a_reservation_does_not_start_a_cooldown_that_only_a_conversation_starts(state: State) -> None:
    most = granted_of(state, 30)
    spoken = replace(KNOWN, contacts=(Contact(NOON - timedelta(minutes=5), "agent_call", "conversation"),))

    after_a_conversation = [ask(state, replace(asked(), customer_id="C2"), spoken) for _ in range(30)]

    assert most >= sum(permit.is_granted for permit in after_a_conversation)


def test_a_permit_is_ended_once(state: State) -> None:
    permit = ask(state, asked())
    end_permit(state, str(permit.permit_id), USED, NOON)

    with pytest.raises(BadRequestError, match="ended before"):
        end_permit(state, str(permit.permit_id), USED, NOON)
