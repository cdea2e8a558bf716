"""Accounts of customers and days never trained on, scored by the project's own pipeline and laid beside the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd

from scoring.errors import AsOfError
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.bundle import Bundle, definition_facts, load_bundle, write_bundle
from scoring.scores.scores import score
from training.bundling import bundle_documents
from training.effects_data import LoggedDecisions, logged_decisions
from training.fitting import fit
from training.narrowing import training_snapshots
from training.pipeline import _facts
from training.recipe import Recipe, read_recipe
from training.rotation import held_out_customers, without_test_customers
from training.simulator.ceiling import observed, told_of
from training.simulator.judge import read_truth, truth_days_of
from training.snapshots import Snapshot, default_days, snapshot

TURNS: Final = (0, 3, 6)
"""Turns of the pipeline's rotation whose held-out customers do not overlap: together nine customers in ten."""


FIGURES_BELOW: Final = "<!-- The study writes what follows. -->"


def publish(path: Path, text: str) -> None:
    """Put a study's figures into its Markdown file, below the mark; what somebody wrote above it stays.

    Examples
    --------
    >>> path = Path(tempfile.mkdtemp()) / "study.md"
    >>> _ = path.write_text(f"By hand.\\n{FIGURES_BELOW}\\nold\\n")
    >>> publish(path, "new")
    >>> path.read_text().splitlines()
    ['By hand.', '<!-- The study writes what follows. -->', '', 'new']
    """
    above = path.read_text(encoding="utf-8").partition(FIGURES_BELOW)[0] if path.is_file() else ""
    path.write_text(f"{above}{FIGURES_BELOW}\n\n{text.rstrip()}\n", encoding="utf-8")


@dataclass(frozen=True)
class Trainable:
    """A simulated folder ready to train on: snapshots of the training days and of the truth's day."""

    portfolio: Portfolio
    recipe: Recipe
    train_days: tuple[date, ...]
    seen: tuple[Snapshot, ...]
    tested: Snapshot

    @property
    def as_of(self) -> date:
        """The day that is judged."""
        return self.tested.frame.as_of


def trainable(folder: Path, recipe: Path | None = None) -> Trainable:
    """Read a simulated folder by the pipeline's own choice of days.

    Raises
    ------
    AsOfError
        ``as_of_out_of_range``: the pipeline would not test on the last day of the truth, so nothing could be compared.
    """
    portfolio = read_portfolio(folder, threads=1)
    ways = read_recipe(recipe, portfolio.source)
    definition = ways.definition(portfolio.currency)
    train_days, test_day = default_days(portfolio, definition, ways.split["train_days"])
    truth_day = max(truth_days_of(folder))
    if test_day != truth_day:
        raise AsOfError(
            f"The pipeline tests on {test_day}, but the truth of {folder.name} is told for {truth_day}: scores and truth would "
            "speak of different days. Simulate without naming the truth's days.",
            field="truth_on",
            got=truth_day.isoformat(),
            expected=test_day.isoformat(),
        )
    seen = tuple(training_snapshots(portfolio, train_days, definition, ways))
    return Trainable(portfolio, ways, tuple(train_days), seen, snapshot(portfolio, test_day, definition))


@dataclass(frozen=True)
class Judge:
    """A bundle, and the accounts of the truth's day that it may be judged on: their customers taught it nothing."""

    bundle: Bundle
    held_out: Snapshot

    @property
    def as_of(self) -> date:
        """The day that is judged."""
        return self.held_out.frame.as_of


def judges(folder: Path, recipe: Path | None = None, turns: Sequence[int] = TURNS) -> Iterator[Judge]:
    """A bundle for each turn, as `scoring train` would register it had it held out that turn's customers.

    Raises
    ------
    AsOfError
        As `trainable`.
    """
    book = trainable(folder, recipe)
    definition = book.recipe.definition(book.portfolio.currency)
    log = logged_decisions(book.portfolio, definition, until=book.as_of, **book.recipe.effects)
    for turn in turns:
        with tempfile.TemporaryDirectory(prefix="judged-") as scratch:
            yield Judge(_bundle(book, log, turn, Path(scratch)), held_out_customers(book.tested, book.recipe, turn))


def _bundle(book: Trainable, log: LoggedDecisions | None, turn: int, folder: Path) -> Bundle:
    snapshots = [without_test_customers(day, book.recipe, turn) for day in book.seen]
    definition = book.recipe.definition(book.portfolio.currency)
    fitted = fit(snapshots, book.recipe)
    documents = bundle_documents(
        book.portfolio, snapshots, fitted, book.recipe, definition, book.as_of, turn=turn, decisions=log
    )
    facts = _facts(book.portfolio, book.recipe, fitted, list(book.train_days), book.as_of, definition_facts(definition))
    write_bundle(folder, fitted.boosters, facts, documents=documents, reference=fitted.reference)
    return load_bundle(folder)


def judged(folder: Path, recipe: Path | None = None, turns: Sequence[int] = TURNS) -> pd.DataFrame:
    """Scores, the truth and its feature ceiling for accounts of customers and of a day never trained on.

    Parameters
    ----------
    folder : Path
        Written by `training.simulator.simulate`, with truth.
    recipe : Path, optional
        Default: the pipeline's.
    turns : sequence of int
        Whose held-out customers are judged, each by a bundle trained without them.

    Returns
    -------
    DataFrame, one row per judged account
        The columns of ``scores.parquet``; ``true_<answer>`` and ``ceiling_<answer>`` for each answer of
        `training.simulator.ceiling.Observed`; ``true_cents`` (expected without contact), ``true_class``, ``willing_share``,
        ``capacity_cents``; ``willingness`` and ``share``: the outcome under the historical policy.
    """
    scored = []
    for judge in judges(folder, recipe, turns):
        table = score(judge.bundle, judge.held_out.frame, with_contributions=False).table
        outcome = judge.held_out.targets[["willingness", "ability", "paid_cents"]].rename(columns={"ability": "share"})
        scored.append(pd.concat([table.reset_index(drop=True), outcome.reset_index(drop=True)], axis=1))
    joined: pd.DataFrame = pd.concat(scored, ignore_index=True).merge(beside_the_truth(folder), on="account_id")
    return joined


def beside_the_truth(folder: Path) -> pd.DataFrame:
    """What is true on the truth's last day, and how well features tell it; columns as in `judged`, and ``account_id``."""
    portfolio, truth = read_portfolio(folder, threads=1), read_truth(folder)
    days = [observed(portfolio, read_truth(folder, day)) for day in truth_days_of(folder)]
    told = told_of(days, truth.as_of).drop(columns="cure_amount_cents")
    [here] = [day.answers for day in days if day.as_of == truth.as_of]
    answers = here.drop(columns=["customer_id", "cure_amount_cents"])
    latents = truth.accounts[["account_id", "capacity_cents", "willing_share", "true_class"]].assign(
        true_cents=truth.alone("recovered_cents"),
        is_unable=truth.accounts["capacity_cents"] < truth.accounts["past_due_cents"],
    )
    known = _prefixed(told, "ceiling").merge(_prefixed(answers, "true"), on="account_id")
    return known.merge(latents, on="account_id")


def _prefixed(answers: pd.DataFrame, word: str) -> pd.DataFrame:
    return answers.rename(columns={name: f"{word}_{name}" for name in answers.columns if name != "account_id"})
