"""The tables about people rather than events: accounts, inflows, protected traits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scoring.vocabulary import Channel
from training.simulator.chunk import History
from training.simulator.parameters import CHANNELS, IntArray
from training.simulator.stamps import Clock, numbered


@dataclass(frozen=True)
class Owners:
    """The accounts of a chunk with their ids.

    ``first_of`` is the row of each customer's first account; a customer carries its number.
    """

    history: History
    clock: Clock
    account_ids: pa.Array
    customer_ids: pa.Array
    first_of: IntArray


def owners_of(history: History, clock: Clock, width: int) -> Owners:
    """Name the accounts and customers of a chunk with numbers of ``width`` digits."""
    first, people = history.first_account, history.people
    first_of = np.flatnonzero(np.diff(people.customer, prepend=-1))
    return Owners(
        history,
        clock,
        account_ids=numbered("A", first + 1 + np.arange(len(people)), width),
        customer_ids=numbered("C", first + 1 + first_of[people.customer], width),
        first_of=first_of,
    )


def accounts_table(owners: Owners) -> pa.Table:
    """One row per account."""
    people = owners.history.people
    usable = people.addresses.T & (np.array([c is not Channel.NONE for c in CHANNELS]))
    return pa.table(
        {
            "account_id": owners.account_ids,
            "customer_id": owners.customer_ids,
            "product": np.where(people.limit >= 2_000_000, "gold_card", "standard_card"),
            "opened_on": owners.clock.on(people.opened),
            "credit_limit_cents": people.limit,
            "currency": np.full(len(people), "CNY"),
            "region": np.char.add("R", people.region.astype(str)),
            "timezone": np.where(people.in_second_zone, "Asia/Urumqi", "Asia/Shanghai"),
            "channel_addresses": word_lists(usable @ (1 << np.arange(len(CHANNELS)))),
            "known_at": owners.clock.at(people.opened, np.full(len(people), 3600)),
        }
    )


def inflows_table(owners: Owners) -> pa.Table | None:
    """One row per customer and month, only of customers whose inflows the bank sees; nothing where it sees none."""
    people = owners.history.people
    months = owners.history.log.columns("months")
    if not months or not people.sees_inflows.any():
        return None
    n_customers = len(owners.first_of)
    month_of = months["day"].astype(np.int64)
    last_days = np.unique(month_of)
    sums = {
        name: np.stack(
            [np.bincount(people.customer, months[name][month_of == last], n_customers) for last in last_days.tolist()],
            axis=1,
        )
        for name in ("income", "spending")
    }
    seen = np.flatnonzero(people.sees_inflows[owners.first_of])
    month_on = owners.clock.on(last_days).astype("datetime64[M]").astype("datetime64[D]")
    known_at = owners.clock.at(last_days + 3, np.full(len(last_days), 6 * 3600))
    is_known = known_at < owners.clock.end
    month_on, known_at = month_on[is_known], known_at[is_known]
    customer_ids = owners.customer_ids.take(pa.array(owners.first_of[seen]))
    return pa.table(
        {
            "customer_id": customer_ids.take(pa.array(np.repeat(np.arange(len(seen)), len(month_on)))),
            "month_on": np.tile(month_on, len(seen)),
            "inflow_cents": sums["income"][np.ix_(seen, np.flatnonzero(is_known))].ravel().astype(np.int64),
            "essential_spend_cents": sums["spending"][np.ix_(seen, np.flatnonzero(is_known))].ravel().astype(np.int64),
            "known_at": np.tile(known_at, len(seen)),
        }
    )


def protected_table(owners: Owners) -> pa.Table:
    """One row per customer: for fairness audits, independent of behaviour."""
    people, owner = owners.history.people, owners.first_of
    return pa.table(
        {
            "customer_id": owners.customer_ids.take(pa.array(owner)),
            "sex": np.where(people.sex[owner] == 0, "female", "male"),
            "birth_year": people.birth_year[owner],
        }
    )


def word_lists(codes: IntArray) -> pa.Array:
    """Sets of channels, coded in bits, as comma-separated words."""
    distinct, place = np.unique(codes, return_inverse=True)
    words = [
        ",".join(str(channel) for bit, channel in enumerate(CHANNELS) if code >> bit & 1) for code in distinct.tolist()
    ]
    return pa.array(words).take(pa.array(place))
