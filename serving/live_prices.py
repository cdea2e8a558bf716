"""What a place in a channel costs now: the plan's price, and more as soon as places fall short of the work that is left.

A channel that the plan filled has as many places as the plan gave it; a channel with a limit that the plan did not reach has that limit.
Contacts made and contacts reserved use places. As long as the places that remain suffice for the work that remains, the plan's
price holds. When they fall short, the price rises by what the first account that no longer gets a place would lose without it: whoever
comes now must be worth more than that. Without any place left the channel is closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scoring.vocabulary import CONTACT_CHANNELS, Channel
from serving.current_plan import CurrentPlan
from serving.today import Today


@dataclass(frozen=True)
class LivePrices:
    """Prices for a decision between two plans.

    Attributes
    ----------
    prices, minute_prices : mapping of channel to float
        Minor units.
    closed : frozenset of channel
    risen : mapping of channel to float
        By how much a price stands above the plan's.
    """

    prices: Mapping[Channel, float]
    minute_prices: Mapping[Channel, float]
    closed: frozenset[Channel]
    risen: Mapping[Channel, float]

    def without(self, channels: frozenset[Channel]) -> LivePrices:
        """The same prices with further channels closed."""
        return replace(self, closed=self.closed | channels)

    def stated(self, run_id: str) -> dict[str, Any]:
        """As a decision's record states them."""
        stated = {
            "plan_run_id": run_id,
            "prices": {str(channel): price for channel, price in self.prices.items()},
            "minute_prices": {str(channel): price for channel, price in self.minute_prices.items()},
            "closed": sorted(str(channel) for channel in self.closed),
        }
        return {**stated, "risen": {str(c): by for c, by in sorted(self.risen.items())}} if self.risen else stated


def plan_prices(plan: CurrentPlan) -> LivePrices:
    """The prices of a plan, as long as nothing moved them."""
    return LivePrices(plan.prices, plan.minute_prices, plan.closed, {})


class Pricing:
    """Prices of now, worked out again only when something was told or reserved since; safe to use from several threads."""

    def __init__(self, plan: CurrentPlan, today: Today) -> None:
        self._plan, self._today = plan, today
        self._last: tuple[Any, LivePrices] = (None, plan_prices(plan))

    def now(self, reserved: Mapping[str, Sequence[str]]) -> LivePrices:
        """As `prices_now`."""
        seen = (self._today.version, tuple(sorted(reserved.items())))
        known, prices = self._last
        if known != seen:
            prices = prices_now(self._plan, self._today, reserved)
            self._last = (seen, prices)
        return prices


def prices_now(plan: CurrentPlan, today: Today, reserved: Mapping[str, Sequence[str]]) -> LivePrices:
    """Prices after what was done since the plan.

    Parameters
    ----------
    reserved : mapping of channel name to account ids
        Contacts that are permitted and not yet made: each has its place, and waits for none.
    """
    risen: dict[Channel, float] = {}
    closed = set(plan.closed)
    for channel in CONTACT_CHANNELS:
        places = _places(plan, channel)
        if places is None or channel in closed:
            continue
        held = reserved.get(str(channel), ())
        left = places - today.contacted(str(channel)) - len(held)
        if left >= len(plan.order[str(channel)]) + len(today.redecided()) and left > 0:
            continue  # enough for everybody, however many left or came
        by = rise(left, _losses_left(plan, today, str(channel), held))
        if by is None:
            closed.add(channel)
        elif by > 0:
            risen[channel] = by
    prices = {channel: price + risen.get(channel, 0.0) for channel, price in plan.prices.items()}
    return LivePrices(prices, plan.minute_prices, frozenset(closed), risen)


def rise(places_left: int, losses: np.ndarray[Any, Any]) -> float | None:
    """By how much a price rises: what the first account without a place would lose; None where there is no place at all.

    >>> rise(3, np.array([9.0, 5.0])), rise(1, np.array([5.0, 9.0, 2.0])), rise(0, np.array([9.0]))
    (0.0, 5.0, None)
    """
    if places_left <= 0:
        return None
    if places_left >= len(losses):
        return 0.0
    return max(0.0, float(np.sort(losses)[::-1][places_left]))


def _places(plan: CurrentPlan, channel: Channel) -> int | None:
    planned = len(plan.order[str(channel)])
    if plan.prices[channel] > 0 or plan.minute_prices[channel] > 0:
        return planned
    offered = plan.offered[channel]
    return None if offered is None else max(int(offered), planned)


def _losses_left(plan: CurrentPlan, today: Today, channel: str, held: Sequence[str]) -> np.ndarray[Any, Any]:
    """What each account that still waits on a channel would lose without its contact."""
    again, served = today.redecided(), frozenset(held)
    rows = plan.order[channel]
    gone = [plan.row_of[name] for name in (*again, *served) if name in plan.row_of]
    waiting = plan.losses[rows[~np.isin(rows, gone)]] if gone else plan.losses[rows]
    moved = [one.loss_cents for name, one in again.items() if name not in served and one.channel == channel]
    return np.concatenate([waiting, np.array(moved, dtype=np.float64)])
