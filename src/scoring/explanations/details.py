"""Timing, plan terms, questions and files of a decision, in words; nothing where a record states none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from scoring.explanations.facts import DecisionFacts
from scoring.explanations.quantities import money, percent
from scoring.explanations.wording import Wording

_WITHOUT_TERMS: Final = "beyond_means"


def _details(facts: DecisionFacts) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = facts.body.get("details")
    return found


def timing_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """When to contact, what holds contacts back, and when the account is looked at again."""
    details = _details(facts)
    if details is None:
        return
    timing = details["timing"]
    contact_on = timing["contact_on"]
    if timing["wait_days"] is not None and contact_on is not None:
        yield wording.say("timing.waits", usual=timing["usual_payment_day"], day=_day(contact_on, wording))
        yield wording.say("timing.gain", gain=money(timing["wait_gain_cents"], facts.currency, wording))
    elif contact_on is not None and timing["from_hour"] is not None:
        yield wording.say(
            "timing.hours",
            day=_day(contact_on, wording),
            first=f"{timing['from_hour']:02d}:00",
            last=f"{timing['until_hour']:02d}:00",
            basis=wording.name("hours_basis", timing["hours_basis"]),
        )
    elif contact_on is not None:
        yield wording.say("timing.day", day=_day(contact_on, wording))
    if timing["held_until"] is not None:
        yield wording.say("timing.held", day=_day(timing["held_until"], wording))
    yield wording.say("timing.review", day=_day(timing["next_review_on"], wording))


def offer_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """Terms to be approved by a person, topics to ask about, contact data to repair."""
    details = _details(facts)
    if details is None:
        return
    offer = details["plan"]["offer"]
    if offer is not None:
        yield from _offer(offer, facts.currency, wording)
    if facts.is_contacted and details["ask_about"]:
        topics = wording.listed([wording.name("question", topic) for topic in details["ask_about"]])
        yield wording.say("offer.ask", topics=topics)
    if details["repair"]:
        steps = wording.listed([wording.name("repair", step) for step in details["repair"]])
        yield wording.say("offer.repair", steps=steps)


def _offer(offer: Mapping[str, Any], currency: str, wording: Wording) -> Iterator[str]:
    if offer["kind"] == _WITHOUT_TERMS:
        yield wording.say("offer.beyond_means")
        return
    amounts = {
        name: money(offer[f"{name}_cents"], currency, wording) for name in ("instalment", "last_instalment", "waiver")
    }
    if offer["kind"] == "deferral":
        yield wording.say("offer.deferral", amount=amounts["instalment"], months=offer["deferral_months"])
    else:
        yield wording.say(
            "offer.instalments", n=offer["instalments"], amount=amounts["instalment"], last=amounts["last_instalment"]
        )
    if offer["waiver_cents"]:
        yield wording.say("offer.waiver", amount=amounts["waiver"])
    yield wording.say("offer.approval")


def file_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """For the reviewer: cost of an offer, art. 70 tests, pause with its evidence, and what a legal review still lacks."""
    details = _details(facts)
    if details is None:
        return
    offer, art_70, grace, legal = (
        details["plan"]["offer"], details["plan"]["art_70"], details["grace"], details["legal_review"],
    )  # fmt: skip
    yield wording.say("file.plan", state=wording.name("plan_state", details["plan"]["state"]))
    if offer is not None and offer["cost_cents"]:
        yield wording.say("file.cost", cost=money(offer["cost_cents"], facts.currency, wording))
    if art_70 is not None:
        yield wording.say("file.art_70", state=wording.name("plan_eligibility", art_70["state"]))
        for outcome in ("true", "false", "unknown"):
            named = [wording.name("art_70_test", test) for test, said in art_70["tests"].items() if said == outcome]
            if named:
                yield wording.say(f"file.{outcome}", tests=wording.listed(named))
    if grace is not None:
        kind = wording.name("circumstance", grace["circumstance"])
        yield wording.say("file.grace", kind=kind, day=_day(grace["expires_on"], wording))
    if legal is not None:
        yield wording.say("file.legal", share=percent(legal["completeness"]))
        lacking = [wording.name("legal_item", item) for item, said in legal["evidence"].items() if said != "true"]
        if lacking:
            yield wording.say("file.lacking", items=wording.listed(lacking))


def customer_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """For the customer: the day of the contact, or the end of a pause. No terms: nothing is approved yet."""
    details = _details(facts)
    if details is None:
        return
    if details["grace"] is not None and details["timing"]["hold"] == "grace_hold":
        yield wording.say("customer.pause", day=_day(details["grace"]["expires_on"], wording))
    elif facts.is_contacted and details["timing"]["contact_on"] is not None:
        yield wording.say("customer.contact_day", day=_day(details["timing"]["contact_on"], wording))


def _day(text: str, wording: Wording) -> str:
    return wording.day(date.fromisoformat(text))
