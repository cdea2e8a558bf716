"""What if: more capacity is never worth less, a lifted rule never closes anything, prices agree with what one more unit adds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decisions.capacity import Capacity, capacity_from
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.plan import decide
from scoring.decisions.strategy import house_strategy
from scoring.decisions.what_if import Asked, scaled, what_if, without_rule
from scoring.errors import PolicyError
from scoring.policy.truth import Outcome, Truth
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from tests.decisions.invented_scores import FREE, scored

CALL = CONTACT_CHANNELS.index(Channel.AGENT_CALL)
N = 300
OFFERED = {channel: Capacity(contacts=0) for channel in CONTACT_CHANNELS} | capacity_from(
    {"agent_call": {"minutes": 240}, "sms": {"contacts": 30}, "email": {"contacts": 20}, "letter": {"contacts": 6}}
)


def judged(seed: int, n: int = N) -> Lawfulness:
    """Three rules of random outcomes, and everybody can be reached on most channels."""
    rng = np.random.default_rng(seed)
    tables = rng.choice(
        np.array([Outcome.NOT_APPLICABLE, Outcome.PASS, Outcome.UNKNOWN, Outcome.BLOCK], dtype=np.int8),
        (6, 3, len(CONTACT_CHANNELS)),
        p=[0.4, 0.3, 0.1, 0.2],
    )
    which = rng.integers(0, 6, n)
    reachable = np.where(rng.random((n, len(CONTACT_CHANNELS))) < 0.9, Truth.TRUE, Truth.FALSE).astype(np.int8)
    nothing = np.zeros((n, len(CONTACT_CHANNELS)), dtype=bool)
    bare = Lawfulness({}, nothing, nothing, ("R-A", "R-B", "R-C"), tables, which, reachable)
    none = replace(bare, rule_ids=(*bare.rule_ids, "R-NONE"), tables=np.pad(tables, ((0, 0), (0, 1), (0, 0))))
    return without_rule(none, "R-NONE")


def asked(seed: int, **given: Any) -> Asked:
    return Asked(scored(N, seed, **FREE), TargetDefinition(), given.pop("capacity", OFFERED), **given)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_removing_capacity_never_helps_on_any_channel(seed: int) -> None:
    table = what_if(asked(seed))
    now = table.loc[table["kind"] == "as_it_is", "value_cents"].iloc[0]

    for _, curve in table[table["kind"].isin(["capacity", "agent_minutes"])].groupby(["kind", "what"]):
        values = curve.sort_values("factor")
        slack = (values["bound_cents"] - values["value_cents"]).max() + 1e-6
        assert (np.diff(values["value_cents"]) >= -slack).all()
        assert (values.loc[values["factor"] < 1, "value_cents"] <= now + slack).all()
        assert (np.diff(values["bound_cents"]) >= -1e-6 * now).all()


def test_the_day_as_it_is_has_the_value_of_the_plan_without_chance() -> None:
    question = asked(1, strategy=replace(house_strategy(), exploration_share=0.0))

    table = what_if(question)
    plan = decide(question.scores, question.definition, question.capacity, run_id="run", strategy=question.strategy)

    assert table["value_cents"].iloc[0] == pytest.approx(plan.value_cents)
    assert table["contacts"].iloc[0] == sum(plan.used().values())
    assert table["price_cents"].iloc[0] == pytest.approx(60 * plan.minute_prices[Channel.AGENT_CALL])


def test_the_price_of_an_agent_hour_lies_between_what_an_hour_more_adds_and_an_hour_less_takes() -> None:
    question = Asked(
        scored(4_000, 2, **FREE), TargetDefinition(), OFFERED | {Channel.AGENT_CALL: Capacity(minutes=3_000)}
    )
    less = replace(question, capacity={**question.capacity, Channel.AGENT_CALL: Capacity(minutes=2_940)})

    table = what_if(question).set_index("kind")
    added = table.loc["one_more_agent_hour", "change_cents"]
    taken = table.loc["as_it_is", "value_cents"] - what_if(less)["value_cents"].iloc[0]
    price = table.loc["as_it_is", "price_cents"]

    assert 0.9 * added <= price <= 1.1 * taken


@pytest.mark.parametrize("seed", range(4))
def test_a_lifted_rule_only_opens_and_its_price_is_never_below_nothing(seed: int) -> None:
    lawful = judged(seed)
    table = what_if(asked(seed, lawful=lawful))
    rules = table[table["kind"] == "rule_lifted"]

    assert rules["what"].tolist() == ["R-A", "R-B", "R-C"]
    slack = table["bound_cents"] - table["value_cents"]
    assert (rules["change_cents"] >= -slack.max() - 1e-6).all()
    for rule in lawful.rule_ids:
        lifted = without_rule(lawful, rule)
        assert not (lawful.open & ~lifted.open & ~lawful.under_review).any()
        assert not (lifted.open & (lawful.reachable == Truth.FALSE)).any()
    assert (rules["n_closed"] > 0).all() and (rules["n_forbidden"] <= rules["contacts"]).all()


def test_what_a_rule_forbids_alone_is_what_opens_without_it() -> None:
    lawful = judged(7)
    lifted = without_rule(lawful, "R-B")
    others = np.delete(lawful.tables, 1, axis=1)[lawful.which]
    blocked_by_others = (others == Outcome.BLOCK).any(axis=1)

    opened = lifted.open & ~lawful.open
    assert opened.any()
    assert not (opened & blocked_by_others).any()


def test_only_the_rules_named_are_priced_and_a_strange_one_is_refused() -> None:
    question = asked(3, lawful=judged(3))

    assert what_if(question, rules=["R-C"]).query("kind == 'rule_lifted'")["what"].tolist() == ["R-C"]
    with pytest.raises(PolicyError, match=r"no rule 'R-X'. Rules: R-A, R-B, R-C"):
        what_if(question, rules=["R-X"])
    with pytest.raises(PolicyError, match="No contact policy applies"):
        what_if(replace(question, lawful=None), rules=["R-A"])


def test_a_stricter_policy_is_worth_less_and_avoids_contacts() -> None:
    lawful = judged(5)
    strict = replace(lawful, open=lawful.open & (np.arange(N) % 2 == 0)[:, None])

    row = what_if(asked(5, lawful=lawful), others={"strict": strict}).query("kind == 'other_policy'").iloc[0]

    assert row["change_cents"] < 0 and row["contacts_change"] <= 0 and row["what"] == "strict"


def test_nothing_asked_changes_what_is_asked_about() -> None:
    lawful = judged(6)
    before = (lawful.open.copy(), lawful.tables.copy())
    question = asked(6, lawful=lawful)
    capacity = dict(question.capacity)

    what_if(question)

    assert np.array_equal(lawful.open, before[0]) and np.array_equal(lawful.tables, before[1])
    assert question.capacity == capacity


def test_slots_and_regions_are_scaled_with_their_channel() -> None:
    offered = capacity_from(
        {
            "agent_call": {"slots": {"morning": {"from": 9, "until": 12, "minutes": 60}}},
            "field_visit": {"regions": {"R0": 3}},
        }
    )

    assert scaled(offered[Channel.AGENT_CALL], 1.5).slots[0].minutes == 90.0
    assert scaled(offered[Channel.FIELD_VISIT], 0.5).regions == (("R0", 1),)
    kinds = set(what_if(asked(8, capacity=offered))["kind"])
    assert {"as_it_is", "agent_minutes", "one_more_agent_hour"} <= kinds
