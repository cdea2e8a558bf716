"""What goes into a bundle beside the core models: the scorecard, learned channel effects, and the figures of the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.portfolio.reading import Portfolio
from scoring.scores.calibration import maps_from_json
from scoring.scores.effects import LearnedEffects
from scoring.scores.scores import channel_effects
from scoring.scores.targets import TargetDefinition
from training.boosting import fit_models
from training.effects import fit_effects
from training.effects_data import LoggedDecisions, logged_decisions
from training.fitting import Fitted
from training.recipe import Recipe
from training.scorecard import fit_scorecard
from training.snapshots import Snapshot, is_held_out

Progress = Callable[[str], None]
FOLDS = 2


def bundle_documents(
    portfolio: Portfolio,
    snapshots: Sequence[Snapshot],
    fitted: Fitted,
    ways: Recipe,
    definition: TargetDefinition,
    test_day: date,
    *,
    turn: int = 0,
    decisions: LoggedDecisions | None = None,
    threads: int = 1,
    progress: Progress = lambda message: None,
) -> dict[str, Any]:
    """The JSON documents of a bundle: calibration, intervals, scorecard and, where there is a log of decisions, effects.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        Training days, already without the held-out customers.
    test_day : date
        Decisions whose window closes after it are left out, as are decisions about held-out customers.
    turn : int
        Whose held-out customers are meant, as `training.rotation` counts turns.
    decisions : LoggedDecisions, optional
        The portfolio's log where it has been read already.
    """
    progress("fitting the scorecard")
    documents = {**fitted.documents, "scorecard": fit_scorecard(snapshots, ways).to_json()}
    progress("learning channel effects from the log of decisions")
    learned = learned_effects(
        portfolio, snapshots, fitted, ways, definition, test_day, turn=turn, decisions=decisions, threads=threads
    )
    return documents if learned is None else {**documents, "effects": learned.to_json()}


def learned_effects(
    portfolio: Portfolio,
    snapshots: Sequence[Snapshot],
    fitted: Fitted,
    ways: Recipe,
    definition: TargetDefinition,
    test_day: date,
    *,
    turn: int = 0,
    decisions: LoggedDecisions | None = None,
    threads: int = 1,
) -> LearnedEffects | None:
    """Channel effects from the matured decisions about training customers; None where no log has matured.

    The logged score of a decision comes from a model that never saw its customer, calibrated as it will be served.
    """
    if decisions is None:
        decisions = logged_decisions(portfolio, definition, until=test_day, **ways.effects)
    if decisions is None:
        return None
    share, shift = ways.split["test_customer_share"], turn / ways.split["rotations"]
    decisions = decisions.take(~is_held_out(decisions.rows["customer_id"], share, shift=shift))
    if not len(decisions):
        return None
    margin = unseen_margin(decisions, snapshots, ways, threads=threads)
    maps = maps_from_json(fitted.documents["calibration"])
    if "willingness" in maps:
        margin = maps["willingness"].margin(margin)
    prior = {channel: effect.shift for channel, effect in channel_effects().items()}
    return fit_effects(decisions, margin, prior)


def unseen_margin(
    decisions: LoggedDecisions, snapshots: Sequence[Snapshot], ways: Recipe, *, threads: int = 1
) -> npt.NDArray[np.float64]:
    """Log-odds of willingness at each decision, by a model fitted on other customers."""
    margin = np.empty(len(decisions))
    for fold in range(FOLDS):

        def aside(customers: Any, shift: float = fold / FOLDS) -> npt.NDArray[np.bool_]:
            return is_held_out(customers, 1 / FOLDS, salt="effects", shift=shift)

        others = [one.take(~aside(one.frame.positions["customer_id"])) for one in snapshots]
        booster = fit_models(others, ways, ("willingness",), threads=threads)["willingness"]
        rows = aside(decisions.rows["customer_id"])
        if rows.any():
            margin[rows] = np.asarray(booster.predict(decisions.values[rows], raw_score=True, num_threads=1))
    return margin
