"""What goes into the report of a training, and what the user gets back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd

from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from training.fitting import Fitted
from training.gates import GateFinding
from training.recipe import Recipe
from training.snapshots import Snapshot


@dataclass(frozen=True)
class Pieces:
    """What a training made, before anybody judged it.

    Attributes
    ----------
    portfolio : Portfolio
    ways : Recipe
    fitted : Fitted
    bundle : Bundle
        Written and read back, so that what is judged is what would serve.
    train_days, test_day
    seen : tuple of Snapshot
        The training days with everybody, also the held-out customers.
    tested : Snapshot
        The test day with everybody; only held-out customers of its queue are judged on.
    turns : DataFrame
        Figures of the turns with other customers held out, as `training.rotation.rotate` gives them.
    """

    portfolio: Portfolio
    ways: Recipe
    fitted: Fitted
    bundle: Bundle
    train_days: tuple[date, ...]
    test_day: date
    seen: tuple[Snapshot, ...]
    tested: Snapshot
    turns: pd.DataFrame
    operator: str = ""
    trained_at: datetime | None = None
    further: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What a training run gives back.

    Attributes
    ----------
    version : str
        Registered version, for `scoring promote`.
    bundle_id : str
    figures, spreads : dict
        Test figures: mean and standard deviation over turns, each with another 30 % of customers held out.
    own_figures, figures_by_bucket, intervals : dict
        The registered bundle on its own held-out customers: overall, by bucket, bootstrap 95 % intervals.
    findings : list of GateFinding
        Gates that did not pass.
    """

    version: str
    run_id: str
    bundle_id: str
    train_days: list[date]
    test_day: date
    figures: dict[str, float]
    spreads: dict[str, float]
    own_figures: dict[str, float]
    figures_by_bucket: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    findings: list[GateFinding]
