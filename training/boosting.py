"""The boosters: what each model learns from, and how the recipe is put to LightGBM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import PortfolioError
from scoring.features.registry import FEATURE_NAMES
from training.directions import constraints
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out

SMALLEST_TRAINING_SET: Final = 200
FULL: Final = 1.0 - 1e-9
SCORE_MODELS: Final = ("willingness", "ability")

Floats = npt.NDArray[np.float64]


def fit_scores(snapshots: Sequence[Snapshot], recipe: Recipe, *, threads: int = 1) -> dict[str, lightgbm.Booster]:
    """Fit the two scores alone: willingness on everybody first and then on the queue, ability on payers of its population."""
    return fit_models(snapshots, recipe, SCORE_MODELS, threads=threads)


def fit_models(
    snapshots: Sequence[Snapshot], recipe: Recipe, names: Sequence[str], *, threads: int = 1
) -> dict[str, lightgbm.Booster]:
    """Fit some of the models, several at a time.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: fewer than 200 rows, or only one outcome.
    """
    _refuse_unlearnable(_stacked([_population(one, "queue") for one in snapshots])[1])
    payers = _Payers.of(snapshots, recipe) if set(names) - {"willingness"} else _Payers.nobody()
    jobs: dict[str, Callable[[], lightgbm.Booster]] = {
        "willingness": lambda: _willingness(snapshots, recipe),
        "ability": lambda: _booster(
            payers.values, payers.share, "cross_entropy", recipe, model="ability", weight=payers.weight
        ),
        "full_payment": lambda: _booster(
            payers.values, (payers.share >= FULL).astype(float), "binary", recipe, model="full_payment"
        ),
    }
    for name, quantile in _quantiles(recipe.payable["coverage"]).items():
        jobs[name] = lambda quantile=quantile: _booster(  # type: ignore[misc]
            payers.values, without_atom(payers.share, recipe.lightgbm["seed"]), "quantile", recipe, alpha=quantile
        )
    if threads <= 1:
        return {name: jobs[name]() for name in names}
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(names, pool.map(lambda name: jobs[name](), names), strict=True))


def ability_days(snapshots: Sequence[Snapshot], recipe: Recipe) -> list[Snapshot]:
    """The days and accounts that ability learns from."""
    return [_population(one, recipe.split["ability_population"]) for one in _recent(snapshots, recipe)]


@dataclass(frozen=True)
class _Payers:
    """Rows with a token payment: features, share of the cure amount, weight."""

    values: npt.NDArray[np.float32]
    share: Floats
    weight: Floats

    @classmethod
    def of(cls, snapshots: Sequence[Snapshot], recipe: Recipe) -> _Payers:
        days = ability_days(snapshots, recipe)
        values, willing, share = _stacked(days)
        owed = np.concatenate([one.frame.positions["cure_amount_cents"].to_numpy(dtype=np.float64) for one in days])
        paid = ~np.isnan(share)
        weight = (owed[paid] / owed[paid].mean()) ** recipe.split["ability_weight_power"]
        if (least := recipe.split["ability_least_willingness"]) > 0:
            customers = pd.concat([one.frame.positions["customer_id"] for one in days], ignore_index=True)
            weight = weight / np.clip(unseen_willingness(values, willing, customers, recipe)[paid], least, 1.0)
            weight = weight / weight.mean()
        return cls(values[paid], share[paid], weight)

    @classmethod
    def nobody(cls) -> _Payers:
        """Where no model of payers is asked for."""
        return cls(np.empty((0, len(FEATURE_NAMES)), dtype=np.float32), np.empty(0), np.empty(0))


def unseen_willingness(
    values: npt.NDArray[np.float32], willing: Floats, customers: pd.Series, recipe: Recipe
) -> Floats:
    """Probability of a token payment of every row, by a quick model of other customers.

    Payers are a selected sample of the queue: ability is learnt from them and told of everybody. Weighted by one over it they
    stand for those who look alike and did not pay. Few large steps will do for a weight.
    """
    quick = replace(recipe, lightgbm={**recipe.lightgbm, **QUICK}, monotone={})
    found = np.empty(len(values))
    for fold in range(2):
        here = is_held_out(customers, 0.5, salt="weight", shift=fold / 2)
        if len(np.unique(willing[~here])) < 2:
            found[here] = willing.mean()
        elif here.any():
            booster = _booster(values[~here], willing[~here], "binary", quick)
            found[here] = np.asarray(booster.predict(values[here], num_threads=1))
    return found


QUICK: Final = {"n_trees": 60, "learning_rate": 0.1}


def _willingness(snapshots: Sequence[Snapshot], recipe: Recipe) -> lightgbm.Booster:
    """The queue is small and near what the wider book does: its trees go on from trees that learnt from everybody."""
    values, willing, _ = _stacked([_population(one, "queue") for one in snapshots])
    trees, on_all = recipe.split["willingness_trees"], recipe.split["willingness_trees_on_all"]
    if not on_all:
        return _booster(values, willing, "binary", recipe, model="willingness", trees=trees)
    all_values, all_willing, _ = _stacked(_recent(snapshots, recipe))
    start = _booster(all_values, all_willing, "binary", recipe, model="willingness", trees=on_all)
    return _booster(values, willing, "binary", recipe, model="willingness", trees=trees - on_all, start=start)


def _recent(snapshots: Sequence[Snapshot], recipe: Recipe) -> list[Snapshot]:
    """The latest days, where the recipe lets only them teach what changes fastest; all of them where it says 0."""
    in_order = sorted(snapshots, key=lambda one: one.frame.as_of)
    return in_order[-recipe.split["recent_days"] :]


def _population(seen: Snapshot, population: str) -> Snapshot:
    return seen if population == "all" else seen.take(seen.in_queue)


def _stacked(snapshots: Sequence[Snapshot]) -> tuple[npt.NDArray[np.float32], Floats, Floats]:
    """Features, willingness and ability targets of all snapshots, one below the other."""
    return (
        np.concatenate([s.frame.values for s in snapshots]),
        np.concatenate([s.targets["willingness"].to_numpy() for s in snapshots]),
        np.concatenate([s.targets["ability"].to_numpy() for s in snapshots]),
    )


def without_atom(share: Floats, seed: int) -> Floats:
    """Shares with those of one spread evenly over (1, 1.5].

    A quantile that falls on the atom of full payments would start every account there, and boosting never leaves: all residuals
    have one sign. Cut back to one, quantiles of the spread shares are those of the shares, since cutting keeps the order.

    Examples
    --------
    >>> spread = without_atom(np.array([0.2, 1.0, 1.0]), seed=1)
    >>> np.minimum(spread, 1.0).tolist(), bool(spread[1] != spread[2])
    ([0.2, 1.0, 1.0], True)
    """
    drawn = np.random.default_rng(seed).uniform(1.0, 1.0 + ATOM_SPREAD, len(share))
    return np.where(share >= FULL, drawn, share)


ATOM_SPREAD: Final = 0.5


def _quantiles(coverage: float) -> dict[str, float]:
    tail = (1 - coverage) / 2
    return {"share_low": tail, "share_mid": 0.5, "share_high": 1 - tail}


def _booster(
    values: npt.NDArray[np.float32],
    target: Floats,
    objective: str,
    recipe: Recipe,
    *,
    model: str = "",
    weight: Floats | None = None,
    trees: int | None = None,
    start: lightgbm.Booster | None = None,
    **more: Any,
) -> lightgbm.Booster:
    settings = dict(recipe.lightgbm)
    planned = settings.pop("n_trees")
    data = lightgbm.Dataset(values, target, weight=weight, feature_name=list(FEATURE_NAMES), free_raw_data=True)
    if recipe.monotone.get(model):
        more |= {"monotone_constraints": constraints(model), "monotone_constraints_method": "intermediate"}
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


def is_learnable(snapshots: Sequence[Snapshot]) -> bool:
    """Whether the queue of these days has at least 200 rows, both outcomes, and somebody who paid."""
    willing = np.concatenate([one.targets["willingness"].to_numpy()[one.in_queue] for one in snapshots])
    return _is_enough(willing)


def _is_enough(willing: Floats) -> bool:
    return len(willing) >= SMALLEST_TRAINING_SET and len(np.unique(willing)) == 2


def _refuse_unlearnable(willing: Floats) -> None:
    if not _is_enough(willing):
        raise PortfolioError(
            f"There are {len(willing)} training rows, {int(willing.sum())} of them with a token payment: too few to learn from. Load "
            f"more accounts or name more as-of days (at least {SMALLEST_TRAINING_SET} rows and both outcomes).",
            field="training rows",
            got=len(willing),
            expected=f">= {SMALLEST_TRAINING_SET}",
        )
