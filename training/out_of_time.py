"""Rows that a recipe has never seen: the same models, fitted on earlier days and other customers, predict the latest training days.

What came true on these rows is what calibration, intervals and conformal margins may learn from: it carries the drift from month to
month and the step to new customers, as serving does. Each latest day is predicted in parts of the customers; the models that predict a
part learnt from the other parts, on days at least a horizon earlier. Where there is no earlier day the other customers of the same
day must do, and the basis says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.scores.bundle import MODEL_NAMES
from training.boosting import fit_models
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out

OUT_OF_TIME: Final = "earlier days, other customers"
SAME_DAY: Final = "the same day, other customers"


def out_of_time(snapshots: Sequence[Snapshot], recipe: Recipe, *, threads: int = 1) -> pd.DataFrame:
    """Predictions and outcomes of queue accounts on the latest training days.

    Returns
    -------
    DataFrame, one row per account and day
        ``account_id``, ``customer_id``, ``day``, ``basis``, ``dpd``, ``cure_amount_cents``, one raw prediction per core model
        (log-odds of the scores, shares of the quantiles), ``willing`` (0 or 1), ``share`` (NaN without a payment), ``paid_cents``.
    """
    in_order = sorted(snapshots, key=lambda one: one.frame.as_of)
    found = []
    for day in in_order[-recipe.split["out_of_time_days"] :]:
        earlier = _earlier(in_order, day, recipe.targets["horizon_days"])
        if earlier:
            found += _predicted_in_parts(day, earlier, recipe, OUT_OF_TIME, threads)
    if not found:
        found = _predicted_in_parts(in_order[-1], [in_order[-1]], recipe, SAME_DAY, threads)
    return pd.concat(found, ignore_index=True)


def _earlier(snapshots: Sequence[Snapshot], day: Snapshot, horizon_days: int) -> list[Snapshot]:
    return [one for one in snapshots if (day.frame.as_of - one.frame.as_of).days >= horizon_days]


def _predicted_in_parts(
    day: Snapshot, taught: Sequence[Snapshot], recipe: Recipe, basis: str, threads: int
) -> list[pd.DataFrame]:
    folds = recipe.split["out_of_time_folds"]
    return [_predicted(day, taught, recipe, basis, fold / folds, 1 / folds, threads) for fold in range(folds)]


def _predicted(
    day: Snapshot, taught: Sequence[Snapshot], recipe: Recipe, basis: str, shift: float, share: float, threads: int
) -> pd.DataFrame:
    def aside(one: Snapshot) -> npt.NDArray[np.bool_]:
        return is_held_out(one.frame.positions["customer_id"], share, salt="out of time", shift=shift)

    boosters = fit_models([one.take(~aside(one)) for one in taught], recipe, MODEL_NAMES, threads=threads)
    part = day.take(aside(day) & day.in_queue)
    at = part.frame.positions
    columns = {name: at[name].to_numpy() for name in ("account_id", "customer_id", "dpd", "cure_amount_cents")}
    if len(part.frame):
        columns |= {
            name: np.asarray(booster.predict(part.frame.values, raw_score=True, num_threads=1), dtype=np.float64)
            for name, booster in boosters.items()
        }
    else:
        columns |= {name: np.empty(0) for name in boosters}
    told = {"willingness": "willing", "ability": "share", "paid_cents": "paid_cents"}
    outcomes = {new: part.targets[old].to_numpy() for old, new in told.items()}
    return pd.DataFrame({**columns, **outcomes, "day": day.frame.as_of, "basis": basis})
