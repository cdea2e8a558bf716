"""Segments, evidence, buckets and probabilities: each edge on both sides, and the same bits whatever the batch."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.features.builder import FeatureFrame
from scoring.features.definition import ReasonGroup
from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.scores.calibration import SmoothMap, log_shares
from scoring.scores.evidence import MISSING, is_enough, missing_evidence, required_certainty, told
from scoring.scores.intervals import ReliabilityInterval
from scoring.scores.payable import PayableBand, payable_shares
from scoring.scores.scores import (
    EVIDENCE_FEATURES,
    SEGMENT_THRESHOLD,
    buckets,
    channel_effects,
    evidence,
    group_contributions,
    probability,
    segments,
)
from scoring.scores.segments import AdjustedWillingness
from scoring.vocabulary import CONTACT_CHANNELS, bucket_of

MARGINS = arrays(np.float64, st.integers(0, 70), elements=st.floats(-40, 40))
ENOUGH = {
    "account_age_days": 90,
    "n_statements_365d": 2,
    "n_payments_365d": 2,
    "inflow_months_seen_180d": np.nan,
}


def evidence_of(**changes: float) -> str:
    values = np.full((1, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for name, value in (ENOUGH | changes).items():
        values[0, FEATURE_NAMES.index(name)] = value
    return str(evidence(FeatureFrame(date(2025, 3, 31), None, values))[0])  # type: ignore[arg-type]


@given(MARGINS)
def test_a_probability_has_the_same_bits_alone_as_in_any_batch(margins: np.ndarray):
    alone = np.concatenate([probability(margins[[row]]) for row in range(len(margins))] or [np.empty(0)])

    assert probability(margins).tobytes() == alone.tobytes()


@given(MARGINS)
def test_a_probability_lies_between_zero_and_one_and_rises_with_the_margin(margins: np.ndarray):
    found = probability(np.sort(margins))

    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


@given(st.lists(st.integers(0, 1_000), max_size=40))
def test_buckets_of_many_are_the_bucket_of_each(dpd: list[int]):
    assert buckets(np.array(dpd, dtype=np.int64)).tolist() == [str(bucket_of(days)) for days in dpd]


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_segment_is_told_only_above_its_threshold(willing: float, full: float):
    cells = {
        "willing_able": willing * full,
        "willing_unable": willing * (1 - full),
        "unwilling_able": (1 - willing) * full,
        "unwilling_unable": (1 - willing) * (1 - full),
    }
    sure = [name for name, share in cells.items() if share > SEGMENT_THRESHOLD]

    [found] = segments(np.array([willing]), np.array([full]), np.array(["sufficient"], dtype=object))

    assert found == (sure[0] if sure else "undetermined")


def test_without_enough_evidence_no_segment_is_told():
    [found] = segments(np.array([0.99]), np.array([0.99]), np.array(["insufficient_evidence"], dtype=object))

    assert found == "undetermined"


def test_two_payments_in_a_year_two_statements_and_ninety_days_are_enough():
    assert evidence_of() == "sufficient"


def test_visible_inflows_stand_in_for_payments():
    assert evidence_of(n_payments_365d=np.nan, inflow_months_seen_180d=1) == "sufficient"


@pytest.mark.parametrize(
    "change",
    [
        {"account_age_days": 89},
        {"n_statements_365d": 1},
        {"n_statements_365d": np.nan},
        {"n_payments_365d": 1},
        {"n_payments_365d": np.nan},
        {"n_payments_365d": 1, "inflow_months_seen_180d": 0},
    ],
    ids=str,
)
def test_a_new_account_a_short_history_or_neither_payments_nor_inflow_is_not_enough(change: dict[str, float]):
    assert evidence_of(**change) == "insufficient_evidence"


@pytest.mark.parametrize(
    ("counted", "found"),
    [
        ({"n_payments_180d": 2}, "sufficient"),
        ({"n_payments_90d": 2}, "sufficient"),
        ({"n_payments_180d": 1, "n_payments_90d": 1}, "insufficient_evidence"),
    ],
    ids=str,
)
def test_where_the_history_is_shorter_than_a_year_payments_count_in_the_widest_window_it_reaches(
    counted: dict[str, float], found: str
):
    assert evidence_of(n_payments_365d=np.nan, **counted) == found


def evidence_frame(seen: np.ndarray) -> np.ndarray:
    values = np.full((len(seen), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for place, name in enumerate(EVIDENCE_FEATURES):
        values[:, FEATURE_NAMES.index(name)] = seen[:, place]
    return values


COUNTS = arrays(
    np.float32, (12, len(EVIDENCE_FEATURES)), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0, 89.0, 90.0, 400.0, np.nan])
)


@given(COUNTS, COUNTS)
def test_taking_evidence_away_never_makes_the_rest_enough(seen: np.ndarray, hidden: np.ndarray):
    """Hiding inflows or shortening a history can only lower what these features count, or leave it unobserved."""
    with np.errstate(invalid="ignore"):
        less = np.where(np.isnan(seen) | np.isnan(hidden), np.nan, np.minimum(seen, hidden))

    before, after = missing_evidence(evidence_frame(seen)), missing_evidence(evidence_frame(less))

    assert (after & before == before).all(), "what was missing stays missing"
    assert not (is_enough(after) & ~is_enough(before)).any()


PROBABILITIES = arrays(np.float64, (2, 12), elements=st.floats(0, 1))


@given(COUNTS, COUNTS, PROBABILITIES)
def test_the_same_probabilities_never_tell_a_segment_with_less_evidence_that_they_did_not_tell_with_more(
    seen: np.ndarray, hidden: np.ndarray, told_apart: np.ndarray
):
    with np.errstate(invalid="ignore"):
        less = np.where(np.isnan(seen) | np.isnan(hidden), np.nan, np.minimum(seen, hidden))
    willing, full = told_apart

    def silent(counted: np.ndarray) -> np.ndarray:
        values = evidence_frame(counted)
        state = np.where(is_enough(missing_evidence(values)), "sufficient", "insufficient_evidence").astype(object)
        return segments(willing, full, state, required_certainty(values)) == "undetermined"

    assert (silent(less) >= silent(seen)).all()
    assert (required_certainty(evidence_frame(less)) >= required_certainty(evidence_frame(seen))).all()
    assert (required_certainty(evidence_frame(seen)) >= SEGMENT_THRESHOLD).all()


@given(COUNTS)
def test_everyone_without_enough_evidence_is_told_what_is_missing(seen: np.ndarray):
    missing = missing_evidence(evidence_frame(seen))

    assert all(words != "" for words in told(missing[~is_enough(missing)]))
    assert set(",".join(told(missing)).split(",")) <= {*MISSING, ""}


def test_what_evidence_asks_for_are_registered_features():
    assert set(EVIDENCE_FEATURES) <= set(FEATURE_NAMES)


def test_grouped_contributions_lose_nothing():
    parts = np.random.default_rng(0).integers(-8, 9, (5, len(FEATURES) + 1)).astype(np.float64)

    groups, summed = group_contributions(parts)

    assert set(groups) == {str(group) for group in ReasonGroup}
    assert summed.sum(axis=1).tolist() == parts[:, :-1].sum(axis=1).tolist()


def test_every_contact_channel_has_an_effect_a_cost_and_a_source():
    effects = channel_effects()

    assert tuple(effects) == CONTACT_CHANNELS
    assert all(e.shift >= 0 and e.cost_cents > 0 and e.minutes >= 0 and len(e.source) > 10 for e in effects.values())


def test_where_the_scores_cannot_be_told_apart_every_segment_is_undetermined():
    sure = np.full(3, 0.99)
    enough = np.full(3, "sufficient", dtype=object)

    assert segments(sure, sure, enough).tolist() == ["willing_able"] * 3
    assert segments(sure, sure, enough, alarm=True).tolist() == ["undetermined"] * 3


SHAPES = st.tuples(st.floats(-2, 2), st.floats(0.05, 3), st.floats(0.05, 3))


@given(MARGINS, SHAPES)
def test_a_smooth_map_keeps_the_order_and_ties_nobody_within_reach(margins: np.ndarray, shape: tuple[float, ...]):
    ordered = np.unique(margins.round(3))

    mapped = SmoothMap(*shape).margin(ordered)

    assert (np.diff(mapped) > 0).all()


@given(MARGINS, SHAPES)
def test_a_calibrated_score_has_the_same_bits_alone_as_in_any_batch(margins: np.ndarray, shape: tuple[float, ...]):
    fitted = SmoothMap(*shape)
    alone = np.concatenate([fitted.probability(margins[[row]]) for row in range(len(margins))] or [np.empty(0)])

    assert fitted.probability(margins).tobytes() == alone.tobytes()


@given(MARGINS)
def test_logarithms_of_both_shares_are_exact_far_out(margins: np.ndarray):
    of_one, of_zero = log_shares(margins)

    assert np.allclose(np.exp(of_one) + np.exp(of_zero), 1.0, rtol=0, atol=1e-12)
    assert np.allclose(of_one - of_zero, margins, rtol=1e-12, atol=1e-12)


@given(
    MARGINS,
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 3)),
        min_size=1,
        max_size=20,
        unique_by=lambda k: round(k[0], 6),
    ),
)
def test_an_interval_holds_its_score_and_has_the_same_bits_alone(margins: np.ndarray, knots: list[tuple[float, ...]]):
    table = ReliabilityInterval(*map(tuple, zip(*sorted(knots), strict=True)))

    low, high = table.around(margins)

    alone = [table.around(margins[[row]]) for row in range(len(margins))]
    assert ((low <= probability(margins)) & (probability(margins) <= high)).all()
    assert low.tobytes() == b"".join(ends[0].tobytes() for ends in alone)
    assert high.tobytes() == b"".join(ends[1].tobytes() for ends in alone)


@given(arrays(np.float64, (4, 9), elements=st.floats(-0.5, 1.5)), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_payable_ends_lie_in_order_between_nothing_and_everything(drawn: np.ndarray, first: float, second: float):
    bands = (PayableBand(0.0, first, False), PayableBand(0.1, second, True))

    low, mid, high = payable_shares(bands, np.clip(drawn[0], 0, 1), *drawn[1:])

    assert ((low >= 0) & (low <= mid) & (mid <= high) & (high <= 1)).all()
    assert (high[np.clip(drawn[0], 0, 1) >= 0.1] == 1.0).all()


def test_adjusted_willingness_is_free_of_ability_where_willingness_only_follows_ability():
    ability = np.linspace(0.05, 0.95, 200)
    margins = 4 * ability - 2

    adjusted = AdjustedWillingness((0.05, 0.95), (-1.8, 1.8), 0.0).adjusted(margins, ability)

    assert np.abs(adjusted).max() < 1e-9
