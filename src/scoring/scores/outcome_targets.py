"""What else is predicted, defined to the day: roll, cure, self-cure, promise kept, contact made, three months late within ninety days.

As with the targets of the two scores: row = account on an as-of day t, only what lies in (t, t + H] counts, a row is used when its
window and the posting lag L lie before the extract day, and what is not known is missing, never 0. Each target is one query.

Where an account stands at the end of a later day is computed by the same walk of minimums and payments as its days past due today
(`scoring.features.history`), from payments dated by then and known within the posting lag.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import WindowStillOpenError
from scoring.features import history
from scoring.features.builder import FeatureFrame
from scoring.features.promises import GRACE_DAYS, KEPT_SHARE_PERCENT
from scoring.portfolio.known import known_on, unbound_tables
from scoring.portfolio.reading import Portfolio
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import BUCKET_FIRST_DPD, Bucket, Channel, ContactOutcome

EARLY_WARNING_DAYS: Final = 90
EARLY_WARNING_MARKS: Final = (30, 60, 90)
"""Days after the as-of day on which an account is looked at: three months late on any of them counts."""
LARGEST_WEIGHT: Final = 10.0
"""Of a row that stands for the ones that were contacted before they could cure by themselves."""

REACHED: Final[Mapping[Channel, tuple[ContactOutcome, ...]]] = MappingProxyType(
    {
        Channel.SMS: (ContactOutcome.READ, ContactOutcome.CONVERSATION),
        Channel.APP_PUSH: (ContactOutcome.READ, ContactOutcome.CONVERSATION),
        Channel.EMAIL: (ContactOutcome.READ, ContactOutcome.CONVERSATION),
        Channel.ONLINE_CS: (ContactOutcome.CONVERSATION,),
        Channel.AI_VOICE: (ContactOutcome.CONVERSATION,),
        Channel.AGENT_CALL: (ContactOutcome.CONVERSATION,),
        Channel.LETTER: (ContactOutcome.READ, ContactOutcome.DELIVERED),
        Channel.FIELD_VISIT: (ContactOutcome.MET, ContactOutcome.CONVERSATION),
    }
)
"""What counts as having reached the customer: a conversation where people speak, a message seen as read, a letter delivered. A legal
referral reaches a court, not the customer. Rows that name another recipient than the customer never count."""

Floats = npt.NDArray[np.float64]
_FIRST_DPD: Final = np.array(list(BUCKET_FIRST_DPD.values()))


def refuse_open_window(portfolio: Portfolio, as_of: date, days: int, definition: TargetDefinition) -> date:
    """The day from which a window of ``days`` after ``as_of`` is complete.

    Raises
    ------
    WindowStillOpenError
        ``window_still_open``: it does not lie before the extract day.
    """
    matures_on = as_of + timedelta(days=days + definition.posting_lag_days)
    if matures_on >= portfolio.extract_on:
        raise WindowStillOpenError(
            f"What happened in the {days} days after {as_of} is known only after {matures_on}, and the extract is of "
            f"{portfolio.extract_on}. Choose an earlier as_of or load a newer extract.",
            field="as_of",
            got=as_of.isoformat(),
            expected=f"< {portfolio.extract_on - (matures_on - as_of)}",
        )
    return matures_on


def standing_after(portfolio: Portfolio, frame: FeatureFrame, days: int, definition: TargetDefinition) -> pd.DataFrame:
    """Where the accounts of a frame stand at the end of the day ``days`` after its as-of day.

    Returns
    -------
    DataFrame, one row per account of the frame, in its order
        ``dpd`` (float, NaN where the account is not there any more), ``is_charged_off`` (bool, sold included).

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> standing_after(small, frame, 5, soon).to_dict("records")
    [{'dpd': 0.0, 'is_charged_off': False}]
    """
    seen_on = refuse_open_window(portfolio, frame.as_of, days, definition)
    connection = portfolio.connection
    connection.register("asked", frame.positions[["account_id"]])
    connection.execute("SET disabled_optimizers = 'join_order'")
    try:
        later = connection.execute(_standing_sql(frame.as_of + timedelta(days=days), seen_on)).df()
    finally:
        connection.execute("RESET disabled_optimizers")
        connection.unregister("asked")
    placed = later.set_index("account_id").reindex(frame.positions["account_id"])
    return pd.DataFrame(
        {
            "dpd": placed["dpd"].to_numpy(dtype=np.float64, na_value=np.nan),
            "is_charged_off": placed["is_charged_off"].fillna(False).to_numpy(dtype=bool),
        }
    )


def roll_and_cure(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    """Whether each account stands in a worse bucket at the end of the horizon, and whether it is current by payment.

    A charge-off is a worse bucket and never a cure. Days past due come down by payments of the customer alone, so current
    means paid.

    Returns
    -------
    DataFrame, one row per account
        ``roll`` and ``cure``, 0.0 or 1.0; NaN where the account is not there any more.

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> roll_and_cure(small, frame, soon).to_dict("records")
    [{'roll': 0.0, 'cure': 1.0}]
    """
    later = standing_after(portfolio, frame, definition.horizon_days, definition)
    dpd, gone = later["dpd"].to_numpy(), later["is_charged_off"].to_numpy()
    now = bucket_rank(frame.positions["dpd"].to_numpy(dtype=np.float64))
    known = ~np.isnan(dpd)
    roll = gone | (bucket_rank(np.where(known, dpd, 0.0)) > now)
    cure = ~gone & (dpd == 0)
    return pd.DataFrame({"roll": np.where(known, roll, np.nan), "cure": np.where(known, cure, np.nan)})


def three_months_late(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> Floats:
    """Whether each account is in M3 or worse 30, 60 or 90 days later, or charged off by then.

    Returns
    -------
    array (n_accounts,)
        0.0 or 1.0; NaN where the account is not there any more on the last mark.

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> three_months_late(small, frame, soon)
    Traceback (most recent call last):
    ...
    scoring.errors.WindowStillOpenError: What happened in the 90 days after 2025-03-20 is known only after 2025-06-20, and the extract is of 2025-04-01. Choose an earlier as_of or load a newer extract.
    """
    refuse_open_window(portfolio, frame.as_of, EARLY_WARNING_DAYS, definition)
    reached = np.zeros(len(frame), dtype=bool)
    for days in EARLY_WARNING_MARKS:
        later = standing_after(portfolio, frame, days, definition)
        dpd = later["dpd"].to_numpy()
        reached |= later["is_charged_off"].to_numpy() | (dpd >= BUCKET_FIRST_DPD[Bucket.M3])
    return np.where(np.isnan(dpd) & ~reached, np.nan, reached.astype(np.float64))


def self_cure(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    """Whether each account paid what was past due within the horizon before anybody contacted it.

    An account that was contacted first says nothing about what it would have done: it is missing, and the rows that stayed
    uncontacted long enough stand for it, weighted by one over the chance, in their bucket, of not having been contacted until then.
    Within a bucket contacts are taken as independent of the cure, given the features: not proven, so the figure is a forecast
    under few contacts, not the effect of leaving people alone.

    Returns
    -------
    DataFrame, one row per account
        ``self_cure`` (0.0 or 1.0, NaN where contacted first), ``weight`` (1 to 10).

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> self_cure(small, frame, soon).to_dict("records")
    [{'self_cure': 0.0, 'weight': 1.0}]
    """
    seen_on = refuse_open_window(portfolio, frame.as_of, definition.horizon_days, definition)
    when = _windowed(portfolio, frame, _SELF_CURE, definition.horizon_days, seen_on)
    cured, contacted = (when[name].to_numpy(dtype=np.float64) for name in ("cured_day", "contacted_day"))
    first = np.isnan(contacted) | (cured < contacted)
    seen = np.where(~np.isnan(cured) & first, 1.0, np.where(np.isnan(contacted), 0.0, np.nan))
    until = np.where(seen == 1.0, cured, definition.horizon_days + 1.0)
    rank = bucket_rank(frame.positions["dpd"].to_numpy(dtype=np.float64))
    weight = np.ones(len(frame))
    for one in np.unique(rank):
        rows = rank == one
        free = uncontacted_share(cured[rows], contacted[rows], definition.horizon_days)
        weight[rows] = 1.0 / free[until[rows].astype(np.int64)]
    return pd.DataFrame({"self_cure": seen, "weight": np.minimum(weight, LARGEST_WEIGHT)})


def uncontacted_share(cured_day: Floats, contacted_day: Floats, horizon: int) -> Floats:
    """Chance of not having been contacted before each day, cures taken as leaving (Kaplan and Meier, 1958).

    Returns
    -------
    array (horizon + 2,)
        Entry d: before day d. Never 0: a day on which everybody left was contacted keeps the chance of the day before.

    Examples
    --------
    Of four accounts one is contacted on day 1; of the three left one cures on day 1 and one is contacted on day 2:

    >>> nan = float("nan")
    >>> uncontacted_share(np.array([nan, 1.0, nan, nan]), np.array([1.0, nan, 2.0, nan]), 2).tolist()
    [1.0, 1.0, 0.75, 0.375]
    """
    left = np.fmin(
        np.where(np.isnan(cured_day), horizon + 1.0, cured_day),
        np.where(np.isnan(contacted_day), horizon + 1.0, contacted_day),
    )
    was_contacted = ~np.isnan(contacted_day) & (contacted_day <= left) & ~(cured_day < contacted_day)
    share = np.ones(horizon + 2)
    for day in range(1, horizon + 1):
        at_risk = (left >= day).sum()
        stays = 1.0 - (was_contacted & (left == day)).sum() / at_risk if at_risk else 1.0
        share[day + 1] = share[day] * (stays if stays > 0 else 1.0)
    return share


def promise_kept(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> Floats:
    """Whether the first promise that each account makes within the horizon is kept.

    Kept as in the features: 90 % of the promised amount paid between the making and the due day plus three days of grace. A
    promise whose due day, grace and posting lag do not lie before the extract day is open, hence missing.

    Returns
    -------
    array (n_accounts,)
        0.0 or 1.0; NaN where no promise was made or the promise is still open.

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> promise_kept(small, frame, soon)
    array([nan])
    """
    refuse_open_window(portfolio, frame.as_of, definition.horizon_days, definition)
    numbers = {
        "grace": GRACE_DAYS,
        "share": KEPT_SHARE_PERCENT,
        "lag": definition.posting_lag_days,
        "extract": portfolio.extract_on,
    }
    found = _windowed(portfolio, frame, _PROMISE_KEPT, definition.horizon_days, None, **numbers)
    return found["is_kept"].to_numpy(dtype=np.float64)


def reached(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition, channel: Channel) -> Floats:
    """Whether the customer of each account was reached through a channel within the horizon, given that it was tried.

    Tried: the bank's own attempts; for the online service the chats that the customer opened. See `REACHED`.

    Returns
    -------
    array (n_accounts,)
        0.0 or 1.0; NaN where the channel was not tried.

    Examples
    --------
    >>> from scoring.features.builder import build
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> small, soon = portfolio_from_tables(SMALLEST), TargetDefinition(horizon_days=5, posting_lag_days=2)
    >>> frame = build(small, date(2025, 3, 20), min_dpd=0)
    >>> reached(small, frame, soon, Channel.SMS)
    array([nan])
    """
    seen_on = refuse_open_window(portfolio, frame.as_of, definition.horizon_days, definition)
    direction = "inbound" if channel is Channel.ONLINE_CS else "outbound"
    names = {"channel": str(channel), "direction": direction, "reached": [str(one) for one in REACHED[channel]]}
    found = _windowed(portfolio, frame, _REACHED, definition.horizon_days, seen_on, **names)
    return found["was_reached"].to_numpy(dtype=np.float64)


def bucket_rank(dpd: Floats) -> npt.NDArray[np.int64]:
    """Place of each bucket in trade order: 0 current, 1 M1, ... 7 charge-off due.

    >>> bucket_rank(np.array([0.0, 29.0, 30.0, 500.0])).tolist()
    [0, 1, 2, 7]
    """
    return np.searchsorted(_FIRST_DPD, dpd, side="right").astype(np.int64) - 1


def _windowed(
    portfolio: Portfolio, frame: FeatureFrame, sql: str, horizon: int, seen_on: date | None, **more: Any
) -> pd.DataFrame:
    """Run a query over the accounts of a frame (table ``asked``) and the days (t, t + H]; rows come back in the frame's order."""
    asked = frame.positions[["account_id", "past_due_cents"]]
    portfolio.connection.register("asked", asked.assign(place=np.arange(len(asked))))
    days: dict[str, Any] = {
        "opens": frame.as_of + timedelta(days=1),
        "closes": frame.as_of + timedelta(days=horizon + 1),
    }
    if seen_on is not None:
        days["seen"] = seen_on + timedelta(days=1)
    try:
        return portfolio.connection.execute(sql, days | more).df()
    finally:
        portfolio.connection.unregister("asked")


_SELF_CURE: Final = """
    WITH paid AS (
        SELECT p.account_id, p.paid_at, a.past_due_cents,
               sum(p.amount_cents) OVER (PARTITION BY p.account_id ORDER BY p.paid_at, p.payment_id) AS so_far
        FROM payments p JOIN asked a USING (account_id)
        WHERE p.kind IN ('voluntary', 'autopay')
          AND p.paid_at >= CAST($opens AS DATE) AND p.paid_at < CAST($closes AS DATE)
          AND coalesce(p.known_at, p.paid_at) < CAST($seen AS DATE)
          AND (p.reversed_at IS NULL OR coalesce(p.reversal_known_at, p.reversed_at) >= CAST($seen AS DATE))
    ),
    cured AS (SELECT account_id, min(paid_at) AS cured_at FROM paid WHERE so_far >= past_due_cents GROUP BY account_id),
    contacted AS (
        SELECT account_id, min(contacted_at) AS contacted_at
        FROM contacts
        WHERE direction = 'outbound' AND contacted_at >= CAST($opens AS DATE) AND contacted_at < CAST($closes AS DATE)
          AND coalesce(known_at, contacted_at) < CAST($seen AS DATE)
        GROUP BY account_id
    )
    SELECT date_diff('day', CAST($opens AS DATE), CAST(cured_at AS DATE)) + 1 AS cured_day,
           date_diff('day', CAST($opens AS DATE), CAST(contacted_at AS DATE)) + 1 AS contacted_day
    FROM asked LEFT JOIN cured USING (account_id) LEFT JOIN contacted USING (account_id)
    ORDER BY place
"""
"""Days are whole: a payment on the day of the first contact came, as far as one can tell, with it."""

_PROMISE_KEPT: Final = """
    WITH first_made AS (
        SELECT account_id, arg_min(promise_id, (made_at, promise_id)) AS promise_id
        FROM promises
        WHERE made_at >= CAST($opens AS DATE) AND made_at < CAST($closes AS DATE)
        GROUP BY account_id
    ),
    made AS (
        SELECT p.*, p.due_on + CAST($grace AS INTEGER) + 1 AS ends_on,
               p.due_on + CAST($grace AS INTEGER) + CAST($lag AS INTEGER) + 1 AS seen_before
        FROM promises p JOIN first_made USING (account_id, promise_id)
    ),
    paid AS (
        SELECT m.account_id, coalesce(sum(y.amount_cents), 0) AS paid_cents
        FROM made m LEFT JOIN payments y
          ON y.account_id = m.account_id AND y.kind IN ('voluntary', 'autopay')
         AND CAST(y.paid_at AS DATE) >= CAST(m.made_at AS DATE) AND y.paid_at < m.ends_on
         AND coalesce(y.known_at, y.paid_at) < m.seen_before
         AND (y.reversed_at IS NULL OR coalesce(y.reversal_known_at, y.reversed_at) >= m.seen_before)
        GROUP BY m.account_id
    )
    SELECT CASE WHEN m.seen_before <= CAST($extract AS DATE)
                THEN CAST(paid_cents * 100 >= m.promised_cents * $share AS DOUBLE) END AS is_kept
    FROM asked a LEFT JOIN made m USING (account_id) LEFT JOIN paid USING (account_id)
    ORDER BY a.place
"""

_REACHED: Final = """
    WITH tried AS (
        SELECT account_id, bool_or(
            list_contains(CAST($reached AS VARCHAR[]), outcome) AND coalesce(recipient, 'debtor') = 'debtor'
        ) AS was_reached
        FROM contacts
        WHERE channel = $channel AND direction = $direction
          AND contacted_at >= CAST($opens AS DATE) AND contacted_at < CAST($closes AS DATE)
          AND coalesce(known_at, contacted_at) < CAST($seen AS DATE)
        GROUP BY account_id
    )
    SELECT CAST(was_reached AS DOUBLE) AS was_reached
    FROM asked LEFT JOIN tried USING (account_id)
    ORDER BY place
"""


@lru_cache(maxsize=32)
def _standing_sql(closes_on: date, seen_on: date) -> str:
    """Days past due at the end of ``closes_on`` from what was known by the end of ``seen_on``: named stages, each computed once."""
    stages: list[tuple[str, Any]] = []

    def stage(name: str, table: Any) -> Any:
        stages.append((name, table))
        return ibis.table(table.schema(), name=name)

    day = ibis.literal(closes_on)
    tables = unbound_tables()
    known = known_on(
        ibis.literal(seen_on), {name: tables[name] for name in ("accounts", "statements", "payments", "standings")}
    )
    asked = known["accounts"].semi_join(ibis.table({"account_id": "string"}, name="asked"), "account_id")
    accounts = stage("known_accounts", asked.mutate(account_no=ibis.row_number()))
    dated = {
        "statements": known["statements"].filter(known["statements"].statement_on <= day),
        "payments": known["payments"].filter(known["payments"].paid_at.date() <= day),
    }
    events = history.numbered(dated, accounts)
    statements, paid = (stage(f"known_{name}", table) for name, table in events.items())
    billed = stage("billed", history.billed_cycles(statements, paid))
    walked = stage("walked", history.walk(billed))
    placed = stage("placed", history.positions(accounts, billed, walked, day, ibis.literal(0)))
    flags = known["standings"]
    ended = (
        flags.filter(flags.kind.isin(["charged_off", "sold"]), flags.from_at.date() <= day)
        .select("account_id")
        .distinct()
    )
    ended = stage("ended", ended.mutate(is_charged_off=True))
    joined = placed.left_join(ended, "account_id")
    stages.append(
        ("standing", joined.select("account_id", "dpd", is_charged_off=joined.is_charged_off.coalesce(False)))
    )
    texts = [(name, str(ibis.to_sql(table, dialect="duckdb"))) for name, table in stages]
    named = ",\n".join(f'"{name}" AS MATERIALIZED (\n{text}\n)' for name, text in texts[:-1])
    return f"WITH {named}\n{texts[-1][1]}"
