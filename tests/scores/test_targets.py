"""Targets: who paid a token amount within the horizon, and how much of the cure amount; immature is missing, never zero."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import WindowStillOpenError
from scoring.features.builder import FeatureFrame
from scoring.scores.targets import TargetDefinition, eligible, targets, token_cents
from tests.features.building import frame_of, portfolio_of
from tests.features.plain_reference import Row, Tables, plain_features
from tests.features.random_portfolios import AS_OF, EXTRACT_ON, random_tables

DEFAULT = TargetDefinition()
SMALL = TargetDefinition(materiality_cents=5_000, tau_floor_cents=600)
SEEN_UNTIL = datetime(2025, 5, 11)  # the as-of day, 30 days and the posting lag of 10 are over


# --- the law ---


def plain_targets(tables: Tables, definition: TargetDefinition) -> dict[str, tuple[int, int, float, float | None]]:
    """K, tau, W and A of every account, payment by payment."""
    found = {}
    for account_id, (position, _) in plain_features(tables, AS_OF).items():
        paid = sum(p["amount_cents"] for p in tables["payments"] if p["account_id"] == account_id and _counts(p))
        minimum, owed = position["last_minimum_due_cents"], position["cure_amount_cents"]
        asked = owed / 200 if minimum is None else minimum / 10
        tau = max(definition.tau_floor_cents, -int(-asked // 1))
        willing = paid >= tau
        found[account_id] = (paid, tau, float(willing), min(1.0, paid / owed) if willing and owed > 0 else None)
    return found


def _counts(payment: Row) -> bool:
    opens, closes = datetime(2025, 4, 1), datetime(2025, 5, 1)
    known_at = payment.get("known_at") or payment["paid_at"]
    back = payment["reversed_at"]
    returned = back is not None and (payment["reversal_known_at"] or back) < SEEN_UNTIL
    own = payment["kind"] in ("voluntary", "autopay")
    return own and opens <= payment["paid_at"] < closes and known_at < SEEN_UNTIL and not returned


def assert_same(tables: Tables, definition: TargetDefinition) -> None:
    frame = frame_of(tables)
    found = targets(portfolio_of(tables), frame, definition)

    plain = plain_targets(tables, definition)
    for account_id, row in zip(frame.positions["account_id"], found.to_dict("records"), strict=True):
        ability = None if np.isnan(row["ability"]) else row["ability"]
        assert (row["paid_cents"], row["tau_cents"], row["willingness"], ability) == plain[account_id], account_id


@pytest.mark.parametrize("seed", range(3))
def test_targets_are_what_plain_python_makes_of_the_payments(seed: int):
    assert_same(random_tables(Random(seed), 200), SMALL)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.integers(1, 20_000))
def test_targets_agree_with_plain_python_whatever_the_token(draw: Random, n_accounts: int, floor: int):
    tables = random_tables(draw, n_accounts)
    if min((row["statement_on"] for row in tables["statements"]), default=date.max) <= AS_OF:
        assert_same(tables, TargetDefinition(tau_floor_cents=floor))


# --- the rules one by one: 200,000 past due since 21 March, minimum 80,000, so the token is 8,000 ---

ACCOUNT = {
    "account_id": "A1",
    "customer_id": "C1",
    "product": "classic",
    "opened_on": date(2024, 1, 1),
    "credit_limit_cents": 900_000,
    "currency": "CNY",
}


def one_account(*payments: dict[str, Any], minimum: int | None = 80_000) -> Tables:
    statement = {"account_id": "A1", "balance_cents": 400_000, "reported_dpd": 3 if minimum is None else None}
    cuts = [(date(2025, 2, 1), 120_000), (date(2025, 3, 1), minimum)]
    statements = [
        statement | {"statement_on": c, "due_on": c + timedelta(days=20), "minimum_due_cents": m} for c, m in cuts
    ]
    return {"accounts": [ACCOUNT], "statements": statements, "payments": list(payments)}


def payment(paid_at: datetime, cents: int = 50_000, **changes: Any) -> dict[str, Any]:
    row = {"payment_id": f"P{paid_at.isoformat()}", "account_id": "A1", "paid_at": paid_at, "amount_cents": cents}
    return row | {"kind": "voluntary", "reversed_at": None, "reversal_known_at": None, "known_at": None} | changes


def target(*payments: dict[str, Any], minimum: int | None = 80_000) -> tuple[int, float, float]:
    """K, W and A of the one account."""
    tables = one_account(*payments, minimum=minimum)
    row = targets(portfolio_of(tables), frame_of(tables), DEFAULT).iloc[0]
    return int(row["paid_cents"]), float(row["willingness"]), float(row["ability"])


FIRST, LAST = datetime(2025, 4, 1), datetime(2025, 4, 30, 23, 59, 59, 999999)
INSIDE = datetime(2025, 4, 10)


@pytest.mark.parametrize(
    ("paid_at", "counts"),
    [
        (FIRST - timedelta(microseconds=1), False),
        (FIRST, True),
        (LAST, True),
        (LAST + timedelta(microseconds=1), False),
    ],
)
def test_the_window_opens_after_the_as_of_day_and_closes_with_the_thirtieth(paid_at: datetime, counts: bool):
    assert target(payment(paid_at))[0] == (50_000 if counts else 0)


def test_nothing_paid_is_unwilling_and_ability_is_missing_not_zero():
    paid, willing, ability = target()

    assert (paid, willing) == (0, 0.0)
    assert np.isnan(ability)


def test_less_than_the_token_is_unwilling_and_the_token_itself_is_willing():
    assert target(payment(INSIDE, 7_999))[1] == 0.0
    assert target(payment(INSIDE, 8_000)) == (8_000, 1.0, 8_000 / 200_000)


def test_several_payments_add_up_and_ability_stops_at_one():
    assert target(payment(INSIDE, 150_000), payment(LAST, 150_000)) == (300_000, 1.0, 1.0)


@pytest.mark.parametrize("kind", ["refund", "set_off", "write_off", "goodwill", "transfer"])
def test_credits_that_the_customer_did_not_start_never_count(kind: str):
    assert target(payment(INSIDE, kind=kind))[:2] == (0, 0.0)


def test_a_return_within_the_posting_lag_takes_the_payment_away():
    heard_in_time = payment(LAST, reversed_at=datetime(2025, 5, 9), reversal_known_at=SEEN_UNTIL - timedelta(seconds=1))

    assert target(heard_in_time)[0] == 0


def test_a_return_known_only_after_the_lag_does_not():
    heard_late = payment(LAST, reversed_at=datetime(2025, 5, 9), reversal_known_at=SEEN_UNTIL)

    assert target(heard_late)[0] == 50_000


def test_a_payment_posted_after_the_lag_is_not_seen():
    assert target(payment(LAST, known_at=SEEN_UNTIL - timedelta(seconds=1)))[0] == 50_000
    assert target(payment(LAST, known_at=SEEN_UNTIL))[0] == 0


def test_without_a_minimum_due_the_token_is_a_share_of_the_balance():
    assert target(payment(INSIDE, 4_999), minimum=None)[1] == 0.0
    assert target(payment(INSIDE, 5_000), minimum=None) == (5_000, 1.0, 5_000 / 400_000)


@pytest.mark.parametrize(
    ("minimum", "cure", "tau"),
    [
        (0.0, 1_000_000, 5_000),  # the floor
        (50_000.0, 1_000_000, 5_000),
        (50_001.0, 1_000_000, 5_001),  # a share is rounded up: a token is never less than asked
        (700_000.0, 1_000_000, 70_000),
        (np.nan, 1_000_000, 5_000),
        (np.nan, 1_000_001, 5_001),
        (np.nan, 7_000_000, 35_000),
    ],
)
def test_the_token_is_a_tenth_of_the_minimum_or_half_a_percent_of_the_balance_and_at_least_the_floor(
    minimum: float, cure: int, tau: int
):
    at = pd.DataFrame({"last_minimum_due_cents": [minimum], "cure_amount_cents": [cure]})

    assert token_cents(at, DEFAULT).tolist() == [tau]


@given(st.integers(0, 10**9))
def test_ten_times_the_token_is_never_below_the_minimum_nor_a_cent_too_much(minimum: int):
    at = pd.DataFrame({"last_minimum_due_cents": [float(minimum)], "cure_amount_cents": [0]})

    assert token_cents(at, TargetDefinition(tau_floor_cents=0)).tolist() == [-(-minimum // 10)]


# --- maturity ---


def test_a_window_that_is_still_open_is_refused_and_the_day_is_named():
    tables = one_account()
    frame = frame_of(tables)
    early = FeatureFrame(EXTRACT_ON - timedelta(days=40), frame.positions, frame.values)

    with pytest.raises(
        WindowStillOpenError, match=r"known only after 2025-06-30.*would call late payers unwilling"
    ) as refused:
        targets(portfolio_of(tables), early, DEFAULT)
    assert refused.value.expected == "< 2025-05-21"


def test_the_day_before_is_mature():
    tables = one_account()
    frame = frame_of(tables)
    mature = FeatureFrame(EXTRACT_ON - timedelta(days=41), frame.positions, frame.values)

    assert targets(portfolio_of(tables), mature, DEFAULT)["willingness"].tolist() == [0.0]


# --- who may be worked ---

WORKABLE = {
    "dpd": 1,
    "past_due_cents": 10_000,
    "cure_amount_cents": 10_000,
    "is_charged_off": False,
    "is_deceased": False,
    "is_disputed": False,
    "is_on_kept_plan": False,
}


def is_eligible(**changes: Any) -> bool:
    frame = FeatureFrame(AS_OF, pd.DataFrame([WORKABLE | changes]), np.empty((1, 0), dtype=np.float32))
    return bool(eligible(frame, DEFAULT)[0])


def test_past_due_and_material_may_be_worked():
    assert is_eligible()


@pytest.mark.parametrize(
    "change",
    [
        {"dpd": 0},
        {"past_due_cents": 9_999},
        {"cure_amount_cents": 0},
        {"is_charged_off": True},
        {"is_deceased": True},
        {"is_disputed": True},
        {"is_on_kept_plan": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_current_immaterial_and_held_accounts_may_not(change: dict[str, Any]):
    assert not is_eligible(**change)
