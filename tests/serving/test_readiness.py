"""Without a usable bundle, plan, ledger or portfolio the service is alive, not ready, and says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.desk import Desk
from serving.opening import open_desk
from serving.shapes import ReadyAnswer
from tests.serving.conftest import AS_OF, Home, client_of, settings_of

Spoil = Callable[[Path], object]


@pytest.fixture
def copy(home: Home, tmp_path: Path) -> Path:
    """A state folder that a test may spoil."""
    return shutil.copytree(home.untouched, tmp_path / "home")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def point_elsewhere(home: Path) -> None:
    pointer = home / "plans" / "current.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "portfolio": "nowhere"}))


def grow_the_portfolio(home: Path) -> None:
    pointer = home / "plans" / "current.json"
    stated = json.loads(pointer.read_text())
    grown = shutil.copytree(stated["portfolio"], home / "grown")
    (grown / "portfolio.toml").write_text((grown / "portfolio.toml").read_text() + "# changed\n")
    pointer.write_text(json.dumps({**stated, "portfolio": str(grown)}))


def forget_the_plan(home: Path) -> None:
    for path in home.glob("ledger.db*"):
        path.unlink()


SPOILED: dict[str, tuple[Spoil, str, str]] = {
    "no bundle was promoted": (
        lambda home: (home / "bundles" / "champion.toml").unlink(),
        "not_ready",
        "scoring promote",
    ),
    "the bundle is gone": (lambda home: shutil.rmtree(home / "bundles" / "small"), "bundle_mismatch", "bundle.json"),
    "a model changed by one byte": (
        lambda home: flip_a_byte(home / "bundles" / "small" / "ability.txt"),
        "bundle_mismatch",
        "ability.txt",
    ),
    "the manifest changed by one byte": (
        lambda home: flip_a_byte(home / "bundles" / "small" / "bundle.json"),
        "bundle_mismatch",
        "bundle.json",
    ),
    "the pin cannot be read": (
        lambda home: (home / "bundles" / "champion.toml").write_text("x"),
        "bundle_mismatch",
        "pin",
    ),
    "no plan was made": (lambda home: shutil.rmtree(home / "plans"), "not_ready", "scoring plan"),
    "the plan's files are incomplete": (
        lambda home: next(home.glob("plans/*/decisions.parquet")).unlink(),
        "not_ready",
        "scoring plan",
    ),
    "the plan's file is cut": (
        lambda home: next(home.glob("plans/*/scores.parquet")).write_bytes(b"PAR1"),
        "not_ready",
        "scoring plan",
    ),
    "the portfolio is gone": (point_elsewhere, "not_ready", "the folder that the plan names"),
    "the portfolio has changed": (grow_the_portfolio, "not_ready", "Make the plan again"),
    "there is no ledger": (forget_the_plan, "not_ready", "scoring plan"),
    "the ledger is no ledger": (lambda home: (home / "ledger.db").write_bytes(b"x" * 9000), "ledger_broken", "ledger"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_service_that_lacks_something_is_alive_and_says_what(copy: Path, account_ids: list[str], name: str) -> None:
    spoil, code, says = SPOILED[name]
    spoil(copy)

    desk = open_desk(settings_of(copy))
    client = client_of(desk)

    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, code)
    assert says in ready.json()["message"]
    assert str(copy) not in ready.text and str(copy.parent) not in ready.text
    for path in ("/v1/score", "/v1/decisions"):
        refused = client.post(path, json={"account_ids": account_ids[:1]})
        assert (
            (refused.status_code, refused.json()["code"]) == (409, code)
            if path == "/v1/decisions"
            else (409, refused.json()["code"])
        )
    assert client.get("/v1/queue").status_code == 409
    desk.close()


def test_a_start_in_an_empty_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    desk = open_desk(settings_of(tmp_path / "home"))

    assert client_of(desk).get("/readyz").json()["code"] == "not_ready"
    assert not (tmp_path / "home").exists()


def test_a_new_start_picks_up_the_bundle(copy: Path, account_ids: list[str]) -> None:
    pin = copy / "bundles" / "champion.toml"
    kept = pin.read_text()
    pin.unlink()
    assert client_of(open_desk(settings_of(copy))).get("/readyz").status_code == 503

    pin.write_text(kept)

    client = client_of(open_desk(settings_of(copy)))
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/score", json={"account_ids": account_ids[:1]}).status_code == 200


def test_histories_are_scored_without_a_plan(copy: Path, home: Home, account_ids: list[str]) -> None:
    from tests.serving.conftest import history_of

    shutil.rmtree(copy / "plans")
    body = {"accounts": history_of(home, account_ids[0]), "as_of": AS_OF.isoformat()}

    client = client_of(open_desk(settings_of(copy)))

    assert client.post("/v1/score", json=body).status_code == 200
    assert client.post("/v1/decisions", json=body).json()["code"] == "not_ready"


def test_a_ready_service_says_what_it_answers_with(client: TestClient, home: Home) -> None:
    answer = ReadyAnswer.model_validate_json(client.get("/readyz").content)

    assert answer.plan_run_id == home.run.run_id
    assert answer.plan_bundle_id == answer.bundle_id
    assert answer.n_decisions == home.run.summary["n_accounts"]


def test_before_anything_is_loaded_the_service_is_loading() -> None:
    client = client_of(None)

    assert client.get("/healthz").status_code == 200
    assert "loading" in client.get("/readyz").json()["message"]
    assert client.post("/v1/score", json={"account_ids": ["A1"]}).status_code == 409


def test_the_same_refusal_can_be_told_again_and_again(desk: Desk) -> None:
    from scoring.errors import NotReadyError

    client = client_of(replace(desk, day=NotReadyError("No plan.")))

    assert {client.get("/readyz").text for _ in range(3)} == {client.get("/readyz").text}
