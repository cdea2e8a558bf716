"""When the models cannot score: the scorecard that comes with the bundle answers instead, and every such answer says so.

*Cannot score* means that a bundle whose hashes are right fails at work: LightGBM raises, a kernel does not compile, contributions do not
add up, memory is gone. One whose files are not the pinned ones never gets here: it is refused as a whole and the service is not ready,
because a scorecard out of a folder that somebody changed could not be answered for either.

The plan's decisions stand. What must be decided while the models cannot score is decided on the scorecard, flagged in its record, and
presses no harder than a written reminder: who cannot tell how people will take a call or a visit does not order one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm
from numba.core.errors import NumbaError

from scoring.errors import BundleError, ContributionsError, FeatureError, ScoringError
from scoring.features.builder import FeatureFrame
from scoring.ledger.human import PRESSURE
from scoring.scores.bundle import Bundle
from scoring.scores.card_scores import card_scores
from scoring.scores.scores import Scores, score
from scoring.vocabulary import CONTACT_CHANNELS, Channel

CANNOT_SCORE = (ContributionsError, BundleError, FeatureError, lightgbm.basic.LightGBMError, NumbaError, MemoryError)
MOST_PRESSURE: Final = PRESSURE[Channel.SMS]
"""A written reminder, a house limit of 2026-11."""
CLOSED_WHILE_DEGRADED: Final = frozenset(c for c in CONTACT_CHANNELS if PRESSURE[c] > MOST_PRESSURE)
"""Channels that no decision on the scorecard may choose."""


@dataclass
class Condition:
    """Whether the models of a bundle could score when they were last asked; ``failed_with`` is the code of why not."""

    failed_with: str | None = None

    @property
    def is_degraded(self) -> bool:
        """Whether they could not: the scorecard stands in, where there is one."""
        return self.failed_with is not None


def score_or_card(bundle: Bundle, frame: FeatureFrame, condition: Condition | None = None) -> tuple[Scores, bool]:
    """Scores, and whether they are the scorecard's.

    Parameters
    ----------
    bundle : Bundle
    frame : FeatureFrame
    condition : Condition, optional
        Told what came of it.

    Raises
    ------
    ScoringError
        Of the models, where the bundle has no scorecard.
    """
    condition = Condition() if condition is None else condition
    try:
        scores = score(bundle, frame)
    except CANNOT_SCORE as error:
        condition.failed_with = error.code if isinstance(error, ScoringError) else type(error).__name__
        if bundle.scorecard is None:
            raise _nothing_left(error) from error
        return card_scores(bundle, frame), True
    condition.failed_with = None
    return scores, False


def _nothing_left(error: Exception) -> ScoringError:
    """The refusal of a bundle without a scorecard whose models cannot score."""
    if isinstance(error, ScoringError):
        return type(error)(error.message, field=error.field, got=error.got, expected=error.expected)
    return ContributionsError(
        f"The models cannot score here ({type(error).__name__}), and the bundle has no scorecard to stand in for them. Look at memory and "
        "libraries of this machine, or promote another bundle.",
        field="bundle",
        got=type(error).__name__,
    )
