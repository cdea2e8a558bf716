"""What follows fitting: evaluation on accounts never trained on, one MLflow run with its plots, one registered bundle.

`training.pipeline` hands over the pieces of a training (`Pieces`) and gets back what it tells the user (`Trained`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from scoring.features.registry import FEATURE_NAMES
from scoring.scores.bundle import MODEL_NAMES
from scoring.scores.scores import Scores, score
from training import evaluation, plots, tracking
from training.gates import GateFinding, gate_findings
from training.report import comparisons, judging
from training.report.card import model_card
from training.report.gathering import gate_figures, gathered
from training.report.page import page
from training.report.pieces import Pieces, Trained
from training.report.validation import validation_report
from training.rotation import held_out_customers

__all__ = ["Pieces", "Trained", "report_training"]

Progress = Callable[[str], None]
DOTS_PER_INCH: Final = 110


def report_training(home: Path, pieces: Pieces, progress: Progress = lambda message: None) -> Trained:
    """Judge a training on accounts never trained on, log it with card and report, and register its bundle as challenger."""
    held_out = held_out_customers(pieces.tested, pieces.ways)
    with tracking.running(home, pieces.operator) as run:
        progress(f"evaluating on {len(held_out.frame):,} accounts never trained on")
        scores = score(pieces.bundle, held_out.frame)
        table = evaluation.evaluation_table(scores.table, held_out.targets, held_out.frame.positions["customer_id"])
        facts, then = gathered(home, pieces, held_out, scores, table, run, progress)
        figures = gate_figures(facts)
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
        "calibration": comparisons.calibration_by_bucket(facts["calibration"], facts["cash"]),
        "roll_rates": plots.roll_matrix(
            last.positions, pieces.tested.frame.positions, (last.as_of.isoformat(), pieces.test_day.isoformat())
        ),
        "stability": comparisons.stability(facts["stability"]),
        "drift": comparisons.drift(facts["drift"]),
        "paired": comparisons.paired(facts["rivals"]),
        "fairness": comparisons.fairness(facts["fairness"]),
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
