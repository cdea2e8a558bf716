"""Label permutation: a model trained on shuffled outcomes must know nothing about the test accounts.

*Why*: a split, a join or a target that leaks shows here as an area away from one half, whatever the real figures say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.metrics import roc_auc_score

from training.boosting import fit_models
from training.recipe import Recipe
from training.snapshots import Snapshot

SHUFFLES: Final = 5
MOST_ROWS: Final = 10_000
"""Training rows used for a shuffle: enough to learn a leak, few enough to be quick."""


def permuted_auc(train_days: Sequence[Snapshot], test: Snapshot, recipe: Recipe, *, seed: int) -> dict[str, float]:
    """Area under the curve on the test accounts of models trained on shuffled outcomes.

    Returns
    -------
    dict
        ``auc`` (mean over shuffles), ``sd`` (between shuffles), ``half_width`` (1.96 standard errors of the mean), ``excess`` (how far
        the mean lies from one half beyond that), ``shuffles``. Empty where the test set has one outcome only.
    """
    seen = test.targets["willingness"].to_numpy(dtype=np.float64)
    if len(np.unique(seen)) < 2:
        return {}
    draw = np.random.default_rng(seed)
    areas = []
    for _ in range(SHUFFLES):
        shuffled = [_shuffled(_thinned(day, draw, len(train_days)), draw) for day in train_days]
        model = fit_models(shuffled, recipe, ("willingness",))["willingness"]
        areas.append(float(roc_auc_score(seen, np.asarray(model.predict(test.frame.values, raw_score=True)))))
    mean, sd = float(np.mean(areas)), float(np.std(areas, ddof=1))
    half_width = 1.96 * sd / float(np.sqrt(SHUFFLES))
    return {
        "auc": mean,
        "sd": sd,
        "half_width": half_width,
        "excess": max(0.0, abs(mean - 0.5) - half_width),
        "shuffles": float(SHUFFLES),
    }


def _thinned(day: Snapshot, draw: np.random.Generator, n_days: int) -> Snapshot:
    most = MOST_ROWS // n_days
    if len(day.frame) <= most:
        return day
    kept = np.zeros(len(day.frame), dtype=bool)
    kept[draw.choice(len(kept), most, replace=False)] = True
    return day.take(kept)


def _shuffled(day: Snapshot, draw: np.random.Generator) -> Snapshot:
    """The same accounts with somebody else's outcome, inside and outside the queue apart."""
    order = np.arange(len(day.frame))
    for group in (day.in_queue, ~day.in_queue):
        order[group] = draw.permutation(order[group])
    return Snapshot(day.frame, day.targets.iloc[order].reset_index(drop=True), day.in_queue)
