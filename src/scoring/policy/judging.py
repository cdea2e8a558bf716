"""What each kind of rule says about the nine channels of one account: one small function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from scoring.policy.calendars import hours_end_at, leaves_window_at
from scoring.policy.facts import CALLBACK, OPT_OUT
from scoring.policy.findings import NOT_APPLICABLE, NOWHERE, FactsRead, Finding, Row
from scoring.policy.readings import Reading
from scoring.policy.rules import (
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
)
from scoring.policy.truth import NEGATED, Outcome, Truth, both


def row_of(rule: Rule, reading: Reading) -> Row:
    """The findings of one rule on the nine channels."""
    applies = min(binds(rule, reading.facts.collector), overlaid(rule, reading.facts.overlays))
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
    """Whether a rule binds whoever collects."""
    if rule.binds is None:
        return Truth.TRUE
    if collector is None:
        return Truth.UNKNOWN
    is_bound = collector in rule.binds or (collector == "first_party_other_name" and "third_party" in rule.binds)
    return Truth.TRUE if is_bound else Truth.FALSE


def overlaid(rule: Rule, overlays: frozenset[str] | None) -> Truth:
    """Whether a rule applies where the customer is."""
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


def _spread_lifted(rule: Rule, finding: Finding, reading: Reading, consent: str | None) -> Row:
    """As ``_spread``, except that a known consent lifts the rule on the channels it covers."""
    if consent is None or finding.outcome is Outcome.PASS or not reading.consents:
        return _spread(rule, finding)
    lifted = Finding(Outcome.PASS, (*finding.facts, (f"consent {consent}", "true")), finding.counter, finding.limit)
    return tuple(
        NOT_APPLICABLE if not applies else lifted if reading.consents_to(consent, channel) else finding
        for channel, applies in zip(CHANNELS, rule.channels, strict=True)
    )


def _hold(rule: Hold, reading: Reading) -> Row:
    holds = reading.condition(rule.when)
    facts = reading.read(rule.when.names)
    row = _spread(rule, Finding(_judged(NEGATED[holds], rule.effect), facts))
    if reading.facts.template not in rule.except_templates:
        return row
    excepted = Finding(Outcome.PASS, (*facts, ("template", reading.facts.template)))
    return tuple(
        excepted if out and f is not NOT_APPLICABLE else f for f, out in zip(row, rule.except_channels, strict=True)
    )


def _recipient(rule: Recipient, reading: Reading) -> Row:
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


def _forbidden_hours(rule: ForbiddenHours, reading: Reading) -> Row:
    if not reading.zones:
        return _spread_lifted(rule, Finding(Outcome.UNKNOWN, reading.clocks), reading, rule.lifted_by_consent)
    if not any(rule.forbids(local.time()) for local in reading.locals):
        return _spread(rule, Finding(Outcome.PASS, reading.clocks))
    ends = hours_end_at(rule, reading.zones, reading.at)
    finding = Finding(rule.effect, reading.clocks, next_pass_at=ends)
    return _spread_lifted(rule, finding, reading, rule.lifted_by_consent)


def _inconvenient(rule: InconvenientTimes, reading: Reading) -> Row:
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


def _cap(rule: Cap, reading: Reading) -> Row:
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


def _cap_passes_at(rule: Cap, reading: Reading, sure: list[datetime]) -> datetime | None:
    """When enough counted contacts have left the window; never under a maximum of nought."""
    if rule.maximum == 0:
        return None
    return leaves_window_at(reading.zones, sorted(sure)[len(sure) - rule.maximum], rule.days)


def _cooldown(rule: Cooldown, reading: Reading) -> Row:
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


def _calls_back(rule: Cooldown, reading: Reading, channel: str, last: datetime) -> bool:
    """Whether a wish to be called back is still open on a channel."""
    assert rule.callback is not None
    given = max(reading.consents_to(CALLBACK, channel), default=None)
    if given is None or given < reading.window_start(rule.callback.window_days):
        return False
    return last <= given or not rule.callback.ends_at_next_conversation


def _opt_out(rule: OptOut, reading: Reading) -> Row:
    if not reading.facts.consents_observed:
        return _spread(rule, Finding(Outcome.UNKNOWN, ((OPT_OUT, "unknown"),)))
    passed, out = Finding(Outcome.PASS, ((OPT_OUT, "false"),)), Finding(rule.effect, ((OPT_OUT, "true"),))
    return tuple(
        NOT_APPLICABLE if not applies else out if reading.consents_to(OPT_OUT, channel) else passed
        for channel, applies in zip(CHANNELS, rule.channels, strict=True)
    )


def _require(rule: Require, reading: Reading) -> Row:
    asked = Truth.TRUE if rule.when is None else reading.condition(rule.when)
    if asked is Truth.FALSE:
        return NOWHERE
    met = both(reading.flag(name) for name in rule.needs)
    if asked is Truth.UNKNOWN:
        met = max(met, Truth.UNKNOWN)
    names = rule.needs if rule.when is None else rule.when.names + rule.needs
    return _spread(rule, Finding(_judged(met, rule.effect), reading.read(names)))


EVALUATORS: Final[Mapping[type[Rule], Callable[[Any, Reading], Row]]] = {
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
