"""The challenger is asked after the answer, about the same accounts, and whatever becomes of it no answer changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightgbm import Booster
from starlette.testclient import TestClient

from scoring.errors import LedgerError
from scoring.explanations import explain
from scoring.ledger.replay import replay
from scoring.ledger.shadow import SHADOW, shadow_id, shadow_records
from scoring.ledger.shadow_summary import summarise
from scoring.ledger.verify import verify
from scoring.scores.bundle import Bundle, write_bundle
from scoring.scores.pins import CHALLENGER, Pin, load_champion, retire_challenger, write_pin
from scoring.scores.scores import score
from serving import shadow
from serving.app import equip, make_app
from serving.desk import Desk, there
from serving.opening import open_desk
from serving.settings import Settings
from serving.shadow import MOST_WAITING, Answered, Shadow
from serving.watching import Watch
from serving.wire import AccountsRequest
from tests.serving.conftest import RECORDED_AT, Home, history_of

FILES = ("schema", "feature_names", "feature_spec_hash", "models", "documents", "has_reference", "files")


def write_challenger(home: Path, champion: Bundle) -> str:
    """The champion's models cut to their first trees, pinned as the challenger."""
    cut = {
        name: Booster(model_str=booster.model_to_string(num_iteration=3)) for name, booster in champion.boosters.items()
    }
    facts = {name: value for name, value in champion.manifest.items() if name not in FILES}
    bundle_id = write_bundle(home / "bundles" / "other", cut, facts)
    pin = Pin(bundle_id, "other", "2", "run", "Test Approver", "2026-09-02T00:00:00+00:00", "", ())
    write_pin(home, pin, CHALLENGER)
    return bundle_id


@pytest.fixture(scope="module")
def tried(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Desk]]:
    """A copy of the state folder with a challenger, and a desk on it."""
    place = shutil.copytree(home.untouched, tmp_path_factory.mktemp("tried") / "home")
    write_challenger(place, load_champion(place)[1])
    settings = replace(home.settings, home=place)
    desk = open_desk(settings)
    yield settings, desk
    desk.close()


def served(desk: Desk) -> tuple[TestClient, Shadow]:
    app = make_app()
    equip(app, desk, clock=lambda: RECORDED_AT)
    client = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))
    return client, app.state.shadow


def shadows_of(desk: Desk, decision_id: str) -> list[dict[str, Any]]:
    return [record.body for record in there(desk.ledger).about(decision_id) if record.kind == SHADOW]


def test_every_decision_gets_one_record_of_what_the_challenger_would_have_done(
    tried: tuple[Settings, Desk], account_ids: list[str], current_id: str
) -> None:
    client, beside = served(tried[1])
    asked = {"account_ids": [*account_ids[:6], current_id]}
    decided = client.post("/v1/decisions", json=asked).json()["decisions"]
    beside.wait()
    assert client.post("/v1/decisions", json=asked).json()["decisions"] == decided
    beside.wait()

    desk = tried[1]
    for decision in decided:
        [told] = shadows_of(desk, decision["decision_id"])
        record = there(desk.ledger).get(decision["decision_id"])
        assert told["champion"]["bundle_id"] == desk.bundle().bundle_id
        assert told["challenger"]["bundle_id"] == desk.challenging().bundle_id
        assert told["choice"]["champion"]["channel"] == decision["channel"]
        assert told["scores"]["w_logged"]["champion"] == record.body["scores"]["w_logged"]
        assert told["is_same_channel"] == (told["choice"]["challenger"]["channel"] == decision["channel"])
    text = client.get("/metrics").text
    counted = re.findall(r"^scoring_shadow_decisions_total\{.*\} (\S+)$", text, re.MULTILINE)
    assert sum(map(float, counted)) == sum(
        not t["was_by_chance"] for d in decided for t in shadows_of(desk, d["decision_id"])
    )


def test_a_bundle_in_its_own_shadow_would_have_decided_the_same_between_plans(desk: Desk, current_id: str) -> None:
    ledger = there(desk.ledger)
    client, _ = served(desk)
    [decided] = client.post("/v1/decisions", json={"account_ids": [current_id]}).json()["decisions"]
    twin = replace(desk.bundle(), bundle_id="00" * 32)

    [made] = shadow_records(ledger, [ledger.get(decided["decision_id"])], twin, desk.archived()[1])

    assert isinstance(made.body, dict)
    assert made.body["is_same_channel"] and made.about == decided["decision_id"]
    assert all(pair["champion"] == pair["challenger"] for pair in made.body["scores"].values())
    champion, other = made.body["choice"]["champion"], made.body["choice"]["challenger"]
    assert (champion["treatment"], champion["value_cents"]) == (other["treatment"], other["value_cents"])


def test_shadow_records_change_nothing_that_is_verified_replayed_explained_or_listed(
    tried: tuple[Settings, Desk], account_ids: list[str], current_id: str
) -> None:
    desk = tried[1]
    client, beside = served(desk)
    [decided] = client.post("/v1/decisions", json={"account_ids": [current_id]}).json()["decisions"]
    beside.wait()
    ledger, name = there(desk.ledger), decided["decision_id"]
    shadowed = shadow_id(name, desk.challenging().bundle_id)

    assert verify(ledger) == []
    assert [found.is_exact for found in replay(ledger, [name], *desk.archived())] == [True]
    assert "scor" in explain(ledger.get(name), lang="en", audience="compliance")
    assert [record.record_id for record in desk.decisions_of(current_id, 1)] == [name]
    assert client.get(f"/v1/decisions/{shadowed}").status_code == 404
    with pytest.raises(LedgerError, match="of kind shadow"):
        replay(ledger, [shadowed], *desk.archived())


def test_scores_are_compared_in_metrics_and_recorded_nowhere(
    tried: tuple[Settings, Desk], home: Home, account_ids: list[str]
) -> None:
    desk = tried[1]
    client, beside = served(desk)
    head = there(desk.ledger).head()
    client.post("/v1/score", json={"account_ids": account_ids[:4]})
    inline = {"accounts": [history_of(home, account_ids[0])], "as_of": "2026-09-30"}
    assert client.post("/v1/score", json=inline).status_code == 200
    beside.wait()

    text = client.get("/metrics").text
    assert 'scoring_shadow_difference_count{score="w_logged"} 5.0' in text
    assert "scoring_shadow_dropped_total{" not in text
    [frame] = desk.frames(AccountsRequest(account_ids=account_ids[:4]))
    champion, other = (score(bundle, frame).table["w_logged"] for bundle in (desk.bundle(), desk.challenging()))
    assert (champion != other).any()
    assert there(desk.ledger).head() == head


def test_a_challenger_that_fails_fails_alone(tried: tuple[Settings, Desk], account_ids: list[str]) -> None:
    broken = replace(tried[1].challenging(), boosters={})
    desk = replace(tried[1], challenger=(tried[1].challenger[0], broken))  # type: ignore[index]
    client, beside = served(desk)
    sound, _ = served(replace(tried[1], challenger=None))
    asked = {"account_ids": account_ids[6:9]}

    answers = [client.post(path, json=asked) for path in ("/v1/score", "/v1/decisions")]
    beside.wait()

    assert [a.json() for a in answers] == [
        sound.post(path, json=asked).json() for path in ("/v1/score", "/v1/decisions")
    ]
    assert 'scoring_shadow_dropped_total{why="failed"} 6.0' in client.get("/metrics").text


def test_what_does_not_fit_is_left_out_and_counted(tried: tuple[Settings, Desk]) -> None:
    app = make_app()
    beside = Shadow(app.state.meters, lambda: RECORDED_AT)
    beside.stop()  # nothing is taken from what waits
    for _ in range(3):
        beside.decided(tried[1], b'{"decisions": []}', MOST_WAITING // 2)

    assert b'scoring_shadow_dropped_total{why="busy"} 1000.0' in app.state.meters.text()
    assert Answered.__doc__ and shadow.SHARE_OF_A_CORE < 0.5


def test_a_challenger_comes_and_goes_without_a_restart(home: Home, tmp_path: Path) -> None:
    place = shutil.copytree(home.untouched, tmp_path / "home")
    settings = replace(home.settings, home=place)
    desks = [open_desk(settings)]
    watch = Watch(settings, desks[0], desks.append)
    assert desks[-1].ready_facts()["challenger"] is None

    bundle_id = write_challenger(place, desks[0].bundle())
    assert watch.look() and desks[-1].ready_facts()["challenger"] == bundle_id

    (place / "bundles" / "other" / "ability.txt").write_text("cut")
    (place / "bundles" / CHALLENGER).touch()
    assert watch.look() and desks[-1].ready_facts()["challenger"] == "bundle_mismatch"
    assert desks[-1].is_ready() and not desks[-1].has_challenger()

    assert retire_challenger(place) is not None
    assert watch.look() and desks[-1].ready_facts()["challenger"] is None
    desks[-1].close()


def test_the_summary_counts_by_pair_of_bundles(tried: tuple[Settings, Desk], account_ids: list[str]) -> None:
    client, beside = served(tried[1])
    client.post("/v1/decisions", json={"account_ids": account_ids[10:14]})
    beside.wait()
    ledger = there(tried[1].ledger)
    [(pair, found)] = summarise(record.body for record in ledger.records(kind=SHADOW)).items()

    assert pair == (tried[1].bundle().bundle_id, tried[1].challenging().bundle_id)
    assert found.n >= 4
    assert sum(row["decisions"] for row in found.by_channel()) == found.n - found.n_by_chance
