"""The record as typed values, and the few numbers that follow from it by arithmetic; nothing else is read.

The ability is stated in the record by its margin (log-odds), so the share follows by the logistic function. The change
that a channel was assumed to make follows from its value, its cost and the amount at stake. Two checks are told, not
raised: the terms must give the recorded priority value, and contributions must add up to the margin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from scoring.ledger.record import StoredRecord
from scoring.vocabulary import Channel

HOLD_REASONS: Final = ("deceased", "dispute_open", "plan_kept", "charged_off")
"""Standings that take an account out of collection, as the plan names them."""
RULE_REASONS: Final = (
    *HOLD_REASONS, "below_materiality", "no_address_on_file", "no_lawful_channel", "plan_unclear", "grace_hold", "promise_open",
    "contacted_lately",
)  # fmt: skip
"""Reasons that a rule gives without any score."""
REASON_CODES: Final = (
    *RULE_REASONS, "likely_to_pay_without_contact", "payday_near", "no_capacity_left", "no_channel_worth_its_cost", "holdout",
    "drawn_for_no_contact",
)  # fmt: skip
PRIOR_FORMULA: Final = "P(1-P) x A x D"
CLOSE: Final = 0.10
"""A reason whose contribution is within this share of the one before it is close to it."""
SMALLEST_SUM_ERROR: Final = 1e-6
"""Contributions further than this from the margin do not add up (log-odds)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One business group: contribution in log-odds, strongest feature and its value (None: not on file).

    ``kept`` is the share of resampled references against which the group is among the four largest too (None: not worked out).
    """

    group: str
    contribution: float
    feature: str
    value: float | None
    kept: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """A score's margin, what it would be for the reference population, and what each business group adds to it."""

    margin: float
    expected_margin: float
    groups: Mapping[str, float]
    reasons: tuple[Reason, ...]

    @property
    def adds_up(self) -> bool:
        """Whether expected margin and groups give the margin.

        >>> ScoreFacts(0.5, 0.25, {"promises": 0.25}, ()).adds_up, ScoreFacts(0.5, 0.0, {"promises": 0.25}, ()).adds_up
        (True, False)
        """
        return abs(self.expected_margin + sum(self.groups.values()) - self.margin) <= SMALLEST_SUM_ERROR


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact channel: net value in minor units (None: not considered), cost of one contact, price of a place, harm."""

    channel: str
    value_cents: float | None
    cost_cents: float
    price_cents: float
    harm_cents: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one contact rule said, for the channels where it said the same; outcomes as in `scoring.policy.truth`."""

    rule: str
    outcome: str
    channels: tuple[str, ...]

    @property
    def is_against(self) -> bool:
        """Whether the channels are closed by it, or left to a person."""
        return self.outcome in ("block", "review", "unknown")


@dataclass(frozen=True)
class DecisionFacts:
    """One decision as its record states it. ``body`` is the whole record, for what has no name here."""

    record: StoredRecord
    body: Mapping[str, Any]
    as_of: date
    currency: str
    willingness: ScoreFacts
    ability: ScoreFacts
    candidates: Mapping[str, Candidate]
    verdicts: tuple[Verdict, ...]

    @property
    def choice(self) -> Mapping[str, Any]:
        """What was chosen."""
        chosen: Mapping[str, Any] = self.body["choice"]
        return chosen

    @property
    def scores(self) -> Mapping[str, Any]:
        """The recorded scores and amounts."""
        scored: Mapping[str, Any] = self.body["scores"]
        return scored

    @property
    def is_contacted(self) -> bool:
        """Whether a channel was chosen."""
        return bool(self.choice["channel"] != Channel.NONE)

    @property
    def chosen(self) -> Candidate | None:
        """The chosen channel with its value; None without a contact."""
        return self.candidates.get(self.choice["channel"])

    @property
    def is_between_plans(self) -> bool:
        """Whether it was decided on request, at the prices of the last plan and without a place in the queue."""
        return bool(self.body["trigger"] == "request")

    @property
    def is_by_card(self) -> bool:
        """Whether the scorecard stood in for models that could not score."""
        return "scored_by" in self.body.get("model", {})

    @property
    def rules_left_open(self) -> tuple[str, ...]:
        """The rules that a person settles before the chosen channel is used."""
        if not self.choice.get("needs_review"):
            return ()
        chosen = self.choice["channel"]
        return tuple(found.rule for found in self.verdicts if found.is_against and chosen in found.channels)

    @property
    def is_held(self) -> bool:
        """Whether a standing of the account stops all collection."""
        return self.choice["reason"] in HOLD_REASONS

    @property
    def is_decided_by_rule(self) -> bool:
        """Whether a rule decided and the scores did not."""
        return self.choice["reason"] in RULE_REASONS

    @property
    def is_randomised(self) -> bool:
        """Whether chance decided: exploration or the permanent holdout."""
        exploration = self.choice["exploration"]
        return bool(exploration["explored"] or exploration["holdout"])

    @property
    def ability_share(self) -> float:
        """Expected share of the amount, given a payment; as served, or by the logistic function where the record is older."""
        served = self.scores.get("ability_share")
        return logistic(self.ability.margin) if served is None else float(served["value"])

    @property
    def at_stake_cents(self) -> float:
        """Ability times the amount that brings the account up to date."""
        return self.ability_share * float(self.scores["cure_amount_cents"])

    @property
    def priority_cents(self) -> float:
        """P(1-P) x A x D from the recorded terms."""
        p = float(self.scores["w_none"])
        return p * (1.0 - p) * self.at_stake_cents

    @property
    def terms_give_priority(self) -> bool:
        """Whether the terms shown give the recorded priority value, to the rounding of a minor unit."""
        return abs(self.priority_cents - float(self.choice["priority_value_cents"])) <= 1.0

    def assumed_change(self, candidate: Candidate) -> float | None:
        """The change in willingness that the channel was assumed to make; None where nothing can be computed."""
        if candidate.value_cents is None or self.at_stake_cents < 1.0:
            return None
        return (candidate.value_cents + candidate.cost_cents + candidate.harm_cents) / self.at_stake_cents


def logistic(margin: float) -> float:
    """Log-odds to probability.

    >>> logistic(0.0), logistic(-800.0)
    (0.5, 0.0)
    """
    return 1.0 / (1.0 + math.exp(-margin)) if margin > -700 else 0.0
