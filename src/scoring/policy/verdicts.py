"""One account: what every rule says about every channel, which facts it read, and when it would pass.

All rules run for all channels, so the record names every reason. The columnar twin is ``verdict_frame``; a test holds
the two together on random cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from scoring.errors import PolicyError
from scoring.policy.calendars import hours_end_at, leaves_window_at, local_days, window_start, zone_of
from scoring.policy.facts import CALLBACK, OPT_OUT, Contact, Facts, as_utc
from scoring.policy.profile import Profile, rules_holding
from scoring.policy.rules import (
    CHANNEL_INDEX,
    CHANNELS,
    Cap,
    CapDay,
    Cooldown,
    ForbiddenHours,
    Hold,
    InconvenientTimes,
    OptOut,
    Recipient,
    Require,
    Rule,
    When,
)
from scoring.policy.truth import NEGATED, Lawful, Outcome, Truth, both, either

TRUTH_TEXT: Final = ("false", "unknown", "true")
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


def verdicts(profile: Profile, facts: Facts, at: datetime, rules_on: date | None = None) -> Verdicts:
    """What every rule says about every channel for one account.

    Parameters
    ----------
    profile : Profile
    facts : Facts
        Contacts and consents not known by ``at`` are left out.
    at : datetime
        The instant of the contact, with a zone.
    rules_on : date, optional
        Apply the rules of this date instead of the local date of ``at``.

    Raises
    ------
    PolicyError
        ``at`` has no zone, a zone is not known, or the profile does not hold on the day.

    Examples
    --------
    >>> from datetime import UTC
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> known = Facts(account_id="A1", flags={"call_recording_on": Truth.TRUE}, unlisted=Truth.FALSE)
    >>> late = verdicts(cn, known, datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
    >>> late.lawful("agent_call").name, late.reasons("agent_call")
    ('BLOCK', ('CN-CURFEW',))
    >>> late.verdict("CN-CURFEW", "agent_call").finding.next_pass_at.isoformat()
    '2026-11-24T00:00:00+00:00'
    """
    reading = _Reading(profile, facts, as_utc(at))
    holding = rules_holding(profile, (rules_on,) if rules_on else local_days(reading.zones, reading.at))
    rows = tuple(_row(rule, reading) if holds else NOWHERE for rule, holds in zip(profile.rules, holding, strict=True))
    return Verdicts(profile, facts.account_id, reading.at, rows)


def next_lawful_at(profile: Profile, facts: Facts, at: datetime, channel: str) -> datetime | None:
    """The next instant at which the channel would be allowed if nothing else happened, or ``None``.

    ``None`` means that waiting does not help: a fact has to change, or a person has to decide.
    """
    moment = as_utc(at)
    column = CHANNEL_INDEX[channel]
    for _ in range(200):
        against = [
            row[column] for row in verdicts(profile, facts, moment).findings if row[column].outcome > Outcome.PASS
        ]
        if not against:
            return moment
        waits = [finding.next_pass_at for finding in against]
        latest = max((wait for wait in waits if wait is not None), default=None)
        if latest is None or None in waits:
            return None
        moment = latest
    return None


class _Reading:
    """The facts of one account as known at one instant."""

    __slots__ = ("at", "clocks", "consents", "contacts", "facts", "locals", "profile", "zones")

    def __init__(self, profile: Profile, facts: Facts, at: datetime) -> None:
        self.profile, self.facts, self.at = profile, facts, at
        self.zones = facts.zones or profile.default_zones
        self.locals = [at.astimezone(zone_of(zone)) for zone in self.zones]
        self.clocks: FactsRead = tuple(
            (f"local_time {zone}", local.isoformat()) for zone, local in zip(self.zones, self.locals, strict=True)
        ) or (("local_time", "unknown"),)
        self.consents = [consent for consent in facts.consents if consent.holds_at(at)]
        self.contacts = self._recent()

    def _recent(self) -> list[Contact]:
        if not self.facts.contacts or not self.zones:
            return []
        since, at = window_start(self.zones, self.at, self.profile.window_days), self.at
        return [c for c in self.facts.contacts if since <= c.at <= at and (c.known_at is None or c.known_at <= at)]

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
        since = window_start(self.zones, self.at, days)
        wanted, shortest = rule.counted, rule.counter.min_seconds
        sure, possible, target = [], [], self.facts.number_ref
        for contact in self.contacts:
            if contact.at < since or contact[1:4] not in wanted:
                continue
            if contact.seconds is not None and contact.seconds < shortest:
                continue
            if rule.scope == "person_and_debt" and not contact.this_debt:
                continue
            if rule.scope == "number" and contact.number_ref != target and None not in (contact.number_ref, target):
                continue
            if rule.scope == "number" and (target is None or contact.number_ref is None):
                possible.append(contact.at)
            else:
                sure.append(contact.at)
        return sure, possible


def _row(rule: Rule, reading: _Reading) -> Row:
    """The findings of one rule on the nine channels."""
    applies = both((binds(rule, reading.facts.collector), overlaid(rule, reading.facts.overlays)))
    if applies is Truth.FALSE:
        return NOWHERE
    row = EVALUATORS[type(rule)](rule, reading)
    if applies is Truth.TRUE:
        return row
    doubt = (("collector", reading.facts.collector or "unknown"), ("overlays", _overlay_text(reading.facts.overlays)))
    return tuple(
        finding._replace(outcome=Outcome.UNKNOWN, facts=finding.facts + doubt)
        if finding.outcome > Outcome.PASS
        else finding
        for finding in row
    )


def binds(rule: Rule, collector: str | None) -> Truth:
    if rule.binds is None:
        return Truth.TRUE
    if collector is None:
        return Truth.UNKNOWN
    acts_as = "third_party" if collector == "first_party_other_name" else collector
    return Truth.TRUE if {collector, acts_as} & rule.binds else Truth.FALSE


def overlaid(rule: Rule, overlays: frozenset[str] | None) -> Truth:
    if rule.overlay is None:
        return Truth.TRUE
    if overlays is None:
        return Truth.UNKNOWN
    return Truth.TRUE if rule.overlay in overlays else Truth.FALSE


def _overlay_text(overlays: frozenset[str] | None) -> str:
    return "unknown" if overlays is None else ", ".join(sorted(overlays)) or "none"


def _judged(met: Truth, effect: Outcome) -> Outcome:
    """Met passes, not met has the rule's effect, unknown goes to a person."""
    return (effect, Outcome.UNKNOWN, Outcome.PASS)[met]


def _spread(rule: Rule, finding: Finding) -> Row:
    return tuple([finding if applies else NOT_APPLICABLE for applies in rule.channels])


def _spread_lifted(rule: Rule, finding: Finding, reading: _Reading, consent: str | None) -> Row:
    """As ``_spread``, except that a known consent lifts the rule on the channels it covers."""
    if consent is None or finding.outcome is Outcome.PASS or not reading.consents:
        return _spread(rule, finding)
    lifted = Finding(Outcome.PASS, (*finding.facts, (f"consent {consent}", "true")), finding.counter, finding.limit)
    return tuple(
        NOT_APPLICABLE if not applies else lifted if reading.consents_to(consent, channel) else finding
        for channel, applies in zip(CHANNELS, rule.channels, strict=True)
    )


def _hold(rule: Hold, reading: _Reading) -> Row:
    holds = reading.condition(rule.when)
    facts = reading.read(rule.when.names)
    row = _spread(rule, Finding(_judged(NEGATED[holds], rule.effect), facts))
    if reading.facts.template not in rule.except_templates:
        return row
    excepted = Finding(Outcome.PASS, (*facts, ("template", reading.facts.template)))
    return tuple(
        excepted if out and f is not NOT_APPLICABLE else f for f, out in zip(row, rule.except_channels, strict=True)
    )


def _recipient(rule: Recipient, reading: _Reading) -> Row:
    recipient = reading.facts.recipient
    facts: FactsRead = (("recipient", recipient or "unknown"),)
    known = Truth.UNKNOWN if recipient is None else Truth.TRUE if recipient in rule.allow else Truth.FALSE
    row = _spread(rule, Finding(_judged(known, rule.effect), facts))
    locate = rule.locate_exception
    if known is not Truth.FALSE or locate is None or recipient not in locate.recipients:
        return row
    excepted = Finding(_judged(reading.condition(locate.when), rule.effect), facts + reading.read(locate.when.names))
    return tuple(
        excepted if out and f is not NOT_APPLICABLE else f for f, out in zip(row, locate.channels, strict=True)
    )


def _forbidden_hours(rule: ForbiddenHours, reading: _Reading) -> Row:
    if not reading.zones:
        return _spread_lifted(rule, Finding(Outcome.UNKNOWN, reading.clocks), reading, rule.lifted_by_consent)
    if not any(rule.forbids(local.time()) for local in reading.locals):
        return _spread(rule, Finding(Outcome.PASS, reading.clocks))
    ends = hours_end_at(rule, reading.zones, reading.at)
    finding = Finding(rule.effect, reading.clocks, next_pass_at=ends)
    return _spread_lifted(rule, finding, reading, rule.lifted_by_consent)


def _inconvenient(rule: InconvenientTimes, reading: _Reading) -> Row:
    spans = reading.facts.inconvenient
    if not spans:
        return _spread(rule, Finding(Outcome.PASS, (("inconvenient_times", "none"),)))
    if not reading.zones:
        return _spread(rule, Finding(Outcome.UNKNOWN, reading.clocks))
    inside = [
        (end, local)
        for local in reading.locals
        for start, end in spans
        if start <= local.replace(tzinfo=None, fold=0) < end
    ]
    if not inside:
        return _spread(rule, Finding(Outcome.PASS, reading.clocks))
    ends = max(end.replace(tzinfo=local.tzinfo, fold=1).astimezone(reading.at.tzinfo) for end, local in inside)
    return _spread(
        rule, Finding(rule.effect, reading.clocks, next_pass_at=max(ends, reading.at + timedelta(microseconds=1)))
    )


def _cap(rule: Cap, reading: _Reading) -> Row:
    lifted_by = rule.lifted_by_consent
    if not reading.facts.contacts_observed:
        return _spread_lifted(
            rule, Finding(Outcome.UNKNOWN, (("contacts", "unknown"),), None, rule.maximum), reading, lifted_by
        )
    if not reading.zones:
        return _spread_lifted(rule, Finding(Outcome.UNKNOWN, reading.clocks, None, rule.maximum), reading, lifted_by)
    sure, possible = reading.counted(rule, rule.days)
    facts: FactsRead = ((rule.counter.name, str(len(sure))),)
    if len(sure) >= rule.maximum:
        finding = Finding(rule.effect, facts, len(sure), rule.maximum, _cap_passes_at(rule, reading, sure))
    elif len(sure) + len(possible) >= rule.maximum:
        finding = Finding(Outcome.UNKNOWN, (*facts, ("number_ref", "unknown")), len(sure), rule.maximum)
    else:
        finding = Finding(Outcome.PASS, facts, len(sure), rule.maximum)
    return _spread_lifted(rule, finding, reading, lifted_by)


def _cap_passes_at(rule: Cap, reading: _Reading, sure: list[datetime]) -> datetime | None:
    """When enough counted contacts have left the window; never under a maximum of nought."""
    if rule.maximum == 0:
        return None
    return leaves_window_at(reading.zones, sorted(sure)[len(sure) - rule.maximum], rule.days)


def _cooldown(rule: Cooldown, reading: _Reading) -> Row:
    if not reading.facts.contacts_observed:
        return _spread(rule, Finding(Outcome.UNKNOWN, (("contacts", "unknown"),), None, 0))
    if not reading.zones:
        return _spread(rule, Finding(Outcome.UNKNOWN, reading.clocks, None, 0))
    sure, possible = reading.counted(rule, rule.days)
    facts: FactsRead = ((rule.counter.name, str(len(sure))),)
    if not sure and not possible:
        return _spread(rule, Finding(Outcome.PASS, facts, 0, 0))
    if sure:
        finding = Finding(rule.effect, facts, len(sure), 0, leaves_window_at(reading.zones, max(sure), rule.days))
    else:
        finding = Finding(Outcome.UNKNOWN, (*facts, ("number_ref", "unknown")), 0, 0)
    row = _spread(rule, finding)
    if rule.callback is None or not reading.consents:
        return row
    lifted = Finding(Outcome.PASS, (*facts, (f"consent {CALLBACK}", "true")), len(sure), 0)
    last = max(sure + possible)
    return tuple(
        lifted if f is not NOT_APPLICABLE and _calls_back(rule, reading, channel, last) else f
        for f, channel in zip(row, CHANNELS, strict=True)
    )


def _calls_back(rule: Cooldown, reading: _Reading, channel: str, last: datetime) -> bool:
    """Whether a wish to be called back is still open on a channel."""
    assert rule.callback is not None
    given = max(reading.consents_to(CALLBACK, channel), default=None)
    if given is None or given < window_start(reading.zones, reading.at, rule.callback.window_days):
        return False
    return last <= given or not rule.callback.ends_at_next_conversation


def _opt_out(rule: OptOut, reading: _Reading) -> Row:
    if not reading.facts.consents_observed:
        return _spread(rule, Finding(Outcome.UNKNOWN, ((OPT_OUT, "unknown"),)))
    passed, out = Finding(Outcome.PASS, ((OPT_OUT, "false"),)), Finding(rule.effect, ((OPT_OUT, "true"),))
    return tuple(
        NOT_APPLICABLE if not applies else out if reading.consents_to(OPT_OUT, channel) else passed
        for channel, applies in zip(CHANNELS, rule.channels, strict=True)
    )


def _require(rule: Require, reading: _Reading) -> Row:
    asked = Truth.TRUE if rule.when is None else reading.condition(rule.when)
    if asked is Truth.FALSE:
        return NOWHERE
    met = both(reading.flag(name) for name in rule.needs)
    if asked is Truth.UNKNOWN:
        met = max(met, Truth.UNKNOWN)
    names = rule.needs if rule.when is None else rule.when.names + rule.needs
    return _spread(rule, Finding(_judged(met, rule.effect), reading.read(names)))


EVALUATORS: Final[Mapping[type[Rule], Callable[[Any, _Reading], Row]]] = {
    Hold: _hold,
    Recipient: _recipient,
    ForbiddenHours: _forbidden_hours,
    InconvenientTimes: _inconvenient,
    Cap: _cap,
    CapDay: _cap,
    Cooldown: _cooldown,
    OptOut: _opt_out,
    Require: _require,
}
