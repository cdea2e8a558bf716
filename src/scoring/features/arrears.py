"""How far behind, how often, how lately: days past due and its history at each statement."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup

_ARREARS = ReasonGroup.LENGTH_OF_ARREARS
_HISTORY = ReasonGroup.ACCOUNT_HISTORY
_SOURCE = "statements, payments"

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    Feature("dpd", "days past due, oldest unpaid minimum first", "days", 0, None, _ARREARS, _SOURCE),
    Feature("n_unpaid_minimums", "minimums that fell due and are unpaid", "count", 0, None, _ARREARS, _SOURCE),
    Feature("past_due_cents", "amount past due", "cents", 0, None, _ARREARS, _SOURCE),
    Feature("days_since_due", "days since the latest due date (negative: still to come)", "days", None, None, _ARREARS, _SOURCE),
    Feature("dpd_1_cycle_ago", "days past due when the statement before the last was cut", "days", 0, None, _ARREARS, _SOURCE),
    Feature("dpd_2_cycles_ago", "days past due two statements before the last", "days", 0, None, _ARREARS, _SOURCE),
    Feature("dpd_at_last_statement", "days past due when the last statement was cut", "days", 0, None, _ARREARS, _SOURCE),
    Feature("worst_dpd_90d", "highest days past due at a statement, 90 days", "days", 0, None, _ARREARS, _SOURCE),
    Feature("worst_dpd_180d", "highest days past due at a statement, 180 days", "days", 0, None, _ARREARS, _SOURCE),
    Feature("worst_dpd_365d", "highest days past due at a statement, 365 days", "days", 0, None, _ARREARS, _SOURCE),
    Feature("past_due_cycles_180d", "statements cut while past due, 180 days", "count", 0, None, _ARREARS, _SOURCE),
    Feature("past_due_cycles_365d", "statements cut while past due, 365 days", "count", 0, None, _ARREARS, _SOURCE),
    Feature("past_due_share_365d", "share of statements cut while past due, 365 days", "share", 0, 1, _ARREARS, _SOURCE),
    Feature("past_due_streak_cycles", "statements in a row cut while past due, up to the last", "count", 0, None, _ARREARS, _SOURCE),
    Feature("straight_roll_cycles", "statements in a row, up to the last, each at least 25 days worse than the one before", "count", 0, None, _ARREARS, _SOURCE),
    Feature("days_since_current_statement", "days since a statement was last cut while nothing was past due", "days", 0, None, _ARREARS, _SOURCE),
    Feature("cures_365d", "times the account came back to current at a statement, 365 days", "count", 0, None, _ARREARS, _SOURCE),
    Feature("account_age_days", "days since the account was opened", "days", 0, None, _HISTORY, "accounts"),
    Feature("n_statements_365d", "statements seen, 365 days", "count", 0, None, _HISTORY, "statements"),
)
# fmt: on


def arrears(billed: Any) -> dict[str, Any]:
    """Delinquency history of each account.

    Parameters
    ----------
    billed : table
        The result of `scoring.features.history.cycles`.

    Returns
    -------
    dict of name to aggregate
        This family's columns that need the history. A statement whose status is unknown is left out of shares and ends a
        streak: unknown is not current, nor past due.
    """
    half, year = billed.age_days < 180, billed.age_days < 365
    is_behind = billed.dpd > 0
    is_cured = (billed.dpd == 0) & (billed.dpd_before > 0)
    is_rolled = (billed.dpd >= billed.dpd_before + 25).coalesce(False)
    return {
        "dpd_at_last_statement": billed.dpd.max(where=billed.cycle_no == 1),
        "dpd_1_cycle_ago": billed.dpd.max(where=billed.cycle_no == 2),
        "dpd_2_cycles_ago": billed.dpd.max(where=billed.cycle_no == 3),
        "worst_dpd_90d": billed.dpd.max(where=billed.age_days < 90),
        "worst_dpd_180d": billed.dpd.max(where=half),
        "worst_dpd_365d": billed.dpd.max(where=year),
        "past_due_cycles_180d": billed.count(where=is_behind & half),
        "past_due_cycles_365d": billed.count(where=is_behind & year),
        "past_due_share_365d": billed.count(where=is_behind & year) / billed.dpd.count(where=year).nullif(0),
        # A streak is everything after the last statement that broke it: the smallest cycle number where it did not hold.
        "past_due_streak_cycles": _last_without(billed, is_behind.coalesce(False)) - 1,
        "straight_roll_cycles": _last_without(billed, is_rolled) - 1,
        "days_since_current_statement": billed.age_days.min(where=billed.dpd == 0),
        "cures_365d": billed.count(where=is_cured & year),
        "n_statements_365d": billed.count(where=year),
    }


def _last_without(billed: Any, holds: Any) -> Any:
    """The number of the latest cycle in which something did not hold; one past the oldest where it always did."""
    return billed.cycle_no.min(where=~holds).coalesce(billed.cycle_no.max() + 1)
