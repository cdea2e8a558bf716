"""Capacity shared out: one option for each account, so that the sum of values is as large as the day's limits allow.

Also asked by questions of what if (`scoring.decisions.what_if`), which never become a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from scoring.decisions.assignment import Assignment, Floats, Places, Resource
from scoring.decisions.capacity import Capacity, less_reserve
from scoring.decisions.day_limits import DayLimits, better, day_limits, whole_day
from scoring.decisions.exploration import Bools
from scoring.decisions.on_file import OnFile
from scoring.decisions.optimiser import solve
from scoring.decisions.ordering import waited_too_long
from scoring.decisions.strategy import Strategy
from scoring.decisions.weighing import WeighedDay
from scoring.vocabulary import CONTACT_CHANNELS, Channel

SUPPORT: Final = "support contacts"
"""The floor of contacts with supported customers, as a resource."""


@dataclass(frozen=True)
class Allotted:
    """Who gets what, before chance.

    Attributes
    ----------
    day : DayLimits
    floor : tuple of Resource
        Floors by channel.
    by_option : Assignment
        The optimiser's answer: channels, then slots.
    planned : Assignment
        The same by channel.
    slot_of : array (n_accounts,) of int
    """

    day: DayLimits
    floor: tuple[Resource, ...]
    by_option: Assignment
    planned: Assignment
    slot_of: Places

    def limits(self) -> list[Resource]:
        """The whole limits by channel."""
        return self.day.limits_by_channel(self.slot_of)

    def priced(self) -> list[Resource]:
        """Limits and floors by option, in the order of the prices."""
        return [*self.day.limits, *map(self.day.spread, self.floor)]

    def channel_prices(self) -> tuple[dict[Channel, float], dict[Channel, float]]:
        """Prices of a contact and of a minute of each channel; 0 where it is not limited so."""
        return _channel_prices(self.limits(), self.planned.prices)


def allot(
    morning: WeighedDay,
    capacity: Mapping[Channel, Capacity],
    strategy: Strategy,
    first: Bools,
    facts: OnFile | None = None,
    *,
    reserve: float = 0.0,
    number: int = 0,
) -> Allotted:
    """Share out the capacity of a day.

    Parameters
    ----------
    first : array (n_accounts,) of bool
        Who goes first; see `goes_first`.
    reserve : float
        Share of every limit that is kept back for chance.
    number : int
        A number for the day.
    """
    values, ids = morning.weighed.values, morning.account_ids
    day = day_limits(capacity, morning.worth.minutes, facts)
    floor = _support_floor(values, morning.standing.supported, strategy)
    reserved = less_reserve(day.limits, reserve, number)
    given, joint = [*reserved, *map(day.spread, floor)], day.joint(reserved)
    by_option = _planned(day.by_option(values), given, first, ids)
    if joint:
        together = _planned(day.by_option(values), [*given, *joint], first, ids)
        by_option = better(by_option, day.folded(together, given, joint))
    return Allotted(day, tuple(floor), by_option, day.told(by_option), day.slot_of(by_option))


def goes_first(morning: WeighedDay, capacity: Mapping[Channel, Capacity], strategy: Strategy) -> Bools:
    """Who has waited too long and goes first, as far as the day's limited contacts allow."""
    places = _limited_contacts(whole_day(capacity, morning.worth.minutes))
    return waited_too_long(morning.waited, morning.weighed.values, morning.account_ids, strategy, places)


def _planned(values: Floats, resources: Sequence[Resource], first: Bools, ids: npt.NDArray[np.object_]) -> Assignment:
    """Solve in the order of account ids, so that ties do not depend on how accounts are listed.

    Leaving out somebody who has waited too long counts as a loss larger than any value; a contact that is not worth its cost
    is not made for the sake of the wait.
    """
    by_id = np.argsort(ids, kind="stable")
    worth_it = np.where(first[:, None] & (values <= 0), -np.inf, values)
    for floor in (resource for resource in resources if resource.least > 0):
        # A floor is not met through a channel that is closed, so no price needs to say so.
        closed = np.array(
            [o for r in resources if r.most == 0 for o, use in r.uses.items() if np.ndim(use) == 0], dtype=np.int64
        )
        worth_it[np.ix_(np.flatnonzero(np.asarray(next(iter(floor.uses.values()))) > 0), closed)] = -np.inf
    worth_it = worth_it[by_id]
    largest = float(values[np.isfinite(values)].max(initial=0.0))
    found = solve(
        worth_it,
        [_listed(resource, by_id) for resource in resources],
        nothing=np.where(first[by_id], -largest, 0.0),
    )
    chosen = np.empty_like(found.chosen)
    chosen[by_id] = found.chosen
    return Assignment(chosen, found.prices, found.used, found.value, found.bound)


def _listed(resource: Resource, order: Places) -> Resource:
    uses = {option: use if np.ndim(use) == 0 else np.asarray(use)[order] for option, use in resource.uses.items()}
    return Resource(resource.name, uses, resource.most, resource.least)


def _limited_contacts(limits: Sequence[Resource]) -> float:
    """Contacts that all limited channels together have: by minutes, as many as the mean account takes."""
    sizes: dict[int, float] = {}
    for resource in limits:
        for option, use in resource.uses.items():
            places = float(resource.most or 0.0) / max(float(np.mean(use)) if np.size(use) else 1.0, 1e-9)
            sizes[option] = min(sizes.get(option, np.inf), places)
    return sum(sizes.values()) if sizes else float("inf")


def _support_floor(values: Floats, supported: Bools, strategy: Strategy) -> list[Resource]:
    """At least a share of the supported who may be contacted are, whatever others are worth; by any channel."""
    reachable = supported & np.isfinite(values).any(axis=1) if len(values) else supported
    least = float(np.ceil(strategy.support_share * reachable.sum()))
    if not least:
        return []
    counted = reachable.astype(np.float64)
    return [Resource(SUPPORT, dict.fromkeys(range(len(CONTACT_CHANNELS)), counted), None, least)]


def _channel_prices(limits: Sequence[Resource], prices: Floats) -> tuple[dict[Channel, float], dict[Channel, float]]:
    """Prices of a contact and of a minute of each channel; 0 where it is not limited so."""
    by_name = {resource.name: float(price) for resource, price in zip(limits, prices, strict=False)}
    contact: dict[Channel, float] = {c: by_name.get(f"{c} contacts", 0.0) for c in CONTACT_CHANNELS}
    minute: dict[Channel, float] = {c: by_name.get(f"{c} minutes", 0.0) for c in CONTACT_CHANNELS}
    return contact, minute
