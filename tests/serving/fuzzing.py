"""Generated calls over every route: what the schema allows, what it forbids, and what a working queue would send.

Every answer is held to the published schema (status, headers, content type, body) and to the table of roles, because every call comes
with a key, some of them wrong. Nothing stops at the first fault: they are collected, so that one run tells them all.
"""

from __future__ import annotations

import faulthandler
import random
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import equip, make_app
from serving.desk import Desk
from serving.edge import SECURITY_HEADERS
from serving.roles import ALLOWED, OPEN, route_of
from serving.state.keys import ROLES, make_key, revoke_key
from tests.serving.conftest import Home, history_of
from tests.serving.lively_calls import Known, lively

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette asks for a newer httpx than BentoML brings
    from starlette.testclient import TestClient

STARTS_AT = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
SLOW_CPU_SECONDS, SLOW_EACH = 2.0, 0.2
"""A call that works for longer is a fault; what it may take grows with the accounts and outcomes that it names."""
HANGS_AFTER_SECONDS = 120
"""Then the whole run ends with the places where every thread stands."""
WRONG_KEYS = ("missing", "unknown", "expired", "revoked", "no key at all")
REFUSALS = {
    "checks": {
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "409", "413", "422", "429"]
        }
    }
}
"""What counts as a refusal of something forbidden: no 5xx, and 413 too, which the tool's own list lacks."""
SHARES = {"lively": 3, "allowed": 1, "forbidden": 1}
SELDOM = {
    "POST /v1/decisions/{decision_id}/replay": 5, "POST /v1/outcomes": 3, "POST /v1/score": 2, "POST /v1/decisions": 2,
    "POST /v1/permits": 2,
}  # fmt: skip
"""Routes that compute most, and are called less often by as much."""


@dataclass
class Found:
    """What the calls so far brought."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")

    @property
    def calls(self) -> int:
        """How many were made."""
        return sum(self.statuses.values())

    def __add__(self, other: Found) -> Found:
        """Both together."""
        return Found(
            self.statuses + other.statuses,
            self.sources + other.sources,
            self.faults + other.faults,
            {**other.examples, **self.examples},
            max(self.slowest, other.slowest),
        )

    def fault(self, route: str, what: str, call: str) -> None:
        """Keep one fault; the first call that shows it is told."""
        name = f"{route}: {what}"
        self.faults[name] += 1
        self.examples.setdefault(name, call)


class Fuzzing:
    """A service with keys, and calls to it.

    Parameters
    ----------
    desk : Desk
        With a state of its own: keys are made in it.
    home : Home
    chance : int
        The seed.
    """

    def __init__(self, desk: Desk, home: Home, chance: int = 1) -> None:
        self._numbers, self._random, self._seed = iter(range(10**9)), random.Random(chance), chance
        self.found = Found()
        app = make_app()
        equip(app, desk, clock=self._clock)
        self._keys = _keys(desk)
        self.client = TestClient(app, base_url="http://scoring.bank", client=("10.0.0.7", 50000))
        self.known = _known(desk, home, lambda: STARTS_AT)
        schema = schemathesis.openapi.from_dict(app.openapi(), config=schemathesis.Config.from_dict(REFUSALS))
        self._operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]

    def _clock(self) -> datetime:
        """Every look at it is a little later."""
        return STARTS_AT + timedelta(milliseconds=20 * next(self._numbers))

    def run(
        self, calls: int, *, edges: bool = True, a_round: int = 10, watch: Callable[[Found], None] = lambda found: None
    ) -> Found:
        """Examples and every edge of the schema once, then rounds over all routes until so many calls were made."""
        with self.client, quietly():
            for operation in self._operations if edges else ():
                self._edges(operation)
            rounds = 0
            while self.found.calls < calls:
                rounds += 1
                watch(self.found)
                for operation in self._operations:
                    most = max(1, a_round // SELDOM.get(operation.label, 1))
                    for source, share in SHARES.items():
                        self._some(operation, source, share * most, self._seed * 10**6 + rounds)
        return self.found

    def _edges(self, operation: Any) -> None:
        def call(case: Any) -> None:
            self._call(operation, case, "edges")

        modes = [HypothesisTestMode.EXAMPLES, HypothesisTestMode.COVERAGE]
        config = HypothesisTestConfig(project=operation.schema.config, modes=modes, seed=self._seed)
        made = create_test(operation=operation, test_func=call, config=config)
        settings(phases=[Phase.explicit], deadline=None, database=None)(made)()

    def _some(self, operation: Any, source: str, calls: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=calls, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=self._strategy(operation, source))
        def call(case: Any) -> None:
            self._call(operation, case, source)

        with suppress(Unsatisfiable):  # a route that takes nothing has nothing that is forbidden
            call()

    def _strategy(self, operation: Any, source: str) -> st.SearchStrategy[Any]:
        if source == "lively":
            parts = lively(self.known, operation.method.upper(), operation.path)
            return parts.map(lambda made: _case(operation, made))
        mode = GenerationMode.POSITIVE if source == "allowed" else GenerationMode.NEGATIVE
        cases: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=mode)
        return cases

    def _call(self, operation: Any, case: Any, source: str) -> None:
        """Make one call, and hold its answer to everything that was promised."""
        sent = case.as_transport_kwargs(base_url="http://scoring.bank")
        sent = {name: value for name, value in sent.items() if name != "cookies"}
        who, header = self._who(sent.get("method", ""), operation)
        own = dict(sent["headers"] or {}).items()
        sent["headers"] = {k: v.encode("utf-8", "replace") for k, v in own if k.lower() != "authorization"} | header
        shown = f"{source} {who} {str({k: v for k, v in sent.items() if k != 'headers'})[:600]}"
        faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True)
        began = time.process_time()
        try:
            answer = self.client.request(**sent, follow_redirects=False)
        except Exception as error:
            self.found.fault(operation.label, f"raised {type(error).__name__}: {str(error)[:200]}", shown)
            return
        finally:
            faulthandler.cancel_dump_traceback_later()
        spent = time.process_time() - began
        self.found.slowest = max(self.found.slowest, (spent, shown))
        self.found.statuses[(operation.label, answer.status_code)] += 1
        self.found.sources[source] += 1
        for fault in self._faults(operation, case, answer, who, sent, spent):
            self.found.fault(operation.label, fault, f"{shown} -> {answer.status_code} {answer.text[:600]}")
        if answer.status_code == 200 and "json" in answer.headers["content-type"]:
            self.known.learn(answer.json())

    def _faults(
        self, operation: Any, case: Any, answer: Any, who: str, sent: dict[str, Any], spent: float
    ) -> Iterator[str]:
        if spent > SLOW_CPU_SECONDS + SLOW_EACH * _named(sent.get("json")):
            yield "worked for too long"
        yield from _misses(case, answer)
        route = route_of(sent["method"], operation.path)
        refused = answer.status_code if answer.status_code in (401, 403) else None
        if route in OPEN or route is None:
            expected = refused if route is None else None  # a method that is nowhere needs no more than a key
        elif who in WRONG_KEYS:
            expected = 401
        else:
            expected = None if who in ALLOWED[route] else 403
        if refused != expected:
            yield f"{who} got {answer.status_code}"
        for name, value in SECURITY_HEADERS:
            if name != b"content-security-policy" and answer.headers.get(name.decode()) != value.decode():
                yield f"lacks the header {name.decode()}"
        if answer.status_code >= 400 and set(answer.json()) != {"code", "message", "field", "got", "expected"}:
            yield "refuses in another shape"

    def _who(self, method: str, operation: Any) -> tuple[str, dict[str, str]]:
        """Mostly a key that may; now and then another role's, or one that is wrong."""
        may = sorted(ALLOWED.get((method, operation.path), ROLES))
        drawn = self._random.random()
        other = WRONG_KEYS if drawn < 0.95 else tuple(ROLES)
        who = self._random.choice(may if drawn < 0.9 else other)
        return who, self._keys[who]


def _named(body: Any) -> int:
    """How many accounts or outcomes a body names."""
    lists = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else []
    return max(map(len, lists), default=0)


def _misses(case: Any, answer: Any) -> Iterator[str]:
    """Where an answer leaves the published schema."""
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        for one in group.exceptions:
            yield f"{type(one).__name__}: {str(one)[:300]}"
    except Failure as one:
        yield f"{type(one).__name__}: {str(one)[:300]}"


def _case(operation: Any, parts: dict[str, Any]) -> Any:
    kind = {"media_type": "application/json"} if "body" in parts else {}
    return operation.Case(**parts, **kind)


def _keys(desk: Desk) -> dict[str, dict[str, str]]:
    """The header of every kind of caller."""
    state, now = desk.needed_state(), datetime.now(UTC)

    def key(role: str, days: int = 1) -> str:
        before, end = now - timedelta(days=2), now + timedelta(days=days)
        return make_key(state, role=role, caller="fuzzer", made_at=before, expires_at=end)

    ended = key("admin")
    revoke_key(state, ended.partition(".")[0], now)
    held = {role: key(role) for role in ROLES}
    held |= {"expired": key("admin", days=-1), "revoked": ended, "unknown": "0" * 16 + ".x", "missing": ""}
    return {who: {"Authorization": f"Bearer {text}"} for who, text in held.items()} | {"no key at all": {}}


def _known(desk: Desk, home: Home, now: Any) -> Known:
    plan = desk.plan()
    account_ids = plan.decisions["account_id"].tolist()
    decision_ids = plan.decisions["decision_id"].tolist()
    others = [name for name in desk.day.row_of if name not in plan.row_of]  # type: ignore[union-attr]
    histories = [history_of(home, name) for name in account_ids[:6]]
    return Known(account_ids, decision_ids, others[:50], histories, now)


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of the generator about itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
