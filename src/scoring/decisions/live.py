"""Decisions between two plans: one account at a time, at the prices of the last plan.

A plan's price says what one more place in a channel is worth to the accounts that compete for it. An account that
comes later takes the channel whose value exceeds its price by most, and none where no value does: the answer a plan
would give, without making the plan again. Accounts do not compete inside a request, so each decision depends on its
own account alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.assignment import NOBODY, Assignment, Floats, worth
from scoring.decisions.channel_worth import channel_worth
from scoring.decisions.decided import decision_columns
from scoring.decisions.exploration import Drawn
from scoring.decisions.held_back import timed
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.ordering import NOT_RANKED, losses, waited_days
from scoring.decisions.plan import Plan, priority_base
from scoring.decisions.strategy import Strategy, house_strategy
from scoring.decisions.timing import Timing
from scoring.decisions.weighing import Standing, standing_of, weigh
from scoring.features.few_rows import FewRows
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
    minute_prices: Mapping[Channel, float] | None = None,
    events: AccountEvents | None = None,
    strategy: Strategy | None = None,
    when: Timing | None = None,
    standing: Standing | None = None,
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
    minute_prices : mapping of channel to float, optional
        Value of one more minute; an account pays for the minutes it is expected to take.
    events, strategy, when : optional
        As for `scoring.decisions.plan.decide`. Nothing is drawn between plans; the holdout is kept.
    standing : Standing, optional
        Where it is known already; otherwise it is read from ``events``.

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
    strategy = strategy or house_strategy()
    worth_of = channel_worth(scores.table, scores.frame)
    standing = standing or standing_of(scores, strategy, events)
    weighed = weigh(scores, definition, worth_of, standing.holdout, lawful)
    weighed, waiting = timed(weighed, when, worth_of, scores)
    weighed.values[:, [channel in closed for channel in CONTACT_CHANNELS]] = -np.inf
    minute_prices = {channel: (minute_prices or {}).get(channel, 0.0) for channel in CONTACT_CHANNELS}
    asked = np.array([prices[channel] for channel in CONTACT_CHANNELS])
    asked = asked + np.array(list(minute_prices.values())) * worth_of.minutes
    left = weighed.values - asked
    chosen = best_at_prices(weighed.values, asked)
    alone = Drawn(chosen, np.zeros(len(chosen), dtype=bool), np.ones(len(chosen)))
    columns = decision_columns(
        scores,
        weighed,
        alone,
        run_id,
        priority=priority_base(scores.table),
        loss=losses(weighed.values, left, chosen),
        ranks=np.full(len(chosen), NOT_RANKED, dtype=np.int64),
        waited=waited_days(scores.frame.positions, scores.frame),
        runner_up_by=left,
    )
    few = cast(Any, FewRows(columns))  # read by the same names as a frame
    decisions = few if isinstance(scores.table, FewRows) else pd.DataFrame(columns)
    places: dict[Channel, int | None] = {channel: 0 if channel in closed else None for channel in CONTACT_CHANNELS}
    value = float(worth(weighed.values, chosen).sum())
    nothing_limited = Assignment(chosen, np.zeros(0), np.zeros(0), value, value)
    return Plan(
        decisions,
        weighed.values,
        worth_of,
        places,
        dict(prices),
        minute_prices,
        (),
        nothing_limited,
        strategy,
        waiting,
    )


def best_at_prices(values: Floats, prices: Floats) -> npt.NDArray[np.int64]:
    """The channel of each account whose value exceeds its price by most; `NOBODY` where none does.

    Parameters
    ----------
    values : array (n_accounts, n_channels)
    prices : array (n_channels,) or (n_accounts, n_channels)

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
