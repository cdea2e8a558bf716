"""`python -m serving.inline_bench`: what histories in a request cost, stage by stage, in plain Python and in SQL, in one run.

Accounts of the current plan are sent as a caller would send them. Both ways must give the same bits, or the command fails. Times are of the
processor, the best of several turns, because neighbours on the machine only ever add.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from scoring.features.builder import FeatureFrame, build
from scoring.features.one_account.builder import account_columns
from scoring.portfolio.checking import check
from scoring.portfolio.clean_rows import are_clean_together, clean_history
from scoring.portfolio.reading import portfolio_from_tables
from serving.load import histories, plan_asked_about
from serving.settings import read_settings
from serving.wire import AccountHistory, AccountsRequest, parse_accounts

Timed = dict[str, float]


def in_plain_python(asked: AccountsRequest, as_of: date) -> tuple[Timed, Any]:
    """Milliseconds by stage, and the features."""
    took: Timed = {}
    sent = [history.tables() for history in asked.accounts or ()]
    clean = _timed(took, "types and data check", lambda: [tables for one in sent if (tables := clean_history(one))])
    assert len(clean) == len(sent) and are_clean_together(clean)
    values, _ = _timed(took, "features", lambda: account_columns(clean, as_of)) or (None, None)
    return took, values


def in_sql(asked: AccountsRequest, as_of: date) -> tuple[Timed, Any]:
    """The same over a small portfolio in DuckDB, as bulk."""
    took: Timed = {}
    small = _timed(took, "types", lambda: portfolio_from_tables(_merged(asked.accounts or ())))
    try:
        _timed(took, "data check", lambda: check(small))
        frame: FeatureFrame = _timed(took, "features", lambda: build(small, as_of, min_dpd=0))
        place = {name: row for row, name in enumerate(frame.positions["account_id"])}
        return took, frame.values[[place[name] for name in asked.named()]]
    finally:
        small.connection.close()


def _merged(asked: Sequence[AccountHistory]) -> dict[str, list[dict[str, Any]]]:
    """One table per name; a customer's inflows once."""
    merged: dict[str, list[dict[str, Any]]] = {name: [] for name in asked[0].tables()}
    customers = set()
    for history in asked:
        customer = history.accounts[0]["customer_id"]
        for name, rows in history.tables().items():
            if name != "inflows" or customer not in customers:
                merged[name] += rows
        customers.add(customer)
    return merged


def _timed(took: Timed, name: str, work: Callable[[], Any]) -> Any:
    began = time.process_time()
    found = work()
    took[name] = (time.process_time() - began) * 1e3
    return found


def best(way: Callable[..., tuple[Timed, Any]], bodies: list[bytes], as_of: date, turns: int) -> tuple[Timed, Any]:
    """Milliseconds a request by stage: the best turn of each request, averaged; and the features of all."""
    stages: list[Timed] = []
    values = []
    for body in bodies:
        asked = parse_accounts(body)
        found = [way(asked, as_of) for _ in range(turns)]
        stages.append({name: min(took[name] for took, _ in found) for name in found[0][0]})
        values.append(found[0][1])
    return {name: statistics.mean(took[name] for took in stages) for name in stages[0]}, np.concatenate(values)


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1, 10, 100, 500], help="accounts a request")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    plan = plan_asked_about(read_settings())
    own = histories(read_settings(), plan.decisions["account_id"].tolist()[: max(*given.accounts, 20)])
    rows = statistics.mean(sum(map(len, tables.values())) for tables in own)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"load {os.getloadavg()[0]:.1f}; {rows:.0f} rows an account; milliseconds of CPU a request\n")
    print(
        "| accounts | body KiB | parse | plain: check | features | both | SQL: types | check | features | all | ratio |"
    )
    print("| --- " * 11 + "|")
    for n in given.accounts:
        sent = [own[k : k + n] for k in range(0, len(own) - n + 1, n)][: max(1, 20 // n)]
        bodies = [json.dumps({"accounts": one, "as_of": plan.as_of.isoformat()}).encode() for one in sent]
        parsed: Timed = {}
        for _ in range(given.turns):
            again: Timed = {}
            _timed(again, "parse", lambda: [parse_accounts(body) for body in bodies])  # noqa: B023 - called at once
            parsed["parse"] = min(parsed.get("parse", np.inf), again["parse"] / len(bodies))
        plain, features = best(in_plain_python, bodies, plan.as_of, given.turns)
        sql, same = best(in_sql, bodies, plan.as_of, 2)
        if features.tobytes() != same.tobytes():
            raise SystemExit("The two ways differ.")
        size = statistics.mean(map(len, bodies)) / 1024
        both, whole = sum(plain.values()), sum(sql.values())
        told = [parsed["parse"], *plain.values(), both, *sql.values(), whole]
        print(f"| {n} | {size:,.0f} | " + " | ".join(f"{ms:,.2f}" for ms in told) + f" | {whole / both:,.0f} |")


if __name__ == "__main__":
    main()
