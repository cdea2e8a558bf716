"""The scorecard of a training: fitted beside the models every time, judged on the same held-out customers.

Bands and weights come from `training.woe`; here they become whole points on one scale, with the bands of the payable amount. The
result is plain JSON in the bundle: challenger while the models serve, fallback for both scores when they cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import PortfolioError
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.scorecard import Card, Characteristic, PayableBand, Scale, Scorecard
from scoring.scores.scores import buckets
from training.recipe import Recipe
from training.snapshots import Snapshot
from training.woe import Bands, WoeModel, fit_woe

SCALE: Final = Scale()
PAYABLE_BANDS: Final = 10
SMALLEST_PAYABLE_BAND: Final = 30
SMALLEST_TRAINING_SET: Final = 200
FULL: Final = 1.0 - 1e-9

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]


def fit_scorecard(snapshots: Sequence[Snapshot], recipe: Recipe) -> Scorecard:
    """Fit the three cards on the queue of the training days.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Already without the held-out customers.
    recipe : Recipe

    Returns
    -------
    Scorecard

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: fewer than 200 rows, or only one outcome.
    """
    queue = [one.take(one.in_queue) for one in snapshots]
    values = np.concatenate([one.frame.values for one in queue])
    willing, share = (
        np.concatenate([one.targets[name].to_numpy(dtype=np.float64) for one in queue])
        for name in ("willingness", "ability")
    )
    if len(willing) < SMALLEST_TRAINING_SET or len(np.unique(willing)) < 2:
        raise PortfolioError(
            f"There are {len(willing)} training rows, {int(willing.sum())} of them with a token payment: too few for a scorecard. Load "
            f"more accounts or name more as-of days (at least {SMALLEST_TRAINING_SET} rows and both outcomes).",
            field="training rows",
            got=len(willing),
            expected=f">= {SMALLEST_TRAINING_SET}",
        )
    paid = ~np.isnan(share)
    seed = recipe.lightgbm["seed"]
    cards = {
        "willingness": fit_card(values, willing, seed),
        "ability": fit_card(values[paid], share[paid], seed),
        "full_payment": fit_card(values[paid], (share[paid] >= FULL).astype(np.float64), seed),
    }
    days = ", ".join(str(one.frame.as_of) for one in snapshots)
    bare = Scorecard(SCALE, cards, (), f"{len(willing):,} overdue accounts on {days}")
    payable = payable_bands(bare.probability("ability", values[paid]), share[paid], recipe.payable["coverage"])
    return Scorecard(SCALE, cards, payable, bare.trained_on)


def fit_card(values: Matrix, target: Floats, seed: int) -> Card:
    """One card; only an intercept where nothing tells good from bad.

    Parameters
    ----------
    values : array (n, n_features), float32
        In the order of the registry.
    target : array (n,)
        In [0, 1].
    seed : int
        Of the draw from very large sets.
    """
    if np.ptp(target) == 0:
        # Everybody alike: the rate is drawn half a row towards the middle, so that its log-odds exist.
        rate = (target.sum() + 0.5) / (len(target) + 1.0)
        return _card(WoeModel((), (), (), float(np.log(rate / (1.0 - rate)))))
    return _card(fit_woe(values, target, seed=seed))


def _card(fitted: WoeModel) -> Card:
    per_logit = SCALE.points_per_logit
    return Card(
        round(SCALE.base_points + per_logit * fitted.intercept),
        tuple(
            _characteristic(FEATURE_NAMES[place], cut, per_logit * weight)
            for place, cut, weight in zip(fitted.places, fitted.bands, fitted.weights, strict=True)
        ),
    )


def _characteristic(name: str, cut: Bands, points_per_evidence: float) -> Characteristic:
    points = tuple(round(points_per_evidence * woe) for woe in cut.woe)
    return Characteristic(name, cut.edges, cut.woe, points, cut.share, cut.information)


def payable_bands(ability: Floats, share: Floats, coverage: float) -> tuple[PayableBand, ...]:
    """What payers of about the same ability paid: the quantiles that hold ``coverage`` of them.

    Examples
    --------
    >>> payable_bands(np.full(101, 0.5), np.linspace(0.0, 1.0, 101), 0.8)
    (PayableBand(up_to=1.0, low=0.1, mid=0.5, high=0.91),)
    """
    n_bands = int(np.clip(len(ability) // SMALLEST_PAYABLE_BAND, 1, PAYABLE_BANDS))
    ends = np.unique(np.quantile(ability, np.arange(1, n_bands) / n_bands, method="higher"))
    ends = np.append(ends[ends < ability.max()], 1.0)
    band = np.searchsorted(ends, ability, side="left")
    tail = (1.0 - coverage) / 2.0
    return tuple(PayableBand(float(end), *_outward(share[band == place], tail)) for place, end in enumerate(ends))


def _outward(share: Floats, tail: float) -> tuple[float, float, float]:
    """Low, middle and high of a band, taken one row outwards: as many rows as a new one could fall beyond.

    Where many paid in full nobody lies above: what the upper tail leaves unused goes to the lower one, so that the interval is no
    wider than it must be.
    """
    n = len(share)
    in_order = np.sort(share)
    high = min(int(np.ceil((1.0 - tail) * (n + 1))) - 1, n - 1)
    above = int((share > in_order[high]).sum())
    low = int(np.floor(2 * tail * (n + 1))) - above - 1
    return (
        round(float(in_order[max(low, 0)]), 4),
        round(float(np.median(in_order)), 4),
        round(float(in_order[high]), 4),
    )


def challenger_scores(scorecard: Scorecard, held_out: Snapshot) -> pd.DataFrame:
    """The scorecard's scores of held-out accounts in the columns that `training.evaluation.evaluation_table` takes.

    Rows are in the snapshot's order, so that differences to the champion can be taken account by account.

    Returns
    -------
    DataFrame, one row per account
        ``dpd``, ``bucket``, ``cure_amount_cents``, ``w_logged``, ``ability``, ``payable_low_cents``, ``payable_high_cents``, ...
    """
    at = held_out.frame.positions
    dpd = at["dpd"].to_numpy(dtype=np.int64)
    return scorecard.scored(held_out.frame).assign(
        dpd=dpd, bucket=buckets(dpd), cure_amount_cents=at["cure_amount_cents"].to_numpy(dtype=np.int64)
    )
