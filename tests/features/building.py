"""Feature frames of rows in memory, and their comparison to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from scoring.features.builder import POSITION_COLUMNS, FeatureFrame, build
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import SMALLEST, Portfolio, portfolio_from_tables
from tests.features.plain_reference import Row, Tables, plain_features
from tests.features.random_portfolios import AS_OF, EXTRACT_ON

_SHARED: list[Portfolio] = []


def portfolio_of(tables: Tables) -> Portfolio:
    """The tables behind one shared connection: installing a portfolio anew costs more than a small query."""
    if not _SHARED:
        _SHARED.append(portfolio_from_tables(SMALLEST))
    shared = _SHARED[0]
    connection = shared.connection
    for name, contract in contracts().items():
        connection.execute(f"TRUNCATE {name}").fetchall()
        connection.execute(f"UPDATE observed SET {name} = {name in tables}").fetchall()
        if tables.get(name):
            connection.register("given", inline_table(contract, tables[name]))
            connection.execute(f"INSERT INTO {name} BY NAME FROM given").fetchall()
            connection.unregister("given")
    return Portfolio(connection, frozenset(tables), EXTRACT_ON, "CNY", "", None)


def frame_of(tables: Tables, as_of: date = AS_OF) -> FeatureFrame:
    """Features of every account, current ones included."""
    return build(portfolio_of(tables), as_of, min_dpd=0)


def bits(frame: FeatureFrame) -> dict[str, tuple[Any, ...]]:
    """Positions and feature bytes of each account: equal exactly if every bit is."""
    rows = frame.positions.astype({"statement_on": str}).itertuples(index=False)
    return {
        row.account_id: (tuple("" if value != value else value for value in row), values.tobytes())
        for row, values in zip(rows, frame.values, strict=True)
    }


def differences(frame: FeatureFrame, tables: Tables, as_of: date = AS_OF) -> list[str]:
    """Where the SQL and plain Python disagree: account, name, both values."""
    expected = plain_features(tables, as_of)
    found = []
    if list(frame.positions["account_id"]) != sorted(expected):
        found.append(f"accounts {list(frame.positions['account_id'])} != {sorted(expected)}")
    for row, values in zip(frame.positions.to_dict("records"), frame.values, strict=True):
        position, features = expected.get(row["account_id"], ({}, {}))
        seen = dict(zip(FEATURE_NAMES, values, strict=True))
        found += [f"{row['account_id']} {line}" for line in _differing_position(row, position)]
        found += [f"{row['account_id']} {line}" for line in _differing_features(seen, features)]
    return found


def _differing_position(row: Mapping[str, Any], position: Row) -> list[str]:
    found = []
    for name in POSITION_COLUMNS:
        seen = None if row[name] != row[name] else row[name]
        seen = seen.date() if hasattr(seen, "date") and not isinstance(seen, date) else seen
        if str(seen) != str(position[name]) and seen != position[name]:
            found.append(f"position {name}: {seen!r}, plain {position[name]!r}")
    return found


def _differing_features(seen: Mapping[str, np.float32], features: Row) -> list[str]:
    assert set(features) == set(FEATURE_NAMES)
    found = []
    for name in FEATURE_NAMES:
        plain = np.float32(np.nan if features[name] is None else features[name])
        if not (seen[name] == plain or (np.isnan(seen[name]) and np.isnan(plain))):
            found.append(f"feature {name}: {seen[name]!r}, plain {features[name]!r}")
    return found
