"""Evaluation on accounts and days never trained on: by bucket, with bootstrap intervals, against simple rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import brier_score_loss, log_loss, r2_score, roc_auc_score

Floats = npt.NDArray[np.float64]
TOP_SHARE = 0.30
REPLICATES = 200


def evaluation_table(scored: pd.DataFrame, targets: pd.DataFrame) -> pd.DataFrame:
    """Scores beside what happened, one row per test account.

    Parameters
    ----------
    scored : DataFrame
        ``dpd``, ``cure_amount_cents``, ``w_logged``, ``ability``; where there are any, ``bucket`` and the payable interval.
    targets : DataFrame
        In the same order.
    """
    kept = scored[[name for name in _SCORED if name in scored.columns]]
    table = kept.assign(paid_cents=targets["paid_cents"], willingness=targets["willingness"], share=targets["ability"])
    return table.assign(expected_cents=table["w_logged"] * table["ability"] * table["cure_amount_cents"])


_SCORED = ("dpd", "bucket", "cure_amount_cents", "w_logged", "ability", "payable_low_cents", "payable_high_cents")


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Figures of one population.

    Returns
    -------
    dict
        ``n``, ``willing_share``, ``willingness_auc``, ``willingness_brier``, ``willingness_log_loss``, ``ability_r2``, ``ability_n``,
        ``money_top30_expected`` / ``_balance`` / ``_willingness`` / ``_dpd`` (share of the money paid that the top 30 % by each
        rule paid), ``cash_ratio`` (expected over realised), ``score_correlation``, ``payable_coverage``. A figure that
        the population cannot give is left out.
    """
    willing = table["willingness"].to_numpy()
    predicted = table["w_logged"].to_numpy()
    figures: dict[str, float] = {
        "n": len(table),
        "willing_share": float(willing.mean()) if len(table) else float("nan"),
    }
    if len(np.unique(willing)) == 2:
        figures["willingness_auc"] = float(roc_auc_score(willing, predicted))
        figures["willingness_brier"] = float(brier_score_loss(willing, predicted))
        figures["willingness_log_loss"] = float(log_loss(willing, predicted))
    figures |= _ability_metrics(table[table["share"].notna()])
    money = capped_money(table)
    if money.sum() > 0:
        for rule, order in rules(table).items():
            figures[f"money_top30_{rule}"] = captured(money, order, TOP_SHARE)
        figures["cash_ratio"] = float(table["expected_cents"].sum() / money.sum())
    if len(table) > 2:
        figures["score_correlation"] = float(np.corrcoef(predicted, table["ability"])[0, 1])
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _ability_metrics(payers: pd.DataFrame) -> dict[str, float]:
    figures: dict[str, float] = {"ability_n": len(payers)}
    if len(payers) >= 10:
        figures["ability_r2"] = float(r2_score(payers["share"], payers["ability"]))
    if len(payers) >= 10 and "payable_low_cents" in payers:
        paid = payers["share"] * payers["cure_amount_cents"]
        # Amounts are rounded to whole cents: half a cent on either side still counts as inside.
        inside = (paid >= payers["payable_low_cents"] - 0.5) & (paid <= payers["payable_high_cents"] + 0.5)
        figures["payable_coverage"] = float(inside.mean())
    return figures


def capped_money(table: pd.DataFrame) -> Floats:
    """What each account paid towards the amount that cures it."""
    paid, owed = (table[name].to_numpy(dtype=np.float64) for name in ("paid_cents", "cure_amount_cents"))
    return np.asarray(np.minimum(paid, owed), dtype=np.float64)


def rules(table: pd.DataFrame) -> dict[str, Floats]:
    """The orderings that are compared: by w x A x D, balance, willingness alone, days past due."""
    return {
        "expected": table["expected_cents"].to_numpy(dtype=np.float64),
        "balance": table["cure_amount_cents"].to_numpy(dtype=np.float64),
        "willingness": table["w_logged"].to_numpy(dtype=np.float64),
        "dpd": table["dpd"].to_numpy(dtype=np.float64),
    }


def captured(money: Floats, order: Floats, share: float) -> float:
    """Share of the money that the top ``share`` of accounts by ``order`` paid; ties in file order.

    Examples
    --------
    >>> captured(np.array([1.0, 3.0]), np.array([0.1, 0.9]), 0.5)
    0.75
    """
    top = np.argsort(-order, kind="stable")[: round(len(order) * share)]
    return float(money[top].sum() / money.sum())


def by_bucket(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`metrics` for each bucket that has accounts, in trade order."""
    return {str(bucket): metrics(rows.reset_index(drop=True)) for bucket, rows in table.groupby("bucket", sort=True)}


def intervals(table: pd.DataFrame, *, seed: int, replicates: int = REPLICATES) -> dict[str, tuple[float, float]]:
    """Bootstrap 95 % intervals of the figures of one population."""
    draw = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(replicates):
        sample = table.iloc[draw.integers(0, len(table), len(table))].reset_index(drop=True)
        for name, value in metrics(sample).items():
            found.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(v, 0.025)), float(np.quantile(v, 0.975)))
        for name, v in found.items()
        if len(v) > replicates // 2
    }


def calibration(predicted: Floats, seen: Floats, bands: int = 10) -> pd.DataFrame:
    """Predicted against seen in bands of equal size: ``predicted``, ``seen``, ``n``."""
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bands) if len(part)]
    rows: list[dict[str, Any]] = [
        {"predicted": predicted[part].mean(), "seen": seen[part].mean(), "n": len(part)} for part in parts
    ]
    return pd.DataFrame(rows)
