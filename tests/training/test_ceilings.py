"""The studies that judge scores by the truth: what a perfect, a random and a biased score come out as, and when silence falls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scoring.features import inflows
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from training.simulator.ceiling import Observed, told_of
from training.studies.abstention import _hidden, falls, picture, removals
from training.studies.ceiling_figures import Aim, Figure, figures_of, measures, spearman
from training.studies.ceilings import report

N = 600


@pytest.fixture
def perfect() -> pd.DataFrame:
    """Scores that are the truth itself, and a ceiling that is no better."""
    draw = np.random.default_rng(1)
    pays, share = draw.uniform(0.05, 0.95, (2, N))
    capacity = share + draw.normal(0, 0.1, N)
    cure = np.full(N, 10_000.0)
    cannot = np.where(pays > share, 1.0, 0.0)
    truth = {"w_none": pays, "ability": share, "capacity": capacity, "resolve": pays, "cannot_pay": cannot}
    return pd.DataFrame(
        {
            **{f"true_{name}": values for name, values in truth.items()},
            **{f"ceiling_{name}": values for name, values in truth.items()},
            "w_none": pays,
            "ability": share,
            "p_full": share,
            "bucket": draw.choice(["M1", "M2"], N),
            "cure_amount_cents": cure,
            "true_cents": pays * share * cure,
            "is_unable": share < 0.3,
            "willingness": (draw.random(N) < pays).astype(float),
            "share": np.where(draw.random(N) < pays, share, np.nan),
            "payable_low_cents": 0,
            "payable_high_cents": 10_000,
            "segment": "undetermined",
        }
    )


def by_name(table: pd.DataFrame) -> dict[str, Figure]:
    return {each.name: each for each in figures_of(table, replicates=20)}


def test_scores_that_are_the_truth_meet_every_aim_with_a_ratio_of_one(perfect: pd.DataFrame) -> None:
    found = by_name(perfect)

    assert [each.name for each in found.values() if not each.is_met and "capacity" not in each.name] == []
    assert found["w_none ~ P(token payment, no contact)"].value == pytest.approx(1.0)
    assert found["w_none x ability x D: cash, all"].value == pytest.approx(1.0)
    assert found["w_none ~ capacity less true P ~ capacity"].value == pytest.approx(0.0)


def test_a_willingness_that_is_too_high_is_seen_in_the_cash_and_not_in_the_ranks(perfect: pd.DataFrame) -> None:
    found = by_name(perfect.assign(w_none=perfect["w_none"] * 1.2))

    assert found["w_none x ability x D: cash, all"].value == pytest.approx(1.2)
    assert not found["w_none x ability x D: cash, all"].is_met
    assert found["w_none ~ P(token payment, no contact)"].is_met


def test_a_willingness_that_soaks_up_capacity_is_seen_as_cross_loading(perfect: pd.DataFrame) -> None:
    soaked = by_name(perfect.assign(w_none=perfect["true_capacity"].rank(pct=True)))

    assert soaked["w_none ~ capacity less true P ~ capacity"].value > 0.5
    assert not soaked["w_none ~ capacity less true P ~ capacity"].is_met


def test_random_scores_reach_nothing_of_the_ceiling(perfect: pd.DataFrame) -> None:
    draw = np.random.default_rng(2)
    found = by_name(perfect.assign(w_none=draw.random(N), ability=draw.random(N)))

    assert abs(found["w_none ~ P(token payment, no contact)"].value) < 0.15
    assert abs(found["ability ~ share given payment"].value) < 0.15
    assert not found["cannot pay or will not: lift of AUC"].is_met


def test_an_interval_holds_its_figure(perfect: pd.DataFrame) -> None:
    noisy = perfect.assign(ability=perfect["ability"] + np.random.default_rng(3).normal(0, 0.2, N))

    figure = by_name(noisy)["ability ~ share given payment"]

    assert figure.low < figure.value < figure.high < 1.0


def test_each_bucket_that_occurs_has_its_own_cash_figure(perfect: pd.DataFrame) -> None:
    names = [measure.name for measure in measures(perfect)]

    assert [name for name in names if "cash" in name] == [
        f"w_none x ability x D: cash, {which}" for which in ("all", "M1", "M2")
    ]


def test_a_figure_that_cannot_be_computed_misses_its_aim() -> None:
    assert not Aim(0.85).is_met(float("nan"))
    assert not Aim(most=0.1).is_met(float("nan"))


def test_ranks_are_compared_only_where_both_are_known() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 1.0, np.nan, 0.0])) == -1.0


def test_the_report_marks_what_is_missed(perfect: pd.DataFrame) -> None:
    text = report({"base": figures_of(perfect.assign(w_none=perfect["w_none"] * 1.2), replicates=5)}, {"base": N})

    assert "**1.200**" in text
    assert "| **no** |" in text


def test_a_ceiling_is_told_by_models_that_never_saw_the_customer() -> None:
    # Each customer has an answer of their own that only their own rows could teach.
    draw = np.random.default_rng(4)
    customers = np.repeat([f"C{number}" for number in range(150)], 2)
    own = np.repeat(draw.random(150), 2)
    values = np.column_stack([np.repeat(np.arange(150.0), 2), draw.random(300)]).astype(np.float32)
    answers = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in range(300)],
            "customer_id": customers,
            "cure_amount_cents": 100,
            "w_none": own,
        }
    )

    told = told_of([Observed(pd.Timestamp("2026-07-31").date(), values, answers)], pd.Timestamp("2026-07-31").date())

    assert abs(np.corrcoef(told["w_none"], own)[0, 1]) < 0.3


def test_a_ceiling_is_near_one_where_a_feature_is_the_answer() -> None:
    draw = np.random.default_rng(5)
    values = draw.random((600, 3)).astype(np.float32)
    answers = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in range(600)],
            "customer_id": [f"C{number}" for number in range(600)],
            "cure_amount_cents": 100,
            "w_none": values[:, 0],
            "ability": np.where(draw.random(600) < 0.5, values[:, 1], np.nan),
        }
    )
    day = pd.Timestamp("2026-07-31").date()

    told = told_of([Observed(day, values, answers)], day)

    assert spearman(told["w_none"], values[:, 0]) > 0.95
    assert spearman(told["ability"], values[:, 1]) > 0.9


def test_hiding_more_hides_the_same_customers_and_more() -> None:
    ids = pd.Series([f"C{number}" for number in range(400)])
    frame = FeatureFrame(
        pd.Timestamp("2026-07-31").date(),
        pd.DataFrame({"customer_id": ids}),
        np.ones((400, len(FEATURE_NAMES)), dtype=np.float32),
    )
    place = FEATURE_NAMES.index("inflow_months_seen_180d")

    some, more = (np.isnan(_hidden(frame, inflows.FEATURES, share).values[:, place]) for share in (0.3, 0.7))

    assert 0.2 < some.mean() < 0.4
    assert (some <= more).all() and 0.6 < more.mean() < 0.8
    assert np.isfinite(_hidden(frame, inflows.FEATURES, 1.0).values[:, FEATURE_NAMES.index("dpd")]).all()


def test_every_ladder_starts_with_everything() -> None:
    first = {each.ladder: each for each in reversed(removals())}

    assert {(each.inflows_hidden, each.payments_hidden, each.months) for each in first.values()} == {(0.0, 0.0, 24)}


def test_a_curve_that_falls_is_named_and_one_that_rises_is_not() -> None:
    rising = pd.DataFrame({"ladder": "x", "step": ["a", "b"], "insufficient": [0.1, 0.1], "undetermined": [0.3, 0.9]})

    assert falls(rising) == []
    assert falls(rising.iloc[::-1]) == ["x, a: undetermined falls from 0.900 to 0.300"]
    assert len(picture(rising).axes) == 1
