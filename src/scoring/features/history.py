"""The history every family leans on: minimums walked through payments, where an account stands today, billing cycles.

Conventions (the same in targets and in the check): a payment counts towards the minimums of statements cut by then, oldest
first; an excess does not prepay the next minimum; only what the customer paid counts; a payment whose reversal is known counts
as never made; a minimum due today is not past due. Where a source gives no minimum due, the days past due it reported stand in.

The unpaid minimums U follow the reflected walk U <- max(0, U + minimum - payment). Within a cycle nothing is added, so the walk
need only be looked at when statements are cut. Unrolled, it is the running sum of minimums less payments, minus its own running
minimum (at most 0): window functions replace a loop. All sums are over whole cents: the result does not depend on row order or
threads. Inside the query accounts go by ``account_no``, a number, since joins and windows over numbers take half the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import ibis

from scoring.vocabulary import QUALIFYING_KINDS

Tables = Mapping[str, Any]
_NEVER: Final = date(9999, 12, 31)


def numbered(known: Tables, accounts: Any) -> dict[str, Any]:
    """The known tables with ``account_no``, the number of the account within this query, in place of its id.

    Parameters
    ----------
    known : mapping of tables
        Tables with ``account_id``, as known on the as-of day.
    accounts : table
        ``account_id`` and ``account_no``. Rows of other accounts are left out.
    """
    keys = accounts.select("account_id", "account_no")
    return {name: without(table.join(keys, "account_id"), "account_id") for name, table in known.items()}


def qualifying_payments(payments: Any) -> Any:
    """Payments the customer started whose reversal is not known.

    Parameters
    ----------
    payments : table, one row per payment known on the as-of day
        ``kind``, ``reversed_at`` (null until the reversal is known), ``paid_at``, ``amount_cents``.

    Returns
    -------
    table, one row per qualifying payment
        The same columns and ``paid_on`` (date).

    Examples
    --------
    >>> from datetime import datetime
    >>> import pyarrow as pa
    >>> paid_at, never = [datetime(2025, 5, 1)] * 2, pa.array([None, None], pa.timestamp("us"))
    >>> seen = ibis.memtable(pa.table({"kind": ["voluntary", "refund"], "paid_at": paid_at, "reversed_at": never}))
    >>> qualifying_payments(seen).kind.to_pyarrow().to_pylist()
    ['voluntary']
    """
    counted = payments.filter(
        payments.kind.isin([str(kind) for kind in QUALIFYING_KINDS]), payments.reversed_at.isnull()
    )
    return counted.mutate(paid_on=counted.paid_at.date())


def billed_cycles(statements: Any, payments: Any) -> Any:
    """Every statement with what was paid from its day until the day before the next.

    Returns
    -------
    table, one row per statement
        The columns of ``statements``; ``paid_cents``, ``paid_by_due_cents``, ``n_paid`` (0 where nothing was), and
        ``first_paid_on``. Payments before the first statement are in no cycle: they paid for nothing that was asked.
    """
    in_order = ibis.window(group_by="account_no", order_by="statement_on")
    next_on = statements.statement_on.lead(1).over(in_order).coalesce(ibis.date(_NEVER))
    spans = statements.select("account_no", "statement_on", "due_on", next_on=next_on)
    paid = qualifying_payments(payments).select("account_no", "paid_on", "amount_cents")
    inside = paid.join(
        spans,
        [
            paid.account_no == spans.account_no,
            paid.paid_on >= spans.statement_on,
            paid.paid_on < spans.next_on,
        ],
    )
    sums = inside.group_by(["account_no", "statement_on"]).agg(
        paid_cents=inside.amount_cents.sum(),
        paid_by_due_cents=inside.amount_cents.sum(where=inside.paid_on <= inside.due_on),
        n_paid=inside.count(),
        first_paid_on=inside.paid_on.min(),
    )
    joined = statements.left_join(sums, ["account_no", "statement_on"])
    counted = {name: joined[name].coalesce(0) for name in ("paid_cents", "paid_by_due_cents", "n_paid")}
    return joined.select(*statements.columns, "first_paid_on", **counted)


def walk(billed: Any) -> Any:
    """Every statement with the minimums required and covered when it was cut.

    Parameters
    ----------
    billed : table
        The result of `billed_cycles`.

    Returns
    -------
    table, one row per statement
        ``account_no``, ``statement_on``, ``due_on``, ``minimum_due_cents``, ``reported_dpd``, ``cycle_no`` (1 = the latest),
        ``required_cents`` (all minimums so far), ``covered_cents`` (of them, what was paid before this statement was cut),
        ``covered_after_cents`` (before the next one, or by the as-of day).
    """
    kept = ("account_no", "statement_on", "due_on", "minimum_due_cents", "reported_dpd")
    billed = billed.select(*kept, "paid_cents")
    minimum_cents = billed.minimum_due_cents.coalesce(0)
    until_then = ibis.window(group_by="account_no", order_by="statement_on", preceding=None, following=0)
    from_then_on = ibis.window(group_by="account_no", order_by="statement_on", preceding=0, following=None)
    summed = billed.mutate(
        cycle_no=billed.count().over(from_then_on),
        required_cents=minimum_cents.sum().over(until_then),
        paid_so_far=billed.paid_cents.sum().over(until_then),
    )
    # The running sum is lowest just before statements are cut. Whatever it fell below 0 by was paid in excess: it covers nothing.
    paid_before = summed.paid_so_far - summed.paid_cents
    before_cut = summed.required_cents - summed.minimum_due_cents.coalesce(0) - paid_before
    walked = summed.mutate(excess=-ibis.least(before_cut.min().over(until_then), 0))
    after = ibis.greatest(walked.excess, walked.paid_so_far - walked.required_cents)
    return walked.select(
        *kept,
        *("cycle_no", "required_cents"),
        covered_cents=walked.paid_so_far - walked.paid_cents - walked.excess,
        covered_after_cents=walked.paid_so_far - after,
    )


def positions(accounts: Any, billed: Any, walked: Any, as_of: Any, min_dpd: Any) -> Any:
    """Where each account with a statement stands at the end of ``as_of``, if it is ``min_dpd`` days past due or more.

    Parameters
    ----------
    accounts : table
        Accounts known on the as-of day, numbered.
    billed, walked : tables
        The results of `billed_cycles` and `walk`.
    as_of, min_dpd : date and integer scalars

    Returns
    -------
    table, one row per account
        ``account_no``, ``account_id``, ``customer_id``, ``opened_on``, ``credit_limit_cents``, ``dpd`` (int, >= 0),
        ``past_due_cents``, ``cure_amount_cents`` (D: all unpaid minimums; the balance where the source has no minimum due),
        ``n_unpaid_minimums``, ``last_minimum_due_cents`` (null where the source has none), ``balance_cents``,
        ``statement_on``, ``due_on``.
    """
    latest = walked.filter(walked.cycle_no == 1).select("account_no", "statement_on", covered="covered_after_cents")
    unpaid = walked.join(latest.select("account_no", "covered"), "account_no")
    left = ibis.greatest(ibis.least(unpaid.required_cents - unpaid.covered, unpaid.minimum_due_cents.coalesce(0)), 0)
    unpaid = unpaid.mutate(left_cents=left, is_overdue=(left > 0) & (unpaid.due_on < as_of))
    owed = unpaid.group_by("account_no").agg(
        open_cents=unpaid.left_cents.sum().cast("int64"),
        overdue_cents=unpaid.left_cents.sum(where=unpaid.is_overdue).coalesce(0).cast("int64"),
        n_overdue=unpaid.count(where=unpaid.is_overdue),
        oldest_overdue_on=unpaid.due_on.min(where=unpaid.is_overdue),
    )
    accounts = accounts.select("account_no", "account_id", "customer_id", "opened_on", "credit_limit_cents")
    here = billed.join(latest, ["account_no", "statement_on"])
    here = here.join(owed, "account_no").join(accounts, "account_no")
    is_reported = here.minimum_due_cents.isnull()
    reported = here.reported_dpd.coalesce(0)
    reported_dpd = (reported > 0).ifelse(reported + as_of.delta(here.statement_on, unit="day"), 0)
    stake = ibis.greatest(here.balance_cents, 0)
    placed = here.select(
        *accounts.columns,
        dpd=is_reported.ifelse(reported_dpd, as_of.delta(here.oldest_overdue_on, unit="day").coalesce(0)).cast("int64"),
        past_due_cents=is_reported.ifelse((reported > 0).ifelse(stake, 0), here.overdue_cents).cast("int64"),
        cure_amount_cents=is_reported.ifelse(stake, here.open_cents).cast("int64"),
        n_unpaid_minimums=is_reported.ifelse(ibis.null("int64"), here.n_overdue),
        last_minimum_due_cents=here.minimum_due_cents,
        balance_cents=here.balance_cents,
        statement_on=here.statement_on,
        due_on=here.due_on,
    )
    return placed.filter(placed.dpd >= min_dpd)


def with_holds(placed: Any, standings: Any) -> Any:
    """Add the standings that take an account out of scoring: charged off, deceased, disputed, on a kept plan.

    Returns
    -------
    table, one row per account
        The columns of ``placed``; ``is_charged_off``, ``is_deceased``, ``is_disputed``, ``is_on_kept_plan`` (bool).
    """
    open_now = standings.filter(standings.until_at.isnull())

    def has(*kinds: str) -> Any:
        return open_now.kind.isin(kinds).any()

    flags = open_now.group_by("account_no").agg(
        is_charged_off=has("charged_off", "sold"),
        is_deceased=has("deceased"),
        is_disputed=has("dispute_open", "fraud_suspected"),
        plan_signed=has("plan_signed"),
        plan_breached=has("plan_breached"),
    )
    held = without(placed.left_join(flags, "account_no"), "account_no_right")
    marked = held.mutate(
        is_charged_off=held.is_charged_off.coalesce(False),
        is_deceased=held.is_deceased.coalesce(False),
        is_disputed=held.is_disputed.coalesce(False),
        is_on_kept_plan=held.plan_signed.coalesce(False) & ~held.plan_breached.coalesce(False),
    )
    return without(marked, "plan_signed", "plan_breached")


def cycles(billed: Any, walked: Any, placed: Any, as_of: Any) -> Any:
    """One row per billing cycle of the accounts in question, with what was paid in it and the days past due when it was cut.

    Parameters
    ----------
    billed, walked, placed : tables
        The results of `billed_cycles`, `walk` and `positions`.

    Returns
    -------
    table, one row per statement
        Statement columns; ``cycle_no`` (1 = the latest), ``dpd`` (when the statement was cut), ``dpd_before`` (when the one
        before was), ``paid_cents``, ``paid_by_due_cents``, ``n_paid``, ``first_paid_on`` (between this statement and the next),
        ``is_closed`` (the next statement has been cut, so what was paid is final), ``age_days``, ``credit_limit_cents``.
    """
    asked = walked.join(placed.select("account_no", "credit_limit_cents"), "account_no")
    asked = asked.select(*asked.columns)
    minimums = _covering(walked)
    dated = asked.left_join(minimums, _is_oldest_unpaid(asked, minimums))
    behind = ibis.greatest(dated.statement_on.delta(dated.oldest_due_on, unit="day").coalesce(0), 0)
    aged = dated.select(
        *("account_no", "statement_on", "cycle_no", "credit_limit_cents"),
        dpd=dated.minimum_due_cents.isnull().ifelse(dated.reported_dpd, behind),
        is_closed=dated.cycle_no > 1,
        age_days=as_of.delta(dated.statement_on, unit="day"),
    )
    in_order = ibis.window(group_by="account_no", order_by="statement_on")
    aged = aged.mutate(dpd_before=aged.dpd.lag(1).over(in_order))
    return aged.join(without(billed, "reported_dpd", "known_at"), ["account_no", "statement_on"])


def _covering(walked: Any) -> Any:
    """Each minimum as the range of covered amounts at which it is the oldest unpaid one: minimums are paid oldest first."""
    minimums = walked.filter(walked.minimum_due_cents > 0)
    return minimums.select(
        minimum_of=minimums.account_no,
        oldest_due_on=minimums.due_on,
        paid_from=minimums.required_cents - minimums.minimum_due_cents,
        paid_up_at=minimums.required_cents,
    )


def _is_oldest_unpaid(cut: Any, minimum: Any) -> list[Any]:
    """At most one minimum for each cut; it may be the cut's own or a later one, neither of which is past due then."""
    return [
        cut.account_no == minimum.minimum_of,
        cut.covered_cents >= minimum.paid_from,
        cut.covered_cents < minimum.paid_up_at,
    ]


def without(table: Any, *names: str) -> Any:
    """A table less some columns, by naming those that stay: the SQL text, whose hash is kept, must not depend on set order."""
    return table.select(*(name for name in table.columns if name not in names))
