"""Repayment plans: what can follow what, and that nobody is contacted while a plan is kept."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decisions.account_events import account_events
from scoring.decisions.plan_states import PlanState, PlanStep, advance, plan_states, run_steps
from scoring.errors import BadRequestError
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables

AS_OF = date(2025, 5, 1)


def legal_steps(state: PlanState) -> list[PlanStep]:
    found = []
    for step in PlanStep:
        try:
            advance(state, step)
        except BadRequestError:
            continue
        found.append(step)
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[PlanStep]:
    state, steps = PlanState.NONE, []
    for _ in range(draw(st.integers(0, 12))):
        steps.append(draw(st.sampled_from(legal_steps(state))))
        state = advance(state, steps[-1])
    return steps


def standing(kind: str, day: int, until: int | None = None) -> dict[str, Any]:
    begin = datetime(2025, 1, 1, 8)  # noqa: DTZ001
    end = None if until is None else (begin + timedelta(days=until)).isoformat() + "Z"
    return {
        "account_id": "A1",
        "kind": kind,
        "from_at": (begin + timedelta(days=day)).isoformat() + "Z",
        "until_at": end,
    }


def state_of(standings: list[dict[str, Any]], paid_on: list[str] | None = None) -> tuple[str, bool]:
    tables = {**SMALLEST, "standings": standings}
    if paid_on is not None:
        one = dict(SMALLEST["payments"][0])
        tables["payments"] = [
            one | {"payment_id": f"P{i}", "paid_at": f"{day}T08:00:00Z"} for i, day in enumerate(paid_on)
        ]
    found = plan_states(account_events(portfolio_from_tables(tables), np.array(["A1"], dtype=object), AS_OF))
    return str(found.states[0]), bool(found.stops_collection[0])


@settings(deadline=None)
@given(histories())
def test_collection_stops_exactly_from_a_signature_to_its_breach_or_settlement(steps: list[PlanStep]):
    holding = False
    for step in steps:
        holding = {PlanStep.SIGN: True, PlanStep.HEAL: True, PlanStep.BREACH: False, PlanStep.SETTLE: False}.get(
            step, holding
        )

    assert run_steps(steps).stops_collection == holding


@settings(deadline=None)
@given(histories())
def test_only_an_offer_leads_out_of_a_settled_plan_and_only_a_signature_to_a_signed_one(steps: list[PlanStep]):
    state = run_steps(steps)

    assert (PlanStep.SIGN in legal_steps(state)) == (state is PlanState.OFFERED)
    if state is PlanState.SETTLED:
        assert legal_steps(state) == [PlanStep.OFFER]


@pytest.mark.parametrize(
    ("state", "step", "possible"),
    [
        (PlanState.NONE, PlanStep.BREACH, "offer"),
        (PlanState.OFFERED, PlanStep.PAY, "offer, lapse, sign"),
        (PlanState.SETTLED, PlanStep.PAY, "offer"),
        (PlanState.KEPT, PlanStep.SIGN, "pay, breach, settle"),
    ],
)
def test_a_step_that_cannot_follow_is_refused_and_the_possible_ones_are_named(
    state: PlanState, step: PlanStep, possible: str
):
    with pytest.raises(
        BadRequestError, match=f"Account A7: a plan that is {state} cannot take the step {step}.*{possible}"
    ):
        advance(state, step, account_id="A7")


@pytest.mark.parametrize(
    ("standings", "paid_on", "expected"),
    [
        ([], [], ("none", False)),
        ([standing("plan_offered_or_refused", 10)], [], ("offered", False)),
        ([standing("plan_signed", 10)], [], ("signed", True)),
        ([standing("plan_signed", 10)], ["2025-02-10"], ("kept", True)),
        ([standing("plan_signed", 10)], ["2025-01-05"], ("signed", True)),
        ([standing("plan_signed", 10), standing("plan_breached", 60)], ["2025-02-10"], ("breached", False)),
        ([standing("plan_signed", 10, 60), standing("plan_breached", 60)], [], ("breached", False)),
        ([standing("plan_signed", 10), standing("plan_breached", 60, 80)], [], ("signed", True)),
        ([standing("plan_signed", 10, 60)], [], ("settled", False)),
        (
            [standing("plan_signed", 10, 60), standing("plan_breached", 60, 90), standing("plan_signed", 90)],
            [],
            ("signed", True),
        ),
        (
            [
                standing("plan_offered_or_refused", 5),
                standing("plan_signed", 10),
                standing("plan_offered_or_refused", 40),
            ],
            [],
            ("signed", True),
        ),
        ([standing("plan_signed", 200)], [], ("none", False)),
    ],
)
def test_the_state_of_a_plan_is_read_from_flags_and_payments_known_by_then(standings, paid_on, expected):  # type: ignore[no-untyped-def]
    assert state_of(standings, paid_on) == expected


def test_flags_that_contradict_each_other_stop_collection_until_a_person_looked():
    state, stops = state_of([standing("plan_breached", 10)])

    assert (state, stops) == ("none", True)
