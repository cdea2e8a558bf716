"""The day as the optimiser sees it: channels, and behind them one option for each slot of an agent's call; visits within their region.

A call belongs to one slot, and only to one that fits the account, so slots are options of their own with their own minutes. The plan's
answer is told by channel again, with the slot beside it. Whoever was not planned for a call has the cheapest slot that fits in mind, so
that a call which chance deals stays within its slot as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from scoring.decisions.assignment import Assignment, Floats, Places, Resource
from scoring.decisions.capacity import REGIONAL, SLOTTED, Capacity, Slot, resources_of
from scoring.decisions.on_file import OnFile
from scoring.vocabulary import CONTACT_CHANNELS, Channel

N: Final = len(CONTACT_CHANNELS)
CALL: Final = CONTACT_CHANNELS.index(SLOTTED)
VISIT: Final = CONTACT_CHANNELS.index(REGIONAL)
NO_SLOT: Final = -1
MOST_JOINT: Final = 12

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DayLimits:
    """Limits of one day for some accounts.

    Attributes
    ----------
    slots : tuple of Slot
    fits : array (n_accounts, n_slots) of bool
        Whether a call fits a slot that is open.
    regions : tuple of (str, int), or None
    at_home : array (n_accounts,) of str
        Region of each account.
    minutes : array (n_accounts, n_channels)
        Expected minutes of one contact.
    limits : tuple of Resource
        By option: channels, then slots.
    """

    slots: tuple[Slot, ...]
    fits: Bools
    regions: tuple[tuple[str, int], ...] | None
    at_home: npt.NDArray[np.object_]
    minutes: Floats
    limits: tuple[Resource, ...]

    def possible(self) -> Bools:
        """Channels that some slot and some visitor leave to each account, shape (n_accounts, n_channels)."""
        found = np.ones((len(self.minutes), N), dtype=bool)
        if self.slots:
            found[:, CALL] = self.fits.any(axis=1)
        if self.regions is not None:
            found[:, VISIT] = np.isin(self.at_home.astype(str), [region for region, count in self.regions if count])
        return found

    def by_option(self, values: Floats) -> Floats:
        """Values of channels as values of options; ``-inf`` where a slot does not fit or nobody visits the region."""
        values = np.where(self.possible(), values, -np.inf)
        if not self.slots:
            return values
        calls = np.where(self.fits, values[:, [CALL]], -np.inf)
        values[:, CALL] = -np.inf
        return np.concatenate([values, calls], axis=1)

    def by_channel(self, values: Floats) -> Floats:
        """Values of options as values of channels: a call is worth what its best slot is."""
        if not self.slots:
            return values
        found = values[:, :N].copy()
        found[:, CALL] = values[:, N:].max(axis=1)
        return found

    def spread(self, resource: Resource) -> Resource:
        """A resource of channels, used by every slot as by a call."""
        if not self.slots or CALL not in resource.uses:
            return resource
        uses = {option: use for option, use in resource.uses.items() if option != CALL}
        return replace(resource, uses={**uses, **{N + s: resource.uses[CALL] for s in range(len(self.slots))}})

    def joint(self, limits: Sequence[Resource]) -> list[Resource]:
        """What several slots offer together: no limits of their own, and prices that move all of them at once.

        Whoever fits two slots only changes between them when the price of one rises, so prices that rise one at a time come to rest too
        early; the price of both together moves on. At most `MOST_JOINT` of them, the largest sets first.

        Parameters
        ----------
        limits : sequence of Resource
            By option, as the optimiser may use them.
        """
        own = {next(iter(resource.uses)): resource for resource in limits if self._slot_place(resource) != NO_SLOT}
        sizes = range(len(own), 1, -1)
        sets = [chosen for size in sizes for chosen in combinations(sorted(own), size)][:MOST_JOINT]
        return [
            Resource(
                " and ".join(own[option].name for option in chosen),
                {option: own[option].uses[option] for option in chosen},
                sum(own[option].most or 0.0 for option in chosen),
            )
            for chosen in sets
        ]

    def folded(self, planned: Assignment, given: Sequence[Resource], joint: Sequence[Resource]) -> Assignment:
        """The answer without joint resources: each of their prices is part of the prices of its slots, which leaves the bound as it is."""
        if not joint:
            return planned
        prices = planned.prices[: len(given)].copy()
        for resource, price in zip(joint, planned.prices[len(given) :], strict=True):
            for place, own in enumerate(given):
                if self._slot_place(own) != NO_SLOT and next(iter(own.uses)) in resource.uses:
                    prices[place] += price
        return replace(planned, prices=prices, used=planned.used[: len(given)])

    def _slot_place(self, resource: Resource) -> int:
        names = [_slot_name(slot) for slot in self.slots]
        return names.index(resource.name) if resource.name in names else NO_SLOT

    def slot_of(self, planned: Assignment) -> Places:
        """Slot of each account: the planned one, else the cheapest that fits; `NO_SLOT` where none does."""
        if not self.slots:
            return np.full(len(planned.chosen), NO_SLOT, dtype=np.int64)
        prices = np.where(self.fits, self._slot_prices(planned), np.inf)
        cheapest = np.where(self.fits.any(axis=1), prices.argmin(axis=1), NO_SLOT)
        return np.where(planned.chosen >= N, planned.chosen - N, cheapest).astype(np.int64)

    def told(self, planned: Assignment) -> Assignment:
        """The optimiser's answer by channel."""
        return replace(planned, chosen=np.where(planned.chosen >= N, CALL, planned.chosen))

    def limits_by_channel(self, slot_of: Places) -> list[Resource]:
        """The same limits in the same order, when the slot of every account is settled."""
        found = []
        for resource in self.limits:
            options = [option for option in resource.uses if option >= N]
            if options:
                place, own = self._slot_place(resource), resource.uses[options[0]]
                in_slot = own if place == NO_SLOT else np.where(slot_of == place, own, 0.0)
                uses = {option: use for option, use in resource.uses.items() if option < N}
                resource = replace(resource, uses={**uses, CALL: in_slot})
            found.append(resource)
        return found

    def local_prices(self, planned: Assignment, slot_of: Places) -> Floats:
        """What its slot and its region add to the price of a place for each account, shape (n_accounts, n_channels)."""
        found = np.zeros((len(slot_of), N))
        if self.slots:
            prices = np.append(self._slot_prices(planned), 0.0)
            found[:, CALL] = prices[slot_of] * self.minutes[:, CALL]
        for region, _ in self.regions or ():
            found[self.at_home == region, VISIT] = self._price(planned, _region_name(region))
        return found

    def mean_prices(self, planned: Assignment) -> tuple[float, float]:
        """Mean price of a minute over the slots and of a visit over the regions, by what each offers: for decisions between plans."""
        minutes = np.array([slot.minutes for slot in self.slots])
        visits = np.array([count for _, count in self.regions or ()], dtype=np.float64)
        of_visits = np.array([self._price(planned, _region_name(region)) for region, _ in self.regions or ()])
        of_minutes = self._slot_prices(planned)
        return (
            float((minutes * of_minutes).sum() / minutes.sum()) if minutes.sum() else 0.0,
            float((visits * of_visits).sum() / visits.sum()) if visits.sum() else 0.0,
        )

    def _slot_prices(self, planned: Assignment) -> Floats:
        return np.array([self._price(planned, _slot_name(slot)) for slot in self.slots])

    def _price(self, planned: Assignment, name: str) -> float:
        places = [place for place, resource in enumerate(self.limits) if resource.name == name]
        return float(planned.prices[places[0]]) if places else 0.0


def day_limits(capacity: Mapping[Channel, Capacity], minutes: Floats, facts: OnFile | None = None) -> DayLimits:
    """The limits of a day.

    Parameters
    ----------
    capacity : mapping of channel to Capacity
    minutes : array (n_accounts, n_channels)
        Expected minutes of one contact.
    facts : OnFile, optional
        Without it every slot fits everybody and no region is known.

    Examples
    --------
    >>> from scoring.decisions.capacity import capacity_from
    >>> offered = capacity_from({"agent_call": {"slots": {"morning": {"from": 9, "until": 12, "minutes": 60}}}})
    >>> [(limit.name, limit.most) for limit in day_limits(offered, np.full((2, 9), 6.0)).limits]
    [('agent_call minutes in morning', 60.0)]
    """
    n, slots, regions = len(minutes), capacity[SLOTTED].slots, capacity[REGIONAL].regions
    is_open = np.array([slot.minutes > 0 for slot in slots], dtype=bool)
    fits = np.ones((n, len(slots)), dtype=bool) if facts is None or not slots else facts.slots
    at_home = np.full(n, "", dtype=object) if facts is None else facts.regions
    found = DayLimits(slots, fits & is_open, regions, at_home, minutes, ())
    limits = [found.spread(resource) for resource in resources_of(capacity, minutes)]
    for place, slot in enumerate(slots):
        if slot.minutes > 0:
            limits.append(Resource(_slot_name(slot), {N + place: minutes[:, CALL]}, slot.minutes))
    for region, count in regions or ():
        if count:
            limits.append(Resource(_region_name(region), {VISIT: (at_home == region).astype(np.float64)}, float(count)))
    return replace(found, limits=tuple(limits))


def better(one: Assignment, other: Assignment) -> Assignment:
    """Of two answers to the same question the one of more value, with the prices that prove more.

    >>> none = np.zeros(0)
    >>> found = better(Assignment(none, none, none, 8.0, 12.0), Assignment(none, none, none, 9.0, 13.0))
    >>> found.value, found.bound
    (9.0, 12.0)
    """
    best = one if one.value >= other.value else other
    proof = one if one.bound <= other.bound else other
    return replace(best, prices=proof.prices, bound=max(best.value, proof.bound))


def whole_day(capacity: Mapping[Channel, Capacity], minutes: Floats) -> Sequence[Resource]:
    """The limits without slots and regions."""
    return resources_of({channel: limit.whole() for channel, limit in capacity.items()}, minutes)


def _slot_name(slot: Slot) -> str:
    return f"{SLOTTED} minutes in {slot.name}"


def _region_name(region: str) -> str:
    return f"{REGIONAL} contacts in {region}"
