"""What is on file about each account that decides whether it fits a limit: slots in which its call fits, its region, a person's approval.

Slots: where an account has answered calls before, only the slots that overlap its best hours fit; otherwise every slot within lawful
hours does. Approval: a visit or a step at law is possible only where a person approved it and, for the law, every piece of evidence is
shown; a score has no say in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.decisions.account_events import AccountEvents, open_standings
from scoring.decisions.capacity import Slot
from scoring.decisions.contact_hours import contact_hours
from scoring.decisions.legal_review import legal_review
from scoring.policy import Profile
from scoring.portfolio.reading import Portfolio
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel

VISIT_APPROVAL = "human_approval_visit"

Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class OnFile:
    """Facts of some accounts, in their order.

    Attributes
    ----------
    slots : array (n_accounts, n_slots) of bool
        Whether an agent's call fits the slot; no column where the day has no slots.
    regions : array (n_accounts,) of str
        Empty where none is on file.
    approved : array (n_accounts, n_channels) of bool
        Visits and steps at law that a person approved on complete evidence; False for every other channel.
    """

    slots: Bools
    regions: Objects
    approved: Bools


def on_file(
    portfolio: Portfolio,
    events: AccountEvents,
    positions: pd.DataFrame,
    slots: tuple[Slot, ...] = (),
    profile: Profile | None = None,
) -> OnFile:
    """Gather the facts of some accounts.

    Parameters
    ----------
    events : AccountEvents
        Of the accounts.
    positions : DataFrame
        ``is_disputed``, in the same order.
    slots : tuple of Slot
        The day's slots for agent calls.
    profile : Profile, optional
        The contact policy; its hours bound the slots.

    Examples
    --------
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> given = portfolio_from_tables(SMALLEST)
    >>> events = account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> found = on_file(given, events, pd.DataFrame({"is_disputed": [False]}), (Slot("morning", 9, 12, 60.0),))
    >>> found.slots.tolist(), found.regions.tolist(), found.approved.any()
    ([[False]], [''], np.False_)
    """
    return OnFile(_slots(events, slots, profile), _regions(portfolio, events.account_ids), approved(events, positions))


def approved(events: AccountEvents, positions: pd.DataFrame) -> Bools:
    """What a person approved: visits by an open approval, steps at law by approval and a complete file.

    Returns
    -------
    array (n_accounts, n_channels) of bool
    """
    found = np.zeros((len(events), len(CONTACT_CHANNELS)), dtype=bool)
    file = legal_review(events, positions)
    known = open_standings(events)
    visits = known.loc[(known["kind"] == VISIT_APPROVAL) & known["evidence_ref"].notna(), "row"]
    found[visits.to_numpy(dtype=np.int64), CONTACT_CHANNELS.index(Channel.FIELD_VISIT)] = True
    found[:, CONTACT_CHANNELS.index(Channel.LEGAL_REFERRAL)] = file.may_be_referred
    assert not found[:, [channel not in HUMAN_ONLY_CHANNELS for channel in CONTACT_CHANNELS]].any()
    return found


def _slots(events: AccountEvents, slots: tuple[Slot, ...], profile: Profile | None) -> Bools:
    """A slot fits where it shares an hour with the hours proposed for a call, which are lawful ones."""
    if not slots:
        return np.zeros((len(events), 0), dtype=bool)
    calls = np.full(len(events), str(Channel.AGENT_CALL), dtype=object)
    zones = profile.default_zones if profile is not None else ()
    hours = contact_hours(events, calls, profile, zones, date.fromordinal(events.as_of.toordinal() + 1))
    known = hours.from_hour >= 0
    return np.stack(
        [known & (hours.from_hour < slot.until_hour) & (hours.until_hour > slot.from_hour) for slot in slots], axis=1
    )


def _regions(portfolio: Portfolio, account_ids: Objects) -> Objects:
    found = np.full(len(account_ids), "", dtype=object)
    connection: duckdb.DuckDBPyConnection = portfolio.connection.cursor()
    try:
        ids = pa.array(account_ids, type=pa.string())
        connection.register("asked", pa.table({"account_id": ids, "row": np.arange(len(ids), dtype=np.int64)}))
        seen = connection.execute(
            "SELECT k.row, a.region FROM accounts a JOIN asked k USING (account_id) WHERE a.region IS NOT NULL"
        ).df()
    finally:
        connection.close()
    found[seen["row"].to_numpy(dtype=np.int64)] = seen["region"].astype(str).to_numpy(dtype=object)
    return found
