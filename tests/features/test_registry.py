"""Every feature says what it means, and its values keep to what it says."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from scoring.errors import FeatureError
from scoring.features.definition import ReasonGroup
from scoring.features.registry import FEATURE_NAMES, FEATURES, FORBIDDEN_WORDS, feature, refuse_forbidden
from scoring.portfolio.contracts import contracts
from tests.features.building import frame_of
from tests.features.random_portfolios import random_tables

UNITS = {"days", "cents", "count", "share", "ratio"}


def test_names_are_unique_and_in_the_order_of_the_definitions():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == len(FEATURES)
    assert tuple(known.name for known in FEATURES) == FEATURE_NAMES


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_has_a_meaning_a_unit_a_range_a_group_and_a_source(name: str):
    known = feature(name)

    assert len(known.meaning) >= 10 and known.meaning[-1] != "."
    assert known.unit in UNITS
    assert isinstance(known.group, ReasonGroup)
    assert set(known.source.split(", ")) <= set(contracts()) - {"protected"}
    assert known.low is None or known.high is None or known.low < known.high
    assert known.unit != "share" or (known.low, known.high) == (0, 1)
    assert known.unit != "count" or known.low == 0


def test_every_reason_group_has_a_feature():
    assert {known.group for known in FEATURES} == set(ReasonGroup)


@pytest.mark.parametrize("seed", range(3))
def test_values_stay_in_their_range(seed: int):
    values = frame_of(random_tables(Random(seed + 40), 300)).values

    outside = {
        known.name
        for known, column in zip(FEATURES, values.T, strict=True)
        for low, high in [(-np.inf if known.low is None else known.low, np.inf if known.high is None else known.high)]
        if not ((column >= low) & (column <= high) | np.isnan(column)).all() or np.isinf(column).any()
    }
    assert outside == set()


def test_every_feature_is_observed_and_varies_on_a_random_portfolio():
    values = np.concatenate([frame_of(random_tables(Random(seed), 300)).values for seed in (40, 41, 42)])

    assert [name for name, column in zip(FEATURE_NAMES, values.T, strict=True) if len(np.unique(column)) < 3] == []


def test_counts_and_days_are_whole_numbers():
    values = frame_of(random_tables(Random(44), 300)).values

    means = {"mean_days_payment_to_due_365d", "mean_payment_gap_days_365d"}
    whole = [known.unit in ("count", "days") and known.name not in means for known in FEATURES]
    seen = values[:, whole]
    assert np.array_equal(seen, np.round(seen), equal_nan=True)


@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_a_feature_of_protected_or_third_party_data_is_refused(word: str):
    with pytest.raises(FeatureError, match=f"may not be a model input: '{word}' is protected, third-party"):
        refuse_forbidden(("dpd", f"mean_{word}s_90d"))


def test_an_unknown_feature_is_refused_by_name():
    with pytest.raises(FeatureError, match="'fico' is not a registered feature"):
        feature("fico")
