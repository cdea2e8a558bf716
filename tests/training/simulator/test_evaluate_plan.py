"""Judging plans: random earns its share, nobody beats the oracle, and a better plan scores better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import AsOfError, BadRequestError
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.evaluate_plan import Evaluation, evaluate
from training.simulator.board import DEFAULT_SHARES, STRONGEST_FIRST
from training.simulator.judge import NOBODY, best_assignment, gained, read_truth

Simulated = Callable[..., Path]


@pytest.fixture(scope="module")
def book(simulated: Simulated) -> Path:
    return simulated("base", accounts=6_000, seed=20, months=14, truth=True)


@pytest.fixture(scope="module")
def evaluation(book: Path) -> Evaluation:
    return evaluate(book)


def value_of(evaluation: Evaluation, rule: str) -> float:
    return float(evaluation.rules.set_index("rule").loc[rule, "value_cents"])


def test_random_earns_what_its_capacity_is_worth(book: Path, evaluation: Evaluation):
    truth = read_truth(book)
    expected = sum(share * truth.value()[:, CONTACT_CHANNELS.index(c)].sum() for c, share in DEFAULT_SHARES.items())

    row = evaluation.rules.set_index("rule").loc["random"]

    assert row["value_cents"] == pytest.approx(expected, rel=0.05)
    assert row["low_cents"] < expected < row["high_cents"]


def test_calling_a_random_share_captures_that_share_of_the_gain(evaluation: Evaluation):
    curve = evaluation.capture[evaluation.capture["rule"] == "random"]

    assert curve["captured_share"].to_numpy() == pytest.approx(curve["worked_share"].to_numpy(), abs=0.03)


def test_nobody_beats_the_oracle(evaluation: Evaluation):
    value = evaluation.rules.set_index("rule")["value_cents"]

    assert value.drop("truth oracle").max() < value["truth oracle"] <= evaluation.bound_cents
    assert (evaluation.rules["regret_cents"] >= 0).all()


def test_the_feature_ceiling_lies_between_random_and_the_oracle(evaluation: Evaluation):
    assert (
        value_of(evaluation, "random") < value_of(evaluation, "feature ceiling") < value_of(evaluation, "truth oracle")
    )
    assert evaluation.rules.set_index("rule").loc["feature ceiling", "gap_closed"] == pytest.approx(1.0)


def test_features_tell_capacity_and_willingness_better_than_chance_and_worse_than_perfectly(evaluation: Evaluation):
    assert evaluation.ceiling["ceiling"].between(0.3, 0.95).all()


def test_a_perfect_plan_is_recognised_and_its_capacity_is_everybody_elses(book: Path, tmp_path: Path):
    truth = read_truth(book)
    choice, _ = best_assignment(truth.value(), [0, 0, 0, 0, 0, 60, 0, 0, 0])
    plan = a_plan(tmp_path, truth.accounts["account_id"], choice)

    judged = evaluate(book, plan=plan, out=tmp_path / "out")

    contacts = judged.rules.set_index("rule")["contacts"].drop(["nothing", "feature ceiling", "truth oracle"])
    assert set(contacts) == {60}
    assert judged.unmatched == 1
    assert value_of(judged, "plan") == pytest.approx(judged.bound_cents)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "capture.csv", "capture.png", "ceiling.csv", "contrasts.csv", "rates.csv", "rates.png", "rules.csv",
    ]  # fmt: skip


def a_plan(folder: Path, account_ids: pd.Series, choice: np.ndarray) -> Path:
    words = np.array([*map(str, CONTACT_CHANNELS), "none"])
    decisions = pd.DataFrame({"account_id": account_ids, "as_of": pd.Timestamp("2026-07-31"), "channel": words[choice]})
    decisions.loc[len(decisions)] = ["A999999", pd.Timestamp("2026-07-31"), "sms"]
    scores = pd.DataFrame({"account_id": account_ids, "w_none": 0.5, "ability": 0.8})
    scores["w_none"] += np.linspace(-0.3, 0.3, len(scores))
    decisions.to_parquet(folder / "decisions.parquet")
    scores.to_parquet(folder / "scores.parquet")
    return folder


def test_a_folder_without_truth_is_refused(tmp_path: Path):
    with pytest.raises(BadRequestError, match=r"holds no truth/truth\.toml, so what would have happened"):
        evaluate(tmp_path)


def test_a_plan_for_a_day_without_truth_is_refused(book: Path):
    with pytest.raises(AsOfError, match="The truth of 2026-01-01 was not simulated, only of 2026-05-31, 2026-07-31"):
        evaluate(book, as_of=pd.Timestamp("2026-01-01").date())


def test_a_folder_without_a_plan_is_refused(book: Path, tmp_path: Path):
    with pytest.raises(BadRequestError, match=r"holds no decisions\.parquet and no scores\.parquet"):
        evaluate(book, plan=tmp_path)


def test_ranking_rules_know_the_strength_of_every_channel():
    assert sorted(STRONGEST_FIRST) == sorted(CONTACT_CHANNELS)
    assert Channel.NONE not in STRONGEST_FIRST


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    places=st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=3, max_size=3),
)
def test_no_assignment_within_the_places_is_worth_more_than_the_bound(seed: int, places: list[int | None]):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(12, 3))
    best, bound = best_assignment(values, places)
    other = rng.integers(-1, 3, 12)
    for channel, limit in enumerate(places):
        rows = np.flatnonzero(other == channel)
        other[rows[len(rows) if limit is None else limit :]] = NOBODY

    assert gained(best, values).sum() == pytest.approx(bound)
    assert gained(other, values).sum() <= bound + 1e-9
    assert all(limit is None or (best == channel).sum() <= limit for channel, limit in enumerate(places))
