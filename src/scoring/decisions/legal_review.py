"""Legal review: an evidence list and how complete it is, for the person who decides. No score decides, and completeness does not either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import NO_DAY, AccountEvents, Ints, day_texts, open_standings
from scoring.decisions.house_numbers import house_numbers
from scoring.policy import Truth

EVIDENCE_ITEMS: Final = (
    "two_provable_dunnings",
    "dunnings_thirty_days_apart",
    "plan_offered_or_refused",
    "no_dispute_open",
    "no_special_circumstances",
    "not_time_barred",
    "customer_reachable",
)
"""What a person needs to see, in this order. Approval is not in the list: it is what the person gives."""
APPROVAL_FLAG: Final = "human_approval_legal"


@dataclass(frozen=True)
class LegalReview:
    """The file of each account.

    Attributes
    ----------
    items : array (n_accounts, 7) of int8
        `Truth` of each of `EVIDENCE_ITEMS`.
    completeness : array (n_accounts,)
        Share of items that are shown to hold; unknown counts as missing.
    first_dunning_on, last_dunning_on : array (n_accounts,)
        Days since 1970, -1 where there is none.
    is_approved : array (n_accounts,) of bool
        A person's approval is on file.
    """

    items: npt.NDArray[np.int8]
    completeness: npt.NDArray[np.float64]
    first_dunning_on: Ints
    last_dunning_on: Ints
    n_dunnings: Ints
    is_approved: npt.NDArray[np.bool_]

    @property
    def may_be_referred(self) -> npt.NDArray[np.bool_]:
        """Every item is shown *and* a person approved; neither is enough alone."""
        return np.asarray((self.items == Truth.TRUE).all(axis=1) & self.is_approved)

    def tree(self, row: int) -> dict[str, Any]:
        """One account's file, as plain JSON values."""
        days = day_texts(np.array([self.first_dunning_on[row], self.last_dunning_on[row]]))
        return {
            "completeness": round(float(self.completeness[row]), 4),
            "evidence": {
                name: Truth(int(code)).name.lower() for name, code in zip(EVIDENCE_ITEMS, self.items[row], strict=True)
            },
            "n_dunnings": int(self.n_dunnings[row]),
            "first_dunning_on": days[0],
            "last_dunning_on": days[1],
            "approval": "given" if self.is_approved[row] else "missing",
            "decided_by": "person",
        }


def legal_review(events: AccountEvents, positions: pd.DataFrame) -> LegalReview:
    """Gather the evidence of every account.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> seen = account_events(portfolio_from_tables(SMALLEST), np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> file = legal_review(seen, pd.DataFrame({"is_disputed": [False]}))
    >>> file.completeness.round(2).tolist(), file.may_be_referred.tolist()
    ([0.14], [False])
    """
    numbers, n = house_numbers("plan_terms"), len(events)
    rows, on = events.dunnings["row"].to_numpy(dtype=np.int64), events.dunnings["dunned_on"].to_numpy(dtype=np.int64)
    count = np.bincount(rows, minlength=n)
    first, last = np.full(n, np.iinfo(np.int64).max), np.full(n, NO_DAY, dtype=np.int64)
    np.minimum.at(first, rows, on)
    np.maximum.at(last, rows, on)
    first = np.where(count > 0, first, NO_DAY)
    seen = {"contacts": "contacts" in events.observed, "standings": "standings" in events.observed}

    flags = open_standings(events)

    def flag(*kinds: str) -> npt.NDArray[np.bool_]:
        found = np.zeros(n, dtype=bool)
        found[flags.loc[flags["kind"].isin(kinds), "row"].to_numpy(dtype=np.int64)] = True
        return found

    def stated(holds: npt.NDArray[np.bool_], *, by: str | None = None) -> npt.NDArray[np.int8]:
        if by is not None and not seen[by]:
            return np.full(n, Truth.UNKNOWN, dtype=np.int8)
        return np.where(holds, Truth.TRUE, Truth.FALSE).astype(np.int8)

    offered = np.zeros(n, dtype=bool)
    kinds = events.standings["kind"].isin(["plan_offered_or_refused", "plan_signed"])
    offered[events.standings.loc[kinds, "row"].to_numpy(dtype=np.int64)] = True
    items = np.stack(
        [
            stated(count >= numbers.whole("dunnings_needed"), by="contacts"),
            stated((count > 1) & (last - first >= numbers.whole("dunning_gap_days")), by="contacts"),
            stated(offered, by="standings"),
            stated(~positions["is_disputed"].to_numpy(dtype=bool)),
            stated(~flag("illness", "job_loss", "disaster", "hardship", "vulnerable"), by="standings"),
            stated(~flag("time_barred"), by="standings"),
            stated(~flag("own_number_invalid", "loss_of_contact"), by="standings"),
        ],
        axis=1,
    )
    return LegalReview(
        items=items,
        completeness=(items == Truth.TRUE).mean(axis=1),
        first_dunning_on=first,
        last_dunning_on=last,
        n_dunnings=count.astype(np.int64),
        is_approved=flag(APPROVAL_FLAG),
    )
