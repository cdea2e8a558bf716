"""The desk: what the service has loaded, and what it answers, in plain Python without HTTP.

Everything is loaded once at start. What could not be loaded is kept as the refusal that says why: the service is then
alive, not ready, and every question that needs the missing part is answered with that refusal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.live import decide_at_prices
from scoring.decisions.plan import strategy_versions
from scoring.decisions.treatments import treatment_table
from scoring.errors import NotReadyError, ScoringError, UnknownDecisionError
from scoring.features.builder import FeatureFrame, feature_spec_hash, pick
from scoring.ledger.decision_record import SCHEMA as RECORD_SCHEMA
from scoring.ledger.decision_record import Circumstances, record_blocks
from scoring.ledger.record import Record, StoredRecord
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import Pin
from scoring.scores.scores import Scores, score
from serving.answers import decision_rows
from serving.contact_policy import Policy
from serving.current_plan import CurrentPlan
from serving.histories import Histories, Judge, Part, inline_histories, stored_histories, unjudged
from serving.nightly import policy_facts
from serving.settings import Limits
from serving.state.database import State
from serving.wire import AccountsRequest

DECISION: Final = "decision"
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Day:
    """The current plan, its portfolio, and the features of every account on its day."""

    plan: CurrentPlan
    portfolio: Portfolio
    frame: FeatureFrame
    row_of: Mapping[str, int]
    policy: Policy | ScoringError


@dataclass(frozen=True)
class Desk:
    """What is loaded: each part, or the refusal that says why it is not."""

    champion: tuple[Pin, Bundle] | ScoringError
    ledger: Ledger | ScoringError
    day: Day | ScoringError
    state: State | ScoringError | None = None
    limits: Limits = field(default_factory=Limits)

    def known_state(self) -> State | None:
        """The service's own state, where it could be opened."""
        return self.state if isinstance(self.state, State) else None

    def refuse_unless_ready(self) -> None:
        """Raise what stands in the way of answering, the most basic first."""
        for part in self._parts():
            there(part)

    def is_ready(self) -> bool:
        """Whether every question can be answered."""
        return not any(isinstance(part, ScoringError) for part in self._parts())

    def _parts(self) -> tuple[Any, ...]:
        return (self.champion, self.ledger, self.day, self.state)

    def state_facts(self) -> dict[str, Any]:
        """For the log: what is served, or the code of what is missing."""
        missing = [part.code for part in self._parts() if isinstance(part, ScoringError)]
        return {"ready": False, "missing": list(dict.fromkeys(missing))} if missing else self.ready_facts()

    def bundle(self) -> Bundle:
        """The champion; refuses as long as there is none."""
        return there(self.champion)[1]

    def ready_facts(self) -> dict[str, Any]:
        """What the service answers with; refuses unless it can answer everything."""
        self.refuse_unless_ready()
        pin, bundle = there(self.champion)
        day = there(self.day)
        return {
            "ready": True,
            "bundle_id": bundle.bundle_id,
            "bundle_version": pin.version,
            "plan_run_id": day.plan.run_id,
            "plan_bundle_id": day.plan.bundle_id,
            "as_of": day.plan.as_of.isoformat(),
            "n_accounts": len(day.frame),
            "n_decisions": len(day.plan.decisions),
        }

    def is_quick(self, asked: AccountsRequest) -> bool:
        """Whether a question needs no SQL: stored accounts on the current plan's day."""
        return (
            asked.account_ids is not None
            and not isinstance(self.day, ScoringError)
            and asked.as_of in (None, self.day.plan.as_of)
        )

    def histories(self, asked: AccountsRequest, judge: Judge = unjudged) -> Histories:
        """Features of the accounts asked for, and what is lawful for them where it is judged.

        Raises
        ------
        ScoringError
            Unknown or ineligible accounts, a day out of range, faulty histories; or not ready.
        """
        bundle = self.bundle()
        if asked.accounts is not None and asked.as_of is not None:
            return inline_histories(asked.accounts, asked.as_of, bundle.manifest["currency"], judge)
        day, account_ids = there(self.day), tuple(asked.account_ids or ())
        if asked.as_of not in (None, day.plan.as_of):
            return stored_histories(day.portfolio, account_ids, asked.as_of, judge)
        rows = [day.row_of.get(account_id, -1) for account_id in account_ids]
        if -1 in rows:
            pick(day.frame, account_ids, _known(day.portfolio, account_ids))  # raises: says which account, and why
        part = Part(day.frame.take(np.array(rows, dtype=np.int64)), judge(day.portfolio, list(account_ids)))
        return Histories(account_ids, (part,), day.portfolio.fingerprint)

    def score(self, asked: AccountsRequest) -> Scores:
        """Scores with contributions that were asserted to add up; records nothing."""
        return score(self.bundle(), self.histories(asked).frame)

    def decide(self, asked: AccountsRequest, recorded_at: datetime) -> list[dict[str, Any]]:
        """Decisions in the order asked, each in the ledger before this returns.

        A stored account that the current plan decided gets that very decision. Any other is decided alone, at the
        plan's prices; asking again gives the same decision and writes nothing.
        """
        self.refuse_unless_ready()
        plan, named = self.plan(), asked.named()
        planned = [name for name in named if name in plan.row_of] if self.is_quick(asked) else []
        rows = decision_rows(
            plan.decisions.iloc[[plan.row_of[name] for name in planned]], plan.as_of.isoformat(), "plan"
        )
        if len(planned) < len(named):
            rest = set(named) - set(planned)
            ids = None if asked.account_ids is None else [name for name in named if name in rest]
            rows += self._decide_now(asked.model_copy(update={"account_ids": ids}), recorded_at)
        answer_of = {row["account_id"]: row for row in rows}
        return [answer_of[name] for name in named]

    def _decide_now(self, asked: AccountsRequest, recorded_at: datetime) -> list[dict[str, Any]]:
        bundle, plan, ledger = self.bundle(), there(self.day).plan, there(self.ledger)
        policy = there(there(self.day).policy)
        as_of = asked.as_of or plan.as_of
        histories = self.histories(asked, partial(policy.judge, as_of=as_of))
        records, rows = [], []
        for part in histories.parts:
            shared = request_circumstances(histories, part.lawful, policy, bundle, plan)
            scores = score(bundle, part.frame)
            decided = decide_at_prices(
                scores, bundle.definition, plan.prices, plan.closed, run_id=shared.run_id, lawful=part.lawful,
                minute_prices=plan.minute_prices,
            )  # fmt: skip
            blocks = record_blocks(
                decided, scores, bundle, shared, part.lawful, refs=ledger.refs, at_prices=stated_prices(plan)
            )
            records += _records(blocks, as_of)
            rows += decision_rows(decided.decisions, as_of.isoformat(), shared.trigger)
        ledger.append(records, recorded_at=recorded_at)
        return rows

    def content(self, channels: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What contacts on these channels must say and carry under the plan's contact policy."""
        return there(there(self.day).policy).content(channels)

    def plan(self) -> CurrentPlan:
        """The plan in force."""
        return there(self.day).plan

    def decision(self, decision_id: str) -> StoredRecord:
        """A decision's record; ``unknown_decision`` for anything else the ledger may hold."""
        found = there(self.ledger).get(decision_id)
        if found.kind != DECISION:
            raise UnknownDecisionError(
                f"Record {decision_id} is no decision but of kind {found.kind}. Check the id.",
                field="decision_id",
                got=decision_id,
                expected=DECISION,
            )
        return found

    def decisions_of(self, account_id: str, limit: int) -> list[StoredRecord]:
        """One account's decisions, newest first."""
        return [record for record in there(self.ledger).for_account(account_id, limit=limit) if record.kind == DECISION]

    def close(self) -> None:
        """Close the ledger and the portfolio."""
        if isinstance(self.ledger, Ledger):
            self.ledger.close()
        if isinstance(self.state, State):
            self.state.close()
        if isinstance(self.day, Day):
            self.day.portfolio.connection.close()


def request_circumstances(
    histories: Histories, lawful: Lawfulness | None, policy: Policy, bundle: Bundle, plan: CurrentPlan
) -> Circumstances:
    """What the decisions of a request share; the run id is a hash of everything that can change one of them."""
    judged_by = {
        **policy_facts(lawful, policy.operations),
        "treatments": treatment_table().version,
        **strategy_versions(),
    }
    inputs = [
        RECORD_SCHEMA, "request", histories.fingerprint, histories.as_of.isoformat(), bundle.bundle_id,
        feature_spec_hash(),
        plan.run_id, judged_by,
    ]  # fmt: skip
    return Circumstances(
        run_id=hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
        trigger="request",
        data_fingerprint=histories.fingerprint,
        currency=bundle.manifest["currency"],
        policy=judged_by,
        environment={name: version(name) for name in ("lightgbm", "numpy", "duckdb")},
    )


def stated_prices(plan: CurrentPlan) -> dict[str, Any]:
    """The prices of a plan, as a replay of a decision made at them reads them."""
    return {
        "plan_run_id": plan.run_id,
        "prices": {str(channel): price for channel, price in plan.prices.items()},
        "minute_prices": {str(channel): price for channel, price in plan.minute_prices.items()},
        "closed": sorted(str(channel) for channel in plan.closed),
    }


def _records(blocks: Iterable[pa.Table], as_of: date) -> list[Record]:
    columns = ("record_id", "account_id", "body")
    return [
        Record(record_id, DECISION, body.encode(), account_id=account_id, as_of=as_of)
        for block in blocks
        for record_id, account_id, body in zip(*(block[name].to_pylist() for name in columns), strict=True)
    ]


def _known(portfolio: Portfolio, account_ids: tuple[str, ...]) -> frozenset[str]:
    cursor = portfolio.connection.cursor()
    try:
        found = cursor.execute(
            "SELECT account_id FROM accounts WHERE list_contains($ids, account_id)", {"ids": list(account_ids)}
        )
        return frozenset(row[0] for row in found.fetchall())
    finally:
        cursor.close()


def there(part: Loaded | ScoringError) -> Loaded:
    """The part, or a fresh copy of why it is missing: a fault of the state, not of the request (409)."""
    if not isinstance(part, ScoringError):
        return part
    kind = type(part) if part.http_status == NotReadyError.http_status else NotReadyError
    raise kind(part.message, field=part.field, got=part.got, expected=part.expected)
