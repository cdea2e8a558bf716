"""Agents' minutes by slot and visits by region: kept whoever is drawn, priced, and told; and what only people decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from scoring.decisions.capacity import Capacity, capacity_from
from scoring.decisions.day_limits import day_limits
from scoring.decisions.on_file import OnFile, approved
from scoring.decisions.plan import Plan, decide, plan_summary
from scoring.decisions.strategy import house_strategy
from scoring.errors import CapacityError
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel
from tests.decisions.invented_scores import FREE, everything_lawful, flagged, scored

CALL, VISIT = CONTACT_CHANNELS.index(Channel.AGENT_CALL), CONTACT_CHANNELS.index(Channel.FIELD_VISIT)
LEGAL = CONTACT_CHANNELS.index(Channel.LEGAL_REFERRAL)
SLOTS = {
    "morning": {"from": 9, "until": 12, "minutes": 60},
    "afternoon": {"from": 12, "until": 17, "minutes": 90},
    "evening": {"from": 17, "until": 20, "minutes": 30},
}
OFFERED = capacity_from(
    {
        "agent_call": {"slots": SLOTS},
        "sms": {"contacts": 30},
        "letter": {"contacts": 5},
        "field_visit": {"contacts": 5, "regions": {"R0": 4, "R1": 2, "R2": 0}},
    }
)
N = 400


def on_file(seed: int, n: int = N) -> OnFile:
    """Random fits, regions and approvals."""
    rng = np.random.default_rng(seed)
    permitted = np.zeros((n, len(CONTACT_CHANNELS)), dtype=bool)
    permitted[:, VISIT] = rng.random(n) < 0.3
    return OnFile(rng.random((n, 3)) < 0.5, rng.choice(["", "R0", "R1", "R2"], n).astype(object), permitted)


def planned(seed: int, capacity: Any = OFFERED, **given: Any) -> tuple[Plan, OnFile]:
    facts = given.pop("facts", on_file(seed))
    plan = decide(scored(N, seed, **FREE), TargetDefinition(), capacity, run_id="run", facts=facts, **given)
    return plan, facts


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_no_slot_and_no_region_is_overfull_whoever_is_drawn_and_each_call_is_in_a_slot_that_fits(seed: int) -> None:
    strategy = replace(house_strategy(), exploration_share=0.3)
    plan, facts = planned(seed, strategy=strategy, lawful=everything_lawful(N))
    channel = plan.decisions["channel"].to_numpy(dtype=object)
    assert plan.slots is not None

    for place, (name, slot) in enumerate(SLOTS.items()):
        mine = plan.slots == name
        assert (channel[mine] == "agent_call").all() and facts.slots[mine, place].all()
        assert plan.worth.minutes[mine, CALL].sum() <= slot["minutes"] + 1e-9
    assert (plan.slots[channel == "agent_call"] != "").all()
    visited = facts.regions[channel == "field_visit"]
    assert (visited == "R0").sum() <= 4 and (visited == "R1").sum() <= 2 and len(visited) <= 5
    assert not set(visited) & {"", "R2"}


def best_of_all(values: np.ndarray, limits: Any) -> float:
    """Value of the best whole assignment, by HiGHS."""
    n, k = values.shape
    one_each = csr_array((np.ones(n * k), (np.repeat(np.arange(n), k), np.arange(n * k))), shape=(n, n * k))
    used = np.zeros((len(limits), n, k))
    for place, limit in enumerate(limits):
        for option, use in limit.uses.items():
            used[place, :, option] = use
    most = np.concatenate([np.ones(n), [limit.most for limit in limits]])
    possible = np.isfinite(values)
    found = milp(
        np.where(possible, -values, 0.0).ravel(),
        constraints=LinearConstraint(vstack([one_each, csr_array(used.reshape(len(limits), -1))]), -np.inf, most),
        bounds=Bounds(0, possible.astype(float).ravel()),
        integrality=np.ones(n * k),
        options={"mip_rel_gap": 1e-3},
    )
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_with_slots_is_as_good_as_proven_and_worth_no_more_than_with_the_same_minutes_in_one_piece(
    seed: int,
) -> None:
    calm = replace(house_strategy(), exploration_share=0.0)
    in_one = {**OFFERED, Channel.AGENT_CALL: Capacity(minutes=180)}

    by_slot = planned(seed, strategy=calm)[0]
    whole = planned(seed, in_one, strategy=calm)[0]

    day = day_limits(OFFERED, by_slot.worth.minutes, on_file(seed))
    assert by_slot.value_cents >= 0.99 * best_of_all(day.by_option(by_slot.values), day.limits)
    assert by_slot.gap < 0.03
    assert by_slot.value_cents <= whole.bound_cents + 1e-6


def test_the_proof_stays_tight_where_many_fit_several_slots() -> None:
    n = 6_000
    wide = {name: {**slot, "minutes": 20 * slot["minutes"]} for name, slot in SLOTS.items()}
    facts = replace(on_file(5, n), slots=np.random.default_rng(5).random((n, 3)) < 0.8)
    scores = scored(n, 5, **FREE)

    plan = decide(scores, TargetDefinition(), capacity_from({"agent_call": {"slots": wide}}), run_id="run", facts=facts)

    assert plan.gap < 1e-3


def test_slots_that_fit_everybody_and_do_not_bind_change_nothing() -> None:
    wide = {name: {**slot, "minutes": 10_000} for name, slot in SLOTS.items()}
    facts = replace(on_file(1), slots=np.ones((N, 3), dtype=bool))
    calm = replace(house_strategy(), exploration_share=0.0)

    by_slot = planned(1, capacity_from({"agent_call": {"minutes": 120, "slots": wide}}), facts=facts, strategy=calm)[0]
    whole = planned(1, capacity_from({"agent_call": {"minutes": 120}}), facts=facts, strategy=calm)[0]

    pd.testing.assert_series_equal(by_slot.decisions["channel"], whole.decisions["channel"])
    assert by_slot.value_cents == pytest.approx(whole.value_cents)


def test_the_summary_shows_each_slot_and_region_with_its_price_and_what_was_used() -> None:
    plan, _ = planned(2)
    facts = {limit["name"]: limit for limit in plan_summary(plan)["resources"]}

    for name, slot in SLOTS.items():
        told = facts[f"agent_call minutes in {name}"]
        assert told["most"] == slot["minutes"] and told["used"] <= told["most"] and told["price_cents"] >= 0
    assert facts["field_visit contacts in R0"]["most"] == 4
    assert facts["agent_call minutes in evening"]["price_cents"] > 0
    assert plan_summary(plan)["minute_prices_cents"]["agent_call"] > 0


def test_a_place_costs_an_account_what_its_own_slot_costs() -> None:
    plan, _ = planned(3)
    prices = {limit["name"]: limit["price_cents"] for limit in plan_summary(plan)["resources"]}
    assert plan.slots is not None

    for row in np.flatnonzero(plan.slots != "")[:20]:
        slot = prices[f"agent_call minutes in {plan.slots[row]}"]
        assert plan.price_of_contact()[row, CALL] == pytest.approx(slot * plan.worth.minutes[row, CALL], abs=0.01)


def test_limits_without_slots_and_regions_stay_as_they_were() -> None:
    stated = {"agent_call": {"minutes": 60}, "sms": {"contacts": 3}}
    offered = capacity_from(stated)

    assert [Capacity.from_stated(limit.stated()) for limit in offered.values()] == list(offered.values())
    assert [Capacity.from_stated(limit.stated()) for limit in OFFERED.values()] == list(OFFERED.values())
    assert offered[Channel.AGENT_CALL].stated() == [None, 60]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"sms": {"slots": SLOTS}}, "Slots are for agent_call"),
        ({"agent_call": {"regions": {"R0": 1}}}, "regions for field_visit"),
        ({"agent_call": {"slots": {}}}, "slots is"),
        ({"agent_call": {"slots": {"morning": {"from": 9, "until": 12}}}}, "slots.morning"),
        ({"agent_call": {"slots": {"morning": {"from": 12, "until": 9, "minutes": 1}}}}, "from before until"),
        ({"agent_call": {"slots": {"morning": {"from": 9, "until": 12, "minutes": -1}}}}, "it must be 0 or more"),
        ({"agent_call": {"slots": {**SLOTS, "noon": {"from": 11, "until": 13, "minutes": 5}}}}, "an hour after"),
        ({"field_visit": {"regions": [1]}}, "region -> visits"),
        ({"field_visit": {"regions": {"R0": 1.5}}}, "contacts are whole"),
    ],
)
def test_a_malformed_slot_or_region_is_refused_with_what_to_write(raw: Any, message: str) -> None:
    with pytest.raises(CapacityError, match=message):
        capacity_from(raw)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_a_visit_or_a_step_at_law_is_never_decided_by_a_score_whatever_it_is_worth(seed: int, is_drawn: bool) -> None:
    scores = scored(N, seed, **FREE, w_field_visit=0.999, w_legal_referral=0.999)
    facts = on_file(seed)
    strategy = replace(house_strategy(), exploration_share=0.5 if is_drawn else 0.0)
    free = {channel: Capacity() for channel in CONTACT_CHANNELS}

    def channels(facts: OnFile | None) -> np.ndarray:
        plan = decide(
            scores, TargetDefinition(), free, run_id="run", lawful=everything_lawful(N), strategy=strategy, facts=facts
        )
        return plan.decisions["channel"].to_numpy(dtype=object)

    assert not np.isin(channels(None), [str(channel) for channel in HUMAN_ONLY_CHANNELS]).any()
    seen = channels(facts)
    assert facts.approved[seen == "field_visit", VISIT].all() and not (seen == "legal_referral").any()
    assert (seen == "field_visit").any()


def test_an_approval_without_evidence_and_evidence_without_an_approval_permit_nothing() -> None:
    scores = scored(4)
    positions = scores.frame.positions
    none = pd.DataFrame({"row": np.array([], dtype=np.int64), "dunned_on": np.array([], dtype=np.int64)})
    bare = replace(flagged(scores, [0, 1], "human_approval_visit"), dunnings=none)
    shown = replace(bare, standings=bare.standings.assign(evidence_ref=[None, "E1"]))

    assert not approved(bare, positions).any()
    assert np.flatnonzero(approved(shown, positions)[:, VISIT]).tolist() == [1]
    for kind in ("human_approval_legal", "plan_offered_or_refused"):
        assert not approved(replace(bare, standings=bare.standings.assign(kind=kind)), positions).any()


def test_a_step_at_law_needs_every_piece_of_evidence_and_the_approval() -> None:
    scores = scored(2, is_disputed=False)
    seen = flagged(scores, [0, 0, 1], "human_approval_legal")
    kinds = ["human_approval_legal", "plan_offered_or_refused", "human_approval_legal"]
    events = replace(
        seen,
        standings=seen.standings.assign(kind=kinds, evidence_ref="E1"),
        dunnings=pd.DataFrame({"row": [0, 0, 1, 1], "dunned_on": [20_000, 20_060, 20_000, 20_060]}),
        observed=frozenset({"accounts", "standings", "contacts"}),
    )

    assert approved(events, scores.frame.positions)[:, LEGAL].tolist() == [True, False]


def test_what_is_approved_stays_closed_where_the_contact_policy_blocks_it() -> None:
    facts = replace(on_file(1), approved=np.ones((N, len(CONTACT_CHANNELS)), dtype=bool))
    is_open = np.ones((N, len(CONTACT_CHANNELS)), dtype=bool)
    is_open[:, [VISIT, LEGAL]] = False
    free = {channel: Capacity() for channel in CONTACT_CHANNELS}

    plan = planned(1, free, facts=facts, lawful=everything_lawful(N, open=is_open))[0]

    assert not plan.decisions["channel"].isin(["field_visit", "legal_referral"]).any()
