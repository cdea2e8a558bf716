"""Features and positions of single accounts, as `scoring.features.builder` has them for a portfolio: bit by bit the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features import arrears as arrears_sql
from scoring.features import balances as balances_sql
from scoring.features import payments as payments_sql
from scoring.features import spending as spending_sql
from scoring.features.builder import (
    DAYS_BEFORE_A_STATEMENT,
    FAR_BACK,
    FIRST_STATEMENT_WITHIN_DAYS,
    LONG_WINDOW,
    POSITION_COLUMNS,
    FeatureFrame,
)
from scoring.features.one_account.arrears import arrears
from scoring.features.one_account.balances import balances
from scoring.features.one_account.contacts import contacts
from scoring.features.one_account.history import Features, History, position, qualifying, walk
from scoring.features.one_account.inflows import inflows
from scoring.features.one_account.known import known_columns, since
from scoring.features.one_account.payments import dues, other_credits, payment_amounts, payment_cycles
from scoring.features.one_account.promises import promises
from scoring.features.one_account.spending import spending
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.clean_rows import Columns

Positions = dict[str, npt.NDArray[Any]]

_REACHING_BACK: Final = tuple(
    (feature.name, int(window.group(1)))
    for family in (arrears_sql, payments_sql, balances_sql, spending_sql)
    for feature in family.FEATURES
    if (window := LONG_WINDOW.search(feature.name)) and feature.name != "n_statements_365d"
)
"""Features over statements and payments that look back further than a history may reach, with their days."""


def one_account(tables: Mapping[str, Columns], as_of: date) -> tuple[dict[str, Any], Features] | None:
    """Position and features of one account.

    Parameters
    ----------
    tables : mapping of table name to columns
        As `scoring.portfolio.clean_rows.clean_history` gives them. An absent table is not observed.
    as_of : date
        What was known by the end of this day.

    Returns
    -------
    tuple of dicts, or None
        Position by the names of `POSITION_COLUMNS` with ``account_id`` and ``customer_id``, and features by name, None where nothing was
        observed; None where the account or any statement of it was not known by then.

    Examples
    --------
    >>> from scoring.portfolio.clean_rows import clean_history
    >>> from scoring.portfolio.reading import SMALLEST
    >>> position, features = one_account(clean_history(SMALLEST), date(2025, 4, 1))
    >>> position["dpd"], features["paid_cents_30d"]
    (7, 5000)
    """
    known = known_columns(tables, as_of)
    accounts, statements, payments = known["accounts"], known["statements"], known["payments"]
    if not accounts["account_id"] or not statements["account_id"]:
        return None
    day, [opened_on] = as_of.toordinal(), accounts["opened_on"]
    paid = qualifying(payments, day)
    cycles = walk(statements, paid, day)
    here = position(cycles, known.get("standings"))
    history = History(cycles, paid, accounts["credit_limit_cents"][0], since(opened_on, day))
    amounts = payment_amounts(paid, here)
    features = {
        **arrears(history, here),
        **amounts,
        **other_credits(payments, day),
        **payment_cycles(history),
        **dues(cycles, amounts),
        **balances(history, here),
        **spending(history),
    }
    features |= _reaching_too_far_back(history)
    features |= promises(known.get("promises"), paid, day)
    features |= contacts(known.get("contacts"), day)
    features |= inflows(known.get("inflows"), here, day)
    names = {name: accounts[name][0] for name in ("account_id", "customer_id")}
    return {**names, **here, "statement_on": max(statements["statement_on"])}, features


def _reaching_too_far_back(history: History) -> Features:
    """Windows longer than the history, as absent: months nobody delivered are not months without payment.

    An account whose first statement follows its opening has its whole history here, however short.
    """
    first_age = history.cycles[-1].age_days
    if history.account_age_days - first_age <= FIRST_STATEMENT_WITHIN_DAYS:
        return {}
    return dict.fromkeys(name for name, days in _REACHING_BACK if first_age + DAYS_BEFORE_A_STATEMENT < days)


def account_columns(
    histories: Sequence[Mapping[str, Columns]], as_of: date
) -> tuple[npt.NDArray[np.float32], Positions] | None:
    """Features and positions of some accounts as arrays, in their order.

    Parameters
    ----------
    histories : sequence of mappings
        One account each, as `one_account` takes it.
    as_of : date

    Returns
    -------
    array (n_accounts, n_features) float32 and dict of name to array, or None
        What `scoring.features.builder.build` gives, bit by bit: accounts without a statement known by then are left out. None where the day
        lies before all data.

    Examples
    --------
    >>> from scoring.portfolio.clean_rows import clean_history
    >>> from scoring.portfolio.reading import SMALLEST
    >>> values, positions = account_columns([clean_history(SMALLEST)], date(2025, 4, 1))
    >>> values.shape, positions["past_due_cents"].tolist()
    ((1, 106), [7000])
    """
    if as_of < FAR_BACK:
        return None
    here = [account for tables in histories if (account := one_account(tables, as_of)) is not None]
    rows = [[features[name] for name in FEATURE_NAMES] for _, features in here]
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURE_NAMES))
    names = ("account_id", "customer_id", *POSITION_COLUMNS)
    return values.astype(np.float32), {name: _column(name, [place[name] for place, _ in here]) for name in names}


def _column(name: str, values: list[Any]) -> npt.NDArray[Any]:
    if name == "last_minimum_due_cents":
        return np.array(values, dtype=np.float64)
    return np.array(values, dtype=bool if name.startswith("is_") else _WHOLE.get(name, np.dtype(object)))


_WHOLE: Final = {name: np.dtype(np.int64) for name in ("dpd", "past_due_cents", "cure_amount_cents", "balance_cents")}


def frame_of(values: npt.NDArray[np.float32], positions: Positions, as_of: date) -> FeatureFrame:
    """The arrays of `account_columns` as a feature frame, for what needs one.

    >>> from scoring.portfolio.clean_rows import clean_history
    >>> from scoring.portfolio.reading import SMALLEST
    >>> day = date(2025, 4, 1)
    >>> frame_of(*account_columns([clean_history(SMALLEST)], day), day).positions["dpd"].tolist()
    [7]
    """
    texts = {name: pd.Series(positions[name], dtype="str") for name in ("account_id", "customer_id")}
    return FeatureFrame(as_of, pd.DataFrame({**positions, **texts}), values)
