"""What timing, terms and reviews read about some accounts: calls by local hour, payments, promises, flags, plan events.

Everything goes through `scoring.portfolio.known.known_on`, compiled once to SQL, so nothing learned later is seen. Rows come back in
columns; an absent table gives empty columns, which the readers take as *not observed*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.portfolio.known import known_on, unbound_tables
from scoring.portfolio.reading import Portfolio
from scoring.resources import query_text

NO_DAY: Final = -1
"""Stands for a day that there is not."""
HOURS: Final = 24
_MARKER: Final = date(1901, 2, 3)
_HISTORY_DAYS: Final = 400

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AccountEvents:
    """Known events of some accounts, as columns with ``row``, the place of the account.

    Attributes
    ----------
    account_ids : array (n_accounts,) of str
    zones : array (n_accounts,) of object
        IANA zone on file, None where there is none.
    calls : DataFrame
        ``row``, ``called_at`` (UTC), ``is_answered``: outbound calls of 400 days.
    payments : DataFrame
        ``row``, ``paid_on`` (days since 1970), ``amount_cents``: qualifying payments of 400 days.
    promises : DataFrame
        ``row``, ``made_on``, ``due_on`` (days since 1970), ``promised_cents``.
    standings : DataFrame
        ``row``, ``kind``, ``from_at``, ``until_at`` (NaT while it holds), ``evidence_ref``.
    siblings_standings : DataFrame
        ``row``, ``kind``, ``until_at``: standings of the other accounts of the account's customer; see `customers_flags`.
    dunnings : DataFrame
        ``row``, ``dunned_on``: demands whose receipt can be shown (answered, met, delivered, read).
    last_contact_on : array (n_accounts,)
        Day of the last outbound contact, -1 where there was none.
    last_inbound_on : array (n_accounts,)
        Day of the last contact that the customer opened, -1 where there was none.
    interest_cents_365d : array (n_accounts,)
        Interest and fees charged in a year.
    observed : frozenset of str
        Tables that were delivered.
    """

    as_of: date
    account_ids: npt.NDArray[np.object_]
    zones: npt.NDArray[np.object_]
    calls: pd.DataFrame
    payments: pd.DataFrame
    promises: pd.DataFrame
    standings: pd.DataFrame
    siblings_standings: pd.DataFrame
    dunnings: pd.DataFrame
    last_contact_on: Ints
    last_inbound_on: Ints
    interest_cents_365d: Ints
    observed: frozenset[str]

    def __len__(self) -> int:
        return len(self.account_ids)


def open_standings(events: AccountEvents) -> pd.DataFrame:
    """The standings that hold at the end of the as-of day: those without an end, and those whose known end lies ahead.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> flag = {"account_id": "A1", "from_at": "2025-04-01T08:00:00Z", "known_at": "2025-04-01T08:00:00Z"}
    >>> ill, ended = flag | {"kind": "illness", "until_at": "2025-06-01T00:00:00Z"}, flag | {"kind": "job_loss", "until_at": "2025-04-20T00:00:00Z"}
    >>> given = portfolio_from_tables({**SMALLEST, "standings": [ill, ended]})
    >>> open_standings(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1)))["kind"].tolist()
    ['illness']
    """
    return _open(events.standings, events.as_of)


def customers_flags(events: AccountEvents, kinds: Collection[str]) -> pd.DataFrame:
    """Open standings of some kinds that each account's customer has, on whichever account they stand: ``row``, ``kind``, each once.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> other = {**SMALLEST["accounts"][0], "account_id": "A2"}
    >>> ill = {"account_id": "A2", "kind": "illness", "from_at": "2025-04-01T08:00:00Z"}
    >>> given = portfolio_from_tables({**SMALLEST, "accounts": [*SMALLEST["accounts"], other], "standings": [ill]})
    >>> seen = account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> customers_flags(seen, ["illness"]).values.tolist(), len(open_standings(seen))
    ([[0, 'illness']], 0)
    """
    seen = [_open(each, events.as_of)[["row", "kind"]] for each in (events.standings, events.siblings_standings)]
    found = pd.concat([each[each["kind"].isin(kinds)] for each in seen])
    return found.drop_duplicates().sort_values(["row", "kind"], ignore_index=True)


def _open(standings: pd.DataFrame, as_of: date) -> pd.DataFrame:
    until = pd.to_datetime(standings["until_at"], utc=True)
    return standings[(until.isna() | (until >= pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1))).to_numpy()]


def day_number(day: date) -> int:
    """Days since 1970-01-01.

    >>> day_number(date(1970, 1, 2))
    1
    """
    return day.toordinal() - date(1970, 1, 1).toordinal()


def day_texts(days: Ints) -> npt.NDArray[np.object_]:
    """ISO texts of days since 1970; None where there is no day.

    >>> day_texts(np.array([1, -1])).tolist()
    ['1970-01-02', None]
    """
    texts = np.datetime_as_string(np.maximum(days, 0).astype("datetime64[D]")).astype(object)
    texts[days < 0] = None
    return np.asarray(texts, dtype=object)


def compiled_known() -> dict[str, str]:
    """What was known of each table by the end of a day, as queries with a marker where the day goes; kept beside the code, as features are.

    >>> compiled_known()["promises"] == query_text("known_promises")
    True
    """
    known = known_on(ibis.literal(_MARKER), unbound_tables())
    return {name: str(ibis.to_sql(table, dialect="duckdb")) for name, table in known.items()}


def known_sql(table: str, as_of: date) -> str:
    """The rows of a table that were known by the end of a day, as a query for the connection of a portfolio.

    >>> "MAKE_DATE(2025, 5, 1)" in known_sql("promises", date(2025, 5, 1))
    True
    """
    marker = f"MAKE_DATE({_MARKER.year}, {_MARKER.month}, {_MARKER.day})"
    return query_text(f"known_{table}").replace(marker, f"MAKE_DATE({as_of.year}, {as_of.month}, {as_of.day})")


_SOURCES: Final = {
    "contacts": """SELECT w.row, t.contacted_at, t.channel, t.direction, t.outcome FROM known t JOIN wanted w USING (account_id)""",
    "payments": """SELECT w.row, t.paid_at, t.amount_cents FROM known t JOIN wanted w USING (account_id)
        WHERE t.kind IN ('voluntary', 'autopay') AND t.reversed_at IS NULL AND t.paid_at >= $since""",
    "promises": """SELECT w.row, t.made_at, t.due_on, t.promised_cents FROM known t JOIN wanted w USING (account_id)
        WHERE t.made_at >= $since""",
    "standings": """SELECT w.row, t.kind, t.from_at, t.until_at, t.evidence_ref FROM known t JOIN wanted w USING (account_id)""",
    "statements": """SELECT w.row, t.interest_and_fees_cents FROM known t JOIN wanted w USING (account_id)
        WHERE t.statement_on > $year_ago""",
}
"""Each table is read once, for the wanted accounts, into a temporary table of the same name with ``wanted_`` before it."""

_QUERIES: Final = {
    "calls": """SELECT row, contacted_at AS called_at, outcome = 'conversation' AS is_answered FROM wanted_contacts
        WHERE direction = 'outbound' AND channel IN ('agent_call', 'ai_voice') AND contacted_at >= $since
        ORDER BY row, contacted_at""",
    "payments": """SELECT row, date_diff('day', DATE '1970-01-01', CAST(paid_at AS DATE)) AS paid_on, amount_cents
        FROM wanted_payments""",
    "promises": """SELECT row, date_diff('day', DATE '1970-01-01', CAST(made_at AS DATE)) AS made_on,
        date_diff('day', DATE '1970-01-01', due_on) AS due_on, promised_cents FROM wanted_promises ORDER BY row, made_on, due_on""",
    "standings": "SELECT row, kind, from_at, until_at, evidence_ref FROM wanted_standings ORDER BY row, from_at, kind",
    "dunnings": """SELECT DISTINCT row, date_diff('day', DATE '1970-01-01', CAST(contacted_at AS DATE)) AS dunned_on FROM wanted_contacts
        WHERE direction = 'outbound' AND outcome IN ('conversation', 'met', 'delivered', 'read')""",
    "last_contact": """SELECT row, max(date_diff('day', DATE '1970-01-01', CAST(contacted_at AS DATE))) AS value
        FROM wanted_contacts WHERE direction = 'outbound' GROUP BY row""",
    "last_inbound": """SELECT row, max(date_diff('day', DATE '1970-01-01', CAST(contacted_at AS DATE))) AS value
        FROM wanted_contacts WHERE direction = 'inbound' GROUP BY row""",
    "interest": """SELECT row, CAST(sum(coalesce(interest_and_fees_cents, 0)) AS BIGINT) AS value
        FROM wanted_statements GROUP BY row""",
}

_SIBLINGS_STANDINGS: Final = """SELECT w.row, t.kind, t.until_at FROM wanted w
    JOIN people own USING (account_id) JOIN people other ON other.customer_id = own.customer_id AND other.account_id <> own.account_id
    JOIN known t ON t.account_id = other.account_id ORDER BY w.row, t.kind"""
"""A flag may stand on an account that nobody asks about, such as one that is not past due."""


def account_events(portfolio: Portfolio, account_ids: npt.NDArray[np.object_], as_of: date) -> AccountEvents:
    """Read the events of some accounts, in their order.

    Parameters
    ----------
    portfolio : Portfolio
    account_ids : array of str
    as_of : date
        What was known by the end of this day.

    Returns
    -------
    AccountEvents

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> seen = account_events(portfolio_from_tables(SMALLEST), np.array(["A1"], dtype=object), date(2025, 5, 1))
    >>> len(seen), len(seen.payments), sorted(seen.observed)
    (1, 1, ['accounts', 'payments', 'statements'])
    """
    connection = portfolio.connection.cursor()
    try:
        ids = pa.array(account_ids, type=pa.string())
        connection.register("wanted", pa.table({"account_id": ids, "row": np.arange(len(ids), dtype=np.int64)}))
        for table, query in _SOURCES.items():
            known = f"WITH known AS ({known_sql(table, as_of)}) {query}"
            connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted_{table} AS {known}", _given(query, as_of))
        read = {name: connection.execute(query, _given(query, as_of)).df() for name, query in _QUERIES.items()}
        standings, people = known_sql("standings", as_of), known_sql("accounts", as_of)
        siblings = f"WITH known AS ({standings}), people AS ({people}) {_SIBLINGS_STANDINGS}"
        read["siblings_standings"] = connection.execute(siblings).df()
        zones = connection.execute(
            "SELECT w.row, a.timezone AS value FROM accounts a JOIN wanted w USING (account_id) WHERE a.timezone IS NOT NULL"
        ).df()
    finally:
        connection.close()
    n = len(account_ids)
    columns = {name: np.full(n, NO_DAY, dtype=np.int64) for name in ("last_contact", "last_inbound")}
    columns["interest"], zone = np.zeros(n, dtype=np.int64), np.full(n, None, dtype=object)
    for name, column in columns.items():
        found = read.pop(name)
        column[found["row"].to_numpy(dtype=np.int64)] = found["value"].to_numpy()
    zone[zones["row"].to_numpy(dtype=np.int64)] = zones["value"].to_numpy()
    return AccountEvents(
        as_of=as_of,
        account_ids=np.asarray(account_ids, dtype=object),
        zones=zone,
        last_contact_on=columns["last_contact"],
        last_inbound_on=columns["last_inbound"],
        interest_cents_365d=columns["interest"],
        observed=frozenset(portfolio.observed),
        **read,
    )


def _given(query: str, as_of: date) -> dict[str, date]:
    """The parameters that a query names."""
    days = {"since": _HISTORY_DAYS, "year_ago": 365}
    return {name: as_of.fromordinal(as_of.toordinal() - back) for name, back in days.items() if f"${name}" in query}
