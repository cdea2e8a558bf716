"""What was paid, when against the due date, how regularly, and how it compares with what was asked."""

from __future__ import annotations

from typing import Any

import ibis

from scoring.features.definition import Feature, ReasonGroup
from scoring.features.history import qualifying_payments

_PATTERN = ReasonGroup.PAYMENT_PATTERN
_SIZE = ReasonGroup.PAYMENT_SIZE
_PAID = "payments"
_BOTH = "statements, payments"
WINDOWS = (30, 90, 180, 365)

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    *(Feature(f"paid_cents_{w}d", f"amount the customer paid, {w} days", "cents", 0, None, _SIZE, _PAID) for w in WINDOWS),
    *(Feature(f"n_payments_{w}d", f"payments by the customer, {w} days", "count", 0, None, _PATTERN, _PAID) for w in WINDOWS),
    *(
        Feature(f"paid_to_due_ratio_{w}d", f"amount paid over the minimums that fell due, {w} days", "ratio", 0, None, _SIZE, _BOTH)
        for w in (90, 180, 365)
    ),
    Feature("days_since_last_payment", "days since the customer last paid", "days", 0, None, _PATTERN, _PAID),
    Feature("last_payment_cents", "the customer's last payment", "cents", 0, None, _SIZE, _PAID),
    Feature("last_payment_to_cure_ratio", "the last payment over the amount that would cure", "ratio", 0, None, _SIZE, _BOTH),
    Feature("largest_payment_to_cure_ratio_365d", "the largest payment of 365 days over the amount that would cure", "ratio", 0, None, _SIZE, _BOTH),
    Feature("paid_to_cure_ratio_90d", "amount paid in 90 days over the amount that would cure", "ratio", 0, None, _SIZE, _BOTH),
    Feature("payment_trend_90d", "amount paid in 90 days over the 90 days before", "ratio", 0, None, _SIZE, _PAID),
    Feature("longest_payment_gap_days_365d", "longest time between two payments, 365 days", "days", 0, None, _PATTERN, _PAID),
    Feature("mean_payment_gap_days_365d", "mean time between two payments, 365 days", "days", 0, None, _PATTERN, _PAID),
    Feature("payment_spread_ratio_365d", "largest less smallest payment over the mean payment, 365 days", "ratio", 0, None, _PATTERN, _PAID),
    Feature("autopay_share_365d", "share of payments made by autopay, 365 days", "share", 0, 1, _PATTERN, _PAID),
    Feature("n_reversals_180d", "payments returned unpaid, 180 days", "count", 0, None, _PATTERN, _PAID),
    Feature("n_reversals_365d", "payments returned unpaid, 365 days", "count", 0, None, _PATTERN, _PAID),
    Feature("other_credits_cents_180d", "refunds, set-offs and other credits, 180 days", "cents", 0, None, _SIZE, _PAID),
    Feature("days_to_first_payment_last_cycle", "days from the statement to the first payment, last closed cycle", "days", 0, None, _PATTERN, _BOTH),
    Feature("mean_days_payment_to_due_365d", "mean days from due date to a cycle's first payment (negative: early), 365 days", "days", None, None, _PATTERN, _BOTH),
    Feature("paid_by_due_share_365d", "share of closed cycles whose minimum was paid by its due date, 365 days", "share", 0, 1, _PATTERN, _BOTH),
    Feature("paid_cycle_share_180d", "share of closed cycles with any payment, 180 days", "share", 0, 1, _PATTERN, _BOTH),
    Feature("paid_cycle_share_365d", "share of closed cycles with any payment, 365 days", "share", 0, 1, _PATTERN, _BOTH),
    Feature("partial_cycles_180d", "closed cycles with a payment below the minimum, 180 days", "count", 0, None, _SIZE, _BOTH),
    Feature("full_balance_share_365d", "share of closed cycles paid at 95 % of the balance or more, 365 days", "share", 0, 1, _SIZE, _BOTH),
    Feature("paid_streak_cycles", "closed cycles in a row with a payment, up to the last", "count", 0, None, _PATTERN, _BOTH),
    Feature("unpaid_streak_cycles", "closed cycles in a row without a payment, up to the last", "count", 0, None, _PATTERN, _BOTH),
    Feature("paid_to_balance_ratio_1_cycle", "paid over balance, last closed cycle", "ratio", 0, None, _SIZE, _BOTH),
    Feature("paid_to_balance_ratio_2_cycles", "paid over balance, the closed cycle before", "ratio", 0, None, _SIZE, _BOTH),
    Feature("paid_to_balance_ratio_90d", "paid over balances of closed cycles, 90 days", "ratio", 0, None, _SIZE, _BOTH),
    Feature("paid_to_balance_ratio_365d", "paid over balances of closed cycles, 365 days", "ratio", 0, None, _SIZE, _BOTH),
    Feature("paid_cents_1_cycle", "amount paid in the last closed cycle", "cents", 0, None, _SIZE, _BOTH),
    Feature("paid_cents_2_cycles", "amount paid in the closed cycle before", "cents", 0, None, _SIZE, _BOTH),
)
# fmt: on


def payment_amounts(payments: Any, as_of: Any) -> Any:
    """Amounts, counts, gaps and reversals, one row per account that ever paid or was credited.

    Parameters
    ----------
    payments : table, one row per payment known on ``as_of``
    as_of : date scalar

    Returns
    -------
    table, one row per account
        ``account_no`` and columns over windows of 30 to 365 days; a window of w days holds ages 0 to w - 1.
    """
    counted = qualifying_payments(payments)
    counted = counted.mutate(age_days=as_of.delta(counted.paid_on, unit="day"))
    in_order = ibis.window(group_by="account_no", order_by="paid_on")
    of_account = ibis.window(group_by="account_no")
    counted = counted.mutate(
        gap_days=counted.paid_on.delta(counted.paid_on.lag(1).over(in_order), unit="day"),
        is_on_last_day=counted.paid_on == counted.paid_on.max().over(of_account),
    )
    year = counted.age_days < 365
    paid = {f"paid_cents_{w}d": counted.amount_cents.sum(where=counted.age_days < w) for w in WINDOWS}
    number = {f"n_payments_{w}d": counted.count(where=counted.age_days < w) for w in WINDOWS}
    before = (counted.age_days >= 90) & (counted.age_days < 180)
    made = counted.group_by("account_no").agg(
        **paid,
        **number,
        days_since_last_payment=counted.age_days.min(),
        last_payment_cents=counted.amount_cents.max(where=counted.is_on_last_day),
        largest_payment_cents_365d=counted.amount_cents.max(where=year),
        paid_cents_before_90d=counted.amount_cents.sum(where=before),
        longest_payment_gap_days_365d=counted.gap_days.max(where=year),
        mean_payment_gap_days_365d=counted.gap_days.sum(where=year) / counted.gap_days.count(where=year).nullif(0),
        payment_spread_ratio_365d=(counted.amount_cents.max(where=year) - counted.amount_cents.min(where=year))
        * counted.count(where=year)
        / counted.amount_cents.sum(where=year).nullif(0),
        autopay_share_365d=counted.count(where=year & (counted.kind == "autopay"))
        / counted.count(where=year).nullif(0),
    )
    made = made.mutate(payment_trend_90d=made.paid_cents_90d.coalesce(0) / made.paid_cents_before_90d.nullif(0))
    return payments.select("account_no").distinct().left_join(made, "account_no").drop("account_no_right")


def other_credits(payments: Any, as_of: Any) -> Any:
    """Reversals and credits that are not payments by the customer, one row per account that had any credit."""
    credited = payments.mutate(
        age_days=as_of.delta(payments.paid_at.date(), unit="day"),
        returned_days=as_of.delta(payments.reversed_at.date(), unit="day"),
    )
    by_customer = credited.kind.isin(["voluntary", "autopay"])
    return credited.group_by("account_no").agg(
        n_reversals_180d=credited.count(where=credited.returned_days < 180),
        n_reversals_365d=credited.count(where=credited.returned_days < 365),
        other_credits_cents_180d=credited.amount_cents.sum(where=~by_customer & (credited.age_days < 180)).coalesce(0),
    )


def payment_cycles(billed: Any) -> dict[str, Any]:
    """Payments against what each closed cycle asked for.

    Parameters
    ----------
    billed : table
        The result of `scoring.features.history.cycles`.

    Returns
    -------
    dict of name to aggregate
        Ratios, shares, streaks and timing over closed cycles; a cycle is closed when the next statement has been cut, so a
        payment still possible is never counted as missed.
    """
    closed, is_paid = billed.is_closed, billed.n_paid > 0
    asked_cents = ibis.greatest(billed.balance_cents, 0)
    quarter, half = closed & (billed.age_days < 120), closed & (billed.age_days < 180)
    asked = closed & (asked_cents > 0) & (billed.age_days < 365)
    due = asked & (billed.minimum_due_cents > 0)
    on_time = due & (billed.paid_by_due_cents >= billed.minimum_due_cents)
    in_full = asked & (billed.paid_cents * 100 >= asked_cents * 95)
    oldest = billed.cycle_no.max().nullif(1)

    def share(of: Any, among: Any) -> Any:
        return billed.count(where=of) / billed.count(where=among).nullif(0)

    def paid_to_balance(where: Any) -> Any:
        return billed.paid_cents.sum(where=where) / asked_cents.sum(where=where).nullif(0)

    return {
        "days_to_first_payment_last_cycle": billed.first_paid_on.delta(billed.statement_on, unit="day").max(
            where=billed.cycle_no == 2
        ),
        "mean_days_payment_to_due_365d": billed.first_paid_on.delta(billed.due_on, unit="day").sum(where=asked)
        / billed.first_paid_on.count(where=asked).nullif(0),
        "paid_by_due_share_365d": share(on_time, due),
        "paid_cycle_share_180d": share(asked & half & is_paid, asked & half),
        "paid_cycle_share_365d": share(asked & is_paid, asked),
        "partial_cycles_180d": billed.count(where=half & is_paid & (billed.paid_cents < billed.minimum_due_cents)),
        "full_balance_share_365d": share(in_full, asked),
        # All closed cycles after the last one that broke the streak; absent where no cycle is closed.
        "paid_streak_cycles": ibis.ifelse(
            oldest.isnull(), None, billed.cycle_no.min(where=closed & ~is_paid).coalesce(oldest + 1) - 2
        ),
        "unpaid_streak_cycles": ibis.ifelse(
            oldest.isnull(), None, billed.cycle_no.min(where=closed & is_paid).coalesce(oldest + 1) - 2
        ),
        "paid_to_balance_ratio_1_cycle": paid_to_balance(billed.cycle_no == 2),
        "paid_to_balance_ratio_2_cycles": paid_to_balance(billed.cycle_no == 3),
        "paid_to_balance_ratio_90d": paid_to_balance(quarter),
        "paid_to_balance_ratio_365d": paid_to_balance(asked),
        "paid_cents_1_cycle": billed.paid_cents.max(where=billed.cycle_no == 2),
        "paid_cents_2_cycles": billed.paid_cents.max(where=billed.cycle_no == 3),
    }


def dues(billed: Any, as_of: Any) -> dict[str, Any]:
    """Minimums that fell due in 90, 180 and 365 days: the denominators of paid-to-due."""
    age = as_of.delta(billed.due_on, unit="day")
    return {f"due_cents_{w}d": billed.minimum_due_cents.sum(where=(age >= 0) & (age < w)) for w in (90, 180, 365)}
