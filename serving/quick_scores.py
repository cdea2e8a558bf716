"""Scores that need no SQL: those that the nightly run kept, of stored accounts on the plan's day, and of plain inline histories.

Bit by bit what `serving.desk.Desk.scored` gives. Whatever is not plainly in order gives None: the longer way says why, or asks the
scorecard.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.scores.bundle import Bundle
from scoring.scores.scores import score_columns
from serving.answers import column_rows
from serving.degraded import CANNOT_SCORE
from serving.desk import Desk, there
from serving.inline_accounts import inline_columns
from serving.wire import AccountsRequest

_NO_POSITIONS: Final = pd.DataFrame()


class Answered(NamedTuple):
    """Scores as they are answered, in the order asked, and the day they are of."""

    rows: list[dict[str, Any]]
    as_of: date


def quick_scores(desk: Desk, asked: AccountsRequest) -> Answered | None:
    """What a question about a few accounts is answered, without SQL; None where that cannot be."""
    if asked.accounts is not None:
        return _inline(desk.bundle(), asked)
    if not desk.is_quick(asked) or desk.changed(asked):
        return None
    return _kept(desk, asked) or _stored(desk, asked)


def _kept(desk: Desk, asked: AccountsRequest) -> Answered | None:
    """From the nightly run's own scores; not while the models cannot score, because then every answer says so."""
    day, account_ids = there(desk.day), asked.account_ids or ()
    if day.scores is None or desk.condition.is_degraded:
        return None
    places = [day.plan.row_of.get(account_id, -1) for account_id in account_ids]
    return None if -1 in places else Answered(day.scores.answers(account_ids, places), day.plan.as_of)


def _stored(desk: Desk, asked: AccountsRequest) -> Answered | None:
    day = there(desk.day)
    rows = np.array([day.row_of.get(account_id, -1) for account_id in asked.account_ids or ()], dtype=np.int64)
    if (rows < 0).any():
        return None
    positions = {name: column[rows] for name, column in day.read_by_scores.items()}
    return _scored(desk.bundle(), day.frame.values[rows], positions, day.frame.as_of)


def _inline(bundle: Bundle, asked: AccountsRequest) -> Answered | None:
    if asked.accounts is None or asked.as_of is None:
        return None
    columns = inline_columns(asked.accounts, asked.as_of, bundle.manifest["currency"])
    return None if columns is None else _scored(bundle, *columns, asked.as_of)


def _scored(
    bundle: Bundle, values: npt.NDArray[np.float32], positions: Mapping[str, npt.NDArray[Any]], as_of: date
) -> Answered | None:
    try:
        found = score_columns(bundle, values, positions, as_of, with_outcomes=True)
    except CANNOT_SCORE:
        return None
    return Answered(column_rows(found, FeatureFrame(as_of, _NO_POSITIONS, values)), as_of)
