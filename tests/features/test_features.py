"""Features and positions are what plain Python makes of the same events, to the last bit."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import NotEligibleError, UnknownAccountError
from scoring.features.builder import build, build_for, feature_spec_hash, feature_sql
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.reading import portfolio_from_tables
from tests.features.building import differences, frame_of, portfolio_of
from tests.features.plain_reference import Tables
from tests.features.random_portfolios import AS_OF, END, SPENDING, random_tables

# --- the law ---


@pytest.mark.parametrize("seed", range(4))
def test_sql_and_plain_python_agree_on_two_hundred_random_accounts(seed: int):
    tables = random_tables(Random(seed), 200)

    assert differences(frame_of(tables), tables) == []


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.dates(date(2025, 1, 31), date(2025, 6, 30)))
def test_sql_and_plain_python_agree_on_any_day(draw: Random, n_accounts: int, as_of: date):
    tables = random_tables(draw, n_accounts)
    first = min((row["statement_on"] for row in tables["statements"]), default=date.max)
    if as_of >= first:
        assert differences(frame_of(tables, as_of), tables, as_of) == []


@pytest.mark.parametrize("as_of", [AS_OF, date(2024, 2, 29), date(2025, 2, 28)])
def test_sql_and_plain_python_agree_where_due_dates_and_months_come_in_any_order(as_of: date):
    draw = Random(as_of.toordinal())
    tables = random_tables(draw, 150)
    for row in tables["statements"]:
        if draw.random() < 0.3:
            row["due_on"] = row["statement_on"] + timedelta(days=draw.randint(0, 120))
    for row in tables.get("inflows", []):
        row["month_on"] += timedelta(days=draw.choice((0, 27, 30)))

    assert differences(frame_of(tables, as_of), tables, as_of) == []


# --- the rules one by one, on an account that is billed 10,000 on the 1st and 31 days later ---


def account(**tables: list[dict[str, Any]]) -> Tables:
    return {"accounts": [AN_ACCOUNT], "statements": [], "payments": []} | tables


AN_ACCOUNT = {
    "account_id": "A1",
    "customer_id": "C1",
    "product": "classic",
    "opened_on": date(2024, 1, 1),
    "credit_limit_cents": 100_000,
    "currency": "CNY",
}


def statement(cut: date, minimum: int | None = 10_000, **changes: Any) -> dict[str, Any]:
    row = {"account_id": "A1", "statement_on": cut, "due_on": cut + timedelta(days=20), "balance_cents": 50_000}
    return row | {"minimum_due_cents": minimum, "reported_dpd": None} | changes


def payment(paid_at: datetime, cents: int = 10_000, **changes: Any) -> dict[str, Any]:
    payment_id = f"P{paid_at.isoformat()}"
    row = {"payment_id": payment_id, "account_id": "A1", "paid_at": paid_at, "amount_cents": cents}
    return row | {"kind": "voluntary", "reversed_at": None, "reversal_known_at": None} | changes


FEB, MAR = date(2025, 2, 1), date(2025, 3, 1)
TWO = [statement(FEB), statement(MAR)]  # due on 21 February and 21 March


def standing_of(tables: Tables, as_of: date = AS_OF) -> tuple[int, int, int]:
    """Days past due, past due, cure amount of the one account."""
    at = frame_of(tables, as_of).positions.iloc[0]
    return int(at.dpd), int(at.past_due_cents), int(at.cure_amount_cents)


def test_the_oldest_minimum_is_paid_first():
    paid = payment(datetime(2025, 3, 5), 10_000)

    assert standing_of(account(statements=TWO, payments=[paid])) == (10, 10_000, 10_000)


def test_a_payment_after_the_last_statement_lowers_the_days_past_due_of_today():
    unpaid = account(statements=TWO)
    paid = account(statements=TWO, payments=[payment(datetime(2025, 3, 30), 10_000)])

    assert (standing_of(unpaid)[0], standing_of(paid)[0]) == (38, 10)


def test_a_minimum_due_today_is_not_past_due_but_must_be_paid_to_cure():
    assert standing_of(account(statements=[statement(MAR)]), date(2025, 3, 21)) == (0, 0, 10_000)
    assert standing_of(account(statements=[statement(MAR)]), date(2025, 3, 22)) == (1, 10_000, 10_000)


def test_an_excess_does_not_prepay_the_next_minimum():
    paid = payment(datetime(2025, 2, 10), 90_000)

    assert standing_of(account(statements=TWO, payments=[paid])) == (10, 10_000, 10_000)


def test_a_payment_on_the_day_of_the_statement_counts_towards_it():
    paid = payment(datetime(2025, 3, 1), 10_000)

    assert standing_of(account(statements=[statement(MAR)], payments=[paid])) == (0, 0, 0)


def test_a_payment_just_before_the_statement_does_not():
    paid = payment(datetime(2025, 2, 28, 23, 59, 59, 999999), 10_000)

    assert standing_of(account(statements=[statement(MAR)], payments=[paid])) == (10, 10_000, 10_000)


@pytest.mark.parametrize("kind", ["refund", "set_off", "write_off", "goodwill", "transfer"])
def test_only_what_the_customer_pays_counts(kind: str):
    paid = payment(datetime(2025, 3, 5), kind=kind)

    assert standing_of(account(statements=[statement(MAR)], payments=[paid])) == (10, 10_000, 10_000)


def test_a_returned_payment_counts_until_the_return_is_known_and_then_never_did():
    paid = payment(datetime(2025, 3, 5), reversed_at=datetime(2025, 3, 8), reversal_known_at=datetime(2025, 3, 30))
    tables = account(statements=[statement(MAR)], payments=[paid])

    assert standing_of(tables, date(2025, 3, 29)) == (0, 0, 0)
    assert standing_of(tables, date(2025, 3, 30)) == (9, 10_000, 10_000)


def test_a_payment_of_the_last_microsecond_of_the_day_is_known_and_one_of_midnight_is_not():
    last = account(statements=[statement(MAR)], payments=[payment(END - timedelta(microseconds=1))])
    midnight = account(statements=[statement(MAR)], payments=[payment(END)])

    assert (standing_of(last)[1], standing_of(midnight)[1]) == (0, 10_000)


def test_a_payment_posted_late_counts_from_the_day_it_was_known():
    late = payment(datetime(2025, 3, 5), known_at=datetime(2025, 3, 31))
    tables = account(statements=[statement(MAR)], payments=[late])

    assert standing_of(tables, date(2025, 3, 30))[1] == 10_000
    assert standing_of(tables, date(2025, 3, 31))[1] == 0


def test_a_zero_minimum_is_never_unpaid():
    assert standing_of(account(statements=[statement(FEB, 0), statement(MAR, 0)])) == (0, 0, 0)


def test_without_a_minimum_due_the_reported_days_go_on_and_the_balance_is_at_stake():
    assert standing_of(account(statements=[statement(MAR, None, reported_dpd=7)])) == (37, 50_000, 50_000)
    assert standing_of(account(statements=[statement(MAR, None, reported_dpd=0)])) == (0, 0, 50_000)
    assert standing_of(account(statements=[statement(MAR, None, balance_cents=-5)])) == (0, 0, 0)


def test_a_statement_without_a_minimum_asks_for_nothing_where_others_have_one():
    tables = account(statements=[statement(FEB), statement(date(2025, 2, 15), None), statement(MAR)])

    assert standing_of(tables) == (38, 20_000, 20_000)


def test_a_hold_is_there_while_its_flag_is_open_and_a_breach_ends_a_plan():
    def holds(*flags: dict[str, Any]) -> list[bool]:
        at = frame_of(account(statements=TWO, standings=list(flags))).positions.iloc[0]
        return [bool(at[name]) for name in ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")]

    def flag(kind: str, until: datetime | None = None) -> dict[str, Any]:
        return {"account_id": "A1", "kind": kind, "from_at": datetime(2025, 3, 3), "until_at": until}

    assert holds() == [False, False, False, False]
    assert holds(flag("sold"), flag("deceased"), flag("fraud_suspected")) == [True, True, True, False]
    assert holds(flag("dispute_open", END)) == [False, False, True, False]
    assert holds(flag("dispute_open", END - timedelta(seconds=1))) == [False, False, False, False]
    assert holds(flag("plan_signed")) == [False, False, False, True]
    assert holds(flag("plan_signed"), flag("plan_breached")) == [False, False, False, False]


# --- absence ---


def features_of(tables: Tables) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, frame_of(tables).values[0].tolist(), strict=True))


PROMISED = [name for name in FEATURE_NAMES if "promise" in name]
CONTACTED = [
    "n_outbound_30d",
    "n_outbound_90d",
    "n_calls_30d",
    "n_conversations_90d",
    "n_inbound_180d",
    "n_refused_365d",
]
INFLOWS = [name for name in FEATURE_NAMES if "inflow" in name or "spare" in name]


def test_a_table_that_was_not_delivered_is_not_observed_and_never_zero():
    seen = features_of(account(statements=TWO))

    unobserved = [*PROMISED, *CONTACTED, *INFLOWS, "days_since_outbound", "call_answer_share_90d"]
    assert [name for name in unobserved if not np.isnan(seen[name])] == []


def test_counts_over_a_delivered_empty_table_are_zero_and_shares_are_absent():
    seen = features_of(account(statements=TWO, contacts=[], promises=[]))

    assert [seen[name] for name in CONTACTED] == [0.0] * len(CONTACTED)
    assert seen["broken_promises_90d"] == seen["n_promises_365d"] == seen["open_promised_cents"] == 0.0
    assert np.isnan([seen["kept_promise_rate_180d"], seen["call_answer_share_90d"], seen["days_since_outbound"]]).all()


def test_inflows_of_other_customers_say_nothing_about_this_one():
    other = {"customer_id": "C2", "month_on": date(2025, 1, 1), "inflow_cents": 5, "essential_spend_cents": None}
    seen = features_of(account(statements=TWO, inflows=[other]))

    assert [name for name in INFLOWS if not np.isnan(seen[name])] == []


def test_spending_columns_that_were_not_delivered_are_not_zero_spending():
    new_card = [AN_ACCOUNT | {"opened_on": TWO[0]["statement_on"]}]
    seen = features_of(account(accounts=new_card, statements=TWO))
    given = features_of(account(accounts=new_card, statements=[row | dict.fromkeys(SPENDING, 0) for row in TWO]))

    spent = ["cash_advance_cycles_365d", "purchases_cents_180d", "purchases_while_past_due_180d"]
    assert np.isnan([seen[name] for name in spent]).all()
    assert [given[name] for name in spent] == [0.0, 0.0, 0.0]


def test_someone_who_stopped_paying_has_a_payment_trend_of_zero():
    paid = payment(datetime(2024, 12, 1))

    assert features_of(account(statements=TWO, payments=[paid]))["payment_trend_90d"] == 0.0


# --- the frame ---


def test_the_frame_is_ordered_by_account_and_holds_only_who_is_past_due_enough():
    tables = random_tables(Random(9), 60)

    everyone = frame_of(tables)
    late = build(portfolio_of(tables), AS_OF, min_dpd=30)

    assert list(everyone.positions["account_id"]) == sorted(everyone.positions["account_id"])
    assert list(late.positions["account_id"]) == list(
        everyone.positions.loc[everyone.positions["dpd"] >= 30, "account_id"]
    )
    assert late.values.tobytes() == everyone.values[(everyone.positions["dpd"] >= 30).to_numpy()].tobytes()


def test_named_accounts_come_in_the_order_asked():
    tables = random_tables(Random(9), 60)
    asked = tuple(frame_of(tables).positions["account_id"].iloc[[5, 0, 3]])

    frame = build_for(portfolio_of(tables), AS_OF, asked)

    assert tuple(frame.positions["account_id"]) == asked


def test_an_account_that_is_not_there_and_one_without_statement_are_refused_by_name():
    portfolio = portfolio_of(account(statements=TWO))

    with pytest.raises(UnknownAccountError, match="Account A7 is not in the portfolio known on 2025-03-31"):
        build_for(portfolio, AS_OF, ("A7",))
    with pytest.raises(NotEligibleError, match="Account A2 has no statement known by 2025-03-31"):
        build_for(
            portfolio_of(account(statements=TWO) | {"accounts": [AN_ACCOUNT, AN_ACCOUNT | {"account_id": "A2"}]}),
            AS_OF,
            ("A2",),
        )


def test_an_account_without_optional_columns_still_has_its_features():
    frame = build(portfolio_from_tables(account(statements=TWO)), AS_OF)

    assert frame.positions["dpd"].tolist() == [38]


def test_the_query_says_the_day_and_its_hash_does_not_depend_on_it():
    assert "1901" not in feature_sql(AS_OF)
    assert feature_spec_hash() == feature_spec_hash() and len(feature_spec_hash()) == 64


def test_a_window_that_reaches_further_back_than_the_history_is_absent_and_not_zero():
    cut = [statement(AS_OF - timedelta(days=30 * n + 1)) for n in (3, 2, 1, 0)]
    opened_long_before = AN_ACCOUNT | {"opened_on": cut[0]["statement_on"] - timedelta(days=400)}
    opened_just_before = AN_ACCOUNT | {"opened_on": cut[0]["statement_on"] - timedelta(days=20)}

    old = features_of(account(accounts=[opened_long_before], statements=cut))
    new = features_of(account(accounts=[opened_just_before], statements=cut))

    assert np.isnan([old[name] for name in ("n_payments_180d", "paid_cents_365d", "worst_dpd_365d")]).all()
    assert old["n_payments_90d"] == 0.0
    assert new["n_payments_365d"] == 0.0
