"""The challenger in shadow: asked after the answer is on its way, in a thread of its own, about the same accounts.

It can neither delay nor fail an answer. What waits is bounded, and so is the share of a core that it may use; what does not fit is left out
and counted. Decisions are compared in the ledger (`scoring.ledger.shadow`); scores, which record nothing, in metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, Queue
from threading import Event, Lock, Thread
from time import perf_counter
from typing import Any, Final

import orjson

from scoring.errors import ScoringError
from scoring.ledger.shadow import SHADOW, shadow_id, shadow_records
from scoring.scores.bundle import Bundle
from scoring.scores.scores import score
from serving.desk import Desk, there
from serving.log_lines import log
from serving.meters import Meters
from serving.wire import AccountsRequest

MOST_WAITING: Final = 2_000
"""Accounts; further ones are left out until some were done."""
MOST_OF_ONE: Final = 200
"""Accounts of one request; of a larger one, the first."""
SHARE_OF_A_CORE: Final = 0.2
BUSY, FAILED = "busy", "failed"


@dataclass(frozen=True)
class Answered:
    """An answer that was given, with the desk that gave it; ``asked`` is absent where it decided."""

    desk: Desk
    content: bytes
    n_accounts: int
    asked: AccountsRequest | None = None


class Shadow:
    """Scores and decides in shadow what was answered.

    Parameters
    ----------
    meters : Meters
    clock : callable
        Says when a record is written.
    share : float
        Of one core that may be used in the long run.
    """

    def __init__(self, meters: Meters, clock: Callable[[], datetime], share: float = SHARE_OF_A_CORE) -> None:
        self._meters, self._clock, self._share = meters, clock, share
        self._waiting: Queue[Answered] = Queue()
        self._n_waiting, self._lock = 0, Lock()
        self._stop, self._thread = Event(), Thread(target=self._run, name="shadow", daemon=True)

    def scored(self, desk: Desk, asked: AccountsRequest, content: bytes) -> None:
        """Take note of an answer of scores; returns at once."""
        if desk.has_challenger():
            self._offer(Answered(desk, content, len(asked.named()), asked))

    def decided(self, desk: Desk, content: bytes, n_accounts: int) -> None:
        """Take note of an answer that holds decisions; returns at once."""
        if desk.has_challenger():
            self._offer(Answered(desk, content, n_accounts))

    def wait(self) -> None:
        """Return when everything that was taken note of is done."""
        self._waiting.join()

    def stop(self) -> None:
        """Stop; what still waits is left out."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _offer(self, answered: Answered) -> None:
        with self._lock:
            if self._n_waiting + answered.n_accounts > MOST_WAITING and self._n_waiting:
                self._meters.shadow_dropped.labels(BUSY).inc(answered.n_accounts)
                return
            self._n_waiting += answered.n_accounts
            self._waiting.put_nowait(answered)
            if not self._thread.is_alive() and not self._stop.is_set():
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                answered = self._waiting.get(timeout=1)
            except Empty:
                continue
            began = perf_counter()
            try:
                self._compare(answered)
            except Exception as error:  # the outermost edge of this thread: a challenger that fails fails alone
                self._meters.shadow_dropped.labels(FAILED).inc(answered.n_accounts)
                code = error.code if isinstance(error, ScoringError) else type(error).__name__
                log("shadow.failed", error=code, accounts=answered.n_accounts)
            with self._lock:
                self._n_waiting -= answered.n_accounts
            self._waiting.task_done()
            self._stop.wait((perf_counter() - began) * (1 / self._share - 1))

    def _compare(self, answered: Answered) -> None:
        challenger = answered.desk.challenging()
        if answered.asked is None:
            self._decide(answered, challenger)
        else:
            self._score(answered.desk, answered.asked, orjson.loads(answered.content)["scores"], challenger)

    def _score(self, desk: Desk, asked: AccountsRequest, answers: list[dict[str, Any]], challenger: Bundle) -> None:
        champions = {row["account_id"]: row for row in answers[:MOST_OF_ONE]}
        for frame in desk.frames(_first(asked)):
            table = score(challenger, frame, with_contributions=False).table
            rows = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
            self._meters.shadow_scored((champions[row["account_id"]], row) for row in rows)

    def _decide(self, answered: Answered, challenger: Bundle) -> None:
        desk = answered.desk
        ledger, (_, tables_of) = there(desk.ledger), desk.archived()
        decided = [ledger.get(name) for name in decision_ids(answered.content)[:MOST_OF_ONE]]
        new = [record for record in decided if not _is_done(desk, record.record_id, challenger)]
        made = shadow_records(ledger, new, challenger, tables_of)
        ledger.append(made, recorded_at=self._clock())
        self._meters.shadow_decided(record.body for record in made if not isinstance(record.body, bytes))


def _first(asked: AccountsRequest) -> AccountsRequest:
    """The same question about its first accounts."""
    names, histories = asked.account_ids, asked.accounts
    return asked.model_copy(
        update={"account_ids": names and names[:MOST_OF_ONE], "accounts": histories and histories[:MOST_OF_ONE]}
    )


def _is_done(desk: Desk, decision_id: str, challenger: Bundle) -> bool:
    name = shadow_id(decision_id, challenger.bundle_id)
    return any(r.record_id == name for r in there(desk.ledger).about(decision_id) if r.kind == SHADOW)


def decision_ids(content: bytes) -> list[str]:
    """Ids of the decisions in an answer of ``/v1/decisions`` or ``/v1/outcomes``.

    >>> decision_ids(b'{"decisions": [{"decision_id": "D1"}]}')
    ['D1']
    >>> decision_ids(b'{"outcomes": [{"decision": {"decision_id": "D2"}}, {"decision": null}]}')
    ['D2']
    """
    told = orjson.loads(content)
    found = told.get("decisions") or [one["decision"] for one in told.get("outcomes", ())]
    return [one["decision_id"] for one in found if one is not None]
