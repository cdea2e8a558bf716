"""A few accounts are walked in plain Python to the frame that SQL gives; what is not plainly in order is left to SQL."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from scoring.errors import AsOfError
from scoring.features.builder import FeatureFrame, build
from scoring.features.one_account.few import FEW, build_few, few_accounts
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import portfolio_from_tables
from tests.portfolio.sample_portfolio import sample_tables

SAMPLE = {name: rows for name, rows in sample_tables().items() if name != "protected"}
DAY = date(2025, 5, 1)
Tables = dict[str, list[dict[str, Any]]]


def walked(tables: Tables, as_of: date = DAY) -> FeatureFrame | None:
    return few_accounts({name: inline_table(contracts()[name], rows) for name, rows in tables.items()}, as_of)


def assert_same(found: FeatureFrame | None, expected: FeatureFrame) -> None:
    assert found is not None
    assert found.values.tobytes() == expected.values.tobytes()
    pd.testing.assert_frame_equal(found.positions, expected.positions)


@pytest.mark.parametrize("as_of", [date(2024, 6, 30), date(2025, 2, 28), DAY, date(2026, 1, 1)])
def test_every_account_of_the_sample_has_the_frame_of_sql_on_any_day(as_of: date) -> None:
    assert_same(walked(SAMPLE, as_of), build(portfolio_from_tables(SAMPLE), as_of, min_dpd=0))


def test_an_account_without_a_statement_is_left_out_as_sql_leaves_it_out() -> None:
    mute = SAMPLE["accounts"][3]["account_id"]
    tables = SAMPLE | {"statements": [row for row in SAMPLE["statements"] if row["account_id"] != mute]}

    found = walked(tables)

    assert_same(found, build(portfolio_from_tables(tables), DAY, min_dpd=0))
    assert found is not None and mute not in found.positions["account_id"].tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"payments": [*SAMPLE["payments"], SAMPLE["payments"][0]]},
        {"statements": [SAMPLE["statements"][0] | {"due_on": date(2024, 1, 1)}, *SAMPLE["statements"][1:]]},
        {"payments": [SAMPLE["payments"][0] | {"amount_cents": 10**15}, *SAMPLE["payments"][1:]]},
    ],
)
def test_what_is_not_plainly_in_order_is_built_in_sql(changes: Tables) -> None:
    assert walked(SAMPLE | changes) is None
    portfolio = portfolio_from_tables(SAMPLE | changes)
    assert_same(build_few(portfolio, DAY), build(portfolio, DAY, min_dpd=0))


def test_many_accounts_are_built_in_sql() -> None:
    many = [SAMPLE["accounts"][0] | {"account_id": f"A{number}"} for number in range(FEW + 1)]

    assert walked(SAMPLE | {"accounts": many}) is None


def test_a_day_before_all_data_is_refused_as_sql_refuses_it() -> None:
    portfolio = portfolio_from_tables(SAMPLE)

    assert walked(SAMPLE, date(2024, 5, 1)) is None
    with pytest.raises(AsOfError, match="lies before the data"):
        build_few(portfolio, date(2024, 5, 1))
