"""Whether a log is what it says: its propensities add up, and its two regimes of decisions tell of the same effects."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy.stats import chi2, norm

from scoring.vocabulary import CONTACT_CHANNELS
from training.effects_data import ACTIONS, LoggedDecisions
from training.effects_fit import PASSES, Floats, Rows, sums
from training.effects_posterior import REGIME_SPREAD, fit_shifts

TRUST_LEVEL: Final = 0.01
"""Regimes that agree would differ as much less often than this."""
BALANCE_LEVEL: Final = 1e-4
"""Propensities that are what they say would miss their sum as much less often than this."""
LEAST_DECISIONS: Final = 30
"""An action with fewer is not looked at."""


def compare(decisions: LoggedDecisions, quiet: Rows, policy: Rows, means: Floats) -> dict[str, Any]:
    """Whether the policy's rows may be believed: their propensities add up, and they tell a share of what the others tell."""
    balance = propensity_balance(decisions)
    p_balance = float(min(1.0, len(balance) * 2 * norm.sf(max(map(abs, balance.values()), default=0.0))))
    told: dict[str, Any] = {"propensity_balance": balance, "p_balance": p_balance, "p_outcomes": 1.0}
    if len(quiet.pays) and len(policy.pays):
        told |= _outcomes_agree(quiet, policy, means)
    return {"agree": p_balance >= BALANCE_LEVEL and told["p_outcomes"] >= TRUST_LEVEL, **told}


def propensity_balance(decisions: LoggedDecisions) -> dict[str, float]:
    """For each action, by how many standard errors the sum of one over its propensities misses the number of rows it was lawful in.

    Their expectations are equal where the logged propensity is the chance with which the action was really taken. Outcomes are not
    looked at. Large values: somebody decides by what is not in the log.
    """
    drawn = decisions.take(~decisions.rows["is_holdout"].to_numpy(dtype=bool))
    action, lawful = drawn.rows["action"].to_numpy(), drawn.lawful().sum(axis=0)
    chance = np.maximum(drawn.rows["propensity"].to_numpy(dtype=np.float64), 1e-4)
    found = {}
    for place, name in enumerate(ACTIONS):
        own = chance[action == place]
        error = float(np.sqrt(((1 - own) / own**2).sum()))
        if len(own) >= LEAST_DECISIONS and error > 0:
            found[str(name)] = float((1 / own).sum() - lawful[place]) / error
    return found


def _outcomes_agree(quiet: Rows, policy: Rows, means: Floats) -> dict[str, Any]:
    """Average shifts of the policy's rows against those of prior and quiet rows, up to one common share."""
    flat_quiet, flat_policy = (
        Rows(rows.offset, rows.baseline, rows.modifiers[:, :1], rows.action, rows.pays, rows.weight)
        for rows in (quiet, policy)
    )
    told = fit_shifts(flat_quiet, None, means[:, :1]).found
    level, shifts = np.zeros(policy.baseline.shape[1]), told.mean
    for _ in range(PASSES):
        seen = sums(flat_policy, len(ACTIONS), level, shifts)
        precision, moment = seen.shifts()
        noise = np.linalg.inv(precision + 1e-6 * np.eye(len(moment)))
        shifts = noise @ moment
        level = seen.baseline(shifts)
    tolerance = (2 * REGIME_SPREAD) ** 2 * np.eye(len(moment))
    best = np.inf
    for kappa in np.linspace(0.3, 1.1, 17):
        apart = shifts - kappa * told.mean
        spread = noise + kappa**2 * told.covariance + tolerance
        best = min(best, float(apart @ np.linalg.solve(spread, apart)))
    return {
        "p_outcomes": float(chi2.sf(best, len(moment))),
        "policy_shifts": dict(zip(map(str, CONTACT_CHANNELS), shifts.tolist(), strict=True)),
        "quiet_shifts": dict(zip(map(str, CONTACT_CHANNELS), told.mean.tolist(), strict=True)),
    }
