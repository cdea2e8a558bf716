"""A portfolio narrowed to some of its accounts, so that a training costs what it learns from and not what the bank has.

Twice as many accounts hardly teach a model more once there are some tens of thousands, but every feature of every day would be
computed for them. Temporary views hide the tables of the same names, so the feature query stays the only one there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import pandas as pd

from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio
from scoring.scores.targets import TargetDefinition
from training.recipe import Recipe
from training.snapshots import Snapshot, is_held_out, snapshot


@contextmanager
def narrowed(portfolio: Portfolio, accounts: pd.DataFrame) -> Iterator[None]:
    """Inside, the portfolio's connection shows these accounts and their customers only.

    Parameters
    ----------
    portfolio : Portfolio
    accounts : DataFrame
        ``account_id`` and ``customer_id``; nothing is done where they are everybody.
    """
    connection = portfolio.connection
    if len(accounts) >= connection.execute("SELECT count(*) FROM accounts").fetchall()[0][0]:
        yield
        return
    connection.register("narrowed_accounts", accounts[["account_id", "customer_id"]])
    [(database,)] = connection.execute("SELECT current_database()").fetchall()
    try:
        for name, contract in contracts().items():
            key = "account_id" if "account_id" in contract.columns else "customer_id"
            rows = f"SELECT * FROM {quoted(database)}.main.{quoted(name)} WHERE {key} IN (SELECT {key} FROM narrowed_accounts)"  # noqa: S608  contract names
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {rows}")
        yield
    finally:
        for name in contracts():
            connection.execute(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
        connection.unregister("narrowed_accounts")


def drawn_accounts(portfolio: Portfolio, most: int, *, salt: str = "training") -> pd.DataFrame:
    """Accounts of a stable draw of customers, about ``most`` of them; everybody where there are no more.

    Returns
    -------
    DataFrame
        ``account_id`` and ``customer_id``. The same customers every month, so that two trainings differ by what happened.
    """
    everybody = portfolio.connection.execute("SELECT account_id, customer_id FROM accounts").df()
    if len(everybody) <= most:
        return everybody
    return everybody[is_held_out(everybody["customer_id"], most / len(everybody), salt=salt)]


def training_snapshots(
    portfolio: Portfolio,
    days: Sequence[date],
    definition: TargetDefinition,
    recipe: Recipe,
    *,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Snapshot]:
    """Features and targets of the training days, of the accounts that the recipe learns from.

    Held-out customers are in it still: each turn of the evaluation holds out others.
    """
    accounts = drawn_accounts(portfolio, recipe.split["most_accounts"])
    seen = []
    with narrowed(portfolio, accounts):
        for day in days:
            progress(f"features and targets of {day}")
            seen.append(snapshot(portfolio, day, definition, min_dpd=0 if recipe.needs_current_accounts else 1))
    return seen
