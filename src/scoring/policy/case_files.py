"""Reading a case file: situations as an officer writes them, turned into facts.

A case file holds ``defaults`` for each profile and a list of ``cases``. Times are local to the first listed zone unless
they carry an offset. A flag that is not listed is known to be false; ``unknown: [flag]`` makes it unknown, and the word
``unknown`` may stand for any recipient, collector, history, opt-out list, overlays or zones. ``met`` adds facts to the
defaults, ``drop`` takes facts away. A contact about another debt says ``debt: other``. Channels that ``expect`` leaves
out are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from scoring.errors import PolicyError
from scoring.policy.calendars import zone_of
from scoring.policy.facts import ANY_CHANNEL, CALLBACK, OPT_OUT, Consent, Contact, Facts
from scoring.policy.rules import CHANNELS, COLLECTORS
from scoring.policy.sections import Section, read_yaml
from scoring.policy.truth import Lawful, Truth

UNKNOWN: Final = "unknown"
THIS_DEBT: Final = "this"
CALLBACK_NAMES: Final = (CALLBACK, "callback_consent")
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects of one channel; ``rules`` is ``None`` where it does not say which rules."""

    lawful: Lawful
    rules: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One situation: the facts, the instant, and what is expected."""

    id: str
    title: str
    profile: str
    at: datetime
    facts: Facts
    expect: Mapping[str, Expectation]
    rules_on: date | None = None


def read_cases(path: Path) -> tuple[Case, ...]:
    """Every case of a file, with the defaults filled in; see the module for the conventions."""
    items, defaults = case_items(path)
    return tuple(read_case(path.name, name, item, defaults, items) for name, item in items.items())


def case_items(path: Path) -> tuple[dict[str, Mapping[str, Any]], Mapping[str, Any]]:
    """The cases of a file by id, and the defaults by profile."""
    if not path.is_file():
        raise PolicyError(f"{path.name}: there is no such case file.", field="cases")
    top = Section(path.name, "case file", read_yaml(path.read_text(encoding="utf-8"), path.name))
    defaults = top.part("defaults", {}).values
    items = top.take("cases")
    top.done()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        top.refuse("cases must be a list of situations.")
    by_id = {str(item.get("id")): item for item in items}
    if len(by_id) != len(items):
        top.refuse("two cases have the same id, or one has none.")
    return by_id, defaults


def read_case(
    file: str, name: str, item: Mapping[str, Any], defaults: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]
) -> Case:
    own = Section(file, f"case {name}", item)
    profile = own.text("profile")
    standard = defaults.get(profile, {})
    history = (
        _history_of(own, item, by_id) if "same_history_as" in item else item.get("history", standard.get("history", []))
    )
    merged = {**standard, **item, "history": history}
    merged["met"] = _known_list(own, standard.get("met", [])) + _known_list(own, item.get("met", []))
    section = Section(file, f"case {name}", merged)
    zones = _zones(section)
    now = _instant(section, section.take("now"), zones)
    facts = Facts(
        account_id=name,
        zones=zones,
        collector=_or_unknown(section, "collector", "first_party", among=COLLECTORS),
        recipient=_or_unknown(section, "recipient", "debtor"),
        number_ref=_or_unknown(section, "number", None),
        template=section.text("template", "standard"),
        flags=_flags(section),
        unlisted=Truth.FALSE,
        consents=_consents(section, now, zones),
        consents_observed=merged.get("opt_out") != UNKNOWN,
        contacts=_contacts(section, standard.get("number"), zones),
        contacts_observed=merged["history"] != UNKNOWN,
        overlays=_overlays(section),
        inconvenient=_inconvenient(section),
    )
    title, expect = section.text("title"), _expect(section.part("expect"))
    rules_on = section.day("rules_on", None)
    for key in ("id", "profile", "note", "same_history_as", "debt"):
        section.take(key, None)
    section.done()
    return Case(name, title, profile, now, facts, expect, rules_on)


def _history_of(section: Section, item: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> Any:
    other = section.text("same_history_as", among=tuple(by_id))
    if "history" in item:
        section.refuse("it has a history and same_history_as; keep one.")
    return by_id[other].get("history", [])


def _known_list(section: Section, value: Any) -> list[str]:
    if not isinstance(value, list):
        section.refuse(f"met must be a list of facts; got {value!r}.")
    return value


def _or_unknown(section: Section, key: str, default: Any, *, among: tuple[str, ...] = ()) -> Any:
    if section.values.get(key) in (UNKNOWN, None) and key in section.values:
        section.take(key)
        return None
    return section.text(key, default, among=among)


def _zones(section: Section) -> tuple[str, ...]:
    if section.values.get("zones") == UNKNOWN:
        section.take("zones")
        return ()
    zones = section.texts("zones", ())
    for zone in zones:
        zone_of(zone)
    return zones


def _instant(section: Section, value: Any, zones: tuple[str, ...]) -> datetime:
    """A time of the file as an instant: local to the first zone, or UTC where no zone is known."""
    try:
        local = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        section.refuse(f'{value!r} is not a time like "2026-11-23T10:30:00".', got=value)
    if local.tzinfo is None:
        local = local.replace(tzinfo=zone_of(zones[0]) if zones else UTC)
    return local.astimezone(UTC)


def _flags(section: Section) -> Mapping[str, Truth]:
    listed = section.take("flags", [])
    if isinstance(listed, Mapping):
        words = {True: Truth.TRUE, False: Truth.FALSE, UNKNOWN: Truth.UNKNOWN}
        flags = {name: words[value] for name, value in listed.items() if value in words}
        if len(flags) != len(listed):
            section.refuse("a flag is neither true, false nor unknown.", got=listed)
    else:
        flags = dict.fromkeys(section.texts("flags", []), Truth.TRUE)
    flags |= dict.fromkeys([*section.take("met"), *section.texts("add", ())], Truth.TRUE)
    flags |= dict.fromkeys(section.texts("drop", ()), Truth.FALSE)
    unknown = section.texts("unknown", ()) + section.texts("unknown_flags", ())
    return flags | dict.fromkeys(unknown, Truth.UNKNOWN)


def _consents(section: Section, now: datetime, zones: tuple[str, ...]) -> tuple[Consent, ...]:
    consents = [
        consent
        for kind, value in section.part("consents", {}).values.items()
        for consent in _consents_of(section, CALLBACK if kind in CALLBACK_NAMES else kind, value, now, zones)
    ]
    for name in CALLBACK_NAMES:
        if name in section.values:
            consents += _consents_of(section, CALLBACK, section.take(name), now, zones)
    if section.take("opt_out", []) != UNKNOWN:
        consents += [
            Consent(OPT_OUT, c, LONG_AGO) for c in section.texts("opt_out", (), among=(*CHANNELS, ANY_CHANNEL))
        ]
    return tuple(consents)


def _consents_of(section: Section, kind: str, value: Any, now: datetime, zones: tuple[str, ...]) -> list[Consent]:
    """``[channel, ...]`` is a consent in force now; ``{channels, given_at, withdrawn_at, given_to}`` says more."""
    given = now if kind == CALLBACK else LONG_AGO
    if isinstance(value, str | date):
        return [Consent(kind, ANY_CHANNEL, _given(section, value, now, zones))]
    channels, withdrawn = value, None
    if isinstance(value, Mapping):
        part = Section(section.file, f"{section.place}, consents, {kind}", value)
        channels = part.take("channels", [ANY_CHANNEL])
        given = _given(section, part.take("given_at"), now, zones) if "given_at" in value else given
        withdrawn = _instant(section, part.take("withdrawn_at"), zones) if "withdrawn_at" in value else None
        given_to = part.text("given_to", None, among=COLLECTORS)
        part.done()
        if given_to is not None and given_to != section.values.get("collector"):
            return []  # consent given to somebody else does not serve this collector
    if not isinstance(channels, list) or any(c not in (*CHANNELS, ANY_CHANNEL) for c in channels):
        section.refuse(f"consent {kind} must list channels; got {channels!r}.", got=channels)
    return [Consent(kind, channel, given, withdrawn) for channel in channels]


def _given(section: Section, value: Any, now: datetime, zones: tuple[str, ...]) -> datetime:
    """When a consent was given; a mere day means by its end, since a wish is mostly said in the talk of that day."""
    is_day = (isinstance(value, date) and not isinstance(value, datetime)) or (
        isinstance(value, str) and len(value) == 10
    )
    return min(now, _instant(section, f"{value}T23:59:59", zones)) if is_day else _instant(section, value, zones)


def _contacts(section: Section, standard_number: Any, zones: tuple[str, ...]) -> tuple[Contact, ...]:
    entries, debt = section.take("history", []), section.values.get("debt", THIS_DEBT)
    if entries == UNKNOWN:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        section.refuse("history must be a list of contacts.")
    return tuple(
        _contact(Section(section.file, f"{section.place}, history {i}", entry), standard_number, zones, debt)
        for i, entry in enumerate(entries, 1)
    )


def _contact(entry: Section, standard_number: Any, zones: tuple[str, ...], debt: str) -> Contact:
    number = entry.text("number", standard_number)
    seconds = entry.take("seconds", None)
    contact = Contact(
        at=_instant(entry, entry.take("at"), zones),
        channel=entry.text("channel", among=CHANNELS),
        outcome=entry.text("outcome"),
        direction=entry.text("direction", "outbound"),
        number_ref=None if number == UNKNOWN else number,
        this_debt=entry.text("debt", debt) == debt,
        seconds=None if seconds is None else float(seconds),
        known_at=_instant(entry, entry.take("known_at"), zones) if "known_at" in entry.values else None,
    )
    entry.done()
    return contact


def _overlays(section: Section) -> frozenset[str] | None:
    if section.values.get("overlays") == UNKNOWN:
        section.take("overlays")
        return None
    return frozenset(section.texts("overlays", ()))


def _inconvenient(section: Section) -> tuple[tuple[datetime, datetime], ...]:
    spans = section.take("inconvenient", [])
    try:
        return tuple((datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in spans)
    except (TypeError, ValueError):
        section.refuse('inconvenient must list pairs like ["2026-11-23T12:00", "2026-11-23T15:00"].', got=spans)


def _expect(section: Section) -> Mapping[str, Expectation]:
    expected: dict[str, Expectation] = {}
    allowed = section.texts("allow", (), among=(*CHANNELS, ANY_CHANNEL))
    for channel in CHANNELS if ANY_CHANNEL in allowed else allowed:
        expected[channel] = Expectation(Lawful.ALLOW)
    for word, lawful in (("block", Lawful.BLOCK), ("review", Lawful.REVIEW)):
        for channel, rules in _named_rules(section, word).items():
            if channel in expected:
                section.refuse(f"channel {channel} is expected twice.", got=channel)
            expected[channel] = Expectation(lawful, rules)
    section.done()
    if not expected:
        section.refuse("it expects nothing of any channel.")
    return expected


def _named_rules(section: Section, word: str) -> dict[str, frozenset[str] | None]:
    value = section.take(word, {})
    if isinstance(value, list):
        value = dict.fromkeys(value)
    found = {}
    for key, rules in value.items():
        if key not in (*CHANNELS, ANY_CHANNEL):
            section.refuse(f"channel {key!r} is not known; known: {', '.join(CHANNELS)}.", got=key)
        for channel in CHANNELS if key == ANY_CHANNEL else (key,):
            found[channel] = None if rules is None else frozenset(rules)
    return found
