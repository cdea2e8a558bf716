"""Reading the truth back, and the best plan that anyone could make who knew it.

Values are what an action adds to the money recovered within 30 days, less its direct cost; agent time is not priced but
limited by capacity.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array

from scoring.errors import AsOfError, BadRequestError
from scoring.vocabulary import CONTACT_CHANNELS, Channel

Floats = npt.NDArray[np.float64]
Choice = npt.NDArray[np.int64]

NOBODY: Final = -1
"""The place in `CONTACT_CHANNELS` of an account that is left alone."""


@dataclass(frozen=True)
class Truth:
    """What is true of the eligible accounts of one as-of day, in account order.

    Attributes
    ----------
    accounts : DataFrame
        ``truth/accounts.parquet`` of that day.
    outcomes : DataFrame
        ``truth/outcomes.parquet`` of that day, sorted by account and channel.
    """

    as_of: date
    accounts: pd.DataFrame
    outcomes: pd.DataFrame

    def grid(self, column: str, channels: Sequence[Channel] = CONTACT_CHANNELS) -> Floats:
        """One column of the outcomes, shape (accounts, channels)."""
        wide = self.outcomes.pivot(index="account_id", columns="channel", values=column)
        return wide[[str(channel) for channel in channels]].to_numpy(dtype=np.float64)

    def alone(self, column: str) -> Floats:
        """One column of the outcomes without contact, in account order."""
        return self.grid(column, [Channel.NONE])[:, 0]

    def value(self, column: str = "recovered_cents") -> Floats:
        """What each contact channel adds over no contact, less its cost, shape (accounts, contact channels)."""
        nothing = self.grid(column, [Channel.NONE])
        return self.grid(column) - nothing - self.grid("cost_cents")


def truth_days_of(folder: Path) -> list[date]:
    """The as-of days that a simulated folder tells the truth about.

    Raises
    ------
    BadRequestError
        ``bad_request``: the folder holds no truth, so it was not simulated.
    """
    path = folder / "truth" / "truth.toml"
    if not path.is_file():
        raise BadRequestError(
            f"{folder.name} holds no truth/truth.toml, so what would have happened under other actions is not known. "
            "Evaluate a folder written by `scoring simulate`.",
            field="folder",
            got=folder.name,
        )
    return list(tomllib.loads(path.read_text(encoding="utf-8"))["as_of"])


def read_truth(folder: Path, as_of: date | None = None) -> Truth:
    """The truth of one day, by default the last.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: the truth is not told for that day.
    """
    days = truth_days_of(folder)
    day = as_of or max(days)
    if day not in days:
        raise AsOfError(
            f"The truth of {day} was not simulated, only of {', '.join(map(str, days))}. Plan for one of these days, "
            "or simulate again with it.",
            field="as_of",
            got=day.isoformat(),
            expected=[each.isoformat() for each in days],
        )
    accounts, outcomes = (pd.read_parquet(folder / "truth" / f"{name}.parquet") for name in ("accounts", "outcomes"))
    accounts = accounts[accounts["as_of"] == day].sort_values("account_id").reset_index(drop=True)
    outcomes = outcomes[outcomes["as_of"] == day].reset_index(drop=True)
    return Truth(day, accounts, outcomes)


def best_assignment(values: Floats, places: Sequence[int | None]) -> tuple[Choice, float]:
    """The most valuable choice of at most one channel an account, under the channels' places.

    Parameters
    ----------
    values : array (accounts, channels)
    places : sequence of int or None
        None is unlimited.

    Returns
    -------
    choice : array of int
        Place of the chosen channel, `NOBODY` where nothing is worth doing.
    bound : float
        Optimum of the linear relaxation: no assignment within the places is worth more.

    Examples
    --------
    >>> choice, bound = best_assignment(np.array([[5.0, 1.0], [4.0, 3.0], [-2.0, 2.0]]), [1, 1])
    >>> choice.tolist(), bound
    ([0, 1, -1], 8.0)
    """
    account, channel = np.nonzero(values > 0)
    choice = np.full(len(values), NOBODY, dtype=np.int64)
    if not len(account):
        return choice, 0.0
    variable = np.arange(len(account))
    limited = np.array([k for k, limit in enumerate(places) if limit is not None], dtype=np.int64)
    row_of_channel = np.full(values.shape[1], -1)
    row_of_channel[limited] = len(values) + np.arange(len(limited))
    is_limited = row_of_channel[channel] >= 0
    rows = np.concatenate([account, row_of_channel[channel[is_limited]]])
    columns = np.concatenate([variable, variable[is_limited]])
    matrix = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(values) + len(limited), len(account)))
    limits = np.concatenate([np.ones(len(values)), [float(places[k] or 0) for k in limited]])
    scale = float(values.max())
    solved = linprog(-values[account, channel] / scale, A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs-ds")
    # A basic solution of this relaxation is fractional for at most a few accounts; they are left alone.
    taken = solved.x > 0.5 + 1e-9
    choice[account[taken]] = channel[taken]
    return _within(choice, values, places), float(-solved.fun * scale)


def _within(choice: Choice, values: Floats, places: Sequence[int | None]) -> Choice:
    """Drop the least valuable where rounding exceeded a channel's places."""
    for channel, limit in enumerate(places):
        rows = np.flatnonzero(choice == channel)
        if limit is not None and len(rows) > limit:
            choice[rows[np.argsort(-values[rows, channel], kind="stable")[limit:]]] = NOBODY
    return choice


def gained(choice: Choice, values: Floats) -> Floats:
    """What each account gains under a choice; 0 where it is left alone.

    Examples
    --------
    >>> gained(np.array([0, -1]), np.array([[5.0], [4.0]])).tolist()
    [5.0, 0.0]
    """
    return np.where(choice == NOBODY, 0.0, values[np.arange(len(values)), np.maximum(choice, 0)])
