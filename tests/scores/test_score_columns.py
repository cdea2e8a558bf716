"""Scores of a few accounts as arrays are those of the frame, bit for bit, with every part of a bundle in play."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.bundle import MODEL_NAMES, Bundle, definition_facts, load_bundle, write_bundle
from scoring.scores.calibration import SmoothMap, maps_to_json
from scoring.scores.effects import prior_effects
from scoring.scores.scores import POSITIONS_READ, channel_effects, score, score_columns
from scoring.scores.targets import TargetDefinition

N = 70
ON = date(2025, 5, 1)


def frame() -> FeatureFrame:
    draw = np.random.default_rng(3)
    values = draw.normal(2, 2, (N, len(FEATURE_NAMES))).astype(np.float32)
    values[draw.random(values.shape) < 0.2] = np.nan
    values[:, FEATURE_NAMES.index("account_age_days")] = draw.choice([30, 800], N)
    positions = pd.DataFrame(
        {
            "account_id": [f"A{row:03d}" for row in range(N)],
            "dpd": draw.integers(1, 200, N),
            "past_due_cents": draw.integers(1, 500_000, N),
            "cure_amount_cents": draw.integers(1, 900_000, N),
        }
    )
    return FeatureFrame(ON, positions, values)


@pytest.fixture(scope="module", params=["everything", "core alone"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    draw = np.random.default_rng(1)
    rows = draw.normal(2, 2, (600, len(FEATURE_NAMES))).astype(np.float32)
    settings = {"verbose": -1, "num_threads": 1, "num_leaves": 7, "deterministic": True, "seed": 1}
    chance = 1 / (1 + np.exp(-rows[:, 0]))
    boosters = {
        name: lightgbm.train({**settings, "objective": "regression"}, lightgbm.Dataset(rows, chance), 5)
        if name.startswith("share")
        else lightgbm.train({**settings, "objective": "cross_entropy"}, lightgbm.Dataset(rows, chance), 5)
        for name in MODEL_NAMES
    }
    facts = {"targets": definition_facts(TargetDefinition()), "payable": {"coverage": 0.8, "conformal_margin": 0.01}}
    folder: Path = tmp_path_factory.mktemp("bundle")
    if request.param == "core alone":
        write_bundle(folder, boosters, facts)
        return load_bundle(folder)
    ends = {"margin": [-1.0, 0.0, 1.0], "below": [0.2, 0.1, 0.3], "above": [0.1, 0.1, 0.2]}
    maps = {name: SmoothMap(0.1, 1.2, 0.8) for name in ("willingness", "ability", "full_payment", "product")}
    bands = [
        {"from_p_full": 0.0, "margin": 0.02, "is_one_sided": False},
        {"from_p_full": 0.4, "margin": -0.05, "is_one_sided": True},
    ]
    facts["payable"] = {"coverage": 0.8, "conformal_margin": 0.01, "bands": bands}
    facts["adjusted_willingness"] = {"ability": [0.2, 0.8], "expected": [-0.5, 0.5], "average": 0.3}
    facts["score_correlation"] = {"alarm": False}
    prior = prior_effects({channel: effect.shift for channel, effect in channel_effects().items()})
    documents = {
        "calibration": maps_to_json(maps, {}),
        "intervals": {"schema": "reliability-intervals/1", "tables": {"willingness": ends, "ability": ends}},
        "effects": prior.to_json(),
    }
    write_bundle(folder, boosters, facts, documents=documents)
    return load_bundle(folder)


def test_an_account_alone_has_the_bits_it_has_in_the_frame(bundle: Bundle) -> None:
    together = score(bundle, frame())
    positions = {name: frame().positions[name].to_numpy() for name in POSITIONS_READ}

    for row in (0, 17, N - 1):
        alone = score_columns(
            bundle, frame().values[[row]], {name: column[[row]] for name, column in positions.items()}, ON
        )
        assert list(alone.columns) == list(together.table.columns)
        for name, column in alone.columns.items():
            expected = together.table[name].to_numpy()[[row]]
            assert column.tolist() == expected.astype(column.dtype).tolist(), name
        for name, margin in alone.margins.items():
            assert margin.tobytes() == together.margins[name][[row]].tobytes()
            assert alone.contributions[name].tobytes() == together.contributions[name][[row]].tobytes()


def test_every_interval_holds_its_score_and_every_share_is_one(bundle: Bundle) -> None:
    table = score(bundle, frame()).table

    assert (table["w_none_low"] <= table["w_none"]).all() and (table["w_none"] <= table["w_none_high"]).all()
    assert (table["ability_low"] <= table["ability"]).all() and (table["ability"] <= table["ability_high"]).all()
    assert (table["payable_low_cents"] <= table["payable_high_cents"]).all()
    for name in ("w_none_low", "w_none_high", "ability_low", "ability_high", "w_none", "w_logged", "ability", "p_full"):
        assert table[name].between(0, 1).all(), name


def test_without_enough_evidence_no_segment_is_told_and_what_is_missing_is_said(bundle: Bundle) -> None:
    table = score(bundle, frame()).table
    abstained = table["evidence"] == "insufficient_evidence"

    assert abstained.any() and not abstained.all()
    assert (table["segment"][abstained] == "undetermined").all()
    assert (table["evidence_missing"][abstained] != "").all()


def test_no_account_at_all_gives_empty_columns(bundle: Bundle) -> None:
    empty = score(bundle, frame().take(np.zeros(N, dtype=bool)))

    assert len(empty.table) == 0
    assert "w_none_low" in empty.table.columns
