"""Calls that a working queue would make: real accounts, decisions, permits and cursors, mostly accepted.

A fuzzer that draws ids by chance sees refusals only; these calls reach the code behind them, and change what is there while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

from hypothesis import strategies as st

from scoring.portfolio.contracts import contracts
from serving.outcomes import TABLE_OF
from serving.roles import route_of
from serving.wire import ContactChannel, CustomerRequest, ExplanationQuery, OverrideRequest
from tests.serving.conftest import AS_OF

Row = dict[str, Any]
Route = tuple[str, str]
Parts = dict[str, Any]
"""What a call is made of: ``path_parameters``, ``query``, ``headers``, ``body``."""


@dataclass
class Known:
    """Ids that exist; what the answers bring is added while calls are made.

    Attributes
    ----------
    account_ids, decision_ids : list of str
        Of the plan; decisions made on the way are added.
    others : list of str
        Accounts that no plan decided.
    histories : list of dict
        Accounts with their event tables, as a caller would send them.
    permit_ids, cursors : list of str
        As the answers brought them; at first some that lead nowhere.
    now : callable
        The clock of the service.
    """

    account_ids: list[str]
    decision_ids: list[str]
    others: list[str]
    histories: list[Row]
    now: Callable[[], datetime]
    permit_ids: list[str] = field(default_factory=lambda: ["none"])
    cursors: list[str] = field(default_factory=lambda: ["none"])

    def learn(self, answer: Any) -> None:
        """Keep the ids of an answer."""
        if not isinstance(answer, dict):
            return
        for name, kept in (("permit_id", self.permit_ids), ("next_cursor", self.cursors)):
            if isinstance(answer.get(name), str):
                kept.append(answer[name])
                del kept[:-200]
        for decision in answer.get("decisions") or ():
            if isinstance(decision, dict) and len(self.decision_ids) < 2_000:
                self.decision_ids.append(str(decision.get("decision_id")))


def lively(known: Known, method: str, path: str) -> st.SearchStrategy[Parts]:
    """Calls of one route that are mostly accepted."""
    route = route_of(method, path)
    return _MAKERS[route](known) if route in _MAKERS else st.just({})


def any_of(values: list[Any]) -> st.SearchStrategy[Any]:
    """One of a list that grows; the latest first."""
    return st.integers(0, 10**6).map(lambda number: values[-1 - number % len(values)])


def _some_keys() -> st.SearchStrategy[dict[str, str]]:
    fresh = st.builds(lambda: {"Idempotency-Key": str(uuid4())})
    again = st.sampled_from("abc").map(lambda letter: {"Idempotency-Key": f"again-{letter}"})
    return st.just({}) | fresh | again


def _accounts(known: Known) -> st.SearchStrategy[Parts]:
    days = st.sampled_from([AS_OF.isoformat(), (AS_OF - timedelta(days=45)).isoformat()])
    ids = st.lists(any_of(known.account_ids) | any_of(known.others), min_size=1, max_size=5, unique=True)
    stored = st.fixed_dictionaries({"account_ids": ids}, optional={"as_of": days})
    inline = st.fixed_dictionaries({"accounts": st.lists(_history(known), min_size=1, max_size=2), "as_of": days})
    return st.fixed_dictionaries({"body": st.one_of(stored, stored, stored, inline)})


@st.composite
def _history(draw: st.DrawFn, known: Known) -> Row:
    """A history with tables left out and rows changed as a careless sender might."""
    history: Row = draw(any_of(known.histories))
    left_out: set[str] = draw(
        st.sets(st.sampled_from(["contacts", "promises", "standings", "inflows", "consents"]), max_size=2)
    )
    tables: Row = {name: list(rows) for name, rows in history.items() if name not in left_out}
    if tables["payments"] and draw(st.booleans()):
        place = draw(st.integers(0, len(tables["payments"]) - 1))
        cents = draw(st.integers(0, 10**9) | st.integers())
        tables["payments"][place] = {**tables["payments"][place], "amount_cents": cents}
    return tables


@st.composite
def _outcome(draw: st.DrawFn, known: Known) -> Row:
    kind = draw(st.sampled_from(sorted(TABLE_OF)))
    contract, now = contracts()[TABLE_OF[kind]], known.now()
    happened = now - timedelta(minutes=draw(st.integers(-5, 3 * 1440)))
    row: Row = {"account_id": draw(any_of(known.account_ids))}
    for name, column in contract.columns.items():
        if name in row or not (column.required or draw(st.integers(0, 3)) == 0):
            continue
        row[name] = draw(_value(name, column, happened, known))
    row[str(contract.event_time)] = happened.isoformat()
    row.pop("known_at", None)
    told = {"key": draw(st.uuids().map(str) | st.sampled_from(["k1", "k2"])), "kind": kind, "row": row}
    if draw(st.booleans()):
        told["decision_id"] = draw(any_of(known.decision_ids))
    if draw(st.booleans()):
        told["permit_id"] = draw(any_of(known.permit_ids))
    return told


def _value(name: str, column: Any, happened: datetime, known: Known) -> st.SearchStrategy[Any]:
    """A value that fits a column."""
    if column.allowed:
        return st.sampled_from(list(column.allowed))
    match column.type:
        case "int64":
            return st.integers(0, 5_000_000)
        case "float64":
            return st.floats(0, 1)
        case "boolean":
            return st.booleans()
        case "date":
            return st.integers(0, 30).map(lambda days: (happened.date() + timedelta(days=days)).isoformat())
        case "timestamp":
            return st.integers(0, 10**4).map(lambda minutes: (happened + timedelta(minutes=minutes)).isoformat())
        case _:
            return any_of(known.decision_ids) if name == "decision_id" else st.uuids().map(str)


def _outcomes(known: Known) -> st.SearchStrategy[Parts]:
    told = st.lists(_outcome(known), min_size=1, max_size=2)
    return st.fixed_dictionaries({"body": st.fixed_dictionaries({"outcomes": told}), "headers": _some_keys()})


def _permit(known: Known) -> st.SearchStrategy[Parts]:
    instants = st.integers(-50, 7 * 1440 - 10).map(lambda m: (known.now() + timedelta(minutes=m)).isoformat())
    body = st.fixed_dictionaries(
        {
            "account_id": any_of(known.account_ids),
            "channel": st.sampled_from([str(channel) for channel in get_args(ContactChannel)]),
        },
        optional={"at": instants, "number_ref": st.sampled_from(["n1", "n2"])},
    )
    return st.fixed_dictionaries({"body": body, "headers": _some_keys()})


def _queue(known: Known) -> st.SearchStrategy[Parts]:
    channels = st.sampled_from(["agent_call", "letter", "sms", "ai_voice", "none"])
    optional = {"channel": channels, "limit": st.integers(1, 500), "cursor": any_of(known.cursors)}
    return st.fixed_dictionaries({"query": st.fixed_dictionaries({}, optional=optional)})


def _of_decision(known: Known, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Parts]:
    path = st.fixed_dictionaries({"decision_id": any_of(known.decision_ids)})
    return st.fixed_dictionaries({"path_parameters": path, **more})


def _explanation(known: Known) -> st.SearchStrategy[Parts]:
    fields = ExplanationQuery.model_fields
    query = st.fixed_dictionaries(
        {},
        optional={
            "lang": st.sampled_from(["en", "zh"]),
            "audience": st.sampled_from(["compliance", "collector", "customer"]),
            "format": st.sampled_from(["text", "html", "json"]),
        },
    )
    assert set(fields) == {"lang", "audience", "format"}
    accepted = st.sampled_from([{}, {"Accept": "text/html"}, {"Accept": "application/json"}])
    return _of_decision(known, query=query, headers=accepted)


def _override(known: Known) -> st.SearchStrategy[Parts]:
    staff = st.sampled_from(["staff-1", "staff-2"])
    body = st.fixed_dictionaries(
        {
            "to": st.sampled_from(["none", "sms", "letter", "agent_call", "field_visit"]),
            "reason_code": st.sampled_from(["illness", "dispute", "x.1"]),
        },
        optional={
            "reason": st.text(max_size=200),
            "by": staff,
            "second": staff,
            "seconds_spent": st.integers(0, 86_400),
        },
    )
    assert set(OverrideRequest.model_fields) == {"to", "reason_code", "reason", "by", "second", "seconds_spent"}
    return _of_decision(known, body=body, headers=_some_keys())


def _request(known: Known) -> st.SearchStrategy[Parts]:
    days = st.dates(date(2026, 9, 28), date(2026, 10, 2)).map(date.isoformat)
    body = st.fixed_dictionaries(
        {"kind": st.sampled_from(["explanation", "human_review", "refuse_automated", "correction"])},
        optional={"text": st.text(max_size=500), "received_on": days},
    )
    assert set(CustomerRequest.model_fields) == {"kind", "text", "received_on"}
    return _of_decision(known, body=body, headers=_some_keys())


def _history_of(known: Known) -> st.SearchStrategy[Parts]:
    path = st.fixed_dictionaries({"account_id": any_of(known.account_ids) | any_of(known.others)})
    query = st.fixed_dictionaries({}, optional={"limit": st.integers(1, 500)})
    return st.fixed_dictionaries({"path_parameters": path, "query": query})


def _release(known: Known) -> st.SearchStrategy[Parts]:
    path = st.fixed_dictionaries({"permit_id": any_of(known.permit_ids)})
    return st.fixed_dictionaries({"path_parameters": path})


_MAKERS: dict[Route | None, Callable[[Known], st.SearchStrategy[Parts]]] = {
    ("POST", "/v1/score"): _accounts,
    ("POST", "/v1/decisions"): _accounts,
    ("GET", "/v1/queue"): _queue,
    ("POST", "/v1/permits"): _permit,
    ("POST", "/v1/permits/{permit_id}/release"): _release,
    ("POST", "/v1/outcomes"): _outcomes,
    ("GET", "/v1/decisions/{decision_id}"): _of_decision,
    ("GET", "/v1/decisions/{decision_id}/explanation"): _explanation,
    ("POST", "/v1/decisions/{decision_id}/override"): _override,
    ("POST", "/v1/decisions/{decision_id}/requests"): _request,
    ("POST", "/v1/decisions/{decision_id}/replay"): _of_decision,
    ("GET", "/v1/accounts/{account_id}/decisions"): _history_of,
}
