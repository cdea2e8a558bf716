"""What follows the boosters: calibration only beyond chance, honest intervals, the correlation alarm, directions, out-of-time rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.errors import BadRequestError, PortfolioError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.calibration import maps_from_json
from scoring.scores.intervals import intervals_from_json
from scoring.scores.log_odds import probability
from scoring.scores.payable import payable_shares
from scoring.scores.segments import adjusted_from_json
from training.boosting import fit_models, without_atom
from training.calibrating import calibrated, calibration_document
from training.directions import directions
from training.fitting import fit
from training.out_of_time import OUT_OF_TIME, SAME_DAYS, out_of_time
from training.recipe import Recipe, read_recipe
from training.reliability import adjusted_willingness, intervals_document, payable_bands, score_correlation
from training.search import SPACE, main, search
from training.snapshots import Snapshot, is_held_out, reference_rows

DAYS = (date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31))


def small(**split: object) -> Recipe:
    recipe = read_recipe(None)
    return replace(
        recipe,
        split={**recipe.split, "willingness_trees": 12, "out_of_time_folds": 2, **split},
        lightgbm={**recipe.lightgbm, "n_trees": 12},
    )


def a_day(as_of: date, n: int = 480, seed: int = 0) -> Snapshot:
    """Invented accounts: who paid lately pays again, and who paid much pays much."""
    draw = np.random.default_rng(seed + as_of.toordinal())
    values = draw.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    since = draw.uniform(0, 120, n)
    values[:, FEATURE_NAMES.index("days_since_last_payment")] = since
    size = draw.uniform(0, 1, n)
    values[:, FEATURE_NAMES.index("paid_to_cure_ratio_90d")] = size
    willing = (draw.random(n) < probability(1.5 - since / 40)).astype(float)
    share = np.where(draw.random(n) < 0.4, 1.0, np.clip(size + draw.normal(0, 0.1, n), 0.05, 1.0))
    owed = draw.integers(10_000, 900_000, n)
    positions = pd.DataFrame(
        {
            "account_id": [f"A{place}" for place in range(n)],
            "customer_id": [f"C{place}" for place in range(n)],
            "dpd": draw.integers(1, 90, n),
            "cure_amount_cents": owed,
        }
    )
    targets = pd.DataFrame(
        {
            "paid_cents": np.round(willing * share * owed).astype(np.int64),
            "willingness": willing,
            "ability": np.where(willing == 1, share, np.nan),
        }
    )
    return Snapshot(FeatureFrame(as_of, positions, values), targets, np.ones(n, dtype=bool))


@pytest.fixture(scope="module")
def days() -> list[Snapshot]:
    return [a_day(day) for day in DAYS]


def rows_of(margin: np.ndarray, truth: np.ndarray, seed: int, days: Sequence[date] = DAYS[1:]) -> pd.DataFrame:
    """Out-of-time rows of invented scores: log-odds of willingness as predicted and as they truly are."""
    draw = np.random.default_rng(seed)
    n = len(margin)
    willing = (draw.random(n) < probability(truth)).astype(float)
    ability = draw.normal(0, 1, n)
    share = np.where(willing == 1, np.clip(probability(ability) + draw.normal(0, 0.05, n), 0.01, 0.99), np.nan)
    return pd.DataFrame(
        {
            "customer_id": [f"C{place}" for place in range(n)],
            "cure_amount_cents": 100_000,
            "willingness": margin,
            "ability": ability,
            "full_payment": -3.0 + 0 * ability,
            "share_low": 0.1,
            "share_high": 0.9,
            "willing": willing,
            "share": share,
            "day": np.resize(np.array(days, dtype=object), n),
            "basis": OUT_OF_TIME,
        }
    )


def test_out_of_time_rows_come_from_days_and_customers_their_models_never_saw(
    days: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = []

    def spy(snapshots: Sequence[Snapshot], *rest: object, **more: object) -> object:
        taught.append([(one.frame.as_of, set(one.frame.positions["customer_id"])) for one in snapshots])
        return fit_models(snapshots, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("training.out_of_time.fit_models", spy)
    rows = out_of_time(days, small(out_of_time_days=2))

    parts = [part for _, part in rows.groupby([rows["day"], is_held_out(rows["customer_id"], 0.5, salt="out of time")])]
    assert len(taught) == len(parts) == 4
    assert len(rows) == 960
    for part in parts:
        seen = [day for day in taught if not any(set(part["customer_id"]) & customers for _, customers in day)]
        assert any(all((part["day"].iloc[0] - as_of).days >= 30 for as_of, _ in day) for day in seen)


def test_with_one_training_day_other_customers_of_that_day_must_do(days: list[Snapshot]) -> None:
    rows = out_of_time(days[-1:], small())

    assert set(rows["basis"]) == {SAME_DAYS}
    assert len(rows) == 480


def test_a_portfolio_too_small_for_out_of_time_rows_is_still_fitted() -> None:
    fitted = fit([a_day(DAYS[0], n=230)], small())

    assert fitted.facts["out_of_time"]["rows"] == 0
    assert fitted.documents["calibration"]["maps"] == {}
    assert fitted.documents["intervals"]["tables"] == {}


def test_fewer_than_200_rows_are_refused() -> None:
    with pytest.raises(PortfolioError, match="There are 150 training rows"):
        fit([a_day(DAYS[0], n=150)], small())


def test_several_threads_fit_the_same_models(days: list[Snapshot]) -> None:
    one, two = (fit(days[:1], small(), threads=threads) for threads in (1, 2))

    assert [one.boosters[name].model_to_string() for name in one.boosters] == [
        two.boosters[name].model_to_string() for name in one.boosters
    ]
    assert one.facts == two.facts


def test_a_perfectly_calibrated_score_is_left_as_it_is() -> None:
    margin = np.random.default_rng(1).normal(0, 1.5, 6_000)

    assert "willingness" not in calibration_document(rows_of(margin, margin, seed=2), seed=1)["maps"]


def test_a_score_that_is_wrong_in_every_month_is_mended_out_of_time() -> None:
    margin = np.random.default_rng(1).normal(0, 1.5, 6_000)
    rows = rows_of(margin, 0.5 * margin - 0.4, seed=2)

    document = calibration_document(rows, seed=1)

    assert "holds on the other day" in document["facts"]["willingness"]["why"]
    mended = maps_from_json(document)["willingness"].margin(margin)
    assert np.abs(probability(mended) - probability(0.5 * margin - 0.4)).mean() < 0.02


def test_one_day_alone_cannot_have_a_score_mended() -> None:
    margin = np.random.default_rng(1).normal(0, 1.5, 6_000)
    rows = rows_of(margin, 0.5 * margin - 0.4, seed=2, days=DAYS[1:2])

    document = calibration_document(rows, seed=1)

    assert document["maps"] == {}
    assert "one day only" in document["facts"]["willingness"]["why"]


def test_the_reliability_interval_holds_the_true_rate_of_accounts_scored_alike() -> None:
    margin = np.random.default_rng(3).normal(0, 1.5, 20_000)
    rows = rows_of(margin, margin, seed=4)
    rows = calibrated(rows, calibration_document(rows, seed=1))

    table = intervals_from_json(intervals_document(rows))["willingness"]

    low, high = table.around(np.linspace(-2, 2, 41))
    inside = (low <= probability(np.linspace(-2, 2, 41))) & (probability(np.linspace(-2, 2, 41)) <= high)
    assert inside.all()
    assert (high - low).max() < 0.12, "and it is narrow where twenty thousand accounts speak"


@pytest.mark.parametrize("share_paid_in_full", [0.0, 0.3, 0.6])
def test_payable_intervals_cover_what_they_say_even_where_many_pay_in_full(share_paid_in_full: float) -> None:
    draw = np.random.default_rng(5)
    n = 12_000
    middle = draw.uniform(0.2, 0.8, n)
    share = np.where(draw.random(n) < share_paid_in_full, 1.0, np.clip(middle + draw.normal(0, 0.1, n), 0.01, 0.99))
    rows = pd.DataFrame(
        {"share": share, "p_full": share_paid_in_full, "share_low": middle - 0.2, "share_high": middle + 0.2}
    )
    known, new = rows[: n // 2], rows[n // 2 :]

    bands, _ = payable_bands(known, 0.8)
    low, _, high = payable_shares(
        bands, *(new[name].to_numpy() for name in ("p_full", "share_low", "share_low", "share_high"))
    )

    assert ((new["share"] >= low) & (new["share"] <= high)).mean() == pytest.approx(0.8, abs=0.02)


def test_spreading_the_atom_lets_an_upper_quantile_learn() -> None:
    draw = np.random.default_rng(6)
    x = draw.random((4_000, len(FEATURE_NAMES))).astype(np.float32)
    share = np.where(draw.random(4_000) < x[:, 0], 1.0, 0.3 * x[:, 1])

    assert (np.minimum(without_atom(share, seed=1), 1.0) == share).all()


@pytest.mark.parametrize(("tie", "alarm"), [(0.2, False), (0.9, True)])
def test_the_alarm_fires_where_the_two_scores_are_nearly_one(tie: float, alarm: bool) -> None:
    draw = np.random.default_rng(7)
    first = draw.normal(size=3_000)
    second = tie * first + np.sqrt(1 - tie**2) * draw.normal(size=3_000)
    rows = pd.DataFrame({"w": probability(first), "a": probability(second), "customer_id": np.arange(3_000)})

    found = score_correlation(rows)

    assert found["alarm"] is alarm
    assert found["pearson_interval"][0] < found["pearson"] < found["pearson_interval"][1]


def test_adjusted_willingness_does_not_follow_ability() -> None:
    draw = np.random.default_rng(8)
    a_margin = draw.normal(size=5_000)
    w_margin = np.tanh(a_margin) * 2 + draw.normal(size=5_000)
    rows = pd.DataFrame({"a": probability(a_margin), "w_margin": w_margin})

    fitted = adjusted_from_json(adjusted_willingness(rows))

    adjusted = fitted.adjusted(w_margin, probability(a_margin))
    assert abs(np.corrcoef(adjusted, a_margin)[0, 1]) < 0.06
    assert abs(np.corrcoef(w_margin, a_margin)[0, 1]) > 0.5


def test_a_later_payment_never_lowers_willingness_where_directions_are_kept(days: list[Snapshot]) -> None:
    recipe = replace(small(), monotone={"willingness": True, "ability": True, "full_payment": True})
    booster = fit_models(days, recipe, ("willingness",))["willingness"]
    values = days[0].frame.values[:100].copy()
    scored = []
    for since in (5, 30, 60, 119):
        values[:, FEATURE_NAMES.index("days_since_last_payment")] = since
        scored.append(np.asarray(booster.predict(values)))

    assert (np.diff(scored, axis=0) <= 0).all()
    assert scored[0].mean() > scored[-1].mean()


def test_every_direction_is_of_a_registered_feature_and_balances_are_free() -> None:
    table = directions()

    assert {name for score in table.values() for name in score} <= set(FEATURE_NAMES)
    assert not any(
        name.startswith(("balance", "utilisation", "account_age")) for score in table.values() for name in score
    )


def test_reference_rows_do_not_change_when_the_portfolio_is_listed_in_another_order(days: list[Snapshot]) -> None:
    shuffled = []
    for one in reversed(days):
        order = np.random.default_rng(9).permutation(len(one.frame))
        shuffled.append(
            Snapshot(one.frame.take(order), one.targets.iloc[order].reset_index(drop=True), one.in_queue[order])
        )

    found, again = reference_rows(days), reference_rows(shuffled)

    assert found.shape == (40, len(FEATURE_NAMES)) and found.dtype == np.float32
    assert found.tobytes() == again.tobytes()


def test_a_search_starts_from_the_recipe_and_stays_within_its_space(days: list[Snapshot]) -> None:
    trials = search(days, small(out_of_time_days=1), 3, seed=1)

    assert trials[0].settings == {}
    assert all(trial.settings[name] in SPACE[name] for trial in trials[1:] for name in SPACE)
    assert [t.loss for t in trials] == [t.loss for t in search(days, small(out_of_time_days=1), 3, seed=1)]


def test_an_unbounded_search_is_refused(days: list[Snapshot]) -> None:
    with pytest.raises(BadRequestError, match="101 trials were asked for"):
        search(days, small(), 101, seed=1)


def test_the_search_command_says_what_is_wrong_with_its_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "mine.toml")]) == 2
    assert "error [" in capsys.readouterr().err
