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

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import ibis

from scoring.vocabulary import QUALIFYING_KINDS

Tables = Mapping[str, Any]
SPENT: Final = ("purchases_cents", "cash_advances_cents", "interest_and_fees_cents")
_NEVER: Final = date(9999, 12, 31)


def numbered(known: Tables, stage: Callable[[str, Any], Any]) -> dict[str, Any]:
    """The known tables with ``account_no``, the number of the account within this query, in place of its id.

    ``numbers`` has both; ``inflows`` belong to customers and stay as they are. Rows of accounts that are not known yet are
    left out.
    """
    numbers = stage("numbers", known["accounts"].mutate(account_no=ibis.row_number()))
    keys = numbers.select("account_id", "account_no")
    of_accounts = ("statements", "payments", "contacts", "promises", "standings")
    tables = {name: without(known[name].join(keys, "account_id"), "account_id") for name in of_accounts}
    return {"accounts": numbers, "inflows": known["inflows"], **tables}


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
    counted = payments.filter(payments.kind.isin([str(kind) for kind in QUALIFYING_KINDS]), payments.reversed_at.isnull())
    return counted.mutate(paid_on=counted.paid_at.date())


def paid_by_cycle(statements: Any, payments: Any) -> Any:
    """What was paid from the day of each statement until the day before the next.

    Returns
    -------
    table, one row per statement that was followed by a qualifying payment
        ``account_no``, ``statement_on``, ``paid_cents``, ``paid_by_due_cents``, ``n_paid``, ``first_paid_on``. Payments before
        the first statement are in no cycle: they paid for nothing that was asked.
    """
    in_order = ibis.window(group_by="account_no", order_by="statement_on")
    spans = statements.select(
        "account_no",
        "statement_on",
        "due_on",
        next_on=statements.statement_on.lead(1).over(in_order).coalesce(ibis.date(_NEVER)),
    )
    paid = qualifying_payments(payments).select("account_no", "paid_on", "amount_cents")
    inside = paid.join(
        spans,
        [
            paid.account_no == spans.account_no,
            paid.paid_on >= spans.statement_on,
            paid.paid_on < spans.next_on,
        ],
    )
    return inside.group_by(["account_no", "statement_on"]).agg(
        paid_cents=inside.amount_cents.sum().cast("int64"),
        paid_by_due_cents=inside.amount_cents.sum(where=inside.paid_on <= inside.due_on).coalesce(0).cast("int64"),
        n_paid=inside.count(),
        first_paid_on=inside.paid_on.min(),
    )


def walk(statements: Any, paid: Any) -> Any:
    """Every statement with the minimums required and covered when it was cut.

    Parameters
    ----------
    statements : table
        Statements known on the as-of day.
    paid : table
        The result of `paid_by_cycle` on them.

    Returns
    -------
    table, one row per statement
        ``account_no``, ``statement_on``, ``due_on``, ``minimum_cents`` (0 where the source has none: ``has_minimum``),
        ``reported_dpd`` (read where it has none), ``cycle_no`` (1 = the latest), ``required_cents`` (all minimums so far), ``covered_cents`` (of them, what was paid before this statement was
        cut), ``covered_after_cents`` (before the next one, or by the as-of day), and the columns of `paid_by_cycle`.
    """
    key = ["account_no", "statement_on"]
    joined = without(statements.left_join(paid, key), "account_no_right", "statement_on_right")
    billed = joined.select(
        *key,
        "due_on",
        "first_paid_on",
        reported_dpd=joined.minimum_due_cents.isnull().ifelse(joined.reported_dpd, 0),
        has_minimum=joined.minimum_due_cents.notnull(),
        minimum_cents=joined.minimum_due_cents.coalesce(0),
        paid_cents=joined.paid_cents.coalesce(0),
        paid_by_due_cents=joined.paid_by_due_cents.coalesce(0),
        n_paid=joined.n_paid.coalesce(0),
    )
    until_then = ibis.window(group_by="account_no", order_by="statement_on", preceding=None, following=0)
    from_then_on = ibis.window(group_by="account_no", order_by="statement_on", preceding=0, following=None)
    summed = billed.mutate(
        cycle_no=billed.count().over(from_then_on),
        required_cents=billed.minimum_cents.sum().over(until_then).cast("int64"),
        paid_so_far=billed.paid_cents.sum().over(until_then).cast("int64"),
    )
    # The running sum is lowest just before statements are cut. Whatever it fell below 0 by was paid in excess: it covers nothing.
    before_cut = summed.required_cents - summed.minimum_cents - (summed.paid_so_far - summed.paid_cents)
    walked = summed.mutate(lowest=ibis.least(before_cut.min().over(until_then), 0))
    after = ibis.least(walked.lowest, walked.required_cents - walked.paid_so_far)
    walked = walked.mutate(
        covered_cents=walked.paid_so_far - walked.paid_cents + walked.lowest,
        covered_after_cents=walked.paid_so_far + after,
    )
    return without(walked, "paid_so_far", "lowest")


def positions(known: Tables, walked: Any, as_of: Any, min_dpd: Any) -> Any:
    """Where each account with a statement stands at the end of ``as_of``, if it is ``min_dpd`` days past due or more.

    Parameters
    ----------
    known : mapping of tables
        The result of `numbered`.
    walked : table
        The result of `walk`.

    Returns
    -------
    table, one row per account
        ``account_no``, ``account_id``, ``customer_id``, ``opened_on``, ``credit_limit_cents``, ``dpd`` (int, >= 0),
        ``past_due_cents``, ``cure_amount_cents`` (D: all unpaid minimums; the balance where the source has no minimum due),
        ``n_unpaid_minimums``, ``last_minimum_due_cents`` (null where the source has none), ``balance_cents``,
        ``statement_on``, ``due_on``, and the holds ``is_charged_off``, ``is_deceased``, ``is_disputed``, ``is_on_kept_plan``.
    """
    latest = walked.filter(walked.cycle_no == 1).select("account_no", "statement_on", covered="covered_after_cents")
    unpaid = walked.join(latest.select("account_no", "covered"), "account_no")
    left = ibis.greatest(ibis.least(unpaid.required_cents - unpaid.covered, unpaid.minimum_cents), 0)
    unpaid = unpaid.mutate(left_cents=left, is_overdue=(left > 0) & (unpaid.due_on < as_of))
    owed = unpaid.group_by("account_no").agg(
        open_cents=unpaid.left_cents.sum().cast("int64"),
        overdue_cents=unpaid.left_cents.sum(where=unpaid.is_overdue).coalesce(0).cast("int64"),
        n_overdue=unpaid.count(where=unpaid.is_overdue),
        oldest_overdue_on=unpaid.due_on.min(where=unpaid.is_overdue),
    )
    accounts = known["accounts"].select("account_no", "account_id", "customer_id", "opened_on", "credit_limit_cents")
    here = known["statements"].join(latest, ["account_no", "statement_on"])
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
    return _with_holds(placed.filter(placed.dpd >= min_dpd), known["standings"])


def _with_holds(placed: Any, standings: Any) -> Any:
    """Add the standings that take an account out of scoring: charged off, deceased, disputed, on a kept plan."""
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


def cycles(known: Tables, walked: Any, placed: Any, as_of: Any) -> Any:
    """One row per billing cycle of the accounts in question, with what was paid in it and the days past due when it was cut.

    Parameters
    ----------
    known : mapping of tables
        The result of `numbered`.
    walked, placed : tables
        The results of `walk` and `positions`.

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
        *("account_no", "statement_on", "due_on", "cycle_no", "credit_limit_cents"),
        *("paid_cents", "paid_by_due_cents", "n_paid", "first_paid_on"),
        dpd=dated.has_minimum.ifelse(behind, dated.reported_dpd),
        is_closed=dated.cycle_no > 1,
        age_days=as_of.delta(dated.statement_on, unit="day"),
    )
    in_order = ibis.window(group_by="account_no", order_by="statement_on")
    aged = aged.mutate(dpd_before=aged.dpd.lag(1).over(in_order))
    stated = known["statements"].select("account_no", "statement_on", "balance_cents", "minimum_due_cents", *SPENT)
    return aged.join(stated, ["account_no", "statement_on"])


def _covering(walked: Any) -> Any:
    """Each minimum as the range of covered amounts at which it is the oldest unpaid one: minimums are paid oldest first."""
    minimums = walked.filter(walked.minimum_cents > 0)
    return minimums.select(
        minimum_of=minimums.account_no,
        oldest_due_on=minimums.due_on,
        paid_from=minimums.required_cents - minimums.minimum_cents,
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
