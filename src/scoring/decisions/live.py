"""Decisions between two plans: one account at a time, at the prices of the last plan.

A plan's price says what one more place in a channel is worth to the accounts that compete for it. An account that
comes later takes the channel whose value exceeds its price by most, and none where no value does: the answer a plan
would give, without making the plan again. Accounts do not compete inside a request, so each decision depends on its
own account alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scoring.decisions.assignment import NOBODY
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.plan import NOT_RANKED, Floats, Plan, decisions_table, taken_value, weigh
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel


def decide_at_prices(
    scores: Scores,
    definition: TargetDefinition,
    prices: Mapping[Channel, float],
    closed: frozenset[Channel],
    *,
    run_id: str,
    lawful: Lawfulness | None = None,
) -> Plan:
    """Decide for each scored account by itself, at given prices.

    Parameters
    ----------
    scores : Scores
    definition : TargetDefinition
        Materiality and holds decide who may be worked at all.
    prices : mapping of channel to float
        Value of one more contact in minor units; every contact channel.
    closed : frozenset of channel
        Channels without any capacity on the day: a price cannot say that.
    run_id : str
        Makes decision ids: the same run gives the same id to the same account.
    lawful : Lawfulness, optional
        What the contact policy leaves open.

    Returns
    -------
    Plan
        ``decisions`` in the order of the scores, not ranked (rank 0); ``values`` before prices; ``places`` 0 for
        closed channels and None otherwise.

    Examples
    --------
    >>> best_at_prices(np.array([[9.0, 6.0], [1.0, -np.inf]]), np.array([5.0, 1.0])).tolist()
    [1, -1]
    """
    weighed = weigh(scores, definition, lawful)
    weighed.values[:, [channel in closed for channel in CONTACT_CHANNELS]] = -np.inf
    asked = np.array([prices[channel] for channel in CONTACT_CHANNELS])
    chosen = best_at_prices(weighed.values, asked)
    unranked = np.full(len(chosen), NOT_RANKED, dtype=np.int64)
    decisions = decisions_table(scores, weighed, chosen, run_id, ranks=unranked, runner_up_by=weighed.values - asked)
    taken = taken_value(weighed.values, chosen)
    places: dict[Channel, int | None] = {channel: 0 if channel in closed else None for channel in CONTACT_CHANNELS}
    return Plan(decisions, weighed.values, places, dict(prices), taken, taken)


def best_at_prices(values: Floats, prices: Floats) -> npt.NDArray[np.int64]:
    """The channel of each account whose value exceeds its price by most; `NOBODY` where none does.

    Examples
    --------
    >>> best_at_prices(np.array([[9.0, 6.0], [5.0, -np.inf]]), np.array([5.0, 1.0])).tolist()
    [1, -1]
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    gains = values - prices
    best = gains.argmax(axis=1)
    return np.where(gains[np.arange(len(gains)), best] > 0, best, NOBODY)
