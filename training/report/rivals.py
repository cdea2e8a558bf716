"""Paired differences: this bundle against the champion, the scorecard and simple rules, on the same accounts and the same draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.evaluation import TOP_SHARE, capped_money, metrics, resampled, rules
from training.report.resampling import customer_weights, interval, weighted_auc, weighted_capture

Floats = npt.NDArray[np.float64]
COMPARED: Final = ("willingness_auc", "willingness_log_loss", "willingness_brier", "ability_r2", "money_top30_expected")
SMALLER_IS_BETTER: Final = frozenset({"willingness_log_loss", "willingness_brier"})
FEWEST: Final = 100
"""A bucket with fewer accounts is not compared."""
RULE_NAMES: Final = {
    "willingness": "P alone",
    "balance": "balance",
    "dpd": "days past due",
    "p_x_balance": "P x balance",
    "p_1_p_ad": "P(1-P) x A x D",
}


@dataclass(frozen=True)
class Rival:
    """Another way to score the same accounts: probabilities of a token payment, and shares where it has any."""

    name: str
    willingness: Floats
    ability: Floats | None = None

    def table(self, ours: pd.DataFrame) -> pd.DataFrame:
        """Our evaluation table with the rival's scores in it; without an ability of its own it borrows ours."""
        ability = ours["ability"].to_numpy(dtype=np.float64) if self.ability is None else self.ability
        lean = ours.drop(columns=[name for name in ("p_full", "payable_low_cents") if name in ours.columns])
        return lean.assign(
            w_logged=self.willingness,
            ability=ability,
            expected_cents=self.willingness * ability * ours["cure_amount_cents"],
        )


def differences(ours: pd.DataFrame, rival: Rival, *, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Ours less the rival's, overall (``all``) and by bucket.

    Returns
    -------
    dict
        Population, then figure, then ``ours``, ``rival``, ``difference`` with ``low`` and ``high`` (95 %), and ``better``: 1 when the
        interval says ours is better, -1 when it says worse, else 0.
    """
    theirs = rival.table(ours)
    found = {"all": _differences(ours, theirs, rival, seed)}
    for bucket, rows in ours.groupby("bucket", sort=True):
        if len(rows) >= FEWEST:
            found[str(bucket)] = _differences(rows, theirs.loc[rows.index], rival, seed)
    return found


def _differences(ours: pd.DataFrame, theirs: pd.DataFrame, rival: Rival, seed: int) -> dict[str, dict[str, float]]:
    weights = customer_weights(ours["customer_id"], seed=seed)
    points, draws = (metrics(ours), metrics(theirs)), (resampled(ours, weights), resampled(theirs, weights))
    skipped = {"ability_r2"} if rival.ability is None else set()
    found = {}
    for name in COMPARED:
        if name in skipped or any(name not in side for side in points):
            continue
        told = _told(points[0][name], points[1][name], draws[0][name] - draws[1][name], name in SMALLER_IS_BETTER)
        if told:
            found[name] = told
    return found


def against_rules(ours: pd.DataFrame, *, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """What ordering by w x A x D brings over each simple rule: money in the top 30 %, and AUC for a token payment where it orders."""
    weights = customer_weights(ours["customer_id"], seed=seed)
    orders, money = rules(ours), capped_money(ours)
    willing, own = ours["willingness"].to_numpy(dtype=np.float64), ours["w_logged"].to_numpy(dtype=np.float64)
    found: dict[str, dict[str, dict[str, float]]] = {}
    points = metrics(ours)
    for rule, label in RULE_NAMES.items():
        figures: dict[str, dict[str, float]] = {}
        if money.sum() > 0:
            captured = [weighted_capture(money, orders[name], TOP_SHARE, weights) for name in ("expected", rule)]
            figures["money_top30"] = _told(
                points["money_top30_expected"], points[f"money_top30_{rule}"], captured[0] - captured[1], False
            )
        if rule in ("dpd", "balance") and "willingness_auc" in points:
            ones = np.ones((1, len(ours)))
            # a rule orders one way or the other; it is given the way that suits it
            side = 1.0 if weighted_auc(willing, orders[rule], ones)[0] >= 0.5 else -1.0
            areas = weighted_auc(willing, own, weights), weighted_auc(willing, side * orders[rule], weights)
            best = float(weighted_auc(willing, side * orders[rule], ones)[0])
            figures["willingness_auc"] = _told(points["willingness_auc"], best, areas[0] - areas[1], False)
        found[label] = {name: told for name, told in figures.items() if told}
    return found


def _told(ours: float, theirs: float, draws: Floats, smaller_is_better: bool) -> dict[str, float]:
    bounds = interval(draws)
    if bounds is None:
        return {}
    worse_side, better_side = (bounds[0] > 0, bounds[1] < 0) if smaller_is_better else (bounds[1] < 0, bounds[0] > 0)
    return {
        "ours": ours,
        "rival": theirs,
        "difference": ours - theirs,
        "low": bounds[0],
        "high": bounds[1],
        "better": float(better_side) - float(worse_side),
    }


def worse_buckets(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Buckets, with the figure, where the interval says that ours is worse.

    >>> worse_buckets({"M1": {"willingness_auc": {"better": -1.0}}, "M2": {"willingness_auc": {"better": 1.0}}})
    ['M1 willingness_auc']
    """
    return [
        f"{bucket} {figure}"
        for bucket, figures in found.items()
        for figure, told in figures.items()
        if told["better"] < 0
    ]
