"""One channel per account under capacity: every account asks for its best channel, a full channel keeps the most valuable.

Deferred acceptance on columns: each round, accounts without a place ask for the best channel that has not turned them down;
a channel that is asked for more than it has keeps those with the highest value and turns down the rest. Ends when nobody is
turned down any more, after at most as many rounds as turned-down requests allow; no account is visited alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NOBODY = -1


def assign(values: Floats, places: list[int | None]) -> npt.NDArray[np.int64]:
    """Assign accounts to channels.

    Parameters
    ----------
    values : array (n_accounts, n_channels)
        Value of each channel for each account; ``-inf`` or not positive means it is not worth or not allowed.
    places : list of int or None
        Contacts each channel has; None is unlimited.

    Returns
    -------
    array (n_accounts,), int
        Channel of each account, -1 for none. Ties go to the earlier account and the earlier channel.

    Examples
    --------
    >>> assign(np.array([[5.0, 1.0], [4.0, 3.0], [2.0, 2.0]]), [1, 1]).tolist()
    [0, 1, -1]
    """
    wanted = np.where(values > 0, values, -np.inf)
    chosen = np.full(len(values), NOBODY, dtype=np.int64)
    open_rows = np.arange(len(values))
    while len(open_rows):
        best = wanted[open_rows].argmax(axis=1)
        willing = np.isfinite(wanted[open_rows, best])
        chosen[open_rows[willing]] = best[willing]
        turned_down = [
            _turn_down(chosen, wanted, channel, limit) for channel, limit in enumerate(places) if limit is not None
        ]
        open_rows = np.sort(np.concatenate(turned_down)) if turned_down else np.empty(0, dtype=np.int64)
    return chosen


def _turn_down(chosen: npt.NDArray[np.int64], wanted: Floats, channel: int, limit: int) -> npt.NDArray[np.int64]:
    """Take a place from everyone beyond a channel's limit; they may not ask there again."""
    asking = np.flatnonzero(chosen == channel)
    if len(asking) <= limit:
        return np.empty(0, dtype=np.int64)
    ranked = asking[np.argsort(-wanted[asking, channel], kind="stable")]
    rejected = ranked[limit:]
    chosen[rejected] = NOBODY
    wanted[rejected, channel] = -np.inf
    return rejected


def prices(values: Floats, chosen: npt.NDArray[np.int64], places: list[int | None]) -> Floats:
    """What the last place of each full channel was worth over the account's next best: the value of one more contact.

    Returns
    -------
    array (n_channels,)
        0 for a channel with places left. The highest gain among the accounts that would have come, so that with these prices
        the bound of `bound` is tight where only one channel is scarce.

    Examples
    --------
    >>> worth = np.array([[5.0], [3.0]])
    >>> prices(worth, assign(worth, [1]), [1]).tolist()
    [3.0]
    """
    worth = np.where(values > 0, values, -np.inf)
    now = np.where(chosen == NOBODY, 0.0, worth[np.arange(len(values)), chosen])
    found = np.zeros(values.shape[1])
    for channel, limit in enumerate(places):
        if limit is not None and np.count_nonzero(chosen == channel) >= limit and len(values):
            found[channel] = max(0.0, float((worth[:, channel] - now)[chosen != channel].max(initial=0.0)))
    return found


def bound(values: Floats, channel_prices: Floats, places: list[int | None]) -> float:
    """An upper bound on the total value of any assignment: the Lagrangian dual at given prices.

    Parameters
    ----------
    values, places
        As for `assign`.
    channel_prices : array (n_channels,)
        Not negative. The price of a channel without limit counts as 0: its places cost nobody anything.

    Examples
    --------
    >>> bound(np.array([[5.0], [3.0]]), np.array([3.0]), [1])
    5.0
    """
    if not len(values):
        return 0.0
    limited = [
        (0.0, 0) if limit is None else (price, limit) for price, limit in zip(channel_prices, places, strict=True)
    ]
    reduced = np.where(values > 0, values, -np.inf) - np.array([price for price, _ in limited])
    per_account = np.maximum(reduced.max(axis=1), 0.0).sum()
    return float(per_account + sum(price * limit for price, limit in limited))
