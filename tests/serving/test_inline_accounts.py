"""A history in a request gives the same features to the last bit with and without SQL, whatever comes with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import ScoringError
from scoring.features.one_account.builder import frame_of
from scoring.features.one_account.few import FEW
from serving.histories import inline_histories
from serving.inline_accounts import FEW_ROWS, has_few_rows, inline_columns
from serving.wire import AccountHistory, AccountsRequest
from tests.portfolio.test_clean_rows import HISTORIES, SENT, Tables, accepted, mutant, named

AS_OF = date(2025, 5, 1)
OPTIONAL = [name for name in SENT if name not in ("accounts", "statements", "payments")]


def asked(*histories: Tables) -> list[AccountHistory]:
    return [AccountHistory.model_validate(tables) for tables in histories]


def assert_same(histories: list[AccountHistory], as_of: date) -> None:
    """The short way's frame is the long way's, bit by bit."""
    found = inline_columns(histories, as_of, "CNY")
    assert found is not None
    values, positions = found
    frame = inline_histories(histories, as_of, "CNY").frame
    assert values.tobytes() == frame.values.tobytes()
    pd.testing.assert_frame_equal(frame_of(values, positions, as_of).positions, frame.positions)


def test_the_whole_sample_with_customers_of_several_accounts_is_the_same() -> None:
    customers = [tables["accounts"][0]["customer_id"] for tables in HISTORIES]
    assert len(set(customers)) < len(customers)

    assert_same(asked(*HISTORIES[::-1]), AS_OF)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_what_was_changed_and_is_still_in_order_is_the_same(seed: int) -> None:
    """Dozens of changed histories a time; some come without tables, so that their features are not observed."""
    draw = Random(seed)
    as_of = AS_OF + timedelta(days=draw.randint(-200, 60))
    missing = [(), draw.sample(OPTIONAL, 1), draw.sample(OPTIONAL, 4)]
    mutants = [mutant(draw, number) for number in range(90)]
    sent = [
        {name: rows for name, rows in tables.items() if name not in missing[number % 3]}
        for number, tables in enumerate(mutants)
    ]
    histories = [asked(tables)[0] for tables in accepted(sent)]

    assert_same([one for one in histories if inline_columns([one], as_of, "CNY") is not None], as_of)


def other_inflows(tables: Tables) -> Tables:
    return tables | {"inflows": [row | {"inflow_cents": 1} for row in tables["inflows"]]}


UNCLEAR: dict[str, Callable[[], tuple[list[Tables], date]]] = {
    "another currency": lambda: ([with_account(currency="USD")], AS_OF),
    "the same account twice": lambda: ([HISTORIES[0], HISTORIES[0]], AS_OF),
    "the same payment in two accounts": lambda: ([HISTORIES[0], with_payment_of(HISTORIES[0])], AS_OF),
    "two stories of one customer's inflows": lambda: ([customer_of_two()[0], other_inflows(customer_of_two()[1])], AS_OF),
    "a day before its first statement": lambda: ([HISTORIES[0]], date(2024, 6, 1)),
    "an account that was known later": lambda: ([with_account(known_at="2026-01-01T00:00:00Z")], AS_OF),
}  # fmt: skip


def with_account(**values: Any) -> Tables:
    return HISTORIES[0] | {"accounts": [HISTORIES[0]["accounts"][0] | values]}


def with_payment_of(other: Tables) -> Tables:
    own = HISTORIES[1]["accounts"][0]["account_id"]
    return HISTORIES[1] | {"payments": [other["payments"][0] | {"account_id": own}]}


def customer_of_two() -> list[Tables]:
    """Two accounts of one customer whose inflows are seen."""
    by_customer: dict[str, list[Tables]] = {}
    for tables in HISTORIES:
        if tables["inflows"]:
            by_customer.setdefault(tables["accounts"][0]["customer_id"], []).append(tables)
    return next(accounts for accounts in by_customer.values() if len(accounts) > 1)[:2]


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_not_plainly_in_order_is_left_to_the_way_that_says_why(name: str) -> None:
    tables, as_of = UNCLEAR[name]()

    assert inline_columns(asked(*tables), as_of, "CNY") is None
    with pytest.raises(ScoringError):
        inline_histories(asked(*tables), as_of, "CNY")


def test_many_accounts_go_the_bulk_way() -> None:
    many = asked(*(named(HISTORIES[0], number) for number in range(FEW + 1)))

    assert inline_columns(many, AS_OF, "CNY") is None
    assert inline_columns(many[1:], AS_OF, "CNY") is not None


def test_only_a_few_rows_are_scored_between_other_requests() -> None:
    few = AccountsRequest(accounts=asked(HISTORIES[0]), as_of=AS_OF)
    many = AccountsRequest(accounts=asked(*HISTORIES), as_of=AS_OF)

    assert sum(map(len, HISTORIES[0].values())) < FEW_ROWS
    assert has_few_rows(few) and not has_few_rows(many)


def test_features_do_not_depend_on_who_is_asked_about_together() -> None:
    together = inline_columns(asked(*HISTORIES), AS_OF, "CNY")
    alone = [inline_columns(asked(tables), AS_OF, "CNY") for tables in HISTORIES]

    assert together is not None
    assert together[0].tobytes() == np.concatenate([found[0] for found in alone if found is not None]).tobytes()
