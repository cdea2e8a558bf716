"""Chance inside the lawful set, with the exact probability of what was done in the end.

The plan is made for everybody first, on capacities less a reserve; then some accounts are drawn to do something else. Accounts
are grouped by what the plan gives them. In a group of n, a fixed list of m drawn actions is dealt to the m customers with the
smallest hashes of customer and salt; whoever is dealt an action that is not allowed for them keeps the plan's. As every place in
the order of hashes is equally likely, the probability of an action that is dealt k times is k / n for everyone in the group who is
allowed it: a count, not an estimate. Lists are cut where they could exceed any limit whoever is drawn, so capacity changes no
probability afterwards.

The holdout is another matter: a share of customers, the same on every day, whom nobody contacts first. For them doing nothing has
probability 1, and for all others the holdout has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.decisions.assignment import NOBODY, Floats, Places, Resource
from scoring.decisions.strategy import Strategy
from scoring.vocabulary import CONTACT_CHANNELS

NONE: Final = len(CONTACT_CHANNELS)
"""Place of no contact among the actions: behind the channels."""
_HASH_RANGE: Final = float(16**15)
FEW: Final = 64
"""Up to this many ids Python hashes faster than DuckDB starts."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """What is done in the end.

    Attributes
    ----------
    chosen : array (n_accounts,) of int
        Channel, `NOBODY` for none.
    explored : array (n_accounts,) of bool
        Whether chance gave the action, be it the one the plan would have given.
    propensity : array (n_accounts,)
        Probability of the action over all draws.
    """

    chosen: Places
    explored: Bools
    propensity: Floats


def hash_shares(ids: npt.NDArray[np.object_], salt: str) -> Floats:
    """A number in [0, 1) for each id, always the same for the same id and salt: the first 60 bits of SHA-256.

    Examples
    --------
    >>> hash_shares(np.array(["C1", "C1", "C2"], dtype=object), "salt").round(3).tolist()
    [0.382, 0.382, 0.886]
    """
    if len(ids) <= FEW:
        heads = [hashlib.sha256(f"{salt}\n{one}".encode()).hexdigest()[:15] for one in ids]
        return np.array([float(int(head, 16)) for head in heads], dtype=np.float64) / _HASH_RANGE
    asked = pa.table({"id": pa.array(ids, type=pa.string()), "place": np.arange(len(ids))})
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("asked", asked)
        found = connection.execute(
            "SELECT CAST('0x' || sha256($salt || chr(10) || id)[1:15] AS BIGINT) AS h FROM asked ORDER BY place",
            {"salt": salt},
        ).fetchnumpy()
    return np.asarray(found["h"], dtype=np.float64) / _HASH_RANGE


def held_out(customer_ids: npt.NDArray[np.object_], strategy: Strategy, protected: Bools) -> Bools:
    """Customers of the permanent holdout; while a protecting flag is open, a customer is treated like everybody.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from scoring.decisions.strategy import house_strategy
    >>> everyone = replace(house_strategy(), holdout_share=1.0)
    >>> held_out(np.array(["C1", "C2"], dtype=object), everyone, np.array([False, True])).tolist()
    [True, False]
    """
    if strategy.holdout_share <= 0 or not len(customer_ids):
        return np.zeros(len(customer_ids), dtype=bool)
    return np.asarray((hash_shares(customer_ids, strategy.holdout_salt) < strategy.holdout_share) & ~protected)


def draw(
    planned: Places,
    allowed: Bools,
    may_be_drawn: Bools,
    account_ids: npt.NDArray[np.object_],
    customer_ids: npt.NDArray[np.object_],
    resources: Sequence[Resource],
    strategy: Strategy,
    day: int,
) -> Drawn:
    """Deal actions to some accounts, and say how probable everything was.

    Parameters
    ----------
    planned : array (n_accounts,) of int
        The plan, made without knowing who is drawn.
    allowed : array (n_accounts, n_channels + 1) of bool
        Actions an account may be dealt; the last column, no contact, is always allowed.
    may_be_drawn : array (n_accounts,) of bool
        False for the protected, the holdout, and whoever is under a guard. Of a customer's accounts one is drawn at most.
    resources : sequence of Resource
        With the whole limits, reserve included.
    day : int
        A number for the day: every day is drawn anew.
    """
    n = len(planned)
    propensity, explored, chosen = np.ones(n), np.zeros(n, dtype=bool), planned.copy()
    open_rows = _one_of_each_customer(np.flatnonzero(may_be_drawn), account_ids, customer_ids)
    if not len(open_rows) or strategy.exploration_share <= 0:
        return Drawn(chosen, explored, propensity)
    actions = [*(CONTACT_CHANNELS.index(channel) for channel in strategy.explored), NONE]
    group = np.where(planned[open_rows] == NOBODY, NONE, planned[open_rows])
    sizes = np.bincount(group, minlength=NONE + 1)
    counts = _lists(open_rows, group, sizes, allowed, actions, strategy.exploration_share, day)
    counts = _cut_to_fit(counts, open_rows, group, planned, allowed, resources)
    shares = hash_shares(customer_ids[open_rows], f"{strategy.exploration_salt}|{day}")
    by_hash = np.lexsort((account_ids[open_rows].astype(str), shares, group))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.arange(len(open_rows)) - starts[group[by_hash]]
    dealt = np.full(len(open_rows), -1, dtype=np.int64)
    for one in np.flatnonzero(sizes):
        listed = np.repeat(np.arange(NONE + 1), counts[one])
        mine = by_hash[(group[by_hash] == one) & (place < len(listed))]
        dealt[mine] = listed
    rows = open_rows[dealt >= 0]
    action = dealt[dealt >= 0]
    is_allowed = allowed[rows, action]
    rows, action = rows[is_allowed], action[is_allowed]
    explored[rows] = True
    chosen[rows] = np.where(action == NONE, NOBODY, action)
    probability = counts[group] / sizes[group][:, None] * allowed[open_rows]
    probability[np.arange(len(open_rows)), group] += 1.0 - probability.sum(axis=1)
    final = np.where(chosen[open_rows] == NOBODY, NONE, chosen[open_rows])
    propensity[open_rows] = probability[np.arange(len(open_rows)), final]
    return Drawn(chosen, explored, propensity)


def _one_of_each_customer(
    rows: Places, account_ids: npt.NDArray[np.object_], customer_ids: npt.NDArray[np.object_]
) -> Places:
    """The first account of each customer by account id: places in the order of hashes are then equally likely."""
    named = pd.DataFrame({"customer": customer_ids[rows], "account": account_ids[rows], "row": rows})
    first = named.sort_values("account", kind="stable").drop_duplicates("customer")["row"]
    return np.sort(first.to_numpy(dtype=np.int64))


def _lists(
    open_rows: Places,
    group: Places,
    sizes: Places,
    allowed: Bools,
    actions: list[int],
    share: float,
    day: int,
) -> Places:
    """How often each action is dealt in each group: so many that about the share asked for is drawn, the same for each action."""
    counts = np.zeros((NONE + 1, NONE + 1), dtype=np.int64)
    n_allowed = allowed[open_rows][:, actions].sum(axis=1)
    for one in np.flatnonzero(sizes):
        mean = float(n_allowed[group == one].mean())
        dealt = int(min(sizes[one], np.floor(share * len(actions) / mean * sizes[one] + 0.5)))
        counts[one, actions] = dealt // len(actions)
        # What does not divide goes round with the days.
        extra = [actions[(day + int(one) + step) % len(actions)] for step in range(dealt % len(actions))]
        counts[one, extra] += 1
    return counts


def _cut_to_fit(
    counts: Places,
    open_rows: Places,
    group: Places,
    planned: Places,
    allowed: Bools,
    resources: Sequence[Resource],
) -> Places:
    """Shorten the lists until no limit can be exceeded, whoever is dealt what.

    Sure to come free is what the smallest users leave who are dealt no contact, for that is allowed to all; coming in are at
    most as many of the largest users as an action is dealt to groups that were not planned for it.
    """
    n = len(planned)
    for resource in resources:
        used, options = 0.0, []
        for option, use in resource.uses.items():
            each = np.broadcast_to(np.asarray(use, dtype=np.float64), (n,))
            used += float(each[planned == option].sum())
            here = open_rows[(group == option)]
            others = open_rows[(group != option) & allowed[open_rows, option]]
            leaving = np.concatenate([[0.0], np.cumsum(np.sort(each[here]))])
            coming = np.concatenate([[0.0], np.cumsum(-np.sort(-each[others]))])
            options.append((option, leaving, coming))
        if resource.most is not None:
            counts = _fewer_come(counts, options, resource.most - used)
    return counts


def _fewer_come(counts: Places, options: list[tuple[int, Floats, Floats]], slack: float) -> Places:
    """Deal an action less often, the largest list first, until what comes in fits into what is left and sure to come free."""
    counts = counts.copy()
    while True:
        coming = {o: int(counts[:, o].sum() - counts[o, o]) for o, _, _ in options}
        comes = {o: into[min(coming[o], len(into) - 1)] for o, _, into in options}
        free = sum(leaves[min(int(counts[o, NONE]), len(leaves) - 1)] for o, leaves, _ in options)
        excess = sum(comes.values()) - free - max(slack, 0.0)
        largest = max(coming, key=lambda o: comes[o])
        if excess <= 1e-9 * max(abs(slack), 1.0) or not coming[largest]:
            return counts
        step = max(1, int(excess / max(comes[largest], 1e-300) * coming[largest] / 2))
        for _ in range(min(step, coming[largest])):
            lists = counts[:, largest].copy()
            lists[largest] = 0
            counts[int(lists.argmax()), largest] -= 1
