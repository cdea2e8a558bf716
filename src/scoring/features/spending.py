"""What the card is used for: purchases, cash advances, interest and fees. Absent columns mean not observed, never zero."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup

_SPENDING = ReasonGroup.SPENDING
_SOURCE = "statements"

FEATURES = (
    Feature("purchases_cents_1_cycle", "purchases on the last statement", "cents", 0, None, _SPENDING, _SOURCE),
    Feature("purchases_cents_180d", "purchases, 180 days", "cents", 0, None, _SPENDING, _SOURCE),
    Feature("purchases_to_limit_ratio_90d", "purchases of 90 days over the limit", "ratio", 0, None, _SPENDING, "accounts, statements"),
    Feature("purchase_trend_90d", "purchases of 90 days over the 90 days before", "ratio", 0, None, _SPENDING, _SOURCE),
    Feature("cash_advance_share_180d", "cash advances over all spending, 180 days", "share", 0, 1, _SPENDING, _SOURCE),
    Feature("cash_advance_cycles_365d", "statements with a cash advance, 365 days", "count", 0, None, _SPENDING, _SOURCE),
    Feature("charges_to_balance_ratio_90d", "interest and fees of 90 days over the mean balance", "ratio", None, None, _SPENDING, _SOURCE),
    Feature("purchases_while_past_due_180d", "purchases on statements cut while past due, 180 days", "cents", 0, None, _SPENDING, "statements, payments"),
)


def spending(billed: Any, accounts: Any) -> Any:
    """Spending over the last statements, one row per account with a statement.

    Returns
    -------
    table, one row per account
        ``account_id`` and this family's columns; null where the source does not observe the spending.
    """
    spent = billed.join(accounts.select("account_id", "credit_limit_cents"), "account_id")
    quarter, half, year = spent.age_days < 90, spent.age_days < 180, spent.age_days < 365
    before = (spent.age_days >= 90) & half
    bought, drawn = spent.purchases_cents, spent.cash_advances_cents
    return spent.group_by("account_id").agg(
        purchases_cents_1_cycle=bought.max(where=spent.cycle_no == 1),
        purchases_cents_180d=bought.sum(where=half),
        purchases_to_limit_ratio_90d=bought.sum(where=quarter) / spent.credit_limit_cents.max().nullif(0),
        purchase_trend_90d=bought.sum(where=quarter) / bought.sum(where=before).nullif(0),
        cash_advance_share_180d=drawn.sum(where=half) / (bought.sum(where=half) + drawn.sum(where=half)).nullif(0),
        cash_advance_cycles_365d=(drawn > 0).cast("int64").sum(where=year),
        charges_to_balance_ratio_90d=spent.interest_and_fees_cents.sum(where=quarter)
        * spent.count(where=quarter)
        / spent.balance_cents.sum(where=quarter & (spent.balance_cents > 0)).nullif(0),
        purchases_while_past_due_180d=(bought * (spent.dpd > 0).cast("int64")).sum(where=half),
    )
