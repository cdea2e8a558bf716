"""One plan for all accounts: guards, then value, then capacity, then chance, then an order per channel.

The value of a channel for an account is gain less cost less harm (`scoring.decisions.channel_worth`); `none` is always there at
value 0. The optimiser gives each account at most one channel so that the sum of values is as large as capacities allow, at prices
that also decide between plans. Then a share of accounts is drawn inside the lawful set. Everything is by column, ties fall to the
smaller account id, and the same input gives the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.allotment import allot, goes_first
from scoring.decisions.assignment import NOBODY, Assignment, Floats, Places, Resource, at_prices, worth
from scoring.decisions.capacity import REGIONAL, SLOTTED, Capacity, contacts_by_channel
from scoring.decisions.channel_worth import ChannelWorth, harm_table
from scoring.decisions.day_limits import CALL
from scoring.decisions.decided import Weighed, decision_columns, decision_ids
from scoring.decisions.exploration import Bools, draw
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.on_file import OnFile
from scoring.decisions.ordering import losses, ranks
from scoring.decisions.payday import Waiting
from scoring.decisions.strategy import Strategy, house_strategy
from scoring.decisions.timing import Timing
from scoring.decisions.weighing import weigh_day
from scoring.resources import reference_version
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel, Segment, Treatment

RULE: Final = "P(1-P) x A x D"
UNABLE: Final = (str(Segment.WILLING_UNABLE), str(Segment.UNWILLING_UNABLE))


@dataclass(frozen=True)
class Plan:
    """Decisions of one as-of day, in the order of the scores.

    Attributes
    ----------
    decisions : DataFrame, one row per account
        The columns of ``decisions.parquet``: ``decision_id``, ``account_id``, ``as_of``, ``channel``, ``treatment``, ``rank``
        (from 1 inside its channel, 0 for ``none``), ``priority_value_cents``, ``loss_cents`` (what would be lost if the contact
        were not made), ``waited_days`` (-1: not known), ``runner_up_channel``, ``propensity``, ``explored``, ``holdout``;
        ``needs_review``, where a person decides first; ``reason``, why nothing is done.
    values : array (n_accounts, n_channels)
        Net value of each contact channel in minor units; ``-inf`` where it is not possible.
    worth : ChannelWorth
        Gain, cost, harm and minutes behind the values.
    places : dict of channel to int or None
        Contacts offered; 0 for a closed channel, None where minutes or nothing limits it.
    prices, minute_prices : dict of channel to float
        Value of one more contact, and of one more minute, minor units.
    resources : tuple of Resource
        The limits and floors, reserve for drawn actions included.
    assignment : Assignment
        The optimiser's answer, before chance.
    strategy : Strategy
    waiting : Waiting or None
        Who waits for the usual payment day; None where no timing was known.
    slots : array (n_accounts,) of str, or None
        Slot of each agent's call, empty without one; None where the day has no slots.
    local_prices : array (n_accounts, n_channels), or None
        What the account's slot and region add to the price of a place.
    mean_prices : (float, float)
        Mean price of an agent's minute over the slots, and of a visit over the regions.
    """

    decisions: pd.DataFrame
    values: Floats
    worth: ChannelWorth
    places: dict[Channel, int | None]
    prices: dict[Channel, float]
    minute_prices: dict[Channel, float]
    resources: tuple[Resource, ...]
    assignment: Assignment
    strategy: Strategy
    waiting: Waiting | None = None
    slots: npt.NDArray[np.object_] | None = None
    local_prices: Floats | None = None
    mean_prices: tuple[float, float] = (0.0, 0.0)

    @property
    def value_cents(self) -> float:
        """Value of the plan, before chance changes some of it."""
        return self.assignment.value

    @property
    def bound_cents(self) -> float:
        """What no plan under these capacities, less the reserve for chance, can exceed."""
        return self.assignment.bound

    @property
    def gap(self) -> float:
        """How far the plan may be below the best possible, as a share of the bound."""
        return self.assignment.gap

    def used(self) -> dict[Channel, int]:
        """Contacts used per channel."""
        counts = self.decisions["channel"].value_counts()
        return {channel: int(counts.get(str(channel), 0)) for channel in CONTACT_CHANNELS}

    def named_by(self, run_id: str, refs: Callable[[Sequence[str]], Sequence[str]]) -> Plan:
        """The same plan, its decision ids made from references instead of account ids.

        Run ids are no secret, so an id made from an account's own id could be worked out for any account, and would lead back to a
        person whose reference was destroyed. A reference is random: its ids lead no further than the record that states both.
        """
        accounts = self.decisions["account_id"].tolist()
        ids = decision_ids(run_id, np.array(refs(accounts), dtype=object))
        return replace(self, decisions=self.decisions.assign(decision_id=ids))

    def price_of_contact(self, rows: slice = slice(None)) -> Floats:
        """What a place in each channel costs each account: its contact and its expected minutes."""
        contact = np.array([self.prices[channel] for channel in CONTACT_CHANNELS])
        minute = np.array([self.minute_prices[channel] for channel in CONTACT_CHANNELS])
        local = 0.0 if self.local_prices is None else self.local_prices[rows]
        return np.asarray(contact + minute * self.worth.minutes[rows] + local)


def priority_base(scores: pd.DataFrame) -> Floats:
    """P(1-P) x A x D in minor units: where a contact can change most money, before channel effects.

    Examples
    --------
    >>> seen = pd.DataFrame({"w_none": [0.5], "ability": [0.5], "cure_amount_cents": [1000]})
    >>> priority_base(seen).tolist()
    [125.0]
    """
    p, ability, owed = (
        np.asarray(scores[name], dtype=np.float64) for name in ("w_none", "ability", "cure_amount_cents")
    )
    return np.asarray(p * (1.0 - p) * ability * owed)


def decide(
    scores: Scores,
    definition: TargetDefinition,
    capacity: Mapping[Channel, Capacity],
    *,
    run_id: str,
    lawful: Lawfulness | None = None,
    events: AccountEvents | None = None,
    strategy: Strategy | None = None,
    when: Timing | None = None,
    facts: OnFile | None = None,
) -> Plan:
    """Decide for every scored account.

    Parameters
    ----------
    scores : Scores
    definition : TargetDefinition
        Materiality and holds decide who may be worked at all.
    capacity : mapping of channel to Capacity
    run_id : str
        Makes decision ids: the same run gives the same ids.
    lawful : Lawfulness, optional
        What the contact policy leaves open; a channel it blocks is never chosen.
    events : AccountEvents, optional
        Of the same accounts in the same order: the flags of those who are protected or supported.
    strategy : Strategy, optional
        Default: the one of ``data/reference/strategy.toml``.
    when : Timing, optional
        Of the same accounts in the same order: holds, cadence, usual payment days.
    facts : OnFile, optional
        Of the same accounts in the same order: slots that fit, regions, and visits and steps at law that a person approved; without it
        none of these is possible.

    Returns
    -------
    Plan
    """
    strategy = strategy or house_strategy()
    ids = scores.table["account_id"].to_numpy(dtype=object)
    morning = weigh_day(scores, definition, lawful=lawful, events=events, strategy=strategy, when=when, facts=facts)
    weighed, worth_of, standing = morning.weighed, morning.worth, morning.standing
    first = goes_first(morning, capacity, strategy)
    number = scores.frame.as_of.toordinal()
    allotted = allot(morning, capacity, strategy, first, facts, reserve=strategy.exploration_share, number=number)
    day, by_option, planned = allotted.day, allotted.by_option, allotted.planned
    limits = allotted.limits()
    allowed = _allowed(weighed, scores, standing.supported, strategy)
    allowed[:, : len(CONTACT_CHANNELS)] &= day.possible()
    drawn = draw(
        planned.chosen,
        allowed,
        (weighed.idle_reasons == "") & ~standing.protected & ~first,
        ids,
        scores.frame.positions["customer_id"].to_numpy(dtype=object),
        limits,
        strategy,
        number,
    )
    weighed = _referred(weighed, drawn.chosen)
    left = day.by_channel(at_prices(day.by_option(weighed.values), allotted.priced(), planned.prices))
    loss = losses(weighed.values, left, drawn.chosen)
    decisions = pd.DataFrame(
        decision_columns(
            scores,
            weighed,
            drawn,
            run_id,
            priority=priority_base(scores.table),
            loss=np.where(np.isfinite(loss), loss, 0.0),
            ranks=ranks(np.where(np.isfinite(loss), loss, -np.inf), first, drawn.chosen, ids),
            waited=morning.waited,
            runner_up_by=weighed.values,
        )
    )
    contact, minute = allotted.channel_prices()
    names = np.array([*(slot.name for slot in day.slots), ""], dtype=object)
    return Plan(
        decisions,
        weighed.values,
        worth_of,
        contacts_by_channel(capacity),
        contact,
        minute,
        (*limits, *allotted.floor),
        planned,
        strategy,
        morning.waiting,
        np.where(drawn.chosen == CALL, names[allotted.slot_of], "").astype(object) if day.slots else None,
        day.local_prices(by_option, allotted.slot_of) if day.slots or day.regions else None,
        day.mean_prices(by_option),
    )


def _referred(weighed: Weighed, chosen: Places) -> Weighed:
    """A step at law is its own treatment, whatever the matrix said."""
    is_legal = chosen == CONTACT_CHANNELS.index(Channel.LEGAL_REFERRAL)
    return replace(weighed, treatments=np.where(is_legal, str(Treatment.LEGAL_REVIEW), weighed.treatments))


def _allowed(weighed: Weighed, scores: Scores, supported: Bools, strategy: Strategy) -> Bools:
    """What chance may deal each account: lawful channels that a person need not decide, no pressure on those who are supported.

    Supported are customers with an open flag that says so, and accounts expected to be unable to pay.
    """
    may_deal = np.array([c in strategy.explored and c not in HUMAN_ONLY_CHANNELS for c in CONTACT_CHANNELS])
    presses = np.array([channel in strategy.pressure for channel in CONTACT_CHANNELS])
    supported = supported | np.isin(scores.table["segment"].to_numpy(dtype=object).astype(str), UNABLE)
    channels = weighed.lawful & may_deal & ~(supported[:, None] & presses)
    return np.concatenate([channels, np.ones((len(channels), 1), dtype=bool)], axis=1)


def value_after_chance(plan: Plan) -> float:
    """Value of what is really decided, drawn actions included, minor units; what was not suitable counts with its net value."""
    return float(worth(plan.worth.net(), _decided(plan)).sum())


def _decided(plan: Plan) -> Places:
    """Channel of each decision, `NOBODY` for none."""
    code = {str(channel): place for place, channel in enumerate(CONTACT_CHANNELS)}
    return np.asarray(plan.decisions["channel"].map(code).fillna(NOBODY).to_numpy(), dtype=np.int64)


def strategy_versions(strategy: Strategy | None = None) -> dict[str, str]:
    """Hashes of the strategy (by default the house's), the harm table and the effects table: whatever changes them makes another run.

    >>> sorted(strategy_versions())
    ['channel_effects', 'harm', 'strategy']
    """
    return {
        "channel_effects": reference_version("channel_effects"),
        "harm": harm_table().version,
        "strategy": (strategy or house_strategy()).version,
    }


def plan_summary(plan: Plan) -> dict[str, Any]:
    """Capacities used and offered, prices, value, bound, gap, chance and strategy: the plan's part of ``plan.json``."""
    used, decisions = plan.used(), plan.decisions
    return {
        "rule": RULE,
        "n_accounts": len(decisions),
        "capacities": {str(c): {"offered": plan.places[c], "used": used[c]} for c in CONTACT_CHANNELS},
        "resources": _resource_facts(plan),
        "prices_cents": {
            str(c): plan.prices[c] + (plan.mean_prices[1] if c == REGIONAL else 0.0) for c in CONTACT_CHANNELS
        },
        "minute_prices_cents": {
            str(c): plan.minute_prices[c] + (plan.mean_prices[0] if c == SLOTTED else 0.0) for c in CONTACT_CHANNELS
        },
        "value_cents": plan.value_cents,
        "bound_cents": plan.bound_cents,
        "gap": plan.gap,
        "value_after_chance_cents": value_after_chance(plan),
        "n_explored": int(decisions["explored"].sum()),
        "n_holdout": int(decisions["holdout"].sum()),
        "strategy": plan.strategy.facts(),
        "harm": {"sha256": harm_table().version},
        "treatments": {str(k): int(v) for k, v in decisions["treatment"].value_counts().items()},
    }


def _resource_facts(plan: Plan) -> list[dict[str, Any]]:
    """Each limit or floor: offered, used after chance, and its price."""
    chosen, facts = _decided(plan), []
    for resource, price in zip(plan.resources, plan.assignment.prices, strict=True):
        used = sum(
            float(np.broadcast_to(np.asarray(use), chosen.shape)[chosen == option].sum())
            for option, use in resource.uses.items()
        )
        facts.append(
            {
                "name": resource.name,
                "most": resource.most,
                "least": resource.least,
                "used": round(used, 2),
                "price_cents": round(float(price), 4),
            }
        )
    return facts
