"""How the rank came about: the terms of the priority value, the channel's price, the runner-up, the limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scoring.explanations.facts import PRIOR_FORMULA, Candidate, DecisionFacts
from scoring.explanations.quantities import money, percent, probability_text, ratio
from scoring.explanations.wording import Wording
from scoring.vocabulary import Channel

MOST_GROUPS: Final = 4


def rank_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """What makes the product, the terms of the priority value, then the chosen channel's value, price and place."""
    yield from _product_lines(facts, wording)
    choice, p = facts.choice, float(facts.scores["w_none"])
    recorded = money(choice["priority_value_cents"], facts.currency, wording)
    if choice["priority_formula"] != PRIOR_FORMULA:
        yield wording.say("rank.formula", formula=choice["priority_formula"], value=recorded)
    else:
        yield wording.say("rank.open", p=probability_text(p, wording), open=ratio(p * (1.0 - p), wording))
        yield wording.say(
            "rank.at_stake",
            a=probability_text(facts.ability_share, wording),
            cure=money(facts.scores["cure_amount_cents"], facts.currency, wording),
            at_stake=money(facts.at_stake_cents, facts.currency, wording),
        )
        yield wording.say("rank.priority", formula=choice["priority_formula"], value=recorded)
        if not facts.terms_give_priority:
            yield wording.say("rank.apart", value=money(facts.priority_cents, facts.currency, wording))
    if facts.chosen is not None:
        yield from _net_value(facts, facts.chosen, wording)
    else:
        has_values = any(found.value_cents is not None for found in facts.candidates.values())
        yield wording.say("rank.unranked" if has_values else "rank.no_values")


def _product_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """Willingness x ability beside the reference accounts, and the groups that move it most."""
    product = facts.scores.get("product")
    if product is None:
        return
    yield wording.say("rank.product", value=percent(product["value"]), reference=percent(product["reference"]))
    largest = sorted(product["groups"].items(), key=lambda entry: -abs(entry[1]))[:MOST_GROUPS]
    for group, change in largest:
        yield wording.say("rank.group", group=wording.name("group", group), points=f"{100 * change:+.1f}")
    rest = sum(product["groups"].values()) - sum(change for _, change in largest)
    yield wording.say("rank.others", points=f"{100 * rest:+.1f}")


def _net_value(facts: DecisionFacts, chosen: Candidate, wording: Wording) -> Iterator[str]:
    change = facts.assumed_change(chosen)
    if change is not None and facts.choice["priority_formula"] == PRIOR_FORMULA:
        channel = wording.name("channel", chosen.channel)
        source = facts.body["model"].get("effects", {}).get(chosen.channel, "prior")
        told = wording.say("rank.effect", channel=channel, points=f"{100 * change:+.2f}")
        yield wording.joined([told, wording.name("effect_source", source)])
    if chosen.value_cents is not None:
        cost = money(chosen.cost_cents, facts.currency, wording)
        harm = money(chosen.harm_cents, facts.currency, wording)
        yield wording.say("rank.net", cost=cost, harm=harm, value=money(chosen.value_cents, facts.currency, wording))
    yield wording.say("rank.price", price=money(chosen.price_cents, facts.currency, wording))
    if facts.is_between_plans:
        value = money(_value(chosen) - chosen.price_cents, facts.currency, wording)
        yield wording.say("rank.at_prices", value=value)
    else:
        loss = money(facts.choice.get("loss_cents", 0.0), facts.currency, wording)
        yield wording.say("rank.place", rank=facts.choice["queue_rank"], loss=loss)


def capacity_lines(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """Runner-up, the limit that bound, and every channel with a value, best first; nothing where no channel has one."""
    valued = [found for found in facts.candidates.values() if found.value_cents is not None]
    if not valued:
        return
    yield _runner_up(facts, wording)
    if not facts.is_randomised and not facts.is_between_plans:
        yield from _limits(facts, valued, wording)
    for found in sorted(valued, key=lambda found: -_value(found)):
        yield wording.say(
            "capacity.candidate",
            channel=_capital(wording.name("channel", found.channel)),
            value=money(_value(found), facts.currency, wording),
            cost=money(found.cost_cents, facts.currency, wording),
            price=money(found.price_cents, facts.currency, wording),
        )


def _limits(facts: DecisionFacts, valued: list[Candidate], wording: Wording) -> Iterator[str]:
    """Channels that were worth more than the choice and had no place, and the price of a place where one is known."""
    own = 0.0 if facts.chosen is None else _value(facts.chosen)
    told = facts.choice["runner_up"] if facts.is_contacted else Channel.NONE
    for found in valued:
        if _value(found) > own and found.channel != told:
            value = money(_value(found), facts.currency, wording)
            yield wording.say("capacity.worth", channel=_capital(wording.name("channel", found.channel)), value=value)
    at_stake = [found for found in valued if _value(found) > own or found == facts.chosen]
    full = [found for found in at_stake if found.price_cents > 0]
    for found in full:
        price = money(found.price_cents, facts.currency, wording)
        yield wording.say("capacity.full", channel=wording.name("channel", found.channel), price=price)
    if not full:
        yield wording.say("capacity.not_bound")


def _runner_up(facts: DecisionFacts, wording: Wording) -> str:
    if facts.chosen is None:
        return wording.say("capacity.no_choice")
    if facts.is_randomised:
        return wording.say("capacity.random")
    other = facts.candidates.get(facts.choice["runner_up"])
    if facts.is_between_plans:
        return _runner_up_at_prices(facts, facts.chosen, other, wording)
    if other is None or other.value_cents is None:
        return wording.say("capacity.silence", difference=money(_value(facts.chosen), facts.currency, wording))
    ahead = _value(facts.chosen) - other.value_cents
    return wording.say(
        f"capacity.{'runner_up' if ahead >= 0 else 'preferred'}",
        channel=wording.name("channel", other.channel),
        value=money(other.value_cents, facts.currency, wording),
        difference=money(abs(ahead), facts.currency, wording),
    )


def _runner_up_at_prices(facts: DecisionFacts, chosen: Candidate, other: Candidate | None, wording: Wording) -> str:
    """Between two plans what counts is the net value less the price of a place."""
    ahead = _value(chosen) - chosen.price_cents
    if other is None or other.value_cents is None:
        return wording.say("capacity.alone", difference=money(ahead, facts.currency, wording))
    ahead -= other.value_cents - other.price_cents
    return wording.say(
        "capacity.dearer",
        channel=wording.name("channel", other.channel),
        difference=money(ahead, facts.currency, wording),
    )


def _value(found: Candidate) -> float:
    """The net value of a channel; no contact and a channel that was not considered are worth nothing."""
    return found.value_cents or 0.0


def _capital(name: str) -> str:
    """A name at the start of a sentence."""
    return name[:1].upper() + name[1:]
