"""Event rows of whole customers of the portfolio: as the nightly run kept them, else by SQL; the same rows in the same order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio
from serving.kept_rows import KeptRows, read_tables
from serving.log_lines import log

FEW: Final = 100
"""More customers than this are asked for by SQL: the kept files would be read nearly whole."""


@dataclass(frozen=True)
class CustomerRows:
    """Where rows of customers come from; safe to use from several threads.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> rows = CustomerRows(portfolio_from_tables(SMALLEST))
    >>> {name: len(table) for name, table in rows.of(["C1"]).items()}, rows.accounts_of("C1"), rows.customers_of(["A1", "A2"])
    ({'accounts': 1, 'payments': 1, 'statements': 1}, ['A1'], ['C1'])
    """

    portfolio: Portfolio
    kept: KeptRows | None = None

    def of(self, customer_ids: Sequence[str], names: Collection[str] = ()) -> dict[str, pa.Table]:
        """The customers' rows of every table that was delivered, or of those that are named; of each in the portfolio's order."""
        if self.kept is not None and len(customer_ids) <= FEW:
            try:
                return self.kept.of(customer_ids, names)
            except (OSError, pa.ArrowException) as error:  # a file cut short under us: the portfolio has the same rows
                log("rows.unreadable", error=type(error).__name__)
        return self._by_sql(customer_ids, names)

    def accounts_of(self, customer_id: str) -> list[str]:
        """The accounts of a customer, in order."""
        return sorted(self.of([customer_id], ("accounts",))["accounts"]["account_id"].to_pylist())

    def customers_of(self, account_ids: Sequence[str]) -> list[str]:
        """The customers of those accounts that are there, each once, in order."""
        asked = "SELECT DISTINCT customer_id FROM accounts WHERE account_id IN (SELECT unnest(?)) AND customer_id IS NOT NULL ORDER BY 1"
        with self._asking() as connection:
            return _texts(connection, asked, [list(account_ids)])

    def _by_sql(self, customer_ids: Sequence[str], names: Collection[str]) -> dict[str, pa.Table]:
        with self._asking() as connection:
            owned = "SELECT account_id FROM accounts WHERE customer_id IN (SELECT unnest(?))"
            keys = {"customer_id": list(customer_ids), "account_id": _texts(connection, owned, [list(customer_ids)])}
            found = {}
            for name in read_tables(self.portfolio):
                if not names or name in names:
                    key = "customer_id" if contracts()[name].has("customer_id") else "account_id"
                    found[name] = _rows_with(connection, name, key, keys[key])
            return found

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        connection = self.portfolio.connection.cursor()
        try:
            yield connection
        finally:
            connection.close()


def _texts(connection: Any, query: str, given: Sequence[Any]) -> list[str]:
    return [str(text) for (text,) in connection.execute(query, given).fetchall()]


def _rows_with(connection: Any, table: str, key: str, values: Sequence[str]) -> pa.Table:
    """A table's rows with one of these keys. A few are named one by one: DuckDB then leaves out the parts of a file where none can be."""
    if len(values) > FEW:
        query = f'SELECT * FROM "{table}" WHERE "{key}" IN (SELECT unnest($keys))'  # noqa: S608 - names of contracts
        return connection.sql(query, params={"keys": list(values)}).to_arrow_table()
    asked = {f"key{place}": value for place, value in enumerate(values)}
    among = ", ".join(f"${name}" for name in asked) or "NULL"
    query = f'SELECT * FROM "{table}" WHERE "{key}" IN ({among})'  # noqa: S608 - names of contracts
    return connection.sql(query, params=asked).to_arrow_table()
