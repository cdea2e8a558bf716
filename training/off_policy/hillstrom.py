"""The Hillstrom e-mail trial as a log of choices: three arms at random, a third each; a real log with a known propensity.

Source: Kevin Hillstrom, MineThatData, 2008; 64,000 customers, arms no e-mail, men's and women's e-mail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from scoring.errors import PortfolioError
from training.off_policy.estimators import Floats, LoggedChoices

ARMS: Final = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
"""The control first, as everywhere."""
OUTCOMES: Final = ("visit", "conversion", "spend")


def hillstrom_log(path: Path, outcome: str = "visit") -> tuple[LoggedChoices, Floats]:
    """The trial's log and the context of every row.

    Parameters
    ----------
    path : Path
        The published CSV file.
    outcome : str
        ``visit`` and ``conversion`` (0 or 1), or ``spend``, in dollars.

    Returns
    -------
    log : LoggedChoices
        Actions are places in `ARMS`, propensity 1/3.
    context : array (n, 9)

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: the file is another one.

    Examples
    --------
    >>> hillstrom_log(Path("nowhere.csv"))
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: nowhere.csv is not the Hillstrom trial: columns segment, visit and recency are needed.
    """
    try:
        customers = pd.read_csv(path)
        arms = customers["segment"].map({arm: place for place, arm in enumerate(ARMS)}).to_numpy(dtype=np.int64)
        context = _context(customers)
        rewards = customers[outcome].to_numpy(dtype=np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise PortfolioError(
            f"{path.name} is not the Hillstrom trial: columns segment, visit and recency are needed.", field="hillstrom"
        ) from error
    n = len(customers)
    return LoggedChoices(arms.astype(np.int64), rewards, np.full(n, 1 / len(ARMS)), len(ARMS), np.arange(n)), context


def _context(customers: pd.DataFrame) -> Floats:
    numbers = customers[["recency", "mens", "womens", "newbie"]].to_numpy(dtype=np.float64)
    spent = np.log(customers[["history"]].to_numpy(dtype=np.float64))
    zips = [customers["zip_code"] == name for name in ("Rural", "Urban")]
    channels = [customers["channel"] == name for name in ("Phone", "Web")]
    return np.column_stack([numbers, spent, *zips, *channels]).astype(np.float64)
