"""How good the plan gets with the log: gap closed over the number of logged decisions, world by world.

``python -m training.studies.policy_curve``. For each world one portfolio is trained on and another, of other people, is judged by its
truth. Scores come from the training portfolio's payment history, effects from so many of its logged decisions, drawn as whole
customers; the plan is solved under the same capacities for every rule. Exit code 1 when an aim is missed;
``training/studies/policy_curve.md`` holds the last figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.portfolio.reading import read_portfolio
from scoring.scores.effects import LearnedEffects, prior_effects
from scoring.scores.targets import TargetDefinition
from training.effects import fit_effects
from training.effects_data import ACTIONS, LoggedDecisions, logged_decisions
from training.effects_learning import crossed_margins, prior_shifts
from training.fitting import fit_scores
from training.recipe import read_recipe
from training.simulator.simulate import simulate
from training.snapshots import default_days, snapshot
from training.studies.policy_curve_figures import Row, report
from training.studies.policy_curve_judging import HARSH, Judged, judge, test_days

WORLDS: Final = ("base", "nonlogit", "unlogged", "hostile", "null_effect")
SIZES: Final = (0, 5_000, 20_000, 80_000)
TRAINING_DAYS: Final = 13


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; 0 when every aim is met."""
    asked = _parser().parse_args(arguments)
    rows: list[Row] = []
    for world in asked.worlds:
        found = world_rows(asked, world)
        rows += found
        print(report(found), flush=True)
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        pd.DataFrame([row.as_dict() for row in rows]).to_csv(asked.out / "policy_curve.csv", index=False)
        (asked.out / "policy_curve.md").write_text(report(rows), encoding="utf-8")
    missed = [f"{row.world}, {row.size:,} decisions: {aim}" for row in rows for aim in row.missed()]
    print(f"{len(missed)} aims missed.", *missed, sep="\n", file=sys.stderr)
    return int(bool(missed))


def world_rows(asked: argparse.Namespace, world: str) -> list[Row]:
    """One row a size of the log."""
    trained = _simulated(asked.data, world, asked.training_accounts, asked.seed, with_truth=False)
    tested = _simulated(asked.data, world, asked.accounts, asked.test_seed, with_truth=True)
    portfolio, recipe = read_portfolio(trained, threads=1), read_recipe(None)
    definition: TargetDefinition = recipe.definition(portfolio.currency)
    days, last = default_days(portfolio, definition, TRAINING_DAYS - 1)
    seen = [snapshot(portfolio, day, definition) for day in [*days, last]]
    decisions = logged_decisions(portfolio, definition, progress=_say)
    assert decisions is not None
    margins = crossed_margins(seen, decisions, recipe)[0]
    tests = test_days(tested, fit_scores(seen, recipe))
    harsh = float(decisions.rows["action"].isin([ACTIONS.index(channel) for channel in HARSH]).mean())
    rows = []
    for size in asked.sizes:
        drawn = [_learned(decisions, margins, size, draw) for draw in range(_draws(asked.draws, size, len(decisions)))]
        judged: list[Judged] = [judge(effects, tests) for effects in drawn]
        rows.append(Row.of(world, size, judged, drawn, tests, harsh))
        _say(f"{world}, {size:,} decisions: {len(drawn)} draws, gap closed {rows[-1].gap:.3f}")
    return rows


def _learned(decisions: LoggedDecisions, margins: npt.NDArray[np.float64], size: int, draw: int) -> LearnedEffects:
    """Effects from the draw's decisions: whole customers in the order of a stable hash, no customer in two draws."""
    if not size:
        return prior_effects(prior_shifts())
    owner = ("draw:" + decisions.rows["customer_id"].astype(str)).to_numpy(dtype=object)
    order = np.argsort(pd.util.hash_array(owner, categorize=False), kind="stable")
    chosen = np.sort(order[draw * size : (draw + 1) * size])
    return fit_effects(decisions.take(chosen), margins[chosen], prior_shifts())


def _draws(most: int, size: int, rows: int) -> int:
    return 1 if not size else max(1, min(most, rows // size))


def _simulated(data: Path, world: str, accounts: int, seed: int, *, with_truth: bool) -> Path:
    folder = data / f"{world}-{accounts}-{seed}"
    if not (folder / "portfolio.toml").is_file():
        _say(f"simulating {accounts:,} accounts of {world}")
        simulate(folder, accounts, seed, world, truth_on=None if with_truth else [])
    return folder


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.studies.policy_curve", description=__doc__)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="logged decisions")
    parser.add_argument("--draws", type=int, default=8, help="at most so many disjoint draws of a size")
    parser.add_argument("--accounts", type=int, default=12_000, help="of the portfolio that is judged")
    parser.add_argument("--training-accounts", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=11, help="of the portfolio that is trained on")
    parser.add_argument("--test-seed", type=int, default=1_011, help="of the portfolio that is judged: other people")
    parser.add_argument("--data", type=Path, default=Path("data/local/policy_curve"), help="simulated folders, kept")
    parser.add_argument("--out", type=Path, default=None, help="folder for the table as Markdown and CSV")
    return parser


if __name__ == "__main__":
    sys.exit(main())
