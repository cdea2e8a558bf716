"""Fitting the models of a bundle: willingness, ability, full payment, and the payable share with its conformal margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from scoring.errors import PortfolioError
from scoring.features.registry import FEATURE_NAMES
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out

SMALLEST_TRAINING_SET = 200
FULL = 1.0 - 1e-9


@dataclass(frozen=True)
class Fitted:
    """Boosters by bundle model name, and the conformal margin of the payable share (in shares of the cure amount)."""

    boosters: dict[str, lightgbm.Booster]
    conformal_margin: float
    n_rows: dict[str, int]


def fit(snapshots: Sequence[Snapshot], recipe: Recipe) -> Fitted:
    """Fit all models on training customers of the training days.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Already without the held-out customers.
    recipe : Recipe

    Returns
    -------
    Fitted

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: fewer than 200 rows, or only one outcome, so nothing can be learned.
    """
    boosters = fit_scores(snapshots, recipe)
    payers = [_population(one, recipe.split["ability_population"]) for one in snapshots]
    values, _, share = _stacked(payers)
    aside = np.concatenate(
        [
            is_held_out(one.frame.positions["customer_id"], recipe.split["calibration_share"], salt="calibration")
            for one in payers
        ]
    )
    queue = np.concatenate([one.in_queue for one in payers])
    paid = ~np.isnan(share)
    boosters["full_payment"] = _booster(values[paid], (share[paid] >= FULL).astype(float), "binary", recipe)
    proper = paid & ~aside
    for name, quantile in _quantiles(recipe.payable["coverage"]).items():
        boosters[name] = _booster(values[proper], share[proper], "quantile", recipe, alpha=quantile)
    held = paid & aside & queue  # the interval is for the queue, so it is widened on the queue
    margin = conformal_margin(
        boosters["share_low"].predict(values[held]),
        boosters["share_high"].predict(values[held]),
        share[held],
        recipe.payable["coverage"],
    )
    return Fitted(
        boosters,
        margin,
        {
            "willingness": sum(int(one.in_queue.sum()) for one in snapshots),
            "ability": int(paid.sum()),
            "conformal": int(held.sum()),
        },
    )


def fit_scores(snapshots: Sequence[Snapshot], recipe: Recipe) -> dict[str, lightgbm.Booster]:
    """Fit the two scores alone: willingness on everybody first and then on the queue, ability on payers of its population."""
    _refuse_unlearnable(_stacked([_population(one, "queue") for one in snapshots])[1])
    payers = [_population(one, recipe.split["ability_population"]) for one in snapshots]
    payer_values, _, share = _stacked(payers)
    owed = np.concatenate([one.frame.positions["cure_amount_cents"].to_numpy(dtype=np.float64) for one in payers])
    paid = ~np.isnan(share)
    weight = (owed[paid] / owed[paid].mean()) ** recipe.split["ability_weight_power"]
    return {
        "willingness": _willingness(snapshots, recipe),
        "ability": _booster(payer_values[paid], share[paid], "cross_entropy", recipe, weight=weight),
    }


def _willingness(snapshots: Sequence[Snapshot], recipe: Recipe) -> lightgbm.Booster:
    """The queue is small and near what the wider book does: its trees go on from trees that learnt from everybody."""
    values, willing, _ = _stacked([_population(one, "queue") for one in snapshots])
    trees, on_all = recipe.lightgbm["n_trees"], recipe.split["willingness_trees_on_all"]
    if not on_all:
        return _booster(values, willing, "binary", recipe)
    all_values, all_willing, _ = _stacked(snapshots)
    start = _booster(all_values, all_willing, "binary", recipe, trees=on_all)
    return _booster(values, willing, "binary", recipe, trees=trees - on_all, start=start)


def _population(seen: Snapshot, population: str) -> Snapshot:
    return seen if population == "all" else seen.take(seen.in_queue)


def _stacked(
    snapshots: Sequence[Snapshot],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Features, willingness and ability targets of all snapshots, one below the other."""
    return (
        np.concatenate([s.frame.values for s in snapshots]),
        np.concatenate([s.targets["willingness"].to_numpy() for s in snapshots]),
        np.concatenate([s.targets["ability"].to_numpy() for s in snapshots]),
    )


def conformal_margin(low: Any, high: Any, share: npt.NDArray[np.float64], coverage: float) -> float:
    """How much to widen quantile predictions so that new accounts are covered (conformalised quantile regression).

    Returns
    -------
    float
        In shares; negative when the raw quantiles are too wide. 0 with nobody to calibrate on.

    References
    ----------
    Romano, Patterson, Candes, "Conformalized Quantile Regression", NeurIPS 2019.

    Examples
    --------
    >>> conformal_margin(np.array([0.2, 0.2]), np.array([0.8, 0.8]), np.array([0.9, 0.5]), 0.8)
    0.1
    """
    if len(share) == 0:
        return 0.0
    outside = np.maximum(np.asarray(low) - share, share - np.asarray(high))
    level = min(1.0, np.ceil((len(share) + 1) * coverage) / len(share))
    return round(float(np.quantile(outside, level, method="higher")), 12)


def _quantiles(coverage: float) -> dict[str, float]:
    tail = (1 - coverage) / 2
    return {"share_low": tail, "share_mid": 0.5, "share_high": 1 - tail}


def _booster(
    values: npt.NDArray[np.float32],
    target: npt.NDArray[np.float64],
    objective: str,
    recipe: Recipe,
    *,
    weight: npt.NDArray[np.float64] | None = None,
    trees: int | None = None,
    start: lightgbm.Booster | None = None,
    **more: Any,
) -> lightgbm.Booster:
    settings = dict(recipe.lightgbm)
    planned = settings.pop("n_trees")
    data = lightgbm.Dataset(values, target, weight=weight, feature_name=list(FEATURE_NAMES), free_raw_data=True)
    parameters = {
        "objective": objective,
        "verbose": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        **settings,
        **more,
    }
    return lightgbm.train(parameters, data, trees or planned, init_model=start)


def _refuse_unlearnable(willing: npt.NDArray[np.float64]) -> None:
    if len(willing) < SMALLEST_TRAINING_SET or len(np.unique(willing)) < 2:
        raise PortfolioError(
            f"There are {len(willing)} training rows, {int(willing.sum())} of them with a token payment: too few to learn from. Load "
            f"more accounts or name more as-of days (at least {SMALLEST_TRAINING_SET} rows and both outcomes).",
            field="training rows",
            got=len(willing),
            expected=f">= {SMALLEST_TRAINING_SET}",
        )
