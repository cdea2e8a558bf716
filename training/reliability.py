"""What out-of-time rows say about the scores: intervals, margins of the payable amount, adjusted willingness, their correlation."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

from scoring.scores.intervals import SCHEMA
from scoring.scores.payable import PayableBand
from scoring.scores.scores import log_odds
from scoring.scores.segments import CORRELATION_ALARM

Floats = npt.NDArray[np.float64]
CONFIDENCE: Final = 0.90
_Z: Final = 1.6448536269514722
ROWS_A_BAND: Final = 150
MOST_BANDS: Final = 12
KNOTS: Final = 33
FULL_PAYMENT_BANDS: Final = (0.5, 0.8, 0.9)
"""Where accounts with an atom at full payment are split further: the surer the full payment, the higher the low end may stand."""
FEWEST_IN_A_BAND: Final = 60


def intervals_document(rows: pd.DataFrame) -> dict[str, Any]:
    """The bundle's ``intervals`` document: tables of both scores.

    Parameters
    ----------
    rows : DataFrame
        As `training.calibrating.calibrated` gives them.

    Notes
    -----
    Bands of equal size by score. An end is 1.645 standard errors from the share seen in the band; where two days or more were
    predicted the error also holds how much the level moved between days beyond sampling.
    """
    payers = rows[rows["share"].notna()]
    sides = {
        "willingness": (rows, "w_margin", "w", "willing"),
        "ability": (payers, "a_margin", "a", "share"),
    }
    tables = {name: _table(*side) for name, side in sides.items() if len(side[0]) >= ROWS_A_BAND}
    return {"schema": SCHEMA, "tables": tables, "facts": {"confidence": CONFIDENCE, "meaning": _MEANING}}


_MEANING: Final = "share seen among accounts scored alike, on later days and other customers"


def _table(rows: pd.DataFrame, margin: str, predicted: str, seen: str) -> dict[str, list[float]]:
    order = np.argsort(rows[margin].to_numpy(), kind="stable")
    p, y = (rows[name].to_numpy(dtype=np.float64)[order] for name in (predicted, seen))
    between = _variance_between_days(rows, predicted, seen)
    bands = [part for part in np.array_split(np.arange(len(p)), min(MOST_BANDS, len(p) // ROWS_A_BAND)) if len(part)]
    middle = log_odds(np.array([p[part].mean() for part in bands]))
    share = np.array([y[part].mean() for part in bands])
    # One success and one failure are added, so that a band where all did alike still has an error.
    spread = np.array([(((y[part] - y[part].mean()) ** 2).sum() + 0.5) / (len(part) + 1) / len(part) for part in bands])
    error = _Z * np.sqrt(spread + between)
    below = middle - log_odds(np.clip(share - error, 1e-4, 1 - 1e-4))
    above = log_odds(np.clip(share + error, 1e-4, 1 - 1e-4)) - middle
    keep = np.concatenate([[True], np.diff(middle) > 1e-9])
    return {
        name: [round(float(value), 9) for value in np.maximum(values, 0.0 if name != "margin" else -np.inf)[keep]]
        for name, values in (("margin", middle), ("below", below), ("above", above))
    }


def _variance_between_days(rows: pd.DataFrame, predicted: str, seen: str) -> float:
    """Variance of the level between days beyond what sampling gives; 0 with one day."""
    residual = (rows[seen] - rows[predicted]).groupby(rows["day"])
    means, errors = residual.mean(), residual.var(ddof=1) / residual.count()
    if len(means) < 2:
        return 0.0
    return max(0.0, float(means.var(ddof=1) - errors.mean()))


def conformal_margin(low: Any, high: Any, share: Floats, coverage: float) -> float:
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


def payable_bands(rows: pd.DataFrame, coverage: float) -> tuple[tuple[PayableBand, ...], float]:
    """Conformal margins of the payable share by the chance of paying in full, and the one margin for everybody.

    Accounts whose chance of paying in full exceeds the upper tail have the full amount as their upper end, so that only the lower
    end can miss: it is moved until the whole allowed miss lies there. A band with fewer than 60 payers is not made.
    """
    payers = rows[rows["share"].notna()]
    low, high, share, full = (
        payers[name].to_numpy(dtype=np.float64) for name in ("share_low", "share_high", "share", "p_full")
    )
    single = conformal_margin(low, high, share, coverage)
    tail = (1 - coverage) / 2
    edges = [0.0, *(edge for edge in (tail, *FULL_PAYMENT_BANDS) if (full >= edge).sum() >= FEWEST_IN_A_BAND)]
    if (full < tail).sum() < FEWEST_IN_A_BAND and len(edges) > 1:
        edges = [0.0, *edges[2:]]  # nearly everybody may pay in full: the lowest band is one-sided too
        lowest_is_one_sided = True
    else:
        lowest_is_one_sided = False
    bands = []
    for edge, after in zip(edges, [*edges[1:], np.inf], strict=True):
        inside = (full >= edge) & (full < after)
        one_sided = edge >= tail or lowest_is_one_sided
        upper = np.full(int(inside.sum()), np.inf) if one_sided else high[inside]
        bands.append(PayableBand(edge, conformal_margin(low[inside], upper, share[inside], coverage), one_sided))
    return tuple(bands), single


def adjusted_willingness(rows: pd.DataFrame) -> dict[str, Any]:
    """Knots of the isotonic expectation of log-odds w given ability, rising or falling as the data do, and mean log-odds w.

    With fewer than 60 rows nothing is adjusted.
    """
    if len(rows) < FEWEST_IN_A_BAND:
        return {"ability": [0.0], "expected": [0.0], "average": 0.0, "rising": True}
    ability, margin = (rows[name].to_numpy(dtype=np.float64) for name in ("a", "w_margin"))
    rising = bool(spearmanr(ability, margin).statistic >= 0) if ability.std() > 0 and margin.std() > 0 else True
    fitted = IsotonicRegression(increasing=rising, out_of_bounds="clip").fit(ability, margin)
    at = np.unique(np.quantile(ability, np.linspace(0, 1, KNOTS)).round(9))
    return {
        "ability": at.tolist(),
        "expected": fitted.predict(at).round(9).tolist(),
        "average": round(float(margin.mean()), 9),
        "rising": rising,
    }


def score_correlation(rows: pd.DataFrame) -> dict[str, Any]:
    """Correlation of the two scores on the queue, and whether it is so high that they cannot be told apart.

    The alarm asks the higher of the two estimates; the intervals (95 %, by Fisher's transformation, one row a customer) say how near
    to the threshold it is.

    Examples
    --------
    >>> same = np.linspace(0.1, 0.9, 99)
    >>> told = score_correlation(pd.DataFrame({"w": same, "a": same[::-1], "customer_id": range(99)}))
    >>> told["pearson"], told["alarm"]
    (-1.0, False)
    """
    w, a = (rows[name].to_numpy(dtype=np.float64) for name in ("w", "a"))
    if len(w) < 3 or w.std() == 0 or a.std() == 0:
        return {"pearson": None, "spearman": None, "threshold": CORRELATION_ALARM, "alarm": False}
    pearson, spearman = float(np.corrcoef(w, a)[0, 1]), float(spearmanr(w, a).statistic)
    customers = rows["customer_id"].nunique()
    return {
        "pearson": round(pearson, 6),
        "pearson_interval": _fisher(pearson, customers),
        "spearman": round(spearman, 6),
        "spearman_interval": _fisher(spearman, customers),
        "threshold": CORRELATION_ALARM,
        "alarm": max(pearson, spearman) > CORRELATION_ALARM,
    }


def _fisher(correlation: float, n: int) -> list[float]:
    """Ends of the 95 % interval of a correlation."""
    middle = np.arctanh(np.clip(correlation, -1 + 1e-9, 1 - 1e-9))
    away = 1.959963984540054 / np.sqrt(max(n - 3, 1))
    return [round(float(end), 6) for end in np.tanh([middle - away, middle + away])]
