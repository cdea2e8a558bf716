"""What a rule says about a channel, and all rules about all channels: the readable result for one account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from scoring.errors import PolicyError
from scoring.policy.profile import Profile
from scoring.policy.rules import CHANNEL_INDEX, CHANNELS, Rule
from scoring.policy.truth import Lawful, Outcome

FactsRead = tuple[tuple[str, str], ...]


class Finding(NamedTuple):
    """What one rule says about one channel, without the rule's papers."""

    outcome: Outcome
    facts: FactsRead = ()
    counter: int | None = None
    limit: int | None = None
    next_pass_at: datetime | None = None


NOT_APPLICABLE: Final = Finding(Outcome.NOT_APPLICABLE)
Row = tuple[Finding, ...]
NOWHERE: Final[Row] = (NOT_APPLICABLE,) * len(CHANNELS)


class Verdict(NamedTuple):
    """One line of the record: one rule, one channel, with papers, facts, counter and the next time it would pass."""

    rule: Rule
    channel: str
    finding: Finding

    def as_record(self) -> dict[str, Any]:
        """Plain values for a decision record."""
        finding = self.finding
        return {
            "rule": self.rule.id,
            "channel": self.channel,
            "outcome": finding.outcome.name.lower(),
            "facts": dict(finding.facts),
            "counter": finding.counter,
            "limit": finding.limit,
            "cite": self.rule.cite,
            "force": self.rule.force,
            "verified": self.rule.verified,
            "next_pass_at": finding.next_pass_at.isoformat() if finding.next_pass_at else None,
        }


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Every rule's finding on every channel for one account at one instant.

    Attributes
    ----------
    findings : tuple of rows
        One row for each rule of the profile, one finding for each channel, in the order of ``CHANNELS``.
    """

    profile: Profile
    account_id: str
    at: datetime
    findings: tuple[Row, ...]

    def lawful(self, channel: str) -> Lawful:
        """Whether the channel is allowed, blocked, or for a person to decide."""
        column = CHANNEL_INDEX[channel]
        return Lawful.of(row[column].outcome for row in self.findings)

    def lawful_channels(self) -> tuple[str, ...]:
        """The channels that every rule allows."""
        return tuple(channel for channel in CHANNELS if self.lawful(channel) is Lawful.ALLOW)

    def verdict(self, rule_id: str, channel: str) -> Verdict:
        """The strictest finding of a rule (of its dated versions) on one channel."""
        column = CHANNEL_INDEX[channel]
        at = max(
            (i for i, name in enumerate(self.profile.rule_ids) if name == rule_id),
            key=lambda i: self.findings[i][column].outcome,
            default=None,
        )
        if at is None:
            raise PolicyError(f"Profile {self.profile.name} has no rule {rule_id}.", field="rule", got=rule_id)
        return Verdict(self.profile.rules[at], channel, self.findings[at][column])

    def rules_saying(self, channel: str, *outcomes: Outcome) -> tuple[str, ...]:
        """Ids of the rules with one of these outcomes on a channel, in the order of the profile."""
        column = CHANNEL_INDEX[channel]
        found = (
            name
            for name, row in zip(self.profile.rule_ids, self.findings, strict=True)
            if row[column].outcome in outcomes
        )
        return tuple(dict.fromkeys(found))

    def reasons(self, channel: str) -> tuple[str, ...]:
        """The rules that decide against a channel: those that block, or else those that send it to a person."""
        if self.lawful(channel) is Lawful.BLOCK:
            return self.rules_saying(channel, Outcome.BLOCK)
        return self.rules_saying(channel, Outcome.REVIEW, Outcome.UNKNOWN)

    def table(self) -> tuple[Verdict, ...]:
        """Every rule and channel, not-applicable ones included."""
        return tuple(
            Verdict(rule, channel, finding)
            for rule, row in zip(self.profile.rules, self.findings, strict=True)
            for channel, finding in zip(CHANNELS, row, strict=True)
        )

    def codes(self) -> tuple[tuple[int, ...], ...]:
        """Outcome codes, rules by channels: what the columnar path must equal."""
        return tuple(tuple(int(finding.outcome) for finding in row) for row in self.findings)
