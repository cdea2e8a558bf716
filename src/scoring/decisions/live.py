"""Decisions between two plans: one account at a time, at the prices of the last plan.

A plan's price says what one more place in a channel is worth to the accounts that compete for it. An account that comes later
takes the channel whose value exceeds its price by most, and none where no value does: the answer a plan would give, without
making the plan again. Accounts do not compete inside a request, so each decision depends on its own account alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.assignment import NOBODY
from scoring.decisions.plan import (
    NOT_RANKED,
    Floats,
    Plan,
    _channel_names,
    _held,
    _reasons,
    _runner_up,
    channel_values,
    decision_ids,
    priority_base,
)
from scoring.decisions.treatments import cells_of, treatment_table
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition, eligible
from scoring.vocabulary import CONTACT_CHANNELS, Channel, Segment, Treatment


def decide_at_prices(
    scores: Scores,
    definition: TargetDefinition,
    prices: Mapping[Channel, float],
    closed: frozenset[Channel],
    *,
    run_id: str,
    lawful: npt.NDArray[np.bool_] | None = None,
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
    lawful : array (n_accounts, n_channels) of bool, optional
        Channels the contact policy allows.

    Returns
    -------
    Plan
        ``decisions`` in the order of the scores, not ranked (rank 0); ``values`` before prices; ``places`` 0 for closed channels
        and None otherwise.

    Examples
    --------
    >>> best_at_prices(np.array([[9.0, 6.0], [1.0, -np.inf]]), np.array([5.0, 1.0])).tolist()
    [1, -1]
    """
    table = scores.table
    workable = eligible(scores.frame, definition)
    cured_alone = (table["segment"] == str(Segment.WILLING_ABLE)).to_numpy() & (
        table["w_none"].to_numpy() >= treatment_table().self_cure_above
    )
    values = channel_values(table)
    values[~workable | cured_alone] = -np.inf
    if lawful is not None:
        values[~lawful] = -np.inf
    values[:, [channel in closed for channel in CONTACT_CHANNELS]] = -np.inf
    asked = np.array([prices[channel] for channel in CONTACT_CHANNELS])
    chosen = best_at_prices(values, asked)
    treatment = np.where(
        workable & ~cured_alone, treatment_table().treatments[cells_of(table)], str(Treatment.NO_ACTION)
    )
    decisions = pd.DataFrame(
        {
            "decision_id": decision_ids(run_id, table["account_id"].to_numpy(dtype=object)),
            "account_id": table["account_id"],
            "as_of": table["as_of"],
            "channel": _channel_names(chosen),
            "treatment": treatment,
            "rank": np.full(len(table), NOT_RANKED, dtype=np.int64),
            "priority_value_cents": np.round(priority_base(table)).astype(np.int64),
            "runner_up_channel": _runner_up(values - asked, chosen),
            "propensity": 1.0,
            "explored": False,
            "holdout": False,
            "reason": _reasons(_held(scores.frame.positions), workable, cured_alone, chosen, values),
        }
    )
    taken = float(values[np.arange(len(values)), chosen][chosen != NOBODY].sum()) if len(values) else 0.0
    places: dict[Channel, int | None] = {channel: 0 if channel in closed else None for channel in CONTACT_CHANNELS}
    return Plan(decisions, values, places, dict(prices), taken, taken)


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
