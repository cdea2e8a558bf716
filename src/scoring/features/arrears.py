"""How far behind, how often, how lately: days past due and its history at each statement."""

from __future__ import annotations

from typing import Any

import ibis

from scoring.features.definition import Feature, ReasonGroup

_ARREARS = ReasonGroup.LENGTH_OF_ARREARS
_HISTORY = ReasonGroup.ACCOUNT_HISTORY
_SOURCE = "statements, payments"

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


def arrears(billed: Any) -> Any:
    """Delinquency history, one row per account with a statement.

    Parameters
    ----------
    billed : table
        The result of `scoring.features.history.cycles`.

    Returns
    -------
    table, one row per account
        ``account_id`` and this family's columns that need the history. Statements whose status is unknown are left out of
        shares and streaks: unknown is not current.
    """
    in_order = ibis.window(group_by="account_id", order_by="statement_on")
    behind = (billed.dpd > 0).ifelse(1, 0)
    seen = billed.mutate(
        is_behind=behind,
        cured=((billed.dpd == 0) & (billed.dpd.lag(1).over(in_order) > 0)).ifelse(1, 0),
        rolled=(billed.dpd >= billed.dpd.lag(1).over(in_order) + 25).ifelse(1, 0),
    )
    # A streak is everything after the last statement that broke it: the smallest cycle number where it did not hold.
    return seen.group_by("account_id").agg(
        dpd_at_last_statement=seen.dpd.max(where=seen.cycle_no == 1),
        dpd_1_cycle_ago=seen.dpd.max(where=seen.cycle_no == 2),
        dpd_2_cycles_ago=seen.dpd.max(where=seen.cycle_no == 3),
        worst_dpd_90d=seen.dpd.max(where=seen.age_days < 90),
        worst_dpd_180d=seen.dpd.max(where=seen.age_days < 180),
        worst_dpd_365d=seen.dpd.max(where=seen.age_days < 365),
        past_due_cycles_180d=seen.is_behind.sum(where=seen.age_days < 180).coalesce(0),
        past_due_cycles_365d=seen.is_behind.sum(where=seen.age_days < 365).coalesce(0),
        past_due_share_365d=seen.is_behind.sum(where=seen.age_days < 365)
        / seen.dpd.count(where=seen.age_days < 365).nullif(0),
        past_due_streak_cycles=seen.cycle_no.min(where=seen.is_behind != 1).coalesce(seen.cycle_no.max() + 1) - 1,
        straight_roll_cycles=seen.cycle_no.min(where=seen.rolled.coalesce(0) != 1).coalesce(seen.cycle_no.max() + 1) - 1,
        days_since_current_statement=seen.age_days.min(where=seen.dpd == 0),
        cures_365d=seen.cured.sum(where=seen.age_days < 365).coalesce(0),
        n_statements_365d=seen.count(where=seen.age_days < 365),
    )
