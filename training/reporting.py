"""What follows fitting: evaluation on accounts never trained on, one MLflow run with its plots, one registered bundle.

`training.pipeline` hands over the pieces of a training (`Pieces`) and gets back what it tells the user (`Trained`).
"""

from __future__ import annotations

import io
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from scoring.errors import ScoringError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import MODEL_NAMES, Bundle, load_bundle
from scoring.scores.scores import Scores, group_contributions, score
from scoring.scores.targets import minor_units
from training import evaluation, plots, tracking
from training.fitting import Fitted
from training.gates import GateFinding, gate_findings
from training.recipe import Recipe
from training.report import judging
from training.report.card import model_card
from training.report.drift import contactability, reference
from training.report.page import page
from training.report.permutation import permuted_auc
from training.report.reading_log import Read, record, set_id
from training.report.validation import validation_report
from training.rotation import held_out_customers, without_test_customers
from training.snapshots import Snapshot

Progress = Callable[[str], None]
CORRELATION_ALARM: Final = 0.6
DOTS_PER_INCH: Final = 110


@dataclass(frozen=True)
class Pieces:
    """What a training made, before anybody judged it.

    Attributes
    ----------
    portfolio : Portfolio
    ways : Recipe
    fitted : Fitted
    bundle : Bundle
        Written and read back, so that what is judged is what would serve.
    train_days, test_day
    seen : tuple of Snapshot
        The training days with everybody, also the held-out customers.
    tested : Snapshot
        The test day with everybody; only held-out customers of its queue are judged on.
    turns : DataFrame
        Figures of the turns with other customers held out, as `training.rotation.rotate` gives them.
    """

    portfolio: Portfolio
    ways: Recipe
    fitted: Fitted
    bundle: Bundle
    train_days: tuple[date, ...]
    test_day: date
    seen: tuple[Snapshot, ...]
    tested: Snapshot
    turns: pd.DataFrame
    operator: str = ""
    trained_at: datetime | None = None
    further: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What a training run gives back.

    Attributes
    ----------
    version : str
        Registered version, for `scoring promote`.
    bundle_id : str
    figures, spreads : dict
        Test figures: mean and standard deviation over turns, each with another 30 % of customers held out.
    own_figures, figures_by_bucket, intervals : dict
        The registered bundle on its own held-out customers: overall, by bucket, bootstrap 95 % intervals.
    findings : list of GateFinding
        Gates that did not pass.
    """

    version: str
    run_id: str
    bundle_id: str
    train_days: list[date]
    test_day: date
    figures: dict[str, float]
    spreads: dict[str, float]
    own_figures: dict[str, float]
    figures_by_bucket: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    findings: list[GateFinding]


def report_training(home: Path, pieces: Pieces, progress: Progress = lambda message: None) -> Trained:
    """Judge a training on accounts never trained on, log it with card and report, and register its bundle as challenger."""
    held_out = held_out_customers(pieces.tested, pieces.ways)
    with tracking.running(home, pieces.operator) as run:
        progress(f"evaluating on {len(held_out.frame):,} accounts never trained on")
        scores = score(pieces.bundle, held_out.frame)
        table = evaluation.evaluation_table(scores.table, held_out.targets, held_out.frame.positions["customer_id"])
        facts, then = _facts(home, pieces, held_out, scores, table, run, progress)
        figures = _gate_figures(facts)
        findings = gate_findings(figures)
        facts["findings"] = [asdict(finding) for finding in findings]
        progress("plots, model card and validation report")
        pictures = {f"plots/{name}.png": _png(drawn) for name, drawn in _plots(pieces, scores, table, facts).items()}
        progress("logging the run and registering the bundle")
        logged = tracking.Logged(
            parameters=_parameters(pieces),
            figures=_metrics(facts),
            tags=_tags(pieces, findings),
            children=_children(pieces, facts),
            texts=_texts(pieces, facts, pictures),
            pictures=pictures,
            stated={**facts["headline"], "gates": figures},
            reference=then,
        )
        tracked = tracking.log_training(home, run, logged, pieces.bundle.folder)
    headline = facts["headline"]
    return Trained(
        tracked.version,
        tracked.run_id,
        pieces.bundle.bundle_id,
        list(pieces.train_days),
        pieces.test_day,
        headline["overall"],
        headline["spreads"],
        headline["bundle"],
        headline["bundle_by_bucket"],
        {name: (pair[0], pair[1]) for name, pair in headline["bundle_intervals"].items()},
        findings,
    )


def _facts(
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


def _gate_figures(facts: Mapping[str, Any]) -> dict[str, float]:
    """What gates compare: the headline figures, and every number of the facts under its path."""
    flat = judging.flat({name: part for name, part in facts.items() if name != "headline"})
    flat |= judging.flat({"intervals": facts["performance"]["intervals"]})
    flat |= facts["headline"]["overall"]
    return {name: value for name, value in flat.items() if np.isfinite(value)}


def _metrics(facts: Mapping[str, Any]) -> dict[str, float]:
    headline = facts["headline"]
    found = {f"test.{name}": value for name, value in headline["overall"].items()}
    found |= {f"test.{name}.sd": value for name, value in headline["spreads"].items()}
    found |= {f"bundle.{name}": value for name, value in headline["bundle"].items()}
    found |= judging.flat(headline["bundle_by_bucket"], "bundle")
    found |= judging.flat(facts["performance"]["intervals"], "bundle")
    found |= judging.flat({name: facts[name] for name in ("permutation", "reads", "cash")})
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _parameters(pieces: Pieces) -> dict[str, Any]:
    return {
        "recipe": pieces.ways.name,
        "data_source": pieces.portfolio.source,
        "train_days": ", ".join(map(str, pieces.train_days)),
        "test_day": pieces.test_day,
        **{f"rows.{name}": n for name, n in pieces.fitted.n_rows.items()},
        **{f"lightgbm.{name}": value for name, value in pieces.ways.lightgbm.items()},
        **{f"targets.{name}": value for name, value in asdict(pieces.bundle.definition).items()},
    }


def _tags(pieces: Pieces, findings: list[GateFinding]) -> dict[str, str]:
    return {
        "bundle_id": pieces.bundle.bundle_id,
        "data_fingerprint": pieces.portfolio.fingerprint,
        "code_version": str(pieces.bundle.manifest["code_version"]),
        "gates": "failed" if any(finding.severity == "error" for finding in findings) else "passed",
    }


def _children(pieces: Pieces, facts: Mapping[str, Any]) -> dict[str, tracking.Child]:
    """A run per model: the scores with their figures and calibration, the payable interval, the scorecard, and what else there is."""
    own, trees = facts["performance"]["overall"], facts["identity"]["trees"]
    settings = {f"lightgbm.{name}": value for name, value in pieces.ways.lightgbm.items()}
    found = {}
    for model in ("willingness", "ability", "full_payment"):
        figures = {name: value for name, value in own.items() if name.startswith(model)}
        figures |= judging.flat(facts["calibration"].get(model, {}), "calibration")
        figures |= judging.flat(facts["groups"].get(model, {}), "group")
        found[model] = tracking.Child({**settings, "trees": trees[model]}, figures)
    payable = judging.flat(dict(pieces.bundle.manifest["payable"]), "payable")
    found["payable"] = tracking.Child(
        {**settings, "trees": trees["share_mid"], **payable},
        {name: value for name, value in own.items() if name.startswith("payable")},
    )
    card = facts["rivals"]["scorecard"]
    if card["compared"]:
        told = {name: figures["rival"] for name, figures in card["differences"]["all"].items()}
        found["scorecard"] = tracking.Child({}, {**told, **judging.flat(card["differences"], "paired")})
    for model in sorted(set(trees) - set(MODEL_NAMES)):
        found[model] = tracking.Child({**settings, "trees": trees[model]}, {})
    for model, more in pieces.further.items():
        before = found.get(model, tracking.Child({}, {}))
        found[model] = tracking.Child(before.parameters, {**before.figures, **more})
    return found


def _plots(pieces: Pieces, scores: Scores, table: pd.DataFrame, facts: Mapping[str, Any]) -> dict[str, Figure]:
    performance = facts["performance"]
    last = pieces.seen[-1].frame
    return {
        "reliability": plots.reliability(table),
        "capture": plots.capture(table),
        "distributions": plots.distributions(table),
        "reasons": plots.reasons(scores),
        "buckets": plots.bucket_figures(performance["by_bucket"], performance["intervals_by_bucket"]),
        "calibration": plots.calibration_by_bucket(facts["calibration"], facts["cash"]),
        "roll_rates": plots.roll_matrix(
            last.positions, pieces.tested.frame.positions, (last.as_of.isoformat(), pieces.test_day.isoformat())
        ),
        "stability": plots.stability(facts["stability"]),
        "drift": plots.drift(facts["drift"]),
        "paired": plots.paired(facts["rivals"]),
        "fairness": plots.fairness(facts["fairness"]),
    }


def _png(figure: Figure) -> bytes:
    """A small PNG: a palette of 128 colours shows the same as full colour."""
    drawn, held = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    Image.open(drawn).convert("RGB").quantize(128).save(held, format="png", optimize=True)
    return held.getvalue()


def _texts(pieces: Pieces, facts: Mapping[str, Any], pictures: Mapping[str, bytes]) -> dict[str, str]:
    card, report = model_card(facts), validation_report(facts)
    return {
        "recipe.toml": pieces.ways.text,
        "features.txt": "\n".join(FEATURE_NAMES) + "\n",
        f"{tracking.REPORT}/model_card.md": card,
        f"{tracking.REPORT}/model_card.html": page(card, pictures),
        f"{tracking.REPORT}/validation_report.md": report,
        f"{tracking.REPORT}/validation_report.html": page(report, pictures),
        f"{tracking.REPORT}/facts.json": _as_json(facts),
        **pieces.documents,
    }


def _as_json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1, default=float) + "\n"
