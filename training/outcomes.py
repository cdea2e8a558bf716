"""Fitting and judging the further probabilities: each on the rows that tell about it, none where the data cannot teach it.

Cost is bounded: of large populations a stable draw of accounts is taken, trees are few, and every feature frame is built once for all
models. Judged on a later day and on customers never trained on, by bucket, against the rate of the account's bucket: a model that does
not beat that rate is said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from scoring.errors import AsOfError, WindowStillOpenError
from scoring.features.builder import FeatureFrame, build
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio
from scoring.scores.outcomes import OUTCOMES, Outcome
from scoring.scores.scores import buckets
from scoring.scores.targets import TargetDefinition
from training.recipe import Recipe
from training.snapshots import is_held_out

MOST_TREES: Final = 150
LEARNING_RATE: Final = 0.05
PATIENCE: Final = 15
"""Trees without gain on an inner fifth of the customers, after which no more are grown."""
MOST_ROWS: Final = 30_000
"""Rows a model is trained on, over all its days."""
MOST_ACCOUNTS: Final = 40_000
"""Accounts whose features are built for early warning, per day."""
SMALL: Final = 4_000
"""Rows below which trees have few leaves."""
FEWEST_ROWS: Final = 300
FEWEST_OF_EITHER: Final = 30
"""Rows with and without the outcome, below which nothing is learned."""
EARLY_TRAIN_DAYS: Final = 2
"""Early warning needs the features of every account, which cost; the others take every training day."""

Floats = npt.NDArray[np.float64]
Frames = Callable[[date, bool], FeatureFrame]
"""Day, and whether current accounts are wanted -> features."""


@dataclass(frozen=True)
class OutcomeFinding:
    """Why a model was left out, or what its judgement says against it."""

    outcome: str
    severity: str
    message: str


@dataclass(frozen=True)
class FittedOutcomes:
    """Models by name, what they were judged by, and what was left out.

    Attributes
    ----------
    boosters : dict of str to lightgbm.Booster
    figures : dict of str to dict
        Per model: ``n_train``, ``n``, ``rate``, ``predicted``, ``auc``, ``log_loss``, ``bucket_log_loss`` (of the training rate of the
        bucket), on customers and a day never trained on.
    by_bucket : dict of str to dict of str to dict
        ``n``, ``rate``, ``predicted`` and, where both outcomes were seen, ``auc``.
    days : dict of str to (list of date, date)
        Training days and test day of each model.
    findings : list of OutcomeFinding
    """

    boosters: dict[str, lightgbm.Booster] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    by_bucket: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    days: dict[str, tuple[list[date], date]] = field(default_factory=dict)
    findings: list[OutcomeFinding] = field(default_factory=list)


def outcomes_page(fitted: FittedOutcomes) -> str:
    """What was learned, judged by, and left out, in Markdown.

    Examples
    --------
    >>> print(outcomes_page(FittedOutcomes(findings=[OutcomeFinding("p_roll_30d", "warning", "not learned: no data.")])))
    # Further models
    <BLANKLINE>
    No further model was learned.
    <BLANKLINE>
    - p_roll_30d: not learned: no data.
    <BLANKLINE>
    """
    lines = ["# Further models", ""]
    if fitted.figures:
        names = list(dict.fromkeys(name for figures in fitted.figures.values() for name in figures))
        lines += [f"| model | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
        for model, figures in fitted.figures.items():
            told = " | ".join(f"{figures[name]:,.3f}" if name in figures else "" for name in names)
            lines.append(f"| `{model}` | {told} |")
    else:
        lines.append("No further model was learned.")
    if fitted.findings:
        lines += ["", *(f"- {finding.outcome}: {finding.message}" for finding in fitted.findings)]
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Rows:
    """Accounts about which an outcome is known."""

    frame: FeatureFrame
    seen: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.seen)


def fit_outcomes(
    portfolio: Portfolio,
    days: Sequence[date],
    recipe: Recipe,
    *,
    overdue: Mapping[date, FeatureFrame] | None = None,
    only: Sequence[str] = tuple(OUTCOMES),
    progress: Callable[[str], None] = lambda message: None,
) -> FittedOutcomes:
    """Fit every further probability that the portfolio can teach, and judge it.

    Parameters
    ----------
    portfolio : Portfolio
    days : sequence of date
        The last one tests, the others train. Early warning looks ninety days ahead: its days are moved back to month-ends that
        have matured.
    recipe : Recipe
        Its split, seed and tree shape are used.
    overdue : mapping of date to FeatureFrame, optional
        Features of the accounts past due that the caller has already (more accounts do no harm); other days are built.
    only : sequence of str
        Names of `scoring.scores.outcomes.OUTCOMES`.

    Returns
    -------
    FittedOutcomes
        A model that cannot be learned is absent, with a finding that says why.
    """
    definition = recipe.definition(portfolio.currency)
    kept: dict[tuple[date, bool], FeatureFrame] = {(day, False): frame for day, frame in (overdue or {}).items()}

    def frame_on(day: date, with_current: bool) -> FeatureFrame:
        if (day, with_current) not in kept:
            progress(f"features of {'all' if with_current else 'overdue'} accounts on {day}")
            kept[day, with_current] = frame_of_everybody(portfolio, day) if with_current else build(portfolio, day)
        return kept[day, with_current]

    fitted = FittedOutcomes()
    for name in only:
        try:
            _fit_one(OUTCOMES[name], portfolio, days, recipe, definition, frame_on, fitted)
        except (WindowStillOpenError, AsOfError) as error:
            fitted.findings.append(OutcomeFinding(name, "warning", f"not learned: {error}"))
    return fitted


def _fit_one(
    outcome: Outcome,
    portfolio: Portfolio,
    days: Sequence[date],
    recipe: Recipe,
    definition: TargetDefinition,
    frame_on: Frames,
    fitted: FittedOutcomes,
) -> None:
    missing = [table for table in outcome.tables if table not in portfolio.observed]
    if missing:
        fitted.findings.append(
            OutcomeFinding(outcome.name, "warning", f"not learned: table {missing[0]} was not delivered.")
        )
        return
    train_days, test_day = days_of(outcome, days, portfolio, definition)

    def rows_on(day: date, most: int | None) -> Rows:
        return rows_of(outcome, portfolio, frame_on(day, outcome.is_early), definition, recipe, most)

    trained = _stacked([rows_on(day, MOST_ROWS // len(train_days)) for day in train_days])
    n_seen = int(trained.seen.sum())
    if len(trained) < FEWEST_ROWS or min(n_seen, len(trained) - n_seen) < FEWEST_OF_EITHER:
        said = f"not learned: {len(trained)} rows, {n_seen} of them with the outcome, are too few."
        fitted.findings.append(OutcomeFinding(outcome.name, "warning", said))
        return
    booster = _booster(trained, recipe)
    tested = rows_on(test_day, None)
    fitted.boosters[outcome.name] = booster
    fitted.days[outcome.name] = (train_days, test_day)
    _judge(outcome.name, booster, trained, tested, fitted)


def days_of(
    outcome: Outcome, days: Sequence[date], portfolio: Portfolio, definition: TargetDefinition
) -> tuple[list[date], date]:
    """Training days and test day of one outcome: matured, and as far apart as its window is long.

    Raises
    ------
    WindowStillOpenError, AsOfError
        Nothing has matured, or no day lies far enough before the test.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> days_of(OUTCOMES["p_roll_30d"], [date(2025, 1, 31)], portfolio_from_tables(SMALLEST), TargetDefinition())
    Traceback (most recent call last):
    ...
    scoring.errors.AsOfError: p_roll_30d: no training day lies 30 days before the test day 2025-01-31. Name more days, or load more history.
    """
    window = outcome.days or definition.horizon_days
    matured = portfolio.extract_on - timedelta(days=window + definition.posting_lag_days)
    ordered = sorted(set(days))
    test = _moved_back(ordered[-1], matured)
    apart = timedelta(days=window)
    train = sorted({_moved_back(day, test - apart + timedelta(days=1)) for day in ordered[:-1]})
    train = train[-EARLY_TRAIN_DAYS:] if outcome.is_early else train
    if not train:
        raise AsOfError(
            f"{outcome.name}: no training day lies {window} days before the test day {test}. Name more days, or load more history.",
            field="as_of",
            got=len(ordered),
            expected=2,
        )
    return train, test


def _moved_back(day: date, before: date) -> date:
    """The day itself, or the last month-end before a limit."""
    return day if day < before else before.replace(day=1) - timedelta(days=1)


def frame_of_everybody(portfolio: Portfolio, day: date, most: int = MOST_ACCOUNTS) -> FeatureFrame:
    """Features of current and overdue accounts alike; of a portfolio larger than ``most``, of a stable draw of its customers.

    The draw stands before the feature query (temporary views hide the tables of the same names), so that it costs what its
    accounts cost.
    """
    connection = portfolio.connection
    customers = connection.execute("SELECT account_id, customer_id FROM accounts").df()
    if len(customers) <= most:
        return build(portfolio, day, min_dpd=0)
    drawn = customers[is_held_out(customers["customer_id"], most / len(customers), salt="early warning")]
    connection.register("drawn_customers", drawn)
    [(database,)] = connection.execute("SELECT current_database()").fetchall()
    try:
        for name, contract in contracts().items():
            key = "account_id" if "account_id" in contract.columns else "customer_id"
            rows = f"SELECT * FROM {quoted(database)}.main.{quoted(name)} WHERE {key} IN (SELECT {key} FROM drawn_customers)"  # noqa: S608  contract names
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {rows}")
        return build(portfolio, day, min_dpd=0)
    finally:
        for name in contracts():
            connection.execute(f"DROP VIEW IF EXISTS temp.{quoted(name)}")
        connection.unregister("drawn_customers")


def rows_of(
    outcome: Outcome,
    portfolio: Portfolio,
    frame: FeatureFrame,
    definition: TargetDefinition,
    recipe: Recipe,
    most: int | None,
) -> Rows:
    """The outcome's accounts whose outcome is known: with ``most``, a draw of the training customers, else the held-out ones."""
    held_out = is_held_out(frame.positions["customer_id"], recipe.split["test_customer_share"])
    frame = frame.take(outcome.population(frame) & (held_out if most is None else ~held_out))
    targets = outcome.targets(portfolio, frame, definition)
    known = targets["seen"].notna().to_numpy()
    if most is not None and known.sum() > most:
        share = most / float(known.sum())
        known = known & is_held_out(frame.positions["account_id"], share, salt=f"outcome:{frame.as_of}")
    return Rows(frame.take(known), targets["seen"].to_numpy()[known], targets["weight"].to_numpy()[known])


def _stacked(parts: Sequence[Rows]) -> Rows:
    frame = FeatureFrame(
        parts[-1].frame.as_of,
        pd.concat([part.frame.positions for part in parts], ignore_index=True),
        np.concatenate([part.frame.values for part in parts]),
    )
    return Rows(frame, np.concatenate([part.seen for part in parts]), np.concatenate([part.weight for part in parts]))


def _booster(rows: Rows, recipe: Recipe) -> lightgbm.Booster:
    """As many trees as an inner fifth of the customers is the better for, grown on everybody."""
    aside = is_held_out(rows.frame.positions["customer_id"], 0.2, salt="outcome trees")
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    inner = _data(rows, ~aside)
    tried = lightgbm.train(
        _parameters(rows, recipe), inner, MOST_TREES, valid_sets=[_data(rows, aside, inner)], callbacks=[stop]
    )
    return lightgbm.train(
        _parameters(rows, recipe), _data(rows, np.full(len(rows), True)), max(tried.best_iteration, 1)
    )


def _parameters(rows: Rows, recipe: Recipe) -> dict[str, Any]:
    shape = {
        name: recipe.lightgbm[name] for name in ("num_leaves", "max_depth", "feature_fraction", "lambda_l2", "seed")
    }
    if len(rows) < SMALL:
        shape["num_leaves"] = min(shape["num_leaves"], 6)
    return {
        "objective": "binary",
        "learning_rate": LEARNING_RATE,
        "min_data_in_leaf": max(40, len(rows) // 300),
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "verbose": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        **shape,
    }


def _data(rows: Rows, inside: npt.NDArray[np.bool_], reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        rows.frame.values[inside],
        rows.seen[inside],
        weight=rows.weight[inside],
        feature_name=list(FEATURE_NAMES),
        reference=reference,
    )


def _judge(name: str, booster: lightgbm.Booster, trained: Rows, tested: Rows, fitted: FittedOutcomes) -> None:
    if len(tested) == 0:
        fitted.figures[name] = {"n_train": float(len(trained)), "n": 0.0}
        fitted.findings.append(
            OutcomeFinding(name, "warning", "no account of the test day tells about it: not judged.")
        )
        return
    predicted = np.asarray(booster.predict(tested.frame.values, num_threads=1), dtype=np.float64)
    plain = _bucket_rate(trained, tested)
    figures = {"n_train": float(len(trained)), **judged(tested.seen, predicted, tested.weight)}
    figures["bucket_log_loss"] = _loss(tested.seen, plain, tested.weight)
    fitted.figures[name] = figures
    bucket = buckets(tested.frame.positions["dpd"].to_numpy(dtype=np.int64))
    fitted.by_bucket[name] = {
        str(one): judged(tested.seen[rows], predicted[rows], tested.weight[rows])
        for one in pd.unique(np.sort(bucket.astype(str)))
        if (rows := bucket == one).any()
    }
    if figures["log_loss"] >= figures["bucket_log_loss"]:
        said = f"no better than the rate of the bucket: log loss {figures['log_loss']:.4f} against {figures['bucket_log_loss']:.4f}."
        fitted.findings.append(OutcomeFinding(name, "warning", said))


def judged(seen: Floats, predicted: Floats, weight: Floats | None = None) -> dict[str, float]:
    """Figures of one population: ``n``, ``rate``, ``predicted``, ``log_loss``, and ``auc`` where both outcomes were seen.

    Examples
    --------
    >>> judged(np.array([0.0, 1.0]), np.array([0.25, 0.75]))["auc"]
    1.0
    """
    weight = np.ones(len(seen)) if weight is None else weight
    figures = {
        "n": float(len(seen)),
        "rate": float(np.average(seen, weights=weight)),
        "predicted": float(np.average(predicted, weights=weight)),
        "log_loss": _loss(seen, predicted, weight),
    }
    if 0 < seen.sum() < len(seen):
        figures["auc"] = float(roc_auc_score(seen, predicted, sample_weight=weight))
    return figures


def _loss(seen: Floats, predicted: Floats, weight: Floats) -> float:
    return float(log_loss(seen, np.clip(predicted, 1e-6, 1 - 1e-6), sample_weight=weight, labels=[0.0, 1.0]))


def _bucket_rate(trained: Rows, tested: Rows) -> Floats:
    """The training rate of each test account's bucket; the overall rate where the bucket was not trained on."""
    whole = float(np.average(trained.seen, weights=trained.weight))
    names = buckets(trained.frame.positions["dpd"].to_numpy(dtype=np.int64))
    rates = {
        one: float(np.average(trained.seen[names == one], weights=trained.weight[names == one]))
        for one in pd.unique(names)
    }
    here = buckets(tested.frame.positions["dpd"].to_numpy(dtype=np.int64))
    return np.array([rates.get(one, whole) for one in here], dtype=np.float64)
