"""Bootstrap over customers, all replicates at once: a replicate is a row of weights, and every figure is a weighted one.

*Why*: customers, not rows, are what another month would draw anew; and two models judged with the same weights give a paired
difference, which is far narrower than two intervals side by side.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 400
INTERVAL: Final = (0.025, 0.975)


def customer_weights(customers: Any, *, seed: int, replicates: int = REPLICATES) -> Floats:
    """How often each row counts in each replicate.

    Parameters
    ----------
    customers : array-like (n_rows,)
        Whoever is drawn brings all of their rows.

    Returns
    -------
    array (replicates, n_rows)

    Examples
    --------
    >>> drawn = customer_weights(["a", "a", "b"], seed=1, replicates=5)
    >>> drawn.shape, bool((drawn[:, 0] == drawn[:, 1]).all())
    ((5, 3), True)
    """
    codes = pd.factorize(np.asarray(customers, dtype=object))[0]
    n = int(codes.max()) + 1 if len(codes) else 0
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=replicates)
    return counts[:, codes].astype(np.float64)


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Mean of each replicate, NaN where it drew nobody.

    >>> weighted_mean(np.array([1.0, 3.0]), np.array([[1.0, 1.0], [0.0, 2.0]])).tolist()
    [2.0, 3.0]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights @ values / weights.sum(axis=1))


def weighted_auc(seen: Floats, score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve of each replicate; ties count half.

    Examples
    --------
    >>> weighted_auc(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.9]), np.ones((1, 3))).tolist()
    [0.5]
    """
    if len(score) == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    ranked, sorted_weights = score[order], weights[:, order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    positive = np.add.reduceat(sorted_weights * seen[order], starts, axis=1)
    negative = np.add.reduceat(sorted_weights * (1.0 - seen[order]), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return np.asarray((positive * (below + negative / 2.0)).sum(axis=1) / pairs)


def weighted_r2(seen: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Share of the variance explained in each replicate.

    >>> weighted_r2(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones((1, 2))).tolist()
    [1.0]
    """
    around = weighted_mean(seen**2, weights) - weighted_mean(seen, weights) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1.0 - weighted_mean((seen - predicted) ** 2, weights) / around)


def weighted_capture(money: Floats, order: Floats, share: float, weights: Floats) -> Floats:
    """Share of the money paid by the top ``share`` of each replicate by ``order``; the account on the edge counts in part.

    >>> weighted_capture(np.array([1.0, 3.0]), np.array([0.1, 0.9]), 0.5, np.ones((1, 2))).tolist()
    [0.75]
    """
    top = np.argsort(-order, kind="stable")
    drawn = weights[:, top]
    before = np.cumsum(drawn, axis=1) - drawn
    taken = np.clip(share * drawn.sum(axis=1, keepdims=True) - before, 0.0, drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(taken @ money[top] / (drawn @ money[top]))


def weighted_correlation(one: Floats, other: Floats, weights: Floats) -> Floats:
    """Pearson correlation of each replicate.

    >>> weighted_correlation(np.array([0.0, 1.0]), np.array([0.0, 2.0]), np.ones((1, 2))).round(6).tolist()
    [1.0]
    """
    means = weighted_mean(one, weights), weighted_mean(other, weights)
    together = weighted_mean(one * other, weights) - means[0] * means[1]
    spreads = [weighted_mean(v**2, weights) - m**2 for v, m in zip((one, other), means, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(together / np.sqrt(spreads[0] * spreads[1]))


def interval(replicates: Floats) -> tuple[float, float] | None:
    """The middle 95 % of the replicates; None where fewer than half of them gave a figure.

    >>> interval(np.linspace(0, 100, 401))
    (2.5, 97.5)
    """
    known = replicates[np.isfinite(replicates)]
    if len(known) * 2 <= len(replicates):
        return None
    low, high = np.quantile(known, INTERVAL)
    return float(low), float(high)
