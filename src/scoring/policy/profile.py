"""A profile: the contact rules of one jurisdiction, dated, versioned and hashed, read from one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from scoring.errors import PolicyError
from scoring.policy.approvals import REGISTER, Approval, approval_of, read_approvals
from scoring.policy.calendars import zone_of
from scoring.policy.parsing import (
    ChannelTable,
    built_in_counters,
    read_channels,
    read_counter,
    read_rule,
    read_when,
)
from scoring.policy.rules import Cap, Cooldown, Counter, ForbiddenHours, Rule, When
from scoring.policy.sections import Section, read_yaml

SCHEMA: Final = "contact-policy/1"
STATUSES: Final = ("draft", "approved")
PARAMETER_SECTIONS: Final = (
    "evidence", "plan", "content", "credit_reporting", "automated_decision", "agency", "retention",
    "opt_out", "validation", "email_creditor_notice", "sms_basis", "adverse_action",
)  # fmt: skip
"""Parts of a profile that are data for other stages: returned with decisions, never evaluated as contact rules."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The contact rules of one jurisdiction.

    Attributes
    ----------
    rules : tuple of Rule
        Base rules, then overlays, in the order of the file; one entry for each dated version of a rule.
    derived : mapping
        Facts that follow from other facts, such as ``loss_of_contact``.
    default_zones : tuple of str
        Candidate zones where the account names none; empty when the address must say.
    parameters : mapping
        What letters and calls must say, plan limits, retention: see ``PARAMETER_SECTIONS``.
    sha256 : str
        Hash of the file, for every decision.
    approval : Approval or None
        Who approved this content; ``None`` for a draft.
    rule_ids : tuple of str
        The ids of ``rules``, in the same order.
    window_days : int
        How many local dates of contact history the rules can ask for.
    """

    name: str
    version: str
    status: str
    jurisdiction: str
    effective_from: date
    effective_until: date | None
    applies_when: Mapping[str, Any]
    default_zones: tuple[str, ...]
    channels: ChannelTable
    counters: Mapping[str, Counter]
    derived: Mapping[str, When]
    rules: tuple[Rule, ...]
    parameters: Mapping[str, Any]
    sha256: str
    approval: Approval | None = None
    rule_ids: tuple[str, ...] = field(init=False)
    window_days: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule_ids", tuple(rule.id for rule in self.rules))
        object.__setattr__(self, "window_days", max((_days_read(rule) for rule in self.rules), default=1))

    def on(self, day: date) -> tuple[Rule, ...]:
        """The rules in force on a local date.

        Raises
        ------
        PolicyError
            The profile does not hold on that day; nothing may be assumed about what was lawful.

        Examples
        --------
        >>> from scoring.resources import data_folder
        >>> us = load_profile(data_folder() / "policy" / "us_reg_f.yaml")
        >>> sorted(set(us.on(date(2026, 9, 1))) - set(us.on(date(2026, 8, 31))), key=lambda rule: rule.id)[0].id
        'US-NYC-CAP'
        >>> us.on(date(2021, 11, 29))
        Traceback (most recent call last):
        ...
        scoring.errors.PolicyError: Profile us_reg_f holds from 2021-11-30; 2021-11-29 is outside...
        """
        self.check_holds_on(day)
        return tuple(rule for rule in self.rules if rule.holds_on(day))

    def check_holds_on(self, day: date) -> None:
        """Refuse a day on which the profile does not hold."""
        if day < self.effective_from or (self.effective_until is not None and day >= self.effective_until):
            until = f" until {self.effective_until}" if self.effective_until else ""
            raise PolicyError(
                f"Profile {self.name} holds from {self.effective_from}{until}; {day} is outside, so it cannot say "
                "what was lawful. Use the profile of that day, or name the day whose rules shall apply (rules_on).",
                field="rules_on",
                got=day.isoformat(),
                expected=self.effective_from.isoformat(),
            )

    def nearest_day(self, day: date) -> date:
        """The day itself, or the profile's first day where it lies before.

        For plans made on old data: the caller passes it as ``rules_on`` and says so in the record.
        """
        return max(day, self.effective_from)

    @property
    def consent_kinds(self) -> frozenset[str]:
        """Kinds of consent that lift a rule."""
        return frozenset(
            rule.lifted_by_consent
            for rule in self.rules
            if isinstance(rule, ForbiddenHours | Cap) and rule.lifted_by_consent is not None
        )


@lru_cache(maxsize=4096)
def rules_holding(profile: Profile, days: tuple[date, ...]) -> tuple[bool, ...]:
    """For each rule, whether it holds on any of the dates that today may be (the strictest reading)."""
    for day in days[-1:]:
        profile.check_holds_on(day)
    return tuple(any(rule.holds_on(day) for day in days) for rule in profile.rules)


def load_profile(path: Path | str) -> Profile:
    """Read and check a profile.

    Parameters
    ----------
    path : Path or str
        The YAML file. An ``approvals.yaml`` in the same folder is read with it.

    Raises
    ------
    PolicyError
        The file is missing or malformed, or was edited after its approval. The message names file, rule and reason.

    Examples
    --------
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> cn.status, cn.rules[0].id, len(cn.sha256)
    ('draft', 'CN-HOLD-PLAN', 64)
    >>> load_profile("nowhere.yaml")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: nowhere.yaml: there is no such profile file. ...
    """
    path = Path(path)
    if not path.is_file():
        raise PolicyError(
            f"{path.name}: there is no such profile file. Name a file in the folder of profiles.", field="profile"
        )
    return parse_profile(path.read_bytes(), path.name, read_approvals(path.parent / REGISTER))


def parse_profile(content: bytes, file: str, approvals: tuple[Approval, ...] = ()) -> Profile:
    """A profile from the bytes of its file; see ``load_profile``."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(
            f"{file}: it is not UTF-8 text ({error.reason} at byte {error.start}).", field=file
        ) from error
    return profile_from(read_yaml(text, file), content, file, approvals)


def profile_from(values: Mapping[str, Any], content: bytes, file: str, approvals: tuple[Approval, ...] = ()) -> Profile:
    """A profile from the mapping in its file and the bytes that are hashed; see ``load_profile``."""
    top = Section(file, "profile", values)
    top.text("schema", among=(SCHEMA,))
    name, version, status = top.text("profile"), top.text("policy_version"), top.text("status", among=STATUSES)
    effective_from, effective_until = top.day("effective_from"), top.day("effective_until", None)
    assert effective_from is not None
    if effective_until is not None and effective_until <= effective_from:
        top.refuse(f"effective_until {effective_until} is not after effective_from {effective_from}.")
    channels = read_channels(top.part("channels"))
    counters, derived = _read_definitions(top.part("definitions", {}), channels)
    rules = _read_rules(top, channels, counters)
    profile = Profile(
        name=name,
        version=version,
        status=status,
        jurisdiction=top.text("jurisdiction"),
        effective_from=effective_from,
        effective_until=effective_until,
        applies_when=_frozen(top.part("applies_when", {}).values),
        default_zones=_read_zones(top.part("timezone")),
        channels=channels,
        counters=MappingProxyType(counters),
        derived=MappingProxyType(derived),
        rules=rules,
        parameters=_frozen(
            {key: top.part(key, {}).values for key in PARAMETER_SECTIONS if top.take(key, None) is not None}
        ),
        sha256=sha256(content).hexdigest(),
        approval=approval_of(file, name, version, status, content, approvals),
    )
    top.done()
    return profile


def _days_read(rule: Rule) -> int:
    if isinstance(rule, Cooldown) and rule.callback is not None:
        return max(rule.days, rule.callback.window_days)
    return rule.days if isinstance(rule, Cap | Cooldown) else 1


def _read_zones(section: Section) -> tuple[str, ...]:
    default = section.text("default")
    section.text("candidates", among=("intersect",))
    section.text("day_boundary", among=("local_midnight",))
    section.done()
    if default == "from_address":
        return ()
    try:
        zone_of(default)
    except PolicyError as error:
        section.refuse(f"default: {error.message}", got=default)
    return (default,)


def _read_definitions(section: Section, channels: ChannelTable) -> tuple[dict[str, Counter], dict[str, When]]:
    counters, derived = built_in_counters(channels), {}
    for name in section.values:
        part = section.part(name)
        if "outcomes" in part.values:
            counters[name] = read_counter(part, name)
        else:
            derived[name] = read_when(part)
    for name, when in derived.items():
        for inner in when.names:
            if inner in derived:
                section.refuse(
                    f"{name} is defined by {inner}, which is itself defined; definitions are one level deep."
                )
    return counters, derived


def _read_rules(top: Section, channels: ChannelTable, counters: Mapping[str, Counter]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for key, is_overlay in (("rules", False), ("overlays", True)):
        items = top.take(key, []) if is_overlay else top.take(key)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            top.refuse(f"{key} must be a list of rules.")
        for position, item in enumerate(items, 1):
            section = Section(top.file, f"rule {item.get('id', f'number {position} of {key}')}", item)
            rule = read_rule(section, channels, counters)
            if is_overlay != (rule.overlay is not None):
                section.refuse("an overlay needs when_overlay, and only an overlay may have it: overlays add rules.")
            _check_against(section, rule, rules)
            rules.append(rule)
    if not rules:
        top.refuse("rules is empty, so every contact would be allowed.")
    return tuple(rules)


def _check_against(section: Section, rule: Rule, earlier: list[Rule]) -> None:
    """One id may come again only as a later version of the same rule, on other dates."""
    for other in earlier:
        if other.id != rule.id:
            continue
        undated = (None, None)
        if undated in ((rule.effective_from, rule.effective_until), (other.effective_from, other.effective_until)):
            section.refuse(
                "the id is used twice; two versions of one rule need dates that do not overlap.", got=rule.id
            )
        if other.overlay != rule.overlay or type(other) is not type(rule):
            section.refuse("the id is used twice for different kinds of rule; an overlay may only add.", got=rule.id)
        if _overlap(rule, other):
            section.refuse(
                "the dates of two versions of this rule overlap; end the first where the second begins.", got=rule.id
            )


def _overlap(one: Rule, other: Rule) -> bool:
    def starts_before_end_of(a: Rule, b: Rule) -> bool:
        return b.effective_until is None or a.effective_from is None or a.effective_from < b.effective_until

    return starts_before_end_of(one, other) and starts_before_end_of(other, one)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
