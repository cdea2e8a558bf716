"""Facts come from the event tables as known at the instant; what no table or setting answers for is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import PolicyError
from scoring.policy.facts import Consent, Contact, Facts
from scoring.policy.operations import Operations
from scoring.policy.portfolio_facts import addresses_on_file, facts_from_portfolio
from scoring.policy.profile import load_profile
from scoring.policy.rules import CHANNELS
from scoring.policy.truth import Lawful, Truth
from scoring.policy.verdict_frame import VerdictFrame, verdict_frame
from scoring.policy.verdicts import verdicts
from scoring.portfolio.reading import portfolio_from_tables
from scoring.resources import data_folder

CN = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
US = load_profile(data_folder() / "policy" / "us_reg_f.yaml")
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)  # 12:00 in Shanghai
RECORDED = Operations(facts={"call_recording_on": True})
Rows = Sequence[Mapping[str, Any]]


def an_account(account_id: str, customer_id: str = "C1", **values: Any) -> dict[str, Any]:
    card = {"product": "classic", "opened_on": "2024-01-15", "credit_limit_cents": 500_000, "currency": "CNY"}
    return {"account_id": account_id, "customer_id": customer_id, **card, **values}


def a_call(n: int, at: datetime, account_id: str = "A1", **values: Any) -> dict[str, Any]:
    call = {"channel": "agent_call", "direction": "outbound", "outcome": "conversation", **values}
    return {"contact_id": f"K{n}", "account_id": account_id, "contacted_at": at.isoformat(), **call}


def judged(
    tables: Mapping[str, Rows], at: datetime = NOON, profile: Any = CN, operations: Operations = RECORDED, **wanted: Any
) -> VerdictFrame:
    given_tables = {"accounts": [an_account("A1")], "statements": [], "payments": [], **tables}
    return verdict_frame(
        profile, facts_from_portfolio(portfolio_from_tables(given_tables), profile, at, operations, **wanted)
    )


OBSERVED: Mapping[str, Rows] = {"contacts": [], "standings": [], "consents": []}


def test_an_ordinary_bank_portfolio_gives_usable_verdicts() -> None:
    result = judged(OBSERVED)

    assert {channel: Lawful(code).name for channel, code in zip(CHANNELS, result.lawful[0], strict=True)} == {
        "sms": "ALLOW", "app_push": "ALLOW", "email": "ALLOW", "online_cs": "ALLOW", "ai_voice": "ALLOW",
        "agent_call": "ALLOW", "letter": "ALLOW", "field_visit": "REVIEW", "legal_referral": "BLOCK",
    }  # fmt: skip
    assert result.reasons(0, "field_visit") == ("CN-VISIT-PREREQ",)


def test_a_table_that_was_not_delivered_is_unknown_and_never_empty() -> None:
    assert judged({**OBSERVED} | {"contacts": []}).reasons(0, "agent_call") == ()
    without = {name: rows for name, rows in OBSERVED.items() if name != "contacts"}
    assert judged(without).reasons(0, "agent_call") == ("CN-CAP-EFFECTIVE", "CN-CAP-UNANSWERED", "H-CN-CAP-TOTAL")
    without = {name: rows for name, rows in OBSERVED.items() if name != "standings"}
    assert "CN-HOLD-PLAN" in judged(without).reasons(0, "sms")
    without = {name: rows for name, rows in OBSERVED.items() if name != "consents"}
    assert judged(without).reasons(0, "app_push") == ("CN-PUSH-OFF",)


def test_the_operation_may_answer_for_what_no_table_says() -> None:
    no_flags = (
        "plan_signed",
        "dispute_open",
        "deceased",
        "incapacity",
        "actor_agency",
        "adm_refused",
        "criminal_report",
    )
    known = Operations(facts={"call_recording_on": True, **dict.fromkeys(no_flags, False)})

    result = judged({"contacts": [], "consents": []}, operations=known)

    assert result.lawful[0, : CHANNELS.index("field_visit")].tolist() == [Lawful.ALLOW] * 7


def test_without_settings_the_recorder_is_unknown_and_calls_go_to_a_person() -> None:
    assert judged(OBSERVED, operations=Operations()).reasons(0, "agent_call") == ("CN-REC-CALL",)


def test_a_feed_of_contacts_that_is_too_old_makes_the_counts_unknown() -> None:
    settings = {"call_recording_on": True, "contacts_complete_until": (NOON - timedelta(hours=24)).isoformat()}
    fresh, stale = (Operations.read(settings | {"contacts_max_lag_hours": hours}) for hours in (24, 23))

    assert judged(OBSERVED, operations=fresh).reasons(0, "sms") == ()
    assert judged(OBSERVED, operations=stale).reasons(0, "sms") == ("H-CN-CAP-SMS",)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"contacts_complete_until": "2026-11-23T06:00:00"}, "must say its offset"),
        ({"contacts_complete_until": "this morning"}, "must be an instant like"),
        ({"collector": "agency"}, "collector 'agency' is not known; known: first_party, third_party"),
        ({"overlays_by_region": {"NYC": "nyc"}}, "NYC must be a list of names"),
    ],
)
def test_malformed_settings_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        Operations.read(settings)

    assert reason in refusal.value.message


def test_a_standing_holds_from_its_beginning_until_its_end_and_only_once_known() -> None:
    begun, ended = NOON - timedelta(days=3), NOON + timedelta(days=3)
    plan = {"account_id": "A1", "kind": "plan_signed", "from_at": begun.isoformat(), "until_at": ended.isoformat()}
    late = {**plan, "known_at": (NOON + timedelta(hours=1)).isoformat()}

    assert judged({**OBSERVED, "standings": [plan]}).reasons(0, "sms") == ("CN-HOLD-PLAN",)
    assert judged({**OBSERVED, "standings": [plan]}, at=begun - timedelta(seconds=1)).reasons(0, "sms") == ()
    assert judged({**OBSERVED, "standings": [plan]}, at=ended).reasons(0, "sms") == ()
    assert judged({**OBSERVED, "standings": [late]}).reasons(0, "sms") == ()
    assert judged({**OBSERVED, "standings": [late]}, at=NOON + timedelta(hours=1)).reasons(0, "sms") == (
        "CN-HOLD-PLAN",
    )


def test_flags_of_the_person_and_opt_outs_hold_on_every_account_of_the_customer() -> None:
    since = (NOON - timedelta(days=1)).isoformat()
    tables = {
        **OBSERVED,
        "accounts": [an_account("A1"), an_account("A2"), an_account("B1", "C2")],
        "standings": [
            {"account_id": "A1", "kind": "deceased", "from_at": since},
            {"account_id": "A1", "kind": "dispute_open", "from_at": since},
        ],
        "consents": [{"account_id": "A2", "kind": "opt_out", "channel": "app_push", "given_at": since}],
    }

    result = judged(tables)

    assert [result.reasons(row, "app_push") for row in range(3)] == [("CN-PUSH-OFF",), ("CN-PUSH-OFF",), ()]
    assert [result.reasons(row, "letter") for row in range(3)] == [("CN-HOLD-DECEASED",), ("CN-HOLD-DECEASED",), ()]
    assert result.reasons(0, "agent_call") == ("CN-HOLD-DISPUTE",)
    assert result.reasons(1, "agent_call") == ("CN-HOLD-DECEASED",)


def test_contacts_about_other_cards_count_for_the_customer_but_not_for_the_debt() -> None:
    calls = [a_call(n, NOON - timedelta(minutes=10 * n), f"A{n % 2 + 1}") for n in range(1, 4)]
    tables = {**OBSERVED, "accounts": [an_account("A1"), an_account("A2")], "contacts": calls}
    agency = Operations(facts={}, collector="third_party", overlays_by_region={})
    american = {
        **tables,
        "accounts": [{**row, "timezone": "Asia/Shanghai"} for row in tables["accounts"]],
        "contacts": calls[1:2],
    }

    chinese, debts = judged(tables), judged(american, profile=US, operations=agency)

    assert [chinese.reasons(row, "ai_voice") for row in range(2)] == [("CN-CAP-EFFECTIVE",)] * 2
    assert [debts.outcome("US-CONV-COOLDOWN", "agent_call")[row] for row in range(2)] == [4, 1]


def test_a_row_that_comes_late_changes_no_verdict_before_it_was_known() -> None:
    calls = [a_call(n, NOON - timedelta(minutes=10 * n)) for n in range(1, 3)]
    late = a_call(3, NOON - timedelta(hours=1), known_at=(NOON + timedelta(hours=2)).isoformat())

    with_late = {**OBSERVED, "contacts": [*calls, late]}

    assert judged(with_late).reasons(0, "agent_call") == ()
    assert judged(with_late, at=NOON + timedelta(hours=2)).reasons(0, "agent_call") == ("CN-CAP-EFFECTIVE",)


def test_a_night_consent_lifts_the_quiet_hours_on_its_channels_until_it_is_withdrawn() -> None:
    night = NOON + timedelta(hours=11)
    consent = {
        "account_id": "A1", "kind": "night_contact", "channel": "agent_call",
        "given_at": NOON.isoformat(), "withdrawn_at": (night + timedelta(minutes=30)).isoformat(),
    }  # fmt: skip

    assert judged({**OBSERVED, "consents": [consent]}, at=night).reasons(0, "agent_call") == ()
    assert judged({**OBSERVED, "consents": [consent]}, at=night).reasons(0, "sms") == ("CN-CURFEW",)
    later = judged({**OBSERVED, "consents": [consent]}, at=night + timedelta(minutes=30))
    assert later.reasons(0, "agent_call") == ("CN-CURFEW",)


def test_a_promise_is_open_until_the_day_it_falls_due_and_is_a_fact_for_house_rules() -> None:
    promise = {
        "promise_id": "P1", "account_id": "A1", "made_at": (NOON - timedelta(days=1)).isoformat(),
        "promised_cents": 10_000, "due_on": "2026-11-23",
    }  # fmt: skip
    tables = {"accounts": [an_account("A1")], "statements": [], "payments": [], "promises": [promise]}

    is_open = [
        facts_from_portfolio(portfolio_from_tables(tables), CN, NOON + timedelta(days=days)).flags["promise_open"][0]
        for days in (-2, 0, 1)
    ]

    assert is_open == [Truth.FALSE, Truth.TRUE, Truth.FALSE]


def test_several_candidate_zones_may_be_listed_and_the_strictest_counts() -> None:
    tables = {**OBSERVED, "accounts": [an_account("A1", timezone="Asia/Shanghai, Asia/Urumqi"), an_account("A2", "C2")]}
    early = datetime(2026, 11, 23, 1, 59, tzinfo=UTC)  # 09:59 in Shanghai, 07:59 in Urumqi

    result = judged(tables, at=early)

    assert [result.reasons(row, "sms") for row in range(2)] == [("CN-CURFEW",), ()]


def test_american_consents_and_overlays_come_from_consents_and_regions() -> None:
    at, since = datetime(2026, 11, 23, 17, tzinfo=UTC), "2026-11-01T12:00:00Z"
    kinds = ("email_basis", "tcpa_consent_ai_voice", "sms_basis")
    tables = {
        **OBSERVED,
        "accounts": [
            an_account("A1", timezone="America/New_York", region="NYC"),
            an_account("A2", "C2", timezone="America/New_York", region="NJ"),
        ],
        "consents": [
            {"account_id": a, "kind": kind, "channel": "all", "given_at": since} for a in ("A1", "A2") for kind in kinds
        ],
    }
    agency = Operations(
        facts={"validation_notice_sent_or_due_within_5d": True},
        collector="third_party",
        overlays_by_region={"NYC": ("nyc",)},
    )

    result = judged(tables, at=at, profile=US, operations=agency)
    unplaced = judged(tables, at=at, profile=US, operations=Operations(agency.facts, "third_party"))
    old = judged(tables, at=at + timedelta(days=40), profile=US, operations=agency)

    assert [result.reasons(row, "email") for row in range(2)] == [("US-NYC-OPTIN",), ()]
    assert [unplaced.reasons(row, "email") for row in range(2)] == [("US-NYC-OPTIN",)] * 2
    assert [Lawful(code).name for code in unplaced.lawful[:, CHANNELS.index("email")]] == ["REVIEW", "REVIEW"]
    assert [old.reasons(1, channel) for channel in ("sms", "email")] == [("US-SMS-BASIS",), ()]


def test_an_address_that_nobody_listed_is_unknown_and_one_left_out_of_a_list_is_missing() -> None:
    accounts = [
        an_account("A1", channel_addresses="sms, email"),
        an_account("A2", "C2"),
        an_account("A3", "C3", channel_addresses=""),
    ]
    portfolio = portfolio_from_tables({"accounts": accounts, "statements": [], "payments": []})

    on_file = addresses_on_file(portfolio, ["A2", "A1", "A3"])

    assert on_file[:, CHANNELS.index("sms")].tolist() == [Truth.UNKNOWN, Truth.TRUE, Truth.FALSE]
    assert on_file[:, CHANNELS.index("online_cs")].tolist() == [Truth.TRUE] * 3


def test_accounts_come_in_the_order_asked_and_strangers_are_refused() -> None:
    tables = {**OBSERVED, "accounts": [an_account("A1"), an_account("A2", "C2"), an_account("A3", "C3")]}

    assert [str(name) for name in judged(tables, account_ids=["A3", "A1"]).account_ids] == ["A3", "A1"]
    with pytest.raises(PolicyError, match="Account A9 is not in the portfolio"):
        judged(tables, account_ids=["A1", "A9"])
    with pytest.raises(PolicyError, match="An account comes twice"):
        judged(tables, account_ids=["A1", "A1"])


outcomes = st.sampled_from(["conversation", "no_answer", "busy", "not_connected"])
voices = st.sampled_from(["agent_call", "ai_voice", "sms"])
hours = st.integers(-30, 30)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(hours, st.integers(0, 20), voices, outcomes), max_size=10))
def test_the_tables_give_the_verdicts_of_the_same_facts_written_by_hand(rows: list[tuple[int, int, str, str]]) -> None:
    made = [(NOON + timedelta(hours=h), NOON + timedelta(hours=h + late), c, o) for h, late, c, o in rows]
    tables = {
        **OBSERVED,
        "contacts": [
            a_call(n, at, channel=channel, outcome=outcome, known_at=known_at.isoformat())
            for n, (at, known_at, channel, outcome) in enumerate(made)
        ],
        "consents": [{"account_id": "A1", "kind": "opt_out", "channel": "all", "given_at": "2026-11-01T00:00:00Z"}],
    }
    by_hand = Facts(
        account_id="A1",
        flags={"call_recording_on": Truth.TRUE}
        | dict.fromkeys(("visit_team_ge_2", "visit_recorder", "visit_papers"), Truth.UNKNOWN),
        unlisted=Truth.FALSE,
        contacts=tuple(Contact(at, channel, outcome, known_at=known_at) for at, known_at, channel, outcome in made),
        consents=(Consent("opt_out", "all", datetime(2026, 11, 1, tzinfo=UTC)),),
    )

    np.testing.assert_array_equal(judged(tables).codes()[0], verdicts(CN, by_hand, NOON).codes())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(hours, voices, outcomes), max_size=8),
    st.sampled_from(["plan_signed", "deceased", "dispute_open"]),
)
def test_rows_known_only_later_leave_every_verdict_as_it_was(rows: list[tuple[int, str, str]], kind: str) -> None:
    later = (NOON + timedelta(microseconds=1)).isoformat()
    early = [
        a_call(n, NOON + timedelta(hours=h), channel=channel, outcome=outcome)
        for n, (h, channel, outcome) in enumerate(rows)
    ]
    late = [{**row, "contact_id": f"L{row['contact_id']}", "known_at": later} for row in early]
    before = {**OBSERVED, "contacts": early}
    after = {
        **OBSERVED,
        "contacts": [*early, *late],
        "standings": [{"account_id": "A1", "kind": kind, "from_at": "2026-11-01T00:00:00Z", "known_at": later}],
        "consents": [{"account_id": "A1", "kind": "opt_out", "channel": "all", "given_at": later}],
    }

    np.testing.assert_array_equal(judged(after).codes(), judged(before).codes())


def test_a_later_hour_may_be_tried_with_the_same_facts_but_an_earlier_one_not() -> None:
    given_tables = {"accounts": [an_account("A1")], "statements": [], "payments": [], **OBSERVED}
    frame = facts_from_portfolio(portfolio_from_tables(given_tables), CN, NOON, RECORDED)

    assert verdict_frame(CN, frame, NOON + timedelta(hours=10)).reasons(0, "sms") == ("CN-CURFEW",)
    with pytest.raises(PolicyError, match="they would know its future"):
        verdict_frame(CN, frame, NOON - timedelta(hours=1))
