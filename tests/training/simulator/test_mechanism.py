"""What always holds in the simulated world, whatever the seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from training.simulator.card import credit
from training.simulator.parameters import parameters_of, worlds
from training.simulator.people import draw_people
from training.simulator.state import SLOTS, State, days_past_due, first_state, owed_cents

Simulated = Callable[..., Path]


def an_account_owing(*unpaid_cents: int) -> State:
    people = draw_people(parameters_of("base"), 1, 100, np.random.default_rng(0))
    state = first_state(people, np.random.default_rng(0))
    for slot, cents in enumerate(unpaid_cents):
        state.unpaid[slot, 0], state.due[slot, 0] = cents, 30 * (slot + 1)
    state.balance[0] = sum(unpaid_cents) + 1_000
    return state


def test_a_payment_settles_the_oldest_minimum_first():
    state = an_account_owing(500, 700)

    credit(state, np.array([0]), np.array([600]))

    assert state.unpaid[:2, 0].tolist() == [600, 0]
    assert days_past_due(state, 70).tolist() == [10]


def test_an_excess_lowers_the_balance_and_does_not_prepay_the_next_minimum():
    state = an_account_owing(500)

    credit(state, np.array([0]), np.array([900]))

    assert (owed_cents(state).tolist(), state.balance.tolist()) == ([0], [600])


def test_a_minimum_due_today_is_not_past_due():
    assert days_past_due(an_account_owing(500), 30).tolist() == [0]


@given(
    unpaid=st.lists(st.integers(1, 10**6), min_size=1, max_size=SLOTS),
    paid=st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
)
def test_payments_in_parts_settle_as_much_as_one_payment(unpaid: list[int], paid: list[int]):
    in_parts, at_once = an_account_owing(*unpaid), an_account_owing(*unpaid)

    for amount in paid:
        credit(in_parts, np.array([0]), np.array([amount]))
    credit(at_once, np.array([0]), np.array([sum(paid)]))

    assert in_parts.unpaid.tolist() == at_once.unpaid.tolist()
    assert owed_cents(at_once)[0] == max(sum(unpaid) - sum(paid), 0)


def test_every_world_says_what_it_is_for_and_sets_only_known_parameters():
    known = set(parameters_of("base").values)

    assert list(worlds()) == [
        "base", "null_effect", "correlated", "lumpy", "avoidance", "hostile", "nonlogit", "drift",
        "unlogged", "dirty", "cold",
    ]  # fmt: skip
    for world in worlds().values():
        assert world["purpose"] and world["a_good_system"]
        assert set(world.get("set", {})) <= known


def test_worlds_with_one_seed_share_their_people():
    base, null, drift = (
        draw_people(parameters_of(world), 200, 365, np.random.default_rng(5))
        for world in ("base", "null_effect", "drift")
    )

    assert base.intent.tolist() == null.intent.tolist() == drift.intent.tolist()


def test_correlated_traits_are_correlated_as_asked():
    people = draw_people(parameters_of("correlated"), 20_000, 365, np.random.default_rng(5))
    owns_one = np.bincount(people.customer)[people.customer] == 1

    correlation = spearmanr(people.intent[owns_one], people.income[owns_one]).statistic
    assert correlation == pytest.approx(0.68, abs=0.03)


def test_nobody_in_the_lumpy_world_pays_a_small_part_of_what_is_asked(simulated: Simulated):
    small = {world: _share_of_small_payments(simulated(world)) for world in ("base", "lumpy")}

    assert small["base"] > 0.03
    assert small["lumpy"] < small["base"] / 3


def _share_of_small_payments(folder: Path) -> float:
    payments = pd.read_parquet(folder / "payments.parquet").query("kind == 'voluntary'").sort_values("paid_at")
    statements = pd.read_parquet(folder / "statements.parquet")
    statements["at"] = pd.to_datetime(statements["statement_on"]).astype("datetime64[us]")
    joined = pd.merge_asof(
        payments, statements.sort_values("at")[["account_id", "at", "minimum_due_cents"]],
        left_on="paid_at", right_on="at", by="account_id",
    )  # fmt: skip
    return float((joined["amount_cents"] < 0.4 * joined["minimum_due_cents"]).mean())
