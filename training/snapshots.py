"""Snapshots: features and targets of a portfolio on as-of days, and which customers may be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import AsOfError, WindowStillOpenError
from scoring.features.builder import FeatureFrame, build
from scoring.portfolio.reading import Portfolio
from scoring.scores.targets import TargetDefinition, eligible, targets


@dataclass(frozen=True)
class Snapshot:
    """Accounts on one as-of day: features, targets, and whether each belongs to the queue.

    Attributes
    ----------
    frame : FeatureFrame
    targets : DataFrame
        As `scoring.scores.targets.targets` gives them, in the frame's order.
    in_queue : array of bool
        Eligible for collection on that day; the others only help training, where the recipe asks for them.
    """

    frame: FeatureFrame
    targets: pd.DataFrame
    in_queue: npt.NDArray[np.bool_]

    def take(self, rows: npt.NDArray[np.bool_]) -> Snapshot:
        """The same snapshot for some rows."""
        return Snapshot(self.frame.take(rows), self.targets[rows].reset_index(drop=True), self.in_queue[rows])


def snapshot(portfolio: Portfolio, as_of: date, definition: TargetDefinition, *, min_dpd: int = 1) -> Snapshot:
    """Features and matured targets of one as-of day; accounts under a hold or owing nothing are left out."""
    frame = build(portfolio, as_of, min_dpd=min_dpd)
    at = frame.positions
    held = at["is_charged_off"] | at["is_deceased"] | at["is_disputed"] | at["is_on_kept_plan"]
    usable = (~held & (at["cure_amount_cents"] > 0)).to_numpy(dtype=bool)
    frame = frame.take(usable)
    return Snapshot(frame, targets(portfolio, frame, definition), eligible(frame, definition))


def default_days(portfolio: Portfolio, definition: TargetDefinition, n_train: int) -> tuple[list[date], date]:
    """Month-ends to train on and the last mature month-end to test on, at least a horizon apart.

    Returns
    -------
    (training days in order, test day)

    Raises
    ------
    WindowStillOpenError
        ``window_still_open``: the data is too short for one training and one test day.
    """
    first = portfolio.connection.execute("SELECT min(statement_on) FROM statements").fetchall()[0][0]
    last_mature = portfolio.extract_on - timedelta(days=definition.horizon_days + definition.posting_lag_days + 1)
    test = _month_end_on_or_before(last_mature)
    days: list[date] = []
    day = _month_end_on_or_before(test - timedelta(days=definition.horizon_days))
    while first is not None and day > first and len(days) < n_train:
        days.append(day)
        day = day.replace(day=1) - timedelta(days=1)
    if not days:
        raise WindowStillOpenError(
            f"The data from {first} to {portfolio.extract_on} is too short: one training and one test day need "
            f"{2 * definition.horizon_days + definition.posting_lag_days} days after the first statement. Load a longer extract or name "
            "the days with --as-of.",
            field="as_of",
        )
    return sorted(days), test


def split_days(days: tuple[date, ...], definition: TargetDefinition) -> tuple[list[date], date]:
    """Named days: the last one tests, the others train and lie at least a horizon before it.

    Examples
    --------
    >>> split_days((date(2025, 5, 31), date(2025, 4, 30)), TargetDefinition())
    ([datetime.date(2025, 4, 30)], datetime.date(2025, 5, 31))
    """
    ordered = sorted(set(days))
    if len(ordered) < 2:
        raise AsOfError(
            "Name at least two as-of days: the last one tests, the others train.",
            field="as_of",
            got=len(ordered),
            expected=2,
        )
    test = ordered[-1]
    for day in ordered[:-1]:
        if (test - day).days < definition.horizon_days:
            raise AsOfError(
                f"Training day {day} lies {(test - day).days} days before the test day {test}: its targets overlap the test, so the "
                f"test would flatter. Keep at least {definition.horizon_days} days between them.",
                field="as_of",
                got=day.isoformat(),
                expected=f"<= {test - timedelta(days=definition.horizon_days)}",
            )
    return ordered[:-1], test


def is_held_out(
    customer_ids: pd.Series, share: float, *, salt: str = "test", shift: float = 0.0
) -> npt.NDArray[np.bool_]:
    """Whether each customer is never trained on: a stable hash of the id, so a retrain keeps the same people out.

    Parameters
    ----------
    customer_ids : Series of str
    share : float
        Of customers that are held out, in (0, 1).
    salt : str
        Another salt gives an independent split.
    shift : float
        Turns the circle of hashes, in [0, 1): evenly spaced shifts hold out everybody equally often.

    Examples
    --------
    >>> ids = pd.Series([f"C{i}" for i in range(1000)])
    >>> 0.25 < is_held_out(ids, 0.3).mean() < 0.35
    True
    >>> bool((sum(is_held_out(ids, 0.3, shift=turn / 10).astype(int) for turn in range(10)) == 3).all())
    True
    """
    hashed = pd.util.hash_array((salt + ":" + customer_ids.astype(str)).to_numpy(dtype=object), categorize=False)
    place = (hashed % np.uint64(CIRCLE)).astype(np.int64)
    return np.asarray((place - round(shift * CIRCLE)) % CIRCLE < round(share * CIRCLE), dtype=bool)


CIRCLE = 10_000
REFERENCE_ROWS = 40


def reference_rows(snapshots: Sequence[Snapshot], n: int = REFERENCE_ROWS) -> npt.NDArray[np.float32]:
    """A few feature rows of the queue, drawn by a stable hash of account and day: the population that reasons are told against.

    Returns
    -------
    array (at most n, n_features), float32
    """
    rows, places = [], []
    for one in snapshots:
        queue = one.take(one.in_queue)
        names = queue.frame.positions["account_id"].astype(str) + f":reference:{one.frame.as_of}"
        rows.append(queue.frame.values)
        places.append(pd.util.hash_array(names.to_numpy(dtype=object), categorize=False))
    first = np.argsort(np.concatenate(places), kind="stable")[:n]
    return np.concatenate(rows)[first]


def _month_end_on_or_before(day: date) -> date:
    after = day + timedelta(days=1)
    return day if after.day == 1 else day.replace(day=1) - timedelta(days=1)
