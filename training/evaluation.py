"""Evaluation on accounts and days never trained on: by bucket and segment, with bootstrap intervals, against simple rules."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import brier_score_loss, log_loss, r2_score, roc_auc_score

from training.report.resampling import (
    REPLICATES,
    customer_weights,
    interval,
    weighted_auc,
    weighted_capture,
    weighted_correlation,
    weighted_mean,
    weighted_r2,
)

Floats = npt.NDArray[np.float64]
TOP_SHARE: Final = 0.30
FEWEST_PAYERS: Final = 10
_SCORED: Final = (
    "dpd",
    "bucket",
    "segment",
    "evidence",
    "cure_amount_cents",
    "w_logged",
    "ability",
    "p_full",
    "payable_low_cents",
    "payable_high_cents",
)
FULL: Final = 1.0 - 1e-9
"""From this share on a payment is a full one; shares are rounded on the way."""


def evaluation_table(scored: pd.DataFrame, targets: pd.DataFrame, customers: Any = None) -> pd.DataFrame:
    """Scores beside what happened, one row per test account.

    Parameters
    ----------
    scored : DataFrame
        ``dpd``, ``cure_amount_cents``, ``w_logged``, ``ability``; where there are any, ``bucket``, ``segment``, ``evidence``,
        ``p_full`` and the payable interval.
    targets : DataFrame
        In the same order.
    customers : array-like, optional
        Customer of each row; the bootstrap draws customers. Without it every row is its own.
    """
    kept = scored[[name for name in _SCORED if name in scored.columns]]
    table = kept.assign(paid_cents=targets["paid_cents"], willingness=targets["willingness"], share=targets["ability"])
    table["customer_id"] = np.arange(len(table)) if customers is None else np.asarray(customers, dtype=object)
    return table.assign(expected_cents=table["w_logged"] * table["ability"] * table["cure_amount_cents"])


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """Figures of one population.

    Returns
    -------
    dict
        ``n``, ``willing_share``, ``willingness_auc``, ``willingness_brier``, ``willingness_log_loss``, ``ability_r2``, ``ability_n``,
        ``full_payment_auc`` (payers), ``money_top30_expected`` / ``_balance`` / ``_willingness`` / ``_dpd`` / ``_p_x_balance`` /
        ``_p_1_p_ad`` (share of the money paid that the top 30 % by each rule paid), ``cash_ratio`` (expected over realised),
        ``score_correlation``, ``payable_coverage``. A figure that the population cannot give is left out.
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
    if len(table) > 2 and np.ptp(predicted) > 0 and np.ptp(table["ability"].to_numpy()) > 0:
        figures["score_correlation"] = float(np.corrcoef(predicted, table["ability"])[0, 1])
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _ability_metrics(payers: pd.DataFrame) -> dict[str, float]:
    figures: dict[str, float] = {"ability_n": len(payers)}
    if len(payers) < FEWEST_PAYERS:
        return figures
    figures["ability_r2"] = float(r2_score(payers["share"], payers["ability"]))
    if "p_full" in payers:
        full = paid_in_full(payers)
        if len(np.unique(full)) == 2:
            figures["full_payment_auc"] = float(roc_auc_score(full, payers["p_full"]))
    if "payable_low_cents" in payers:
        figures["payable_coverage"] = float(is_covered(payers).mean())
    return figures


def paid_in_full(payers: pd.DataFrame) -> Floats:
    """1.0 where a payer paid the whole cure amount."""
    return (payers["share"].to_numpy() >= FULL).astype(np.float64)


def is_covered(payers: pd.DataFrame) -> Floats:
    """1.0 where what was paid lies in the payable interval; amounts are whole cents, so half a cent on either side is inside."""
    paid = (payers["share"] * payers["cure_amount_cents"]).to_numpy()
    low, high = (payers[f"payable_{side}_cents"].to_numpy() for side in ("low", "high"))
    return ((paid >= low - 0.5) & (paid <= high + 0.5)).astype(np.float64)


def capped_money(table: pd.DataFrame) -> Floats:
    """What each account paid towards the amount that cures it."""
    paid, owed = (table[name].to_numpy(dtype=np.float64) for name in ("paid_cents", "cure_amount_cents"))
    return np.asarray(np.minimum(paid, owed), dtype=np.float64)


def rules(table: pd.DataFrame) -> dict[str, Floats]:
    """The orderings that are compared: by w x A x D, balance, P alone, days past due, P x balance, P(1-P) x A x D."""
    willing, owed = table["w_logged"].to_numpy(dtype=np.float64), table["cure_amount_cents"].to_numpy(dtype=np.float64)
    return {
        "expected": table["expected_cents"].to_numpy(dtype=np.float64),
        "balance": owed,
        "willingness": willing,
        "dpd": table["dpd"].to_numpy(dtype=np.float64),
        "p_x_balance": willing * owed,
        "p_1_p_ad": willing * (1.0 - willing) * table["ability"].to_numpy(dtype=np.float64) * owed,
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
    return by_group(table, "bucket")


def by_group(table: pd.DataFrame, column: str) -> dict[str, dict[str, float]]:
    """`metrics` for each value of a column that has accounts: ``bucket``, ``segment``, ``evidence``."""
    return {str(name): metrics(rows.reset_index(drop=True)) for name, rows in table.groupby(column, sort=True)}


def resampled(table: pd.DataFrame, weights: Floats) -> dict[str, Floats]:
    """The figures of `metrics` for every replicate of a bootstrap: name to array (replicates,)."""
    willing, predicted = (table[name].to_numpy(dtype=np.float64) for name in ("willingness", "w_logged"))
    clipped = np.clip(predicted, 1e-15, 1.0 - 1e-15)
    loss = -(willing * np.log(clipped) + (1.0 - willing) * np.log1p(-clipped))
    found = {
        "willing_share": weighted_mean(willing, weights),
        "willingness_auc": weighted_auc(willing, predicted, weights),
        "willingness_brier": weighted_mean((willing - predicted) ** 2, weights),
        "willingness_log_loss": weighted_mean(loss, weights),
        "score_correlation": weighted_correlation(predicted, table["ability"].to_numpy(dtype=np.float64), weights),
    }
    paid = table["share"].notna().to_numpy()
    if paid.sum() >= FEWEST_PAYERS:
        payers, own = table[paid], weights[:, paid]
        share, told = (payers[name].to_numpy(dtype=np.float64) for name in ("share", "ability"))
        found["ability_r2"] = weighted_r2(share, told, own)
        if "p_full" in payers:
            found["full_payment_auc"] = weighted_auc(paid_in_full(payers), payers["p_full"].to_numpy(np.float64), own)
        if "payable_low_cents" in payers:
            found["payable_coverage"] = weighted_mean(is_covered(payers), own)
    money = capped_money(table)
    if money.sum() > 0:
        for rule, order in rules(table).items():
            found[f"money_top30_{rule}"] = weighted_capture(money, order, TOP_SHARE, weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            found["cash_ratio"] = np.asarray(weights @ table["expected_cents"].to_numpy() / (weights @ money))
    return found


def intervals(table: pd.DataFrame, *, seed: int, replicates: int = REPLICATES) -> dict[str, tuple[float, float]]:
    """Bootstrap 95 % intervals of the figures of one population, customers drawn with replacement."""
    if len(table) == 0:
        return {}
    weights = customer_weights(table["customer_id"], seed=seed, replicates=replicates)
    bounds = {name: interval(values) for name, values in resampled(table, weights).items()}
    return {name: pair for name, pair in bounds.items() if pair is not None}


def intervals_by_group(table: pd.DataFrame, column: str, *, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """`intervals` for each value of a column."""
    return {
        str(name): intervals(rows.reset_index(drop=True), seed=seed) for name, rows in table.groupby(column, sort=True)
    }


def calibration(predicted: Floats, seen: Floats, bands: int = 10) -> pd.DataFrame:
    """Predicted against seen in bands of equal size: ``predicted``, ``seen``, ``n``."""
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bands) if len(part)]
    rows: list[dict[str, Any]] = [
        {"predicted": predicted[part].mean(), "seen": seen[part].mean(), "n": len(part)} for part in parts
    ]
    return pd.DataFrame(rows)
