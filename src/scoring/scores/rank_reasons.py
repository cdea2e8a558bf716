"""Why an account ranks where it does: exact Shapley values of reason groups for willingness x ability, and how stable reasons are.

The rank follows from the product, which no single model's contributions explain. The worth of a coalition of groups is the mean
over the reference accounts of willingness without contact times ability, both as they are served, calibration and channel shifts
included. Each score's reasons are also weighed against resampled references: a reason that only some of them bring up is said
to be unstable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.coalitions import Paths, paths, shapley_of
from scoring.scores.effects import MARGIN, Shift
from scoring.scores.log_odds import probability

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

RESAMPLES: Final = 20
SEED: Final = 20260101
TOP: Final = 4
ROWS_PER_TASK: Final = 512


@dataclass(frozen=True)
class Hybrids:
    """Features of every hybrid of one account and each reference, looked up as they are asked for.

    Attributes
    ----------
    row : array (n_features,), float32
    references : array (n_references, n_features), float32
    group_of : sequence of int
        The group of each feature.
    """

    row: Singles
    references: Singles
    group_of: Sequence[int]

    def feature(self, place: int) -> Floats:
        """One feature of all hybrids; shape (2^n_groups, n_references)."""
        n_groups = max(self.group_of) + 1
        own = (np.arange(1 << n_groups) >> self.group_of[place] & 1).astype(bool)
        return np.where(own[:, None], np.float64(self.row[place]), self.references[None, :, place].astype(np.float64))


Served = Callable[[Floats, Hybrids], Floats]
"""From margins of hybrids, shape (2^n_groups, n_references), to what is served for them."""


@dataclass(frozen=True)
class RankReasons:
    """Reasons of the rank for some accounts.

    Attributes
    ----------
    groups : tuple of str
    values : array (n, n_groups)
        What each group adds to willingness x ability: a share of the cure amount.
    reference : float
        Mean product of the references; ``reference + values.sum(axis=1)`` is ``product``, to 1e-9.
    product : array (n,)
    kept : dict of score to array (n, n_groups)
        Share of resampled references against which the group is among the four largest of that score.
    """

    groups: tuple[str, ...]
    values: Floats
    reference: float
    product: Floats
    kept: dict[str, Floats]


@dataclass(frozen=True)
class RankExplainer:
    """Everything the reasons of a rank need, made once per bundle.

    Attributes
    ----------
    groups : tuple of str
    group_of : tuple of int
        The group of each feature.
    references : array (n_references, n_features), float32
    paths : dict of score to Paths
        ``willingness`` and ``ability``.
    served : dict of score to function
        From margins of hybrids to the probability that is served for them.
    """

    groups: tuple[str, ...]
    group_of: tuple[int, ...]
    references: Singles
    paths: dict[str, Paths]
    served: dict[str, Served]
    resampled: Floats = field(init=False)

    def __post_init__(self) -> None:
        drawn = np.random.default_rng(SEED).integers(0, len(self.references), (RESAMPLES, len(self.references)))
        weights = np.stack([np.bincount(one, minlength=len(self.references)) for one in drawn]) / len(self.references)
        object.__setattr__(self, "resampled", weights)

    def explain(self, rows: Singles, *, threads: int = 1) -> RankReasons:
        """Reasons of the rank of some accounts.

        Parameters
        ----------
        rows : array (n, n_features), float32
        threads : int
            The numbers do not depend on it.

        Returns
        -------
        RankReasons
            Bit-equal for an account alone and in a batch.
        """
        n_groups = len(self.groups)
        values, ends = np.empty((len(rows), n_groups)), np.empty((len(rows), 2))
        kept = {name: np.empty((len(rows), n_groups)) for name in self.paths}
        starts = range(0, len(rows), ROWS_PER_TASK)

        def explain(start: int) -> None:
            some = slice(start, start + ROWS_PER_TASK)
            self._explain(rows[some], values[some], ends[some], {name: share[some] for name, share in kept.items()})

        with ThreadPoolExecutor(max(1, threads)) as pool:
            list(pool.map(explain, starts))  # raises what a task raised
        return RankReasons(self.groups, values, float(ends[0, 0]) if len(rows) else float("nan"), ends[:, 1], kept)

    def _explain(self, rows: Singles, values: Floats, ends: Floats, kept: dict[str, Floats]) -> None:
        failed = {name: one.failed(rows) for name, one in self.paths.items()}
        for place, row in enumerate(rows):
            hybrids = Hybrids(row, self.references, self.group_of)
            worth = np.ones((1 << len(self.groups), len(self.references)))
            for name, one in self.paths.items():
                margins = one.margins(failed[name][place])
                kept[name][place] = self._kept(shapley_of(margins))
                worth = worth * self.served[name](margins, hybrids)
            mean = worth.mean(axis=1)
            values[place] = shapley_of(mean[:, None])[:, 0]
            ends[place] = mean[0], mean[-1]

    def _kept(self, by_reference: Floats) -> Floats:
        """Share of resamples in which each group is among the largest; ``by_reference`` has shape (n_groups, n_references)."""
        against = np.abs(np.einsum("br,gr->bg", self.resampled, by_reference, optimize=False))
        place = np.argsort(np.argsort(-against, axis=1, kind="stable"), axis=1, kind="stable")
        return np.asarray((place < TOP).mean(axis=0))


def rank_explainer(bundle: Bundle) -> RankExplainer | None:
    """What explains ranks under a bundle: its references, and both scores as they are served.

    Returns
    -------
    RankExplainer or None
        None for a bundle without reference rows, or with a model that cannot be taken apart: then no reasons of the rank are told.

    Examples
    --------
    >>> from pathlib import Path
    >>> rank_explainer(Bundle("id", Path("."), {}, {})) is None
    True
    """
    if bundle.reference is None or not len(bundle.reference) or any(t is None for t in bundle.leaf_tables.values()):
        return None
    groups = tuple(dict.fromkeys(str(feature.group) for feature in FEATURES))
    group_of = tuple(groups.index(str(feature.group)) for feature in FEATURES)
    return RankExplainer(
        groups=groups,
        group_of=group_of,
        references=bundle.reference,
        paths={name: paths(bundle.boosters[name], group_of, bundle.reference) for name in EXPLAINED},
        served={"willingness": partial(_served_willingness, bundle), "ability": partial(_served_ability, bundle)},
    )


def _served_willingness(bundle: Bundle, margins: Floats, hybrids: Hybrids) -> Floats:
    """Willingness under no proactive contact: calibrated, then shifted as the bundle's effects say."""
    margin = bundle.calibrated_margin("willingness", margins.ravel()).reshape(margins.shape)
    if bundle.effects is not None:
        margin = margin + _shift(bundle.effects.none, margin, hybrids)
    return probability(margin.ravel()).reshape(margin.shape)


def _shift(none: Shift, margin: Floats, hybrids: Hybrids) -> Floats:
    """The shift to no proactive contact for every hybrid."""
    amount = np.zeros(margin.shape)
    for coefficient, modifier in zip(none.coefficients, none.modifiers, strict=True):
        seen = np.ones(margin.shape)
        for factor in modifier.factors:
            is_margin = factor.feature == MARGIN
            seen = seen * factor.value(margin if is_margin else hybrids.feature(FEATURE_NAMES.index(factor.feature)))
        amount = amount + coefficient * seen
    return amount


def _served_ability(bundle: Bundle, margins: Floats, hybrids: Hybrids) -> Floats:
    return probability(bundle.calibrated_margin("ability", margins.ravel())).reshape(margins.shape)
