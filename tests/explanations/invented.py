"""Invented decision records: one that is worked under a full channel, and ways to make others from it.

Run as a script to write the golden pages after a deliberate change of wording, then read the difference:
``python -m tests.explanations.invented``.
"""

from __future__ import annotations

import math
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from scoring.explanations import explain
from scoring.features.registry import FEATURES
from scoring.ledger.canonical import canonical
from scoring.ledger.record import StoredRecord
from scoring.vocabulary import CONTACT_CHANNELS

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES = ("en", "zh")
AUDIENCES = ("compliance", "collector", "customer")
DECISION_ID = "3f1c2a90-5b7e-8d14-a6f0-0c2d9b8e7a61"

_WILLING, _ABLE_MARGIN, _OWED_CENTS = 0.62, -0.4, 1_234_500
_SHIFT_AND_COST = {"sms": (0.104, 5), "agent_call": (0.3, 600), "email": (0.05, 1), "letter": (0.06, 400)}


def worked() -> dict[str, Any]:
    """A repayment plan offered by an agent while agents are scarce; every number follows from the ones above."""
    ability = 1.0 / (1.0 + math.exp(-_ABLE_MARGIN))
    base = _WILLING * (1.0 - _WILLING) * ability * _OWED_CENTS
    values = {channel: round(base * shift - cost, 2) for channel, (shift, cost) in _SHIFT_AND_COST.items()}
    return {
        "account_ref": "A0017",
        "as_of": "2025-05-01",
        "candidates": {
            str(channel): {
                "cost_cents": _SHIFT_AND_COST.get(channel, (0, 50))[1],
                "price_cents": 4210.5 if channel == "agent_call" else 0,
                "value_cents": values.get(channel),
            }
            for channel in CONTACT_CHANNELS
        },
        "choice": {
            "channel": "agent_call",
            "exploration": {"explored": False, "holdout": False, "propensity": 1.0},
            "needs_review": True,
            "margin_cents": round(values["agent_call"] - values["sms"], 2),
            "priority_formula": "P(1-P) x A x D",
            "priority_value_cents": round(base),
            "queue_rank": 17,
            "reason": "",
            "runner_up": "sms",
            "treatment": "plan_offer",
        },
        "currency": "CNY",
        "decision_id": DECISION_ID,
        "decision_kind": "choose_channel",
        "environment": {"lightgbm": "4.7.0", "numpy": "2.4.6"},
        "input": {
            "data_fingerprint": "d0" * 32,
            "feature_spec_hash": "f5" * 32,
            "features": [None if place % 5 == 4 else float(place) for place in range(len(FEATURES))],
        },
        "model": {
            "bundle_id": "b1" * 32,
            "recipe": "default",
            "reference_population": "12,480 overdue accounts on 2025-01-31, 2025-02-28",
        },
        "policy": judged(),
        "run_id": "1a" * 32,
        "schema": "decision/1",
        "scores": {
            "ability": _score(
                -1.1, {"income_evidence": -0.3, "payment_size": 1.25, "balance_to_limit": -0.25},
                [("payment_size", "paid_cents_90d", 320000.0), ("income_evidence", "mean_inflow_cents_90d", None),
                 ("balance_to_limit", "utilisation", 0.93)],
            ),
            "bucket": "M2",
            "cure_amount_cents": _OWED_CENTS,
            "dpd": 41,
            "evidence": "sufficient",
            "p_full": 0.124,
            "past_due_cents": 987_650,
            "payable_cents": {"high": 610_000, "low": 120_000, "mid": 333_300},
            "segment": "willing_unable",
            "ability_share": {"high": 0.47, "low": 0.33, "value": ability},
            "evidence_missing": "",
            "product": {
                "groups": {"payment_size": 0.11, "promises": -0.05, "income_evidence": -0.03, "spending": 0.01, "contact_response": 0.005},
                "reference": round(_WILLING * ability - 0.045, 12),
                "value": _WILLING * ability,
            },
            "w_logged": 0.66,
            "w_none": _WILLING,
            "w_none_interval": {"high": 0.66, "low": 0.57},
            "willingness": _score(
                0.2, {"payment_pattern": 0.82, "promises": -0.41, "contact_response": 0.2, "length_of_arrears": -0.12},
                [("payment_pattern", "days_since_last_payment", 12.0), ("promises", "kept_promise_rate_180d", 1 / 3),
                 ("contact_response", "n_inbound_180d", 2.0), ("length_of_arrears", "worst_dpd_90d", 41.0)],
                kept=[1.0, 0.95, 0.7, 0.4],
            ),
        },
        "trigger": "plan",
    }  # fmt: skip


def _score(
    expected: float,
    groups: dict[str, float],
    reasons: list[tuple[str, str, float | None]],
    kept: list[float] | None = None,
) -> dict[str, Any]:
    told = [
        {"contribution": groups[g], "feature": f, "group": g, "kept": kept[place] if kept else None, "value": value}
        for place, (g, f, value) in enumerate(reasons)
    ]
    return {
        "expected_margin": expected,
        "groups": groups,
        "margin": expected + sum(groups.values()),
        "reasons": told,
        "scale": "log-odds",
    }


def judged() -> dict[str, Any]:
    """What a profile might say: no push messages, and visits and recordings that nobody knows the facts of."""
    return {
        "approved_by": None,
        "judged_at": "2026-05-02T02:00:00+00:00",
        "operations": {},
        "profile": "cn_bank_card",
        "results": {
            "closed": {"app_push": ["CN-PUSH-OFF"]},
            "review": {"agent_call": ["CN-REC-CALL"], "ai_voice": ["CN-REC-CALL"], "field_visit": ["CN-VISIT-PREREQ"]},
            "rules": {
                "CN-CAP-EFFECTIVE": "....pp...",
                "CN-HOLD-PLAN": "ppp.ppppp",
                "CN-REC-CALL": "....uu...",
                "CN-VISIT-PREREQ": ".......u.",
                "CN-PUSH-OFF": ".b.......",
            },
        },
        "rules_of": "2026-05-02",
        "sha256": "c0" * 32,
        "status": "draft",
        "treatments": "7e" * 32,
        "version": "2026.05.01-1",
    }


def held(reason: str = "dispute_open") -> dict[str, Any]:
    """An account that a rule takes out of collection."""
    return silent(reason, treatment="no_action", valued=False)


def silent(reason: str, treatment: str = "plan_offer", *, valued: bool = True) -> dict[str, Any]:
    """No contact, for a reason."""
    body = worked()
    body["policy"] = {"profile": None, "note": "no contact-policy profile", "treatments": "7e" * 32}
    body["choice"] |= {
        "channel": "none", "treatment": treatment, "reason": reason, "queue_rank": 0,
        "runner_up": "agent_call" if valued else "none",
    }  # fmt: skip
    body["scores"]["product"] = None
    if not valued:
        for candidate in body["candidates"].values():
            candidate |= {"value_cents": None, "price_cents": 0}
    return body


def changed(body: dict[str, Any], **paths: Any) -> dict[str, Any]:
    """A copy with some values changed; ``choice__channel="sms"`` reaches into a group."""
    copy = deepcopy(body)
    for path, value in paths.items():
        *groups, name = path.split("__")
        place = copy
        for group in groups:
            place = place[group]
        place[name] = value
    return copy


def record(body: dict[str, Any], *, kind: str = "decision") -> StoredRecord:
    """A body as the ledger would give it back."""
    return StoredRecord(
        seq=7,
        record_id=DECISION_ID,
        kind=kind,
        account_ref="s-0017",
        account_id=body["account_ref"],
        as_of=date(2025, 5, 1),
        batch_id="1a" * 32,
        about=None,
        recorded_at=datetime(2025, 5, 1, 22, 4, 5, tzinfo=UTC),
        body_hash=bytes([1]) * 32,
        prev_hash=bytes([2]) * 32,
        hash=bytes([3]) * 32,
        text=canonical(body).decode(),
    )


def golden_pages() -> dict[str, str]:
    """File name to page, for two decisions, three audiences and two languages."""
    cases = {"worked": worked(), "held": held()}
    return {
        f"{case}.{audience}.{lang}.txt": explain(record(body), lang=lang, audience=audience)
        for case, body in cases.items()
        for audience in AUDIENCES
        for lang in LANGUAGES
    }


if __name__ == "__main__":
    for name, text in golden_pages().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
