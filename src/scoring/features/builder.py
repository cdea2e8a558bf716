"""The builder of features for portfolios: one SQL text, compiled once, for bulk and for stored accounts.

Ibis costs half a second to build and compile, so the text is kept with a marker where the as-of day goes; a request only puts the
day in and runs it. All aggregates are over whole numbers and each ratio is one division at the end, so the same account
gives the same bits whatever else is in the portfolio and however many threads run. A history that comes in a request is
walked in plain Python instead (`scoring.features.one_account`), to the same bits.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

import duckdb
import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import AsOfError, FeatureError, NotEligibleError, UnknownAccountError
from scoring.features import arrears, balances, contacts, history, inflows, payments, promises, spending
from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.portfolio.known import known_on, unbound_tables
from scoring.portfolio.reading import Portfolio
from scoring.resources import query_text

_MARKER: Final = date(1901, 2, 3)
_MIN_DPD_MARKER: Final = 19010203
FAR_BACK: Final = date(1990, 1, 1)
LONG_WINDOW: Final = re.compile(r"_(180|365)d$")
FIRST_STATEMENT_WITHIN_DAYS: Final = 62
"""A first statement this soon after the opening means that none before it is missing."""
DAYS_BEFORE_A_STATEMENT: Final = 31
"""A statement speaks for the month before it."""
MAX_DAYS_AFTER_EXTRACT: Final = 7
"""An extract may be this old on the as-of day before its accounts are called stale (house limit, 2026-11). An inline history is
as fresh as its request, so the limit is not for it."""

POSITION_COLUMNS: Final = (
    "dpd",
    "past_due_cents",
    "cure_amount_cents",
    "last_minimum_due_cents",
    "balance_cents",
    "statement_on",
    "is_charged_off",
    "is_deceased",
    "is_disputed",
    "is_on_kept_plan",
)


@dataclass(frozen=True)
class FeatureFrame:
    """Features and positions of some accounts at one ``as_of``, ordered by account id.

    Attributes
    ----------
    as_of : date
    positions : DataFrame, one row per account
        ``account_id``, ``customer_id``, ``dpd`` (int), ``past_due_cents``, ``cure_amount_cents``, ``balance_cents`` (int),
        ``last_minimum_due_cents`` (float, NaN where the source has no minimum due), ``statement_on``, and the holds.
    values : array (n_accounts, n_features), float32
        In the order of `scoring.features.registry.FEATURE_NAMES`; NaN means not observed.
    """

    as_of: date
    positions: pd.DataFrame
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: npt.NDArray[Any]) -> FeatureFrame:
        """The same frame for some rows (a boolean mask or positions)."""
        return FeatureFrame(self.as_of, self.positions.iloc[rows].reset_index(drop=True), self.values[rows])


def compiled_features() -> str:
    """The stages as one query: each stage is computed once and read by name by the later ones.

    What runs is the text of it that is kept beside the code (`scoring.resources.query_text`): a test holds the two together, and a
    process that serves needs no compiler.

    >>> compiled_features() == query_text("features")
    True
    """
    texts = [
        (name, str(ibis.to_sql(stage, dialect="duckdb")))
        for name, stage in feature_stages(ibis.literal(_MARKER), ibis.literal(_MIN_DPD_MARKER))
    ]
    named = ",\n".join(f'"{name}" AS MATERIALIZED (\n{text}\n)' for name, text in texts[:-1])
    return f"WITH {named}\n{texts[-1][1]}"


@lru_cache(maxsize=1)
def feature_spec_hash() -> str:
    """SHA-256 of the compiled feature SQL and the names: changes when the meaning of any feature changes.

    >>> len(feature_spec_hash())
    64
    """
    text = query_text("features") + "\n" + ",".join(FEATURE_NAMES)
    return hashlib.sha256(text.encode()).hexdigest()


def feature_sql(as_of: date, min_dpd: int = 0) -> str:
    """The feature query for one day and the accounts at least ``min_dpd`` days past due, for the connection of a portfolio.

    >>> feature_sql(date(2025, 5, 1)).count("MAKE_DATE(2025, 5, 1)") > 10
    True
    """
    marker = f"MAKE_DATE({_MARKER.year}, {_MARKER.month}, {_MARKER.day})"
    text = query_text("features").replace(marker, f"MAKE_DATE({as_of.year}, {as_of.month}, {as_of.day})")
    return text.replace(str(_MIN_DPD_MARKER), str(int(min_dpd)))


def feature_stages(as_of: Any, min_dpd: Any) -> list[tuple[str, Any]]:
    """The feature table as Ibis expressions over the unbound event tables, in the order in which they are computed.

    Parameters
    ----------
    as_of : Ibis date scalar
    min_dpd : Ibis integer scalar
        Accounts that are fewer days past due are left out as early as that is known.

    Returns
    -------
    list of (name, table)
        A later stage reads an earlier one by its name. The last has one row per account with a statement known on
        ``as_of``: ``account_id``, ``customer_id``, ``position_*``, and ``feature_*`` as float32.
    """
    stages: list[tuple[str, Any]] = []

    def stage(name: str, table: Any) -> Any:
        stages.append((name, table))
        return ibis.table(table.schema(), name=name)

    tables = unbound_tables()
    read = ("accounts", "statements", "payments", "contacts", "promises", "standings", "inflows")
    known = known_on(as_of, {name: tables[name] for name in read})
    accounts = stage("known_accounts", known["accounts"].mutate(account_no=ibis.row_number()))
    events = history.numbered({name: known[name] for name in ("statements", "payments")}, accounts)
    statements, paid = (stage(f"known_{name}", table) for name, table in events.items())
    billed = stage("billed", history.billed_cycles(statements, paid))
    walked = stage("walked", history.walk(billed))
    placed = stage("placed", history.positions(accounts, billed, walked, as_of, min_dpd))
    # From here on only the accounts in question.
    cycles = stage("cycles", history.cycles(billed, walked, placed, as_of))
    paid = paid.semi_join(placed, "account_no")
    events = history.numbered({name: known[name] for name in ("contacts", "promises", "standings")}, placed)
    of_cycles = cycles.group_by("account_no")
    families = {
        # Three narrow aggregates are faster than one wide one.
        "arrears": of_cycles.agg(**arrears.arrears(cycles), first_statement_on=cycles.statement_on.min()),
        "payment_cycles": of_cycles.agg(**payments.payment_cycles(cycles), **payments.dues(cycles, as_of)),
        "balances": of_cycles.agg(**balances.balances(cycles), **spending.spending(cycles)),
        "payment_amounts": payments.payment_amounts(paid, as_of),
        "other_credits": payments.other_credits(paid, as_of),
        "promise_history": promises.promises(events["promises"], paid, as_of),
        "contact_history": contacts.contacts(events["contacts"], as_of),
        "inflow_history": inflows.inflows(known["inflows"], as_of),
    }
    wide = history.with_holds(placed, events["standings"])
    for name, family in families.items():
        key = family.columns[0]
        wide = history.without(wide.left_join(stage(name, family), key), f"{key}_right")
    observed = ibis.table(dict.fromkeys(sorted(tables), "boolean"), name="observed")
    wide = wide.cross_join(observed.select(observed_promises=observed.promises, observed_contacts=observed.contacts))
    wide = _as_far_as_seen(_with_ratios(_with_counts(stage("wide", wide)), as_of), as_of)
    # DuckDB sums whole numbers as 128 bits; amounts fit 64, and the cast refuses one that does not.
    amounts = {
        name: wide[name].cast("decimal(18, 0)").cast("int64") for name in ("past_due_cents", "cure_amount_cents")
    }
    position = {f"position_{name}": amounts.get(name, wide[name]) for name in POSITION_COLUMNS}
    features = {f"feature_{name}": wide[name].cast("float32") for name in FEATURE_NAMES}
    stages.append(("features", wide.select("account_id", "customer_id", **position, **features)))
    return stages


def _with_counts(wide: Any) -> Any:
    """A count or sum over an observed table is 0 where there are no rows; over a table that is not observed it is absent."""
    zero_over = {"payments": payments.FEATURES, "promises": promises.FEATURES, "contacts": contacts.FEATURES}
    filled = {}
    for table, family in zero_over.items():
        for known in family:
            is_tally = known.unit == "count" or known.name.startswith(("paid_cents_", "other_credits", "open_promised"))
            if is_tally and known.name in wide.columns and not known.name.endswith(("_cycle", "_cycles")):
                column = wide[known.name]
                tally = column.coalesce(0)
                filled[known.name] = tally if table == "payments" else wide[f"observed_{table}"].ifelse(tally, column)
    return wide.mutate(**filled)


def _as_far_as_seen(wide: Any, as_of: Any) -> Any:
    """A window that reaches further back than the history is absent: months nobody delivered are not months without payment.

    An account whose first statement follows its opening has its whole history here, however short. The number of statements
    seen stays: it says how far the history goes.
    """
    is_whole = wide.first_statement_on.delta(wide.opened_on, unit="day") <= FIRST_STATEMENT_WITHIN_DAYS
    seen_days = as_of.delta(wide.first_statement_on, unit="day") + DAYS_BEFORE_A_STATEMENT
    reaching = {
        known.name: int(window.group(1))
        for family in (arrears.FEATURES, payments.FEATURES, balances.FEATURES, spending.FEATURES)
        for known in family
        if (window := LONG_WINDOW.search(known.name)) and known.name != "n_statements_365d"
    }
    return wide.mutate(
        **{name: (is_whole | (seen_days >= days)).ifelse(wide[name], None) for name, days in reaching.items()}
    )


def _with_ratios(wide: Any, as_of: Any) -> Any:
    """What needs an account's standing and its history together."""
    cure = wide.cure_amount_cents.nullif(0)
    return wide.mutate(
        days_since_due=as_of.delta(wide.due_on, unit="day"),
        account_age_days=as_of.delta(wide.opened_on, unit="day"),
        last_payment_to_cure_ratio=wide.last_payment_cents / cure,
        largest_payment_to_cure_ratio_365d=wide.largest_payment_cents_365d / cure,
        paid_to_cure_ratio_90d=wide.paid_cents_90d / cure,
        paid_to_due_ratio_90d=wide.paid_cents_90d / wide.due_cents_90d.nullif(0),
        paid_to_due_ratio_180d=wide.paid_cents_180d / wide.due_cents_180d.nullif(0),
        paid_to_due_ratio_365d=wide.paid_cents_365d / wide.due_cents_365d.nullif(0),
        cure_to_limit_ratio=wide.cure_amount_cents / wide.credit_limit_cents.nullif(0),
        cure_to_balance_ratio=wide.cure_amount_cents / ibis.greatest(wide.balance_cents, 0).nullif(0),
        cure_to_minimum_ratio=wide.cure_amount_cents / wide.last_minimum_due_cents.nullif(0),
        inflow_to_cure_ratio=wide.mean_inflow_cents_90d / cure,
        spare_to_cure_ratio=wide.spare_inflow_cents_90d / cure,
    )


def build(portfolio: Portfolio, as_of: date, *, min_dpd: int = 1) -> FeatureFrame:
    """Features of every account that is at least ``min_dpd`` days past due and can be scored.

    Parameters
    ----------
    portfolio : Portfolio
    as_of : date
        What was known by the end of this day.
    min_dpd : int
        0 includes accounts that are current.

    Returns
    -------
    FeatureFrame
        Ordered by account id. Charged-off, deceased, disputed and kept-plan accounts are included with their hold set; the
        decision, not the feature builder, leaves them out.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: no statement is known by then, or the day lies after the extract.
    """
    refuse_as_of(portfolio, as_of)
    connection = portfolio.connection
    # The joins are written in the order in which they should run; without statistics of the stages a planner only does worse.
    connection.execute("SET disabled_optimizers = 'join_order'")
    try:
        return _frame(connection.execute(_parsed(as_of, min_dpd)).fetchnumpy(), as_of)
    finally:
        connection.execute("RESET disabled_optimizers")


@lru_cache(maxsize=8)
def _parsed(as_of: date, min_dpd: int) -> Any:
    """The query in the order of account ids, parsed once: that is a third of the work for one account."""
    with duckdb.connect(config={"threads": 1}) as parser:
        [statement] = parser.extract_statements(f"{feature_sql(as_of, min_dpd)}\nORDER BY account_id")
    return statement


def build_for(portfolio: Portfolio, as_of: date, account_ids: tuple[str, ...]) -> FeatureFrame:
    """Features of named accounts, in the order asked; refuses the ones that cannot be scored.

    Raises
    ------
    UnknownAccountError
        An id is not in the portfolio.
    NotEligibleError
        An account has no statement known by ``as_of``.
    """
    whole = build(portfolio, as_of, min_dpd=0)
    known = portfolio.connection.execute("SELECT account_id FROM accounts").fetchnumpy()["account_id"]
    return pick(whole, account_ids, frozenset(known))


def pick(frame: FeatureFrame, account_ids: tuple[str, ...], known_ids: frozenset[str]) -> FeatureFrame:
    """The rows of named accounts, in the order asked."""
    row_of = {account_id: row for row, account_id in enumerate(frame.positions["account_id"])}
    rows = []
    for account_id in account_ids:
        if account_id in row_of:
            rows.append(row_of[account_id])
        elif account_id in known_ids:
            raise NotEligibleError(
                f"Account {account_id} has no statement known by {frame.as_of}, so days past due and amounts cannot be computed. "
                "Load a statement or leave the account out.",
                field="account_ids",
                got=account_id,
            )
        else:
            raise UnknownAccountError(
                f"Account {account_id} is not in the portfolio known on {frame.as_of}. Check the id, or send its history inline "
                "under 'accounts'.",
                field="account_ids",
                got=account_id,
            )
    return frame.take(np.asarray(rows, dtype=np.int64))


def refuse_as_of(portfolio: Portfolio, as_of: date) -> None:
    """Refuse a day that the data cannot answer for: before the first statement, or after the extract."""
    first = portfolio.connection.execute("SELECT min(statement_on) FROM statements").fetchall()[0][0]
    if first is None or as_of < max(first, FAR_BACK):
        seen = "there is no statement at all" if first is None else f"the first statement is of {first}"
        raise AsOfError(
            f"as_of {as_of} lies before the data: {seen}. Choose a later day or load earlier statements.",
            field="as_of",
            got=as_of.isoformat(),
            expected=None if first is None else f">= {first}",
        )
    last = portfolio.extract_on + timedelta(days=MAX_DAYS_AFTER_EXTRACT)
    if portfolio.folder is not None and as_of > last:
        raise AsOfError(
            f"as_of {as_of} lies more than {MAX_DAYS_AFTER_EXTRACT} days after the extract of {portfolio.extract_on}: what happened "
            "in between is not in the data, so accounts that have paid would still look past due. Load a newer extract or choose "
            "an earlier day.",
            field="as_of",
            got=as_of.isoformat(),
            expected=f"<= {last}",
        )


def _frame(columns: dict[str, Any], as_of: date) -> FeatureFrame:
    values = np.empty((len(columns["account_id"]), len(FEATURES)), dtype=np.float32)
    for place, name in enumerate(FEATURE_NAMES):
        values[:, place] = np.ma.filled(columns[f"feature_{name}"], np.nan)
    if np.isinf(values).any():
        row, place = np.argwhere(np.isinf(values))[0]
        raise FeatureError(
            f"Account {columns['account_id'][row]}: feature {FEATURE_NAMES[place]} is infinite. This is a defect of the "
            "feature, not of the data; please report it.",
            field=FEATURE_NAMES[place],
        )
    minimum = columns["position_last_minimum_due_cents"].astype(np.float64)
    positions = {
        "account_id": pd.Series(columns["account_id"], dtype="str"),
        "customer_id": pd.Series(columns["customer_id"], dtype="str"),
        **{name: columns[f"position_{name}"] for name in POSITION_COLUMNS},
        "last_minimum_due_cents": np.ma.filled(minimum, np.nan),
        "statement_on": columns["position_statement_on"].astype("datetime64[D]").astype(object),
    }
    return FeatureFrame(as_of, pd.DataFrame(positions), values)
