"""Timing and terms in words: in both languages, for whom they are meant, and absent where a record states none."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from scoring.explanations import explanation
from scoring.explanations.wording import LANGUAGES
from tests.explanations.forbidden_words import found_in
from tests.explanations.invented import record as stored
from tests.explanations.invented import worked

TIMING = {
    "contact_on": "2025-05-02", "next_review_on": "2025-05-05", "hold": "", "held_until": None, "usual_payment_day": 10,
    "wait_days": None, "wait_gain_cents": None, "from_hour": 18, "until_hour": 20, "hours_basis": "answers", "calls_tried": 6, "zone": None,
}  # fmt: skip
OFFER = {
    "kind": "instalments_with_waiver", "instalments": 24, "instalment_cents": 120_000, "last_instalment_cents": 80_000,
    "deferral_months": 0, "waiver_cents": 15_000, "cost_cents": 90_000,
}  # fmt: skip
ART_70 = {
    "approval": "a person approves", "cite": "2011 Measures art. 70", "decided_by": "person", "required_terms": ["x"], "state": "eligible",
    "tests": {"debt_beyond_means": "true", "willingness_shown": "true", "no_dispute": "unknown"}, "willingness_estimate": 0.6,
    "willingness_shown_by": "payment",
}  # fmt: skip
LEGAL = {
    "approval": "missing", "completeness": 0.4286, "decided_by": "person",
    "first_dunning_on": None, "last_dunning_on": None, "n_dunnings": 0,
    "evidence": {"two_provable_dunnings": "false", "no_dispute_open": "true"},
}  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    body = worked()
    details: dict[str, Any] = {
        "timing": copy.deepcopy(TIMING),
        "plan": {"state": "none", "offer": copy.deepcopy(OFFER), "art_70": copy.deepcopy(ART_70)},
        "grace": None,
        "ask_about": ["income", "what_changed"],
        "repair": [],
        "legal_review": None,
    }
    body["details"] = details | changes
    return body


def lines(body: dict[str, Any], audience: str, lang: str = "en") -> dict[str, tuple[str, ...]]:
    told = explanation(stored(body), lang=lang, audience=audience)
    return {section.key: section.lines for section in told.sections}


def test_the_collector_reads_when_to_call_and_what_may_be_proposed_once_approved():
    told = lines(record(), "collector")

    assert (
        told["when"][0]
        == "On 2 May 2025, between 18:00 and 20:00 local time (hours at which calls were answered before)."
    )
    assert told["when"][-1] == "Looked at again on 5 May 2025."
    assert told["offer"][0].startswith("24 instalments of CNY 1,200")
    assert any("a person approves it before it is named to the customer" in line for line in told["offer"])
    assert told["offer"][-1] == "Ask about: current income and what has changed."


def test_compliance_reads_the_art_70_tests_the_cost_and_that_a_person_decides():
    told = lines(record(legal_review=LEGAL), "compliance")

    assert any("CNY 900" in line for line in told["file"])
    assert any("art. 70" in line and "A person decides" in line for line in told["file"])
    assert any(line.startswith("Not known: no dispute") for line in told["file"])
    assert any(line.startswith("Still missing: two demands") for line in told["file"])


def test_the_customer_reads_the_day_but_no_terms_before_they_are_approved():
    told = " ".join(line for section in lines(record(), "customer").values() for line in section)

    assert "2 May 2025" in told
    assert "1,200" not in told and "instalment" not in told


def test_waiting_and_a_pause_are_told_with_their_days():
    waiting = record(timing=TIMING | {"wait_days": 4, "wait_gain_cents": 2_000, "contact_on": "2025-05-06"})
    paused = record(
        timing=TIMING
        | {"hold": "grace_hold", "held_until": "2025-05-20", "contact_on": None, "from_hour": None, "until_hour": None},
        grace={"circumstance": "illness", "expires_on": "2025-05-20", "has_evidence": True},
    )

    assert "day 10 of the month" in lines(waiting, "collector")["when"][0]
    assert "Contacts are held back until 20 May 2025." in lines(paused, "collector")["when"]
    assert any("Pause for illness until 20 May 2025" in line for line in lines(paused, "compliance")["file"])
    assert any("The pause lasts until 20 May 2025." in line for line in lines(paused, "customer")["next_step"])


def test_a_record_without_details_reads_as_before():
    assert not {"when", "offer", "file"} & set(lines(worked(), "compliance"))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("audience", ["collector", "compliance", "customer"])
@pytest.mark.parametrize("kind", ["instalments", "instalments_with_waiver", "deferral", "beyond_means"])
def test_no_line_claims_threatens_or_judges(lang: str, audience: str, kind: str):
    body = record(legal_review=LEGAL, repair=["own_number_invalid"])
    body["details"]["plan"]["offer"]["kind"] = kind
    body["details"]["plan"]["offer"]["deferral_months"] = 2

    told = [line for section in lines(body, audience, lang).values() for line in section]

    assert [found for line in told if (found := found_in(line, for_customer=audience == "customer"))] == []
    assert not any(
        '"' in line for key in ("when", "offer", "file") for line in lines(body, audience, lang).get(key, ())
    )
