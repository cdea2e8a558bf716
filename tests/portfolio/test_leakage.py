"""The canary hears a status that knows the future, and keeps quiet where there is nothing to hear."""

import random
from datetime import date, datetime, timedelta

import pytest

from scoring.portfolio.leakage import status_findings
from scoring.portfolio.reading import portfolio_from_tables
from tests.portfolio.sample_portfolio import Row

CUTS = [date(2025, month, 28) for month in range(1, 6)]


def invented(n_accounts: int, *, is_early: bool, starts_overdue: bool = False) -> dict[str, list[Row]]:
    """Accounts that pay within the window after each statement, or do not and fall a month behind.

    In the honest layout a statement carries the status decided before it was cut; ``is_early`` attaches the one that
    the window after it decides.
    """
    draw = random.Random(7)
    tables: dict[str, list[Row]] = {"accounts": [], "statements": [], "payments": []}
    for number in range(n_accounts):
        account = f"A{number:04d}"
        tables["accounts"].append(
            {
                "account_id": account,
                "customer_id": f"C{number}",
                "product": "classic",
                "opened_on": date(2020, 1, 1),
                "credit_limit_cents": 100_000,
                "currency": "CNY",
            }
        )
        months_late = 1 if starts_overdue else 0
        for cut in CUTS:
            before = months_late
            is_paid = draw.random() < (0.4 if months_late else 0.85)
            months_late = 0 if is_paid and not starts_overdue else months_late + 1
            if is_paid:
                paid_at = datetime.combine(cut, datetime.min.time()) + timedelta(days=12)
                tables["payments"].append(
                    {
                        "payment_id": f"{account}-{cut}",
                        "account_id": account,
                        "paid_at": paid_at,
                        "amount_cents": 900,
                        "kind": "voluntary",
                    }
                )
            tables["statements"].append(
                {
                    "account_id": account,
                    "statement_on": cut,
                    "due_on": cut + timedelta(days=20),
                    "balance_cents": 5_000,
                    "minimum_due_cents": None,
                    "reported_dpd": 30 * (months_late if is_early else before),
                }
            )
    return tables


def codes(tables: dict[str, list[Row]]) -> list[str]:
    return [finding.code for finding in status_findings(portfolio_from_tables(tables).connection)]


def test_an_honest_status_gives_no_finding():
    assert codes(invented(900, is_early=False)) == []


def test_a_status_attached_one_cycle_early_is_an_error():
    assert codes(invented(900, is_early=True)) == ["status_knows_the_future"]


def test_too_few_windows_give_no_verdict():
    assert codes(invented(60, is_early=True)) == []


@pytest.mark.parametrize("is_early", [True, False])
def test_a_portfolio_of_overdue_accounts_alone_gives_no_verdict(is_early: bool):
    assert codes(invented(300, is_early=is_early, starts_overdue=True)) == []


def test_a_status_that_is_not_used_is_not_judged():
    tables = invented(900, is_early=True)
    tables["statements"] = [row | {"minimum_due_cents": 100} for row in tables["statements"]]

    assert codes(tables) == []
