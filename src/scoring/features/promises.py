"""Promises to pay: how many, kept, broken, still open. A promise not yet due is open, never broken."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup
from scoring.features.history import qualifying_payments

_PROMISES = ReasonGroup.PROMISES
_SOURCE = "promises, payments"

KEPT_SHARE_PERCENT = 90
"""Kept: at least this share of the promised amount was paid (house convention, 2026-11)."""
GRACE_DAYS = 3
"""Days after the due day in which a payment still keeps a promise (house convention, 2026-11)."""

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    Feature("n_promises_90d", "promises made, 90 days", "count", 0, None, _PROMISES, _SOURCE),
    Feature("n_promises_365d", "promises made, 365 days", "count", 0, None, _PROMISES, _SOURCE),
    Feature("kept_promise_rate_180d", "share of promises that fell due and were kept, 180 days", "share", 0, 1, _PROMISES, _SOURCE),
    Feature("broken_promises_90d", "promises that fell due and were not kept, 90 days", "count", 0, None, _PROMISES, _SOURCE),
    Feature("broken_promises_365d", "promises that fell due and were not kept, 365 days", "count", 0, None, _PROMISES, _SOURCE),
    Feature("days_since_last_promise", "days since the last promise was made", "days", 0, None, _PROMISES, _SOURCE),
    Feature("open_promised_cents", "amount promised and not yet due", "cents", 0, None, _PROMISES, _SOURCE),
)
# fmt: on


def promises(known_promises: Any, payments: Any, as_of: Any) -> Any:
    """Promise history, one row per account that made a promise.

    Parameters
    ----------
    known_promises, payments : tables known on ``as_of``
    as_of : date scalar
        Promises whose due day plus grace has not passed are open.

    Returns
    -------
    table, one row per account
        ``account_no`` and this family's columns. Accounts without a promise are absent: never asked is not never kept.
    """
    last_day = known_promises.due_on.delta(known_promises.made_at.date(), unit="day") + GRACE_DAYS
    made = known_promises.mutate(made_on=known_promises.made_at.date(), last_day=last_day)
    paid = qualifying_payments(payments).select("account_no", "paid_on", "amount_cents")
    pairs = made.left_join(paid, "account_no")
    waited = pairs.paid_on.delta(pairs.made_on, unit="day")
    inside = (waited >= 0) & (waited <= pairs.last_day)
    judged = pairs.group_by(["account_no", "promise_id", "made_on", "due_on", "promised_cents"]).agg(
        paid_cents=pairs.amount_cents.sum(where=inside).coalesce(0)
    )
    due_age = as_of.delta(judged.due_on, unit="day") - GRACE_DAYS
    judged = judged.mutate(
        due_age=due_age,
        made_age=as_of.delta(judged.made_on, unit="day"),
        is_kept=judged.paid_cents * 100 >= judged.promised_cents * KEPT_SHARE_PERCENT,
    )
    fell = judged.due_age > 0
    return judged.group_by("account_no").agg(
        n_promises_90d=judged.count(where=judged.made_age < 90),
        n_promises_365d=judged.count(where=judged.made_age < 365),
        kept_promise_rate_180d=judged.count(where=fell & (judged.due_age < 180) & judged.is_kept)
        / judged.count(where=fell & (judged.due_age < 180)).nullif(0),
        broken_promises_90d=judged.count(where=fell & (judged.due_age < 90) & ~judged.is_kept),
        broken_promises_365d=judged.count(where=fell & (judged.due_age < 365) & ~judged.is_kept),
        days_since_last_promise=judged.made_age.min(),
        open_promised_cents=judged.promised_cents.sum(where=judged.due_age <= 0).coalesce(0),
    )
