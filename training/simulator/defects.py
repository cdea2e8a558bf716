"""The world *dirty*: defects planted in tables that were clean, with the list of what was planted.

Each defect is named by the finding of the data check that should report it, so that a test can hold one against the
other. Rows are chosen apart from each other: no row carries two defects.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from scoring.portfolio.contracts import contracts
from training.simulator.days import EXTRACT_ON

Row = dict[str, Any]
_AFTER: Final = np.datetime64(EXTRACT_ON + timedelta(days=40), "us").item()


@dataclass(frozen=True)
class Defect:
    """One kind of damage: what the check should call it, how many rows, and what is done to a row.

    ``adds`` says that the damaged row comes in addition to the sound one.
    """

    table: str
    code: str
    rows: int
    what: str
    damage: Callable[[Row], Row]
    adds: bool = False


DEFECTS: Final = (
    Defect(
        "accounts", "duplicate_key", 2, "the same account with another limit", lambda r: {"credit_limit_cents": 1}, True
    ),
    Defect("accounts", "currency_mix", 3, "an account in US dollars", lambda r: {"currency": "USD"}),
    Defect("accounts", "unknown_kind", 2, "an address for telex", lambda r: {"channel_addresses": "sms,telex"}),
    Defect(
        "statements", "impossible_order", 4, "due before it was cut", lambda r: _days(r, "due_on", "statement_on", -3)
    ),
    Defect("statements", "missing_value", 3, "no balance", lambda r: {"balance_cents": None}),
    Defect("statements", "no_arrears_source", 5, "no minimum due", lambda r: {"minimum_due_cents": None}),
    Defect("payments", "duplicate_key", 5, "the same id with another amount", lambda r: {"amount_cents": 77}, True),
    Defect(
        "payments",
        "duplicate_content",
        5,
        "the same payment under another id",
        lambda r: _renamed(r, "payment_id"),
        True,
    ),
    Defect("payments", "unknown_kind", 6, "a kind nobody knows", lambda r: {"kind": "cash_back"}),
    Defect("payments", "out_of_range", 4, "a negative amount", lambda r: {"amount_cents": -r["amount_cents"] - 1}),
    Defect("payments", "orphan", 5, "an account that does not exist", lambda r: {"account_id": "B" + r["account_id"]}),
    Defect("payments", "future_row", 3, "paid after the extract", lambda r: {"paid_at": _AFTER, "known_at": _AFTER}),
    Defect("payments", "before_opening", 3, "paid a century ago", lambda r: _days(r, "paid_at", "paid_at", -36_500)),
    Defect(
        "payments", "known_before_event", 5, "known before it was paid", lambda r: _days(r, "known_at", "paid_at", -40)
    ),
    Defect("payments", "impossible_order", 3, "returned before it was paid", lambda r: _returned_early(r)),
    Defect("payments", "incomplete", 3, "a return known, but no return", lambda r: _returned_halfway(r)),
    Defect("contacts", "unknown_kind", 5, "an outcome nobody knows", lambda r: {"outcome": "ghosted"}),
    Defect("contacts", "known_at_missing", 9, "no known_at", lambda r: {"known_at": None}),
    Defect("assignments", "out_of_range", 4, "a propensity above one", lambda r: {"propensity": 1.5}),
    Defect("promises", "impossible_order", 3, "due long before it was made", lambda r: _promised_early(r)),
    Defect("standings", "overlap", 4, "a flag that begins while it holds", lambda r: _again(r), True),
    Defect("inflows", "out_of_range", 3, "a negative inflow", lambda r: {"inflow_cents": -5}),
)


def plant(tables: dict[str, pa.Table], rng: np.random.Generator) -> tuple[dict[str, pa.Table], list[dict[str, Any]]]:
    """Damage the tables of one chunk.

    Returns
    -------
    tables : dict
        With the damage done.
    planted : list of dict
        ``table``, ``code``, ``rows``, ``what`` and ``keys`` of the rows, one entry per kind of damage that found rows.

    Examples
    --------
    >>> payments = pa.table({"payment_id": [f"P{i}" for i in range(9)], "kind": ["voluntary"] * 9})
    >>> only = Defect("payments", "unknown_kind", 2, "a kind nobody knows", lambda r: {"kind": "cash_back"})
    >>> damaged, keys = _damaged(payments, only, np.array([3, 4]))
    >>> damaged["kind"].to_pylist()[2:5], keys
    (['voluntary', 'cash_back', 'cash_back'], ['P3', 'P4'])
    """
    planted: list[dict[str, Any]] = []
    for name in dict.fromkeys(defect.table for defect in DEFECTS):
        if name not in tables:
            continue
        mine = [defect for defect in DEFECTS if defect.table == name]
        free = rng.permutation(_candidates(tables[name]))
        for defect in mine:
            rows, free = np.sort(free[: defect.rows]), free[defect.rows :]
            if len(rows) < defect.rows:
                continue
            tables[name], keys = _damaged(tables[name], defect, rows)
            planted.append({"table": name, "code": defect.code, "rows": len(rows), "what": defect.what, "keys": keys})
    return tables, planted


def write_planted(folder: Path, planted: list[dict[str, Any]]) -> None:
    """Keep the list apart, beside the truth."""
    text = json.dumps(planted, indent=1, ensure_ascii=False)
    (folder / "planted_defects.json").write_text(text + "\n", encoding="utf-8")


def _candidates(table: pa.Table) -> Any:
    """Rows fit for damage: the first of each account or customer, and flags that still hold."""
    owner = "account_id" if "account_id" in table.column_names else "customer_id"
    _, first = np.unique(table[owner].to_numpy(zero_copy_only=False), return_index=True)
    if "until_at" in table.column_names:
        is_open = np.isnat(table["until_at"].to_numpy())
        first = first[is_open[first]]
    if "reversed_at" in table.column_names:
        first = first[np.isnat(table["reversed_at"].to_numpy())[first]]
    return first


def _damaged(table: pa.Table, defect: Defect, rows: Any) -> tuple[pa.Table, list[str]]:
    sound = table.take(pa.array(rows)).to_pylist()
    hurt = [row | defect.damage(row) for row in sound]
    key = contracts()[defect.table].key
    keys = [" / ".join(str(row[column]) for column in key if column in row) for row in hurt]
    keep = table
    if not defect.adds:
        is_kept = np.ones(len(table), dtype=bool)
        is_kept[rows] = False
        keep = table.filter(pa.array(is_kept))
    together = pa.concat_tables([keep, pa.Table.from_pylist(hurt, schema=table.schema)])
    if defect.adds:
        return together, keys
    # Damaged rows go back to where they were.
    place = np.concatenate([np.flatnonzero(is_kept), rows])
    return together.take(pa.array(np.argsort(place, kind="stable"))), keys


def _days(row: Row, column: str, other: str, days: int) -> Row:
    return {column: row[other] + timedelta(days=days)}


def _renamed(row: Row, column: str) -> Row:
    return {column: "X" + row[column]}


def _returned_early(row: Row) -> Row:
    return {"reversed_at": row["paid_at"] - timedelta(days=2), "reversal_known_at": row["paid_at"]}


def _returned_halfway(row: Row) -> Row:
    return {"reversed_at": None, "reversal_known_at": row["known_at"]}


def _promised_early(row: Row) -> Row:
    return {"due_on": row["made_at"].date() - timedelta(days=30)}


def _again(row: Row) -> Row:
    return {"from_at": row["from_at"] + timedelta(minutes=5), "known_at": row["known_at"] + timedelta(minutes=5)}
