"""An invented portfolio for speed measurements: valid events drawn at random, every account past due. No meaning intended.

The shape is that of the project's speed figures: 24 statements, 16 payments and 8 contacts an account.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

AS_OF = "2024-12-20"
_TABLES = {
    "accounts": """
        SELECT format('A{:07d}', i) AS account_id, format('C{:07d}', i) AS customer_id, 'card' AS product, DATE '2020-01-01' AS opened_on,
               1000000 + CAST(hash(i) % 5000000 AS BIGINT) AS credit_limit_cents, 'CNY' AS currency
        FROM range({n}) t(i) ORDER BY account_id""",
    "statements": """
        SELECT format('A{:07d}', i) AS account_id, CAST(DATE '2023-01-05' + to_months(CAST(j AS INT)) AS DATE) AS statement_on,
               CAST(DATE '2023-01-25' + to_months(CAST(j AS INT)) AS DATE) AS due_on, CAST(100000 + hash(i * 31 + j) % 900000 AS BIGINT) AS balance_cents,
               CAST(20000 + hash(i * 7 + j) % 20000 AS BIGINT) AS minimum_due_cents, CAST(hash(i * 3 + j) % 100000 AS BIGINT) AS purchases_cents,
               CAST(hash(i * 5 + j) % 1000 AS BIGINT) AS cash_advances_cents, CAST(hash(i * 11 + j) % 3000 AS BIGINT) AS interest_and_fees_cents,
               CAST(DATE '2023-01-05' + to_months(CAST(j AS INT)) AS TIMESTAMP) AS known_at
        FROM range({n}) t(i), range(24) s(j) ORDER BY account_id, statement_on""",
    "payments": """
        SELECT format('P{:07d}-{:02d}', i, j) AS payment_id, format('A{:07d}', i) AS account_id,
               TIMESTAMP '2023-01-10 10:00:00' + to_days(CAST(hash(i * 13 + j) % 700 AS INT)) AS paid_at, CAST(5000 + hash(i * 17 + j) % 20000 AS BIGINT) AS amount_cents,
               'voluntary' AS kind, TIMESTAMP '2023-01-10 10:00:00' + to_days(CAST(hash(i * 13 + j) % 700 AS INT)) AS known_at
        FROM range({n}) t(i), range(16) s(j) ORDER BY account_id, payment_id""",
    "contacts": """
        SELECT format('K{:07d}-{:02d}', i, j) AS contact_id, format('A{:07d}', i) AS account_id,
               TIMESTAMP '2024-06-01 10:00:00' + to_days(CAST(hash(i * 19 + j) % 190 AS INT)) AS contacted_at,
               CASE WHEN hash(i + j) % 3 = 0 THEN 'agent_call' ELSE 'sms' END AS channel, 'outbound' AS direction,
               CASE WHEN hash(i + j) % 3 = 0 THEN 'no_answer' ELSE 'delivered' END AS outcome,
               TIMESTAMP '2024-06-01 10:00:00' + to_days(CAST(hash(i * 19 + j) % 190 AS INT)) AS known_at
        FROM range({n}) t(i), range(8) s(j) ORDER BY account_id, contact_id""",
}


def write_invented_portfolio(out: Path, accounts: int) -> None:
    """Write the tables as Parquet, sorted by account.

    Parameters
    ----------
    out : Path
        Folder; made when missing.
    accounts : int
        How many; 24 statements, 16 payments and 8 contacts each.
    """
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        for name, query in _TABLES.items():
            text = query.replace("{n}", str(int(accounts)))
            connection.execute(f"COPY ({text}) TO '{(out / name).as_posix()}.parquet' (FORMAT parquet)")
    (out / "portfolio.toml").write_text(
        'extract_on = 2024-12-20\ncurrency = "CNY"\nsource = "invented for speed measurements"\n', encoding="utf-8"
    )
