"""Hostile requests by hand, over real HTTP: each is refused in the one shape, quickly, and nothing of it is repeated or recorded."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import BadRequestError
from scoring.portfolio.reading import SMALLEST
from serving.app import equip, make_app
from serving.desk import Desk
from serving.opening import open_desk
from serving.repeated_keys import SMALL, refuse_repeated_keys
from serving.settings import Limits
from tests.serving.conftest import Home, client_of, history_of
from tests.serving.test_day import NOW, payment
from tests.serving.test_process import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette asks for a newer httpx than BentoML brings
    from starlette.testclient import TestClient

SHAPE = {"code", "message", "field", "got", "expected"}
AS_JSON = {"content-type": "application/json"}
PERSONAL = "13800138000"
POSTS = [
    "/v1/score",
    "/v1/decisions",
    "/v1/permits",
    "/v1/outcomes",
    "/v1/decisions/x/override",
    "/v1/decisions/x/requests",
]


@pytest.fixture(scope="module")
def desk(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = open_desk(replace(home.settings, state=str(tmp_path_factory.mktemp("hostile") / "state.db")))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with client_of(desk, clock=lambda: NOW) as made:
        yield made


@pytest.fixture(scope="module")
def account_ids(desk: Desk) -> list[str]:
    return [str(account_id) for account_id in desk.plan().decisions["account_id"]]


@pytest.fixture(scope="module")
def port(desk: Desk) -> Iterator[int]:
    """The application behind the HTTP server that BentoML uses."""
    app = make_app()
    equip(app, desk, clock=lambda: NOW)
    config = uvicorn.Config(app, port=free_port(), log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield config.port
    server.should_exit = True
    thread.join()


def assert_refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert answer.status_code in (statuses or range(400, 500)), answer.text
    assert set(told) == SHAPE
    assert len(answer.text) < 4_000 and "Traceback" not in answer.text and PERSONAL not in answer.text
    assert not any(ord(letter) < 32 for letter in answer.text)
    return told


BODIES: dict[str, bytes] = {
    "a hundred thousand lists in one another": b'{"account_ids":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a hundred thousand objects in one another": b'{"accounts":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "not a number": b'{"account_ids": [NaN], "account_id": NaN, "outcomes": NaN}',
    "infinity": b'{"account_ids": [Infinity], "account_id": -Infinity}',
    "a number beyond all": b'{"account_ids": [1e400], "seconds_spent": 1e400}',
    "a number of ten thousand digits": b'{"account_ids": [' + b"9" * 10_000 + b"]}",
    "zero bytes": b'{"account_ids": ["A\x00B"]}',
    "a lone surrogate": b'{"account_ids": ["\\ud800"], "account_id": "\\ud800", "text": "\\ud800"}',
    "half a surrogate pair": b'{"account_ids": ["\\ud83d\\u0041"]}',
    "a byte order mark": b'\xef\xbb\xbf{"account_ids": ["A1"]}',
    "utf-16": '{"account_ids": ["A1"]}'.encode("utf-16"),
    "bytes that are no text": b'{"account_ids": ["\xff\xfe"]}',
    "nothing": b"",
    "white space": b" \n\t ",
    "two values": b'{"account_ids": ["A1"]}{"account_ids": ["A2"]}',
    "a trailing comma": b'{"account_ids": ["A1"],}',
    "a comment": b'{"account_ids": ["A1"]} // mine',
    "half of it": b'{"account_ids": ["A1"',
    "null": b"null",
    "a text": b'"account_ids"',
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_request_is_refused(client: TestClient, path: str, name: str) -> None:
    began = time.process_time()

    assert_refused(client.post(path, content=BODIES[name], headers=AS_JSON))

    assert time.process_time() - began < 1


def test_control_characters_are_only_ever_shown_escaped(client: TestClient, account_ids: list[str]) -> None:
    odd = "A\u0000\u001b[2J\r\nx-injected: 1\u202e"

    for body in (
        {"account_ids": [odd]},
        {"account_ids": account_ids[:1], odd: 1},
        {"account_ids": account_ids[:1], "as_of": odd},
    ):
        answer = client.post("/v1/score", json=body)
        assert_refused(answer)
        assert "x-injected" not in answer.headers


REPEATED = {
    "/v1/score": b'{"account_ids": ["%s"], "account_ids": ["%s"]}',
    "/v1/decisions": b'{"account_ids": ["%s"], "account\\u005fids": ["%s"]}',
    "/v1/permits": b'{"account_id": "%s", "account_id": "%s", "channel": "letter"}',
    "/v1/outcomes": b'{"outcomes": [{"key": "k", "kind": "payment", "row": {"account_id": "%s", "account_id": "%s"}}]}',
}


@pytest.mark.parametrize("path", REPEATED)
def test_a_key_that_stands_twice_is_refused_and_not_guessed(
    client: TestClient, desk: Desk, account_ids: list[str], path: str
) -> None:
    one, two = (name.encode() for name in account_ids[:2])
    before = desk.ledger.head()  # type: ignore[union-attr]

    told = assert_refused(client.post(path, content=REPEATED[path] % (one, two), headers=AS_JSON), 400)

    assert "stands twice" in told["message"]
    assert desk.ledger.head() == before  # type: ignore[union-attr]


def test_a_column_that_stands_twice_in_a_long_history_is_refused(
    client: TestClient, home: Home, account_ids: list[str]
) -> None:
    histories = [history_of(home, name) for name in account_ids[:9]]
    text = json.dumps({"accounts": histories, "as_of": "2026-09-30"}, separators=(",", ":"))
    assert len(text) > SMALL
    twice = text.replace('"balance_cents":', '"balance_cents":1,"balance_cents":', 1)

    assert client.post("/v1/score", content=text, headers=AS_JSON).status_code == 200
    assert assert_refused(client.post("/v1/score", content=twice, headers=AS_JSON), 400)["got"] == "balance_cents"


FLAT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


def keys_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(keys_in, value.values()))
    return sum(map(keys_in, value)) if isinstance(value, list) else 0


@given(value=FLAT, repeated=st.text(max_size=3), first=FLAT, second=FLAT, spaced=st.booleans(), escaped=st.booleans())
def test_a_key_is_found_twice_exactly_where_it_stands_twice(
    value: Any, repeated: str, first: Any, second: Any, spaced: bool, escaped: bool
) -> None:
    marks = (", ", " : ") if spaced else (",", ":")

    def text(of: Any) -> str:
        return json.dumps(of, separators=marks, ensure_ascii=escaped)

    filling = [value, "x" * SMALL]
    twice = f"[{text(filling)},{{{text(repeated)}{marks[1]}{text(first)},{text(repeated)}{marks[1]}{text(second)}}}]"
    parsed = json.loads(twice)

    refuse_repeated_keys(text(filling).encode("utf-8", "surrogatepass"), lambda: keys_in(filling))
    with pytest.raises(BadRequestError, match="stands twice"):
        refuse_repeated_keys(twice.encode("utf-8", "surrogatepass"), lambda: keys_in(parsed))


DAYS = [
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2026-02-30",
    "2026-13-01",
    "-2026-09-30",
    "2026-9-3",
    "",
    "now",
]
INSTANTS = [
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-10-01T23:59:60Z", "2026-10-01T25:00:00Z",
    "2026-10-01T03:00:00+99:99", "10000-01-01T00:00:00Z", "1e400", "",
]  # fmt: skip


@pytest.mark.parametrize("day", DAYS)
def test_an_absurd_day_is_refused(client: TestClient, desk: Desk, account_ids: list[str], day: str) -> None:
    decision_id = desk.plan().decisions["decision_id"].iloc[0]

    assert_refused(client.post("/v1/score", json={"account_ids": account_ids[:1], "as_of": day}), 400, 422)
    assert_refused(client.post("/v1/score", json={"accounts": [SMALLEST], "as_of": day}), 400, 422)
    request = {"kind": "human_review", "received_on": day}
    assert_refused(client.post(f"/v1/decisions/{decision_id}/requests", json=request), 400, 422)


@pytest.mark.parametrize("instant", INSTANTS)
def test_an_absurd_instant_is_refused(client: TestClient, account_ids: list[str], instant: str) -> None:
    for column in ("paid_at", "reversed_at", "known_at"):
        told = payment(account_ids[0], f"{column}-{instant}", **{column: instant})
        assert_refused(client.post("/v1/outcomes", json={"outcomes": [told]}), 400, 422)
    permit = {"account_id": account_ids[0], "channel": "letter", "at": instant}
    assert_refused(client.post("/v1/permits", json=permit), 400)


@pytest.mark.parametrize(
    "cents", [b"NaN", b"Infinity", b"1e400", b"9" * 30, b"-0.0", b"0.1", b'"1"', b"[]", b"{}", b"true"]
)
def test_an_absurd_amount_is_refused_wherever_rows_come(
    client: TestClient, account_ids: list[str], cents: bytes
) -> None:
    history = json.dumps({"accounts": [SMALLEST], "as_of": "2025-04-30"}).replace(
        '"amount_cents": 5000', '"amount_cents": X'
    )
    told = json.dumps({"outcomes": [payment(account_ids[0], f"cents-{cents.decode()}", cents=-77)]}).replace("-77", "X")
    assert "X" in history and "X" in told

    for path, text in (("/v1/score", history), ("/v1/decisions", history), ("/v1/outcomes", told)):
        answer = client.post(path, content=text.encode().replace(b"X", cents), headers=AS_JSON)
        if cents != b"-0.0":
            assert_refused(answer, 400, 422)
        assert answer.status_code < 500


def test_amounts_at_the_end_of_all_numbers_are_added_up_or_refused(client: TestClient) -> None:
    for most, status in ((2**63 - 1, 422), (10**13 + 1, 422), (10**13, 200)):
        paid = [{**SMALLEST["payments"][0], "payment_id": f"P{n}", "amount_cents": most - n} for n in range(5)]
        owed = [{**row, "balance_cents": most, "minimum_due_cents": most} for row in SMALLEST["statements"]]
        for history in ({**SMALLEST, "payments": paid}, {**SMALLEST, "statements": owed}):
            for path in ("/v1/score", "/v1/decisions"):
                answer = client.post(path, json={"accounts": [history], "as_of": "2025-04-30"})
                assert answer.status_code == status, answer.text
                assert status == 200 or assert_refused(answer)


def test_fifty_million_bytes_are_read_and_one_more_is_refused(client: TestClient) -> None:
    most = 50_000_000
    frame = len(b'{"account_ids":[""]}')
    began = time.process_time()

    fits = client.post("/v1/score", content=b'{"account_ids":["' + b"A" * (most - frame) + b'"]}', headers=AS_JSON)
    too_large = client.post("/v1/score", content=(b"[" * 1_000_000 for _ in range(51)), headers=AS_JSON)
    many = client.post("/v1/score", content=b'{"account_ids":[' + b'"A",' * 12_000_000 + b'"A"]}', headers=AS_JSON)

    assert assert_refused(fits, 400)["field"] == "account_ids.0"
    assert assert_refused(too_large, 413)["expected"] == f"<= {most} bytes"
    assert assert_refused(many, 400)["field"] == "account_ids"
    assert time.process_time() - began < 20


def test_ten_thousand_and_one_accounts_are_refused(client: TestClient) -> None:
    inline = [{**SMALLEST, "accounts": [{**SMALLEST["accounts"][0], "account_id": str(n)}]} for n in range(10_001)]

    for body in ({"account_ids": [f"A{n}" for n in range(10_001)]}, {"accounts": inline, "as_of": "2025-04-30"}):
        assert "10000" in assert_refused(client.post("/v1/score", json=body), 400)["message"]


def long_history(rows: int) -> dict[str, Any]:
    """The smallest history with ever more payments."""
    row = {**SMALLEST["payments"][0]}
    paid = [{**row, "payment_id": f"P{n}", "amount_cents": n + 1} for n in range(rows)]
    return {"accounts": [{**SMALLEST, "payments": paid}], "as_of": "2025-04-30"}


def test_a_hundred_thousand_rows_are_refused_by_name_and_scored_where_they_are_allowed(
    client: TestClient, desk: Desk
) -> None:
    body = json.dumps(long_history(100_000)).encode()
    roomy = client_of(replace(desk, limits=Limits(rows=200_000)), clock=lambda: NOW)
    began = time.process_time()

    refused = client.post("/v1/score", content=body, headers=AS_JSON)
    scored = roomy.post("/v1/score", content=body, headers=AS_JSON)

    assert "20000" in assert_refused(refused, 400)["message"]
    assert scored.status_code == 200, scored.text
    assert time.process_time() - began < 30


def test_a_packed_body_is_refused_before_it_unpacks(client: TestClient) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)

    for kind in ("gzip", "br", "deflate", "x" * 500):
        answer = client.post("/v1/score", content=bomb, headers={**AS_JSON, "content-encoding": kind})
        assert assert_refused(answer, 400)["field"] == "content-encoding"


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "application/json\x00x", "a" * 5_000],
)
def test_another_kind_of_body_is_refused(client: TestClient, kind: str) -> None:
    answer = client.post("/v1/decisions", content=b'{"account_ids": ["A1"]}', headers={"content-type": kind})

    assert assert_refused(answer, 400)["field"] == "content-type"


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%0d%0ax: 1",
        "a" * 5_000,
        "'; DROP TABLE records; --",
        "%ff%fe",
        "💥",
    ],
)
def test_an_id_leads_nowhere_but_to_a_record(client: TestClient, name: str) -> None:
    for path in (f"/v1/decisions/{name}", f"/v1/decisions/{name}/explanation", f"/v1/accounts/{name}/decisions"):
        answer = client.get(path)
        if path.startswith("/v1/accounts") and answer.status_code == 200:
            assert answer.json()["decisions"] == []
        else:
            assert_refused(answer, 400, 404)
    assert_refused(client.post(f"/v1/permits/{name}/release"), 400, 404)


def test_a_method_that_a_route_does_not_have_says_which_it_has(client: TestClient) -> None:
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"):
        answer = client.request(method, "/v1/score")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method
        assert method == "HEAD" or assert_refused(answer)


@pytest.mark.parametrize("query", ["limit=1&limit=2", "channel=sms&channel=letter", "cursor=a&cursor=b"])
def test_a_parameter_that_stands_twice_is_refused_and_not_guessed(client: TestClient, query: str) -> None:
    assert "twice" in assert_refused(client.get(f"/v1/queue?{query}"), 400)["message"]


CURSORS = [
    "x", "=", "W10=", "WzEsMiwzLDRd", "A" * 400, "A" * 600, "%00", "e30=", "bnVsbA==", "-1", "WyIiLCJhbGwiLDFlOTk5LDBd",
]  # fmt: skip


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_of_somebody_elses_making_is_refused(client: TestClient, cursor: str) -> None:
    assert assert_refused(client.get(f"/v1/queue?cursor={cursor}"), 400)["field"] == "cursor"


@pytest.mark.parametrize("key", ["", "k" * 129, "k\x7f", "\u00e9".encode("latin-1"), "a\tb"])
def test_an_idempotency_key_that_is_none_is_refused(client: TestClient, account_ids: list[str], key: Any) -> None:
    body = {"account_id": account_ids[0], "channel": "letter"}

    answer = client.post("/v1/permits", json=body, headers={"idempotency-key": key})

    assert assert_refused(answer, 400)["field"] == "idempotency-key"


def test_an_idempotency_key_of_another_request_opens_nothing(client: TestClient, account_ids: list[str]) -> None:
    bodies = [{"account_id": name, "channel": "letter"} for name in account_ids[:2]]
    first, other = (client.post("/v1/permits", json=body, headers={"idempotency-key": "mine"}) for body in bodies)

    assert first.status_code == 200
    assert assert_refused(other, 409)["code"] == "key_reused"


def spoken(port: int, *parts: bytes, then_close: bool = False) -> bytes:
    """What a server answers to these very bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(0.02)
        if then_close:
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := line.recv(65_536)):
            answer += piece
        return answer


def head(*lines: bytes, path: bytes = b"/v1/score") -> bytes:
    return b"\r\n".join(
        [b"POST " + path + b" HTTP/1.1", b"host: localhost", b"content-type: application/json", *lines, b"", b""]
    )


@pytest.mark.parametrize(
    "parts",
    [
        [head(b"content-length: 5"), b'{"account_ids": ["A1"]}'],
        [head(b"content-length: -1"), b"{}"],
        [head(b"content-length: 99999999999999999999"), b"{}"],
        [head(b"content-length: 2", b"content-length: 3"), b"{}"],
        [head(b"transfer-encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n"],
        [head(b"transfer-encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n"],
        [head(b"transfer-encoding: chunked", b"content-length: 2"), b"2\r\n{}\r\n0\r\n\r\n"],
        [head(b"content-length: 2", b"x: " + b"y" * 1_000_000), b"{}"],
        [head(b"content-length: 2", *[b"x-%d: y" % n for n in range(5_000)]), b"{}"],
        [head(b"content-length: 2", path=b"/v1/" + b"a" * 200_000), b"{}"],
        [b"\x00\x01\x02\r\n\r\n"],
        [b"GET /healthz HTTP/9.9\r\n\r\n"],
    ],
)  # fmt: skip
def test_bytes_that_lie_about_themselves_are_refused_and_the_service_goes_on(port: int, parts: list[bytes]) -> None:
    try:
        answer = spoken(port, *parts, then_close=True)
    except (ConnectionResetError, BrokenPipeError):
        answer = b""

    assert not answer or answer.split(b" ", 2)[1].startswith(b"4"), answer
    assert b"Traceback" not in answer
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_a_body_that_is_cut_off_is_nobodys_defect(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(head(b"content-length: 1000") + b'{"account_ids"')

    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    assert "internal_error" not in httpx.get(f"http://127.0.0.1:{port}/metrics").text


def test_slow_senders_hold_up_nobody_and_are_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.bodies.SLOWEST_SECONDS", 0.5)
    lines = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(50)]
    for line in lines:
        line.sendall(head(b"content-length: 1000") + b"{")

    began = time.perf_counter()
    assert httpx.get(f"http://127.0.0.1:{port}/v1/queue?limit=1").status_code == 200
    assert time.perf_counter() - began < 5
    answers = [line.recv(65_536) for line in lines]

    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    for line in lines:
        line.close()
