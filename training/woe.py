"""Weight of evidence: a feature cut into bands, each band worth the log-odds it moves, and a logistic regression over those.

Bands are the leaves of a small decision tree, monotone unless the data clearly say otherwise; the band of what is not observed
stands apart. A target may be a share: a row paid to 30 % counts as 0.3 good and 0.7 bad, so willingness and ability are cut alike.

Why not OptBinning (tried on 2026-11-22, Python 3.11): optbinning 1.0.0 needs ortools 9.15.6755 and cvxpy 1.9.3 with highspy 1.15.1, and
moves protobuf from the locked 7.36.2 back to 6.33.6. In an environment of its own, importing it prints "CVXPY encountered unexpected
exception importing solver HIGHS: undefined symbol _ZN5Highs13releaseMemoryEv": the two solvers carry different builds of HiGHS into one
process. Thirteen packages and a solver clash for bands that scikit-learn, already in the lock, cuts in a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

MOST_BANDS: Final = 6
SMALLEST_BAND: Final = 0.03
"""Of the rows where the feature is observed."""
PRIOR_ROWS: Final = 20.0
"""A band is drawn towards the average by so many rows: a nearly empty one says nearly nothing."""
MONOTONE_KEEPS: Final = 0.9
"""Bands run one way unless that loses more than a tenth of the information."""
LEAST_INFORMATION: Final = 0.01
LEAST_CHI_SQUARE: Final = 40.0
"""Information x rows x rate x (1 - rate) is about chi-square; noise, cut where it looks best, reaches 36 in one column of a hundred."""
MOST_CORRELATED: Final = 0.90
MOST_CHARACTERISTICS: Final = 30
MOST_ROWS: Final = 60_000
"""Bands and weights of a scorecard do not get better with more rows than this; a seeded draw is taken of larger sets."""

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bands:
    """One feature cut: edges between bands; weight of evidence, share of rows of each band, the unobserved last; information."""

    edges: tuple[float, ...]
    woe: tuple[float, ...]
    share: tuple[float, ...]
    information: float

    def evidence(self, column: Matrix) -> Floats:
        """The weight of evidence of each value.

        >>> Bands((10.0,), (0.5, -0.5, 0.0), (0.6, 0.4, 0.0), 0.2).evidence(np.array([10, 11, np.nan], dtype=np.float32)).tolist()
        [0.5, -0.5, 0.0]
        """
        return np.asarray(self.woe, dtype=np.float64)[_band(column, np.asarray(self.edges))]


@dataclass(frozen=True, slots=True)
class WoeModel:
    """A logistic regression over weights of evidence: ``intercept + sum of weights[i] * evidence of column places[i]``."""

    places: tuple[int, ...]
    bands: tuple[Bands, ...]
    weights: tuple[float, ...]
    intercept: float

    def margin(self, values: Matrix) -> Floats:
        """Log-odds of each row."""
        total = np.full(len(values), self.intercept)
        for place, cut, weight in zip(self.places, self.bands, self.weights, strict=True):
            total += weight * cut.evidence(values[:, place])
        return total


def fit_woe(values: Matrix, target: Floats, *, seed: int) -> WoeModel:
    """Cut every column, keep the telling and distinct ones, and weigh them.

    Parameters
    ----------
    values : array (n, n_features), float32
        NaN where not observed.
    target : array (n,)
        In [0, 1], and not the same everywhere.
    seed : int
        Of the draw from sets larger than `MOST_ROWS`.

    Returns
    -------
    WoeModel
        Every weight is positive, so that more evidence never lowers the score; most information first.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> seen = draw.normal(size=(2000, 2)).astype(np.float32)
    >>> fit_woe(seen, (seen[:, 0] + draw.normal(size=2000) > 0).astype(float), seed=1).places
    (0,)
    """
    values, target = _drawn(values, target, seed)
    cuts = {place: cut(values[:, place], target) for place in range(values.shape[1])}
    rate = float(target.mean())
    least = max(LEAST_INFORMATION, LEAST_CHI_SQUARE / (len(target) * rate * (1.0 - rate)))
    places = _distinct(values, {place: one for place, one in cuts.items() if one.information >= least})
    if not places:
        return WoeModel((), (), (), float(np.log(rate / (1.0 - rate))))
    evidence = np.column_stack([cuts[place].evidence(values[:, place]) for place in places])
    kept = list(range(len(places)))
    while True:
        weights, intercept = _logistic(evidence[:, kept], target)
        if (weights > 0).all() or len(kept) == 1:
            break
        kept = [one for one, weight in zip(kept, weights, strict=True) if weight > 0] or kept[:1]
    chosen = [places[one] for one in kept]
    return WoeModel(tuple(chosen), tuple(cuts[place] for place in chosen), tuple(map(float, weights)), intercept)


def cut(column: Matrix, target: Floats) -> Bands:
    """Cut one column where the target changes most.

    Examples
    --------
    >>> x = np.arange(1000, dtype=np.float32)
    >>> cut(x, (x > 499).astype(float)).edges
    (499.5,)
    """
    seen = ~np.isnan(column)
    if seen.sum() < 2 or np.ptp(column[seen]) == 0:
        return bands_at((), column, target)
    rising = np.corrcoef(_ranked(column[seen]), target[seen])[0, 1] >= 0
    one_way = _one_way(column, target, 1 if rising else -1)
    free = bands_at(_edges(column[seen], target[seen], 0), column, target)
    return one_way if one_way.information >= MONOTONE_KEEPS * free.information else free


def _one_way(column: Matrix, target: Floats, direction: int) -> Bands:
    """Bands whose evidence rises, or falls: the prior draws small bands to the middle, so neighbours that it turned round are joined."""
    seen = ~np.isnan(column)
    found = bands_at(_edges(column[seen], target[seen], direction), column, target)
    while turned := np.flatnonzero(direction * np.diff(found.woe[:-1]) < 0).tolist():
        found = bands_at((*found.edges[: turned[0]], *found.edges[turned[0] + 1 :]), column, target)
    return found


def bands_at(edges: tuple[float, ...], column: Matrix, target: Floats) -> Bands:
    """Weight of evidence of the bands between given edges, as this population has them."""
    band = _band(column, np.asarray(edges))
    n = np.bincount(band, minlength=len(edges) + 2).astype(np.float64)
    good = np.bincount(band, weights=target, minlength=len(edges) + 2)
    rate = float(target.mean())
    log_odds = np.log((good + PRIOR_ROWS * rate) / (n - good + PRIOR_ROWS * (1.0 - rate)))
    woe = log_odds - np.log(rate / (1.0 - rate))
    information = float(np.sum((good / good.sum() - (n - good) / (n - good).sum()) * woe))
    return Bands(edges, tuple(map(float, woe)), tuple(map(float, n / n.sum())), information)


def _band(column: Matrix, edges: Floats) -> npt.NDArray[np.int64]:
    inside = np.searchsorted(edges, column.astype(np.float64), side="left")
    return np.where(np.isnan(column), len(edges) + 1, inside).astype(np.int64)


def _edges(seen: Matrix, target: Floats, direction: int) -> tuple[float, ...]:
    tree = DecisionTreeRegressor(
        max_leaf_nodes=MOST_BANDS, min_samples_leaf=SMALLEST_BAND, monotonic_cst=[direction], random_state=0
    )
    grown = tree.fit(seen.reshape(-1, 1), target).tree_
    return tuple(sorted(float(edge) for edge in grown.threshold[grown.feature >= 0]))


def _ranked(column: Matrix) -> Floats:
    return np.unique(column, return_inverse=True)[1].astype(np.float64)


def _distinct(values: Matrix, cuts: dict[int, Bands]) -> list[int]:
    """The columns with most information, less those that say what a stronger one already says."""
    kept: list[int] = []
    evidence: list[Floats] = []
    for place in sorted(cuts, key=lambda one: (-cuts[one].information, one)):
        mine = cuts[place].evidence(values[:, place])
        mine = (mine - mine.mean()) / (mine.std() or 1.0)
        if all(abs(float(mine @ other)) / len(mine) <= MOST_CORRELATED for other in evidence):
            kept.append(place)
            evidence.append(mine)
        if len(kept) == MOST_CHARACTERISTICS:
            break
    return kept


def _logistic(evidence: Floats, target: Floats) -> tuple[Floats, float]:
    """Cross-entropy on shares: each row once as good, weighted by its share, and once as bad by the rest."""
    weight = np.concatenate([target, 1.0 - target])
    counted = weight > 0
    outcome = np.concatenate([np.ones(len(target)), np.zeros(len(target))])
    fitted = LogisticRegression(max_iter=500).fit(
        np.concatenate([evidence, evidence])[counted], outcome[counted], sample_weight=weight[counted]
    )
    return np.asarray(fitted.coef_[0], dtype=np.float64), float(fitted.intercept_[0])


def _drawn(values: Matrix, target: Floats, seed: int) -> tuple[Matrix, Floats]:
    if len(values) <= MOST_ROWS:
        return values, target
    rows = np.sort(np.random.default_rng(seed).choice(len(values), MOST_ROWS, replace=False))
    return values[rows], target[rows]
