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
from scoring.vocabulary import CONTACT_CHANNELS, bucket_of

MARGINS = arrays(np.float64, st.integers(0, 70), elements=st.floats(-40, 40))
ENOUGH = {
    "account_age_days": 90,
    "n_statements_365d": 2,
    "days_since_last_payment": 364,
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


def test_a_payment_within_the_year_two_statements_and_ninety_days_are_enough():
    assert evidence_of() == "sufficient"


def test_visible_inflows_stand_in_for_payments():
    assert evidence_of(days_since_last_payment=np.nan, inflow_months_seen_180d=1) == "sufficient"


@pytest.mark.parametrize(
    "change",
    [
        {"account_age_days": 89},
        {"n_statements_365d": 1},
        {"n_statements_365d": np.nan},
        {"days_since_last_payment": 365},
        {"days_since_last_payment": np.nan},
        {"days_since_last_payment": np.nan, "inflow_months_seen_180d": 0},
    ],
    ids=str,
)
def test_a_new_account_a_short_history_or_neither_payment_nor_inflow_is_not_enough(change: dict[str, float]):
    assert evidence_of(**change) == "insufficient_evidence"


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
