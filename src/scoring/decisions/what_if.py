"""What if: the value of other capacities and other rules, computed beside the plan and never made one.

Each question solves the day again with one thing changed: a channel's capacity, agents' minutes, a rule of the contact policy lifted, or
another policy. Values are what the optimiser reaches when the whole capacity is shared out by value, so no reserve is kept for drawn
actions; whoever has waited too long is who it is in the plan, so that more capacity is never worth less. What a lifted rule would
permit is never decided, recorded or queued: it is the price of the rule, and the price is told so that people can weigh it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.allotment import Allotted, allot, goes_first
from scoring.decisions.assignment import NOBODY
from scoring.decisions.capacity import Capacity
from scoring.decisions.day_limits import CALL
from scoring.decisions.lawfulness import DECIDED_BY_A_PERSON, Lawfulness
from scoring.decisions.on_file import OnFile
from scoring.decisions.strategy import Strategy, house_strategy
from scoring.decisions.timing import Timing
from scoring.decisions.weighing import WeighedDay, weigh_day
from scoring.errors import PolicyError
from scoring.policy.truth import Outcome, Truth
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel

FACTORS: Final = (0.5, 0.75, 1.25, 1.5, 2.0)
MINUTE_FACTORS: Final = (0.0, 0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)
HOUR: Final = 60.0
AS_IT_IS, CAPACITY, MINUTES, ONE_MORE_HOUR, RULE, POLICY = (
    "as_it_is",
    "capacity",
    "agent_minutes",
    "one_more_agent_hour",
    "rule_lifted",
    "other_policy",
)
_PERSON: Final = np.array([channel in DECIDED_BY_A_PERSON for channel in CONTACT_CHANNELS])

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """The day that questions are asked about: what `scoring.decisions.plan.decide` is given."""

    scores: Scores
    definition: TargetDefinition
    capacity: Mapping[Channel, Capacity]
    lawful: Lawfulness | None = None
    events: AccountEvents | None = None
    when: Timing | None = None
    facts: OnFile | None = None
    strategy: Strategy | None = None

    def weighed(self, lawful: Lawfulness | None) -> WeighedDay:
        """The day under some answer of the contact policy."""
        return weigh_day(
            self.scores, self.definition, lawful=lawful, events=self.events, strategy=self.strategy, when=self.when,
            facts=self.facts,
        )  # fmt: skip


def what_if(
    asked: Asked,
    *,
    rules: Sequence[str] | None = None,
    others: Mapping[str, Lawfulness] | None = None,
) -> pd.DataFrame:
    """Ask what other capacities and rules would be worth.

    Parameters
    ----------
    asked : Asked
    rules : sequence of str, optional
        Rules to price; by default every rule that closes anything for anybody.
    others : mapping of str to Lawfulness, optional
        The same accounts judged by other policies, by name.

    Returns
    -------
    DataFrame, one row a question
        ``kind`` (one of this module's), ``what`` (channel, rule or policy), ``factor`` of the capacity, ``offered`` (contacts or
        minutes), ``value_cents``, ``change_cents`` against the day as it is, ``contacts``, ``contacts_change`` (below 0: contacts
        avoided), ``agent_minutes``, ``bound_cents``, ``price_cents`` (by the optimiser's dual prices: of one more contact of the
        channel, or of an agent hour), ``n_closed`` (accounts for which the rule closes a channel), ``n_forbidden`` (contacts of the
        lifted day that the rule forbids).

    Raises
    ------
    PolicyError
        ``bad_policy``: a rule that the contact policy does not have, or no contact policy at all.

    Examples
    --------
    Laws in ``tests/decisions/test_what_if.py``.
    """
    strategy = asked.strategy or house_strategy()
    day = asked.weighed(asked.lawful)
    first = goes_first(day, asked.capacity, strategy)

    def answer(capacity: Mapping[Channel, Capacity], weighed: WeighedDay = day) -> Allotted:
        return allot(weighed, capacity, strategy, first & np.isfinite(weighed.weighed.values).any(axis=1), asked.facts)

    now = answer(asked.capacity)
    rows = [_row(day, now, now, kind=AS_IT_IS, factor=1.0, price_cents=HOUR * _minute_price(now))]
    for kind, channel, factor, capacity in _capacities(asked.capacity, now):
        offered, price = _offered(capacity[channel]), _price(now, channel, kind)
        given = {"kind": kind, "what": str(channel), "factor": factor, "offered": offered, "price_cents": price}
        rows.append(_row(day, answer(capacity), now, **given))
    for rule in _rules(asked.lawful, rules):
        assert asked.lawful is not None
        lifted = without_rule(asked.lawful, rule)
        free = asked.weighed(lifted)
        found = answer(asked.capacity, free)
        given = {"kind": RULE, "what": rule, **_of_rule(asked.lawful, lifted, found)}
        rows.append(_row(free, found, now, **given))
    for name, lawful in (others or {}).items():
        other = asked.weighed(lawful)
        rows.append(_row(other, answer(asked.capacity, other), now, kind=POLICY, what=name))
    return pd.DataFrame(rows)


def without_rule(lawful: Lawfulness, rule_id: str) -> Lawfulness:
    """What would be open if a rule were not there; every other rule stands. For a price, never for a decision.

    Raises
    ------
    PolicyError
        ``bad_policy``: there is no such rule.
    """
    own = np.array([name == rule_id for name in lawful.rule_ids], dtype=bool)
    if not own.any():
        known = sorted(set(lawful.rule_ids))
        raise PolicyError(
            f"The contact policy has no rule {rule_id!r}. Rules: {', '.join(known)}.",
            field="rule",
            got=rule_id,
            expected=known,
        )
    worst = lawful.tables[:, ~own].max(axis=1, initial=Outcome.NOT_APPLICABLE)[lawful.which]
    asks = (worst == Outcome.REVIEW) | (worst == Outcome.UNKNOWN)
    under_review = asks & _PERSON
    is_open = ((worst <= Outcome.PASS) | under_review) & (lawful.reachable != Truth.FALSE)
    return replace(lawful, open=is_open, under_review=under_review)


def _rules(lawful: Lawfulness | None, named: Sequence[str] | None) -> list[str]:
    """The rules to price: those named, or all that close anything."""
    if lawful is None:
        if named:
            raise PolicyError(
                "No contact policy applies to this portfolio, so no rule has a price. Name a profile with --policy.",
                field="rule",
                got=list(named),
            )
        return []
    if named is not None:
        return list(dict.fromkeys(named))
    closing = np.atleast_1d((lawful.tables[np.unique(lawful.which)] >= Outcome.UNKNOWN).any(axis=(0, 2)))
    return list(dict.fromkeys(name for name, closes in zip(lawful.rule_ids, closing, strict=True) if closes))


def _of_rule(lawful: Lawfulness, lifted: Lawfulness, found: Allotted) -> dict[str, Any]:
    """Accounts for which a rule alone closes a channel, and contacts that it forbids of those that would be made without it."""
    closed = lifted.open & ~lawful.open
    chosen = found.planned.chosen
    rows = np.flatnonzero(chosen != NOBODY)
    return {"n_closed": int(closed.any(axis=1).sum()), "n_forbidden": int(closed[rows, chosen[rows]].sum())}


def _capacities(
    capacity: Mapping[Channel, Capacity], now: Allotted
) -> Iterator[tuple[str, Channel, float, dict[Channel, Capacity]]]:
    """Every limited channel at the factors, agents' minutes at more of them, and one more agent hour."""
    for channel, limit in capacity.items():
        if (limit.contacts or limit.whole().contacts) and channel != Channel.AGENT_CALL:
            for factor in FACTORS:
                yield CAPACITY, channel, factor, {**capacity, channel: scaled(limit, factor)}
    call = capacity[Channel.AGENT_CALL]
    if call.contacts and call.whole().minutes is None:
        for factor in FACTORS:
            yield CAPACITY, Channel.AGENT_CALL, factor, {**capacity, Channel.AGENT_CALL: scaled(call, factor)}
    offered = call.whole().minutes
    if offered:
        for factor in MINUTE_FACTORS:
            yield MINUTES, Channel.AGENT_CALL, factor, {**capacity, Channel.AGENT_CALL: scaled(call, factor)}
        factor = 1.0 + HOUR / offered
        yield ONE_MORE_HOUR, Channel.AGENT_CALL, factor, {**capacity, Channel.AGENT_CALL: scaled(call, factor)}


def scaled(limit: Capacity, factor: float) -> Capacity:
    """A capacity multiplied; contacts stay whole, rounded down, and keep one where there was any.

    Examples
    --------
    >>> scaled(Capacity(contacts=5, minutes=60.0), 0.5)
    Capacity(contacts=2, minutes=30.0, slots=(), regions=None)
    """

    def whole(count: int) -> int:
        return int(np.floor(count * factor + 1e-9))

    return Capacity(
        None if limit.contacts is None else whole(limit.contacts),
        None if limit.minutes is None else limit.minutes * factor,
        tuple(replace(slot, minutes=slot.minutes * factor) for slot in limit.slots),
        None if limit.regions is None else tuple((region, whole(count)) for region, count in limit.regions),
    )


def _offered(limit: Capacity) -> float | None:
    whole = limit.whole()
    return whole.minutes if whole.minutes is not None else whole.contacts


def _minute_price(found: Allotted) -> float:
    return float(found.channel_prices()[1][Channel.AGENT_CALL] + found.day.mean_prices(found.by_option)[0])


def _price(found: Allotted, channel: Channel, kind: str) -> float:
    if kind in (MINUTES, ONE_MORE_HOUR):
        return HOUR * _minute_price(found)
    visits = found.day.mean_prices(found.by_option)[1] if channel == Channel.FIELD_VISIT else 0.0
    return float(found.channel_prices()[0][channel] + visits)


def _row(day: WeighedDay, found: Allotted, now: Allotted, **given: Any) -> dict[str, Any]:
    chosen, before = found.planned.chosen, now.planned.chosen
    contacts = int((chosen != NOBODY).sum())
    calls = chosen == CALL
    return {
        "kind": "", "what": "", "factor": None, "offered": None, **given,
        "value_cents": found.planned.value,
        "change_cents": found.planned.value - now.planned.value,
        "bound_cents": found.planned.bound,
        "contacts": contacts,
        "contacts_change": contacts - int((before != NOBODY).sum()),
        "agent_minutes": float(day.worth.minutes[calls, CALL].sum()),
    }  # fmt: skip
