"""The facts of a training, gathered: what was measured, on what, by whom, against what."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from scoring.errors import ScoringError
from scoring.features.builder import FeatureFrame
from scoring.scores.bundle import load_bundle
from scoring.scores.scores import Scores, group_contributions
from scoring.scores.targets import minor_units
from training import tracking
from training.recipe import Recipe
from training.report import judging
from training.report.drift import contactability, reference
from training.report.permutation import permuted_auc
from training.report.pieces import Pieces
from training.report.reading_log import Read, record, set_id
from training.rotation import without_test_customers
from training.snapshots import Snapshot

Progress = Callable[[str], None]
CORRELATION_ALARM: Final = 0.6


def gathered(
    home: Path,
    pieces: Pieces,
    held_out: Snapshot,
    scores: Scores,
    table: pd.DataFrame,
    run: tracking.Running,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything measured, and what the next training will measure drift against."""
    bundle, ways, seed = pieces.bundle, pieces.ways, int(pieces.ways.lightgbm["seed"])
    performance = judging.performance(table, seed=seed)
    progress("against champion, scorecard and simple rules")
    rivals = judging.rivals(home, bundle, held_out, table, seed=seed)
    progress("shuffled outcomes, stability, drift, fairness")
    train_days = [without_test_customers(day, ways) for day in pieces.seen]
    queue = pieces.tested.frame.take(pieces.tested.in_queue)
    contacts = contactability(pieces.portfolio, pieces.test_day)
    count, test_set = _read_counted(home, pieces, held_out, run)
    facts: dict[str, Any] = {
        "identity": _identity(pieces, run),
        "data": _data(pieces),
        "targets": asdict(bundle.definition),
        "monotone": _monotone(ways),
        "correlation_alarm": CORRELATION_ALARM,
        "performance": performance,
        "turns": _turns(pieces.turns),
        **judging.calibration_facts(table, seed=seed),
        "rivals": rivals,
        "permutation": permuted_auc(train_days, held_out, ways, seed=seed),
        "stability": judging.stability(bundle, (*pieces.seen, pieces.tested), ways),
        "drift": _drift(home, queue, held_out, contacts, seed),
        "fairness": judging.fairness_facts(pieces.portfolio, bundle, pieces.tested, ways, seed=seed),
        "reads": {"count": count, "test_set": test_set},
        **_groups(scores),
    }
    facts["headline"] = _headline(performance, facts["turns"])
    return facts, reference(queue, judging.scores_of(bundle, queue), contacts)


def _read_counted(home: Path, pieces: Pieces, held_out: Snapshot, run: tracking.Running) -> tuple[int, str]:
    """Log this read of the test set; how often it has been read, and which set it is."""
    test_set = set_id(held_out.frame.positions["account_id"], pieces.test_day, pieces.portfolio.fingerprint)
    at = run.started_at if pieces.trained_at is None else pieces.trained_at.isoformat(timespec="seconds")
    read = Read(
        at=at,
        by=run.operator,
        run_id=run.run_id,
        bundle_id=pieces.bundle.bundle_id,
        test_set=test_set,
        test_day=pieces.test_day.isoformat(),
        n=len(held_out.frame),
        purpose="evaluation of a training",
    )
    return record(home, read), test_set


def _identity(pieces: Pieces, run: tracking.Running) -> dict[str, Any]:
    manifest = pieces.bundle.manifest
    started = run.started_at if pieces.trained_at is None else pieces.trained_at.isoformat(timespec="seconds")
    return {
        "bundle_id": pieces.bundle.bundle_id,
        "run_id": run.run_id,
        "recipe": pieces.ways.name,
        "code_version": manifest["code_version"],
        "python": manifest["python"],
        "libraries": manifest["libraries"],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "operator": run.operator,
        "started_at": started,
        "trees": {name: booster.num_trees() for name, booster in pieces.bundle.boosters.items()},
        "documents": sorted(pieces.bundle.documents),
        "tuning": str(manifest.get("tuning", "the recipe's settings, no search in this run")),
    }


def _data(pieces: Pieces) -> dict[str, Any]:
    portfolio, split = pieces.portfolio, pieces.ways.split
    owed = pieces.tested.frame.positions["cure_amount_cents"].to_numpy()[pieces.tested.in_queue]
    return {
        "source": portfolio.source,
        "fingerprint": portfolio.fingerprint,
        "extract_on": portfolio.extract_on.isoformat(),
        "currency": portfolio.currency,
        "minor_units": minor_units(portfolio.currency),
        "observed": sorted(portfolio.observed),
        "train_days": [day.isoformat() for day in pieces.train_days],
        "test_day": pieces.test_day.isoformat(),
        "rows": dict(pieces.fitted.n_rows),
        "n_queue": int(pieces.tested.in_queue.sum()),
        "queue_cents": int(owed.sum()),
        "sampling": f"all eligible accounts; {split['test_customer_share']:.0%} of customers held out by a hash of the customer",
    }


def _monotone(ways: Recipe) -> str:
    """What the recipe holds to monotone directions, in words; one file states the directions."""
    held = [name for name, is_held in dict(getattr(ways, "monotone", {})).items() if is_held]
    return f"{', '.join(held)}, as in training/directions.toml" if held else "none in this recipe"


def _turns(turns: pd.DataFrame) -> dict[str, Any]:
    spread = {name: float(turns[name].std(ddof=1)) for name in turns.columns} if len(turns) > 1 else {}
    return {"n": len(turns), "mean": {name: float(turns[name].mean()) for name in turns.columns}, "sd": spread}


def _headline(performance: Mapping[str, Any], turns: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that `Trained` gives back and the console prints."""
    own = performance["overall"]
    return {
        "overall": {**own, **turns["mean"], "n": own["n"], "ability_n": own["ability_n"]},
        "spreads": turns["sd"],
        "bundle": own,
        "bundle_by_bucket": performance.get("by_bucket", {}),
        "bundle_intervals": {name: list(pair) for name, pair in performance["intervals"].items()},
    }


def _drift(
    home: Path, queue: FeatureFrame, held_out: Snapshot, contacts: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    last = tracking.last_registered(home)
    kept = tracking.artifact(last.run_id, tracking.REFERENCE) if last is not None else None
    if last is None or not kept:
        return judging.drift_facts(None, None, queue, held_out, contacts, seed=seed)
    try:
        bundle = load_bundle(last.folder)
    except ScoringError:  # made for other features: the accounts can still be compared, the scores cannot
        bundle = None
    return judging.drift_facts(kept, bundle, queue, held_out, contacts, seed=seed)


def _groups(scores: Scores) -> dict[str, Any]:
    """Mean size of each group's contribution to each explained model."""
    found: dict[str, dict[str, float]] = {}
    names: list[str] = []
    for model, parts in scores.contributions.items():
        names, summed = group_contributions(parts)
        found[model] = dict(zip(names, np.abs(summed).mean(axis=0).tolist(), strict=True)) if len(summed) else {}
    return {"groups": found, "group_names": names}


def gate_figures(facts: Mapping[str, Any]) -> dict[str, float]:
    """What gates compare: the headline figures, and every number of the facts under its path."""
    flat = judging.flat({name: part for name, part in facts.items() if name != "headline"})
    flat |= judging.flat({"intervals": facts["performance"]["intervals"]})
    flat |= facts["headline"]["overall"]
    return {name: value for name, value in flat.items() if np.isfinite(value)}
