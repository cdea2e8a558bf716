"""Deciding accounts one by one between two plans, at the prices of now; and what such decisions share in their records."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.live import decide_at_prices
from scoring.decisions.plan import strategy_versions
from scoring.decisions.timing import timing
from scoring.decisions.treatments import treatment_table
from scoring.features.builder import feature_spec_hash
from scoring.ledger.decision_record import SCHEMA as RECORD_SCHEMA
from scoring.ledger.decision_record import Circumstances, record_blocks
from scoring.ledger.record import Record
from scoring.ledger.store import Ledger
from scoring.scores.bundle import Bundle
from scoring.scores.scores import Scores
from serving.answers import decision_rows
from serving.contact_policy import Policy, blocks_of
from serving.current_plan import QUEUE_FIELDS, CurrentPlan
from serving.degraded import CLOSED_WHILE_DEGRADED, Condition, score_or_card
from serving.histories import Histories, Judged
from serving.live_prices import LivePrices
from serving.nightly import policy_facts
from serving.redecided import Redecided

DECISION: Final = "decision"
MOVED_IN: Final = 0
"""The rank of an account that came into a queue after the plan."""


class Decided:
    """Decisions that were made and not yet recorded: their records, their rows as answered, and blocks by rule and channel."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.rows: list[dict[str, Any]] = []
        self.queue_rows: list[dict[str, Any]] = []
        self.losses: list[int] = []
        self.blocks: Counter[tuple[str, str]] = Counter()

    def again(self, event_seq: int, *, is_worked: bool) -> Redecided:
        """A single decision as the queue keeps it; an account that was worked today leaves the queues."""
        [row], [place] = self.rows, self.queue_rows
        return Redecided.of(row, None if is_worked or row["channel"] == "none" else place, self.losses[0], event_seq)


def decide_now(
    histories: Histories,
    bundle: Bundle,
    plan: CurrentPlan,
    policy: Policy,
    ledger: Ledger,
    prices: LivePrices,
    condition: Condition | None = None,
) -> Decided:
    """Decide every account by itself; nothing is written."""
    decided = Decided()
    for part in histories.parts:
        judged, as_of = part.judged, part.frame.as_of
        when = None if judged.events is None else timing(judged.events, plan.curve_on(as_of))
        scores, degraded = score_or_card(bundle, part.frame, condition)
        offered = prices.without(CLOSED_WHILE_DEGRADED) if degraded else prices
        stated = {**offered.stated(plan.run_id), **({"scored_by": scores.scored_by} if degraded else {})}
        shared = request_circumstances(histories, judged, policy, bundle, plan, stated)
        made = decide_at_prices(
            scores, bundle.definition, offered.prices, offered.closed, run_id=shared.run_id, lawful=judged.lawful,
            minute_prices=offered.minute_prices, events=judged.events, when=when, strategy=plan.strategy,
        )  # fmt: skip
        made = made.named_by(shared.run_id, ledger.refs)
        blocks = record_blocks(
            made, scores, bundle, shared, judged.lawful, refs=ledger.refs, events=judged.events, when=when,
            at_prices=stated,
        )  # fmt: skip
        decided.records += _records(blocks, as_of)
        decided.rows += decision_rows(made.decisions, as_of.isoformat(), shared.trigger, degraded=degraded)
        decided.blocks.update(blocks_of(judged.lawful))
        decided.queue_rows += queue_rows(made.decisions, scores)
        decided.losses += made.decisions["loss_cents"].tolist()
    return decided


def queue_rows(decisions: Any, scores: Scores) -> list[dict[str, Any]]:
    """Rows of the decisions as a queue shows them."""
    known = {name: decisions[name] if name in decisions.columns else scores.table[name] for name in QUEUE_FIELDS}
    columns = [known[name].tolist() for name in QUEUE_FIELDS]
    return [{**dict(zip(QUEUE_FIELDS, row, strict=True)), "rank": MOVED_IN} for row in zip(*columns, strict=True)]


def request_circumstances(
    histories: Histories, judged: Judged, policy: Policy, bundle: Bundle, plan: CurrentPlan, stated: dict[str, Any]
) -> Circumstances:
    """What the decisions of a request share."""
    return circumstances_of(judged.lawful, histories.fingerprint, histories.as_of, policy, bundle, plan, stated)


def circumstances_of(
    lawful: Lawfulness | None,
    fingerprint: str,
    as_of: date,
    policy: Policy,
    bundle: Bundle,
    plan: CurrentPlan,
    stated: dict[str, Any],
) -> Circumstances:
    """The same from its parts; the run id is a hash of everything that can change a decision."""
    judged_by = {
        **policy_facts(lawful, policy.operations),
        "treatments": treatment_table().version,
        **strategy_versions(plan.strategy),
    }
    inputs = [
        RECORD_SCHEMA, "request", fingerprint, as_of.isoformat(), bundle.bundle_id,
        feature_spec_hash(),
        stated, judged_by,
    ]  # fmt: skip
    return Circumstances(
        run_id=hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
        trigger="request",
        data_fingerprint=fingerprint,
        currency=bundle.manifest["currency"],
        policy=judged_by,
        environment=_environment(),
    )


@lru_cache(maxsize=1)
def _environment() -> Mapping[str, str]:
    """Versions of the libraries that a replay must match."""
    return MappingProxyType({name: version(name) for name in ("lightgbm", "numpy", "duckdb")})


def _records(blocks: Iterable[pa.Table], as_of: date) -> list[Record]:
    columns = ("record_id", "account_id", "body")
    return [
        Record(record_id, DECISION, body.encode(), account_id=account_id, as_of=as_of)
        for block in blocks
        for record_id, account_id, body in zip(*(block[name].to_pylist() for name in columns), strict=True)
    ]
