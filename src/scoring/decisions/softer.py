"""What a customer could do that would lead to a softer treatment: the smallest payment of a few that does.

Only a payment is tried, because it is what a customer can do; nothing that cannot be changed is moved. The features of the
hypothetical history come from the one builder, the scores from the bundle and the treatment from the same matrix, so the answer is
exact for the day it is given. It is worked out when the decision is made and kept in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.treatments import cells_of, treatment_table
from scoring.features.builder import FeatureFrame, build
from scoring.portfolio.hypothetical import with_payments
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.scores import POSITIONS_READ, score_columns
from scoring.scores.targets import eligible, token_cents
from scoring.vocabulary import Treatment

HARSHNESS: Final[Mapping[Treatment, int]] = {
    Treatment.NO_ACTION: 0,
    Treatment.GRACE_HOLD: 0,
    Treatment.REMINDER: 1,
    Treatment.REPAIR_CONTACT_DATA: 1,
    Treatment.ASK_REASON: 2,
    Treatment.PLAN_OFFER: 2,
    Treatment.NEGOTIATE: 3,
    Treatment.LEGAL_REVIEW: 4,
}
"""How much a treatment presses; a house order, from leaving alone to a person weighing legal steps."""
HARSH: Final = 3
_NAMES: Final = [str(treatment) for treatment in HARSHNESS]
PAST_DUE_SHARES: Final = (0.0, 0.25, 0.5, 1.0)
"""Payments tried, as shares of the past-due amount; 0 stands for the token payment."""


@dataclass(frozen=True)
class Softer:
    """The smallest payment tried that would have led to a softer treatment, for the accounts where that was asked.

    Attributes
    ----------
    payment_cents : array (n_accounts,), int
        0 where none of the payments tried would, or where it was not asked.
    treatment : array (n_accounts,) of str
        The softer treatment; empty where there is none.
    is_asked : array (n_accounts,) of bool
        Whether the treatment is harsh enough to ask.
    """

    payment_cents: npt.NDArray[np.int64]
    treatment: npt.NDArray[np.object_]
    is_asked: npt.NDArray[np.bool_]


def harshness(treatments: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """How much each treatment presses, 0 to 4.

    >>> harshness(np.array(["reminder", "legal_review"], dtype=object)).tolist()
    [1, 4]
    """
    return np.array([HARSHNESS[Treatment(name)] for name in _NAMES], dtype=np.int64)[
        pd.Index(_NAMES).get_indexer(pd.Index(treatments))
    ]


def softer_treatments(
    portfolio: Portfolio, frame: FeatureFrame, bundle: Bundle, treatments: npt.NDArray[np.object_]
) -> Softer:
    """For every account with a harsh treatment, the smallest payment tried that would have led to a softer one.

    Parameters
    ----------
    portfolio : Portfolio
    frame : FeatureFrame
        As the decisions were made from.
    treatments : array (n_accounts,) of str
        As decided, in the frame's order.

    Returns
    -------
    Softer
    """
    now = harshness(treatments)
    found = Softer(np.zeros(len(frame), np.int64), np.full(len(frame), "", dtype=object), now >= HARSH)
    open_rows = np.flatnonzero(found.is_asked)
    for share in PAST_DUE_SHARES:
        if not len(open_rows):
            break
        amounts = _payments(frame.take(open_rows), bundle, share)
        after = _treatments_after(portfolio, frame.take(open_rows), bundle, amounts)
        better = harshness(after) < now[open_rows]
        found.payment_cents[open_rows[better]] = amounts[better]
        found.treatment[open_rows[better]] = after[better]
        open_rows = open_rows[~better]
    return found


def _payments(frame: FeatureFrame, bundle: Bundle, share: float) -> npt.NDArray[np.int64]:
    due = frame.positions["past_due_cents"].to_numpy(dtype=np.int64)
    token = np.minimum(token_cents(frame.positions, bundle.definition), due)
    return np.asarray(np.maximum(np.ceil(share * due).astype(np.int64), token))


def _treatments_after(
    portfolio: Portfolio, frame: FeatureFrame, bundle: Bundle, amounts: npt.NDArray[np.int64]
) -> npt.NDArray[np.object_]:
    """The matrix's treatment of each account had it paid; nothing is done where it would no longer be worked."""
    paid = with_payments(portfolio, frame.as_of, frame.positions["account_id"].to_numpy(dtype=object), amounts)
    try:
        after = build(paid, frame.as_of, min_dpd=0)
    finally:
        paid.connection.close()
    positions = {name: after.positions[name].to_numpy() for name in POSITIONS_READ}
    scored = score_columns(bundle, after.values, positions, after.as_of, with_contributions=False)
    table = pd.DataFrame({name: scored.columns[name] for name in ("segment", "evidence", "dpd")})
    told = np.where(
        eligible(after, bundle.definition), treatment_table().treatments[cells_of(table)], str(Treatment.NO_ACTION)
    )
    place = pd.Index(after.positions["account_id"]).get_indexer(pd.Index(frame.positions["account_id"]))
    return np.asarray(told[place], dtype=object)
