"""The truth: a naive reader of the log is misled, the randomised share is not, effects are as large as in trials."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.contrast import matured_decisions, naive_contrast, randomised_contrast
from training.simulator.judge import Truth, read_truth
from training.simulator.rates import base_rates, plausible_ranges, positions

Simulated = Callable[..., Path]
CALL = CONTACT_CHANNELS.index(Channel.AGENT_CALL)


@pytest.fixture(scope="session")
def book(simulated: Simulated) -> Callable[[str], Path]:
    """A larger book, so that effects of a few points can be seen."""
    return lambda world: simulated(world, accounts=6_000, seed=20, months=14, truth=True)


def effect(truth: Truth, column: str, channel: Channel) -> np.ndarray:
    """What one channel does to a probability, per account."""
    return (truth.grid(column, [channel]) - truth.grid(column, [Channel.NONE]))[:, 0]


def test_paid_after_a_call_or_not_is_badly_off_and_the_randomised_share_is_right(book: Callable[[str], Path]):
    decisions, truth = matured_decisions(book("base")), read_truth(book("base"))
    true = float(effect(truth, "p_pays", Channel.AGENT_CALL).mean())

    naive = naive_contrast(decisions, Channel.AGENT_CALL)
    randomised = randomised_contrast(decisions, Channel.AGENT_CALL)

    assert 0.04 < true < 0.10
    assert naive.difference < -0.10
    assert not naive.covers(true)
    assert randomised.covers(true)
    assert randomised.half_width < 0.08


def test_where_no_contact_has_an_effect_the_naive_reader_still_sees_one_and_the_randomised_share_does_not(
    book: Callable[[str], Path],
):
    decisions = matured_decisions(book("null_effect"))

    naive = naive_contrast(decisions, Channel.AGENT_CALL)

    assert not naive.covers(0.0)
    for channel in (Channel.SMS, Channel.AI_VOICE, Channel.AGENT_CALL, Channel.LETTER):
        assert randomised_contrast(decisions, channel).covers(0.0), channel


def test_in_the_null_world_every_action_has_exactly_the_outcome_of_none(book: Callable[[str], Path]):
    truth = read_truth(book("null_effect"))

    for column in ("p_pays", "p_full", "paid_cents", "recovered_cents"):
        assert np.ptp(truth.grid(column, list(Channel)), axis=1).max() == 0.0


def test_a_text_message_does_what_it_did_in_the_trial(book: Callable[[str], Path]):
    truth = read_truth(book("base"))
    is_early = (truth.accounts["dpd"] < 30).to_numpy()

    cured = effect(truth, "p_full", Channel.SMS)[is_early]

    # +2.4 points cured, 95 % interval 1.68 to 3.12 (Campbell, Grant and Thorp 2022); half a point for our own noise.
    assert 0.0168 - 0.005 < cured.mean() < 0.0312 + 0.005


def test_machines_persuade_less_than_people_and_some_people_pay_less_when_pressed(book: Callable[[str], Path]):
    truth = read_truth(book("base"))
    call, machine = (effect(truth, "p_pays", c).mean() for c in (Channel.AGENT_CALL, Channel.AI_VOICE))
    is_reactant = truth.accounts["is_reactant"].to_numpy()

    assert call > 2 * machine > 0
    assert effect(truth, "p_pays", Channel.AGENT_CALL)[is_reactant].mean() < 0


def test_halves_of_the_rollouts_agree_on_average_and_together_make_the_whole(book: Callable[[str], Path]):
    outcomes = read_truth(book("base")).outcomes

    assert outcomes["p_pays"].to_numpy() == pytest.approx(
        ((outcomes["p_pays_first"] + outcomes["p_pays_second"]) / 2).to_numpy()
    )
    assert outcomes["p_pays_first"].mean() == pytest.approx(outcomes["p_pays_second"].mean(), abs=0.01)


def test_money_recovered_never_exceeds_the_cure_amount(book: Callable[[str], Path]):
    truth = read_truth(book("base"))
    cure = truth.accounts["cure_amount_cents"].to_numpy()[:, None]

    assert (truth.grid("recovered_cents", list(Channel)) <= cure).all()


def test_classes_follow_from_capacity_and_resolve(book: Callable[[str], Path]):
    accounts = read_truth(book("base")).accounts
    cannot = accounts["true_class"].isin(["cannot_pay", "cannot_and_will_not"])

    assert (cannot == (accounts["capacity_cents"] < accounts["past_due_cents"])).all()
    assert accounts["true_class"].value_counts(normalize=True).min() > 0.02


def test_people_who_lost_their_job_have_less_to_pay_with(book: Callable[[str], Path]):
    accounts = read_truth(book("base")).accounts
    share = accounts["capacity_cents"] / accounts["past_due_cents"]

    assert share[accounts["has_job_loss"]].median() < 0.7 * share[~accounts["has_job_loss"]].median()


def test_base_rates_by_bucket_are_plausible_and_roll_rates_rise(book: Callable[[str], Path]):
    days = [date(2026, 1, 31), date(2026, 3, 31), date(2026, 5, 31), date(2026, 7, 31)]

    rates = base_rates(book("base"), days)

    for row in rates.itertuples():
        low, high = plausible_ranges()[row.bucket]["cure"]
        assert low <= row.cure_rate <= high, row
    assert rates["roll_rate_by_count"].is_monotonic_increasing
    assert 0.15 < rates["share"].sum() < 0.30


def test_the_state_behind_the_truth_is_the_one_that_the_tables_tell(book: Callable[[str], Path]):
    truth = read_truth(book("base"))
    told = positions(book("base"), truth.as_of).reindex(truth.accounts["account_id"])

    same = [
        (told[name].to_numpy() == truth.accounts[name].to_numpy())
        for name in ("dpd", "past_due_cents", "cure_amount_cents")
    ]

    # Payments that are known late, or returned later, are the only difference.
    assert np.mean(np.all(same, axis=0)) > 0.99


def test_the_propensities_of_the_log_are_those_of_the_actions(book: Callable[[str], Path]):
    decisions = pd.read_parquet(book("base") / "assignments.parquet")
    is_policy = ~decisions["is_holdout"]

    # The mean of 1 / propensity over the rows of an action that was lawful everywhere is the number of rows.
    nothing = decisions[is_policy & (decisions["channel"] == "none")]

    assert (1 / nothing["propensity"]).sum() == pytest.approx(is_policy.sum(), rel=0.03)
    assert decisions.loc[~is_policy, "channel"].eq("none").all()
    assert decisions.loc[~is_policy, "propensity"].eq(1.0).all()


def test_in_the_unlogged_world_the_propensities_are_not_those_of_the_actions(simulated: Simulated):
    share = {}
    for world in ("base", "unlogged"):
        decisions = pd.read_parquet(simulated(world) / "assignments.parquet")
        calls = decisions[decisions["channel"] == "agent_call"]
        lawful = decisions["lawful_channels"].str.contains("agent_call").sum()
        share[world] = (1 / calls["propensity"]).sum() / lawful

    assert share["base"] == pytest.approx(1.0, abs=0.15)
    assert abs(share["unlogged"] - 1.0) > 0.35


def test_the_regime_change_lowers_payment(simulated: Simulated):
    paid = {}
    for world in ("base", "drift"):
        payments = pd.read_parquet(simulated(world) / "payments.parquet").query("kind == 'voluntary'")
        paid[world] = payments.groupby(payments["paid_at"] >= "2026-06-01")["amount_cents"].sum()

    assert paid["drift"][False] > 0.97 * paid["base"][False]
    assert paid["drift"][True] < 0.93 * paid["base"][True]
