"""Random accounts at awkward moments: clock changes, midnights, leap days, unknown facts, many zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from scoring.policy.facts import CALLBACK, OPT_OUT, Consent, Contact, Facts
from scoring.policy.profile import Profile
from scoring.policy.rules import CHANNELS, DIRECTIONS, OUTCOMES, Hold, Recipient, Require
from scoring.policy.truth import Truth

ZONES = (
    "Asia/Shanghai", "Asia/Urumqi", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Africa/Cairo",
    "Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns", "Europe/Dublin", "Asia/Kathmandu", "America/Phoenix",
)  # fmt: skip


def utc(*parts: int) -> datetime:
    """An instant in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


AWKWARD = (
    utc(2026, 3, 8, 7, 0),       # New York goes to summer time
    utc(2026, 11, 1, 6, 0),      # and back
    utc(2026, 4, 23, 22, 0),     # Cairo has no midnight
    utc(2026, 10, 29, 21, 0),    # Cairo has two
    utc(2026, 4, 4, 15, 0),      # Lord Howe moves by half an hour
    utc(2028, 2, 29, 16, 0),     # a leap day begins in Shanghai
    utc(2028, 2, 28, 16, 0),
    utc(2026, 8, 31, 16, 0),     # the New York City overlay begins, here first
    utc(2026, 9, 1, 4, 0),
    utc(2026, 12, 31, 16, 0),
    utc(2026, 11, 23, 14, 0),    # 22:00 in Shanghai
    utc(2026, 11, 24, 0, 0),     # 08:00 in Shanghai
)  # fmt: skip
NUMBERS = ("A", "B", None)
RECIPIENTS = ("debtor", "guarantor", "spouse", "attorney", "unrelated_third_party", None)
COLLECTORS = ("first_party", "third_party", "first_party_other_name", None)
TEMPLATES = ("standard", "ending_efforts")


def a_moment(random: Random) -> datetime:
    """An instant on or near a clock change, a midnight or an hour that a rule names."""
    near = timedelta(microseconds=random.choice((0, 0, 1, -1))) + timedelta(minutes=15) * random.randint(-100, 100)
    return random.choice(AWKWARD) + random.choice((near, timedelta()))


def flags_of(profile: Profile) -> tuple[str, ...]:
    """Every fact that a profile's rules read."""
    names: dict[str, None] = {}
    for rule in profile.rules:
        if isinstance(rule, Hold):
            names |= dict.fromkeys(rule.when.names)
        if isinstance(rule, Require):
            names |= dict.fromkeys(rule.needs + (rule.when.names if rule.when else ()))
        if isinstance(rule, Recipient) and rule.locate_exception:
            names |= dict.fromkeys(rule.locate_exception.when.names)
    for name, when in profile.derived.items():
        names |= dict.fromkeys((name, *when.names))
    return tuple(names)


def an_account(random: Random, profile: Profile, at: datetime, flags: tuple[str, ...]) -> Facts:
    """One random account around an instant."""
    likely = Truth.TRUE if random.random() < 0.5 else Truth.FALSE
    listed = {name: random.choice((*Truth, likely)) for name in flags if random.random() < 0.4}
    overlays = random.choice((frozenset(), frozenset({"nyc"}), frozenset({"ma", "nyc"}), None))
    return Facts(
        account_id="A",
        zones=tuple(random.sample(ZONES, random.choice((0, 1, 1, 1, 2, 3)))),
        collector=random.choice(COLLECTORS),
        recipient=random.choice(RECIPIENTS),
        number_ref=random.choice(NUMBERS),
        template=random.choice(TEMPLATES),
        flags=listed,
        unlisted=random.choice(tuple(Truth)),
        consents=tuple(a_consent(random, profile, at) for _ in range(random.choice((0, 0, 1, 3)))),
        consents_observed=random.random() < 0.8,
        contacts=tuple(a_contact(random, at) for _ in range(random.choice((0, 2, 8, 14)))),
        contacts_observed=random.random() < 0.9,
        overlays=overlays,
        inconvenient=tuple(a_span(random, at) for _ in range(random.choice((0, 0, 1, 2)))),
    )


def a_contact(random: Random, at: datetime) -> Contact:
    """A contact of the last ten days or so, often late on the books, sometimes still to come."""
    when = at - timedelta(minutes=15) * random.randint(-20, 800) - timedelta(days=random.randint(0, 2))
    if random.random() < 0.2:
        when = when.replace(hour=random.choice((4, 5, 16)), minute=0, second=0, microsecond=0)
    return Contact(
        at=when,
        channel=random.choice((*CHANNELS, "agent_call", "ai_voice", "sms")),
        outcome=random.choice((*OUTCOMES, "conversation", "no_answer")),
        direction=random.choice((*DIRECTIONS, "outbound", "outbound")),
        number_ref=random.choice(NUMBERS),
        this_debt=random.random() < 0.8,
        seconds=random.choice((None, 0.0, 30.0)),
        known_at=random.choice((None, None, when + timedelta(hours=random.randint(0, 48)))),
    )


def a_consent(random: Random, profile: Profile, at: datetime) -> Consent:
    """A consent, callback wish or opt-out given around the last ten days, perhaps withdrawn."""
    given = at - timedelta(hours=random.randint(-5, 240))
    withdrawn = random.choice((None, None, given + timedelta(hours=random.randint(1, 240))))
    kind = random.choice((OPT_OUT, CALLBACK, CALLBACK, *sorted(profile.consent_kinds)))
    known = random.choice((None, None, given + timedelta(hours=3)))
    return Consent(kind, random.choice((*CHANNELS, "all", "agent_call")), given, withdrawn, known)


def a_span(random: Random, at: datetime) -> tuple[datetime, datetime]:
    """A span of local time near an instant."""
    start = at.replace(tzinfo=None) + timedelta(minutes=30) * random.randint(-40, 40)
    return start, start + timedelta(minutes=30) * random.randint(1, 12)
