"""Timing: lawful hours, own hours, promises, pauses, usual payment days, reviews."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decisions.account_events import AccountEvents, account_events, day_number
from scoring.decisions.contact_hours import WITHOUT_HOURS, contact_hours, lawful_hours
from scoring.decisions.lawfulness import find_profile
from scoring.decisions.payday import (
    DAYS_OF_A_MONTH,
    PaymentCurve,
    PaymentDays,
    day_of_month,
    days_to_next_bucket,
    payment_curve,
    value_of_waiting,
)
from scoring.decisions.timing import Timing, next_review_days, timing
from scoring.policy import Lawful, Profile, facts_from_portfolio, verdict_frame
from scoring.policy.rules import ForbiddenHours
from scoring.policy.truth import Outcome
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
from scoring.vocabulary import CONTACT_CHANNELS, Channel

AS_OF = date(2026, 5, 1)
TOMORROW = day_number(AS_OF) + 1
ZONES = ["Asia/Shanghai", "Asia/Urumqi", "America/New_York", "America/Los_Angeles", "Europe/London", "Asia/Kathmandu"]


def events_of(as_of: date = AS_OF, **tables: list[dict[str, Any]]) -> AccountEvents:
    return account_events(portfolio_from_tables({**SMALLEST, **tables}), np.array(["A1"], dtype=object), as_of)


def call(at: datetime, outcome: str, **changes: Any) -> dict[str, Any]:
    return {
        "contact_id": f"K{at:%Y%m%d%H%M}", "account_id": "A1", "contacted_at": at.isoformat(), "channel": "agent_call",
        "direction": "outbound", "outcome": outcome,
    } | changes  # fmt: skip


@lru_cache(maxsize=2)
def profile(name: str) -> Profile:
    found = find_profile(name, "")
    assert found is not None
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["cn_bank_card", "us_reg_f"]),
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    st.dates(date(2026, 2, 1), date(2027, 12, 31)),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_no_proposed_hour_touches_a_forbidden_one_in_any_candidate_zone(name, zones, day, hour, minute):  # type: ignore[no-untyped-def]
    allowed = lawful_hours(profile(name), tuple(zones), day)[hour]
    at = datetime.combine(day, time(hour, minute), tzinfo=ZoneInfo(zones[0])).astimezone(UTC)

    for rule in profile(name).on(day):
        if isinstance(rule, ForbiddenHours):
            for zone in zones:
                if rule.forbids(at.astimezone(ZoneInfo(zone)).time()):
                    assert not (allowed & np.array(rule.channels)).any()


def test_the_policy_itself_has_nothing_against_the_hours_at_the_hours_that_are_proposed():
    account = {**SMALLEST["accounts"][0], "timezone": "Asia/Urumqi"}
    given_tables = portfolio_from_tables({**SMALLEST, "accounts": [account]})
    seen = account_events(given_tables, np.array(["A1"], dtype=object), AS_OF)
    cn = profile("cn_bank_card")

    hours = contact_hours(seen, np.array(["agent_call"], dtype=object), cn, cn.default_zones, date(2026, 5, 2))

    for hour in range(int(hours.from_hour[0]), int(hours.until_hour[0])):
        at = datetime(2026, 5, 2, hour, 30, tzinfo=ZoneInfo("Asia/Urumqi")).astimezone(UTC)
        frame = verdict_frame(cn, facts_from_portfolio(given_tables, cn, at))
        assert frame.outcome("CN-CURFEW", "agent_call").tolist() == [Outcome.PASS]
        assert (
            frame.lawful.shape == (1, 9) and Lawful.BLOCK not in frame.lawful[:, CONTACT_CHANNELS.index(Channel.LETTER)]
        )


def test_the_hours_at_which_calls_were_answered_are_proposed_in_the_customers_zone():
    evenings = [datetime(2026, 4, day, 10, 30, tzinfo=UTC) for day in (2, 9, 16)]  # 18:30 in Shanghai
    mornings = [datetime(2026, 4, day, 2, 15, tzinfo=UTC) for day in (3, 10, 17)]  # 10:15 in Shanghai
    contacts = [call(at, "conversation") for at in evenings] + [call(at, "no_answer") for at in mornings]

    hours = contact_hours(
        events_of(contacts=contacts),
        np.array(["agent_call"], dtype=object),
        profile("cn_bank_card"),
        ("Asia/Shanghai",),
        AS_OF,
    )

    assert hours.basis.tolist() == ["answers"]
    assert hours.from_hour[0] <= 18 < hours.until_hour[0]
    assert hours.n_attempts.tolist() == [6]


def test_without_own_answers_the_whole_lawful_window_is_open_and_without_a_zone_no_hour_is_named():
    cn, agent = profile("cn_bank_card"), np.array(["agent_call"], dtype=object)

    known = contact_hours(events_of(), agent, cn, cn.default_zones, AS_OF)
    unknown = contact_hours(events_of(), agent, profile("us_reg_f"), (), AS_OF)

    assert (known.basis.tolist(), known.from_hour.tolist(), known.until_hour.tolist()) == (["lawful_window"], [9], [20])
    assert (unknown.basis.tolist(), unknown.from_hour.tolist()) == (["zone_unknown"], [-1])


@pytest.mark.parametrize("channel", [str(Channel.NONE), *map(str, WITHOUT_HOURS)])
def test_channels_that_disturb_nobody_at_an_hour_have_none(channel: str):
    hours = contact_hours(events_of(), np.array([channel], dtype=object), None, ("Asia/Shanghai",), AS_OF)

    assert hours.basis.tolist() == ["no_hours"]


@settings(max_examples=25, deadline=None)
@given(st.integers(-40, 40), st.integers(0, 60))
def test_nobody_is_contacted_between_a_promise_and_its_due_day_plus_grace(due_in: int, made_before: int):
    due_on = AS_OF + timedelta(days=due_in)
    made_on = min(AS_OF, due_on) - timedelta(days=made_before)
    promise = {
        "promise_id": "R1", "account_id": "A1", "made_at": f"{made_on}T08:00:00Z", "promised_cents": 100, "due_on": due_on.isoformat()
    }  # fmt: skip

    when = timing(events_of(promises=[promise]))

    covered = min(due_on + timedelta(days=3), made_on + timedelta(days=30)) > AS_OF
    assert when.holds.tolist() == (["promise_open"] if covered else [""])


@pytest.mark.parametrize(("days_ago", "evidence", "hold"), [(10, "E1", "grace_hold"), (10, None, ""), (40, "E1", "")])
def test_a_pause_needs_evidence_and_ends_by_itself(days_ago: int, evidence: str | None, hold: str):
    ill = {
        "account_id": "A1",
        "kind": "illness",
        "from_at": f"{AS_OF - timedelta(days=days_ago)}T08:00:00Z",
        "evidence_ref": evidence,
    }

    when = timing(events_of(standings=[ill]))

    assert when.holds.tolist() == [hold]
    assert when.grace.needs_evidence.tolist() == [evidence is None]
    if hold:
        assert when.held_until.tolist() == [day_number(AS_OF) - days_ago + 30]


def test_a_kept_plan_outranks_a_pause_and_a_promise():
    signed = {"account_id": "A1", "kind": "plan_signed", "from_at": "2026-04-01T08:00:00Z", "evidence_ref": "E1"}
    ill = signed | {"kind": "illness"}

    assert timing(events_of(standings=[signed, ill])).holds.tolist() == ["plan_kept"]


def test_a_channel_rests_after_the_last_contact_and_then_opens_again():
    def too_soon(days_ago: int) -> list[str]:
        at = datetime.combine(AS_OF - timedelta(days=days_ago), time(8), tzinfo=UTC)
        resting = timing(events_of(contacts=[call(at, "no_answer")])).too_soon[0]
        return [str(channel) for channel, rests in zip(CONTACT_CHANNELS, resting, strict=True) if rests]

    assert "agent_call" in too_soon(0) and "sms" in too_soon(0)
    assert "agent_call" not in too_soon(2) and "sms" in too_soon(2)
    assert too_soon(20) == []


@settings(deadline=None)
@given(st.integers(1, 31), st.integers(0, 400), st.integers(1, 400), st.floats(-1e6, 1e6))
def test_waiting_never_crosses_a_bucket_and_never_loses(usual: int, later: int, dpd: int, value: float):
    relative = np.linspace(3.0, 0.1, DAYS_OF_A_MONTH)
    seen = PaymentDays(np.array([usual]), np.array([0.9]), np.array([9]))

    found = value_of_waiting(
        seen,
        PaymentCurve(relative / relative.mean(), 900),
        np.array([value]),
        np.array([500.0]),
        np.array([dpd]),
        TOMORROW + later,
    )

    assert 0 <= found.days[0] <= 10
    assert found.days[0] == 0 or (found.gain_cents[0] > 0 and found.days[0] < days_to_next_bucket(np.array([dpd]))[0])
    if value <= 0:
        assert found.days.tolist() == [0]


def test_nobody_waits_where_payments_show_no_usual_day():
    seen = PaymentDays(np.array([0]), np.array([0.1]), np.array([9]))

    assert value_of_waiting(
        seen, PaymentCurve(np.ones(31), 0), np.array([9e5]), np.array([0.0]), np.array([3]), TOMORROW
    ).days.tolist() == [0]


def test_the_curve_of_payments_is_flat_until_enough_payments_were_seen():
    curve = payment_curve(events_of())

    assert curve.relative.tolist() == [1.0] * 31


@settings(deadline=None)
@given(st.sampled_from(["none", *map(str, CONTACT_CHANNELS)]), st.integers(1, 400), st.integers(-1, 40))
def test_every_account_is_looked_at_again_soon_and_at_the_latest_when_its_bucket_changes(
    channel: str, dpd: int, held_for: int
):
    when = _free()
    when = replace(when, held_until=np.array([TOMORROW + held_for if held_for >= 0 else -1]))
    contact = np.array([TOMORROW if channel != "none" else -1])

    ahead = int((next_review_days(when, np.array([channel], dtype=object), np.array([dpd]), contact) - TOMORROW)[0])

    assert 1 <= ahead <= 14
    assert ahead <= max(1, int(days_to_next_bucket(np.array([dpd]))[0]))


@lru_cache(maxsize=1)
def _free() -> Timing:
    return timing(events_of())


def test_an_account_decided_by_itself_has_the_curve_that_was_measured_on_many():
    relative = np.linspace(3.0, 0.1, DAYS_OF_A_MONTH)
    measured = PaymentCurve(relative / relative.mean(), 900)

    alone = timing(events_of(), PaymentCurve.of(json.loads(json.dumps(measured.stated()))))

    assert alone.curve.relative.tolist() == measured.relative.tolist()


def test_what_waiting_gains_for_one_account_does_not_depend_on_the_costs_of_another():
    relative = np.zeros(DAYS_OF_A_MONTH)
    relative[0] = 31.0
    when = timing(events_of(), PaymentCurve(relative, 900))
    usual = PaymentDays(np.array([day_of_month(np.array([when.first_day + 9]))[0]]), np.array([1.0]), np.array([9]))
    pair = replace(
        when, holds=np.repeat(when.holds, 2), seen=PaymentDays(*(np.repeat(each, 2) for each in vars(usual).values()))
    )
    values, costs = np.full((2, 9), 5_000.0), np.array([np.full(9, 100.0), np.full(9, 4_000.0)])

    together = pair.waiting(values, costs, np.array([35, 35]))
    alone = [
        replace(when, seen=usual).waiting(values[:1], costs[k : k + 1], np.array([35])).gain_cents[0] for k in (0, 1)
    ]

    assert together.days[0] == together.days[1] > 0
    assert together.gain_cents.tolist() == alone and alone[0] < alone[1]
