"""The desk: what the service has loaded, and what it answers, in plain Python without HTTP.

Everything is loaded once at start. What could not be loaded is kept as the refusal that says why: the service is then
alive, not ready, and every question that needs the missing part is answered with that refusal.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scoring.errors import NotReadyError, ScoringError, UnknownDecisionError
from scoring.features.builder import FeatureFrame, pick
from scoring.ledger.record import StoredRecord
from scoring.ledger.replay import BundleOf, TablesOf
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.log_odds import probability
from scoring.scores.outcomes import HOLDS
from scoring.scores.pins import Pin
from scoring.scores.scores import POSITIONS_READ, Scores
from serving.contact_policy import Policy
from serving.current_plan import CurrentPlan
from serving.customer_rows import CustomerRows
from serving.deciding import DECISION, Decided, decide_now
from serving.deciding_stored import decide_stored
from serving.degraded import CANNOT_SCORE, Condition, score_or_card
from serving.histories import Histories, Judge, Judged, Part, inline_histories, stored_histories
from serving.kept_scores import KeptScores
from serving.live_prices import LivePrices, Pricing, plan_prices
from serving.live_queue import LiveQueues
from serving.morning import Morning
from serving.redecided import Redecided
from serving.settings import REFUSE, Limits
from serving.state.database import State
from serving.state.events import Reservations, keep_redecision
from serving.today import Today
from serving.wire import AccountsRequest

Loaded = TypeVar("Loaded")


class StaleDataError(ScoringError):
    """The portfolio is too old to answer from."""

    code = "stale_data"
    http_status = 409


@dataclass(frozen=True)
class Day:
    """The current plan, its portfolio, the features of every account on its day, and the scores that were kept beside the plan."""

    plan: CurrentPlan
    rows: CustomerRows
    frame: FeatureFrame
    row_of: Mapping[str, int]
    policy: Policy | ScoringError
    morning: Morning | None = None
    scores: KeptScores | None = None

    @property
    def portfolio(self) -> Portfolio:
        """The plan's portfolio."""
        return self.rows.portfolio

    @cached_property
    def read_by_scores(self) -> dict[str, npt.NDArray[Any]]:
        """The positions that scores read, as arrays: no frame is made for a request of a few accounts."""
        return {
            name: self.frame.positions[name].to_numpy(dtype=object if name == "account_id" else None)
            for name in (*POSITIONS_READ, *HOLDS)
        }

    @cached_property
    def customer_ids(self) -> npt.NDArray[Any]:
        """Of every row of the frame."""
        return self.frame.positions["customer_id"].to_numpy(dtype=object)

    def customer_of(self, account_id: str) -> str:
        """The customer of an account of the portfolio that can be scored."""
        row = self.row_of.get(account_id, -1)
        if row < 0:
            pick(self.frame, (account_id,), _known(self.portfolio, (account_id,)))  # raises: says why
        return str(self.customer_ids[row])


@dataclass(frozen=True)
class Desk:
    """What is loaded: each part, or the refusal that says why it is not."""

    champion: tuple[Pin, Bundle] | ScoringError
    ledger: Ledger | ScoringError
    day: Day | ScoringError
    state: State | ScoringError | None = None
    limits: Limits = field(default_factory=Limits)
    today: Today | None = None
    archive: tuple[BundleOf, TablesOf] | None = None
    challenger: tuple[Pin, Bundle] | ScoringError | None = None
    condition: Condition = field(default_factory=Condition)
    blocked: deque[Counter[tuple[str, str]]] = field(default_factory=lambda: deque(maxlen=10_000))
    """What rules blocked in decisions made here, until somebody counts it."""

    def known_state(self) -> State | None:
        """The service's own state, where it could be opened."""
        return self.state if isinstance(self.state, State) else None

    def unread_state(self) -> ScoringError | None:
        """Why the service's own state could not be opened; None where it is open, or where none was made yet."""
        is_missing = isinstance(self.state, NotReadyError) and self.state.field == "state"
        return self.state if isinstance(self.state, ScoringError) and not is_missing else None

    def needed_state(self) -> State:
        """The service's own state; refuses where it could not be opened."""
        if self.state is None:
            raise NotReadyError("There is no state yet. Make a plan with `scoring plan`.", field="state")
        return there(self.state)

    def archived(self) -> tuple[BundleOf, TablesOf]:
        """Finds the bundles and the reference tables that decided earlier."""
        if self.archive is None:
            raise NotReadyError("Nothing is archived here.", field="archive")
        return self.archive

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
            "degraded": self.condition.is_degraded,
            "challenger": self._challenger_fact(),
        }

    def has_challenger(self) -> bool:
        """Whether a bundle is tried in shadow."""
        return isinstance(self.challenger, tuple)

    def challenging(self) -> Bundle:
        """The bundle that is tried in shadow; refuses where there is none."""
        if self.challenger is None:
            raise NotReadyError("No challenger is pinned.", field="challenger")
        return there(self.challenger)[1]

    def _challenger_fact(self) -> str | None:
        """The id of the bundle that is scored in shadow, or the code of why the pinned one is not; None without one."""
        if isinstance(self.challenger, ScoringError):
            return self.challenger.code
        return None if self.challenger is None else self.challenger[1].bundle_id

    def is_quick(self, asked: AccountsRequest) -> bool:
        """Whether a question needs no SQL: stored accounts on the current plan's day."""
        return (
            asked.account_ids is not None
            and not isinstance(self.day, ScoringError)
            and asked.as_of in (None, self.day.plan.as_of)
        )

    def histories(self, asked: AccountsRequest, judge: Judge | None = None) -> Histories:
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
            return stored_histories(day.rows, account_ids, asked.as_of, judge)
        rows = [day.row_of.get(account_id, -1) for account_id in account_ids]
        if -1 in rows:
            pick(day.frame, account_ids, _known(day.portfolio, account_ids))  # raises: says which account, and why
        judged = Judged() if judge is None else judge(day.portfolio, list(account_ids))
        part = Part(day.frame.take(np.array(rows, dtype=np.int64)), judged)
        return Histories(account_ids, (part,), day.portfolio.fingerprint)

    def refresh(self) -> None:
        """Take in what other workers were told since the last question; refuses where that cannot be read."""
        if self.unread_state() is not None:
            self.needed_state()
        if self.today is not None:
            self.today.refresh()

    def scored(self, asked: AccountsRequest) -> list[tuple[Scores, bool]]:
        """Scores with contributions that were asserted to add up, and whether the scorecard had to stand in for them.

        Accounts that something was told about today come apart.
        """
        return [score_or_card(self.bundle(), frame, self.condition) for frame in self.frames(asked)]

    def frames(self, asked: AccountsRequest) -> list[FeatureFrame]:
        """Features of the accounts asked for, as they are seen now."""
        changed = self.changed(asked)
        rest = asked if not changed else without(asked, changed)
        return [*([] if rest is None else [self.histories(rest).frame]), *(self.frame_now(name) for name in changed)]

    def probe(self) -> None:
        """Score one account, to know whether the models can."""
        if not isinstance(self.champion, ScoringError) and not isinstance(self.day, ScoringError):
            score_or_card(self.bundle(), self.day.frame.take(np.arange(min(len(self.day.frame), 1))), self.condition)

    def reference_scores(self) -> dict[str, npt.NDArray[np.float64]]:
        """Scores of the sample of the training population that the bundle carries; empty where it carries none."""
        if isinstance(self.champion, ScoringError):
            return {}
        bundle = self.champion[1]
        values = bundle.reference
        if values is None or not len(values):
            return {}
        margins = {"w_logged": "willingness", "ability": "ability"}
        return {
            name: probability(bundle.calibrated_margin(model, bundle.margin(model, values)))
            for name, model in margins.items()
        }

    def age_days(self, now: datetime) -> int:
        """Days since the portfolio was extracted."""
        return (now.date() - there(self.day).portfolio.extract_on).days

    def is_stale(self, now: datetime) -> bool:
        """Whether the portfolio is older than it may be.

        Raises
        ------
        StaleDataError
            ``stale_data``: it is, and the settings say that nothing is answered from it then.
        """
        age = self.age_days(now)
        if age > self.limits.stale_days and self.limits.on_stale == REFUSE:
            raise StaleDataError(
                f"The portfolio is {age} days old, and answers from one older than {self.limits.stale_days} days are refused here. "
                "Load a newer extract and make the plan again.",
                field="portfolio",
                got=age,
                expected=f"<= {self.limits.stale_days} days",
            )
        return age > self.limits.stale_days

    def changed(self, asked: AccountsRequest) -> list[str]:
        """Accounts of a question about now that something was told about since the plan."""
        if self.today is None or not self.is_quick(asked):
            return []
        return [name for name in asked.account_ids or () if self.today.has_events(name)]

    def is_soon_decided(self, asked: AccountsRequest) -> bool:
        """Whether every account takes milliseconds: stored, on the plan's day, and nothing told about it still waits for its decision."""
        today = self.today
        waiting = () if today is None else (name for name in self.changed(asked) if today.in_force(name) is None)
        return self.is_quick(asked) and not any(waiting)

    def frame_now(self, account_id: str) -> FeatureFrame:
        """Features of one stored account with everything told about it today."""
        assert self.today is not None
        return self.today.frame(account_id, there(self.day).customer_of(account_id))

    def history_now(self, account_id: str, policy: Policy) -> Histories:
        """The same with what is lawful for it."""
        assert self.today is not None
        frame = self.frame_now(account_id)
        small = self.today.customer(there(self.day).customer_of(account_id))
        try:
            judged = policy.judge(small, [account_id], as_of=frame.as_of)
            return Histories((account_id,), (Part(frame, judged),), small.fingerprint)
        finally:
            small.connection.close()

    def decide(self, asked: AccountsRequest, recorded_at: datetime) -> list[dict[str, Any]]:
        """Decisions in the order asked, each in the ledger before this returns.

        A stored account that the current plan decided gets that very decision, unless something was told about it since: then it
        was decided again. Any other is decided alone, at the prices of now; asking again gives the same decision and writes nothing.
        """
        self.refuse_unless_ready()
        plan, named = self.plan(), asked.named()
        again = {name: self.decided_again(name, recorded_at) for name in self.changed(asked)}
        planned = [name for name in named if name in plan.row_of and name not in again] if self.is_quick(asked) else []
        rows = plan.answers([plan.row_of[name] for name in planned]) if planned else []
        rows += again.values()
        rest = without(asked, [*planned, *again])
        if rest is not None:
            prices = self.prices(recorded_at)
            decided = self._decide_stored(rest, prices) or self._decide_histories(rest, prices)
            self.blocked.append(decided.blocks)
            there(self.ledger).append(decided.records, recorded_at=recorded_at)
            rows += decided.rows
        answer_of = {row["account_id"]: row for row in rows}
        return [answer_of[name] for name in named]

    def _decide_stored(self, asked: AccountsRequest, prices: LivePrices) -> Decided | None:
        """Stored accounts of the plan's day, from what was worked out at start; None where that cannot be."""
        day, plan = there(self.day), self.plan()
        rows = [day.row_of.get(name, -1) for name in asked.account_ids or ()]
        if day.morning is None or not self.is_quick(asked) or -1 in rows or self.condition.is_degraded:
            return None
        alone = [day.morning.alone(row) for row in rows]
        policy, fingerprint = there(day.policy), day.portfolio.fingerprint
        try:
            return decide_stored(alone, self.bundle(), plan, policy, there(self.ledger), prices, fingerprint)
        except CANNOT_SCORE:
            return None  # the longer way says why, or asks the scorecard

    def _decide_histories(self, asked: AccountsRequest, prices: LivePrices) -> Decided:
        """Any accounts on any day, through SQL."""
        plan, policy = self.plan(), there(there(self.day).policy)
        histories = self.histories(asked, partial(policy.judge, as_of=asked.as_of or plan.as_of))
        return decide_now(histories, self.bundle(), plan, policy, there(self.ledger), prices, self.condition)

    def decided_again(self, account_id: str, recorded_at: datetime) -> dict[str, Any]:
        """The decision after everything told about an account; made now where a worker was cut off before it, or the plan is new."""
        assert self.today is not None
        latest, found = self.today.latest(account_id), self.today.in_force(account_id)
        if found is not None:
            return found.decision
        decided = self.decide_again(account_id, recorded_at)
        there(self.ledger).append(decided.records, recorded_at=recorded_at)
        return self.keep_again(account_id, decided, latest).decision

    def keep_again(self, account_id: str, decided: Decided, event_seq: int, *, is_worked: bool = False) -> Redecided:
        """Let every worker know how an account was decided after an event; one that was contacted stays out of the queues."""
        assert self.today is not None
        again = decided.again(event_seq, is_worked=is_worked or self.today.was_worked(account_id))
        keep_redecision(self.needed_state(), account_id, self.plan().run_id, event_seq, again.body())
        self.today.refresh()
        return again

    def decide_again(self, account_id: str, now: datetime) -> Decided:
        """Decide a stored account on what is known of it now; nothing is written."""
        policy = there(there(self.day).policy)
        histories = self.history_now(account_id, policy)
        decided = decide_now(
            histories, self.bundle(), self.plan(), policy, there(self.ledger), self.prices(now), self.condition
        )
        self.blocked.append(decided.blocks)
        return decided

    def prices(self, now: datetime) -> LivePrices:
        """What a place in each channel costs, as of the last `refresh`."""
        state = self.known_state()
        if self.today is None or state is None:
            return plan_prices(self.plan())
        return self._pricing.now(self._reservations.by_channel(now, self.today.state_version))

    @cached_property
    def queues(self) -> LiveQueues:
        """The plan's queues as they are now."""
        return LiveQueues(self.plan(), self.today)

    @cached_property
    def _reservations(self) -> Reservations:
        return Reservations(self.needed_state())

    @cached_property
    def _pricing(self) -> Pricing:
        assert self.today is not None
        return Pricing(self.plan(), self.today)

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
        return there(self.ledger).for_account(account_id, limit=limit, kind=DECISION)

    def close(self) -> None:
        """Close the ledger and the portfolio."""
        if isinstance(self.ledger, Ledger):
            self.ledger.close()
        if isinstance(self.state, State):
            self.state.close()
        if isinstance(self.day, Day):
            self.day.portfolio.connection.close()


def without(asked: AccountsRequest, names: Iterable[str]) -> AccountsRequest | None:
    """The same question without some accounts; None where nothing is left to ask."""
    left_out = frozenset(names)
    if asked.account_ids is None or not left_out:
        return asked
    left = [name for name in asked.account_ids if name not in left_out]
    return asked.model_copy(update={"account_ids": left}) if left else None


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
