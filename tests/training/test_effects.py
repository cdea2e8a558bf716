"""What contacts change, learned: from the prior to the data, to zero where there is nothing, never from a log that contradicts itself."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.reading import read_portfolio
from scoring.scores.effects import LearnedEffects, prior_effects
from scoring.scores.log_odds import probability
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.effects import fit_effects
from training.effects_data import ACTIONS, LoggedDecisions, logged_decisions
from training.effects_learning import prior_shifts
from training.effects_trust import propensity_balance
from training.simulator.contrast import matured_decisions
from training.simulator.simulate import simulate

PRIOR = prior_shifts()
Floats = npt.NDArray[np.float64]


def a_log(
    n: int, shifts: dict[Channel, float], *, seed: int = 1, randomised: float = 0.2, hidden: float = 0.0
) -> tuple[LoggedDecisions, Floats]:
    """A log of an invented bank: a share at random, the rest calls whom it expects to pay least.

    ``hidden`` is how strongly people decide by a thing that drives the outcome and is not in the log.
    """
    rng = np.random.default_rng(seed)
    margin, unseen = rng.normal(0.3, 1.2, n), rng.normal(0, 1, n)
    explores = rng.random(n) < randomised
    likes = np.ones((n, len(ACTIONS)))
    likes[:, ACTIONS.index(Channel.AGENT_CALL)] = np.exp(-margin)
    policy = likes / likes.sum(axis=1, keepdims=True)
    really = likes.copy()
    really[:, ACTIONS.index(Channel.AGENT_CALL)] *= np.exp(-hidden * unseen)
    really = np.where(explores[:, None], 1 / len(ACTIONS), really / really.sum(axis=1, keepdims=True))
    action = (rng.random(n)[:, None] > really.cumsum(axis=1)).sum(axis=1).clip(0, len(ACTIONS) - 1)
    told = randomised / len(ACTIONS) + (1 - randomised) * policy[np.arange(n), action]
    added = np.array([0.0, *(shifts[channel] for channel in CONTACT_CHANNELS)])[action]
    pays = rng.random(n) < probability(margin - 0.2 + added + (unseen if hidden else 0.0))
    rows = pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(n)],
            "customer_id": [f"C{i}" for i in range(n)],
            "decided_at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "action": action,
            "propensity": told,
            "is_randomised": explores,
            "is_holdout": False,
            "lawful": (1 << len(ACTIONS)) - 1,
            "has_later_contact": ~explores,
            "pays": pays.astype(np.float64),
            "age_days": 1,
            "dpd": 20,
            "cure_amount_cents": 100_000,
        }
    )
    values = np.full((n, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    values[:, FEATURE_NAMES.index("dpd")] = 20
    return LoggedDecisions(rows, values, (date(2026, 1, 1),)), margin


def average_shift(effects: LearnedEffects, channel: Channel) -> tuple[float, float]:
    """The shift of an account in the middle, with its standard error."""
    values = np.full((1, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    values[:, FEATURE_NAMES.index("dpd")] = 20
    amount, error = effects.channels[channel].shift.at(values, np.array([0.5]))
    return float(amount[0]), float(error[0])


def test_without_a_log_the_effects_are_the_prior() -> None:
    assert fit_effects(None, None, PRIOR) == prior_effects(PRIOR)


def test_with_a_handful_of_decisions_the_effects_hardly_leave_the_prior() -> None:
    effects = fit_effects(*a_log(60, dict.fromkeys(CONTACT_CHANNELS, 2.0)), PRIOR)

    assert abs(average_shift(effects, Channel.EMAIL)[0] - PRIOR[Channel.EMAIL]) < 0.1
    assert effects.channels[Channel.EMAIL].status == "prior"


def test_with_a_large_log_the_data_decide() -> None:
    true = {**PRIOR, Channel.AGENT_CALL: 0.7, Channel.SMS: 0.02}

    effects = fit_effects(*a_log(120_000, true), PRIOR)

    for channel in (Channel.AGENT_CALL, Channel.SMS):
        found, error = average_shift(effects, channel)
        assert abs(found - true[channel]) < 4 * max(error, 0.02)
        assert effects.channels[channel].weight_of_data > 0.6
    assert effects.facts["uses_policy_rows"] is True


def test_where_no_contact_changes_anything_every_shift_is_zero() -> None:
    effects = fit_effects(*a_log(40_000, dict.fromkeys(CONTACT_CHANNELS, 0.0)), PRIOR)

    assert {channel.status for channel in effects.channels.values()} == {"null"}
    assert all(set(channel.shift.coefficients) == {0.0} for channel in effects.channels.values())


def test_a_log_too_small_to_tell_is_never_called_null() -> None:
    effects = fit_effects(*a_log(1_000, dict.fromkeys(CONTACT_CHANNELS, 0.0)), PRIOR)

    assert "null" not in {channel.status for channel in effects.channels.values()}


def test_where_people_decide_by_what_is_not_in_the_log_randomised_rows_alone_are_used() -> None:
    decisions, margin = a_log(40_000, PRIOR, hidden=1.5)

    effects = fit_effects(decisions, margin, PRIOR)

    assert effects.facts["uses_policy_rows"] is False
    found, error = average_shift(effects, Channel.AGENT_CALL)
    assert abs(found - PRIOR[Channel.AGENT_CALL]) < 3 * error
    assert max(map(abs, propensity_balance(decisions).values())) > 5


def test_propensities_that_are_what_they_say_add_up() -> None:
    decisions, _ = a_log(40_000, PRIOR)

    assert max(map(abs, propensity_balance(decisions).values())) < 4


def test_the_level_without_contact_follows_the_quiet_decisions() -> None:
    decisions, margin = a_log(60_000, PRIOR)
    effects = fit_effects(decisions, margin, PRIOR)

    level, _ = effects.none.at(decisions.values, margin)

    quiet = (decisions.rows["is_randomised"] & (decisions.rows["action"] == 0)).to_numpy()
    paid = decisions.rows["pays"].to_numpy()[quiet].mean()
    assert abs(probability((margin + level)[quiet]).mean() - paid) < 0.03


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("bank") / "small", accounts=200, seed=5, months=8, truth_on=[])


UNTIL_DAYS = 80


@pytest.fixture(scope="module")
def decided(bank: Path) -> LoggedDecisions:
    portfolio = read_portfolio(bank, threads=1)
    until = portfolio.extract_on - timedelta(days=UNTIL_DAYS)
    found = logged_decisions(portfolio, TargetDefinition(), until=until, max_days=2)
    assert found is not None and len(found) > 30
    return found


def test_features_of_a_decision_are_known_before_its_day_and_at_most_ten_days_old(decided: LoggedDecisions) -> None:
    assert decided.rows["age_days"].between(1, 10).all()
    on = decided.rows["decided_at"].dt.normalize() - pd.to_timedelta(decided.rows["age_days"], unit="D")
    assert set(on.dt.date) <= set(decided.days)


def test_outcomes_agree_with_the_simulators_own_reading_of_the_log(bank: Path, decided: LoggedDecisions) -> None:
    other = matured_decisions(bank)[["account_id", "decided_at", "pays"]]
    other["decided_at"] = other["decided_at"].astype(decided.rows["decided_at"].dtype)
    both = decided.rows.merge(other, on=["account_id", "decided_at"], suffixes=("", "_there"))

    assert len(both) == len(decided)
    # A payment returned later than the posting lag counts here and not there.
    assert (both["pays"] == both["pays_there"]).mean() > 0.98


def test_decisions_whose_window_closes_after_the_test_day_are_left_out(bank: Path, decided: LoggedDecisions) -> None:
    until = read_portfolio(bank, threads=1).extract_on - timedelta(days=UNTIL_DAYS)

    assert decided.rows["decided_at"].max().date() + timedelta(days=30) <= until


def test_a_portfolio_without_a_log_has_no_decisions(tmp_path: Path) -> None:
    cold = simulate(tmp_path / "cold", accounts=40, seed=1, months=6, world="cold", truth_on=[])

    assert logged_decisions(read_portfolio(cold, threads=1), TargetDefinition()) is None
