"""The facts of one account as its rules read them at one instant: nothing that was known later, nothing made up."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from scoring.policy.calendars import window_start, zone_of
from scoring.policy.facts import Contact, Facts
from scoring.policy.findings import FactsRead
from scoring.policy.profile import Profile
from scoring.policy.rules import Cap, Cooldown, When
from scoring.policy.truth import NEGATED, Truth, both, either

TRUTH_TEXT: Final = ("false", "unknown", "true")


class Reading:
    """The facts of one account as known at one instant."""

    __slots__ = ("at", "clocks", "consents", "contacts", "facts", "locals", "profile", "starts", "zones")

    def __init__(self, profile: Profile, facts: Facts, at: datetime) -> None:
        self.profile, self.facts, self.at = profile, facts, at
        self.zones = facts.zones or profile.default_zones
        self.locals = [at.astimezone(zone_of(zone)) for zone in self.zones]
        self.clocks: FactsRead = tuple(
            (f"local_time {zone}", local.isoformat()) for zone, local in zip(self.zones, self.locals, strict=True)
        ) or (("local_time", "unknown"),)
        self.consents = [consent for consent in facts.consents if consent.holds_at(at)]
        self.starts: dict[int, datetime] = {}
        self.contacts = self._recent()

    def _recent(self) -> list[Contact]:
        if not self.facts.contacts or not self.zones:
            return []
        since, at = self.window_start(self.profile.window_days), self.at
        return [c for c in self.facts.contacts if since <= c.at <= at and (c.known_at is None or c.known_at <= at)]

    def window_start(self, days: int) -> datetime:
        """Where a window of local dates ending today begins; most rules share one."""
        if days not in self.starts:
            self.starts[days] = window_start(self.zones, self.at, days)
        return self.starts[days]

    def flag(self, name: str) -> Truth:
        """The value of a fact; a derived one also holds where its definition does."""
        derived = self.profile.derived.get(name)
        if derived is None:
            return self.facts.flags.get(name, self.facts.unlisted)
        defined = self.condition(derived)
        return either((defined, self.facts.flags[name])) if name in self.facts.flags else defined

    def condition(self, when: When) -> Truth:
        """Whether all of, any of and none of the named facts hold."""
        parts = [self.flag(name) for name in when.all]
        if when.any:
            parts.append(either(self.flag(name) for name in when.any))
        if when.none:
            parts.append(NEGATED[either(self.flag(name) for name in when.none)])
        return both(parts)

    def read(self, names: tuple[str, ...]) -> FactsRead:
        """The facts a rule read, for the record."""
        return tuple((name, TRUTH_TEXT[self.flag(name)]) for name in names)

    def consents_to(self, kind: str | None, channel: str) -> list[datetime]:
        """When each consent in force of a kind that covers a channel was given."""
        return [c.given_at for c in self.consents if c.kind == kind and c.covers(channel)]

    def counted(self, rule: Cap | Cooldown, days: int) -> tuple[list[datetime], list[datetime]]:
        """Instants of the contacts that surely count in a window, and of those that may (number not known)."""
        since, target = self.window_start(days), self.facts.number_ref
        this_debt_only, this_number_only = rule.scope == "person_and_debt", rule.scope == "number"
        sure, possible = [], []
        for contact in self.contacts:
            if contact[1:4] not in rule.counted or contact.at < since:
                continue
            if contact.seconds is not None and contact.seconds < rule.counter.min_seconds:
                continue
            if this_debt_only and not contact.this_debt:
                continue
            if this_number_only and (target is None or contact.number_ref is None):
                possible.append(contact.at)
            elif not this_number_only or contact.number_ref == target:
                sure.append(contact.at)
        return sure, possible
