"""The pictures of a decision: a waterfall per score, one for the product, and the path from value to rank.

Drawn from the record alone, like every line of the explanation; each picture carries its text equivalent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoring.explanations.facts import PRIOR_FORMULA, DecisionFacts, ScoreFacts
from scoring.explanations.quantities import money, probability_text, ratio, signed
from scoring.explanations.svg import Step, Total, path, waterfall
from scoring.explanations.wording import Wording


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of an explanation: the section it belongs to, and its SVG."""

    section: str
    svg: str


def pictures(facts: DecisionFacts, wording: Wording) -> tuple[Picture, ...]:
    """The pictures for compliance, in reading order; none where a rule decided without any score."""
    if facts.is_decided_by_rule:
        return ()
    drawn = [
        Picture("willingness", _score("willingness", facts.willingness, wording)),
        Picture("ability", _score("ability", facts.ability, wording)),
    ]
    product = facts.scores.get("product")
    if product is not None:
        drawn.append(Picture("rank", _product(product, wording)))
    drawn.append(Picture("rank", _path(facts, wording)))
    return tuple(drawn)


def _score(name: str, score: ScoreFacts, wording: Wording) -> str:
    ordered = sorted(score.groups.items(), key=lambda entry: -abs(entry[1]))
    return waterfall(
        name,
        wording.say("picture.score", score=wording.heading(name)),
        Total(wording.say("picture.reference"), score.expected_margin, signed(score.expected_margin)),
        [Step(wording.name("group", group), change, signed(change)) for group, change in ordered],
        Total(wording.say("picture.account"), score.margin, signed(score.margin)),
        wording.say("picture.log_odds"),
    )


def _product(product: Mapping[str, Any], wording: Wording) -> str:
    ordered = sorted(product["groups"].items(), key=lambda entry: -abs(entry[1]))
    points = "{:+.1f}".format
    return waterfall(
        "product",
        wording.say("picture.product"),
        Total(wording.say("picture.sample"), 100 * product["reference"], f"{100 * product['reference']:.1f}"),
        [Step(wording.name("group", group), 100 * change, points(100 * change)) for group, change in ordered],
        Total(wording.say("picture.account"), 100 * product["value"], f"{100 * product['value']:.1f}"),
        wording.say("picture.share"),
    )


def _path(facts: DecisionFacts, wording: Wording) -> str:
    p, currency = float(facts.scores["w_none"]), facts.currency
    boxes = [(wording.say("picture.p"), probability_text(p, wording))]
    if facts.choice["priority_formula"] == PRIOR_FORMULA:
        boxes.append((wording.say("picture.open"), ratio(p * (1.0 - p), wording)))
    boxes += [
        (wording.say("picture.ability"), probability_text(facts.ability_share, wording)),
        (wording.say("picture.cure"), money(facts.scores["cure_amount_cents"], currency, wording)),
        (wording.say("picture.priority"), money(facts.choice["priority_value_cents"], currency, wording)),
    ]
    chosen = facts.chosen
    if chosen is not None and chosen.value_cents is not None:
        boxes += [
            (
                wording.say("picture.net", channel=wording.name("channel", chosen.channel)),
                money(chosen.value_cents, currency, wording),
            ),
            (wording.say("picture.price"), money(chosen.price_cents, currency, wording)),
        ]
    if not facts.is_between_plans and facts.is_contacted:
        boxes.append((wording.say("picture.place"), str(facts.choice["queue_rank"])))
    return path("path", wording.say("picture.path"), boxes)
