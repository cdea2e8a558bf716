"""Features that the nightly run kept are the ones that a worker would build, and nothing else is ever used in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pandas as pd
import pytest

from scoring.features.builder import FeatureFrame, build
from scoring.portfolio.reading import read_portfolio
from serving.current_plan import CurrentPlan, read_current_plan
from serving.desk import there
from serving.kept_features import kept_features
from serving.kept_files import KEPT, POSITIONS, VALUES, forget_kept
from serving.nightly import PLAN_FILE, run_plan
from serving.opening import open_desk
from tests.serving.conftest import AS_OF, RECORDED_AT, Home

Kept = tuple[Path, Mapping[str, Any]]


@pytest.fixture
def kept(copied_plan: tuple[Path, CurrentPlan]) -> Kept:
    """A copy of the plan's folder, and what the plan states of its features."""
    folder, plan = copied_plan
    return folder, plan.features


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


def test_only_the_current_plan_keeps_its_files_and_who_has_mapped_others_still_reads_them(
    kept: Kept, built: FeatureFrame, tmp_path: Path
) -> None:
    folder, facts = kept
    plans = tmp_path / "plans"
    older, newer, unfinished = (copytree(folder, plans / name) for name in ("older", "newer", ".plan-unfinished"))
    mapped = kept_features(older, facts, AS_OF)

    forget_kept(plans, "newer")

    assert {path.name for path in older.iterdir()} == {path.name for path in folder.iterdir()} - {*KEPT}
    assert kept_features(older, facts, AS_OF) is None
    assert mapped is not None and mapped.values.tobytes() == built.values.tobytes()
    assert all((place / name).is_file() for place in (newer, unfinished) for name in KEPT)


def test_a_service_that_is_starting_on_a_plan_whose_features_are_gone_builds_them(
    home: Home, built: FeatureFrame, tmp_path: Path
) -> None:
    settings = replace(home.settings, home=copytree(home.untouched, tmp_path / "home"))
    forget_kept(settings.home / "plans", "a newer one")
    desk = open_desk(settings)

    assert desk.is_ready() and there(desk.day).frame.values.tobytes() == built.values.tobytes()
    desk.close()


def test_the_nightly_run_leaves_the_features_of_its_own_plan_alone(home: Home, tmp_path: Path) -> None:
    own = copytree(home.untouched, tmp_path / "home")
    run = run_plan(
        home.portfolio,
        as_of=AS_OF - timedelta(days=1),
        out=tmp_path / "out",
        home=own,
        recorded_at=RECORDED_AT,
        threads=1,
    )

    assert len(list(own.glob(f"plans/*/{PLAN_FILE}"))) == 2
    found = [path for name in (VALUES, POSITIONS) for path in own.glob(f"plans/*/{name}")]
    assert {path.parent.name for path in found} == {run.run_id[:16]} and len(found) == 2
    assert read_current_plan(own).run_id == run.run_id
