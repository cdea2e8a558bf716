"""A thin client: one method a route, answers as plain values, refusals as one error; tries again where that is safe.

Every POST that writes carries an idempotency key of its own, so that trying again after a lost answer never does a thing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx

RETRIED: Final = frozenset({429, 502, 503, 504})
LONGEST_PAUSE: Final = 60.0
Answer = dict[str, Any]


class RefusedError(Exception):
    """The service refused: its ``code``, its message, the HTTP status, and the whole body.

    Examples
    --------
    >>> RefusedError(404, {"code": "unknown_account", "message": "Account A9 is not in the portfolio."}).code
    'unknown_account'
    """

    def __init__(self, status: int, body: Answer) -> None:
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
    >>> answers = httpx.MockTransport(lambda request: httpx.Response(200, json={"scores": [{"account_id": "A1"}]}))
    >>> with Client("http://scoring", transport=answers) as client:
    ...     client.score(["A1"])["scores"][0]["account_id"]
    'A1'
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

    def score(self, account_ids: Sequence[str], as_of: str | None = None) -> Answer:
        """Scores of stored accounts, with reasons."""
        return self._post("/v1/score", _asked({"account_ids": list(account_ids)}, as_of))

    def score_histories(self, accounts: Sequence[Answer], as_of: str) -> Answer:
        """Scores of accounts whose event tables are sent."""
        return self._post("/v1/score", {"accounts": list(accounts), "as_of": as_of})

    def decide(self, account_ids: Sequence[str], as_of: str | None = None) -> Answer:
        """Decisions of stored accounts, each recorded before the answer."""
        return self._post("/v1/decisions", _asked({"account_ids": list(account_ids)}, as_of))

    def queue(self, channel: str | None = None, page: int = 100) -> Iterator[Answer]:
        """Every row of a queue, in order, page by page."""
        query: dict[str, Any] = {"limit": page} | ({"channel": channel} if channel else {})
        while True:
            answer = self._get("/v1/queue", query)
            yield from answer["rows"]
            if answer["next_cursor"] is None:
                return
            query["cursor"] = answer["next_cursor"]

    def permit(self, account_id: str, channel: str, number_ref: str | None = None, at: str | None = None) -> Answer:
        """The check just before a contact; where granted, its place is reserved."""
        asked = {"account_id": account_id, "channel": channel, "number_ref": number_ref, "at": at}
        return self._post("/v1/permits", {name: value for name, value in asked.items() if value is not None})

    def release(self, permit_id: str) -> Answer:
        """Give a permit back."""
        return self._post(f"/v1/permits/{quote(permit_id, safe='')}/release", None)

    def tell(self, outcomes: Sequence[Answer]) -> Answer:
        """Outcomes: each with ``key``, ``kind`` and ``row``."""
        return self._post("/v1/outcomes", {"outcomes": list(outcomes)})

    def decision(self, decision_id: str) -> Answer:
        """One decision as recorded."""
        return self._get(f"/v1/decisions/{quote(decision_id, safe='')}")

    def explanation(self, decision_id: str, lang: str = "en", audience: str = "compliance") -> str:
        """One decision in words."""
        query = {"lang": lang, "audience": audience, "format": "json"}
        return str(self._get(f"/v1/decisions/{quote(decision_id, safe='')}/explanation", query)["text"])

    def override(self, decision_id: str, to: str, reason_code: str, **more: Any) -> Answer:
        """Otherwise than was decided."""
        return self._post(
            f"/v1/decisions/{quote(decision_id, safe='')}/override", {"to": to, "reason_code": reason_code, **more}
        )

    def request(self, decision_id: str, kind: str, text: str = "") -> Answer:
        """A customer's request about a decision."""
        return self._post(f"/v1/decisions/{quote(decision_id, safe='')}/requests", {"kind": kind, "text": text})

    def replay(self, decision_id: str) -> Answer:
        """One decision computed again."""
        return self._post(f"/v1/decisions/{quote(decision_id, safe='')}/replay", None)

    def history(self, account_id: str, limit: int = 50) -> Answer:
        """One account's decisions, newest first."""
        return self._get(f"/v1/accounts/{quote(account_id, safe='')}/decisions", {"limit": limit})

    def _get(self, path: str, query: dict[str, Any] | None = None) -> Answer:
        return self._sent(lambda: self._http.get(path, params=query))

    def _post(self, path: str, body: Answer | None) -> Answer:
        headers = {"idempotency-key": str(uuid4())}
        if body is None:
            return self._sent(lambda: self._http.post(path, headers=headers))
        return self._sent(lambda: self._http.post(path, json=body, headers=headers))

    def _sent(self, send: Callable[[], httpx.Response]) -> Answer:
        for attempt in range(1, self._tries + 1):
            try:
                answer = send()
            except httpx.TransportError:
                if attempt == self._tries:
                    raise
                self._pause(0.2 * 2**attempt)
                continue
            if answer.is_success:
                found: Answer = answer.json()
                return found
            if answer.status_code not in RETRIED or attempt == self._tries:
                raise RefusedError(answer.status_code, _body(answer))
            self._pause(_asked_to_wait(answer) or 0.2 * 2**attempt)
        raise AssertionError("unreachable")


def _asked_to_wait(answer: httpx.Response) -> float | None:
    """The seconds of ``Retry-After``, a minute at most; None where it says none."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if said.isdigit() else None


def _asked(body: Answer, as_of: str | None) -> Answer:
    return body if as_of is None else {**body, "as_of": as_of}


def _body(answer: httpx.Response) -> Answer:
    try:
        found: Answer = answer.json()
    except ValueError:
        return {"code": f"http_{answer.status_code}", "message": answer.reason_phrase}
    return found
