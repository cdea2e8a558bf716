"""What would be known if some accounts had paid: the same portfolio with payments that nobody made.

For counterfactuals only. The event tables are not touched: views of the same name stand before them on a connection of their own,
so that the one feature builder computes the hypothetical features too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio


def with_payments(
    portfolio: Portfolio, as_of: date, account_ids: npt.NDArray[np.object_], amount_cents: npt.NDArray[np.int64]
) -> Portfolio:
    """The named accounts alone, each with one more voluntary payment in the last hour of ``as_of``.

    Parameters
    ----------
    portfolio : Portfolio
        Left as it is.
    account_ids : array (n,) of str
    amount_cents : array (n,), int
        What each would have paid; 0 for nothing.

    Returns
    -------
    Portfolio
        On a connection of its own over the same tables. Close the connection when done.

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> nothing = with_payments(portfolio_from_tables(SMALLEST), date(2025, 5, 1), np.array(["A1"], object), np.array([0]))
    >>> nothing.connection.execute("SELECT count(*) FROM payments WHERE payment_id LIKE 'hypothetical%'").fetchall()
    [(0,)]
    """
    connection = portfolio.connection.cursor()
    home = connection.execute("SELECT current_database()").fetchall()[0][
        0
    ]  # temporary views stand in a catalogue of their own
    made = pa.table(
        {
            "hypothetical_account_id": pa.array(account_ids, type=pa.string()),
            "hypothetical_cents": pa.array(amount_cents, type=pa.int64()),
        }
    )
    connection.register("hypothetical_rows", made)
    connection.execute("CREATE OR REPLACE TEMP TABLE hypothetical AS SELECT * FROM hypothetical_rows")
    connection.unregister("hypothetical_rows")
    for name, contract in contracts().items():
        if "account_id" in contract.columns and name != "payments":
            connection.execute(
                f'CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM "{home}".main.{name} '  # noqa: S608 - names of contracts
                "WHERE account_id IN (SELECT hypothetical_account_id FROM hypothetical)"
            )
    columns = ", ".join(_PAID.get(name, f"NULL AS {name}") for name in contracts()["payments"].columns)
    connection.execute(
        f'CREATE OR REPLACE TEMP VIEW payments AS SELECT {", ".join(contracts()["payments"].columns)} FROM "{home}".main.payments '  # noqa: S608
        "WHERE account_id IN (SELECT hypothetical_account_id FROM hypothetical) UNION ALL "
        f"SELECT {columns.replace('$as_of', as_of.isoformat())} FROM hypothetical WHERE hypothetical_cents > 0"
    )
    return replace(portfolio, connection=connection)


_PAID = {
    "payment_id": "'hypothetical ' || hypothetical_account_id AS payment_id",
    "account_id": "hypothetical_account_id AS account_id",
    "paid_at": "TIMESTAMP '$as_of 23:00:00' AS paid_at",
    "amount_cents": "hypothetical_cents AS amount_cents",
    "kind": "'voluntary' AS kind",
}
