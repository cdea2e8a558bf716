"""Estimators of a policy's value from logged decisions: IPS, SNIPS, DM, DR, SWITCH, with effective sample size and intervals.

One decision a row: the context was seen, an action drawn with a known probability, a reward followed. The value of another policy is
the mean reward it would have brought in the same contexts. Each estimator here is a mean of one number a row (its influence), so that two
policies can be compared on the same rows, and rows of one customer can be counted as one.

References: Dudik, Langford, Li 2011 (DR); Swaminathan, Joachims 2015 (SNIPS); Wang, Agarwal, Dudik 2017 (SWITCH); Chernozhukov et al. 2018
(cross-fitting).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from scoring.errors import BadRequestError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CLIPS: Final = (5.0, 10.0, 20.0, 50.0, np.inf)


@dataclass(frozen=True)
class LoggedChoices:
    """A log as arrays, one row per decision.

    Attributes
    ----------
    actions : array (n,)
        Place of the action that was taken.
    rewards : array (n,)
    propensity : array (n,)
        Probability with which that action was taken, over all ways to it; above 0.
    n_actions : int
    customers : array (n,)
        Rows of one customer count as one for intervals.

    Raises
    ------
    BadRequestError
        ``bad_request``: arrays of unequal length, an action that is none, or a propensity outside (0, 1].

    Examples
    --------
    >>> log = LoggedChoices(np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.5]), 2, np.array([1, 2]))
    >>> len(log)
    2
    >>> LoggedChoices(np.array([0]), np.array([1.0]), np.array([0.0]), 2, np.array([1]))
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: Row 0 of the log has propensity 0.0: a value outside (0, 1] is no probability of an action that was \
taken, so nothing can be weighted by it. Leave such rows out, and say how many.
    """

    actions: Ints
    rewards: Floats
    propensity: Floats
    n_actions: int
    customers: npt.NDArray[Any]

    def __post_init__(self) -> None:
        lengths = {len(self.actions), len(self.rewards), len(self.propensity), len(self.customers)}
        if len(lengths) > 1:
            raise BadRequestError("The columns of the log differ in length.", field="log", got=sorted(lengths))
        wrong = np.flatnonzero(~((self.propensity > 0) & (self.propensity <= 1)))
        if len(wrong):
            raise BadRequestError(
                f"Row {wrong[0]} of the log has propensity {self.propensity[wrong[0]]}: a value outside (0, 1] is no probability of an "
                "action that was taken, so nothing can be weighted by it. Leave such rows out, and say how many.",
                field="propensity",
                got=float(self.propensity[wrong[0]]),
                expected="above 0, at most 1",
            )
        if len(self.actions) and not (self.actions.min() >= 0 and self.actions.max() < self.n_actions):
            raise BadRequestError("An action of the log is outside the list of actions.", field="actions")

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: npt.NDArray[Any]) -> LoggedChoices:
        """The same log for some rows."""
        return LoggedChoices(
            self.actions[rows], self.rewards[rows], self.propensity[rows], self.n_actions, self.customers[rows]
        )

    def weights(self, target: Floats) -> Floats:
        """Importance weights: how much likelier the target policy takes each logged action.

        Parameters
        ----------
        target : array (n, n_actions)
            Probabilities of the target policy.
        """
        return np.asarray(target[np.arange(len(self)), self.actions] / self.propensity)


@dataclass(frozen=True)
class Estimate:
    """A policy's value with its interval.

    Attributes
    ----------
    method : str
    value : float
    standard_error : float
        By customer. For DM it says nothing about the model being wrong.
    influence : array (n,)
        One number a row whose mean is the value.
    customers : array (n,)
    """

    method: str
    value: float
    standard_error: float
    influence: Floats
    customers: npt.NDArray[Any]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided normal interval.

        Examples
        --------
        >>> one = estimate_of("mean", np.array([0.0, 2.0, 1.0, 1.0]), np.arange(4))
        >>> tuple(round(end, 2) for end in one.interval())
        (0.2, 1.8)
        """
        half = float(norm.ppf(0.5 + level / 2)) * self.standard_error
        return self.value - half, self.value + half

    def less(self, other: Estimate) -> Estimate:
        """The difference of two policies on the same rows."""
        return estimate_of(f"{self.method} difference", self.influence - other.influence, self.customers)


def estimate_of(method: str, influence: Floats, customers: npt.NDArray[Any]) -> Estimate:
    """An estimate from one number a row; rows of one customer are summed before the spread is taken."""
    n, value = len(influence), float(influence.mean())
    _, owner = np.unique(customers, return_inverse=True)
    sums = np.bincount(owner, weights=influence - value)
    k = len(sums)
    error = float(np.sqrt((sums**2).sum() * k / max(k - 1, 1)) / n)
    return Estimate(method, value, error, influence, customers)


def ips(log: LoggedChoices, target: Floats, *, clip: float = np.inf) -> Estimate:
    """Inverse propensity scoring: unbiased where the log could take whatever the target takes.

    Examples
    --------
    >>> log = LoggedChoices(np.array([0, 1]), np.array([1.0, 3.0]), np.array([0.5, 0.5]), 2, np.array([1, 2]))
    >>> ips(log, np.array([[0.0, 1.0], [0.0, 1.0]])).value
    3.0
    """
    weights = np.minimum(log.weights(target), clip)
    return estimate_of("IPS", weights * log.rewards, log.customers)


def snips(log: LoggedChoices, target: Floats) -> Estimate:
    """Self-normalised IPS: a weighted mean of rewards, so it stays within their range.

    Examples
    --------
    >>> log = LoggedChoices(np.array([0, 1]), np.array([1.0, 3.0]), np.array([0.5, 0.1]), 2, np.array([1, 2]))
    >>> snips(log, np.array([[0.0, 1.0], [0.0, 1.0]])).value
    3.0
    """
    weights = log.weights(target)
    total = weights.mean()
    if total == 0:
        return Estimate("SNIPS", float("nan"), float("nan"), np.full(len(log), np.nan), log.customers)
    value = float((weights * log.rewards).mean() / total)
    return estimate_of("SNIPS", value + weights * (log.rewards - value) / total, log.customers)


def dm(log: LoggedChoices, target: Floats, expected: Floats) -> Estimate:
    """Direct method: what a model expects of the target's actions. Its interval leaves out that the model may be wrong.

    Parameters
    ----------
    expected : array (n, n_actions)
        Expected reward of every action, from rows of other customers.
    """
    return estimate_of("DM", (target * expected).sum(axis=1), log.customers)


def dr(log: LoggedChoices, target: Floats, expected: Floats, *, clip: float = np.inf) -> Estimate:
    """Doubly robust: the direct method, corrected by the weighted errors it makes on the logged actions.

    Examples
    --------
    >>> log = LoggedChoices(np.array([0, 1]), np.array([1.0, 3.0]), np.array([0.5, 0.5]), 2, np.array([1, 2]))
    >>> always = np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> dr(log, always, np.array([[1.0, 2.0], [1.0, 2.0]])).value     # 2 expected, plus 2 x (3 - 2) on one row of two
    3.0
    """
    weights = np.minimum(log.weights(target), clip)
    errors = log.rewards - expected[np.arange(len(log)), log.actions]
    return estimate_of("DR", (target * expected).sum(axis=1) + weights * errors, log.customers)


def switch(log: LoggedChoices, target: Floats, expected: Floats, *, threshold: float) -> Estimate:
    """SWITCH-DR: as DR, but rows whose weight exceeds the threshold are left to the model.

    Less spread for some bias; with an infinite threshold it is DR, with 0 it is DM.
    """
    weights = log.weights(target)
    kept = np.where(weights <= threshold, weights, 0.0)
    errors = log.rewards - expected[np.arange(len(log)), log.actions]
    return estimate_of("SWITCH", (target * expected).sum(axis=1) + kept * errors, log.customers)


def switch_threshold(log: LoggedChoices, target: Floats, expected: Floats, tried: Sequence[float] = CLIPS) -> float:
    """The threshold with the smallest upper bound of squared error: variance plus squared largest possible bias.

    The bias of a threshold is at most the mean weight that it leaves to the model times the largest error of the model.
    """
    weights = log.weights(target)
    errors = np.abs(log.rewards - expected[np.arange(len(log)), log.actions])
    worst = float(np.quantile(errors, 0.95)) if len(errors) else 0.0
    bounds = [
        switch(log, target, expected, threshold=at).standard_error ** 2
        + (worst * float(np.where(weights > at, weights, 0.0).mean())) ** 2
        for at in tried
    ]
    return float(tried[int(np.argmin(bounds))])


def effective_sample_size(weights: Floats) -> float:
    """How many unweighted rows the weighted ones are worth: (sum w)^2 / sum w^2.

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    squared = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squared if squared else 0.0


def on_policy(log: LoggedChoices) -> Estimate:
    """What the logging policy itself brought: the plain mean.

    >>> on_policy(LoggedChoices(np.array([0]), np.array([2.0]), np.array([1.0]), 1, np.array([1]))).value
    2.0
    """
    return estimate_of("on-policy", log.rewards, log.customers)
