"""The working day as a load: new decisions, outcomes, permits and releases, each under an idempotency key, from several threads.

What was answered with 200 is *acknowledged*. What was not, because the service died or asked to wait, is asked again with the same key and
the same bytes until it is, as a careful client would.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Event, Lock, Thread
from typing import Any, Final
from uuid import UUID

import httpx

from tests.serving.study_service import Service, noon_in

DECISION, OUTCOME, PERMIT, RELEASE = "decision", "outcome", "permit", "release"
WAITED: Final = (502, 503, 504)
PAUSE_SECONDS: Final = 0.2
SHARE_AGAIN: Final = 0.5
"""Of what is asked while something is pending: a request that must wait does not hold up the day."""
CALL_DAYS: Final = range(2, 7)


@dataclass(frozen=True)
class Ask:
    """One request, the same bytes whenever it is sent."""

    kind: str
    path: str
    body: bytes
    key: str
    about: dict[str, Any]


@dataclass
class Told:
    """What the service said so far.

    Attributes
    ----------
    acknowledged : list of Ask and answer
    pending : deque of Ask
        Without an answer, or asked to wait: asked again first.
    refused : Counter of str
        Codes of refusals that are an answer of their own (4xx).
    waits : Counter of str
        Codes with which it asked to wait.
    wrong : list of str
        Answers that must not be.
    """

    acknowledged: list[tuple[Ask, dict[str, Any]]] = field(default_factory=list)
    pending: deque[Ask] = field(default_factory=deque)
    refused: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    cut: int = 0


class Day:
    """Makes requests, one after the other, the same ones for the same seed; safe to use from several threads.

    Parameters
    ----------
    planned, others : list of str
        Accounts of the plan, and accounts it left out.
    seed : int
    """

    def __init__(self, planned: list[str], others: list[str], as_of: date, seed: int) -> None:
        self._planned, self._others, self._as_of = planned, others, as_of
        self._chance, self._lock, self._number = random.Random(seed), Lock(), 0
        self._days = self._earlier()
        self.granted: deque[tuple[str, str]] = deque()

    def _earlier(self) -> Iterator[tuple[str, date]]:
        """Every other account on every day from the plan's backwards."""
        for back in range(120):
            for account_id in self._others:
                yield account_id, self._as_of - timedelta(days=back)

    def ask(self) -> Ask:
        """The next request."""
        with self._lock:
            self._number += 1
            key = str(UUID(int=self._chance.getrandbits(128), version=4))
            kind = self._chance.choices((DECISION, OUTCOME, PERMIT, RELEASE), (4, 4, 4, 1))[0]
            if kind == RELEASE and self.granted:
                account_id, permit_id = self.granted.popleft()
                return Ask(RELEASE, f"/v1/permits/{permit_id}/release", b"", key, {"permit_id": permit_id})
            if kind == DECISION:
                account_id, day = next(self._days)
                return _ask(DECISION, "/v1/decisions", {"account_ids": [account_id], "as_of": day.isoformat()}, key)
            if kind == OUTCOME:
                return _ask(OUTCOME, "/v1/outcomes", {"outcomes": [self._outcome()]}, key)
            return _ask(PERMIT, "/v1/permits", self._permit(), key)

    def _permit(self) -> dict[str, Any]:
        channel = self._chance.choice(("letter", "agent_call", "agent_call"))
        at = noon_in(0 if channel == "letter" else self._chance.choice(CALL_DAYS))
        asked = {"account_id": self._chance.choice(self._planned), "channel": channel}
        return asked if channel == "letter" else {**asked, "number_ref": "n1", "at": at}

    def _outcome(self) -> dict[str, Any]:
        name, account_id = f"o{self._number}", self._chance.choice(self._planned)
        at = f"2026-10-01T{self._chance.randrange(3):02d}:{self._chance.randrange(60):02d}:00Z"
        if self._chance.random() < 0.5 and self.granted:
            account_id, permit_id = self.granted.popleft()
            row = {"contact_id": name, "account_id": account_id, "contacted_at": at, "channel": "letter"}
            row |= {"direction": "outbound", "outcome": "sent"}
            return {"key": name, "kind": "contact", "row": row, "permit_id": permit_id}
        paid = {"payment_id": name, "account_id": account_id, "paid_at": at, "amount_cents": 100 + self._number}
        return {"key": name, "kind": "payment", "row": {**paid, "kind": "voluntary"}}


def _ask(kind: str, path: str, body: dict[str, Any], key: str) -> Ask:
    return Ask(kind, path, json.dumps(body).encode(), key, body)


class Clients:
    """Threads that ask until they are told to stop.

    Parameters
    ----------
    service : Service
    day : Day
    told : Told
        Filled.
    n : int
        How many.
    new : bool
        False asks only what is pending, and ends when nothing is.
    """

    def __init__(self, service: Service, day: Day, told: Told, *, n: int = 8, new: bool = True) -> None:
        self._service, self._day, self._told, self._new = service, day, told, new
        self._stop, self._lock = Event(), Lock()
        self._busy = 0
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(n)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def halt(self) -> None:
        """Ask nothing more; what is under way goes on."""
        self._stop.set()

    def join(self) -> None:
        """Wait until all have ended."""
        for thread in self._threads:
            thread.join()

    def _next(self) -> Ask | None:
        with self._lock:
            if self._told.pending and (not self._new or random.random() < SHARE_AGAIN):
                self._busy += 1
                return self._told.pending.popleft()
            if not self._new:
                return None
            self._busy += 1
        return self._day.ask()

    def _run(self) -> None:
        with httpx.Client(base_url=self._service.address, timeout=60) as http:
            while not self._stop.is_set():
                asked = self._next()
                if asked is None:
                    if not self._busy:
                        return
                    time.sleep(PAUSE_SECONDS)
                    continue
                again = self._asked(http, asked)
                with self._lock:
                    self._busy -= 1
                    if again:
                        self._told.pending.append(asked)

    def _asked(self, http: httpx.Client, asked: Ask) -> bool:
        """Ask once; whether it must be asked again."""
        try:
            answer = http.post(asked.path, content=asked.body, headers=headers_of(asked))
        except httpx.TransportError:
            self._told.cut += 1
            time.sleep(PAUSE_SECONDS / 4)
            return True
        body = answer.json()
        if answer.status_code == 200:
            self._told.acknowledged.append((asked, body))
            if asked.kind == PERMIT and body["is_granted"] and asked.about["channel"] == "letter":
                self._day.granted.append((asked.about["account_id"], body["permit_id"]))
            return False
        code = str(body.get("code"))
        if answer.status_code in WAITED:
            self._told.waits[code] += 1
            if "retry-after" not in answer.headers:
                self._told.wrong.append(f"{asked.path.split('/')[2]}: {answer.status_code} {code} without Retry-After")
            time.sleep(PAUSE_SECONDS)
            return True
        if answer.status_code >= 500:
            self._told.wrong.append(f"{asked.kind}: {answer.status_code} {code}")
        self._told.refused[f"{asked.kind}: {code}"] += 1
        return False


def headers_of(asked: Ask) -> dict[str, str]:
    """The headers of a request."""
    return {"content-type": "application/json", "idempotency-key": asked.key}


def drained(service: Service, day: Day, told: Told) -> None:
    """Ask everything pending until it is answered; what a killed worker had begun is free again after half a minute."""
    clients = Clients(service, day, told, new=False)
    clients.start()
    clients.join()
