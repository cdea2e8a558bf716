"""Learning what contacts change: from the log of decisions to `scoring.scores.effects.LearnedEffects`.

The shifts start at the dated prior and move as far as the log supports. Two regimes of decisions tell about them: *quiet* ones (drawn
at random and followed by silence, or of the holdout), whose outcome is that of the single action, and those of the *policy*, where
later contacts follow and do part of the same work, so that a first contact shows only a share of its effect. Policy rows are
weighted by one over their logged propensity. Where the two regimes contradict each other the log is not what it says (people decide
by what nobody wrote down), and quiet rows alone are used. Where the log says that no contact changes anything, every shift is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

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
from training.effects_fit import Floats, Rows
from training.effects_posterior import Fitted, chance_of_null, fit_shifts
from training.effects_trust import compare

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

CLIP: Final = 3.0
"""No weight counts more than this many times the median of its action."""
LEAST_SAMPLE: Final = 30.0
LEAST_OVERLAP: Final = 0.3


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
    trust = compare(decisions, quiet, policy, means)
    used = trust["agree"] if use_policy_rows is None else use_policy_rows
    fitted = fit_shifts(quiet, policy if used else None, means)
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


def _effects(
    fitted: Fitted,
    decisions: LoggedDecisions,
    is_quiet: npt.NDArray[np.bool_],
    used: bool,
    trust: dict[str, Any],
    prior: Mapping[Channel, float],
    modifiers: Sequence[Modifier],
) -> LearnedEffects:
    n_m = len(modifiers)
    p_null = chance_of_null(fitted)
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
            coefficients = tuple(prior_coefficients(channel, prior[channel], modifiers).tolist())
            covariance, ratio = before[own, own], 1.0
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


def _rows_of(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
