"""`scoring train`: features, targets, models, evaluation, one MLflow run, one registered bundle."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import scoring
from scoring.errors import FeatureError
from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.policy import forbidden_features
from scoring.portfolio.checking import refuse_miscounted
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.bundle import definition_facts, load_bundle, write_bundle
from training.bundling import bundle_documents
from training.fitting import Fitted, fit
from training.narrowing import training_snapshots
from training.outcomes import fit_outcomes, outcomes_page
from training.recipe import Recipe, read_recipe
from training.reporting import Pieces, Trained, report_training
from training.rotation import rotate, turns_of, without_test_customers
from training.snapshots import default_days, snapshot, split_days

__all__ = ["Trained", "code_version", "refuse_forbidden_features", "train"]

Progress = Callable[[str], None]
LIBRARIES = ("lightgbm", "numpy", "duckdb", "ibis-framework", "scikit-learn", "pandas")


def train(
    folder: Path,
    *,
    home: Path,
    recipe: Path | None = None,
    as_of: tuple[date, ...] = (),
    threads: int = 2,
    operator: str = "",
    trained_at: datetime | None = None,
    progress: Progress = lambda message: None,
) -> Trained:
    """Train on a portfolio, evaluate on customers and a day never trained on, track and register.

    Parameters
    ----------
    folder : Path
        Event tables.
    home : Path
        State folder with the MLflow store.
    recipe : Path, optional
        Default: the recipe named after the portfolio's source, else ``default``.
    as_of : tuple of date
        The last day tests, the others train; default: month-ends that have matured.
    operator, trained_at : str, datetime, optional
        Who trains and when (UTC), for the record; default: what the MLflow run knows.
    progress : callable
        Told what is being done.

    Returns
    -------
    Trained

    Raises
    ------
    PortfolioError, BadRequestError, WindowStillOpenError
        Before anything is logged.
    """
    refuse_forbidden_features()
    portfolio = read_portfolio(folder, threads=threads)
    refuse_miscounted(portfolio)
    ways = read_recipe(recipe, portfolio.source)
    definition = ways.definition(portfolio.currency)
    days = split_days(as_of, definition) if as_of else default_days(portfolio, definition, ways.split["train_days"])
    train_days, test_day = days
    seen = training_snapshots(portfolio, train_days, definition, ways, progress=progress)
    progress(f"features and targets of {test_day} (test)")
    tested = snapshot(portfolio, test_day, definition)
    snapshots = [without_test_customers(day, ways) for day in seen]
    progress(f"fitting on {sum(len(s.frame) for s in snapshots):,} rows")
    fitted = fit(snapshots, ways, threads=threads)
    documents = bundle_documents(
        portfolio, snapshots, fitted, ways, definition, test_day, threads=threads, progress=progress
    )
    progress("further models: roll, cure, promises, contactability, early warning")
    further = fit_outcomes(
        portfolio, [*train_days, test_day], ways, overdue={one.frame.as_of: one.frame for one in (*seen, tested)}
    )
    n_turns = len(turns_of(ways, sum(len(one.frame) for one in seen)))
    progress(f"{n_turns} turns with other customers held out")
    turns = rotate(seen, tested, ways, threads=threads)
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        place = Path(scratch) / "bundle"
        write_bundle(
            place,
            {**fitted.boosters, **further.boosters},
            _facts(portfolio, ways, fitted, train_days, test_day, definition_facts(definition)),
            documents=documents,
            reference=fitted.reference,
        )
        pieces = Pieces(
            portfolio=portfolio,
            ways=ways,
            fitted=fitted,
            bundle=load_bundle(place),
            train_days=tuple(train_days),
            test_day=test_day,
            seen=tuple(seen),
            tested=tested,
            turns=turns,
            operator=operator,
            trained_at=trained_at,
            further=further.figures,
            documents={"outcomes.md": outcomes_page(further)},
        )
        return report_training(home, pieces, progress)


def _facts(
    portfolio: Portfolio,
    ways: Recipe,
    fitted: Fitted,
    train_days: list[date],
    test_day: date,
    targets: dict[str, Any],
) -> dict[str, Any]:
    return {
        "code_version": code_version(),
        "conventions": {"payable_scale": "share of the cure amount, given a payment"},
        "currency": portfolio.currency,
        "data_fingerprint": portfolio.fingerprint,
        "data_source": portfolio.source,
        "libraries": {name: version(name) for name in LIBRARIES},
        **fitted.facts,
        "python": platform.python_version(),
        "recipe": ways.name,
        "recipe_text": ways.text,
        "reference_population": f"{fitted.n_rows['willingness']:,} overdue accounts on {', '.join(map(str, train_days))}",
        "rows": fitted.n_rows,
        "targets": targets,
        "test_day": test_day.isoformat(),
        "train_days": [day.isoformat() for day in train_days],
    }


def refuse_forbidden_features() -> None:
    """Refuse to train when a feature, or a table it reads, is one that no model may use.

    Raises
    ------
    FeatureError
        ``bad_feature``: every finding, with its reason.

    Examples
    --------
    >>> refuse_forbidden_features()
    """
    tables = {table.strip() for feature in FEATURES for table in feature.source.split(",")}
    found = forbidden_features(FEATURE_NAMES, sorted(tables))
    if found:
        raise FeatureError(
            f"{len(found)} uses of data that no model may use: {' '.join(map(str, found))} Leave them out.",
            field="feature",
            got=[finding.id for finding in found],
        )


def code_version() -> str:
    """The commit this code was run from, with ``+`` when files were changed since; the package version without git."""
    here = Path(__file__).resolve().parent
    git = shutil.which("git")
    if git is None:
        return scoring.__version__

    def ask(*words: str) -> str:
        return subprocess.run([git, *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return scoring.__version__
