"""What follows fitting: evaluation on accounts never trained on, one MLflow run with its plots, one registered bundle.

`training.pipeline` hands over the pieces of a training (`Pieces`) and gets back what it tells the user (`Trained`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.scores import score
from training import evaluation, plots, tracking
from training.fitting import Fitted
from training.gates import GateFinding, gate_findings
from training.recipe import Recipe
from training.rotation import held_out_customers
from training.snapshots import Snapshot

Progress = Callable[[str], None]


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
    """Judge a training on accounts never trained on, log it and register its bundle as challenger."""
    bundle, ways, turns = pieces.bundle, pieces.ways, pieces.turns
    held_out = held_out_customers(pieces.tested, ways)
    progress(f"evaluating on {len(held_out.frame):,} accounts never trained on")
    scores = score(bundle, held_out.frame)
    table = evaluation.evaluation_table(scores.table, held_out.targets)
    own = evaluation.metrics(table)
    means = {name: float(turns[name].mean()) for name in turns.columns}
    figures = {**own, **means, "n": own["n"], "ability_n": own["ability_n"]}
    spread_of_turns = {name: float(turns[name].std(ddof=1)) for name in turns.columns} if len(turns) > 1 else {}
    by_bucket = evaluation.by_bucket(table)
    spread = evaluation.intervals(table, seed=ways.lightgbm["seed"])
    findings = gate_findings(figures)
    progress("logging the run and registering the bundle")
    tracked = tracking.log_training(
        home,
        parameters={
            "recipe": ways.name,
            "train_days": ", ".join(map(str, pieces.train_days)),
            "test_day": pieces.test_day,
            **{f"rows.{name}": n for name, n in pieces.fitted.n_rows.items()},
            **{f"lightgbm.{name}": value for name, value in ways.lightgbm.items()},
            **{f"targets.{name}": value for name, value in asdict(bundle.definition).items()},
        },
        figures=figures,
        spreads=spread_of_turns,
        own_figures=own,
        figures_by_bucket=by_bucket,
        intervals=spread,
        plots={
            "reliability": plots.reliability(table),
            "capture": plots.capture(table),
            "distributions": plots.distributions(table),
            "reasons": plots.reasons(scores),
            "buckets": plots.buckets(by_bucket),
        },
        texts={"recipe.toml": ways.text, "features.txt": "\n".join(FEATURE_NAMES) + "\n"},
        bundle_folder=bundle.folder,
        tags={
            "bundle_id": bundle.bundle_id,
            "data_fingerprint": pieces.portfolio.fingerprint,
            "code_version": str(bundle.manifest["code_version"]),
            "gates": "passed" if not any(f.severity == "error" for f in findings) else "failed",
        },
    )
    return Trained(
        tracked.version,
        tracked.run_id,
        bundle.bundle_id,
        list(pieces.train_days),
        pieces.test_day,
        figures,
        spread_of_turns,
        own,
        by_bucket,
        spread,
        findings,
    )
