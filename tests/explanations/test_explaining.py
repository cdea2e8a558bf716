"""What an explanation says, to whom, and what it never says."""

import json
import re
from typing import Any

import pytest

from scoring.errors import BadRequestError, LedgerError, UnknownDecisionError
from scoring.explanations import explain, explanation
from scoring.explanations.facts import HOLD_REASONS, RULE_REASONS
from scoring.policy.profile import load_profile
from scoring.resources import data_folder
from tests.explanations.invented import (
    AUDIENCES,
    DECISION_ID,
    GOLDEN,
    LANGUAGES,
    changed,
    golden_pages,
    held,
    record,
    silent,
    worked,
)


def said(body: dict[str, Any], section: str, *, lang: str = "en", audience: str = "compliance") -> str:
    """The lines of one section, one below the other; empty where the section is left out."""
    told = explanation(record(body), lang, audience)
    return "\n".join(line for part in told.sections if part.key == section for line in part.lines)


@pytest.mark.parametrize(("name", "page"), golden_pages().items())
def test_the_invented_decisions_are_worded_as_reviewed(name: str, page: str):
    assert page == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_golden_page_is_still_made():
    assert {path.name for path in GOLDEN.iterdir()} == set(golden_pages())


def test_a_reviewer_reads_in_the_order_of_the_rulebook():
    told = explanation(record(worked()))

    assert [section.key for section in told.sections] == [
        "decision", "not_allowed", "scores", "willingness", "ability", "rules", "rank", "capacity", "softer", "human",
        "integrity",
    ]  # fmt: skip


@pytest.mark.parametrize("audience", AUDIENCES)
def test_both_languages_have_the_same_sections_and_as_many_lines(audience: str):
    for body in (worked(), held(), silent("no_capacity_left")):
        english, chinese = (explanation(record(body), lang, audience) for lang in LANGUAGES)

        assert [(s.key, len(s.lines)) for s in english.sections] == [(s.key, len(s.lines)) for s in chinese.sections]


def test_an_explanation_is_plain_json_for_http():
    told = explanation(record(worked()), "zh", "collector").as_dict()

    assert json.loads(json.dumps(told)) == told
    assert (told["decision_id"], told["lang"], told["audience"]) == (DECISION_ID, "zh", "collector")
    assert set(told) == {"decision_id", "lang", "audience", "wording", "title", "sections"}


def test_a_rule_that_closed_a_channel_is_named_with_its_papers_where_the_judged_profile_is_at_hand():
    profile = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    rule = next(rule for rule in profile.rules if rule.id == "CN-PUSH-OFF")
    same, other = said(changed(worked(), policy__sha256=profile.sha256), "not_allowed"), said(worked(), "not_allowed")

    assert f"CN-PUSH-OFF (law: {rule.cite}; read as: official text read): not allowed, for message in the app." in same
    assert "CN-PUSH-OFF: not allowed, for message in the app.\n" in other
    assert "The profile that was judged is not at hand" in other
    assert "not at hand" not in same
    assert rule.cite not in other


def test_what_the_rules_leave_open_goes_to_a_person_before_the_call():
    assert "A person decides first on what the rules leave open: CN-REC-CALL." in said(worked(), "decision")
    assert "a person has to settle what the rules leave open: CN-REC-CALL." in said(
        worked(), "to_do", audience="collector"
    )
    assert "leave open" not in said(changed(worked(), choice__needs_review=False), "decision")


def test_the_judged_profile_is_told_with_its_instant_and_that_it_is_a_draft():
    assert said(worked(), "rules").splitlines()[0] == (
        "Profile cn_bank_card, version 2026.05.01-1, status draft (no named approver); judged for 2026-05-02 02:00:00 "
        "(UTC) by the rules of 2 May 2026."
    )


def test_between_two_plans_a_choice_has_no_place_in_the_queue_and_is_weighed_after_prices():
    body = changed(
        worked(), trigger="request", choice__queue_rank=0, choice__channel="sms", choice__runner_up="agent_call"
    )
    body["candidates"]["agent_call"]["price_cents"] = 30_000
    page = " ".join(explain(record(body)).split())

    assert "Decided between two plans, at the prices of the last one" in page
    assert "Runner-up: agent call. After the price of a place the choice is worth CNY 77.18 more." in page
    assert re.search(r"[Pp]lace 0|no place left|Binding limit", page) is None
    assert "Place 0" not in explain(record(body), audience="collector")


def test_a_run_without_contact_rules_says_so():
    assert "No contact rule was judged for this decision" in said(silent("no_capacity_left"), "not_allowed")


@pytest.mark.parametrize("reason", HOLD_REASONS)
def test_a_hold_is_told_as_the_rule_that_stops_all_contacts(reason: str):
    assert said(held(reason), "not_allowed").startswith("All contacts: ")
    assert "Do not contact" in said(held(reason), "to_do", audience="collector")
    assert said(held(reason), "amounts", audience="collector") == ""


@pytest.mark.parametrize("reason", RULE_REASONS)
def test_where_a_rule_decided_the_rule_is_the_reason_and_not_the_scores(reason: str):
    body = silent(reason, treatment="no_action", valued=False)

    assert "Decided by a rule, not by the scores" in said(body, "decision")
    assert said(body, "willingness").startswith("A rule decided, not the scores")
    assert said(body, "looked_at", audience="customer") == "This step follows from a rule, not from an assessment."


def test_a_value_that_was_not_observed_is_not_on_file_and_never_zero():
    assert "mean monthly inflow, 90 days: information not on file." in said(worked(), "ability")
    assert "近90天月均资金流入：档案中无此信息。" in said(worked(), "ability", lang="zh")


def test_values_are_told_in_days_major_units_and_per_cent():
    reasons = said(worked(), "willingness") + said(worked(), "ability")

    assert "time since the last payment: 12 days." in reasons
    assert "amount paid, 90 days: CNY 3,200.00." in reasons
    assert "share of promises that fell due and were kept, 180 days: 33.3%." in reasons


def test_a_currency_without_minor_units_has_no_decimals():
    assert "Past due: JPY 987,650, for 41 days." in said(
        changed(worked(), currency="JPY"), "amounts", audience="collector"
    )


def test_the_reference_population_is_put_into_chinese_where_it_is_the_usual_phrase():
    other = changed(worked(), model__reference_population="all accounts of the pilot")

    assert "比较对象：2025-01-31和2025-02-28的12,480个逾期账户。" in said(worked(), "willingness", lang="zh")
    assert "比较对象：all accounts of the pilot。" in said(other, "willingness", lang="zh")


def test_a_feature_of_an_earlier_day_is_shown_as_it_was_recorded():
    body = worked()
    body["scores"]["willingness"]["reasons"][0]["feature"] = "calls_2019"

    assert 'Strongest feature, "calls_2019": 12.' in said(body, "willingness")


def test_contributions_that_do_not_add_up_are_told():
    assert "Check: the expected value" in said(worked(), "willingness")
    assert "Check failed" in said(changed(worked(), scores__willingness__margin=2.0), "willingness")


def test_terms_that_do_not_give_the_recorded_priority_are_told():
    assert "Check failed" not in said(worked(), "rank")
    assert "Check failed: the terms above give CNY 1,167.21." in said(
        changed(worked(), choice__priority_value_cents=9), "rank"
    )


def test_another_priority_formula_is_told_by_its_name_and_its_terms_are_not_guessed():
    told = said(changed(worked(), choice__priority_formula="uplift/2"), "rank")

    assert "Priority value by the formula uplift/2: CNY 1,167.21." in told
    assert "prior" not in told


def test_the_assumed_change_of_a_channel_is_that_of_its_prior():
    shift, p = 0.3, 0.62

    assert f"(agent call): {100 * shift * p * (1 - p):+.2f} percentage points" in said(worked(), "rank")


def test_a_full_channel_with_a_price_is_the_limit_that_bound():
    assert "Binding limit: agent call. One more place there would be worth CNY 42.10." in said(worked(), "capacity")


def test_a_runner_up_that_was_worth_more_is_told_to_have_been_full():
    body = changed(worked(), choice__channel="sms", choice__runner_up="agent_call")
    told = said(body, "capacity")

    assert told.startswith("Runner-up: agent call, net value CNY 344.16, which is CNY 222.82 more than the choice")
    assert "Binding limit: agent call." in told
    assert told.count("no place left") == 1


def test_no_contact_for_lack_of_places_names_the_channels_that_were_worth_something():
    told = said(silent("no_capacity_left"), "capacity")

    assert told.startswith("No contact was chosen.\n")
    assert "Agent call had a net value of CNY 344.16 and no place left." in told


def test_without_a_price_no_limit_is_claimed():
    body = worked()
    body["candidates"]["agent_call"]["price_cents"] = 0

    assert "No limit is shown to have bound this decision" in said(body, "capacity")


def test_a_choice_by_chance_is_told_as_one_and_not_explained_by_limits():
    chance = {"explored": True, "holdout": False, "propensity": 0.05}
    body = changed(worked(), choice__channel="letter", choice__exploration=chance)

    assert "Chosen at random among what was allowed, with probability 5.0%" in said(body, "decision")
    assert "The choice was drawn at random" in said(body, "capacity")
    assert "no place left" not in said(body, "capacity")
    assert "Binding limit" not in said(body, "capacity")


@pytest.mark.parametrize("segment", ["unwilling_able", "unwilling_unable"])
def test_not_able_against_not_ready_is_called_an_extrapolation(segment: str):
    assert "is an extrapolation from those who paid" in said(changed(worked(), scores__segment=segment), "scores")


def test_too_little_evidence_is_said_and_nothing_is_assumed():
    body = changed(worked(), scores__evidence="insufficient_evidence", scores__segment="undetermined")

    assert "The numbers are shown for review only" in said(body, "scores")
    assert said(body, "why", audience="collector") == "There is not enough evidence on file. Ask, and assume nothing."
    assert "Payable amount" not in said(body, "amounts", audience="collector")
    assert "We hold too little information" in said(body, "looked_at", audience="customer")


def test_one_number_for_two_questions_is_called_that():
    assert "Under the contacts customary so far it is 66.0%." in said(worked(), "scores")
    assert "The record holds the same number" in said(changed(worked(), scores__w_logged=0.62), "scores")


def test_a_probability_is_never_rounded_to_certainty():
    assert "Willingness: over 99.9%" in said(changed(worked(), scores__w_none=0.99999), "scores")


def test_the_collector_is_told_what_to_do_and_what_is_not_said():
    told = explanation(record(worked()), "en", "collector")

    assert [section.key for section in told.sections] == ["to_do", "amounts", "why", "talk", "never_say"]
    assert len(explain(record(worked()), audience="collector").splitlines()) < 45


@pytest.mark.parametrize("reason", ["deceased", "dispute_open"])
def test_after_a_notice_of_death_or_in_a_dispute_the_letter_names_no_amount(reason: str):
    page = explain(record(held(reason)), audience="customer")

    assert re.search(r"CNY|\d+ days|pay in the usual ways", page) is None


@pytest.mark.parametrize("body", [worked(), held(), silent("no_capacity_left")])
def test_the_customer_is_told_of_review_by_a_person_and_of_an_explanation(body: dict[str, Any]):
    rights = said(body, "rights", audience="customer")

    assert "You can ask for a person to review this decision." in rights
    assert "You can ask for an explanation" in rights
    assert "由人工复核" in said(body, "rights", lang="zh", audience="customer")


def test_the_customer_reads_at_most_four_groups_and_none_twice():
    items = [line for line in said(worked(), "looked_at", audience="customer").splitlines() if line.startswith("- ")]

    assert len(items) == len(set(items)) == 4


def test_a_record_that_is_no_decision_is_refused():
    with pytest.raises(UnknownDecisionError, match="is of kind 'override', not a decision"):
        explain(record(worked(), kind="override"))


def test_an_unknown_language_or_audience_is_refused_with_those_there_are():
    with pytest.raises(BadRequestError, match=r"no wording in 'de'. Languages: en, zh"):
        explain(record(worked()), lang="de")
    with pytest.raises(BadRequestError, match=r"addressed as 'press'. Audiences: compliance, collector, customer"):
        explain(record(worked()), audience="press")


def test_a_record_of_another_schema_is_refused():
    with pytest.raises(LedgerError, match="is of schema 'decision/9' and this version words decision/1"):
        explain(record(changed(worked(), schema="decision/9")))


@pytest.mark.parametrize("path", ["choice.reason", "scores.w_none", "model.bundle_id", "candidates", "currency"])
def test_a_record_that_lacks_a_value_is_refused_and_the_value_named(path: str):
    body = worked()
    *groups, name = path.split(".")
    del (body[groups[0]] if groups else body)[name]

    with pytest.raises(LedgerError, match=name):
        explain(record(body))


def test_a_record_from_before_intervals_and_ranks_is_worded_without_them():
    older = worked()
    for name in ("ability_share", "evidence_missing", "product", "w_none_interval"):
        del older["scores"][name]

    told = explain(record(older))

    assert "The record holds no interval for the probabilities" in told
    assert "reference accounts on average" not in told
    assert "Ability 40.1% of CNY 12,345.00" in told


def test_a_reason_says_how_often_other_references_bring_it_up_and_when_two_are_close():
    close = changed(worked(), scores__willingness__reasons=[
        {"contribution": 0.5, "group": "promises", "feature": "n_promises_90d", "value": 1.0, "kept": 1.0},
        {"contribution": -0.49, "group": "spending", "feature": "purchase_trend_90d", "value": 1.0, "kept": 0.65},
        {"contribution": 0.2, "group": "income_evidence", "feature": "inflow_trend_90d", "value": None, "kept": None},
    ])  # fmt: skip

    first, second, third = said(close, "willingness").splitlines()[1:4]

    assert "against 100% of resampled reference accounts" in first and "Close" not in first
    assert "against 65% of resampled reference accounts" in second and "Close to the reason before" in second
    assert "resampled" not in third and "Close" not in third


def test_what_would_soften_is_told_where_it_was_worked_out():
    would = changed(worked(), softer={"payment_cents": 50_000, "treatment": "reminder"})
    would_not = changed(worked(), softer={"payment_cents": 0, "treatment": None})

    assert said(would, "softer").splitlines()[0] == (
        "Worked out for this account: had CNY 500.00 been paid on 1 May 2025, the treatment would have been: Reminder with a way to pay."
    )
    assert "none of the payments tried" in said(would_not, "softer")
    assert "Worked out" not in said(worked(), "softer") and "Worked out" not in said(
        changed(worked(), softer=None), "softer"
    )


def test_missing_evidence_is_named():
    told = said(
        changed(
            worked(),
            scores__evidence="insufficient_evidence",
            scores__evidence_missing="few_payments,no_visible_inflow",
        ),
        "scores",
    )

    assert "Missing: enough payments in the last year and visible income." in told
