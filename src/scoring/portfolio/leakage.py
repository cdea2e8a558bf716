"""A canary for statuses that know the future.

Where a source has no minimum due, ``reported_dpd`` stands in for the days past due, and everything depends on when that
status was really known. In honest data arrears begin with a window in which nothing was paid although the status was
still 0: that is how an account becomes overdue. If the status was attached one cycle early, the missed payment has
already turned it, and windows without a payment hardly ever begin at 0.

Statistic, per statement day: (share at status 0 among windows without a payment) / (share at status 0 among all
windows), over windows that begin when a statement with a positive balance and a reported status became known, and end
at the account's next statement. On the UCI file it is 0.61 to 0.75 in the four safe months, and 0.01 in the worst two
months of the layout that leaks (0.27 to 0.42 in the other three: the bank's status rules changed in between, hence the
worst month decides). Below 0.1 is a finding; a month counts when at least 50 windows without a payment should begin at
0, so that chance cannot do it.
"""

# ruff: noqa: S608  the SQL is made of constants.
from __future__ import annotations

from typing import Final

import duckdb

from scoring.portfolio.findings import MAX_EXAMPLES, Finding
from scoring.vocabulary import QUALIFYING_KINDS

WORST_RATIO: Final = 0.1
EXPECTED_WINDOWS: Final = 50

_QUALIFYING: Final = ", ".join(f"'{kind}'" for kind in QUALIFYING_KINDS)
_WINDOWS: Final = f"""
WITH stated AS (
  SELECT account_id, statement_on, balance_cents, minimum_due_cents, reported_dpd,
         greatest(coalesce(known_at, statement_on), statement_on) AS opens_at,
         lead(statement_on) OVER (PARTITION BY account_id ORDER BY statement_on) AS closes_on
  FROM statements
), paid AS (
  SELECT DISTINCT s.account_id, s.statement_on
  FROM payments AS p ASOF JOIN stated AS s ON p.account_id = s.account_id AND p.paid_at > s.opens_at
  WHERE p.kind IN ({_QUALIFYING}) AND p.amount_cents > 0 AND p.paid_at <= s.closes_on
)
SELECT stated.statement_on, stated.account_id, reported_dpd = 0 AS is_at_zero, paid.account_id IS NULL AS is_unpaid
FROM stated LEFT JOIN paid USING (account_id, statement_on)
WHERE minimum_due_cents IS NULL AND reported_dpd IS NOT NULL AND balance_cents > 0 AND closes_on IS NOT NULL
"""


def status_findings(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """``status_knows_the_future`` for the worst statement day, or nothing where statuses behave or are not used.

    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> status_findings(portfolio_from_tables(SMALLEST).connection)
    []
    """
    worst = connection.execute(
        f"""
        SELECT statement_on, count(*) FILTER (WHERE is_unpaid) AS unpaid,
               avg(is_at_zero::INT) FILTER (WHERE is_unpaid) AS share_unpaid, avg(is_at_zero::INT) AS share,
               min(account_id, {MAX_EXAMPLES}) FILTER (WHERE is_unpaid AND NOT is_at_zero)
        FROM ({_WINDOWS}) GROUP BY statement_on
        HAVING unpaid * share >= {EXPECTED_WINDOWS} AND share_unpaid / share < {WORST_RATIO}
        ORDER BY share_unpaid / share, statement_on LIMIT 1
        """
    ).fetchall()
    return [
        Finding(
            "status_knows_the_future",
            "error",
            "statements",
            unpaid,
            tuple(examples or ()),
            f"Of {unpaid:,} accounts that paid nothing after the statement of {day}, only {share_unpaid:.1%} had a "
            f"reported_dpd of 0 by then, against {share:.1%} of all: the status already holds what happened after its "
            f"known_at, and every score would be too good. Attach each status to the first statement cut after it was "
            f"decided.",
        )
        for day, unpaid, share_unpaid, share, examples in worst
    ]
