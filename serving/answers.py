"""Answers as plain values: scores with their reasons, decisions, ledger records. Floats stay the doubles they are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.features.builder import FeatureFrame
from scoring.features.few_rows import FewRows
from scoring.ledger.record import StoredRecord, instant_text
from scoring.scores.bundle import EXPLAINED
from scoring.scores.scores import ScoreColumns, Scores
from serving.few_reasons import few_reasons

DECISION_FIELDS: Final = (
    "decision_id", "account_id", "channel", "treatment", "rank", "priority_value_cents", "runner_up_channel",
    "propensity", "explored", "holdout", "needs_review", "reason",
)  # fmt: skip


def score_rows(scores: Scores) -> list[dict[str, Any]]:
    """One object per account: the columns of ``scores.parquet``, and margin and reasons of each explained score."""
    table = scores.table
    columns = {name: table[name].tolist() for name in table.columns if name != "as_of"}
    columns["as_of"] = [scores.frame.as_of.isoformat()] * len(table)
    columns["explained"] = _explained(scores, scores.frame.values) if scores.contributions else [None] * len(table)
    return _rows(columns)


def column_rows(scores: ScoreColumns, frame: FeatureFrame) -> list[dict[str, Any]]:
    """The same objects as `score_rows` from scores that came as arrays."""
    columns = {name: column.tolist() for name, column in scores.columns.items() if name != "as_of"}
    columns["as_of"] = [frame.as_of.isoformat()] * len(frame.values)
    columns["explained"] = _explained(scores, frame.values)
    return _rows(columns)


def _explained(scores: Scores | ScoreColumns, values: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
    by_score = {}
    for name in EXPLAINED:
        parts = scores.contributions[name]
        columns = {
            "margin": scores.margins[name].tolist(),
            "expected_margin": parts[:, -1].tolist(),
            "reasons": few_reasons(parts, values),
        }
        by_score[name] = _rows(columns)
    return _rows(by_score)


def decision_rows(
    decisions: pd.DataFrame | FewRows, as_of: str, trigger: str, *, degraded: bool = False
) -> list[dict[str, Any]]:
    """One object per decision of a plan, in the order of the table."""
    columns: dict[str, list[Any]] = {name: decisions[name].tolist() for name in DECISION_FIELDS}
    shared = {"as_of": as_of, "trigger": trigger, "degraded": degraded}
    return _rows({**columns, **{name: [value] * len(decisions) for name, value in shared.items()}})


def record_answer(record: StoredRecord) -> dict[str, Any]:
    """A decision record with its place in the chain."""
    return {
        "decision_id": record.record_id,
        "account_id": record.account_id,
        "as_of": record.as_of.isoformat() if record.as_of else None,
        "batch_id": record.batch_id,
        "recorded_at": instant_text(record.recorded_at),
        "degraded": is_degraded(record),
        "body": record.body,
        "integrity": record.integrity(),
    }


def is_degraded(record: StoredRecord) -> bool:
    """Whether a decision was made on the scorecard, because the models could not score."""
    return "scored_by" in record.body.get("model", {})


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
