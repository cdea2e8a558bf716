"""Reasons of a few accounts are those that a record of the plan holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.registry import FEATURE_NAMES
from scoring.ledger.decision_record import reasons
from serving.few_reasons import few_reasons, shortest


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 40))
def test_the_plain_way_and_the_way_of_the_records_give_the_same_reasons(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    parts = draw.normal(0, 1, (n, len(FEATURE_NAMES) + 1)) ** 3
    parts[draw.random(parts.shape) < 0.3] = 0.0
    values = draw.choice(
        [draw.normal(0, 1, (n, len(FEATURE_NAMES))), draw.integers(-(2**26), 2**26, (n, len(FEATURE_NAMES)))]
    )
    values = values.astype(np.float32)
    values[draw.random(values.shape) < 0.2] = np.nan

    assert few_reasons(parts, values) == reasons(parts, values).to_pylist()


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_value_is_told_as_the_shortest_decimal_of_its_float32(value: float) -> None:
    text = pc.cast(pa.array([value], pa.float32()), pa.string())

    assert shortest(value) == pc.cast(text, pa.float64())[0].as_py()
    assert np.float32(shortest(value)) == np.float32(value)
