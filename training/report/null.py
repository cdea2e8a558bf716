"""Calibration against a simulated null: how far off would a perfectly calibrated model look on these very accounts?

*Why*: with a few hundred accounts a perfect model shows an expected calibration error well above any fixed limit, so each figure
stands beside what chance alone gives. For a probability the null draws outcomes from the predictions. A share has no such law, so
its null flips the signs of the residuals about their band's mean (a wild bootstrap).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.evaluation import capped_money, paid_in_full
from training.report.resampling import customer_weights, interval

Floats = npt.NDArray[np.float64]
DRAWS: Final = 500
BANDS: Final = 10
FEWEST: Final = 50
"""Below this many accounts nothing is said."""
NULL_LEVEL: Final = 0.95


def against_null(
    predicted: Floats, seen: Floats, *, seed: int, is_probability: bool = True, draws: int = DRAWS, bands: int = BANDS
) -> dict[str, float]:
    """Calibration of one model on one population beside its null.

    Returns
    -------
    dict
        ``n``; ``predicted`` and ``seen`` means; ``in_the_large`` (seen less predicted) with ``in_the_large_null``, the 95th percentile
        of its size by chance; ``ece`` (mean gap over ten bands of equal size) with ``ece_null``; ``ece_excess`` and
        ``in_the_large_excess``, what lies beyond chance. Empty below 50 accounts.

    Examples
    --------
    >>> p = np.full(400, 0.5)
    >>> told = against_null(p, np.tile([0.0, 1.0], 200), seed=1)
    >>> told["in_the_large"], told["in_the_large_excess"], told["in_the_large_null"] > 0
    (0.0, 0.0, True)
    """
    if len(predicted) < FEWEST:
        return {}
    order = np.argsort(predicted, kind="stable")
    p, y = predicted[order], seen[order]
    starts = np.unique(np.linspace(0, len(p), bands + 1).astype(np.int64)[:-1])
    sizes = np.diff(np.r_[starts, len(p)])
    draw = np.random.default_rng(seed)
    if is_probability:
        gaps = (draw.random((draws, len(p))) < p) - p
    else:
        residual = y - p
        centred = residual - np.repeat(np.add.reduceat(residual, starts) / sizes, sizes)
        gaps = centred * draw.choice((-1.0, 1.0), size=(draws, len(p)))
    null = _errors(gaps, starts)
    own = _errors((y - p)[None, :], starts)
    figures = {"n": float(len(p)), "predicted": float(p.mean()), "seen": float(y.mean())}
    figures["in_the_large"] = float((y - p).mean())
    figures["in_the_large_null"] = float(np.quantile(np.abs(null[1]), NULL_LEVEL))
    figures["in_the_large_excess"] = max(0.0, abs(figures["in_the_large"]) - figures["in_the_large_null"])
    figures["ece"] = float(own[0][0])
    figures["ece_null"] = float(np.quantile(null[0], NULL_LEVEL))
    figures["ece_excess"] = max(0.0, figures["ece"] - figures["ece_null"])
    return figures


def _errors(gaps: Floats, starts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Expected calibration error and error in the large of each row of gaps between outcome and prediction."""
    summed = np.add.reduceat(gaps, starts, axis=1)
    return np.abs(summed).sum(axis=1) / gaps.shape[1], gaps.mean(axis=1)


def null_band(predicted: Floats, *, seed: int, bands: int = BANDS, draws: int = DRAWS) -> pd.DataFrame:
    """Where 95 % of perfectly calibrated models would lie in each band of a reliability plot.

    Returns
    -------
    DataFrame, one row per band
        ``predicted`` (mean), ``low``, ``high``.

    Examples
    --------
    >>> band = null_band(np.full(100, 0.5), seed=1, bands=1)
    >>> bool(band["low"][0] < 0.5 < band["high"][0])
    True
    """
    p = np.sort(predicted)
    starts = np.unique(np.linspace(0, len(p), bands + 1).astype(np.int64)[:-1])
    sizes = np.diff(np.r_[starts, len(p)])
    drawn = np.random.default_rng(seed).random((draws, len(p))) < p
    means = np.add.reduceat(drawn.astype(np.float64), starts, axis=1) / sizes
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return pd.DataFrame({"predicted": np.add.reduceat(p, starts) / sizes, "low": low, "high": high})


def calibration_by_bucket(table: pd.DataFrame, *, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Calibration beside its null: model, then ``all`` and each bucket that has enough accounts."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    groups = [("all", table), *((str(name), rows) for name, rows in table.groupby("bucket", sort=True))]
    for name, rows in groups:
        payers = rows[rows["share"].notna()]
        sides = {
            "willingness": against_null(_floats(rows["w_logged"]), _floats(rows["willingness"]), seed=seed),
            "ability": against_null(
                _floats(payers["ability"]), _floats(payers["share"]), seed=seed, is_probability=False
            ),
        }
        if "p_full" in rows:
            sides["full_payment"] = against_null(_floats(payers["p_full"]), paid_in_full(payers), seed=seed)
        for model, figures in sides.items():
            if figures:
                found.setdefault(model, {})[name] = figures
    return found


def cash_by_bucket(table: pd.DataFrame, *, seed: int) -> dict[str, dict[str, float]]:
    """Expected beside realised cash, whole minor units, and their ratio with its bootstrap interval: ``all`` and each bucket."""
    found = {}
    for name, rows in [("all", table), *((str(b), r) for b, r in table.groupby("bucket", sort=True))]:
        money, expected = capped_money(rows), rows["expected_cents"].to_numpy(dtype=np.float64)
        if len(rows) < FEWEST or money.sum() <= 0:
            continue
        weights = customer_weights(rows["customer_id"], seed=seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            bounds = interval(np.asarray(weights @ expected / (weights @ money)))
        found[name] = {
            "n": float(len(rows)),
            "expected_cents": float(np.round(expected.sum())),
            "realised_cents": float(money.sum()),
            "cash_ratio": float(expected.sum() / money.sum()),
        }
        if bounds is not None:
            found[name] |= {"cash_ratio_low": bounds[0], "cash_ratio_high": bounds[1]}
    return found


def _floats(values: pd.Series) -> Floats:
    return values.to_numpy(dtype=np.float64)
