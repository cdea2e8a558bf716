"""In which order a queue is worked: what would be lost if an account were not, those first who have waited too long.

The loss is the value of the account's contact over its best alternative at current prices; doing nothing is one. Ties go to the
smaller account id, so that the order of rows never matters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.assignment import NOBODY, Floats, Places, worth
from scoring.decisions.channel_worth import seen
from scoring.decisions.strategy import Strategy
from scoring.features.builder import FeatureFrame

NOT_RANKED = 0
NOT_KNOWN = -1

Bools = npt.NDArray[np.bool_]


def losses(values: Floats, left: Floats, chosen: Places) -> Floats:
    """What would be lost if each contact were not made: its value over the best alternative at prices; 0 without a contact.

    Parameters
    ----------
    values, left : array (n_accounts, n_channels)
        Before prices, and what is left after them.
    chosen : array (n_accounts,) of int

    Examples
    --------
    >>> losses(np.array([[9.0, 6.0]]), np.array([[4.0, 5.0]]), np.array([0])).tolist()
    [4.0]
    """
    others = left.copy()
    rows = np.flatnonzero(chosen != NOBODY)
    others[rows, chosen[rows]] = -np.inf
    best = np.maximum(others.max(axis=1, initial=0.0), 0.0)
    return np.where(chosen == NOBODY, 0.0, worth(values, chosen) - best)


def ranks(loss: Floats, goes_first: Bools, chosen: Places, account_ids: npt.NDArray[np.object_]) -> Places:
    """Place of each account in its channel's queue, from 1; `NOT_RANKED` without a contact.

    Examples
    --------
    >>> ids = np.array(["A1", "A2", "A3"], dtype=object)
    >>> ranks(np.array([3.0, 9.0, 1.0]), np.array([False, False, True]), np.array([0, 0, 0]), ids).tolist()
    [3, 2, 1]
    """
    found = np.full(len(chosen), NOT_RANKED, dtype=np.int64)
    rows = np.flatnonzero(chosen != NOBODY)
    if not len(rows):
        return found
    order = np.lexsort((account_ids[rows].astype(str), -loss[rows], ~goes_first[rows], chosen[rows]))
    channel = chosen[rows][order]
    first = np.concatenate([[True], channel[1:] != channel[:-1]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    found[rows[order]] = np.arange(len(order)) - start + 1
    return found


def waited_days(positions: pd.DataFrame, frame: FeatureFrame) -> Places:
    """Days since an account fell due or was last contacted, whichever is later; `NOT_KNOWN` without a contact history.

    Counted from what was known on the as-of day, so an earlier plan is never needed.
    """
    dpd = np.asarray(positions["dpd"], dtype=np.int64)
    silent = seen(frame, "days_since_outbound")
    is_known = ~np.isnan(silent) | ~np.isnan(seen(frame, "n_outbound_30d"))
    waited = np.fmin(np.where(np.isnan(silent), np.inf, silent), dpd)
    return np.where(is_known, waited, NOT_KNOWN).astype(np.int64)


def waited_too_long(
    waited: Places, values: Floats, account_ids: npt.NDArray[np.object_], strategy: Strategy, limited_contacts: float
) -> Bools:
    """Who goes first: past the maximum wait, worth a contact, the longest wait first, as many as a share of the limited contacts.

    Parameters
    ----------
    limited_contacts : float
        Contacts that all limited channels together have on the day; infinite where none is limited.

    Examples
    --------
    >>> from scoring.decisions.strategy import house_strategy
    >>> ids = np.array(["A1", "A2", "A3"], dtype=object)
    >>> waited_too_long(np.array([50, 90, 10]), np.full((3, 1), 5.0), ids, house_strategy(), 10.0).tolist()
    [False, True, False]
    """
    rows = np.flatnonzero((waited > strategy.most_waiting_days) & (values.max(axis=1, initial=-np.inf) > 0))
    order = rows[np.lexsort((account_ids[rows].astype(str), -waited[rows]))]
    if np.isfinite(limited_contacts):
        order = order[: int(np.ceil(strategy.waiting_share * limited_contacts))]
    first = np.zeros(len(waited), dtype=bool)
    first[order] = True
    return first
