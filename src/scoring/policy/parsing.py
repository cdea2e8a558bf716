"""From a section of a profile file to a typed rule; every refusal names the file, the rule and the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scoring.policy.rules import (
    CHANNELS,
    COLLECTORS,
    DIRECTIONS,
    FORCES,
    OUTCOMES,
    RULE_KINDS,
    SCOPES,
    VERIFIED,
    CallbackConsent,
    Cap,
    CapDay,
    ChannelMask,
    Cooldown,
    Counter,
    ForbiddenHours,
    Hold,
    InconvenientTimes,
    LocateException,
    OptOut,
    Recipient,
    Require,
    Rule,
    When,
)
from scoring.policy.sections import Section
from scoring.policy.truth import Outcome

EFFECTS: Final = {"block": Outcome.BLOCK, "review": Outcome.REVIEW}
GROUPS: Final = ("outbound", "inbound", "electronic", "voice", "collection")


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """The channels of a profile and their groups."""

    groups: Mapping[str, frozenset[str]]
    inbound_only: frozenset[str]
    internal_act: frozenset[str]

    def mask(self, names: tuple[str, ...]) -> ChannelMask:
        """The channels that a list of channel and group names stands for."""
        wanted = {channel for name in names for channel in self.groups[name]}
        return tuple(channel in wanted for channel in CHANNELS)

    @property
    def contacts(self) -> ChannelMask:
        """Channels by which the bank reaches out: neither answers to the customer nor acts inside the bank."""
        return tuple(channel not in self.inbound_only | self.internal_act for channel in CHANNELS)


def read_channels(section: Section) -> ChannelTable:
    """The ``channels`` part of a profile: all nine, each with its groups."""
    groups: dict[str, set[str]] = {name: set() for name in GROUPS}
    inbound_only, internal_act = set(), set()
    for name in section.values:
        if name not in CHANNELS:
            section.refuse(
                f"channel {name!r} is not known; known: {', '.join(CHANNELS)}.", got=name, expected=list(CHANNELS)
            )
    for name in CHANNELS:
        channel = section.part(name)
        for group in channel.texts("group", among=GROUPS):
            groups[group].add(name)
        if channel.boolean("inbound_only", False):
            inbound_only.add(name)
        if channel.boolean("internal_act", False):
            internal_act.add(name)
        channel.done()
    named = {group: frozenset(members) for group, members in groups.items() if members}
    named |= {name: frozenset({name}) for name in CHANNELS} | {"all": frozenset(CHANNELS)}
    return ChannelTable(named, frozenset(inbound_only), frozenset(internal_act))


def built_in_counters(channels: ChannelTable) -> dict[str, Counter]:
    """Counters every profile has; a profile's ``definitions`` may add others or say them again."""
    only = {name: channels.mask((name,)) for name in CHANNELS}
    phone = tuple(
        voice or sms for voice, sms in zip(channels.mask(("ai_voice", "agent_call")), only["sms"], strict=True)
    )
    return {
        "any_attempt": Counter("any_attempt"),
        "any_contact": Counter("any_contact", channels=channels.contacts),
        "phone_contact": Counter("phone_contact", channels=phone),
        "visit": Counter("visit", channels=only["field_visit"]),
        "sms": Counter("sms", channels=only["sms"]),
    }


def read_counter(section: Section, name: str) -> Counter:
    """A counter from ``definitions``."""
    directions = section.take("direction", "outbound")
    counter = Counter(
        name=name,
        outcomes=frozenset(section.some_texts("outcomes", "the counter would count nothing", among=OUTCOMES)),
        not_counted=frozenset(section.texts("not_counted", (), among=OUTCOMES)),
        directions=(directions,) if isinstance(directions, str) else tuple(directions),
        min_seconds=section.integer("min_seconds", 0, least=0),
    )
    if counter.outcomes and counter.outcomes & counter.not_counted:
        section.refuse(f"{sorted(counter.outcomes & counter.not_counted)} is both counted and not counted.")
    for direction in counter.directions:
        if direction not in DIRECTIONS:
            section.refuse(f"direction {direction!r} is not known; known: {', '.join(DIRECTIONS)}.", got=direction)
    section.done()
    return counter


def read_when(section: Section) -> When:
    """A condition with ``all``, ``any`` and ``none``."""
    when = When(section.texts("all", ()), section.texts("any", ()), section.texts("none", ()))
    section.done()
    if not when.names:
        section.refuse("the condition names no fact, so it would always hold.")
    return when


def read_rule(section: Section, channels: ChannelTable, counters: Mapping[str, Counter]) -> Rule:
    """One rule of a profile.

    Raises
    ------
    PolicyError
        An unknown key, type, channel, counter or effect; an impossible span, number or pair of dates.
    """
    kind = section.text("type", among=RULE_KINDS)
    common = _common(section, channels)
    rule = READERS[kind](section, common, channels, counters)
    section.done()
    return rule


def _common(section: Section, channels: ChannelTable) -> dict[str, Any]:
    if "effective_from" in section.values and "from_date" in section.values:
        section.refuse("effective_from and from_date say the same thing; keep one.")
    first = section.day("from_date", None) or section.day("effective_from", None)
    until = section.day("effective_until", None)
    if first is not None and until is not None and until <= first:
        section.refuse(f"effective_until {until} is not after effective_from {first}; the rule would never hold.")
    return {
        "id": section.text("id"),
        "cite": section.text("cite"),
        "force": section.text("force", among=FORCES),
        "verified": section.text("verified", among=VERIFIED),
        "channels": _mask(section, channels, "channels"),
        "effect": EFFECTS[section.text("effect", among=tuple(EFFECTS))],
        "binds": _binds(section),
        "overlay": section.text("when_overlay", None),
        "effective_from": first,
        "effective_until": until,
    }


def _binds(section: Section) -> frozenset[str] | None:
    if "binds" not in section.values:
        return None
    return frozenset(section.some_texts("binds", "the rule would bind nobody", among=COLLECTORS))


def _mask(section: Section, channels: ChannelTable, key: str) -> ChannelMask:
    return channels.mask(section.some_texts(key, "the rule would never apply", among=tuple(channels.groups)))


def _counter(section: Section, key: str, counters: Mapping[str, Counter]) -> Counter:
    return counters[section.text(key, among=tuple(counters))]


def _hold(section: Section, common: dict[str, Any], channels: ChannelTable, _: Mapping[str, Counter]) -> Rule:
    when = read_when(section.part("when"))
    if "except" not in section.values:
        return Hold(**common, when=when)
    exception = section.part("except")
    mask, templates = (
        _mask(exception, channels, "channels"),
        frozenset(exception.some_texts("templates", "nothing would be excepted")),
    )
    exception.done()
    return Hold(**common, when=when, except_channels=mask, except_templates=templates)


def _recipient(section: Section, common: dict[str, Any], channels: ChannelTable, _: Mapping[str, Counter]) -> Rule:
    allow = frozenset(section.some_texts("allow", "nobody could be contacted"))
    if "locate_exception" not in section.values:
        return Recipient(**common, allow=allow)
    part = section.part("locate_exception")
    exception = LocateException(
        recipients=frozenset(part.some_texts("recipients", "the exception would be for nobody")),
        channels=_mask(part, channels, "channels"),
        when=When(all=part.some_texts("needs", "the exception would have no condition"), none=part.texts("none", ())),
    )
    part.done()
    return Recipient(**common, allow=allow, locate_exception=exception)


def _forbidden_hours(section: Section, common: dict[str, Any], _: ChannelTable, __: Mapping[str, Counter]) -> Rule:
    start, end = section.clock("from"), section.clock("to")
    if start == end:
        section.refuse(f"from and to are both {start:%H:%M}, which says nothing or everything.", got=f"{start:%H:%M}")
    return ForbiddenHours(
        **common,
        start=start,
        end=end,
        start_inclusive=section.boolean("from_inclusive", True),
        end_inclusive=section.boolean("to_inclusive", False),
        lifted_by_consent=section.text("lifted_by_consent", None),
    )


def _inconvenient(section: Section, common: dict[str, Any], _: ChannelTable, __: Mapping[str, Counter]) -> Rule:
    return InconvenientTimes(**common)


def _cap_parts(section: Section, common: dict[str, Any], counters: Mapping[str, Counter]) -> dict[str, Any]:
    counter = _counter(section, "count", counters)
    return common | {
        "counter": counter,
        "counted": counter.triples(common["channels"]),
        "scope": section.text("scope", among=SCOPES),
        "maximum": section.integer("max", least=0),
        "lifted_by_consent": section.text("lifted_by_consent", None),
    }


def _cap_day(section: Section, common: dict[str, Any], _: ChannelTable, counters: Mapping[str, Counter]) -> Rule:
    return CapDay(**_cap_parts(section, common, counters), days=1)


def _cap_window(section: Section, common: dict[str, Any], _: ChannelTable, counters: Mapping[str, Counter]) -> Rule:
    return Cap(**_cap_parts(section, common, counters), days=section.integer("days", least=1))


def _cooldown(section: Section, common: dict[str, Any], _: ChannelTable, counters: Mapping[str, Counter]) -> Rule:
    counter = _counter(section, "after", counters)
    callback = None
    if "lifted_by_callback_consent" in section.values:
        part = section.part("lifted_by_callback_consent")
        callback = CallbackConsent(
            days=part.integer("days", least=1),
            given_day_is_day=part.integer("given_day_is_day", 1, least=0),
            ends_at_next_conversation=part.boolean("ends_at_next_conversation", True),
        )
        part.done()
    return Cooldown(
        **common,
        counter=counter,
        counted=counter.triples(common["channels"]),
        scope=section.text("scope", among=SCOPES),
        days=section.integer("days", least=1),
        callback=callback,
    )


def _opt_out(section: Section, common: dict[str, Any], _: ChannelTable, __: Mapping[str, Counter]) -> Rule:
    return OptOut(**common)


def _require(section: Section, common: dict[str, Any], _: ChannelTable, __: Mapping[str, Counter]) -> Rule:
    needs = section.some_texts("needs", "the rule would ask for nothing")
    return Require(**common, needs=needs, when=read_when(section.part("when")) if "when" in section.values else None)


READERS: Final[Mapping[str, Callable[[Section, dict[str, Any], ChannelTable, Mapping[str, Counter]], Rule]]] = {
    "hold": _hold,
    "recipient": _recipient,
    "forbidden_hours": _forbidden_hours,
    "inconvenient_times": _inconvenient,
    "cap_day": _cap_day,
    "cap_window": _cap_window,
    "cooldown": _cooldown,
    "opt_out": _opt_out,
    "require": _require,
}
