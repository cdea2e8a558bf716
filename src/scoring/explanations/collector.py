"""For the collector: what to do, the amounts, why in a few lines, and what is not said. No scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scoring.explanations.compliance import reference_population
from scoring.explanations.details import offer_lines, timing_lines
from scoring.explanations.facts import DecisionFacts, ScoreFacts
from scoring.explanations.quantities import days, feature_value, money
from scoring.explanations.sections import Section
from scoring.explanations.wording import Wording
from scoring.vocabulary import Evidence

REASONS_EACH: Final = 2
"""Of the four reasons of each score, a collector needs the strongest two."""
NEVER_SAY: Final = ("third", "pressure", "scores", "motive", "promise")


def collector_sections(facts: DecisionFacts, wording: Wording) -> tuple[Section, ...]:
    """The sections of the work sheet; without a contact there is nothing to talk about."""
    told = {"to_do": _to_do(facts, wording)}
    for key, lines in (("when", timing_lines(facts, wording)), ("offer", offer_lines(facts, wording))):
        if gathered := tuple(lines):
            told[key] = iter(gathered)
    if not facts.is_held:
        told["amounts"] = _amounts(facts, wording)
    if facts.is_contacted:
        told["why"] = _why(facts, wording)
        told["talk"] = iter([wording.name("treatment_for_collector", facts.choice["treatment"])])
    told["never_say"] = (wording.say(f"never_say.{key}") for key in NEVER_SAY)
    return tuple(Section(key, wording.heading(key), tuple(lines)) for key, lines in told.items())


def _to_do(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    choice = facts.choice
    if facts.is_contacted:
        yield wording.say(
            f"collector.{'unranked' if facts.is_between_plans else 'contact'}",
            treatment=wording.name("treatment", choice["treatment"]),
            channel=wording.name("channel", choice["channel"]),
            rank=choice["queue_rank"],
        )
        if facts.rules_left_open:
            yield wording.say("collector.review", rules=wording.listed(facts.rules_left_open))
        yield wording.say("collector.permit")
    elif choice["reason"]:
        yield wording.say("collector.silent", reason=wording.name("reason", choice["reason"]))
    else:
        yield wording.say("collector.no_place")
    if facts.is_by_card:
        yield wording.say("collector.by_card")


def _amounts(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    scores, payable = facts.scores, facts.scores["payable_cents"]
    past_due = money(scores["past_due_cents"], facts.currency, wording)
    yield wording.say("collector.past_due", past_due=past_due, dpd=days(scores["dpd"], wording))
    yield wording.say("collector.cure", cure=money(scores["cure_amount_cents"], facts.currency, wording))
    if facts.is_contacted and scores["evidence"] == Evidence.SUFFICIENT:
        amounts = {side: money(payable[side], facts.currency, wording, whole=True) for side in ("low", "mid", "high")}
        yield wording.say("collector.payable", **amounts)


def _why(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    if facts.scores["evidence"] == Evidence.INSUFFICIENT:
        yield wording.say("collector.unknown")
        return
    yield from _reasons(facts, facts.willingness, wording.say("collector.willingness"), wording)
    yield from _reasons(facts, facts.ability, wording.say("collector.ability"), wording)
    yield wording.say("collector.reference", reference=reference_population(facts, wording))


def _reasons(facts: DecisionFacts, score: ScoreFacts, about: str, wording: Wording) -> Iterator[str]:
    for reason in score.reasons[:REASONS_EACH]:
        yield wording.say(
            f"collector.{'higher' if reason.contribution > 0 else 'lower'}",
            group=wording.name("group", reason.group),
            score=about,
            feature=wording.name("feature", reason.feature),
            value=feature_value(reason.feature, reason.value, facts.currency, wording),
        )
