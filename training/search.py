"""A bounded random search for a recipe: `python -m training.search DIR --trials N --out FILE`.

Every trial is judged on rows that its models never saw: the latest training days, predicted from days at least a horizon earlier and
from other customers (`training.out_of_time`). The test day and the test customers are not touched, so a chosen recipe may still be
judged on them. The recipe one starts from is the first trial; the best by the mean of both log losses is written, with what was tried.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import BadRequestError, ScoringError
from scoring.portfolio.reading import read_portfolio
from training.narrowing import training_snapshots
from training.out_of_time import out_of_time
from training.recipe import Recipe, read_recipe
from training.rotation import without_test_customers
from training.snapshots import Snapshot, default_days, split_days

MOST_TRIALS: Final = 100
SPACE: Final[dict[str, tuple[float, ...]]] = {
    "learning_rate": (0.02, 0.03, 0.05, 0.08),
    "num_leaves": (7, 11, 15, 23, 31),
    "max_depth": (4, 5, 6, 7, 8),
    "min_data_in_leaf": (10, 20, 40, 80, 160),
    "feature_fraction": (0.25, 0.35, 0.5, 0.7),
    "bagging_fraction": (0.6, 0.8, 1.0),
    "lambda_l2": (0.0, 1.0, 5.0, 20.0),
}
"""What is drawn, each evenly; the depth stays within what leaf tables serve. The number of trees stays, the learning rate moves."""


@dataclass(frozen=True)
class Trial:
    """One way of training and how it did.

    Attributes
    ----------
    settings : dict
        What it draws for ``[lightgbm]``.
    willingness_log_loss, ability_log_loss : float
        On out-of-time rows; ability's is the cross-entropy of the shares.
    """

    settings: dict[str, float]
    willingness_log_loss: float
    ability_log_loss: float

    @property
    def loss(self) -> float:
        """What is minimised: the mean of the two."""
        return (self.willingness_log_loss + self.ability_log_loss) / 2


def search(
    snapshots: Sequence[Snapshot],
    recipe: Recipe,
    trials: int,
    *,
    seed: int,
    threads: int = 1,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Trial]:
    """Try settings at random.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Training days without the held-out customers.
    recipe : Recipe
        Where the search starts; its settings are the first trial.
    trials : int
        1 to 100, the first included.
    seed : int
        Of the draw; the same seed tries the same settings.

    Returns
    -------
    list of Trial
        In the order tried.

    Raises
    ------
    BadRequestError
        ``bad_request``: fewer than one trial or more than 100, or days and customers too few for out-of-time rows.

    Examples
    --------
    >>> search([], read_recipe(None), 0, seed=1)
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: 0 trials were asked for; a search tries 1 to 100 settings.
    """
    if not 1 <= trials <= MOST_TRIALS:
        raise BadRequestError(
            f"{trials} trials were asked for; a search tries 1 to {MOST_TRIALS} settings.",
            field="trials",
            got=trials,
            expected=f"1 to {MOST_TRIALS}",
        )
    draw = np.random.default_rng(seed)
    found = []
    for number in range(trials):
        settings = {} if number == 0 else drawn(draw)
        tried = replace(recipe, lightgbm={**recipe.lightgbm, **settings})
        rows = out_of_time(snapshots, tried, threads=threads)
        if rows.empty:
            raise BadRequestError(
                "The portfolio is too small to predict a training day from other customers, so no setting can be judged. Load more "
                "accounts or name more as-of days.",
                field="trials",
                got=0,
            )
        paid = rows["share"].notna()
        trial = Trial(
            settings,
            _log_loss(rows["willingness"], rows["willing"]),
            _log_loss(rows["ability"][paid], rows["share"][paid]),
        )
        progress(
            f"trial {number + 1} of {trials}: willingness {trial.willingness_log_loss:.4f}, ability "
            f"{trial.ability_log_loss:.4f} {settings or '(as it is)'}"
        )
        found.append(trial)
    return found


def drawn(draw: np.random.Generator) -> dict[str, float]:
    """One setting of every number in `SPACE`.

    >>> sorted(drawn(np.random.default_rng(1))) == sorted(SPACE)
    True
    """
    return {name: values[int(draw.integers(len(values)))] for name, values in SPACE.items()}


def recipe_with(text: str, name: str, settings: dict[str, float], note: str) -> str:
    """A recipe's text with other LightGBM settings and another name; comments and order stay.

    Examples
    --------
    >>> print(recipe_with('name = "default"\\n[lightgbm]\\nnum_leaves    = 15  # x\\n', "mine", {"num_leaves": 7}, "why"))
    # why
    name = "mine"
    [lightgbm]
    num_leaves    = 7  # x
    <BLANKLINE>
    """
    text = re.sub(r'(?m)^name\s*=\s*".*"', f'name = "{name}"', text, count=1)
    for setting, value in settings.items():
        text = re.sub(rf"(?m)^({setting}\s*=\s*)[-0-9.e]+", rf"\g<1>{value}", text, count=1)
    return f"# {note}\n{text}"


def _log_loss(margin: pd.Series, seen: pd.Series) -> float:
    m: npt.NDArray[np.float64] = margin.to_numpy(dtype=np.float64)
    return float((np.logaddexp(0.0, m) - seen.to_numpy(dtype=np.float64) * m).mean())


def main(words: Sequence[str] | None = None) -> int:
    """The command: 0 done, 2 bad usage or bad input.

    Examples
    --------
    >>> main(["nowhere", "--trials", "2", "--out", "mine.toml"])
    2
    """
    told = _parser().parse_args(words)
    try:
        _run(told)
    except ScoringError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 2
    return 0


def _run(told: argparse.Namespace) -> None:
    def progress(message: str) -> None:
        print(message, file=sys.stderr)

    if told.out.exists():
        raise BadRequestError(f"{told.out} exists already; name a new file.", field="out", got=str(told.out))
    portfolio = read_portfolio(told.folder, threads=told.threads)
    recipe = read_recipe(told.recipe, portfolio.source)
    definition = recipe.definition(portfolio.currency)
    days, test_day = (
        split_days(tuple(told.as_of), definition)
        if told.as_of
        else default_days(portfolio, definition, recipe.split["train_days"])
    )
    seen = training_snapshots(portfolio, days, definition, recipe, progress=progress)
    snapshots = [without_test_customers(day, recipe) for day in seen]
    found = search(snapshots, recipe, told.trials, seed=told.seed, threads=told.threads, progress=progress)
    best = min(found, key=lambda trial: trial.loss)
    note = (
        f"Best of {len(found)} settings (seed {told.seed}) on {', '.join(map(str, days))}, other customers and earlier days; {test_day} "
        f"was not looked at. Mean log loss {best.loss:.4f}, as it was {found[0].loss:.4f}."
    )
    told.out.write_text(recipe_with(recipe.text, told.out.stem, best.settings, note), encoding="utf-8")
    read_recipe(told.out)
    print(f"{told.out}: {note}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m training.search", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="event tables")
    parser.add_argument("--recipe", type=Path, help="where to start; default: the portfolio's own")
    parser.add_argument("--trials", type=int, default=12, help="settings tried, the recipe's own included")
    parser.add_argument("--out", type=Path, required=True, help="the recipe file to write")
    parser.add_argument("--as-of", type=date.fromisoformat, action="append", default=[], help="as of `scoring train`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
