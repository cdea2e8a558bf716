"""Decisions between plans: the channel whose value exceeds its price by most, or none."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.decisions.assignment import NOBODY, assign, prices
from scoring.decisions.live import best_at_prices

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
    planned = assign(values, [None] * 4)

    assert best_at_prices(values, prices(values, planned, [None] * 4)).tolist() == planned.tolist()


@given(values=VALUES, asked=PRICES)
def test_an_accounts_answer_does_not_depend_on_the_others(values, asked) -> None:  # type: ignore[no-untyped-def]
    together = best_at_prices(values, asked)

    assert [int(best_at_prices(values[[row]], asked)[0]) for row in range(len(values))] == together.tolist()
