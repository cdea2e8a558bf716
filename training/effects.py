"""Learning what contacts change: from the log of decisions to `scoring.scores.effects.LearnedEffects`.

The shifts start at the dated prior and move as far as the log supports. Two regimes of decisions tell about them: *quiet* ones (drawn
at random and followed by silence, or of the holdout), whose outcome is that of the single action, and those of the *policy*, where
later contacts follow and do part of the same work, so that a first contact shows only a share of its effect. Policy rows are
weighted by one over their logged propensity. Where the two regimes contradict each other the log is not what it says (people decide
by what nobody wrote down), and quiet rows alone are used. Where the log says that no contact changes anything, every shift is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2, norm

from scoring.scores.effects import (
    CONSTANT,
    MARGIN,
    UNCONNECTED,
    ChannelShift,
    Factor,
    LearnedEffects,
    Modifier,
    Shift,
    Status,
    prior_coefficients,
    prior_effects,
)
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.effects_data import ACTIONS, LoggedDecisions
from training.effects_fit import PASSES, Floats, Posterior, Prior, Rows, Sums, channel_prior, posterior, sums

MODIFIERS: Final = (
    CONSTANT,
    Modifier("open outcome", (Factor(MARGIN, "line", 0.5, 1.5),)),
    UNCONNECTED,
    Modifier("answers calls", (Factor("call_answer_share_90d", "line", 0.2, 0.2),)),
    Modifier("no talk for 14 days", (Factor("days_since_conversation", "above", 14.0, missing=1.0),)),
    Modifier("high utilisation", (Factor("utilisation", "above", 0.6),)),
)
"""What a channel's shift may depend on. Chosen on the simulator; what was compared is in ``training/studies/policy_curve.md``."""

LEVEL: Final = (
    CONSTANT,
    Modifier("margin", (Factor(MARGIN, "line", 0.5, 1.5),)),
    *(Modifier(f"dpd above {days}", (Factor("dpd", "above", float(days)),)) for days in (29, 59, 89, 149)),
)
"""What the level under no contact may depend on."""

KAPPAS: Final = (0.7, 0.85, 1.0)
"""Share of a single contact's effect that shows where the policy goes on contacting."""
SPREADS: Final = tuple(product((0.3,), (0.05, 0.15, 0.4), (0.05, 0.15, 0.4)))
"""Priors tried: spread of what is common to the channels, of modifiers, of a channel's own part."""
REGIME_SPREAD: Final = 0.03
"""How far the regimes may differ beyond the share, on the log-odds."""
CLIP: Final = 3.0
"""No weight counts more than this many times the median of its action."""
NULL_PRIOR: Final = 0.5
"""Chance, before the log is seen, that no contact changes anything: looked at only where the log can tell."""
NULL_ERROR: Final = 0.3
"""The log can tell where the common factor of all shifts has at most this standard error; the prior's pattern has factor 1."""
NULL_SPREAD: Final = 0.3
"""Otherwise all shifts are those of the prior times a factor around 1, with this spread."""
NULL_VETO: Final = 3.0
"""Log-evidence for shifts of any other pattern that forbids calling them null."""
TRUST_LEVEL: Final = 0.01
"""Regimes that agree would differ as much less often than this."""
BALANCE_LEVEL: Final = 1e-4
"""Propensities that are what they say would miss their sum as much less often than this."""
LEAST_SAMPLE: Final = 30.0
LEAST_OVERLAP: Final = 0.3


@dataclass(frozen=True)
class _Fitted:
    quiet: Sums
    policy: Sums | None
    kappa: float
    prior: Prior
    found: Posterior


def fit_effects(
    decisions: LoggedDecisions | None,
    margin: Floats | None,
    prior: Mapping[Channel, float],
    *,
    modifiers: Sequence[Modifier] = MODIFIERS,
    use_policy_rows: bool | None = None,
) -> LearnedEffects:
    """Learn shifts from a log of decisions.

    Parameters
    ----------
    decisions : LoggedDecisions or None
        None where there is no log: the effects are then the prior.
    margin : array (n_decisions,) or None
        Log-odds of the logged score at each decision, by a model that never saw the customer.
    prior : mapping of Channel to float
        The dated prior shifts.
    modifiers : sequence of Modifier
        The first is the constant.
    use_policy_rows : bool, optional
        By default the test decides.

    Returns
    -------
    LearnedEffects
    """
    if decisions is None or margin is None or not len(decisions):
        return prior_effects(prior)
    means = np.stack([prior_coefficients(channel, prior[channel], modifiers) for channel in CONTACT_CHANNELS])
    is_quiet = _is_quiet(decisions)
    quiet = _rows(decisions, margin, is_quiet, modifiers)
    policy = _rows(decisions, margin, ~is_quiet, modifiers)
    trust = _compare(decisions, quiet, policy, means)
    used = trust["agree"] if use_policy_rows is None else use_policy_rows
    fitted = _fit(quiet, policy if used else None, means)
    return _effects(fitted, decisions, is_quiet, bool(used), trust, prior, modifiers)


def _is_quiet(decisions: LoggedDecisions) -> npt.NDArray[np.bool_]:
    """Randomised or holdout rows, where the design keeps them quiet; a log where contacts go on after them has none."""
    rows = decisions.rows
    drawn = (rows["is_randomised"] | rows["is_holdout"]).to_numpy(dtype=bool)
    later = rows["has_later_contact"].to_numpy(dtype=bool)
    return drawn & ~later if drawn.any() and later[drawn].mean() < 0.1 else np.zeros(len(rows), dtype=bool)


def _rows(
    decisions: LoggedDecisions, margin: Floats, chosen: npt.NDArray[np.bool_], modifiers: Sequence[Modifier]
) -> Rows:
    part, offset = decisions.rows[chosen], margin[chosen]
    values = decisions.values[chosen]
    # At apply time features are of the evening before: one day old.
    age = (part["age_days"].to_numpy(dtype=np.float64) - 1.0) / 10.0
    decided = decisions.rows["decided_at"]
    years = ((part["decided_at"] - decided.max()) / pd.Timedelta(days=365)).to_numpy(dtype=np.float64)
    action = part["action"].to_numpy(dtype=np.int64)
    return Rows(
        offset,
        np.column_stack([*(each.value(values, offset) for each in LEVEL), age, years]),
        np.column_stack([each.value(values, offset) for each in modifiers]),
        action,
        part["pays"].to_numpy(dtype=np.float64),
        _weights(decisions.take(chosen), action),
    )


def _weights(decisions: LoggedDecisions, action: npt.NDArray[np.int64]) -> Floats:
    """One over the propensity, clipped, scaled for each action to its effective sample size."""
    rows = decisions.rows
    chance = np.where(
        rows["is_randomised"], 1.0 / decisions.lawful().sum(axis=1), rows["propensity"].to_numpy(dtype=np.float64)
    )
    raw = 1.0 / np.maximum(chance, 1e-4)
    for place in range(len(ACTIONS)):
        own = action == place
        if own.any():
            cut = np.minimum(raw[own], CLIP * np.median(raw[own]))
            raw[own] = cut * cut.sum() / (cut**2).sum()
    return np.asarray(raw)


def _fit(quiet: Rows, policy: Rows | None, means: Floats) -> _Fitted:
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
    return _Fitted(of_quiet, of_policy, kappa, prior, found)


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


def _compare(decisions: LoggedDecisions, quiet: Rows, policy: Rows, means: Floats) -> dict[str, Any]:
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
        if len(own) >= LEAST_SAMPLE and error > 0:
            found[str(name)] = float((1 / own).sum() - lawful[place]) / error
    return found


def _outcomes_agree(quiet: Rows, policy: Rows, means: Floats) -> dict[str, Any]:
    """Average shifts of the policy's rows against those of prior and quiet rows, up to one common share."""
    flat_quiet, flat_policy = (
        Rows(rows.offset, rows.baseline, rows.modifiers[:, :1], rows.action, rows.pays, rows.weight)
        for rows in (quiet, policy)
    )
    told = _fit(flat_quiet, None, means[:, :1]).found
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


def _effects(
    fitted: _Fitted,
    decisions: LoggedDecisions,
    is_quiet: npt.NDArray[np.bool_],
    used: bool,
    trust: dict[str, Any],
    prior: Mapping[Channel, float],
    modifiers: Sequence[Modifier],
) -> LearnedEffects:
    n_m = len(modifiers)
    p_null = _chance_of_null(fitted)
    is_null = p_null > 0.5
    shifts = np.zeros_like(fitted.found.mean) if is_null else fitted.found.mean
    level = fitted.quiet.baseline(shifts)
    sure = fitted.quiet.baseline_covariance()
    n = len(LEVEL)
    none = Shift(LEVEL, tuple(level[:n].tolist()), _rows_of(sure[:n, :n]))
    before = fitted.prior.covariance
    rows = decisions.rows[is_quiet] if not used else decisions.rows
    weights = _weights(decisions if used else decisions.take(is_quiet), rows["action"].to_numpy(dtype=np.int64))
    mean_modifier = np.array([1.0, *_means(decisions, modifiers[1:])])
    channels: dict[Channel, ChannelShift] = {}
    for place, channel in enumerate(CONTACT_CHANNELS):
        own = slice(place * n_m, (place + 1) * n_m)
        chosen = (rows["action"] == place + 1).to_numpy()
        covariance = fitted.found.covariance[own, own]
        ratio = float((mean_modifier @ covariance @ mean_modifier) / (mean_modifier @ before[own, own] @ mean_modifier))
        sample = float(weights[chosen].sum())
        overlap = _overlap(decisions, place + 1)
        coefficients = tuple(shifts[own].tolist())
        status: Status = "learned" if ratio < 0.1 else "blend"
        reason = "prior and log together"
        if is_null:
            status, reason = "null", "the log says that no contact changes anything"
        elif sample < LEAST_SAMPLE or overlap < LEAST_OVERLAP:
            status, reason = "prior", "too few decisions" if sample < LEAST_SAMPLE else "overlap fails"
        channels[channel] = ChannelShift(
            Shift(tuple(modifiers), coefficients, _rows_of(covariance)),
            prior=prior[channel],
            status=status,
            weight_of_data=float(np.clip(1 - ratio, 0.0, 1.0)),
            n_decisions=int(chosen.sum()),
            n_randomised=int((rows["is_randomised"].to_numpy() & chosen).sum()),
            effective_sample_size=sample,
            overlap=overlap,
            reason=reason,
        )
    facts = {
        "n_decisions": len(decisions),
        "n_quiet": int(is_quiet.sum()),
        "uses_policy_rows": used,
        "trust": trust,
        "share_of_effect_in_policy_rows": fitted.kappa,
        "p_null": p_null,
    }
    return LearnedEffects(none, channels, facts)


def _means(decisions: LoggedDecisions, modifiers: Sequence[Modifier]) -> list[float]:
    zero = np.zeros(len(decisions))
    return [float(each.value(decisions.values, zero).mean()) for each in modifiers]


def _overlap(decisions: LoggedDecisions, place: int) -> float:
    """Share of lawful decisions that the channel's own decisions stand for: the sum of one over their propensity."""
    lawful = decisions.lawful()[:, place].sum()
    chosen = decisions.rows["action"].to_numpy() == place
    chance = decisions.rows["propensity"].to_numpy(dtype=np.float64)[chosen]
    return float(np.clip((1.0 / np.maximum(chance, 1e-4)).sum() / max(lawful, 1), 0.0, 1.0))


def _chance_of_null(fitted: _Fitted) -> float:
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


def _rows_of(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
