"""Decisions between plans: the channel whose value exceeds its price by most, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.decisions.assignment import NOBODY
from scoring.decisions.capacity import capacity_from
from scoring.decisions.live import best_at_prices, decide_at_prices
from scoring.decisions.optimiser import solve
from scoring.decisions.plan import decide
from scoring.decisions.strategy import house_strategy
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from tests.decisions.invented_scores import scored

VALUES = arrays(np.float64, st.tuples(st.integers(0, 30), st.just(4)), elements=st.floats(-1e4, 1e6) | st.just(-np.inf))
PRICES = arrays(np.float64, 4, elements=st.floats(0, 1e5))


@given(values=VALUES, asked=PRICES)
def test_nobody_takes_a_channel_that_is_not_worth_its_price_and_everybody_takes_the_best(values, asked) -> None:  # type: ignore[no-untyped-def]
    chosen = best_at_prices(values, asked)

    gains = values - asked
    taken = chosen != NOBODY
    assert (gains[taken, chosen[taken]] == gains[taken].max(axis=1)).all()
    assert (gains[taken, chosen[taken]] > 0).all()
    assert (gains[~taken] <= 0).all()


@given(values=VALUES)
def test_without_limits_the_live_answer_is_the_plans(values) -> None:  # type: ignore[no-untyped-def]
    assert best_at_prices(values, np.zeros(4)).tolist() == solve(values).chosen.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_at_the_plans_prices_the_live_answer_is_the_plans_but_for_ties_chance_and_those_who_waited(seed: int) -> None:
    scores = scored(2_000, seed)
    capacity = capacity_from({"agent_call": {"minutes": 900}, "sms": {"contacts": 200}, "letter": {"contacts": 40}})
    quiet = replace(house_strategy(), exploration_share=0.0)
    plan = decide(scores, TargetDefinition(), capacity, run_id="run", strategy=quiet)
    live = decide_at_prices(
        scores,
        TargetDefinition(),
        plan.prices,
        frozenset(),
        run_id="run",
        minute_prices=plan.minute_prices,
        strategy=quiet,
    )

    disagree = (plan.decisions["channel"] != live.decisions["channel"]).to_numpy()
    assert disagree.sum() <= 12
    assert (plan.decisions["loss_cents"][~disagree] == live.decisions["loss_cents"][~disagree]).all()
    left = live.values - live.price_of_contact()
    names = [str(channel) for channel in CONTACT_CHANNELS]
    for row in np.flatnonzero(disagree):
        planned, answered = (p.decisions["channel"].iloc[row] for p in (plan, live))
        one, other = (0.0 if c == str(Channel.NONE) else left[row, names.index(c)] for c in (planned, answered))
        assert other - one <= plan.bound_cents - plan.value_cents + 1e-6


@given(values=VALUES, asked=PRICES)
def test_an_accounts_answer_does_not_depend_on_the_others(values, asked) -> None:  # type: ignore[no-untyped-def]
    together = best_at_prices(values, asked)

    assert [int(best_at_prices(values[[row]], asked)[0]) for row in range(len(values))] == together.tolist()
