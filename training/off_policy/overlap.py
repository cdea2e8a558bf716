"""Whether the log can speak about a policy at all: overlap, weights, and whether the logged propensities are what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.off_policy.estimators import (
    CLIPS,
    Estimate,
    Floats,
    LoggedChoices,
    dr,
    effective_sample_size,
    estimate_of,
)


@dataclass(frozen=True)
class Overlap:
    """How much of a target policy the log covers.

    Attributes
    ----------
    n_rows, n_customers : int
    effective_rows : float
        Rows that the weighted ones are worth.
    max_weight, max_weight_share : float
        The largest weight, and its share of all.
    unsupported_share : float
        Share of the target's choices that the log could not take.
    mean_weight : float
        1 in expectation; far from it, the propensities are not those of the log.
    """

    n_rows: int
    n_customers: int
    effective_rows: float
    max_weight: float
    max_weight_share: float
    unsupported_share: float
    mean_weight: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return {name: float(value) for name, value in vars(self).items()}


def overlap_of(log: LoggedChoices, target: Floats, possible: npt.NDArray[np.bool_]) -> Overlap:
    """Measure the overlap.

    Parameters
    ----------
    possible : array (n, n_actions) of bool
        Actions that the log could take with some probability.

    Examples
    --------
    >>> log = LoggedChoices(np.array([0, 0]), np.zeros(2), np.array([1.0, 1.0]), 2, np.array([1, 2]))
    >>> overlap_of(log, np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[True, False], [True, False]])).unsupported_share
    0.5
    """
    weights = log.weights(target)
    total = float(weights.sum())
    return Overlap(
        n_rows=len(log),
        n_customers=len(np.unique(log.customers)),
        effective_rows=effective_sample_size(weights),
        max_weight=float(weights.max(initial=0.0)),
        max_weight_share=float(weights.max(initial=0.0)) / total if total else 1.0,
        unsupported_share=float(np.where(possible, 0.0, target).sum(axis=1).mean()) if len(log) else 1.0,
        mean_weight=float(weights.mean()) if len(log) else 0.0,
    )


def clip_sensitivity(log: LoggedChoices, target: Floats, expected: Floats) -> dict[float, Estimate]:
    """DR with weights cut at several places: a value that moves with the cut hangs on few rows."""
    return {clip: dr(log, target, expected, clip=clip) for clip in CLIPS}


@dataclass(frozen=True)
class PropensityCheck:
    """One action: how often it was taken over how often the log says it should have been; 1 where both agree."""

    action: int
    ratio: float
    standard_error: float
    n_taken: int

    @property
    def is_off(self) -> bool:
        """Further from 1 than chance explains, at three standard errors."""
        return abs(self.ratio - 1.0) > 3.0 * self.standard_error


def propensity_checks(
    log: LoggedChoices, possible: npt.NDArray[np.bool_], *, fewest: int = 50
) -> tuple[PropensityCheck, ...]:
    """For every action taken often enough: mean of 1/propensity over the rows where it was possible.

    In expectation it is 1. Somebody who overrides the plan without writing it down moves it.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> actions = (draw.random(4000) < 0.3).astype(np.int64)
    >>> log = LoggedChoices(actions, np.zeros(4000), np.where(actions == 1, 0.3, 0.7), 2, np.arange(4000))
    >>> [check.is_off for check in propensity_checks(log, np.ones((4000, 2), dtype=bool))]
    [False, False]
    >>> lied = LoggedChoices(actions, np.zeros(4000), np.where(actions == 1, 0.15, 0.85), 2, np.arange(4000))
    >>> [check.is_off for check in propensity_checks(lied, np.ones((4000, 2), dtype=bool))]
    [True, True]
    """
    found = []
    for action in range(log.n_actions):
        could = possible[:, action]
        taken = could & (log.actions == action)
        if taken.sum() < fewest:
            continue
        ratio = estimate_of("ratio", (taken[could] / log.propensity[could]), log.customers[could])
        found.append(PropensityCheck(action, ratio.value, ratio.standard_error, int(taken.sum())))
    return tuple(found)


def discretion_contrast(
    log: LoggedChoices,
    target: Floats,
    expected: Floats,
    is_randomised: npt.NDArray[np.bool_],
    uniform: Floats,
) -> dict[str, Any]:
    """The same policy's value from randomised rows and from policy rows: far apart, somebody used what is not in the log.

    Parameters
    ----------
    is_randomised : array (n,) of bool
        Rows drawn at random among the possible actions.
    uniform : array (n,)
        Probability of the action among those draws.

    Returns
    -------
    dict
        ``randomised`` and ``policy`` (value, standard error, rows), ``z`` of their difference, and ``is_suspect`` beyond three. The
        propensity of the mixture is split: a randomised row is weighted by its own draw.
    """
    drawn = LoggedChoices(
        log.actions, log.rewards, np.where(is_randomised, uniform, log.propensity), log.n_actions, log.customers
    )
    parts = {
        name: dr(drawn.take(rows), target[rows], expected[rows])
        for name, rows in (("randomised", np.flatnonzero(is_randomised)), ("policy", np.flatnonzero(~is_randomised)))
        if len(rows) > 1
    }
    told = {
        name: {"value": part.value, "standard_error": part.standard_error, "n_rows": len(part.influence)}
        for name, part in parts.items()
    }
    if len(parts) < 2:
        return {**told, "z": None, "is_suspect": None}
    spread = np.hypot(parts["randomised"].standard_error, parts["policy"].standard_error)
    z = float((parts["policy"].value - parts["randomised"].value) / spread) if spread else 0.0
    return {**told, "z": z, "is_suspect": abs(z) > 3.0}
