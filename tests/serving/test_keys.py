"""Keys and roles over HTTP: one table of routes and roles, tested in full; constant words for every key that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from scoring.errors import NotReadyError, ScoringError
from serving import admission
from serving.admission import Admission, TooOftenError
from serving.app import equip, make_app, put_in_use
from serving.commands.keys import keys
from serving.desk import Desk
from serving.roles import ALLOWED, OPEN
from serving.state.database import State, StateUnavailableError, StateVersionError
from serving.state.keys import ROLES, make_key, revoke_key

NOW = datetime.now(UTC)
NOTHING = NotReadyError("Nothing is loaded.")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(str(tmp_path / "state.db"))
    yield made
    made.close()


def key_of(state: State, role: str, days: int = 1) -> str:
    return make_key(
        state, role=role, caller="test", made_at=NOW - timedelta(days=2), expires_at=NOW + timedelta(days=days)
    )


def client_of(state: State, address: str = "10.0.0.7") -> TestClient:
    """A caller from another machine, of a service that has keys and nothing else."""
    app = make_app()
    equip(app, Desk(NOTHING, NOTHING, NOTHING, state))
    return TestClient(app, base_url="http://scoring.bank", client=(address, 50000))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def path_of(template: str) -> str:
    return template.replace("{", "").replace("}", "")


def test_every_route_answers_the_roles_of_the_table_and_no_other(state: State) -> None:
    client = client_of(state)
    by_role = {role: bearer(key_of(state, role)) for role in ROLES}

    seen = {
        (method, template, role): client.request(method, path_of(template), headers=headers, follow_redirects=False)
        for (method, template) in ALLOWED
        for role, headers in by_role.items()
    }

    for (method, template, role), answer in seen.items():
        is_refused = answer.status_code == 403 and answer.json()["code"] == "role_refused"
        assert is_refused == (role not in ALLOWED[(method, template)]), (method, template, role, answer.text)


def test_the_table_names_every_route_of_the_application_and_none_that_is_not_there() -> None:
    routes = {
        (method, getattr(route, "path", ""))
        for route in make_app().routes
        for method in set(getattr(route, "methods", ())) - {"HEAD"}
    }  # fmt: skip

    assert routes == set(ALLOWED) | OPEN


def test_without_a_key_only_the_signs_of_life_are_answered(state: State) -> None:
    key_of(state, "admin")
    client = client_of(state)

    statuses = {route: client.request(route[0], path_of(route[1])).status_code for route in (*ALLOWED, *OPEN)}

    assert {route for route, status in statuses.items() if status != 401} == OPEN
    assert client.get("/nowhere").status_code == 401


def test_on_every_route_every_wrong_key_gets_the_very_same_bytes(state: State) -> None:
    """Nothing tells apart a key that is missing, unknown, over or revoked; nor a route that is there from one that is not."""
    right, over, ended = key_of(state, "admin"), key_of(state, "admin", days=-1), key_of(state, "admin")
    revoke_key(state, ended.partition(".")[0], NOW)
    client = client_of(state)
    wrong = [bearer(key) for key in (over, ended, right[:-1], "0" * 16 + ".x", "")] + [
        {},
        {"authorization": f"Basic {right}"},
    ]

    routes = [*ALLOWED, ("GET", "/nowhere"), ("DELETE", "/v1/queue"), ("PUT", "/v1/decisions/x/replay")]
    answers = [
        client.request(method, path_of(path), headers=headers, follow_redirects=False)
        for method, path in routes
        for headers in wrong
    ]

    def seen(answer: Any) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        return answer.status_code, answer.content, tuple(h for h in answer.headers.items() if h[0] != "x-request-id")

    assert len({seen(answer) for answer in answers}) == 1
    assert answers[0].json()["code"] == "key_refused"


def test_a_route_that_is_not_in_the_table_answers_nobody(state: State) -> None:
    client = client_of(state)
    app: Any = client.app

    @app.get("/v1/forgotten")
    async def forgotten() -> dict[str, str]:
        return {"secret": "x"}

    answers = [client.get("/v1/forgotten", headers=bearer(key_of(state, role))) for role in ROLES]

    assert {(answer.status_code, "secret" in answer.text) for answer in answers} == {(404, False)}
    assert client.get("/v1/forgotten").status_code == 401


def test_a_path_says_its_methods_to_those_who_have_a_key(state: State) -> None:
    headers = bearer(key_of(state, "compliance"))

    answers = [
        client_of(state).request("PUT", path, headers=headers) for path in ("/v1/queue", "/v1/decisions/x/replay")
    ]

    assert [(answer.status_code, answer.headers["allow"]) for answer in answers] == [(405, "GET"), (405, "POST")]


def test_every_wrong_key_is_refused_in_the_same_words(state: State) -> None:
    right, old, ended = key_of(state, "admin"), key_of(state, "admin", days=-1), key_of(state, "admin")
    revoke_key(state, ended.partition(".")[0], NOW)
    other_secret = right.partition(".")[0] + "." + old.partition(".")[2]
    client = client_of(state)

    wrong = [old, ended, other_secret, "x", "", "0" * 16 + ".x"]
    answers = [client.get("/readyz", headers=bearer(key)) for key in wrong] + [client.get("/readyz")]

    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert client.get("/readyz", headers=bearer(right)).status_code == 503


def test_without_any_key_this_machine_is_answered_and_others_are_not(state: State) -> None:
    app = make_app()
    equip(app, Desk(NOTHING, NOTHING, NOTHING, state))

    here = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))

    assert here.get("/readyz").status_code == 503
    assert client_of(state).get("/readyz").json()["code"] == "not_local"


def test_a_revoked_key_is_refused_within_seconds(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    key, client = key_of(state, "admin"), client_of(state)
    assert client.get("/readyz", headers=bearer(key)).status_code == 503
    monkeypatch.setattr(admission, "monotonic", lambda: admission.CACHED_SECONDS + 1e9)

    revoke_key(state, key.partition(".")[0], NOW)

    assert client.get("/readyz", headers=bearer(key)).status_code == 401


def test_revoking_the_last_key_does_not_open_the_service(state: State) -> None:
    revoke_key(state, key_of(state, "admin").partition(".")[0], NOW)

    assert client_of(state, "127.0.0.1").get("/readyz").status_code == 401


def test_a_key_that_asks_too_often_is_told_to_wait(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    key, at = key_of(state, "queue"), [0.0]
    monkeypatch.setattr(admission, "monotonic", lambda: at[0])
    door = Admission(state, rate=2)

    async def ask() -> None:
        await door.caller("GET", "/v1/queue", {b"authorization": f"Bearer {key}".encode()})

    for _ in range(20):
        anyio.run(ask)
    with pytest.raises(TooOftenError, match="2 times a second"):
        anyio.run(ask)
    at[0] += 1.0
    anyio.run(ask)


def test_keys_are_made_listed_and_revoked_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORING_HOME", str(tmp_path))
    run = CliRunner().invoke

    made = run(keys, ["make", "--role", "queue", "--caller", "dialler"]).output.splitlines()[0]
    listed = run(keys, ["list"]).output
    revoked = run(keys, ["revoke", made.partition(".")[0]]).output

    assert made.partition(".")[0] in listed and made.partition(".")[2] not in listed
    assert "is revoked" in revoked
    assert "revoked 20" in run(keys, ["list"]).output


@pytest.mark.parametrize("unread", [StateUnavailableError("The database is away."), StateVersionError("It is newer.")])
def test_nobody_is_let_in_where_the_keys_cannot_be_read_at_start(unread: ScoringError) -> None:
    app = make_app()
    equip(app, Desk(NOTHING, NOTHING, NOTHING, unread))
    client = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))

    answers = {(method, path): client.request(method, path_of(path)).status_code for method, path in ALLOWED}
    signs_of_life = [client.request(method, path_of(path)).status_code for method, path in OPEN]

    assert set(answers.values()) == {503} and set(signs_of_life) == {200}


def test_keys_are_asked_for_again_as_soon_as_the_state_is_there(state: State) -> None:
    app = make_app()
    equip(app, Desk(NOTHING, NOTHING, NOTHING, StateUnavailableError("The database is away.")))
    client = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))
    away = client.get("/v1/queue").status_code

    key = key_of(state, "admin")
    put_in_use(app, Desk(NOTHING, NOTHING, NOTHING, state))

    assert (away, client.get("/v1/queue").status_code) == (503, 401)
    assert client.get("/v1/queue", headers=bearer(key)).json()["code"] == "not_ready"
