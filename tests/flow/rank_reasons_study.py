"""How long the exact reasons of a rank take: a command.

``python -m tests.flow.rank_reasons_study --home HOME --portfolio DIR --as-of DAY`` explains every overdue account with the champion of a
state folder, in one thread, and prints milliseconds an account and the largest completeness error.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path

import numpy as np

from scoring.features.builder import build
from scoring.portfolio.reading import read_portfolio
from scoring.scores.pins import load_champion
from scoring.scores.rank_reasons import rank_explainer


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--portfolio", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    asked = parser.parse_args()
    explainer = rank_explainer(load_champion(asked.home)[1])
    assert explainer is not None, "the champion's models cannot be taken apart"
    rows = build(read_portfolio(asked.portfolio, threads=1), asked.as_of).values
    explainer.explain(rows[:8])  # compiled before the clock starts
    wall, used = time.perf_counter(), time.process_time()
    found = explainer.explain(rows)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    error = float(np.abs(found.reference + found.values.sum(axis=1) - found.product).max())
    print(
        f"{len(rows):,} accounts, {len(explainer.groups)} groups, {len(explainer.references)} references: "
        f"{1e3 * used / len(rows):.2f} ms an account of processor time, {1e3 * wall / len(rows):.2f} ms by the clock; "
        f"largest completeness error {error:.1e}"
    )


if __name__ == "__main__":
    main()
