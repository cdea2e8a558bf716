"""A thin client: one method a route, answers as the shapes that OpenAPI publishes, refusals as one error; tries again where that is safe.

A field that a newer service adds is passed over. Every POST that writes carries an idempotency key of its own, so that trying again after
a lost answer never does a thing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from scoring.vocabulary import Channel
from serving import shapes

RETRIED: Final = frozenset({429, 502, 503, 504})
LONGEST_PAUSE: Final = 60.0
Answer = TypeVar("Answer", bound=BaseModel)
Body = dict[str, Any]


class RefusedError(Exception):
    """The service refused: its ``code``, its message, the HTTP status, and the whole body.

    ``not_understood`` is the client's own code for an answer that is none of the service's.

    Examples
    --------
    >>> RefusedError(404, {"code": "unknown_account", "message": "Account A9 is not in the portfolio."}).code
    'unknown_account'
    """

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(f"{body.get('code')}: {body.get('message')}")
        self.status, self.body, self.code = status, body, str(body.get("code"))


class Client:
    """Calls the service.

    Parameters
    ----------
    address : str
        Such as ``http://127.0.0.1:3000``.
    key : str, optional
        The caller's key, as `scoring keys make` showed it.
    tries : int
        How often a request is sent at most, with growing pauses, where the service cannot be reached or asks to wait.
    transport : httpx.BaseTransport, optional
        For tests.

    Examples
    --------
    >>> answers = httpx.MockTransport(lambda request: httpx.Response(200, json={"permit_id": "P1", "released": True}))
    >>> with Client("http://scoring", transport=answers) as client:
    ...     client.release("P1").released
    True
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        tries: int = 4,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._tries, self._pause = tries, pause

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score(self, account_ids: Sequence[str], as_of: str | None = None) -> shapes.ScoreAnswer:
        """Scores of stored accounts, with reasons."""
        return self._post(shapes.ScoreAnswer, "/v1/score", _asked({"account_ids": list(account_ids)}, as_of))

    def score_histories(self, accounts: Sequence[Mapping[str, Any]], as_of: str) -> shapes.ScoreAnswer:
        """Scores of accounts whose event tables are sent."""
        return self._post(shapes.ScoreAnswer, "/v1/score", {"accounts": list(accounts), "as_of": as_of})

    def decide(self, account_ids: Sequence[str], as_of: str | None = None) -> shapes.DecisionsAnswer:
        """Decisions of stored accounts, each recorded before the answer."""
        return self._post(shapes.DecisionsAnswer, "/v1/decisions", _asked({"account_ids": list(account_ids)}, as_of))

    def queue(self, channel: Channel | str | None = None, page: int = 100) -> Iterator[shapes.QueueRow]:
        """Every row of a queue, in order, page by page."""
        query: dict[str, Any] = {"limit": page} | ({"channel": str(channel)} if channel else {})
        while True:
            answer = self._get(shapes.QueueAnswer, "/v1/queue", query)
            yield from answer.rows
            if answer.next_cursor is None:
                return
            query["cursor"] = answer.next_cursor

    def permit(
        self, account_id: str, channel: Channel | str, number_ref: str | None = None, at: str | None = None
    ) -> shapes.PermitAnswer:
        """The check just before a contact; where granted, its place is reserved."""
        asked = {"account_id": account_id, "channel": str(channel), "number_ref": number_ref, "at": at}
        given = {name: value for name, value in asked.items() if value is not None}
        return self._post(shapes.PermitAnswer, "/v1/permits", given)

    def release(self, permit_id: str) -> shapes.ReleaseAnswer:
        """Give a permit back."""
        return self._post(shapes.ReleaseAnswer, f"/v1/permits/{quote(permit_id, safe='')}/release", None)

    def tell(self, outcomes: Sequence[Mapping[str, Any]]) -> shapes.OutcomesAnswer:
        """Outcomes: each with ``key``, ``kind`` and ``row``."""
        return self._post(shapes.OutcomesAnswer, "/v1/outcomes", {"outcomes": list(outcomes)})

    def decision(self, decision_id: str) -> shapes.RecordAnswer:
        """One decision as recorded."""
        return self._get(shapes.RecordAnswer, _of(decision_id))

    def explanation(self, decision_id: str, lang: str = "en", audience: str = "compliance") -> shapes.ExplanationAnswer:
        """One decision in words."""
        query = {"lang": lang, "audience": audience, "format": "json"}
        return self._get(shapes.ExplanationAnswer, f"{_of(decision_id)}/explanation", query)

    def override(self, decision_id: str, to: Channel | str, reason_code: str, **more: Any) -> shapes.OverrideAnswer:
        """Otherwise than was decided."""
        body = {"to": str(to), "reason_code": reason_code, **more}
        return self._post(shapes.OverrideAnswer, f"{_of(decision_id)}/override", body)

    def request(self, decision_id: str, kind: str, text: str = "") -> shapes.RequestAnswer:
        """A customer's request about a decision."""
        return self._post(shapes.RequestAnswer, f"{_of(decision_id)}/requests", {"kind": kind, "text": text})

    def replay(self, decision_id: str) -> shapes.ReplayAnswer:
        """One decision computed again."""
        return self._post(shapes.ReplayAnswer, f"{_of(decision_id)}/replay", None)

    def history(self, account_id: str, limit: int = 50) -> shapes.HistoryAnswer:
        """One account's decisions, newest first."""
        return self._get(shapes.HistoryAnswer, f"/v1/accounts/{quote(account_id, safe='')}/decisions", {"limit": limit})

    def _get(self, shape: type[Answer], path: str, query: dict[str, Any] | None = None) -> Answer:
        return self._sent(shape, lambda: self._http.get(path, params=query))

    def _post(self, shape: type[Answer], path: str, body: Body | None) -> Answer:
        headers = {"idempotency-key": str(uuid4())}
        if body is None:
            return self._sent(shape, lambda: self._http.post(path, headers=headers))
        return self._sent(shape, lambda: self._http.post(path, json=body, headers=headers))

    def _sent(self, shape: type[Answer], send: Callable[[], httpx.Response]) -> Answer:
        for attempt in range(1, self._tries + 1):
            try:
                answer = send()
            except httpx.TransportError:
                if attempt == self._tries:
                    raise
                self._pause(0.2 * 2**attempt)
                continue
            if answer.is_success:
                return _read(shape, answer)
            if answer.status_code not in RETRIED or attempt == self._tries:
                raise RefusedError(answer.status_code, _body(answer))
            self._pause(_asked_to_wait(answer) or 0.2 * 2**attempt)
        raise AssertionError("unreachable")


def _of(decision_id: str) -> str:
    return f"/v1/decisions/{quote(decision_id, safe='')}"


def _read(shape: type[Answer], answer: httpx.Response) -> Answer:
    try:
        return shape.model_validate_json(answer.content, extra="ignore")
    except ValidationError as error:
        places = [".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)[:3]]
        message = (
            f"The answer is no {shape.__name__} ({', '.join(places)}). Check the address and the service's version."
        )
        raise RefusedError(answer.status_code, {"code": "not_understood", "message": message}) from None


def _asked_to_wait(answer: httpx.Response) -> float | None:
    """The seconds of ``Retry-After``, a minute at most; None where it says none."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if said.isdigit() else None


def _asked(body: Body, as_of: str | None) -> Body:
    return body if as_of is None else {**body, "as_of": as_of}


def _body(answer: httpx.Response) -> Body:
    try:
        found: Body = answer.json()
    except ValueError:
        return {"code": f"http_{answer.status_code}", "message": answer.reason_phrase}
    return found
