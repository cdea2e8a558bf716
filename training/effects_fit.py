"""The statistics behind learned shifts: a weighted log-odds model per action, its Gaussian prior, and which prior the data prefer.

A row's log-odds are a baseline plus, for a contact, the channel's shift: coefficients of modifiers. Around the current fit that is a
linear regression with known noise, so posterior, evidence and what-if questions are small linear algebra on sums of squares that are
gathered once per pass over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PASSES: Final = 4
"""Newton steps; the fit moves by less than a thousandth of a standard error after three."""
LEVEL_SPREAD: Final = 0.2
"""Spread, before the log is seen, of what the baseline adds to the logged score beyond its constant."""


@dataclass(frozen=True)
class Rows:
    """One regime of decisions: those followed by silence, or those followed by the policy's next decisions.

    Attributes
    ----------
    offset : array (n,)
        Log-odds of the logged score.
    baseline : array (n, n_baseline)
    modifiers : array (n, n_modifiers)
        The first is the constant.
    action : array (n,), int
        Place of the action, 0 for no contact.
    pays : array (n,)
        0 or 1.
    weight : array (n,)
        Propensity weights, scaled so that each action's weights sum to its effective sample size.
    """

    offset: Floats
    baseline: Floats
    modifiers: Floats
    action: Ints
    pays: Floats
    weight: Floats


@dataclass(frozen=True)
class Sums:
    """Information about baseline and shifts, ``precision @ x = moment`` at the best fit; baseline first, then channel by channel."""

    precision: Floats
    moment: Floats
    n_baseline: int

    def shifts(self) -> tuple[Floats, Floats]:
        """The information about the shifts alone, whatever the baseline is."""
        n = self.n_baseline
        inside = self._inside()
        solved = np.linalg.solve(inside, np.column_stack([self.precision[:n, n:], self.moment[:n]]))
        across = self.precision[n:, :n]
        return self.precision[n:, n:] - across @ solved[:, :-1], self.moment[n:] - across @ solved[:, -1]

    def baseline(self, shifts: Floats) -> Floats:
        """The best baseline under given shifts."""
        n = self.n_baseline
        return np.asarray(np.linalg.solve(self._inside(), self.moment[:n] - self.precision[:n, n:] @ shifts))

    def baseline_covariance(self) -> Floats:
        """Of the baseline's coefficients, shifts being known."""
        return np.asarray(np.linalg.inv(self._inside()))

    def _inside(self) -> Floats:
        """Information about the baseline alone, its prior included."""
        n = self.n_baseline
        spread = np.full(n, LEVEL_SPREAD)
        spread[0] = 1.0
        return np.asarray(self.precision[:n, :n] + np.diag(spread**-2.0))


def sums(rows: Rows, n_actions: int, baseline: Floats, shifts: Floats) -> Sums:
    """One pass over the rows: the log-likelihood's quadratic at given baseline and shifts (channel by channel, modifiers inside)."""
    n_b, n_m = rows.baseline.shape[1], rows.modifiers.shape[1]
    size = n_b + (n_actions - 1) * n_m
    precision, moment = np.zeros((size, size)), np.zeros(size)
    for action in range(n_actions):
        chosen = np.flatnonzero(rows.action == action)
        if not len(chosen):
            continue
        of_action = slice(n_b + (action - 1) * n_m, n_b + action * n_m)
        design, place = rows.baseline[chosen], np.arange(n_b)
        margin = rows.offset[chosen] + design @ baseline
        if action:
            seen = rows.modifiers[chosen]
            margin = margin + seen @ shifts[(action - 1) * n_m : action * n_m]
            design = np.concatenate([design, seen], axis=1)
            place = np.concatenate([place, np.arange(of_action.start, of_action.stop)])
        chance = 1.0 / (1.0 + np.exp(-margin))
        information = rows.weight[chosen] * chance * (1.0 - chance)
        response = rows.weight[chosen] * (rows.pays[chosen] - chance) + information * (margin - rows.offset[chosen])
        precision[np.ix_(place, place)] += (design * information[:, None]).T @ design
        moment[place] += design.T @ response
    return Sums(precision, moment, n_b)


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior of all shift coefficients, channel by channel."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class Posterior:
    """What prior and data together say of the shift coefficients; ``log_evidence`` up to a constant of the data."""

    mean: Floats
    covariance: Floats
    log_evidence: float


def posterior(precision: Floats, moment: Floats, prior: Prior) -> Posterior:
    """Posterior of the shifts from their information.

    Examples
    --------
    >>> found = posterior(np.array([[4.0]]), np.array([4.0]), Prior(np.array([0.0]), np.array([[0.25]])))
    >>> found.mean.tolist(), found.covariance.tolist()
    ([0.5], [[0.125]])
    """
    n = len(moment)
    inner = np.eye(n) + prior.covariance @ precision
    covariance = np.linalg.solve(inner, prior.covariance)
    covariance = (covariance + covariance.T) / 2
    surprise = moment - precision @ prior.mean
    mean = prior.mean + covariance @ surprise
    _, log_size = np.linalg.slogdet(inner)
    fit = prior.mean @ (moment - precision @ prior.mean / 2) + surprise @ covariance @ surprise / 2
    return Posterior(mean, covariance, float(fit - log_size / 2))


def channel_prior(means: Floats, common: float, modifying: float, apart: float) -> Prior:
    """Shifts scaled by what is common to all channels, with a part of each channel's own.

    The constant of a channel is its anchor times a common factor (mean 1, spread ``common``) plus its own part (spread ``apart``
    times its size). A modifier acts on all channels in proportion to their size (spread ``modifying``), again with an own part.

    Parameters
    ----------
    means : array (n_channels, n_modifiers)
        Coefficients before anything is learned, the constant first: the dated prior's shift gives a channel its size, at least
        `LEAST_SIZE`.
    common, modifying, apart : float
        Shares of a channel's size.
    """
    anchors = means[:, 0]
    size = np.maximum(np.abs(anchors), LEAST_SIZE)
    n_channels, n_modifiers = means.shape
    covariance = np.zeros((n_channels, n_modifiers, n_channels, n_modifiers))
    together, alone = np.outer(size, size), np.diag(size**2)
    for k in range(n_modifiers):
        shared = common * common * np.outer(anchors, anchors) if k == 0 else modifying * modifying * together
        own = apart if k == 0 else max(apart, modifying)
        covariance[:, k, :, k] = shared + own * own * alone
    flat = n_channels * n_modifiers
    return Prior(means.ravel(), covariance.reshape(flat, flat))


LEAST_SIZE: Final = 0.05
"""Spread of a shift for which the dated prior claims nothing."""
