"""How large the debt is against the limit and against what would cure it, and how it moved."""

from __future__ import annotations

from typing import Any

import ibis

from scoring.features.definition import Feature, ReasonGroup

_BALANCE = ReasonGroup.BALANCE_TO_LIMIT
_SOURCE = "accounts, statements, payments"

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    Feature("balance_cents", "last statement balance (negative: credit)", "cents", None, None, _BALANCE, "statements"),
    Feature("balance_cents_1_cycle_ago", "balance one statement before the last", "cents", None, None, _BALANCE, "statements"),
    Feature("balance_cents_2_cycles_ago", "balance two statements before the last", "cents", None, None, _BALANCE, "statements"),
    Feature("credit_limit_cents", "credit limit", "cents", 0, None, _BALANCE, "accounts"),
    Feature("utilisation", "last statement balance over the limit", "ratio", None, None, _BALANCE, "accounts, statements"),
    Feature("utilisation_1_cycle_ago", "the same, one statement before", "ratio", None, None, _BALANCE, "accounts, statements"),
    Feature("utilisation_change_90d", "utilisation less that of three statements before", "ratio", None, None, _BALANCE, "accounts, statements"),
    Feature("mean_utilisation_180d", "mean statement balance over the limit, 180 days", "ratio", None, None, _BALANCE, "accounts, statements"),
    Feature("highest_utilisation_365d", "highest statement balance over the limit, 365 days", "ratio", None, None, _BALANCE, "accounts, statements"),
    Feature("over_limit_cycles_365d", "statements above the limit, 365 days", "count", 0, None, _BALANCE, "accounts, statements"),
    Feature("balance_trend_90d", "last statement balance over that of three statements before", "ratio", None, None, _BALANCE, "statements"),
    Feature("cure_amount_cents", "amount that would cure the account", "cents", 0, None, _BALANCE, _SOURCE),
    Feature("cure_to_limit_ratio", "amount that would cure over the limit", "ratio", 0, None, _BALANCE, _SOURCE),
    Feature("cure_to_balance_ratio", "amount that would cure over the balance", "ratio", 0, None, _BALANCE, _SOURCE),
    Feature("cure_to_minimum_ratio", "amount that would cure over the last minimum due", "ratio", 0, None, _BALANCE, _SOURCE),
    Feature("last_minimum_due_cents", "minimum newly required by the last statement", "cents", 0, None, _BALANCE, "statements"),
)
# fmt: on


def balances(billed: Any) -> dict[str, Any]:
    """Balances over time.

    Parameters
    ----------
    billed : table
        The result of `scoring.features.history.cycles`.

    Returns
    -------
    dict of name to aggregate
        The columns that need more than the last statement; ratios over a limit of 0 are absent.
    """
    half, year = billed.age_days < 180, billed.age_days < 365
    at = {n: billed.balance_cents.max(where=billed.cycle_no == n) for n in (1, 2, 3, 4)}
    limit = billed.credit_limit_cents.max().nullif(0)
    return {
        "balance_cents_1_cycle_ago": at[2],
        "balance_cents_2_cycles_ago": at[3],
        "utilisation": at[1] / limit,
        "utilisation_1_cycle_ago": at[2] / limit,
        "utilisation_change_90d": (at[1] - at[4]) / limit,
        "mean_utilisation_180d": billed.balance_cents.sum(where=half)
        / billed.credit_limit_cents.sum(where=half).nullif(0),
        "highest_utilisation_365d": billed.balance_cents.max(where=year) / limit,
        "over_limit_cycles_365d": billed.count(where=year & (billed.balance_cents > billed.credit_limit_cents)),
        "balance_trend_90d": at[1] / ibis.greatest(at[4], 0).nullif(0),
    }
