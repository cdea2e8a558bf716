"""Event rows of every customer, kept beside a plan in the order of customers: what is known of one is then read without a query.

SQL over delivered files takes longer to plan than to read one customer's rows, and leaves a little memory behind in the database each
time. One Arrow file a table, compressed, in pages of some two thousand rows; an index says with which customer each page begins. Files
that are absent, of another version or changed by a byte are not used: then the portfolio is asked by SQL, for the same rows in the same
order. They take 4 kB an account.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

import scoring
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio
from serving.kept_files import ROWS, ROWS_INDEX, sha256_of

FACTS: Final = "rows"
"""Where ``plan.json`` states them."""
PAGE_ROWS: Final = 2048
_OF_CUSTOMER: Final = "of_customer"
_PLACE: Final = "place"
_INDEX: Final = pa.schema({"table": pa.string(), "first": pa.string()})
_WRITTEN: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ: Final = pa.ipc.IpcReadOptions(use_threads=False)


def keep_rows(portfolio: Portfolio, folder: Path) -> dict[str, Any]:
    """Write the rows of a portfolio into a folder, by customer and, of one customer, in the order of the portfolio.

    Returns
    -------
    dict
        What ``plan.json`` states of them: the version that wrote them and the files' hashes.

    Examples
    --------
    The law that a customer's rows come back as SQL gives them is in ``tests/serving/test_kept_rows.py``.
    """
    first = {name: _keep(portfolio, name, folder / ROWS[name]) for name in read_tables(portfolio)}
    index = [{"table": name, "first": customer_id} for name, pages in first.items() for customer_id in pages]
    with pa.ipc.new_file(folder / ROWS_INDEX, _INDEX) as out:
        out.write_table(pa.Table.from_pylist(index, _INDEX))
    names = (ROWS_INDEX, *(ROWS[name] for name in first))
    return {"version": scoring.__version__, "files": {name: sha256_of(folder / name) for name in names}}


def read_tables(portfolio: Portfolio) -> list[str]:
    """Tables that were delivered and may be read for a decision."""
    return sorted(name for name in portfolio.observed if not contracts()[name].audit_only)


def _keep(portfolio: Portfolio, table: str, path: Path) -> list[str]:
    """Write one table; the customers with whom its pages begin."""
    rows = f'(SELECT *, row_number() OVER () AS {_PLACE} FROM "{table}") AS t'  # noqa: S608 - names of contracts
    owner = "t.customer_id"
    if not contracts()[table].has("customer_id"):
        rows, owner = f"{rows} JOIN accounts AS a ON a.account_id = t.account_id", "a.customer_id"
    ordered = f"SELECT {owner} AS {_OF_CUSTOMER}, t.* EXCLUDE ({_PLACE}) FROM {rows} WHERE {owner} IS NOT NULL ORDER BY {owner}, {_PLACE}"  # noqa: S608
    connection, first = portfolio.connection.cursor(), list[str]()
    try:
        pages = connection.sql(ordered).to_arrow_reader(PAGE_ROWS)
        with pa.ipc.new_file(path, pages.schema, options=_WRITTEN) as out:
            for page in pages:
                if page.num_rows:
                    first.append(page[_OF_CUSTOMER][0].as_py())
                    out.write_batch(page)
    finally:
        connection.close()
    return first


class KeptRows:
    """Rows of customers as they were kept; safe to use from several threads.

    Parameters
    ----------
    folder : Path
    first : mapping of table to the customers with whom its pages begin, in order
    """

    def __init__(self, folder: Path, first: Mapping[str, list[str]]) -> None:
        self._first, self._lock = first, Lock()
        self._files = {name: pa.ipc.open_file(pa.OSFile(str(folder / ROWS[name])), options=_READ) for name in first}

    def of(self, customer_ids: Collection[str], names: Collection[str] = ()) -> dict[str, pa.Table]:
        """The customers' rows of every table, or of those that are named; a table without any is empty."""
        return {name: self._rows(name, customer_ids) for name in self._files if not names or name in names}

    def _rows(self, table: str, customer_ids: Collection[str]) -> pa.Table:
        wanted = pa.array(customer_ids, pa.string())
        pages = sorted({page for customer_id in customer_ids for page in self._pages(table, customer_id)})
        found = [page.filter(pc.is_in(page[_OF_CUSTOMER], wanted)) for page in map(partial(self._page, table), pages)]
        return pa.Table.from_batches(found, self._files[table].schema).drop_columns(_OF_CUSTOMER)

    def _pages(self, table: str, customer_id: str) -> range:
        """The pages that may hold rows of a customer: the last that begins before it, and those that begin with it."""
        first = self._first[table]
        return range(max(bisect_left(first, customer_id) - 1, 0), bisect_right(first, customer_id))

    def _page(self, table: str, number: int) -> pa.RecordBatch:
        with self._lock:
            return self._files[table].get_batch(number)


def kept_rows(folder: Path, facts: Mapping[str, Any]) -> KeptRows | None:
    """The rows that were kept beside a plan; None where there are none that can be used.

    Parameters
    ----------
    folder : Path
        Of the plan.
    facts : mapping
        What `keep_rows` gave; empty where it was not asked.

    Examples
    --------
    >>> kept_rows(Path("nowhere"), {}) is None
    True
    """
    try:
        files = facts["files"]
        if facts["version"] != scoring.__version__ or any(files[name] != sha256_of(folder / name) for name in files):
            return None
        with pa.ipc.open_file(pa.OSFile(str(folder / ROWS_INDEX))) as file:
            index = file.read_all().to_pydict()
        first: dict[str, list[str]] = {name: [] for name in sorted(ROWS) if ROWS[name] in files}
        for table, customer_id in zip(index["table"], index["first"], strict=True):
            first[table].append(customer_id)
        return KeptRows(folder, first)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return None
