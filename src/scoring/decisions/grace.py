"""Grace holds: a pause with an end, for special circumstances that have evidence behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import NO_DAY, AccountEvents, Ints, day_number, open_standings
from scoring.decisions.house_numbers import house_numbers

GRACE_KINDS: Final = ("illness", "job_loss", "disaster", "hardship")


@dataclass(frozen=True)
class GraceHolds:
    """The pause of each account.

    Attributes
    ----------
    kinds : array (n_accounts,) of str
        The circumstance, empty where there is none; where several hold, the one that ends last.
    expires_on : array (n_accounts,)
        Last day of the pause, days since 1970; -1 where there is none.
    evidence_refs : array (n_accounts,) of str or None
    needs_evidence : array (n_accounts,) of bool
        A circumstance was named and nothing shows it yet: it is asked for, nothing is held.

    Examples
    --------
    >>> none = np.array([""], dtype=object)
    >>> GraceHolds(none, np.array([-1]), none, np.array([False])).is_held(20000).tolist()
    [False]
    """

    kinds: npt.NDArray[np.object_]
    expires_on: Ints
    evidence_refs: npt.NDArray[np.object_]
    needs_evidence: npt.NDArray[np.bool_]

    def is_held(self, day: int) -> npt.NDArray[np.bool_]:
        """Accounts whose pause covers a day (days since 1970)."""
        return np.asarray(self.expires_on >= day)


def grace_days() -> dict[str, int]:
    """Length of the pause by circumstance, in days.

    >>> grace_days()["illness"]
    30
    """
    return {kind: house_numbers("timing").whole(f"grace_days_{kind}") for kind in GRACE_KINDS}


def grace_holds(events: AccountEvents) -> GraceHolds:
    """The pauses that run on the day after ``as_of``; one that has expired holds nothing.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> ill = {"account_id": "A1", "kind": "illness", "from_at": "2025-04-20T08:00:00Z", "evidence_ref": "E1"}
    >>> given = portfolio_from_tables({**SMALLEST, "standings": [ill]})
    >>> held = grace_holds(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1)))
    >>> held.kinds.tolist(), held.expires_on.tolist(), held.evidence_refs.tolist()
    (['illness'], [20228], ['E1'])
    """
    n, tomorrow = len(events), day_number(events.as_of) + 1
    flags = open_standings(events)
    open_now = flags[flags["kind"].isin(GRACE_KINDS)]
    begins = open_now["from_at"].to_numpy().astype("datetime64[D]").astype(np.int64)
    until = pd.to_datetime(open_now["until_at"]).to_numpy().astype("datetime64[D]")
    known_end = np.where(np.isnat(until), np.iinfo(np.int64).max, until.astype(np.int64))
    ends = np.minimum(begins + open_now["kind"].map(grace_days()).to_numpy(dtype=np.int64), known_end)
    has_evidence = open_now["evidence_ref"].notna().to_numpy()
    rows = open_now["row"].to_numpy(dtype=np.int64)
    asked = np.zeros(n, dtype=bool)
    asked[rows[~has_evidence & (ends >= tomorrow)]] = True
    runs = has_evidence & (ends >= tomorrow)
    order = np.flatnonzero(runs)[np.argsort(ends[runs], kind="stable")]
    kinds, refs = np.full(n, "", dtype=object), np.full(n, None, dtype=object)
    expires = np.full(n, NO_DAY, dtype=np.int64)
    kinds[rows[order]] = open_now["kind"].to_numpy(dtype=object)[order]
    refs[rows[order]] = open_now["evidence_ref"].to_numpy(dtype=object)[order]
    expires[rows[order]] = ends[order]
    return GraceHolds(kinds, expires, refs, asked & (expires == NO_DAY))
