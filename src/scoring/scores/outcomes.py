"""Further probabilities of a bundle: roll, cure, self-cure, promise kept, contact made, three months late within ninety days.

They stand beside the two scores and never enter them: contactability drives the minutes an attempt costs, the others say where
help or haste is due. A bundle holds the models that its data could teach; a model that is not there gives no column, and an account
outside a model's population has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.portfolio.reading import Portfolio
from scoring.scores import outcome_targets as seen
from scoring.scores.bundle import Bundle
from scoring.scores.log_odds import probability
from scoring.scores.outcome_targets import REACHED
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import BUCKET_FIRST_DPD, Bucket, Channel

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
HOLDS: Final = ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One further probability.

    Attributes
    ----------
    name : str
        Column, and name of the model in the bundle.
    meaning : str
        What the probability is of, given what.
    days : int or None
        The window; None is the horizon of the recipe.
    tables : tuple of str
        Optional tables without which it cannot be learned.
    is_early : bool
        Whether it speaks about accounts that are current or M1; otherwise about every account past due.
    targets : callable
        (portfolio, frame, definition) -> DataFrame of ``seen`` (0.0, 1.0 or NaN) and ``weight``, in the frame's order.
    """

    name: str
    meaning: str
    days: int | None
    tables: tuple[str, ...]
    is_early: bool
    targets: Callable[[Portfolio, FeatureFrame, TargetDefinition], pd.DataFrame]

    def population(self, frame: FeatureFrame) -> Booleans:
        """The accounts it speaks about: under no hold, and past due (or, for early warning, at most M1)."""
        return self.speaks_about({name: np.asarray(frame.positions[name]) for name in ("dpd", *HOLDS)})

    def speaks_about(self, positions: Mapping[str, npt.NDArray[Any]]) -> Booleans:
        """The same from ``dpd`` and holds given as arrays."""
        dpd = positions["dpd"]
        inside = dpd < BUCKET_FIRST_DPD[Bucket.M2] if self.is_early else dpd >= BUCKET_FIRST_DPD[Bucket.M1]
        return np.asarray(inside & ~is_held(positions), dtype=bool)


def is_held(positions: Mapping[str, npt.NDArray[Any]]) -> Booleans:
    """Accounts under a hold.

    >>> is_held({name: np.array([name == "is_disputed", False]) for name in HOLDS}).tolist()
    [True, False]
    """
    charged_off, deceased, disputed, on_kept_plan = (positions[name] for name in HOLDS)
    return np.asarray(charged_off | deceased | disputed | on_kept_plan, dtype=bool)


def _plain(target: Floats) -> pd.DataFrame:
    return pd.DataFrame({"seen": target, "weight": np.ones(len(target))})


def _roll(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    return _plain(seen.roll_and_cure(portfolio, frame, definition)["roll"].to_numpy())


def _cure(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    return _plain(seen.roll_and_cure(portfolio, frame, definition)["cure"].to_numpy())


def _self_cure(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    return seen.self_cure(portfolio, frame, definition).rename(columns={"self_cure": "seen"})


def _kept(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    return _plain(seen.promise_kept(portfolio, frame, definition))


def _late(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    return _plain(seen.three_months_late(portfolio, frame, definition))


def _reached(channel: Channel) -> Callable[[Portfolio, FeatureFrame, TargetDefinition], pd.DataFrame]:
    return lambda portfolio, frame, definition: _plain(seen.reached(portfolio, frame, definition, channel))


EARLY_WARNING: Final = Outcome(
    "p_m3_90d",
    "three months late or worse 30, 60 or 90 days on, for an account that is current or M1",
    seen.EARLY_WARNING_DAYS,
    (),
    True,
    _late,
)
OUTCOMES: Final = MappingProxyType(
    {
        one.name: one
        for one in (
            Outcome("p_roll_30d", "in a worse bucket at the end of the horizon", None, (), False, _roll),
            Outcome("p_cure_30d", "current by payment at the end of the horizon", None, (), False, _cure),
            Outcome("p_self_cure_30d", "past due paid before any contact", None, ("contacts",), False, _self_cure),
            Outcome(
                "p_promise_kept", "the next promise kept, given that one is made", None, ("promises",), False, _kept
            ),
            EARLY_WARNING,
            *(
                Outcome(
                    f"p_contact_{channel}",
                    f"the customer reached by {channel}, given that it is tried",
                    None,
                    ("contacts",),
                    False,
                    _reached(channel),
                )
                for channel in REACHED
            ),
        )
    }
)
"""Every further probability this code knows, by the name of its column and model."""


def outcomes(bundle: Bundle, frame: FeatureFrame) -> pd.DataFrame:
    """The further probabilities of every account of a frame, in its order.

    Parameters
    ----------
    bundle : Bundle
    frame : FeatureFrame
        Built with ``min_dpd=0`` where early warning is wanted: it speaks about current accounts too.

    Returns
    -------
    DataFrame, one row per account
        ``account_id`` and a column per model that the bundle holds, in [0, 1]; NaN where the model does not speak about the account.

    Examples
    --------
    >>> list(OUTCOMES)[:5]
    ['p_roll_30d', 'p_cure_30d', 'p_self_cure_30d', 'p_promise_kept', 'p_m3_90d']
    """
    return pd.DataFrame({"account_id": frame.positions["account_id"].to_numpy(), **outcome_columns(bundle, frame)})


def outcome_columns(bundle: Bundle, frame: FeatureFrame, *, threads: int = 1) -> dict[str, Floats]:
    """`outcomes` as arrays by model; empty for a bundle without further models.

    Examples
    --------
    >>> from datetime import date
    >>> from pathlib import Path
    >>> outcome_columns(Bundle("id", Path("."), {}, {}), FeatureFrame(date(2025, 5, 1), pd.DataFrame(), np.empty((0, 0), np.float32)))
    {}
    """
    names = outcome_models(bundle)
    if not names:
        return {}
    positions = {name: np.asarray(frame.positions[name]) for name in ("dpd", *HOLDS)}
    return outcome_chances(bundle.margins(names, frame.values, threads=threads), positions)


def outcome_models(bundle: Bundle) -> tuple[str, ...]:
    """Names of the further models that a bundle holds.

    >>> from pathlib import Path
    >>> outcome_models(Bundle("id", Path("."), {}, {}))
    ()
    """
    return tuple(name for name in OUTCOMES if name in bundle.boosters)


def outcome_chances(margins: Mapping[str, Floats], positions: Mapping[str, npt.NDArray[Any]]) -> dict[str, Floats]:
    """Probabilities of margins by model; NaN for accounts that the model does not speak about.

    Parameters
    ----------
    margins : mapping of str to array (n_accounts,)
    positions : mapping of str to array (n_accounts,)
        ``dpd`` and the holds.

    Examples
    --------
    >>> positions = {"dpd": np.array([10, 0]), **{name: np.zeros(2, dtype=bool) for name in HOLDS}}
    >>> {name: column.tolist() for name, column in outcome_chances({"p_roll_30d": np.zeros(2)}, positions).items()}
    {'p_roll_30d': [0.5, nan]}
    """
    if not margins:
        return {}
    lines = probability(np.stack(list(margins.values())))
    inside = {is_early: _one_of(is_early).speaks_about(positions) for is_early in (False, True)}
    return {
        name: np.where(inside[OUTCOMES[name].is_early], line, np.nan) for name, line in zip(margins, lines, strict=True)
    }


def _one_of(is_early: bool) -> Outcome:
    return next(outcome for outcome in OUTCOMES.values() if outcome.is_early == is_early)
