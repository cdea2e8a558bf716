"""What the card is used for: purchases, cash advances, interest and fees. Absent columns mean not observed, never zero."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup

_SPENDING = ReasonGroup.SPENDING
_SOURCE = "statements"

# A feature a line, whatever the formatter thinks.
# fmt: off
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
# fmt: on


def spending(billed: Any) -> dict[str, Any]:
    """Spending over the last statements.

    Parameters
    ----------
    billed : table
        The result of `scoring.features.history.cycles`.

    Returns
    -------
    dict of name to aggregate
        This family's columns; null where the source does not observe the spending.
    """
    quarter, half, year = billed.age_days < 90, billed.age_days < 180, billed.age_days < 365
    bought, drawn, charged = billed.purchases_cents, billed.cash_advances_cents, billed.interest_and_fees_cents
    return {
        "purchases_cents_1_cycle": bought.max(where=billed.cycle_no == 1),
        "purchases_cents_180d": bought.sum(where=half),
        "purchases_to_limit_ratio_90d": bought.sum(where=quarter) / billed.credit_limit_cents.max().nullif(0),
        "purchase_trend_90d": bought.sum(where=quarter) / bought.sum(where=half & ~quarter).nullif(0),
        "cash_advance_share_180d": drawn.sum(where=half) / (bought.sum(where=half) + drawn.sum(where=half)).nullif(0),
        "cash_advance_cycles_365d": (drawn > 0).cast("int64").sum(where=year),
        "charges_to_balance_ratio_90d": charged.sum(where=quarter)
        * billed.count(where=quarter)
        / billed.balance_cents.sum(where=quarter & (billed.balance_cents > 0)).nullif(0),
        "purchases_while_past_due_180d": (bought * (billed.dpd > 0).cast("int64")).sum(where=half),
    }
