"""The estimators on a real trial whose propensity is known: its published arms, and one half against the other."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from training.off_policy.estimators import Floats, LoggedChoices, dr, ips, snips, switch
from training.off_policy.expected_rewards import cross_fitted
from training.off_policy.gate import judge
from training.off_policy.hillstrom import ARMS, hillstrom_log
from training.off_policy.overlap import propensity_checks

pytestmark = pytest.mark.real_data
ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = {"No E-Mail": 0.106, "Mens E-Mail": 0.183, "Womens E-Mail": 0.151}
"""Visit rates as published."""


@lru_cache(maxsize=2)
def trial(outcome: str = "visit") -> tuple[LoggedChoices, Floats]:
    folder = Path(os.environ.get("SCORING_DATASETS", ROOT.parent / "shared" / "datasets"))
    path = folder / "hillstrom_email" / "hillstrom.csv"
    if not path.exists():
        pytest.skip(f"hillstrom_email is not under SCORING_DATASETS ({folder}): not checked on a real trial")
    return hillstrom_log(path, outcome)


def halves(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(trial()[0]))
    return order[: len(order) // 2], order[len(order) // 2 :]


def always(arm: int, n: int) -> Floats:
    return np.tile(np.eye(len(ARMS))[arm], (n, 1))


@pytest.mark.parametrize("arm", range(len(ARMS)))
def test_every_estimator_finds_the_published_rate_of_each_arm_within_its_interval(arm: int):
    log, context = trial()
    expected = cross_fitted(log, context)
    target = always(arm, len(log))

    for found in (
        ips(log, target),
        snips(log, target),
        dr(log, target, expected),
        switch(log, target, expected, threshold=10.0),
    ):
        low, high = found.interval()
        assert low <= PUBLISHED[ARMS[arm]] <= high, found.method


@pytest.mark.parametrize("arm", [1, 2])
def test_the_effect_of_an_arm_on_one_half_agrees_with_the_plain_difference_of_the_other(arm: int):
    log, context = trial()
    first, second = halves()
    one, other = log.take(first), log.take(second)
    expected = cross_fitted(one, context[first])

    effect = dr(one, always(arm, len(one)), expected).less(dr(one, always(0, len(one)), expected))

    own, control = other.rewards[other.actions == arm], other.rewards[other.actions == 0]
    plain = own.mean() - control.mean()
    error = np.sqrt(own.var() / len(own) + control.var() / len(control))
    assert abs(effect.value - plain) < 1.96 * np.hypot(effect.standard_error, error)
    assert effect.interval()[0] > 0


@pytest.mark.parametrize("outcome", ["visit", "conversion", "spend"])
def test_a_policy_learned_elsewhere_is_worth_on_one_half_what_it_brought_on_the_other(outcome: str):
    log, context = trial(outcome)
    distances = []
    for split in range(40):
        first, second = halves(split)
        teach, rest = first[: len(first) // 3], first[len(first) // 3 :]
        taught = _ridge_policy(log.take(teach), context[teach])
        estimated = dr(log.take(rest), taught(context[rest]), cross_fitted(log.take(rest), context[rest]))
        seen = log.take(second)
        brought = seen.rewards[taught(context[second])[np.arange(len(seen)), seen.actions] == 1]
        spread = np.hypot(estimated.standard_error, brought.std() / np.sqrt(len(brought)))
        distances.append(abs(estimated.value - brought.mean()) / spread)

    agreeing = np.mean(np.array(distances) < 1.96)
    assert agreeing >= 0.875, f"{agreeing:.0%} of 40 splits agree; of intervals at 95 % some miss by chance"


def test_the_randomisation_is_what_was_logged():
    log, _ = trial()

    assert not any(check.is_off for check in propensity_checks(log, np.ones((len(log), len(ARMS)), dtype=bool)))


def test_sending_nothing_to_anybody_is_refused_and_the_better_mail_passes():
    log, context = trial()
    possible, expected = np.ones((len(log), len(ARMS)), dtype=bool), cross_fitted(log, context)

    assert judge(log, always(0, len(log)), possible, expected).verdict == "worse"
    assert judge(log, always(1, len(log)), possible, expected).verdict == "passes"


def _ridge_policy(log: LoggedChoices, context: Floats):  # type: ignore[no-untyped-def]
    """The arm with the highest reward by a ridge regression per arm."""
    mean, spread = context.mean(axis=0), context.std(axis=0)
    design = np.column_stack([np.ones(len(log)), (context - mean) / spread])
    weights = []
    for arm in range(len(ARMS)):
        own = log.actions == arm
        inner = design[own].T @ design[own] + 50.0 * np.eye(design.shape[1])
        weights.append(np.linalg.solve(inner, design[own].T @ log.rewards[own]))
    table = np.stack(weights, axis=1)

    def policy(asked: Floats) -> Floats:
        best = (np.column_stack([np.ones(len(asked)), (asked - mean) / spread]) @ table).argmax(axis=1)
        return np.eye(len(ARMS))[best]

    return policy
