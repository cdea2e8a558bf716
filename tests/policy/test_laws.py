"""What holds for every history, zone and day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.policy.facts import CALLBACK, OPT_OUT, Consent, Facts
from scoring.policy.profile import Profile, load_profile
from scoring.policy.rules import CHANNEL_INDEX, CHANNELS, Cap, Cooldown, ForbiddenHours
from scoring.policy.truth import Lawful, Outcome, Truth
from scoring.policy.verdicts import next_lawful_at, verdicts
from scoring.resources import data_folder
from tests.policy.random_situations import ZONES, a_contact, a_moment, an_account, flags_of

PROFILES = tuple(load_profile(data_folder() / "policy" / f"{name}.yaml") for name in ("cn_bank_card", "us_reg_f"))
MICROSECOND = timedelta(microseconds=1)
seeds = st.integers(0, 2**32)
profiles = st.sampled_from(PROFILES)


def a_situation(seed: int, profile: Profile) -> tuple[Facts, datetime, Random]:
    random = Random(seed)
    at = a_moment(random)
    return an_account(random, profile, at, flags_of(profile)), at, random


def lawful(profile: Profile, facts: Facts, at: datetime) -> tuple[Lawful, ...]:
    result = verdicts(profile, facts, at)
    return tuple(result.lawful(channel) for channel in CHANNELS)


def binding_rules(profile: Profile, facts: Facts) -> Iterator[object]:
    """Rules that surely bind this account on any day, by the plainest reading."""
    for rule in profile.rules:
        acts_as = "third_party" if facts.collector == "first_party_other_name" else facts.collector
        here = rule.overlay is None or (facts.overlays is not None and rule.overlay in facts.overlays)
        if here and (rule.binds is None or acts_as in rule.binds):
            yield rule


@settings(max_examples=400, deadline=None)
@given(seeds, profiles)
def test_no_channel_is_allowed_at_an_hour_that_a_rule_forbids_in_any_candidate_zone(
    seed: int, profile: Profile
) -> None:
    facts, at, _ = a_situation(seed, profile)
    facts = replace(facts, consents=())
    allowed = {
        channel for channel, code in zip(CHANNELS, lawful(profile, facts, at), strict=True) if code is Lawful.ALLOW
    }
    clocks = [at.astimezone(ZoneInfo(zone)).time() for zone in facts.zones or profile.default_zones]

    for rule in binding_rules(profile, facts):
        if isinstance(rule, ForbiddenHours) and rule.effective_from <= at.date() - timedelta(days=1):
            wraps = rule.start > rule.end
            inside = [(c >= rule.start or c < rule.end) if wraps else (rule.start <= c < rule.end) for c in clocks]
            if any(inside):
                assert not allowed & {channel for channel in CHANNELS if rule.channels[CHANNEL_INDEX[channel]]}


@settings(max_examples=400, deadline=None)
@given(seeds, profiles)
def test_no_channel_is_allowed_once_the_dates_of_its_contacts_fill_a_cap(seed: int, profile: Profile) -> None:
    facts, at, _ = a_situation(seed, profile)
    facts = replace(facts, consents=())
    codes = lawful(profile, facts, at)

    for rule in binding_rules(profile, facts):
        if not isinstance(rule, Cap | Cooldown) or rule.scope == "number":
            continue
        if rule.effective_from is None or rule.effective_from > at.date() - timedelta(days=1):
            continue
        for zone in facts.zones or profile.default_zones:
            today = at.astimezone(ZoneInfo(zone)).date()
            counted = [
                contact
                for contact in facts.contacts
                if contact.known_from <= at
                and 0 <= (today - contact.at.astimezone(ZoneInfo(zone)).date()).days < rule.days
                and (contact.channel, contact.outcome, contact.direction) in rule.counted
                and (contact.this_debt or rule.scope == "debtor")
                and (contact.seconds is None or contact.seconds >= rule.counter.min_seconds)
            ]
            if len(counted) >= (rule.maximum if isinstance(rule, Cap) else 1):
                forbidden = [code for code, named in zip(codes, rule.channels, strict=True) if named]
                assert Lawful.ALLOW not in forbidden


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_one_more_rule_never_enables_a_channel(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    dropped = random.randrange(len(profile.rules))
    fewer = replace_rules(profile, tuple(rule for i, rule in enumerate(profile.rules) if i != dropped))

    assert all(more >= less for more, less in zip(lawful(profile, facts, at), lawful(fewer, facts, at), strict=True))


def replace_rules(profile: Profile, rules: tuple[object, ...]) -> Profile:
    kept = {
        name: getattr(profile, name) for name in Profile.__dataclass_fields__ if name not in ("rule_ids", "window_days")
    }
    return Profile(**(kept | {"rules": rules}))


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_one_more_contact_or_opt_out_never_enables_a_channel(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    opted_out = Consent(OPT_OUT, random.choice(CHANNELS), at - timedelta(days=1))
    before = lawful(profile, facts, at)

    busier = lawful(profile, replace(facts, contacts=(*facts.contacts, a_contact(random, at))), at)
    warier = lawful(profile, replace(facts, consents=(*facts.consents, opted_out)), at)

    assert all(after >= code for after, code in zip(busier, before, strict=True))
    assert all(after >= code for after, code in zip(warier, before, strict=True))


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_one_more_candidate_zone_never_enables_a_channel(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    if not facts.zones:
        return
    wider = replace(facts, zones=(*facts.zones, random.choice(ZONES)))

    assert all(m >= c for m, c in zip(lawful(profile, wider, at), lawful(profile, facts, at), strict=True))


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_a_verdict_does_not_depend_on_anything_known_later(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    late = [a_contact(random, at)._replace(known_at=at + MICROSECOND) for _ in range(5)]
    late += [contact._replace(at=at + MICROSECOND, known_at=None) for contact in late]
    wishes = [Consent(kind, "all", at - timedelta(days=1), known_at=at + MICROSECOND) for kind in (OPT_OUT, CALLBACK)]
    wishes += [Consent(kind, "all", at + MICROSECOND) for kind in (OPT_OUT, CALLBACK, *profile.consent_kinds)]
    informed = replace(facts, contacts=(*facts.contacts, *late), consents=(*facts.consents, *wishes))

    assert verdicts(profile, informed, at).findings == verdicts(profile, facts, at).findings


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_learning_a_fact_never_overturns_a_certain_answer(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    name = random.choice(flags_of(profile))
    unsure, *sure = (
        lawful(profile, replace(facts, flags={**facts.flags, name: value}), at)
        for value in (Truth.UNKNOWN, Truth.TRUE, Truth.FALSE)
    )

    for column, code in enumerate(unsure):
        if code is not Lawful.REVIEW:
            assert [answer[column] for answer in sure] == [code, code]


@settings(max_examples=200, deadline=None)
@given(seeds, profiles)
def test_the_order_of_the_history_does_not_matter(seed: int, profile: Profile) -> None:
    facts, at, random = a_situation(seed, profile)
    shuffled = replace(facts, contacts=tuple(random.sample(facts.contacts, len(facts.contacts))))

    assert verdicts(profile, shuffled, at).findings == verdicts(profile, facts, at).findings


@settings(max_examples=300, deadline=None)
@given(seeds, profiles)
def test_a_rule_passes_at_the_time_it_names_and_not_a_moment_before(seed: int, profile: Profile) -> None:
    facts, at, _ = a_situation(seed, profile)
    facts = replace(facts, consents=(), inconvenient=())
    day = profile.nearest_day(at.date())

    for rule, row in zip(profile.rules, verdicts(profile, facts, at, day).findings, strict=True):
        for channel, finding in zip(CHANNELS, row, strict=True):
            if finding.outcome is Outcome.BLOCK and finding.next_pass_at is not None:
                assert finding.next_pass_at > at
                then = verdicts(profile, facts, finding.next_pass_at, day).verdict(rule.id, channel).finding
                just_before = verdicts(profile, facts, finding.next_pass_at - MICROSECOND, day)
                assert then.outcome is Outcome.PASS or facts_came_to_light(facts, at, finding.next_pass_at)
                assert just_before.verdict(rule.id, channel).finding.outcome is not Outcome.PASS


def facts_came_to_light(facts: Facts, at: datetime, until: datetime) -> bool:
    """Whether a contact was made or became known between the two instants."""
    return any(at < contact.known_from <= until for contact in facts.contacts)


@pytest.mark.parametrize(
    ("zone", "day"),
    [("America/New_York", (2026, 3, 8)), ("America/New_York", (2026, 11, 1)), ("Africa/Cairo", (2026, 4, 24)),
     ("Australia/Lord_Howe", (2026, 4, 5)), ("Asia/Kathmandu", (2028, 2, 29)), ("America/St_Johns", (2026, 11, 1))],
)  # fmt: skip
def test_every_minute_of_a_day_with_a_clock_change_follows_the_wall_clock(zone: str, day: tuple[int, int, int]) -> None:
    facts = Facts(account_id="A", zones=(zone,), unlisted=Truth.FALSE)
    start = datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)

    for minute in range(26 * 60):
        at = start + timedelta(minutes=minute)
        hour = at.astimezone(ZoneInfo(zone)).hour
        blocked = verdicts(PROFILES[0], facts, at).verdict("CN-CURFEW", "sms").finding.outcome is Outcome.BLOCK
        assert blocked == (hour >= 22 or hour < 8)


def test_waiting_until_the_next_lawful_time_passes_every_clock_and_cap() -> None:
    known = {"call_recording_on": Truth.TRUE}
    late = datetime(2026, 11, 23, 13, 57, tzinfo=UTC)  # 21:57 in Shanghai
    facts = Facts(account_id="A", flags=known, unlisted=Truth.FALSE)

    assert next_lawful_at(PROFILES[0], facts, late, "agent_call") == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert next_lawful_at(PROFILES[0], replace(facts, flags={}), late, "agent_call") is None


def test_zones_so_far_apart_that_no_moment_suits_them_all_never_pass() -> None:
    facts = Facts(account_id="A", zones=("Asia/Shanghai", "Europe/Dublin", "America/Phoenix"), unlisted=Truth.FALSE)

    finding = verdicts(PROFILES[0], facts, datetime(2026, 11, 23, 4, tzinfo=UTC)).verdict("CN-CURFEW", "sms").finding

    assert (finding.outcome, finding.next_pass_at) == (Outcome.BLOCK, None)
