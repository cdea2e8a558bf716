"""The history every family leans on: minimums walked through payments, billing cycles, and where an account stands today.

Conventions (the same in targets and in the check): a payment counts towards the minimums of statements cut by then, oldest
first; an excess does not prepay the next minimum; only what the customer paid counts; a payment whose reversal is known counts
as never made; a minimum due today is not past due. Where a source gives no minimum due, the days past due it reported stand in.

The unpaid minimums U follow the reflected walk U <- max(0, U + minimum - payment). Unrolled, that is the running sum S minus its
own running minimum (at most 0), so two window functions replace a loop. All sums are over whole cents: the result does not
depend on row order or threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis

from scoring.vocabulary import QUALIFYING_KINDS

Tables = Mapping[str, Any]


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


def walk(statements: Any, payments: Any) -> Any:
    """One row per statement or qualifying payment, in time order, with the minimums still unpaid after it.

    Returns
    -------
    table, one row per event
        ``account_id``, ``at`` (timestamp), ``statement_on`` (the last statement cut by then, null before the first),
        ``is_statement``, ``minimum_cents``, ``paid_cents``, ``paid_on``, ``required_cents`` (all minimums so far),
        ``running`` (minimums less payments so far, may be negative), ``unpaid_cents`` (minimums still unpaid).
    """
    cut = statements.select(
        account_id=statements.account_id,
        at=statements.statement_on.cast("timestamp(6)"),
        turn=ibis.literal(0, type="int8"),
        cut_on=statements.statement_on,
        minimum_cents=statements.minimum_due_cents.coalesce(0),
        paid_cents=ibis.literal(0, type="int64"),
        paid_on=ibis.null("date"),
    )
    counted = qualifying_payments(payments)
    paid = counted.select(
        account_id=counted.account_id,
        at=counted.paid_at,
        turn=ibis.literal(1, type="int8"),
        cut_on=ibis.null("date"),
        minimum_cents=ibis.literal(0, type="int64"),
        paid_cents=counted.amount_cents,
        paid_on=counted.paid_on,
    )
    events = cut.union(paid)
    so_far = ibis.window(group_by="account_id", order_by=["at", "turn", "paid_cents"], preceding=None, following=0)
    summed = events.mutate(
        statement_on=events.cut_on.max().over(so_far),
        required_cents=events.minimum_cents.sum().over(so_far),
        running=(events.minimum_cents - events.paid_cents).sum().over(so_far),
    )
    walked = summed.mutate(
        unpaid_cents=summed.running - ibis.least(summed.running.min().over(so_far), 0), is_statement=summed.turn == 0
    )
    return without(walked, "turn", "cut_on")


def oldest_unpaid_due(questions: Any, statements: Any) -> Any:
    """The due date of the oldest unpaid minimum, for any number of (account, paid so far) questions at once.

    Minimums are paid oldest first, so the oldest unpaid one is the first whose running total exceeds what has been paid: a
    sort of totals and questions together answers all of them without a join of each with each.

    Parameters
    ----------
    questions : table
        ``account_id``, ``ask_on`` (date, key of the question) and ``covered_cents`` (paid towards minimums by then).
    statements : table
        ``account_id``, ``due_on``, ``required_cents`` (running total of minimums, this statement included).

    Returns
    -------
    table, one row per question
        ``account_id``, ``ask_on``, ``oldest_due_on`` (date; null when nothing is unpaid).
    """
    thresholds = statements.select(
        account_id=statements.account_id,
        total=statements.required_cents,
        is_question=ibis.literal(0, type="int8"),
        due_on=statements.due_on,
        ask_on=ibis.null("date"),
    )
    asked = questions.select(
        account_id=questions.account_id,
        total=questions.covered_cents,
        is_question=ibis.literal(1, type="int8"),
        due_on=ibis.null("date"),
        ask_on=questions.ask_on,
    )
    both = thresholds.union(asked)
    above = ibis.window(
        group_by="account_id",
        order_by=[both.total.desc(), both.is_question.desc(), both.due_on.desc(), both.ask_on.desc()],
        preceding=None,
        following=0,
    )
    answered = both.mutate(oldest_due_on=both.due_on.min().over(above))
    return answered.filter(answered.is_question == 1).select("account_id", "ask_on", "oldest_due_on")


def cycles(known: Tables, walked: Any, as_of: Any) -> Any:
    """One row per billing cycle known on ``as_of``, with what was paid in it and the days past due when it was cut.

    Parameters
    ----------
    known : mapping of tables
        Event tables as known on ``as_of``.
    walked : table
        The result of `walk` on them.

    Returns
    -------
    table, one row per statement
        Statement columns; ``cycle_no`` (1 = the latest), ``dpd`` (when the statement was cut), ``unpaid_cents``,
        ``paid_cents``, ``paid_by_due_cents``, ``n_paid``, ``first_paid_on`` (between this statement and the next),
        ``is_closed`` (the next statement has been cut, so what was paid is final), ``age_days``.
    """
    statements = known["statements"]
    cut = walked.filter(walked.is_statement)
    at_cut = cut.group_by(["account_id", "statement_on"]).agg(
        required_cents=cut.required_cents.max(), unpaid_cents=cut.unpaid_cents.max()
    )
    stated = statements.join(at_cut, ["account_id", "statement_on"])
    paid = walked.filter(~walked.is_statement, walked.statement_on.notnull())
    due = statements.select("account_id", "statement_on", "due_on")
    paid = paid.join(due, ["account_id", "statement_on"])
    by_cycle = paid.group_by(["account_id", "statement_on"]).agg(
        paid_cents=paid.paid_cents.sum(),
        paid_by_due_cents=paid.paid_cents.sum(where=paid.paid_on <= paid.due_on),
        n_paid=paid.count(),
        first_paid_on=paid.paid_on.min(),
    )
    joined = without(stated.left_join(by_cycle, ["account_id", "statement_on"]), "account_id_right", "statement_on_right")
    questions = stated.select(
        account_id=stated.account_id, ask_on=stated.statement_on, covered_cents=stated.required_cents - stated.unpaid_cents
    )
    oldest = oldest_unpaid_due(questions, stated).rename(statement_on="ask_on")
    joined = joined.join(oldest, ["account_id", "statement_on"])
    latest_first = ibis.window(group_by="account_id", order_by=[joined.statement_on.desc()])
    computed_dpd = ibis.greatest(joined.statement_on.delta(joined.oldest_due_on, unit="day").coalesce(0), 0)
    return joined.mutate(
        cycle_no=ibis.row_number().over(latest_first) + 1,
        dpd=joined.minimum_due_cents.isnull().ifelse(joined.reported_dpd, computed_dpd),
        paid_cents=joined.paid_cents.coalesce(0),
        paid_by_due_cents=joined.paid_by_due_cents.coalesce(0),
        n_paid=joined.n_paid.coalesce(0),
        age_days=as_of.delta(joined.statement_on, unit="day"),
    ).mutate(is_closed=ibis._.cycle_no > 1)


def positions(known: Tables, walked: Any, billed: Any, as_of: Any) -> Any:
    """Where each account with a statement stands at the end of ``as_of``.

    Parameters
    ----------
    known : mapping of tables
        Event tables as known on ``as_of``.
    walked, billed : tables
        The results of `walk` and `cycles`.

    Returns
    -------
    table, one row per account that has a statement
        ``account_id``, ``customer_id``, ``opened_on``, ``credit_limit_cents``, ``dpd`` (int, >= 0), ``past_due_cents``,
        ``cure_amount_cents`` (D: all unpaid minimums; the balance where the source has no minimum due),
        ``n_unpaid_minimums``, ``last_minimum_due_cents`` (null where the source has none), ``balance_cents``,
        ``statement_on``, ``due_on``, and the holds ``is_charged_off``, ``is_deceased``, ``is_disputed``, ``is_on_kept_plan``.
    """
    paid = walked.paid_cents.sum() + ibis.least(walked.running.min(), 0)
    covered = walked.group_by("account_id").agg(covered_cents=paid)
    unpaid = billed.join(covered, "account_id")
    left_of_minimum = ibis.greatest(
        ibis.least(unpaid.required_cents - unpaid.covered_cents, unpaid.minimum_due_cents.coalesce(0)), 0
    )
    unpaid = unpaid.mutate(left_cents=left_of_minimum, is_due=unpaid.due_on < as_of)
    owed = unpaid.group_by("account_id").agg(
        open_cents=unpaid.left_cents.sum(),
        past_due_cents=unpaid.left_cents.sum(where=unpaid.is_due),
        n_unpaid_minimums=unpaid.count(where=(unpaid.left_cents > 0) & unpaid.is_due),
        oldest_overdue_on=unpaid.due_on.min(where=(unpaid.left_cents > 0) & unpaid.is_due),
    )
    latest = billed.filter(billed.cycle_no == 1)
    here = latest.join(owed, "account_id").join(known["accounts"], "account_id")
    reported = here.minimum_due_cents.isnull()
    reported_dpd = (here.reported_dpd > 0).ifelse(here.reported_dpd + here.age_days, here.reported_dpd).coalesce(0)
    dpd = reported.ifelse(reported_dpd, as_of.delta(here.oldest_overdue_on, unit="day").coalesce(0)).cast("int64")
    stake = ibis.greatest(here.balance_cents, 0)
    placed = here.select(
        account_id=here.account_id,
        customer_id=here.customer_id,
        opened_on=here.opened_on,
        credit_limit_cents=here.credit_limit_cents,
        dpd=dpd,
        past_due_cents=reported.ifelse((reported_dpd > 0).ifelse(stake, 0), here.past_due_cents.coalesce(0)).cast("int64"),
        cure_amount_cents=reported.ifelse(stake, here.open_cents.coalesce(0)).cast("int64"),
        n_unpaid_minimums=reported.ifelse(ibis.null("int64"), here.n_unpaid_minimums),
        last_minimum_due_cents=here.minimum_due_cents,
        balance_cents=here.balance_cents,
        statement_on=here.statement_on,
        due_on=here.due_on,
    )
    return _with_holds(placed, known["standings"])


def _with_holds(placed: Any, standings: Any) -> Any:
    """Add the standings that take an account out of scoring: charged off, deceased, disputed, on a kept plan."""
    open_now = standings.filter(standings.until_at.isnull())

    def has(*kinds: str) -> Any:
        return open_now.kind.isin(kinds).any()

    flags = open_now.group_by("account_id").agg(
        is_charged_off=has("charged_off", "sold"),
        is_deceased=has("deceased"),
        is_disputed=has("dispute_open", "fraud_suspected"),
        plan_signed=has("plan_signed"),
        plan_breached=has("plan_breached"),
    )
    held = without(placed.left_join(flags, "account_id"), "account_id_right")
    marked = held.mutate(
        is_charged_off=held.is_charged_off.coalesce(False),
        is_deceased=held.is_deceased.coalesce(False),
        is_disputed=held.is_disputed.coalesce(False),
        is_on_kept_plan=held.plan_signed.coalesce(False) & ~held.plan_breached.coalesce(False),
    )
    return without(marked, "plan_signed", "plan_breached")


def without(table: Any, *names: str) -> Any:
    """A table less some columns, by naming those that stay: the SQL text, whose hash is kept, must not depend on set order."""
    return table.select(*(name for name in table.columns if name not in names))
