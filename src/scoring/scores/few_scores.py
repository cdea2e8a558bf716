"""Scores of a few accounts, without a frame: the same numbers as `score`, bit by bit, read by the same names."""

from __future__ import annotations

from typing import Any, cast

from scoring.features.builder import FeatureFrame
from scoring.features.few_rows import FewRows
from scoring.scores.bundle import Bundle
from scoring.scores.scores import Scores, score_columns


def few_scores(bundle: Bundle, frame: FeatureFrame) -> Scores:
    """Score a few accounts whose positions are `FewRows`, with exact contributions.

    Raises
    ------
    ContributionsError
        As `scoring.scores.scores.score`.

    Examples
    --------
    The law that both ways agree is in ``tests/serving/test_deciding_stored.py``.
    """
    positions = cast(Any, frame.positions)
    found = score_columns(bundle, frame.values, positions, frame.as_of, with_outcomes=True)
    return Scores(frame, cast(Any, FewRows(found.columns)), found.margins, found.contributions)
