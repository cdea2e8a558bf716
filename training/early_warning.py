"""Early warning: which accounts that are current or M1 today will be three months late within ninety days.

    python -m training.early_warning DIR --out FOLDER [--recipe FILE]

A model of its own with a report of its own: fitted on matured month-ends, judged on a later day and on customers never trained on,
against the orderings a desk would use without it. Writes ``early_warning.md`` and ``early_warning.png``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scoring.errors import PortfolioError, ScoringError
from scoring.features.registry import FEATURE_NAMES, feature
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.outcomes import EARLY_WARNING
from scoring.scores.scores import buckets
from training.outcomes import fit_outcomes, frame_of_everybody, judged, rows_of
from training.recipe import Recipe, read_recipe
from training.snapshots import default_days

TOP_SHARES: Final = (0.05, 0.10)
BANDS: Final = 10
REPLICATES: Final = 300
MOST_FEATURES: Final = 12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EarlyWarning:
    """The judgement of the model on customers and a day never trained on.

    Attributes
    ----------
    train_days, test_day
    table : DataFrame, one row per account
        ``bucket``, ``dpd``, ``cure_amount_cents``, ``utilisation``, ``predicted`` (in [0, 1]), ``seen`` (0.0 or 1.0).
    n_train : int
    gains : dict of str to float
        Feature -> share of the model's gain, most first.
    """

    train_days: list[date]
    test_day: date
    table: pd.DataFrame
    n_train: int
    gains: dict[str, float]


def early_warning(portfolio: Portfolio, days: Sequence[date], recipe: Recipe) -> EarlyWarning:
    """Fit the early-warning model and judge it.

    Parameters
    ----------
    portfolio : Portfolio
    days : sequence of date
        The last one tests; all are moved back until ninety days after them have matured.
    recipe : Recipe

    Returns
    -------
    EarlyWarning

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: the portfolio cannot teach it, with the reason.
    """
    fitted = fit_outcomes(portfolio, days, recipe, only=(EARLY_WARNING.name,))
    if EARLY_WARNING.name not in fitted.boosters:
        raise PortfolioError(
            f"Early warning cannot be learned from this portfolio: {fitted.findings[0].message} Load a longer history or more accounts.",
            field="portfolio",
        )
    booster = fitted.boosters[EARLY_WARNING.name]
    train_days, test_day = fitted.days[EARLY_WARNING.name]
    frame = frame_of_everybody(portfolio, test_day)
    rows = rows_of(EARLY_WARNING, portfolio, frame, recipe.definition(portfolio.currency), recipe, None)
    dpd = rows.frame.positions["dpd"].to_numpy(dtype=np.int64)
    table = pd.DataFrame(
        {
            "bucket": buckets(dpd).astype(str),
            "dpd": dpd,
            "cure_amount_cents": rows.frame.positions["cure_amount_cents"].to_numpy(dtype=np.float64),
            "utilisation": np.nan_to_num(rows.frame.values[:, FEATURE_NAMES.index("utilisation")]).astype(np.float64),
            "predicted": np.asarray(booster.predict(rows.frame.values, num_threads=1), dtype=np.float64),
            "seen": rows.seen,
        }
    )
    gain = booster.feature_importance("gain")
    order = np.argsort(-gain, kind="stable")[:MOST_FEATURES]
    gains = {FEATURE_NAMES[place]: float(gain[place] / max(gain.sum(), 1e-9)) for place in order if gain[place] > 0}
    return EarlyWarning(train_days, test_day, table, int(fitted.figures[EARLY_WARNING.name]["n_train"]), gains)


def captured(seen: Floats, order: Floats, share: float) -> float:
    """Share of the accounts with the outcome among the top ``share`` by an ordering; ties count by their expectation.

    Examples
    --------
    >>> captured(np.array([1.0, 0.0, 0.0, 0.0]), np.array([9.0, 2.0, 1.0, 0.0]), 0.25)
    1.0
    >>> captured(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(4), 0.25)
    0.25
    """
    places = len(seen) * share
    levels = pd.DataFrame({"order": order, "seen": seen}).groupby("order")["seen"].agg(["size", "sum"])[::-1]
    size, hits = levels["size"].to_numpy(dtype=np.float64), levels["sum"].to_numpy(dtype=np.float64)
    taken = np.clip(places - (np.cumsum(size) - size), 0.0, size)
    return float((taken / size * hits).sum() / seen.sum())


def orderings(table: pd.DataFrame) -> dict[str, Floats]:
    """The model, and what a desk would sort by without it."""
    return {
        "early warning": table["predicted"].to_numpy(),
        "days past due": table["dpd"].to_numpy(dtype=np.float64),
        "utilisation": table["utilisation"].to_numpy(),
        "amount to cure": table["cure_amount_cents"].to_numpy(),
    }


def calibration(table: pd.DataFrame, bands: int = BANDS) -> pd.DataFrame:
    """Predicted against seen in bands of equal size, lowest first: ``n``, ``predicted``, ``seen``."""
    ordered = table.sort_values("predicted", kind="stable").reset_index(drop=True)
    band = pd.Series(np.arange(len(ordered)) * bands // max(len(ordered), 1))
    grouped = ordered.groupby(band)
    return pd.DataFrame({"n": grouped.size(), "predicted": grouped["predicted"].mean(), "seen": grouped["seen"].mean()})


def interval(table: pd.DataFrame, share: float, seed: int) -> tuple[float, float]:
    """Bootstrap 95 % interval of the capture of the model."""
    draw = np.random.default_rng(seed)
    seen, order = table["seen"].to_numpy(), table["predicted"].to_numpy()
    found = []
    for _ in range(REPLICATES):
        rows = draw.integers(0, len(seen), len(seen))
        if seen[rows].any():
            found.append(captured(seen[rows], order[rows], share))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def as_markdown(judgement: EarlyWarning, *, source: str, seed: int) -> str:
    """The report a person reads."""
    table = judgement.table
    whole = judged(table["seen"].to_numpy(), table["predicted"].to_numpy())
    lines = [
        "# Early warning: three months late within ninety days",
        "",
        f"{source}. Accounts that are current or M1; trained on {judgement.n_train:,} of them on "
        f"{', '.join(map(str, judgement.train_days))}, judged on {len(table):,} of other customers on {judgement.test_day}.",
        "Outcome: M3 or worse 30, 60 or 90 days later, or charged off by then.",
        "",
        "| population | n | rate | predicted | AUC | log loss |",
        "| --- | --- | --- | --- | --- | --- |",
        _figures_line("all", whole),
    ]
    for bucket, rows in table.groupby("bucket", sort=True):
        lines.append(_figures_line(str(bucket), judged(rows["seen"].to_numpy(), rows["predicted"].to_numpy())))
    lines += ["", "Share of the accounts that became three months late among the first 5 % and 10 % of a list:", ""]
    lines += ["| sorted by | " + " | ".join(f"top {share:.0%}" for share in TOP_SHARES) + " |", "| --- | --- | --- |"]
    for name, order in orderings(table).items():
        got = [f"{captured(table['seen'].to_numpy(), order, share):.3f}" for share in TOP_SHARES]
        if name == "early warning":
            ranges = [interval(table, share, seed) for share in TOP_SHARES]
            got = [f"{one} ({low:.3f} to {high:.3f})" for one, (low, high) in zip(got, ranges, strict=True)]
        lines.append(f"| {name} | " + " | ".join(got) + " |")
    lines += [
        "",
        "Calibration, tenths of the accounts by predicted probability:",
        "",
        "| n | predicted | seen |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {row.n} | {row.predicted:.4f} | {row.seen:.4f} |" for row in calibration(table).itertuples()]
    lines += ["", "What the model leans on (share of gain):", ""]
    lines += [f"- {feature(name).meaning} (`{name}`): {share:.1%}" for name, share in judgement.gains.items()]
    lines += ["", "![Calibration and capture](early_warning.png)", ""]
    return "\n".join(lines)


def _figures_line(name: str, figures: dict[str, float]) -> str:
    auc = f"{figures['auc']:.3f}" if "auc" in figures else "one outcome only"
    return f"| {name} | {figures['n']:,.0f} | {figures['rate']:.4f} | {figures['predicted']:.4f} | {auc} | {figures['log_loss']:.4f} |"


def plot(judgement: EarlyWarning) -> Figure:
    """Calibration on the left, capture of each ordering on the right."""
    table = judgement.table
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    bands = calibration(table)
    top = float(max(bands["predicted"].max(), bands["seen"].max())) * 1.05 or 1.0
    left.plot([0, top], [0, top], color="0.7", linewidth=1)
    left.plot(bands["predicted"], bands["seen"], marker="o")
    left.set(
        xlabel="predicted probability",
        ylabel="share that became three months late",
        title="Calibration, tenths of the accounts",
    )
    shares = np.linspace(0.0, 1.0, 51)
    for name, order in orderings(table).items():
        right.plot(shares, [captured(table["seen"].to_numpy(), order, share) for share in shares], label=name)
    right.set(xlabel="share of the accounts looked at", ylabel="share of the late ones found", title="Capture")
    right.legend()
    return figure


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line: 0 written, 2 when the portfolio cannot teach it."""
    parser = argparse.ArgumentParser(
        prog="python -m training.early_warning",
        description="Early warning: model and report.",
        epilog="Example: DIR --out report",
    )
    parser.add_argument("folder", type=Path, help="event tables")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--recipe", type=Path, default=None, help="recipe file")
    asked = parser.parse_args(words)
    try:
        portfolio = read_portfolio(asked.folder, threads=1)
        recipe = read_recipe(asked.recipe, portfolio.source)
        train_days, test_day = default_days(
            portfolio, recipe.definition(portfolio.currency), recipe.split["train_days"]
        )
        judgement = early_warning(portfolio, [*train_days, test_day], recipe)
    except ScoringError as error:
        print(error, file=sys.stderr)
        return 2
    text = as_markdown(
        judgement, source=portfolio.source or "Portfolio without a stated source", seed=recipe.lightgbm["seed"]
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "early_warning.md").write_text(text, encoding="utf-8")
    plot(judgement).savefig(asked.out / "early_warning.png", dpi=110)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
