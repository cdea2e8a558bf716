"""Shifts from both regimes of decisions, averaged over the priors that were tried, and the chance that there are none at all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from scoring.vocabulary import CONTACT_CHANNELS
from training.effects_data import ACTIONS
from training.effects_fit import PASSES, Floats, Posterior, Prior, Rows, Sums, channel_prior, posterior, sums

KAPPAS: Final = (0.7, 0.85, 1.0)
"""Share of a single contact's effect that shows where the policy goes on contacting."""
SPREADS: Final = tuple(product((0.3,), (0.05, 0.15, 0.4), (0.05, 0.15, 0.4)))
"""Priors tried: spread of what is common to the channels, of modifiers, of a channel's own part."""
REGIME_SPREAD: Final = 0.03
"""How far the regimes may differ beyond the share, on the log-odds."""
NULL_PRIOR: Final = 0.5
"""Chance, before the log is seen, that no contact changes anything: looked at only where the log can tell."""
NULL_ERROR: Final = 0.3
"""The log can tell where the common factor of all shifts has at most this standard error; the prior's pattern has factor 1."""
NULL_SPREAD: Final = 0.3
"""Otherwise all shifts are those of the prior times a factor around 1, with this spread."""
NULL_VETO: Final = 3.0
"""Log-evidence for shifts of any other pattern that forbids calling them null."""


@dataclass(frozen=True)
class Fitted:
    """Information of both regimes at the best fit, the averaged prior and posterior; ``kappa`` is the policy rows' share of an effect."""

    quiet: Sums
    policy: Sums | None
    kappa: float
    prior: Prior
    found: Posterior


def fit_shifts(quiet: Rows, policy: Rows | None, means: Floats) -> Fitted:
    """Newton steps on levels and shifts; ``means`` are the prior's coefficients, shape (channels, modifiers)."""
    shifts, kappa = means.ravel(), 1.0
    levels = [np.zeros(rows.baseline.shape[1]) for rows in (quiet, policy or quiet)]
    for _ in range(PASSES):
        of_quiet = sums(quiet, len(ACTIONS), levels[0], shifts)
        of_policy = None if policy is None else sums(policy, len(ACTIONS), levels[1], kappa * shifts)
        kappa, prior, found = _averaged(of_quiet, of_policy, means)
        shifts = found.mean
        levels[0] = of_quiet.baseline(shifts)
        if of_policy is not None:
            levels[1] = of_policy.baseline(kappa * shifts)
    return Fitted(of_quiet, of_policy, kappa, prior, found)


def _averaged(quiet: Sums, policy: Sums | None, means: Floats) -> tuple[float, Prior, Posterior]:
    """Posterior over all priors and shares tried, each weighed by its evidence."""
    tried = []
    for kappa in KAPPAS if policy is not None else (1.0,):
        information = _together(quiet, policy, kappa)
        for spread in SPREADS:
            prior = channel_prior(means, *spread)
            tried.append((kappa, prior, posterior(*information, prior)))
    evidence = np.array([found.log_evidence for _, _, found in tried])
    total = np.logaddexp.reduce(evidence)
    share = np.exp(evidence - total)
    mean = sum(w * found.mean for w, (_, _, found) in zip(share, tried, strict=True))
    spread_of = sum(
        w * (found.covariance + np.outer(found.mean - mean, found.mean - mean))
        for w, (_, _, found) in zip(share, tried, strict=True)
    )
    before = sum(w * prior.covariance for w, (_, prior, _) in zip(share, tried, strict=True))
    kappa = float(sum(w * each for w, (each, _, _) in zip(share, tried, strict=True)))
    average = float(total - np.log(len(tried)))
    return (
        kappa,
        Prior(tried[0][1].mean, np.asarray(before)),
        Posterior(np.asarray(mean), np.asarray(spread_of), average),
    )


def _together(quiet: Sums, policy: Sums | None, kappa: float) -> tuple[Floats, Floats]:
    """Information of both regimes about the shifts of a single contact."""
    precision, moment = quiet.shifts()
    if policy is None:
        return precision, moment
    other, other_moment = policy.shifts()
    # A channel's constant may differ a little between regimes: its information is that of a noisier reading.
    apart = np.zeros(len(other))
    apart[:: len(other) // len(CONTACT_CHANNELS)] = REGIME_SPREAD**2
    blur = np.linalg.inv(np.eye(len(other)) + apart[:, None] * other)
    other, other_moment = other @ blur, blur.T @ other_moment
    return precision + kappa**2 * (other + other.T) / 2, moment + kappa * other_moment


def chance_of_null(fitted: Fitted) -> float:
    """Posterior chance that every shift is zero, against the prior's pattern times a factor around 1; 0 where the log cannot tell."""
    pattern, found = fitted.prior.mean, []
    error = np.inf
    for kappa in KAPPAS if fitted.policy is not None else (1.0,):
        precision, moment = _together(fitted.quiet, fitted.policy, kappa)
        one = Prior(np.ones(1), np.array([[NULL_SPREAD**2]]))
        along = np.array([[pattern @ precision @ pattern]]), np.array([pattern @ moment])
        error = min(error, float(along[0][0, 0]) ** -0.5 if along[0][0, 0] > 0 else np.inf)
        found.append(posterior(*along, one).log_evidence)
    if error > NULL_ERROR:
        return 0.0
    evidence = float(np.logaddexp.reduce(found) - np.log(len(found)))
    if fitted.found.log_evidence > NULL_VETO:
        evidence = max(evidence, fitted.found.log_evidence)
    return NULL_PRIOR / (NULL_PRIOR + (1 - NULL_PRIOR) * float(np.exp(min(evidence, 700.0))))
