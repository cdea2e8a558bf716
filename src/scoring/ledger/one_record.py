"""The record of one decision between plans, from plain values: to the byte what `record_blocks` gives for that row.

Columns are cheap for a hundred thousand records and dear for one. A field that is added to the decision record is added here too; a test
compares both on every account of a portfolio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.plan import RULE, Plan
from scoring.decisions.timing import Timing
from scoring.features.builder import feature_spec_hash
from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.ledger.canonical import Text, canonical
from scoring.ledger.decision_record import (
    MOST_REASONS,
    SCHEMA,
    SMALLEST_REASON_SHARE,
    Circumstances,
    effect_sources,
    margin_of,
)
from scoring.ledger.replay_inputs import FLAGS, MINIMUM, REACHED_LETTER, WHOLE
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.scores import MODELS, Scores
from scoring.vocabulary import CONTACT_CHANNELS

_ROW: Final = slice(0, 1)
_CHANNELS: Final = tuple(str(channel) for channel in CONTACT_CHANNELS)
_GROUPS: Final = tuple(dict.fromkeys(str(feature.group) for feature in FEATURES))
_GROUP_OF: Final = tuple(_GROUPS.index(str(feature.group)) for feature in FEATURES)
_MEMBERS: Final = tuple(
    tuple(k for k, group in enumerate(_GROUP_OF) if group == place) for place in range(len(_GROUPS))
)
_CHOICE: Final = {
    "channel": "channel",
    "loss_cents": "loss_cents",
    "needs_review": "needs_review",
    "priority_value_cents": "priority_value_cents",
    "queue_rank": "rank",
    "reason": "reason",
    "runner_up": "runner_up_channel",
    "treatment": "treatment",
    "waited_days": "waited_days",
}
_SCORED: Final = (
    "bucket", "cure_amount_cents", "dpd", "evidence", "evidence_missing", "p_full", "past_due_cents", "segment", "w_logged", "w_none",
)  # fmt: skip

Floats = npt.NDArray[np.float64]


def one_record(
    plan: Plan,
    scores: Scores,
    bundle: Bundle,
    shared: Circumstances,
    *,
    account_ref: str,
    customer_ref: str,
    lawful: Lawfulness | None,
    rules: bytes,
    flags: Sequence[str] | None,
    when: Timing | None,
    at_prices: Mapping[str, Any],
) -> bytes:
    """The body of the first row's record, as canonical JSON.

    Parameters
    ----------
    account_ref, customer_ref : str
        What stands for account and customer in the ledger.
    rules : bytes
        What each rule said about the account: `scoring.ledger.decision_record.policy_results` of its table.
    flags : sequence of str
        Kinds of the customer's open standings that the strategy looks at, in the order of their names.
    """
    features = _shortest(scores.frame.values[0])
    position = _position(scores, lawful, customer_ref, flags)
    given: dict[str, Any] = {
        "data_fingerprint": shared.data_fingerprint,
        "feature_spec_hash": feature_spec_hash(),
        "features": features,
        "position": position,
    }
    if when is not None:
        given["timing"] = _timing(plan, when)
    decided = plan.decisions
    return canonical(
        {
            "account_ref": account_ref,
            "as_of": scores.frame.as_of.isoformat(),
            "at_prices": dict(at_prices),
            "candidates": _candidates(plan),
            "choice": {
                **{name: _first(decided, column) for name, column in _CHOICE.items()},
                "exploration": {name: _first(decided, name) for name in ("explored", "holdout", "propensity")},
                "margin_cents": _amounts(margin_of(plan, _ROW))[0],
                "priority_formula": RULE,
            },
            "currency": shared.currency,
            "decision_id": _first(decided, "decision_id"),
            "decision_kind": "choose_channel",
            "environment": dict(shared.environment),
            "input": given,
            "model": {
                "bundle_id": bundle.bundle_id,
                "effects": effect_sources(bundle, scores),
                "recipe": bundle.manifest["recipe"],
                "reference_population": bundle.manifest["reference_population"],
                **({} if scores.scored_by == MODELS else {"scored_by": scores.scored_by}),
            },
            "policy": {**shared.policy, **({} if lawful is None else {"results": Text(rules)})},
            "run_id": shared.run_id,
            "schema": SCHEMA,
            "scores": _scores(scores, features),
            "strategy": plan.strategy.facts(),
            "trigger": shared.trigger,
        }
    )


def _first(table: Any, name: str) -> Any:
    """The first row's value, as plain Python."""
    return table[name][:1].tolist()[0]


def _shortest(values: npt.NDArray[np.float32]) -> list[float | None]:
    """The shortest decimals that give the same float32 back; None where not observed."""
    found: list[float | None] = orjson.loads(
        orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    )
    return found


def _position(
    scores: Scores, lawful: Lawfulness | None, customer_ref: str, flags: Sequence[str] | None
) -> dict[str, Any]:
    at = scores.frame.positions
    minimum = float(_first(at, MINIMUM))
    found: dict[str, Any] = {
        **{name: int(_first(at, name)) for name in WHOLE},
        **{name: bool(_first(at, name)) for name in FLAGS},
        MINIMUM: None if minimum != minimum else minimum,
        "customer_ref": customer_ref,
        "open_flags": list(flags or ()),
    }
    if lawful is not None:
        found["channels_open"] = _letters(lawful.open[0])
        found["channels_reviewed"] = _letters(lawful.under_review[0])
        found["channels_reached"] = "".join(REACHED_LETTER[truth] for truth in lawful.reachable[0].tolist())
    return found


def _letters(row: npt.NDArray[np.bool_]) -> str:
    return "".join("y" if each else "n" for each in row.tolist())


def _timing(plan: Plan, when: Timing) -> dict[str, Any]:
    waiting = plan.waiting
    return {
        "hold": str(when.holds[0]),
        "channels_too_soon": _letters(when.too_soon[0]),
        "waits_days": 0 if waiting is None else int(waiting.days[0]),
        "waits_gain_cents": 0.0 if waiting is None else float(waiting.gain_cents[0]),
    }


def _candidates(plan: Plan) -> dict[str, Any]:
    worth = plan.worth
    parts = {
        "cost_cents": worth.cost(_ROW),
        "gain_cents": worth.gain(_ROW),
        "harm_cents": worth.harm(_ROW),
        "minutes": worth.minutes[_ROW],
        "price_cents": plan.price_of_contact(_ROW),
        "value_cents": plan.values[_ROW],
    }
    amounts = _amounts(np.concatenate([part[0] for part in parts.values()]))
    return {channel: dict(zip(parts, amounts[k :: len(_CHANNELS)], strict=True)) for k, channel in enumerate(_CHANNELS)}


def _amounts(values: Floats) -> list[float | None]:
    """Amounts to a hundredth of a minor unit; None where there is none."""
    finite = np.isfinite(values)
    rounded = np.round(np.where(finite, values, 0.0), 2).tolist()
    return [amount if there else None for amount, there in zip(rounded, finite.tolist(), strict=True)]


def _scores(scores: Scores, features: Sequence[float | None]) -> dict[str, Any]:
    table = scores.table
    return {
        **{name: _explained(name, scores, features) for name in EXPLAINED},
        **{name: _number(table, name) for name in _SCORED},
        "ability_share": {
            "high": _number(table, "ability_high"), "low": _number(table, "ability_low"), "value": _number(table, "ability"),
        },
        "payable_cents": {side: _number(table, f"payable_{side}_cents") for side in ("low", "mid", "high")},
        "w_none_interval": {side: _number(table, f"w_none_{side}") for side in ("low", "high")},
    }  # fmt: skip


def _number(table: Any, name: str) -> Any:
    return _first(table, name)


def _explained(name: str, scores: Scores, features: Sequence[float | None]) -> dict[str, Any]:
    parts: list[float] = scores.contributions[name][0].tolist()
    by_group = [0.0] * len(_GROUPS)
    for place, group in enumerate(_GROUP_OF):
        by_group[group] += parts[place]
    return {
        "expected_margin": parts[-1],
        "groups": dict(zip(_GROUPS, by_group, strict=True)),
        "margin": float(scores.margins[name][0]),
        "reasons": _reasons(parts, by_group, features),
        "scale": "log-odds",
    }


def _reasons(
    parts: Sequence[float], by_group: Sequence[float], features: Sequence[float | None]
) -> list[dict[str, Any]]:
    """As `scoring.ledger.decision_record.reasons`, which sums the movement in the same order."""
    sizes = [abs(part) for part in parts]
    size = np.abs(np.array([by_group]))
    smallest = SMALLEST_REASON_SHARE * float(size.sum(axis=1)[0])
    order = np.argsort(-size, axis=1, kind="stable")[0, :MOST_REASONS].tolist()
    told = []
    for group in order:
        if abs(by_group[group]) > smallest:
            strongest = max(_MEMBERS[group], key=sizes.__getitem__)
            told.append(
                {
                    "contribution": by_group[group],
                    "feature": FEATURE_NAMES[strongest],
                    "group": _GROUPS[group],
                    "value": features[strongest],
                }
            )
    return told
