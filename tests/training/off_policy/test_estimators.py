"""Off-policy estimators against closed forms: sums that can be done by hand, and laws that hold for any log."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import BadRequestError
from training.off_policy.estimators import (
    LoggedChoices,
    dm,
    dr,
    effective_sample_size,
    estimate_of,
    ips,
    on_policy,
    snips,
    switch,
    switch_threshold,
)
from training.off_policy.expected_rewards import cross_fitted, customer_folds
from training.off_policy.overlap import clip_sensitivity, discretion_contrast, overlap_of, propensity_checks
from training.off_policy.synthetic import N_ACTIONS, best_policy, synthetic_world, worst_policy

WORLD = synthetic_world()


def drawn(n: int, seed: int, policy: np.ndarray) -> tuple[LoggedChoices, np.ndarray, np.ndarray, np.ndarray]:
    """A log, the policy's probabilities and the true expected rewards on its rows, and the features."""
    log, features, context = WORLD.draw(n, seed)
    return log, policy[context], WORLD.chance[context], features


def every_outcome() -> tuple[LoggedChoices, np.ndarray, np.ndarray]:
    """A log in which everything happens exactly as often as its probability says."""
    propensity = np.array([0.25, 0.75])
    actions = np.array([0, 1, 1, 1])
    return (
        LoggedChoices(actions, np.array([8.0, 1.0, 2.0, 3.0]), propensity[actions], 2, np.arange(4)),
        propensity,
        actions,
    )


def test_on_a_log_that_is_its_own_expectation_ips_and_snips_are_the_exact_value():
    log, _, _ = every_outcome()
    target = np.tile([0.5, 0.5], (4, 1))

    assert ips(log, target).value == pytest.approx(0.5 * 8 + 0.5 * 2)
    assert snips(log, target).value == pytest.approx(0.5 * 8 + 0.5 * 2)


def test_ips_of_the_logging_policy_is_the_plain_mean_with_its_plain_standard_error():
    log, _, context = WORLD.draw(500, 3)
    target = WORLD.logging[context]

    assert ips(log, target).value == pytest.approx(log.rewards.mean())
    assert on_policy(log).standard_error == pytest.approx(log.rewards.std(ddof=1) / np.sqrt(500))


def test_the_direct_method_with_the_true_expectations_is_the_true_value_of_the_contexts_seen():
    log, target, true, _ = drawn(400, 1, best_policy(WORLD))

    assert dm(log, target, true).value == pytest.approx((target * true).sum(axis=1).mean())


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 5))
def test_dr_is_unbiased_by_a_shift_of_the_model_where_weights_average_one(seed: int, shift: float, scale: float):
    log, _, _ = every_outcome()
    target = np.tile([0.5, 0.5], (4, 1))
    model = np.random.default_rng(seed).normal(0, scale, (1, 2)).repeat(4, axis=0) + shift

    assert dr(log, target, model).value == pytest.approx(5.0)


@settings(deadline=None)
@given(st.integers(0, 200))
def test_switch_runs_from_the_direct_method_to_dr(seed: int):
    log, target, true, _ = drawn(60, seed, best_policy(WORLD, explore=0.1))

    assert switch(log, target, true, threshold=np.inf).value == pytest.approx(dr(log, target, true).value)
    assert switch(log, target, true, threshold=0.0).value == pytest.approx(dm(log, target, true).value)
    assert switch_threshold(log, target, true) in (5.0, 10.0, 20.0, 50.0, np.inf)


@settings(deadline=None)
@given(st.integers(0, 500))
def test_snips_stays_within_the_rewards_and_moves_with_them(seed: int):
    log, target, _, _ = drawn(50, seed, worst_policy(WORLD, explore=0.2))
    moved = LoggedChoices(log.actions, log.rewards + 10.0, log.propensity, N_ACTIONS, log.customers)

    assert 0.0 <= snips(log, target).value <= 1.0
    assert snips(moved, target).value == pytest.approx(snips(log, target).value + 10.0)


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0.01, 10))
def test_the_effective_sample_size_is_at_most_the_rows_and_does_not_depend_on_the_scale(
    weights: list[float], scale: float
):
    w = np.array(weights)

    assert effective_sample_size(w) <= len(w) + 1e-9
    assert effective_sample_size(w * scale) == pytest.approx(effective_sample_size(w))


def test_rows_of_one_customer_count_as_one():
    once = estimate_of("mean", np.array([0.0, 1.0, 2.0, 4.0]), np.arange(4))
    doubled = estimate_of("mean", np.repeat([0.0, 1.0, 2.0, 4.0], 2), np.repeat(np.arange(4), 2))

    assert doubled.value == once.value
    assert doubled.standard_error == pytest.approx(once.standard_error)


def test_every_estimator_comes_close_to_the_truth_and_dr_has_the_smaller_spread():
    policy = best_policy(WORLD, explore=0.05)
    log, target, _, features = drawn(20_000, 11, policy)
    expected = cross_fitted(log, features)
    truth = WORLD.value(policy)

    for estimate in (
        ips(log, target),
        snips(log, target),
        dr(log, target, expected),
        switch(log, target, expected, threshold=20.0),
    ):
        assert abs(estimate.value - truth) < 4 * estimate.standard_error
    assert dr(log, target, expected).standard_error < ips(log, target).standard_error


def test_no_row_is_predicted_by_a_model_that_saw_its_customer():
    customers = np.repeat(np.arange(60), 3)
    folds = customer_folds(customers, 5, 0)
    log, _, _, features = drawn(180, 5, best_policy(WORLD))
    log = LoggedChoices(log.actions, log.rewards, log.propensity, N_ACTIONS, customers)
    changed = log.rewards.copy()
    changed[:3] = 1.0 - changed[:3]

    before = cross_fitted(log, features)
    after = cross_fitted(LoggedChoices(log.actions, changed, log.propensity, N_ACTIONS, customers), features)

    assert (folds.reshape(60, 3).std(axis=1) == 0).all()
    assert np.allclose(before[:3], after[:3])
    assert not np.allclose(before, after)


def test_actions_that_the_log_could_not_take_are_counted_as_unsupported():
    log, target, _, _ = drawn(100, 2, best_policy(WORLD))
    possible = np.ones((100, N_ACTIONS), dtype=bool)
    possible[:30] = False
    possible[:30, 0] = True

    found = overlap_of(log, target, possible)

    assert found.unsupported_share == pytest.approx(target[:30, 1:].sum() / 100)
    assert found.n_rows == 100 and 0 < found.effective_rows <= 100


def test_cutting_weights_changes_nothing_where_all_are_small():
    log, target, true, _ = drawn(300, 4, best_policy(WORLD, explore=0.5))
    values = {clip: estimate.value for clip, estimate in clip_sensitivity(log, target, true).items()}

    assert log.weights(target).max() < 20
    assert values[20.0] == values[np.inf]


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.2, np.nan])
def test_a_propensity_that_is_none_is_refused_with_its_row(wrong: float):
    with pytest.raises(BadRequestError, match="Row 1 of the log has propensity"):
        LoggedChoices(np.array([0, 0]), np.zeros(2), np.array([0.5, wrong]), 1, np.arange(2))


def test_unlogged_discretion_shows_in_the_propensities_and_in_the_contrast_of_random_and_policy_rows():
    log, features, context = WORLD.draw(20_000, 21)
    random_row = np.random.default_rng(5).random(len(log)) < 0.2
    draws = np.random.default_rng(6)
    uniform = np.full(len(log), 1 / N_ACTIONS)
    actions = np.where(random_row, draws.integers(0, N_ACTIONS, len(log)), log.actions)
    mixed = 0.2 * uniform + 0.8 * WORLD.logging[context, actions]
    rewards = (draws.random(len(log)) < WORLD.chance[context, actions]).astype(float)
    honest = LoggedChoices(actions, rewards, mixed, N_ACTIONS, log.customers)
    acts = ~random_row & (draws.random(len(log)) < 0.5) & (rewards == 1)
    taken = np.where(acts, 3, actions)
    hidden = LoggedChoices(
        taken, rewards, 0.2 * uniform + 0.8 * WORLD.logging[context, taken], N_ACTIONS, log.customers
    )
    possible, target = np.ones((len(log), N_ACTIONS), dtype=bool), np.tile([0.0, 0.0, 0.0, 1.0], (len(log), 1))

    assert not any(check.is_off for check in propensity_checks(honest, possible))
    assert any(check.is_off for check in propensity_checks(hidden, possible))
    told = discretion_contrast(honest, target, cross_fitted(honest, features), random_row, uniform)
    lied = discretion_contrast(hidden, target, cross_fitted(hidden, features), random_row, uniform)
    assert told["is_suspect"] is False
    assert lied["is_suspect"] is True and lied["policy"]["value"] > lied["randomised"]["value"]
