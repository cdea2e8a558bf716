"""For the customer: plain and respectful. No score, no estimate, no other customer, no name that only the bank uses.

Where a rule decided, the rule is the reason and the scores are not mentioned. Amounts are left out after a notice of
death, since the reader is somebody else, and while a balance is disputed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scoring.explanations.details import customer_lines
from scoring.explanations.facts import DecisionFacts, Reason
from scoring.explanations.quantities import days, money
from scoring.explanations.sections import Section
from scoring.explanations.wording import Wording
from scoring.vocabulary import Evidence

MOST_GROUPS: Final = 4
_DECEASED: Final = "deceased"
_DISPUTED: Final = "dispute_open"
_OPTIONS: Final = {_DECEASED: ("condolence",), _DISPUTED: ("evidence", "hardship")}
"""What is offered where a standing of the account asks for other words than usual."""
_RIGHTS: Final = ("automated", "review", "explain", "refuse", "no_harm")


def customer_sections(facts: DecisionFacts, wording: Wording) -> tuple[Section, ...]:
    """The sections of the customer's letter; one without lines is left out."""
    told = {
        "situation": _situation(facts, wording),
        "next_step": _next_step(facts, wording),
        "looked_at": _looked_at(facts, wording),
        "options": _options(facts, wording),
        "rights": _rights(facts, wording),
    }
    gathered = {key: tuple(lines) for key, lines in told.items()}
    return tuple(Section(key, wording.heading(key), lines) for key, lines in gathered.items() if lines)


def _situation(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    scores, as_of = facts.scores, wording.day(facts.as_of)
    if facts.choice["reason"] in (_DECEASED, _DISPUTED):
        return
    if scores["dpd"] > 0 and scores["past_due_cents"] > 0:
        past_due = money(scores["past_due_cents"], facts.currency, wording)
        yield wording.say("customer.past_due", as_of=as_of, past_due=past_due, dpd=days(scores["dpd"], wording))
    elif scores["dpd"] == 0:
        yield wording.say("customer.current", as_of=as_of)


def _next_step(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    choice = facts.choice
    if facts.is_contacted:
        channel = wording.name("channel_for_customer", choice["channel"])
        yield wording.joined([channel, wording.name("treatment_for_customer", choice["treatment"])])
    elif choice["reason"]:
        yield wording.name("reason_for_customer", choice["reason"])
    else:
        yield wording.name("channel_for_customer", choice["channel"])
    yield from customer_lines(facts, wording)


def _looked_at(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    if facts.is_decided_by_rule:
        yield wording.say("customer.rule")
        return
    if facts.scores["evidence"] == Evidence.INSUFFICIENT:
        yield wording.say("customer.no_data")
        return
    named = dict.fromkeys(reason.group for reason in _alternating(facts))
    if named:
        yield wording.say("customer.looked_at")
    for group in list(named)[:MOST_GROUPS]:
        yield wording.say("customer.item", group=wording.name("group_for_customer", group))


def _alternating(facts: DecisionFacts) -> Iterator[Reason]:
    """The reasons of both scores, strongest first, one of each in turn."""
    first, second = facts.willingness.reasons, facts.ability.reasons
    for place in range(max(len(first), len(second))):
        yield from (reasons[place] for reasons in (first, second) if place < len(reasons))


def _options(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    offered = _OPTIONS.get(facts.choice["reason"], ("pay", "hardship", "wrong"))
    yield from (wording.say(f"customer.{key}") for key in offered)


def _rights(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    yield from (wording.say(f"customer.{key}") for key in _RIGHTS)
    yield wording.say("customer.reference", decision_id=facts.record.record_id)
