"""The gate of a strategy: is it at least as good as what runs now, does the log show it, and can the log be believed?

Three answers. ``passes``: the interval of the difference does not reach below the tolerance. ``worse``: the whole interval
lies below zero. ``cannot_tell``: too little overlap, a value that hangs on few rows, propensities that are not what happened, or an
interval that leaves both open. Only the first promotes; the others say what is missing. Nobody's word replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.off_policy.estimators import (
    Estimate,
    Floats,
    LoggedChoices,
    dm,
    dr,
    ips,
    on_policy,
    snips,
    switch,
    switch_threshold,
)
from training.off_policy.overlap import Overlap, clip_sensitivity, overlap_of, propensity_checks

PASSES: Final = "passes"
WORSE: Final = "worse"
CANNOT_TELL: Final = "cannot_tell"

LEAST_EFFECTIVE_ROWS: Final = 200.0
"""House, 2026-11: below this a weighted mean rests on too few customers."""
MOST_UNSUPPORTED: Final = 0.02
"""House: share of choices that the log could never have made."""
MOST_OF_ONE_ROW: Final = 0.05
"""House: share of all weight on one row."""
TOLERANCE: Final = 0.02
"""House: a strategy may cost this share of the present value and still pass, since exploration is worth something."""


@dataclass(frozen=True)
class StrategyVerdict:
    """What the log says about a strategy.

    Attributes
    ----------
    verdict : str
        ``passes``, ``worse`` or ``cannot_tell``.
    reasons : tuple of str
        Why, one finding each; every finding at once.
    candidate, incumbent, difference : Estimate
        DR, per decision, in the reward's unit.
    overlap : Overlap
    others : dict of str to Estimate
        The candidate by the other estimators.
    facts : dict
        Clip sensitivity, propensity checks, and whatever the caller adds.
    """

    verdict: str
    reasons: tuple[str, ...]
    candidate: Estimate
    incumbent: Estimate
    difference: Estimate
    overlap: Overlap
    others: dict[str, Estimate]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether it may be promoted."""
        return self.verdict == PASSES

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the report and the registry."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "candidate": _plain(self.candidate),
            "incumbent": _plain(self.incumbent),
            "difference": _plain(self.difference),
            "other_estimators": {name: _plain(each) for name, each in self.others.items()},
            "overlap": self.overlap.as_dict(),
            **self.facts,
        }


def judge(
    log: LoggedChoices,
    target: Floats,
    possible: npt.NDArray[np.bool_],
    expected: Floats,
    *,
    incumbent: Floats | None = None,
    tolerance: float = TOLERANCE,
) -> StrategyVerdict:
    """Hold a strategy against the one that runs, on the same rows.

    Parameters
    ----------
    target : array (n, n_actions)
        What the candidate would do, as probabilities.
    possible : array (n, n_actions) of bool
        What the log could have done.
    expected : array (n, n_actions)
        Cross-fitted expected rewards.
    incumbent : array (n, n_actions), optional
        What the present strategy would do; without it, what the log did.

    Examples
    --------
    >>> from training.off_policy.expected_rewards import cross_fitted
    >>> from training.off_policy.synthetic import best_policy, synthetic_world, worst_policy
    >>> world = synthetic_world()
    >>> log, seen, context = world.draw(8000, 3)
    >>> everything = np.ones((8000, 4), dtype=bool)
    >>> [judge(log, policy(world)[context], everything, cross_fitted(log, seen)).verdict for policy in (best_policy, worst_policy)]
    ['passes', 'worse']
    """
    candidate = dr(log, target, expected)
    present = on_policy(log) if incumbent is None else dr(log, incumbent, expected)
    difference = candidate.less(present)
    overlap = overlap_of(log, target, possible)
    clipped = clip_sensitivity(log, target, expected)
    checks = propensity_checks(log, possible)
    low, high = difference.interval()
    slack = tolerance * abs(present.value)
    doubts = [
        *_doubts(overlap),
        *(_propensity_doubt(check) for check in checks if check.is_off),
        *_clip_doubt(clipped, present, low, high, slack),
    ]
    if high < 0:
        verdict, reason = (
            WORSE,
            f"The difference is {difference.value:.4g} ({low:.4g} to {high:.4g}): it would bring less.",
        )
    elif low >= -slack:
        verdict, reason = (
            PASSES,
            f"The difference is {difference.value:.4g} ({low:.4g} to {high:.4g}), not below {-slack:.4g}.",
        )
    else:
        verdict = CANNOT_TELL
        reason = f"The difference is {difference.value:.4g} ({low:.4g} to {high:.4g}): the data leave open whether it brings less."
    if doubts and verdict == PASSES:
        verdict = CANNOT_TELL
    threshold = switch_threshold(log, target, expected)
    return StrategyVerdict(
        verdict,
        (reason, *doubts),
        candidate,
        present,
        difference,
        overlap,
        {
            "IPS": ips(log, target),
            "SNIPS": snips(log, target),
            "DM": dm(log, target, expected),
            "SWITCH": switch(log, target, expected, threshold=threshold),
        },
        {
            "switch_threshold": None if np.isinf(threshold) else threshold,
            "clip_sensitivity": {
                "none" if np.isinf(clip) else f"{clip:g}": estimate.value for clip, estimate in clipped.items()
            },
            "propensity_checks": [{**vars(check), "is_off": check.is_off} for check in checks],
        },
    )


def _doubts(overlap: Overlap) -> list[str]:
    found = []
    if overlap.effective_rows < LEAST_EFFECTIVE_ROWS:
        found.append(
            f"Only {overlap.effective_rows:.0f} of {overlap.n_rows} rows count in effect, {LEAST_EFFECTIVE_ROWS:.0f} are asked: log more "
            "decisions, or explore more."
        )
    if overlap.unsupported_share > MOST_UNSUPPORTED:
        found.append(
            f"{overlap.unsupported_share:.1%} of its choices are such as the log could not make: nothing is known about them. Explore "
            "them first."
        )
    if overlap.max_weight_share > MOST_OF_ONE_ROW:
        found.append(f"One row holds {overlap.max_weight_share:.1%} of all weight: the value hangs on it.")
    return found


def _propensity_doubt(check: Any) -> str:
    return (
        f"Action {check.action} was taken {check.ratio:.2f} times as often as its logged propensities say: somebody decides by what is not "
        "in the log, or the propensities are wrong."
    )


def _clip_doubt(clipped: dict[float, Estimate], present: Estimate, low: float, high: float, slack: float) -> list[str]:
    values = [estimate.value for estimate in clipped.values()]
    if max(values) - min(values) <= max(high - low, slack):
        return []
    return [
        f"Cutting large weights moves the value from {min(values):.4g} to {max(values):.4g}, more than its interval."
    ]


def _plain(estimate: Estimate) -> dict[str, Any]:
    low, high = estimate.interval()
    return {"value": estimate.value, "standard_error": estimate.standard_error, "low": low, "high": high}
