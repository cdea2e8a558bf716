"""The event tables of one chunk, as ``data/contracts`` ask for them: sorted by key, known by the extract day.

Whatever the bank did not know by the end of the extract day is not in its extract: rows known later are left out, and
returns learned of later are blank.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.vocabulary import Channel
from training.simulator.chunk import History
from training.simulator.customer_tables import accounts_table, inflows_table, owners_of, protected_table, word_lists
from training.simulator.parameters import CHANNELS, IntArray, Parameters
from training.simulator.stamps import (
    SECOND,
    Clock,
    InstantArray,
    between,
    chosen,
    nth_of_account,
    numbered,
    ordered,
)
from training.simulator.standings import standings_of

DAY: Final = np.timedelta64(1, "D")
_CHANNEL_WORDS: Final = pa.array([str(channel) for channel in CHANNELS])
_SECONDS_BY_KIND: Final = {"autopay": (1.0, 1.5), "voluntary": (8.2, 15.0)}


class TableWriter:
    """Builds the Arrow tables of one chunk.

    Parameters
    ----------
    history : History
        What happened in the chunk.
    clock : Clock
        First day and extract day.
    parameters : Parameters
        The world.
    width : int
        Digits of an account number, the same for the whole portfolio.
    rng : numpy.random.Generator
        For times of day and late posting; nothing else depends on it.
    """

    def __init__(
        self, history: History, clock: Clock, parameters: Parameters, width: int, rng: np.random.Generator
    ) -> None:
        self.history, self.clock, self.parameters, self.rng = history, clock, parameters, rng
        self._width = width
        self.owners = owners_of(history, clock, width)
        self.account_ids = self.owners.account_ids

    def tables(self) -> dict[str, pa.Table]:
        """Every table that has rows, by name."""
        assignments = self._assignments()
        built = {
            "accounts": accounts_table(self.owners),
            "statements": self._statements(),
            "payments": self._payments(),
            "contacts": self._contacts(assignments),
            "assignments": assignments.get("table"),
            "promises": self._promises(),
            "standings": self._standings(),
            "consents": self._consents(),
            "inflows": inflows_table(self.owners),
            "protected": protected_table(self.owners),
        }
        return {name: table for name, table in built.items() if table is not None}

    def _events(self, table: str) -> dict[str, Any]:
        """The logged events of a table in account order, or nothing."""
        columns = self.history.log.columns(table)
        return ordered(columns, "row", "day") if columns else {}

    def _ids(self, rows: IntArray) -> pa.Array:
        return self.account_ids.take(pa.array(rows))

    def _event_ids(self, prefix: str, rows: IntArray) -> pa.Array:
        number = (self.history.first_account + 1 + rows) * 10_000 + nth_of_account(rows)
        return numbered(prefix, number, self._width + 4)

    def _statements(self) -> pa.Table | None:
        events = self._events("statements")
        if not events:
            return None
        names = (
            "balance_cents",
            "minimum_due_cents",
            "purchases_cents",
            "cash_advances_cents",
            "interest_and_fees_cents",
        )
        return pa.table(
            {
                "account_id": self._ids(events["row"]),
                "statement_on": self.clock.on(events["day"]),
                "due_on": events["due_on"].astype("datetime64[D]"),
                **{name: events[name] for name in names},
                "known_at": self.clock.at(events["day"], np.full(len(events["row"]), 15 * 3600)),
            }
        )

    def _payments(self) -> pa.Table | None:
        events = self._events("payments")
        if not events:
            return None
        n = len(events["row"])
        second = between(self.rng, n, 2.0, 8.0)
        for kind, hours in _SECONDS_BY_KIND.items():
            second = np.where(events["kind"] == kind, between(self.rng, n, *hours), second)
        paid_at = self.clock.at(events["day"], second)
        is_late = (self.rng.random(n) < self.parameters.number("late_posting")) & ~events["bounces"]
        late = np.where(is_late, self.rng.integers(1, 9, n), 0) * DAY
        reversed_at = paid_at + self.rng.integers(1, 5, n) * DAY + 3600 * SECOND
        events |= {
            "paid_at": paid_at,
            "known_at": paid_at + late + self.rng.integers(1, 600, n) * SECOND,
            "reversed_at": reversed_at,
            "reversal_known_at": reversed_at + self.rng.integers(0, 3, n) * DAY,
        }
        events = ordered(chosen(events, events["known_at"] < self.clock.end), "row", "paid_at")
        is_returned = events["bounces"] & (events["reversal_known_at"] < self.clock.end)
        return pa.table(
            {
                "payment_id": self._event_ids("P", events["row"]),
                "account_id": self._ids(events["row"]),
                "paid_at": events["paid_at"],
                "amount_cents": events["amount_cents"],
                "kind": events["kind"],
                "reversed_at": pa.array(events["reversed_at"], mask=~is_returned),
                "reversal_known_at": pa.array(events["reversal_known_at"], mask=~is_returned),
                "known_at": events["known_at"],
            }
        )

    def _assignments(self) -> dict[str, Any]:
        events = self._events("assignments")
        if not events:
            return {}
        n = len(events["row"])
        decided_at = self.clock.at(events["day"], between(self.rng, n, 0.1, 0.9))
        ids = self._event_ids("D", events["row"])
        policy = np.where(events["is_holdout"], "holdout", np.where(events["is_exploration"], "random", "usual"))
        table = pa.table(
            {
                "assignment_id": ids,
                "account_id": self._ids(events["row"]),
                "decided_at": decided_at,
                "channel": _CHANNEL_WORDS.take(pa.array(events["channel"])),
                "propensity": events["propensity"],
                "policy_id": policy,
                "lawful_channels": word_lists(events["lawful"]),
                "is_exploration": events["is_exploration"],
                "is_holdout": events["is_holdout"],
                "known_at": decided_at,
            }
        )
        return {
            "table": table,
            "ids": ids,
            "key": events["row"] * 10_000 + events["day"],
            "propensity": events["propensity"],
        }

    def _contacts(self, assignments: dict[str, Any]) -> pa.Table | None:
        events = self._events("contacts")
        # A bank without a contact policy keeps no contact log either.
        if not events or not assignments:
            return None
        n = len(events["row"])
        is_inbound = events["direction"] == "inbound"
        second = np.where(is_inbound, between(self.rng, n, 9.0, 14.0), between(self.rng, n, 2.5, 8.0))
        at = self.clock.at(events["day"], second)
        is_letter = events["channel"] == CHANNELS.index(Channel.LETTER)
        events |= {"at": at, "known_at": at + np.where(is_letter, self.rng.integers(2, 6, n), 0) * DAY}
        events = ordered(chosen(events, events["known_at"] < self.clock.end), "row", "at")
        is_inbound = events["direction"] == "inbound"
        last = np.searchsorted(assignments["key"], events["row"] * 10_000 + events["day"], side="right") - 1
        is_live = np.isin(events["outcome"], ["conversation", "met"])
        number = pc.binary_join_element_wise(self._ids(events["row"]), pa.scalar("n1"), "-")
        return pa.table(
            {
                "contact_id": self._event_ids("K", events["row"]),
                "account_id": self._ids(events["row"]),
                "contacted_at": events["at"],
                "channel": _CHANNEL_WORDS.take(pa.array(events["channel"])),
                "direction": events["direction"],
                "outcome": events["outcome"],
                "recipient": pa.array(np.full(len(last), "debtor"), mask=~is_live),
                "number_ref": number,
                "minutes": events["minutes"],
                "cost_cents": events["cost_cents"],
                "decision_id": assignments["ids"].take(pa.array(last, mask=is_inbound)),
                "propensity": pa.array(assignments["propensity"][last], mask=is_inbound),
                "known_at": events["known_at"],
            }
        )

    def _promises(self) -> pa.Table | None:
        events = self._events("promises")
        if not events:
            return None
        is_chat = events["channel"] == CHANNELS.index(Channel.ONLINE_CS)
        made_at = self.clock.at(events["day"], np.where(is_chat, 51_000, 29_400))
        return pa.table(
            {
                "promise_id": self._event_ids("R", events["row"]),
                "account_id": self._ids(events["row"]),
                "made_at": made_at,
                "promised_cents": events["promised_cents"],
                "due_on": self.clock.on(events["due_day"]),
                "channel": _CHANNEL_WORDS.take(pa.array(events["channel"])),
                "known_at": made_at,
            }
        )

    def _standings(self) -> pa.Table | None:
        flags = standings_of(self.history, self.clock, self.rng)
        flags = chosen(flags, flags["known_at"] < self.clock.end)
        if not len(flags["row"]):
            return None
        return pa.table(
            {
                "account_id": self._ids(flags["row"]),
                "kind": flags["kind"],
                "from_at": flags["from_at"],
                "until_at": _or_null(flags["until_at"]),
                "evidence_ref": self._event_ids("E", flags["row"]),
                "known_at": flags["known_at"],
            }
        )

    def _consents(self) -> pa.Table | None:
        columns = self.history.log.columns("opt_outs")
        if not columns:
            return None
        events = ordered(columns, "row", "channel", "day")
        given_at = self.clock.at(events["day"], np.full(len(events["row"]), 29_700))
        return pa.table(
            {
                "account_id": self._ids(events["row"]),
                "kind": np.full(len(given_at), "opt_out"),
                "channel": _CHANNEL_WORDS.take(pa.array(events["channel"])),
                "given_at": given_at,
                "known_at": given_at,
            }
        )


def _or_null(instants: InstantArray) -> pa.Array:
    return pa.array(instants.astype("datetime64[us]"), mask=np.isnat(instants))
