"""The gate of a strategy: bad ones are refused, good ones pass, and where the log cannot tell it says what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scoring.errors import BadRequestError, GateError, PolicyError
from scoring.resources import data_folder
from training.off_policy.estimators import LoggedChoices
from training.off_policy.expected_rewards import cross_fitted
from training.off_policy.gate import StrategyVerdict, judge
from training.off_policy.strategy_log import at_parity
from training.off_policy.synthetic import N_ACTIONS, best_policy, synthetic_world, worst_policy
from training.strategies import champion_strategy, promote_strategy, register, strategy_file

WORLD = synthetic_world()
HOUSE = data_folder() / "reference" / "strategy.toml"
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


def judged(policy: np.ndarray, n: int = 6_000, seed: int = 1, **given: np.ndarray) -> StrategyVerdict:
    log, features, context = WORLD.draw(n, seed)
    possible = given.pop("possible", np.ones((n, N_ACTIONS), dtype=bool))
    incumbent = given.get("incumbent")
    against = {} if incumbent is None else {"incumbent": incumbent[context]}
    return judge(log, policy[context], possible, cross_fitted(log, features), **against)


@pytest.mark.parametrize("seed", range(10))
def test_a_planted_bad_policy_is_refused_every_time_and_the_best_one_passes(seed: int):
    assert judged(worst_policy(WORLD, explore=0.05), seed=seed).verdict == "worse"
    assert judged(best_policy(WORLD, explore=0.05), seed=seed).verdict == "passes"


def test_a_short_log_cannot_tell_and_says_how_many_rows_are_asked():
    found = judged(best_policy(WORLD), n=150)

    assert found.verdict == "cannot_tell"
    assert any("rows count in effect, 200 are asked" in reason for reason in found.reasons)


def test_choices_that_the_log_never_made_cannot_be_judged():
    possible = np.ones((6_000, N_ACTIONS), dtype=bool)
    possible[:, 1:] = np.random.default_rng(0).random((6_000, 3)) < 0.5

    found = judged(best_policy(WORLD), possible=possible)

    assert found.verdict != "passes"
    assert any("such as the log could not make" in reason for reason in found.reasons)


def test_propensities_that_are_not_what_happened_stop_a_promotion():
    log, features, context = WORLD.draw(6_000, 2)
    lied = LoggedChoices(log.actions, log.rewards, np.clip(log.propensity * 1.5, 0, 1), N_ACTIONS, log.customers)

    found = judge(
        lied, best_policy(WORLD)[context], np.ones((6_000, N_ACTIONS), dtype=bool), cross_fitted(lied, features)
    )

    assert not found.passes
    assert any("as often as its logged propensities say" in reason for reason in found.reasons)


def test_the_same_strategy_as_the_one_that_runs_is_not_worse():
    policy = best_policy(WORLD, explore=0.05)

    found = judged(policy, incumbent=policy)

    assert (found.verdict, found.difference.value) == ("passes", 0.0)


def test_the_report_is_plain_json_with_interval_overlap_and_clip_sensitivity():
    report = judged(best_policy(WORLD, explore=0.05)).as_dict()

    assert set(report["other_estimators"]) == {"IPS", "SNIPS", "DM", "SWITCH"}
    assert report["candidate"]["low"] < report["candidate"]["value"] < report["candidate"]["high"]
    assert list(report["clip_sensitivity"]) == ["5", "10", "20", "50", "none"]
    assert report["overlap"]["effective_rows"] <= 6_000


def test_a_strategy_gets_no_more_of_a_channel_than_the_log_used():
    draw = np.random.default_rng(3)
    values = np.concatenate([np.zeros((500, 1)), draw.normal(2, 3, (500, 3))], axis=1)
    used = np.array([0.5, 0.3, 0.15, 0.05])

    taken = np.bincount(at_parity(values, used), minlength=4) / 500

    assert (taken[1:] <= used[1:] + 1e-9).all()
    assert taken[1:].sum() > 0.4


def test_a_strategy_is_registered_once_promoted_only_when_it_passes_and_the_report_is_kept(tmp_path: Path):
    candidate = strategy_file(HOUSE)
    good, bad = judged(best_policy(WORLD, explore=0.05)), judged(worst_policy(WORLD))

    with pytest.raises(GateError, match=r"version 1 was not promoted. It is worse than what runs.*it would bring less"):
        promote_strategy(tmp_path, candidate, bad, approver="An Officer", promoted_at=AT)
    assert champion_strategy(tmp_path) is None
    with pytest.raises(GateError, match="The data cannot tell"):
        promote_strategy(tmp_path, candidate, judged(best_policy(WORLD), n=150), approver="An Officer", promoted_at=AT)
    with pytest.raises(BadRequestError, match="--approver"):
        promote_strategy(tmp_path, candidate, good, approver=" ", promoted_at=AT)

    version = promote_strategy(tmp_path, candidate, good, approver="An Officer", promoted_at=AT)

    running = champion_strategy(tmp_path)
    assert version == register(tmp_path, candidate) == "1"
    assert running is not None and running.version == candidate.version


def test_a_strategy_with_effects_that_do_not_exist_is_refused(tmp_path: Path):
    path = tmp_path / "strategy.toml"
    path.write_text('effects = "guessed"\n' + HOUSE.read_text(encoding="utf-8"), encoding="utf-8")

    with pytest.raises(PolicyError, match=r"'guessed' is none of learned, prior"):
        strategy_file(path)
