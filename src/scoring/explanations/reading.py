"""From a stored record to `DecisionFacts`: what every decision must state is there, or the record is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from scoring.errors import LedgerError, UnknownDecisionError
from scoring.explanations.facts import Candidate, DecisionFacts, Reason, ScoreFacts, Verdict
from scoring.ledger.record import StoredRecord
from scoring.vocabulary import CONTACT_CHANNELS

SCHEMAS: Final = ("decision/1",)


def facts_of(record: StoredRecord) -> DecisionFacts:
    """Read a decision record.

    Raises
    ------
    UnknownDecisionError
        ``unknown_decision``: the record is of another kind.
    LedgerError
        ``ledger_broken``: a record of another schema, or one that lacks what a decision must state.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> batch = StoredRecord(2, "B1", "batch", None, None, "B1", None, at, b"", b"", b"", "{}")
    >>> facts_of(batch)
    Traceback (most recent call last):
    ...
    scoring.errors.UnknownDecisionError: Record B1 is of kind 'batch', not a decision, so there is nothing to explain. \
Give the id of a decision.
    """
    if record.kind != "decision":
        raise UnknownDecisionError(
            f"Record {record.record_id} is of kind {record.kind!r}, not a decision, so there is nothing to explain. "
            "Give the id of a decision.",
            field="decision_id",
            got=record.kind,
            expected="decision",
        )
    body = record.body
    if body.get("schema") not in SCHEMAS:
        raise LedgerError(
            f"Decision {record.record_id} is of schema {body.get('schema')!r} and this version words "
            f"{', '.join(SCHEMAS)}. Explain it with the version that wrote it.",
            field="schema",
            got=body.get("schema"),
            expected=list(SCHEMAS),
        )
    try:
        return _facts(record, body)
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            f"Decision {record.record_id} lacks a value that every decision states ({error}), so it cannot be "
            "explained. Run `scoring verify`, and have the record examined.",
            field="body",
            got=str(error),
        ) from error


def _facts(record: StoredRecord, body: Mapping[str, Any]) -> DecisionFacts:
    for group, names in _STATED.items():
        for name in names:
            body[group][name]
    return DecisionFacts(
        record=record,
        body=body,
        as_of=date.fromisoformat(body["as_of"]),
        currency=body["currency"],
        willingness=_score(body["scores"]["willingness"]),
        ability=_score(body["scores"]["ability"]),
        candidates={
            str(channel): Candidate(
                str(channel),
                found["value_cents"],
                found["cost_cents"],
                found["price_cents"],
                found.get("harm_cents", 0.0),
            )
            for channel in CONTACT_CHANNELS
            if (found := body["candidates"].get(str(channel))) is not None
        },
        verdicts=_verdicts(body["policy"].get("results", {}).get("rules", {})),
    )


_STATED: Final = {
    "choice": (
        "channel", "treatment", "reason", "runner_up", "queue_rank", "priority_formula", "priority_value_cents",
        "exploration",
    ),
    "scores": (
        "bucket", "cure_amount_cents", "dpd", "evidence", "p_full", "past_due_cents", "payable_cents", "segment",
        "w_logged", "w_none",
    ),
    "model": ("bundle_id", "recipe", "reference_population"),
    "input": ("data_fingerprint", "feature_spec_hash", "features"),
    "policy": ("profile",),
}  # fmt: skip


def _score(stated: Mapping[str, Any]) -> ScoreFacts:
    reasons = tuple(
        Reason(r["group"], r["contribution"], r["feature"], r["value"], r.get("kept")) for r in stated["reasons"]
    )
    return ScoreFacts(stated["margin"], stated["expected_margin"], stated["groups"], reasons)


_OUTCOMES: Final = {".": "not_applicable", "p": "pass", "u": "unknown", "r": "review", "b": "block"}
"""How schema decision/1 writes what a rule said, one letter per contact channel."""


def _verdicts(rules: Mapping[str, str]) -> tuple[Verdict, ...]:
    """What each rule said, from one letter per channel, gathered where it says the same for several channels."""
    found = []
    for rule, letters in rules.items():
        said: dict[str, list[str]] = {}
        for letter, channel in zip(letters, CONTACT_CHANNELS, strict=True):
            said.setdefault(_OUTCOMES[letter], []).append(str(channel))
        said.pop("not_applicable", None)
        found += [Verdict(rule, outcome, tuple(names)) for outcome, names in said.items()]
    return tuple(found)
