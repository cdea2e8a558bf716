"""Rows that a recipe has never seen: the same models, fitted on earlier days and other customers, predict the latest training days.

What came true on these rows is what calibration, intervals and conformal margins may learn from: it carries the drift from month to
month and the step to new customers, as serving does. Each latest day is predicted in parts of the customers; the models that predict a
part learnt from the other parts, on days at least a horizon earlier. Where there is no earlier day the other customers of the same
days must do, and the basis says so; a portfolio too small for either has no such rows, and is served with the widest intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.scores.bundle import MODEL_NAMES
from training.boosting import fit_models, is_learnable
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out

OUT_OF_TIME: Final = "earlier days, other customers"
SAME_DAYS: Final = "the same days, other customers"
NOTHING: Final = "none"
PREDICTED: Final = tuple(name for name in MODEL_NAMES if name != "share_mid")
"""Nothing is read off the middle of the payable share."""


def out_of_time(snapshots: Sequence[Snapshot], recipe: Recipe, *, threads: int = 1) -> pd.DataFrame:
    """Predictions and outcomes of queue accounts on the latest training days.

    Returns
    -------
    DataFrame, one row per account and day
        No row where the portfolio is too small. ``account_id``, ``customer_id``, ``day``, ``basis``, ``dpd``,
        ``cure_amount_cents``; one raw prediction per model of `PREDICTED` (log-odds of the scores, shares of the quantiles);
        ``willing`` (0 or 1), ``share`` (NaN without a payment), ``paid_cents``.
    """
    in_order = sorted(snapshots, key=lambda one: one.frame.as_of)
    found = []
    for day in in_order[-recipe.split["out_of_time_days"] :]:
        earlier = _earlier(in_order, day, recipe.targets["horizon_days"])
        if earlier:
            found += _predicted_in_parts(day, earlier, recipe, OUT_OF_TIME, threads)
    if not found:
        found = _predicted_in_parts(in_order[-1], in_order, recipe, SAME_DAYS, threads)
    return pd.concat(found or [_nobody(in_order[-1])], ignore_index=True)


def _earlier(snapshots: Sequence[Snapshot], day: Snapshot, horizon_days: int) -> list[Snapshot]:
    return [one for one in snapshots if (day.frame.as_of - one.frame.as_of).days >= horizon_days]


def _predicted_in_parts(
    day: Snapshot, taught: Sequence[Snapshot], recipe: Recipe, basis: str, threads: int
) -> list[pd.DataFrame]:
    """One frame per part of the customers whose others are enough to learn from."""
    folds = recipe.split["out_of_time_folds"]
    found = []
    for fold in range(folds):

        def aside(one: Snapshot, shift: float = fold / folds) -> npt.NDArray[np.bool_]:
            return is_held_out(one.frame.positions["customer_id"], 1 / folds, salt="out of time", shift=shift)

        others = [one.take(~aside(one)) for one in taught]
        part = day.take(aside(day) & day.in_queue)
        if len(part.frame) and is_learnable(others):
            boosters = fit_models(others, recipe, PREDICTED, threads=threads)
            found.append(_beside_outcomes(part, boosters, basis))
    return found


def _beside_outcomes(part: Snapshot, boosters: Mapping[str, lightgbm.Booster], basis: str) -> pd.DataFrame:
    at, seen = part.frame.positions, part.targets
    raw = {
        name: booster.predict(part.frame.values, raw_score=True, num_threads=1) for name, booster in boosters.items()
    }
    return pd.DataFrame(
        {
            **{name: at[name].to_numpy() for name in ("account_id", "customer_id", "dpd", "cure_amount_cents")},
            **{name: np.asarray(margin, dtype=np.float64) for name, margin in raw.items()},
            "willing": seen["willingness"].to_numpy(),
            "share": seen["ability"].to_numpy(),
            "paid_cents": seen["paid_cents"].to_numpy(),
            "day": part.frame.as_of,
            "basis": basis,
        }
    )


def _nobody(day: Snapshot) -> pd.DataFrame:
    """The same columns without a row."""
    at = day.frame.positions.iloc[:0]
    kept = at[["account_id", "customer_id", "dpd", "cure_amount_cents"]]
    return kept.assign(
        **dict.fromkeys((*PREDICTED, "willing", "share", "paid_cents"), 0.0), day=day.frame.as_of, basis=NOTHING
    )
