"""The page that lists the rules in plain words, generated from the profiles so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scoring.policy.profile import Profile
from scoring.policy.rules import (
    CHANNELS,
    Cap,
    CapDay,
    ChannelMask,
    Cooldown,
    Counter,
    ForbiddenHours,
    Hold,
    InconvenientTimes,
    OptOut,
    Recipient,
    Require,
    Rule,
    When,
)
from scoring.policy.truth import Outcome
from scoring.policy.wording import (
    CHANNEL_WORDS,
    COLLECTOR_WORDS,
    COUNTER_WORDS,
    FACT_WORDS,
    FORCE_WORDS,
    SCOPE_WORDS,
    VERIFIED_WORDS,
    in_words,
    listed,
)

INTRODUCTION: Final = """# Contact rules in plain words

Generated from `data/policy/*.yaml`; do not edit. This is not legal advice: a profile is a draft until a named
compliance officer approves it.

How to read the rules:

- All rules are judged for all nine channels. The strictest answer wins; none switches another off.
- A rule that needs a fact nobody knows sends the contact to a person.
- Hours are local to the customer. Where the place is unclear, every possible clock must allow the contact.
- A window of seven days is today and the six dates before. A contact is refused when the count equals the number.
- Contacts and facts count from the moment the bank knew them. A row that comes late and shows a broken cap is reported
  as a breach; past verdicts are not rewritten.
- A consent that lifts a rule must be known; without evidence of it the rule stands.
"""


def render_page(profiles: Sequence[Profile]) -> str:
    """The page for some profiles, as Markdown.

    Examples
    --------
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.resources import data_folder
    >>> page = render_page([load_profile(data_folder() / "policy" / "cn_bank_card.yaml")])
    >>> "No text messages, push messages, e-mails" in page
    True
    """
    return "\n".join([INTRODUCTION, *(_profile(profile) for profile in profiles)])


def write_page(profiles: Sequence[Profile], path: Path) -> None:
    """Write the page to a file."""
    path.write_text(render_page(profiles), encoding="utf-8")


def _profile(profile: Profile) -> str:
    zones = listed(profile.default_zones) if profile.default_zones else "the customer's address"
    approved = (
        f"approved by {profile.approval.approved_by} on {profile.approval.approved_on}" if profile.approval else "draft"
    )
    lines = [
        f"## {profile.name}",
        "",
        f"Version {profile.version}, {approved}, {profile.jurisdiction}; holds from {profile.effective_from}"
        + (f" until {profile.effective_until}." if profile.effective_until else ".")
        + f" Local time comes from {zones}.",
        "",
        "Applies when: "
        + "; ".join(f"{_value(key)} is {_value(value)}" for key, value in profile.applies_when.items())
        + ".",
        "",
        *(
            f"- *{in_words(name, COUNTER_WORDS)}* (`{name}`): {_counter(counter)}"
            for name, counter in profile.counters.items()
        ),
        *(
            f"- *{in_words(name, FACT_WORDS)}* (`{name}`): when {condition(when)}"
            for name, when in profile.derived.items()
        ),
        "",
    ]
    for rule in profile.rules:
        lines += _rule(rule)
    return "\n".join([*lines, *_parameters(profile.parameters)])


def _counter(counter: Counter) -> str:
    outcomes = (
        "whatever came of it" if counter.outcomes is None else listed(map(_value, sorted(counter.outcomes)), "or")
    )
    left_out = f"; left out: {listed(map(_value, sorted(counter.not_counted)))}" if counter.not_counted else ""
    channels = f"; by {_channels(counter.channels)}" if counter.channels else ""
    return (
        f"{outcomes}; {listed(counter.directions, 'or')}; at least {counter.min_seconds:g} seconds{left_out}{channels}"
    )


def _rule(rule: Rule) -> list[str]:
    binds = "everybody" if rule.binds is None else listed(COLLECTOR_WORDS[who] for who in sorted(rule.binds))
    until = f" until {rule.effective_until}" if rule.effective_until else ""
    dates = f"from {rule.effective_from}{until}" if rule.effective_from else f"since the profile began{until}"
    overlay = f" Only where the overlay `{rule.overlay}` applies." if rule.overlay else ""
    return [
        f"### {rule.id}",
        "",
        f"{sentence(rule)}{overlay}",
        "",
        f"*Source:* {rule.cite}. *Force:* {FORCE_WORDS[rule.force]}. *Checked:* {VERIFIED_WORDS[rule.verified]}. "
        f"*Binds:* {binds}. *Holds:* {dates}.",
        "",
    ]


def sentence(rule: Rule) -> str:
    """One rule in a sentence.

    Examples
    --------
    >>> sentence(OptOut(id="O", cite="", force="law", verified="house", effect=Outcome.BLOCK,
    ...                 channels=tuple(channel == "app_push" for channel in CHANNELS)))
    'No push messages to a customer who declined them.'
    """
    return SENTENCES[type(rule)](rule)


def _channels(mask: ChannelMask) -> str:
    return listed((CHANNEL_WORDS[channel] for channel, named in zip(CHANNELS, mask, strict=True) if named), "or")


def _stop(rule: Rule) -> str:
    """How a sentence begins: a block forbids, a review asks a person."""
    channels = _channels(rule.channels)
    return f"No {channels}" if rule.effect is Outcome.BLOCK else f"A person decides before any {channels}"


def condition(when: When) -> str:
    """A condition in words."""
    parts = [listed(in_words(name, FACT_WORDS) for name in when.all)] if when.all else []
    parts += [listed((in_words(name, FACT_WORDS) for name in when.any), "or")] if when.any else []
    parts += ["unless " + listed((in_words(name, FACT_WORDS) for name in when.none), "or")] if when.none else []
    return ", ".join(parts)


def _hold(rule: Hold) -> str:
    text = f"{_stop(rule)} while {condition(rule.when)}."
    if not rule.except_templates:
        return text
    templates = listed((name.replace("_", " ") for name in sorted(rule.except_templates)), "or")
    return f"{text} Exception: {_channels(rule.except_channels)} with the template {templates}."


def _recipient(rule: Recipient) -> str:
    allowed = listed((name.replace("_", " ") for name in sorted(rule.allow)), "or")
    text = f"{_stop(rule)} to anybody but: {allowed}."
    locate = rule.locate_exception
    if locate is None:
        return text
    people = listed((name.replace("_", " ") for name in sorted(locate.recipients)), "or")
    return f"{text} Exception: {_channels(locate.channels)} to {people}, where {condition(locate.when)}."


def _forbidden_hours(rule: ForbiddenHours) -> str:
    start = f"{rule.start:%H:%M} ({'included' if rule.start_inclusive else 'not included'})"
    end = f"{rule.end:%H:%M} ({'included' if rule.end_inclusive else 'not included'})"
    return f"{_stop(rule)} from {start} to {end}, local time.{_lifted(rule.lifted_by_consent)}"


def _lifted(consent: str | None) -> str:
    return f" Lifted on the channels of a known consent `{consent}`." if consent else ""


def _inconvenient(rule: InconvenientTimes) -> str:
    return f"{_stop(rule)} at times that the customer called inconvenient; the last moment is free again."


def _cap(rule: Cap) -> str:
    days = "in one day" if rule.days == 1 else f"in {rule.days} days"
    return (
        f"{_stop(rule)} once {in_words(rule.counter.name, COUNTER_WORDS)} {SCOPE_WORDS[rule.scope]} have reached "
        f"{rule.maximum} {days}.{_lifted(rule.lifted_by_consent)}"
    )


def _cooldown(rule: Cooldown) -> str:
    text = (
        f"{_stop(rule)} for {rule.days} days after a {in_words(rule.counter.name, COUNTER_WORDS)} "
        f"({SCOPE_WORDS[rule.scope]}); its own date is day 1."
    )
    if rule.callback is None:
        return text
    ends = ", and ends at the next such contact" if rule.callback.ends_at_next_conversation else ""
    return (
        f"{text} A wish to be called back lifts it for {rule.callback.days} days, the day it was given being day "
        f"{rule.callback.given_day_is_day}{ends}."
    )


def _opt_out(rule: OptOut) -> str:
    return f"{_stop(rule)} to a customer who declined them."


def _require(rule: Require) -> str:
    first = "" if rule.when is None else f"When {condition(rule.when)}: "
    text = f"{_stop(rule)} unless {listed(in_words(name, FACT_WORDS) for name in rule.needs)}."
    return first + text[0].lower() + text[1:] if first else text


SENTENCES: Final[Mapping[type[Rule], Callable[[Any], str]]] = {
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


def _parameters(parameters: Mapping[str, Any]) -> list[str]:
    """What other stages read from the profile: what a contact must say, plan limits, how long records are kept."""
    lines = ["### What goes with the rules", ""]
    for section, values in parameters.items():
        lines.append(f"- {section.replace('_', ' ')}")
        lines += [f"  - {key.replace('_', ' ')}: {_value(value)}" for key, value in values.items()]
    return [*lines, ""]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')} {_value(item)}" for key, item in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(_value(item) for item in value)
    return ("no", "yes")[value] if isinstance(value, bool) else str(value).replace("_", " ")
