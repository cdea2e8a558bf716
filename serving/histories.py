"""Histories of named accounts as a small portfolio: cut out of the stored one, or as they came in a request.

Building features takes as long as the portfolio is large, so a request builds over its own accounts only. The builder
gives an account the same bits whatever else is in the portfolio; what must be the same is which tables were observed,
so inline accounts that come with other tables are built apart.

Scores of histories that are plainly in order do not come here: `serving.inline_accounts` has them without SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.siblings import read_together
from scoring.errors import AsOfError, BadRequestError, PortfolioError
from scoring.features.builder import FeatureFrame, build, pick, refuse_as_of
from scoring.features.one_account.few import build_few, few_accounts
from scoring.features.one_account.known import TABLES_READ
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.checking import check
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import Portfolio, portfolio_from_tables
from serving.customer_rows import CustomerRows
from serving.wire import AccountHistory, Row, refuse_repeated


@dataclass(frozen=True)
class Judged:
    """What a decision reads beside the features: what is lawful, and events that hold or hurry it; both may be absent."""

    lawful: Lawfulness | None = None
    events: AccountEvents | None = None


Judge = Callable[[Portfolio, list[str]], Judged]
"""Says what the contact policy leaves open for some accounts of a portfolio, and what holds them. Scores need none."""


@dataclass(frozen=True)
class Part:
    """Accounts that were built together: their features, and what was judged about them in the same order."""

    frame: FeatureFrame
    judged: Judged


@dataclass(frozen=True)
class Histories:
    """Accounts asked for, in one part or several, and the SHA-256 of what their features were computed from."""

    account_ids: tuple[str, ...]
    parts: tuple[Part, ...]
    fingerprint: str

    @property
    def as_of(self) -> date:
        """The day they are known to."""
        return self.parts[0].frame.as_of

    @property
    def frame(self) -> FeatureFrame:
        """Features of all accounts, in the order asked."""
        if len(self.parts) == 1 and tuple(self.parts[0].frame.positions["account_id"]) == self.account_ids:
            return self.parts[0].frame
        positions = pd.concat([part.frame.positions for part in self.parts], ignore_index=True)
        values = np.concatenate([part.frame.values for part in self.parts])
        return pick(FeatureFrame(self.as_of, positions, values), self.account_ids, frozenset(self.account_ids))


def stored_histories(
    rows: CustomerRows, account_ids: tuple[str, ...], as_of: date, judge: Judge | None = None
) -> Histories:
    """Stored accounts on any day the portfolio can answer for; safe to call from several threads.

    They are judged over their customers' rows alone: what a query over a whole portfolio leaves behind in the database stays with the
    worker.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: before the first statement, or too long after the extract.
    UnknownAccountError, NotEligibleError
        The first account that is not there, or that had no statement by then.
    """
    own = replace(rows.portfolio, connection=rows.portfolio.connection.cursor())
    try:
        refuse_as_of(own, as_of)
    finally:
        own.connection.close()
    tables = rows.of(rows.customers_of(account_ids), TABLES_READ if judge is None else ())
    known = frozenset(tables["accounts"]["account_id"].to_pylist())
    frame = pick(built_few({name: tables[name] for name in TABLES_READ if name in tables}, as_of), account_ids, known)
    return Histories(account_ids, (Part(frame, _judged_alone(tables, account_ids, judge)),), rows.portfolio.fingerprint)


def _judged_alone(tables: Mapping[str, pa.Table], account_ids: tuple[str, ...], judge: Judge | None) -> Judged:
    if judge is None:
        return Judged()
    small = portfolio_from_tables(tables)
    try:
        return judge(small, list(account_ids))
    finally:
        small.connection.close()


def built_few(tables: Mapping[str, pa.Table], as_of: date) -> FeatureFrame:
    """Features of all accounts of a few rows; an empty frame where none of them has a statement by then."""
    empty = FeatureFrame(as_of, pd.DataFrame({"account_id": []}), np.empty((0, len(FEATURE_NAMES)), dtype=np.float32))
    if not len(tables["statements"]):
        return empty
    found = few_accounts(tables, as_of)
    if found is not None:
        return found
    small = portfolio_from_tables(tables)
    try:
        return build(small, as_of, min_dpd=0)
    except AsOfError:
        return empty
    finally:
        small.connection.close()


def inline_histories(
    asked: Sequence[AccountHistory], as_of: date, currency: str, judge: Judge | None = None
) -> Histories:
    """Accounts whose event tables came in the request.

    Parameters
    ----------
    asked : sequence of AccountHistory
        One account each.
    as_of : date
    currency : str
        Of the bundle: amounts in another one would mean something else.

    Raises
    ------
    BadRequestError
        An account twice, a row of another account, a column that no contract knows, a customer's inflows given twice.
    PortfolioError
        ``bad_portfolio``: a missing column, a value of the wrong type, another currency, or what the data check calls
        an error.
    AsOfError, NotEligibleError
        Before the first statement, of all accounts or of one.
    """
    account_ids = tuple(_account_id(place, history, currency) for place, history in enumerate(asked))
    refuse_repeated(account_ids, "accounts")
    for place, history in enumerate(asked):
        _refuse_strangers(place, history)
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, history in enumerate(asked):
        groups.setdefault(tuple(sorted(history.tables())), []).append(place)
    built = [
        _one_group([asked[place] for place in places], places, as_of, judge) for _, places in sorted(groups.items())
    ]
    parts, fingerprints = zip(*built, strict=True)
    together = hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()
    histories = Histories(account_ids, _judged_together(parts), together)
    _ = histories.frame  # refuses the first account that had no statement by then
    return histories


def _judged_together(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """What stands on one account of a customer is known of those that came with other tables."""
    events = [part.judged.events for part in parts if part.judged.events is not None]
    if len(parts) == 1 or len(events) < len(parts):
        return parts
    customers = [part.frame.positions["customer_id"].to_numpy(dtype=object) for part in parts]
    found = zip(parts, read_together(events, customers), strict=True)
    return tuple(replace(part, judged=replace(part.judged, events=each)) for part, each in found)


def _account_id(place: int, history: AccountHistory, currency: str) -> str:
    row = history.accounts[0]
    account_id = row.get("account_id")
    if not isinstance(account_id, str) or not account_id:
        raise BadRequestError(
            "An account's own row has no account_id, so its other rows cannot be told apart. Give it as text.",
            field=f"accounts.{place}.accounts.0.account_id",
            expected="a text",
        )
    if row.get("currency") != currency:
        raise PortfolioError(
            f"Account {account_id} is not in {currency}, the currency of the models: its amounts would mean "
            "something else. Convert them.",
            field=f"accounts.{place}.accounts.0.currency",
            got=str(row.get("currency"))[:10],
            expected=currency,
        )
    return account_id


def _refuse_strangers(place: int, history: AccountHistory) -> None:
    """Refuse a row that belongs to another account or customer: it would change that one's scores."""
    own = history.accounts[0]
    for name, rows in history.tables().items():
        key = "account_id" if contracts()[name].has("account_id") else "customer_id"
        for number, row in enumerate(rows):
            if row.get(key) != own.get(key):
                raise BadRequestError(
                    f"Row {number} of {name} has another {key} than the account it is sent with. Send each "
                    "account's own rows.",
                    field=f"accounts.{place}.{name}.{number}.{key}",
                    expected=f"the {key} of the account",
                )


def _one_group(asked: list[AccountHistory], places: list[int], as_of: date, judge: Judge | None) -> tuple[Part, str]:
    """Accounts that came with the same tables, built together; and their fingerprint."""
    try:
        small = portfolio_from_tables(_merged(asked, places))
    except PortfolioError as error:
        raise _located(error, asked, places) from error
    try:
        _refuse_ignored(small)
        _refuse_findings(small)
        frame = build_few(small, as_of)
        judged = Judged() if judge is None else judge(small, frame.positions["account_id"].tolist())
        return Part(frame, judged), small.fingerprint
    finally:
        small.connection.close()


def _merged(asked: list[AccountHistory], places: list[int]) -> dict[str, list[Row]]:
    """One table per name; the inflows of a customer with several accounts are taken once."""
    merged: dict[str, list[Row]] = {name: [] for name in asked[0].tables()}
    seen: dict[Any, list[Row]] = {}
    for place, history in zip(places, asked, strict=True):
        tables = history.tables()
        if "inflows" in tables:
            customer, inflows = history.accounts[0].get("customer_id"), tables["inflows"]
            if seen.setdefault(customer, inflows) != inflows:
                raise BadRequestError(
                    "Two accounts of one customer come with different inflows, so they cannot both be right. "
                    "Send the same ones.",
                    field=f"accounts.{place}.inflows",
                )
            if seen[customer] is not inflows:
                tables["inflows"] = []
        for name, rows in tables.items():
            merged[name] += rows
    return merged


def _located(error: PortfolioError, asked: list[AccountHistory], places: list[int]) -> PortfolioError:
    """The same refusal, telling which account's row it was."""
    table = (error.field or "").partition(".")[0]
    if table not in contracts():
        return error
    somewhere = PortfolioError(error.message, field=f"accounts.{error.field}", got=error.got, expected=error.expected)
    for place, history in zip(places, asked, strict=True):
        try:
            inline_table(contracts()[table], history.tables().get(table, []))
        except PortfolioError as own:
            return PortfolioError(
                f"Account {history.accounts[0]['account_id']}: {own.message}",
                field=f"accounts.{place}.{own.field}",
                got=own.got,
                expected=own.expected,
            )
    return somewhere


def _refuse_ignored(small: Portfolio) -> None:
    for table, names in small.ignored.items():
        raise BadRequestError(
            f"Table {table} has no column {names[0][:60]!r}. Remove it, or correct its spelling.",
            field=f"accounts.{table}.{names[0][:60]}",
            got=names[0][:60],
            expected=list(contracts()[table].columns),
        )


def _refuse_findings(small: Portfolio) -> None:
    wrong = [finding for finding in check(small) if finding.severity == "error"]
    if wrong:
        first = wrong[0]
        rows = f" Rows: {', '.join(first.examples)}." if first.examples else ""
        codes = [finding.code for finding in wrong]
        raise PortfolioError(first.message + rows, field=f"accounts.{first.table}", got=codes)
