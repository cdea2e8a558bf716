"""A cap that late rows show to have been broken is reported afterwards; the verdict of its day stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.policy.breaches import breaches, late_breaches
from scoring.policy.facts import Consent, Contact, Facts
from scoring.policy.operations import Operations
from scoring.policy.profile import load_profile
from scoring.policy.truth import Lawful, Truth
from scoring.policy.verdicts import verdicts
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
from scoring.resources import data_folder

CN = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
US = load_profile(data_folder() / "policy" / "us_reg_f.yaml")
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
NEXT_DAY = NOON + timedelta(days=1)
RECORDED = {"call_recording_on": Truth.TRUE}


def a_talk(minutes: int, known_after: timedelta | None = None) -> Contact:
    at = NOON + timedelta(minutes=minutes)
    return Contact(at, "agent_call", "conversation", known_at=None if known_after is None else at + known_after)


def test_a_late_row_brings_a_breach_to_light_and_rewrites_nothing() -> None:
    facts = Facts(
        account_id="A1", flags=RECORDED, unlisted=Truth.FALSE,
        contacts=(a_talk(0), a_talk(10), a_talk(20, known_after=timedelta(hours=9)), a_talk(60)),
    )  # fmt: skip
    just_before = NOON + timedelta(minutes=59)

    found = breaches(CN, facts, NEXT_DAY)

    assert [(b.rule, b.contacted_at, b.counter, b.limit, b.was_known) for b in found] == [
        ("CN-CAP-EFFECTIVE", NOON + timedelta(minutes=60), 3, 3, False)
    ]
    assert verdicts(CN, facts, just_before).lawful("agent_call") is Lawful.ALLOW
    assert breaches(CN, facts, NOON + timedelta(hours=2)) == ()


def test_a_breach_that_was_to_be_seen_at_the_time_says_so() -> None:
    facts = Facts(account_id="A1", contacts=tuple(a_talk(minute) for minute in (0, 10, 20, 30)))

    assert [breach.was_known for breach in breaches(CN, facts, NEXT_DAY)] == [True]


def test_a_consent_of_the_time_lifts_what_it_lifted_then() -> None:
    tries = [Contact(NOON + timedelta(minutes=m), "agent_call", "no_answer", number_ref="A") for m in range(5)]
    tries.append(Contact(NOON + timedelta(minutes=9), "agent_call", "no_answer", number_ref="A", known_at=NEXT_DAY))
    seventh = Contact(NOON + timedelta(minutes=20), "agent_call", "no_answer", number_ref="A")
    agreed = Consent("attempts_agreement", "all", NOON - timedelta(days=1))

    found = breaches(CN, Facts(account_id="A1", contacts=(*tries, seventh), consents=(agreed,)), NEXT_DAY)

    assert [breach.rule for breach in found] == ["H-CN-CAP-TOTAL"]


def test_the_portfolio_reports_breaches_of_customers_with_late_rows_over_all_their_accounts() -> None:
    def a_row(n: int, account_id: str, minutes: int, **values: Any) -> dict[str, Any]:
        at = (NOON + timedelta(minutes=minutes)).isoformat()
        call = {"channel": "sms", "direction": "outbound", "outcome": "sent", **values}
        return {"contact_id": f"K{n}", "account_id": account_id, "contacted_at": at, **call}

    one = SMALLEST["accounts"][0]
    accounts = [{**one, "account_id": a, "customer_id": c} for a, c in (("A1", "C1"), ("A2", "C1"), ("B1", "C2"))]
    contacts = [
        a_row(1, "A1", 0, known_at=NEXT_DAY.isoformat()),
        a_row(2, "A2", 30),
        a_row(3, "B1", 0),
    ]
    portfolio = portfolio_from_tables({**SMALLEST, "accounts": accounts, "contacts": contacts})

    found = late_breaches(portfolio, CN, NOON - timedelta(days=1), NEXT_DAY)

    assert [(b.account_id, b.rule, b.was_known) for b in found] == [("A2", "H-CN-CAP-SMS", False)]
    assert late_breaches(portfolio, CN, NOON - timedelta(days=1), NEXT_DAY - timedelta(seconds=1)) == ()
    assert late_breaches(portfolio, CN, NOON + timedelta(minutes=30), NEXT_DAY) == found
    assert late_breaches(portfolio, CN, NOON + timedelta(minutes=31), NEXT_DAY) == ()


def test_a_rule_that_did_not_bind_was_not_broken() -> None:
    talks = tuple(Contact(NOON + timedelta(hours=h), "agent_call", "conversation") for h in (12, 13))
    bank = Facts(account_id="A1", zones=("America/New_York",), collector="first_party", contacts=talks)
    agency = Facts(account_id="A1", zones=("America/New_York",), collector="third_party", contacts=talks)

    assert breaches(US, bank, NEXT_DAY) == ()
    assert [breach.rule for breach in breaches(US, agency, NEXT_DAY)] == ["US-CONV-COOLDOWN"]
    assert Operations().collector is None
