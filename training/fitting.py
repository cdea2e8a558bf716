"""Fitting the models of a bundle: willingness, ability, full payment, and the payable share; then what out-of-time rows add.

The models learn from all training days and training customers. Beside them the same recipe is run again on earlier days and other
customers only (`training.out_of_time`), and what came true there gives the smooth maps, the intervals, the conformal margins and the
correlation of the two scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from scoring.scores.bundle import MODEL_NAMES
from scoring.scores.payable import bands_to_json
from training.boosting import ability_days, fit_models, fit_scores
from training.calibrating import calibrated, calibration_document
from training.out_of_time import out_of_time
from training.recipe import Recipe
from training.reliability import (
    adjusted_willingness,
    conformal_margin,
    intervals_document,
    payable_bands,
    score_correlation,
)
from training.snapshots import Snapshot, reference_rows

__all__ = ["Fitted", "conformal_margin", "fit", "fit_scores"]


@dataclass(frozen=True)
class Fitted:
    """Boosters by bundle model name, and what goes with them.

    Attributes
    ----------
    boosters : dict of str to lightgbm.Booster
    conformal_margin : float
        Of the payable share when all accounts are widened alike; the bands in ``facts`` are what is served.
    n_rows : dict of str to int
        Training rows of willingness and ability, and rows that the margins were found on (``conformal``).
    documents : dict
        ``calibration`` and ``intervals``, for the bundle.
    facts : dict
        ``payable``, ``adjusted_willingness``, ``score_correlation`` and ``out_of_time``, for the manifest.
    reference : array (n, n_features), float32, or None
    """

    boosters: dict[str, lightgbm.Booster]
    conformal_margin: float
    n_rows: dict[str, int]
    documents: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    reference: npt.NDArray[np.float32] | None = None


def fit(snapshots: Sequence[Snapshot], recipe: Recipe, *, threads: int = 1) -> Fitted:
    """Fit all models on training customers of the training days.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Already without the held-out customers.
    recipe : Recipe
    threads : int
        Models fitted at the same time, each on one thread; the models do not depend on it.

    Returns
    -------
    Fitted

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: fewer than 200 rows, or only one outcome, so nothing can be learned.
    """
    boosters = fit_models(snapshots, recipe, MODEL_NAMES, threads=threads)
    seen = out_of_time(snapshots, recipe, threads=threads)
    calibration = calibration_document(seen, seed=recipe.lightgbm["seed"])
    rows = calibrated(seen, calibration)
    coverage = recipe.payable["coverage"]
    bands, single = payable_bands(rows, coverage)
    return Fitted(
        boosters,
        single,
        {
            "willingness": sum(int(one.in_queue.sum()) for one in snapshots),
            "ability": sum(int(one.targets["ability"].notna().sum()) for one in ability_days(snapshots, recipe)),
            "conformal": int(rows["share"].notna().sum()),
        },
        documents={"calibration": calibration, "intervals": intervals_document(rows)},
        facts={
            "payable": {"coverage": coverage, "conformal_margin": single, "bands": bands_to_json(bands)},
            "adjusted_willingness": adjusted_willingness(rows),
            "score_correlation": score_correlation(rows),
            "out_of_time": {
                "basis": str(rows["basis"].iloc[0]) if len(rows) else "none",
                "days": sorted(set(rows["day"].astype(str))),
                "rows": len(rows),
            },
        },
        reference=reference_rows(snapshots),
    )
