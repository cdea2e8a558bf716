"""Features that the nightly run kept are the ones that a worker would build, and nothing else is ever used in their place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import pandas as pd
import pytest

from scoring.features.builder import FeatureFrame, build
from scoring.portfolio.reading import read_portfolio
from serving.current_plan import read_current_plan
from serving.kept_features import POSITIONS, VALUES, kept_features
from serving.nightly import PLAN_FILE
from tests.serving.conftest import AS_OF, Home

Kept = tuple[Path, Mapping[str, Any]]


@pytest.fixture
def kept(home: Home, tmp_path: Path) -> Kept:
    """A copy of the plan's folder, and what the plan states of it."""
    [plan] = (path.parent for path in home.settings.home.glob(f"plans/*/{PLAN_FILE}"))
    return copytree(plan, tmp_path / "plan"), read_current_plan(home.settings.home).features


@pytest.fixture(scope="module")
def built(home: Home) -> FeatureFrame:
    return build(read_portfolio(home.portfolio, threads=1), AS_OF, min_dpd=0)


def test_kept_features_are_the_built_ones_to_the_bit(kept: Kept, built: FeatureFrame) -> None:
    found = kept_features(*kept, AS_OF)

    assert found is not None and found.as_of == AS_OF
    assert found.values.tobytes() == built.values.tobytes()
    pd.testing.assert_frame_equal(found.positions, built.positions)
    assert (found.positions["dpd"] == 0).any() and not found.values.flags.writeable


def test_accounts_that_are_not_past_due_change_no_bit_of_the_others(home: Home, built: FeatureFrame) -> None:
    overdue = built.take((built.positions["dpd"] >= 1).to_numpy())
    alone = build(read_portfolio(home.portfolio, threads=1), AS_OF)

    assert overdue.values.tobytes() == alone.values.tobytes()
    pd.testing.assert_frame_equal(overdue.positions, alone.positions)


@pytest.mark.parametrize("name", [VALUES, POSITIONS])
def test_a_changed_byte_makes_them_unusable(kept: Kept, name: str) -> None:
    content = bytearray((kept[0] / name).read_bytes())
    content[-9] ^= 1
    (kept[0] / name).write_bytes(content)

    assert kept_features(*kept, AS_OF) is None


def test_features_of_another_meaning_or_of_an_older_plan_are_built_instead(kept: Kept) -> None:
    folder, facts = kept

    assert kept_features(folder, {**facts, "feature_spec_hash": "0" * 64}, AS_OF) is None
    assert kept_features(folder, {}, AS_OF) is None
    (folder / VALUES).unlink()
    assert kept_features(folder, facts, AS_OF) is None
