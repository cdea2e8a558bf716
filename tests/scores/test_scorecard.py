"""The scorecard: whole points that add up by hand, at run time without anything but the table."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.errors import BundleError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.scorecard import Card, Characteristic, PayableBand, Scale, Scorecard
from training.recipe import read_recipe
from training.scorecard import challenger_scores, fit_scorecard
from training.snapshots import Snapshot
from training.woe import MOST_BANDS, cut, fit_woe

DPD, PAID = FEATURE_NAMES.index("dpd"), FEATURE_NAMES.index("n_payments_90d")
ARREARS = Characteristic("dpd", (10.0, 30.0), (0.7, 0.0, -0.7, 0.0), (50, 0, -50, 0), (0.4, 0.4, 0.2, 0.0), 0.3)
PAYMENTS = Characteristic("n_payments_90d", (0.5,), (-1.0, 0.5, 0.0), (-70, 36, 0), (0.3, 0.6, 0.1), 0.4)
AGE = Characteristic("account_age_days", (400.0,), (-0.2, 0.2, 0.0), (-14, 14, 0), (0.5, 0.5, 0.0), 0.05)
CARD = Card(510, (PAYMENTS, ARREARS, AGE))
BANDS = (PayableBand(0.4, 0.05, 0.2, 0.6), PayableBand(1.0, 0.3, 0.9, 1.0))
SCORECARD = Scorecard(Scale(), {"willingness": CARD, "ability": CARD, "full_payment": CARD}, BANDS, "four accounts")


def rows(**features: list[float]) -> npt.NDArray[np.float32]:
    found = np.full((len(next(iter(features.values()))), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for name, column in features.items():
        found[:, FEATURE_NAMES.index(name)] = column
    return found


def snapshot(n: int = 3000, seed: int = 1) -> Snapshot:
    """Accounts whose payments in 90 days drive whether they pay, and whose arrears drive how much."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    values[draw.random((n, len(FEATURE_NAMES))) < 0.1] = np.nan
    n_payments, dpd = np.nan_to_num(values[:, PAID]), np.nan_to_num(values[:, DPD])
    willing = (n_payments + draw.normal(size=n) > 0).astype(float)
    share = np.clip(1 / (1 + np.exp(dpd * 1.5 + draw.normal(size=n))), 0.01, 1.0)
    share[share > 0.8] = 1.0
    at = pd.DataFrame(
        {
            "account_id": [f"A{row}" for row in range(n)],
            "customer_id": [f"C{row}" for row in range(n)],
            "dpd": 20,
            "cure_amount_cents": 100_000,
        }
    )
    targets = pd.DataFrame({"willingness": willing, "ability": np.where(willing == 1, share, np.nan)})
    return Snapshot(FeatureFrame(date(2025, 5, 1), at, values), targets, np.ones(n, dtype=bool))


@pytest.fixture(scope="module")
def fitted() -> Scorecard:
    return fit_scorecard([snapshot()], read_recipe(None))


# --- the table at run time ---


def test_points_add_up_by_hand() -> None:
    values = rows(dpd=[5.0, 40.0], n_payments_90d=[1.0, np.nan], account_age_days=[500.0, 400.0])
    assert CARD.score(values).tolist() == [510 + 36 + 50 + 14, 510 + 0 - 50 - 14]


def test_an_edge_belongs_to_the_lower_band() -> None:
    assert CARD.parts(rows(dpd=[10.0, 10.5, 30.0]))[:, 1].tolist() == [50, 0, 0]


def test_even_odds_at_the_base_and_twice_the_odds_every_fifty_points() -> None:
    chances = 1 / (1 + np.exp(-Scale().log_odds(np.array([500, 550, 600]))))
    assert chances / (1 - chances) == pytest.approx([1, 2, 4])


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 5), st.floats(0, 4000)), min_size=1, max_size=20))
def test_reasons_by_group_add_up_to_the_score_less_that_of_the_population(accounts: list[tuple[float, ...]]) -> None:
    dpd, paid, age = (list(column) for column in zip(*accounts, strict=True))
    values = rows(dpd=dpd, n_payments_90d=paid, account_age_days=age)
    groups, points = CARD.reasons(values)
    assert groups == ["payment_pattern", "length_of_arrears", "account_history"]
    assert points.sum(axis=1) + CARD.expected_score == pytest.approx(CARD.score(values).astype(float))


def test_changes_name_only_what_a_customer_can_change_and_what_it_would_add() -> None:
    account = rows(dpd=[40.0], n_payments_90d=[0.0], account_age_days=[100.0])[0]
    changes = CARD.changes(account)
    assert [(one.feature, one.now, one.instead, one.points) for one in changes] == [
        ("n_payments_90d", "up to 0.5", "above 0.5", 106),
        ("dpd", "above 30", "up to 10", 100),
        ("dpd", "above 30", "above 10 up to 30", 50),
    ]


@given(st.floats(0, 200), st.floats(0, 5))
def test_a_change_made_moves_the_score_by_the_points_it_names(dpd: float, paid: float) -> None:
    account = rows(dpd=[dpd], n_payments_90d=[paid], account_age_days=[100.0])
    inside = {"up to 0.5": 0.0, "above 0.5": 1.0, "up to 10": 5.0, "above 10 up to 30": 20.0, "above 30": 60.0}
    for change in CARD.changes(account[0]):
        moved = account.copy()
        moved[0, FEATURE_NAMES.index(change.feature)] = inside[change.instead]
        assert CARD.score(moved)[0] - CARD.score(account)[0] == change.points


def test_one_account_alone_scores_as_among_others(fitted: Scorecard) -> None:
    frame = snapshot(50, seed=3).frame
    whole = fitted.scored(frame)
    alone = pd.concat([fitted.scored(frame.take(np.array([row]))) for row in range(len(frame))], ignore_index=True)
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)


def test_a_scorecard_reads_back_as_written_and_scores_alike(fitted: Scorecard) -> None:
    again = Scorecard.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    assert again == fitted
    frame = snapshot(50, seed=4).frame
    pd.testing.assert_frame_equal(again.scored(frame), fitted.scored(frame), check_exact=True)


def test_a_scorecard_of_other_features_is_refused() -> None:
    document = SCORECARD.to_json()
    document["cards"]["ability"]["characteristics"][0]["feature"] = "shoe_size"
    with pytest.raises(BundleError, match=r"asks for features this code does not compute: \['shoe_size'\]"):
        Scorecard.from_json(document)


def test_a_scorecard_without_the_ability_card_is_refused() -> None:
    document = SCORECARD.to_json()
    del document["cards"]["ability"]
    with pytest.raises(BundleError, match="Retrain with this version"):
        Scorecard.from_json(document)


# --- fitting ---


def test_the_card_finds_what_drives_payment_and_leaves_noise_out(fitted: Scorecard) -> None:
    assert [one.feature for one in fitted.cards["willingness"].characteristics] == ["n_payments_90d"]
    assert [one.feature for one in fitted.cards["ability"].characteristics] == ["dpd"]


def test_points_follow_the_evidence_of_their_band(fitted: Scorecard) -> None:
    for card in fitted.cards.values():
        for one in card.characteristics:
            assert len(one.points) == len(one.woe) == len(one.share) == len(one.edges) + 2 <= MOST_BANDS + 1
            assert (np.diff(np.asarray(one.points)[np.argsort(one.woe)]) >= 0).all()
            assert sum(one.share) == pytest.approx(1)


def test_probabilities_of_the_card_are_calibrated_on_new_accounts(fitted: Scorecard) -> None:
    fresh = snapshot(3000, seed=2)
    scored = challenger_scores(fitted, fresh)
    assert scored["w_logged"].mean() == pytest.approx(fresh.targets["willingness"].mean(), abs=0.03)
    paid = fresh.targets["ability"].notna()
    assert scored["ability"][paid].mean() == pytest.approx(fresh.targets["ability"][paid].mean(), abs=0.03)


def test_the_payable_interval_holds_the_share_it_promises_on_new_payers(fitted: Scorecard) -> None:
    fresh = snapshot(3000, seed=2)
    scored = challenger_scores(fitted, fresh)
    paid = fresh.targets["ability"] * scored["cure_amount_cents"]
    inside = (paid >= scored["payable_low_cents"] - 5) & (paid <= scored["payable_high_cents"] + 5)
    assert 0.76 <= inside[paid.notna()].mean() <= 0.86


def test_a_column_of_one_value_says_nothing() -> None:
    assert cut(np.ones(500, dtype=np.float32), np.arange(500) % 2 * 1.0).information == pytest.approx(0.0, abs=1e-9)


def test_a_target_that_falls_and_rises_keeps_its_shape() -> None:
    x = np.linspace(-2, 2, 4000, dtype=np.float32)
    found = cut(x, (np.abs(x) > 1).astype(float))
    assert found.edges == pytest.approx((-1.0, 1.0), abs=0.01)


@given(st.integers(0, 1000))
@example(892)  # its last band is so small that the prior drew it below its neighbour
def test_bands_of_a_rising_target_rise(seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=400).astype(np.float32)
    found = cut(x, 1 / (1 + np.exp(-x.astype(float))))
    assert list(found.woe[:-1]) == sorted(found.woe[:-1])


def test_two_columns_that_say_the_same_enter_once() -> None:
    draw = np.random.default_rng(5)
    x = draw.normal(size=2000).astype(np.float32)
    fitted = fit_woe(np.column_stack([x, 2 * x]), (x + draw.normal(size=2000) > 0).astype(float), seed=1)
    assert len(fitted.places) == 1
