"""Decisions computed again from their records: exact whatever was promoted or changed since, and plain about what stands in the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoring.features.builder import build
from scoring.ledger.replay import TAKEN_AS_GIVEN, differences, replay
from scoring.ledger.retention import erase
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import read_portfolio
from scoring.resources import in_force, reference_text
from serving.archive import archived_bundles, archived_tables
from serving.nightly import NightlyRun, run_plan
from serving.opening import open_desk
from serving.settings import Settings
from serving.wire import AccountsRequest
from tests.flow.conftest import Line

AT = datetime(2026, 9, 1, 1, 30, tzinfo=UTC)
GIVEN = ("policy", "details", "environment")


@pytest.fixture(scope="module")
def night(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, NightlyRun]]:
    """A plan under tight capacities in a state folder of its own, whose champion was taken away since."""
    home = tmp_path_factory.mktemp("replay") / "home"
    shutil.copytree(line.home / "bundles", home / "bundles")
    capacity = home / "capacity.yaml"
    capacity.write_text(
        "agent_call: {minutes: 300}\nsms: {contacts: 200}\napp_push: {contacts: 100}\n", encoding="utf-8"
    )
    run = run_plan(
        line.portfolio, as_of=line.as_of, out=home / "out", home=home, recorded_at=AT, capacity_file=capacity, threads=1
    )
    decide_live(line, home)
    (home / "bundles" / "champion.toml").unlink()
    yield home, run


def decide_live(line: Line, home: Path) -> None:
    """Some accounts are decided for a day of which there is no plan, one by one at the plan's prices."""
    desk = open_desk(Settings(home=home, host="127.0.0.1", port=3000, threads=1, datasets=Path("nowhere")))
    day = line.as_of - timedelta(days=20)
    portfolio = read_portfolio(line.portfolio, threads=1)
    seen = build(portfolio, day).positions["account_id"].tolist()
    desk.decide(AccountsRequest(account_ids=seen[:40], as_of=day), AT)
    desk.close()


def test_every_decision_of_a_plan_is_replayed_to_the_last_bit(night: tuple[Path, NightlyRun]) -> None:
    home, run = night
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        found = replay(ledger, None, archived_bundles(home), archived_tables(home), batch_id=run.run_id)
        named = replay(ledger, [found[3].decision_id], archived_bundles(home))

    assert len(found) == run.summary["n_accounts"] > 100
    assert [one for one in found if not one.is_exact] == []
    assert named == [found[3]]
    assert {one.taken_as_given for one in found} <= {GIVEN, ("policy", "details", "softer", "environment")}


def test_what_is_recorded_of_reasons_prices_and_effects_is_computed_again(night: tuple[Path, NightlyRun]) -> None:
    home, _ = night
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        bodies = [record.body for record in ledger.records(kind="decision") if record.body["trigger"] == "plan"]

    explained = [body for body in bodies if body["scores"].get("product") is not None]
    assert {"product", "willingness", "ability"} <= set(explained[0]["scores"]) - set(TAKEN_AS_GIVEN)
    assert all(reason["kept"] is not None for reason in explained[0]["scores"]["willingness"]["reasons"])
    assert "effects" in explained[0]["model"]
    for path in ("scores.product.groups.delinquency", "model.effects.sms", "scores.ability.reasons"):
        assert differences(explained[0], with_other(explained[0], path.split("."))) != []


def with_other(body: Any, path: list[str]) -> Any:
    """A body with one value replaced."""
    return {**body, path[0]: with_other(body[path[0]], path[1:]) if path[1:] else "another"}


def test_every_decision_between_plans_is_replayed_to_the_last_bit(night: tuple[Path, NightlyRun]) -> None:
    home, _ = night
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        live = [r.record_id for r in ledger.records(kind="decision") if r.body["trigger"] == "request"]
        found = replay(ledger, live, archived_bundles(home), archived_tables(home))

    assert len(found) == 40
    assert [one for one in found if not one.is_exact] == []


@pytest.mark.parametrize("name", ["channel_effects", "harm", "strategy"])
def test_after_a_change_of_a_table_the_archived_one_decides_again(night: tuple[Path, NightlyRun], name: str) -> None:
    home, run = night
    changed = {name: reference_text(name) + "\n# and more\n"}
    if name == "harm":
        changed = {name: reference_text(name).replace("growth = 0.15", "growth = 0.9")}
    with Ledger.open(home / "ledger.db", read_only=True) as ledger, in_force(changed):
        found = replay(ledger, None, archived_bundles(home), archived_tables(home), batch_id=run.run_id)
        lost = replay(ledger, [found[0].decision_id], archived_bundles(home))

    assert [one for one in found if not one.is_exact] == []
    assert name == "strategy" or f"The tables ['{name}'] are not the ones" in lost[0].refusal


def test_an_archived_table_that_was_edited_is_not_used(night: tuple[Path, NightlyRun], tmp_path: Path) -> None:
    home, _ = night
    shutil.copytree(home / "tables", tmp_path / "tables")
    versions = {path.name.split(".")[0]: path.name.split(".")[1] for path in (tmp_path / "tables").iterdir()}
    [edited] = (tmp_path / "tables").glob("harm.*")
    edited.write_text(edited.read_text().replace("growth = 0.15", "growth = 0.9"))

    assert sorted(archived_tables(home)(versions)) == sorted(versions)
    assert sorted(archived_tables(tmp_path)(versions)) == sorted(set(versions) - {"harm"})


def test_a_policy_is_archived_under_its_hash(night: tuple[Path, NightlyRun]) -> None:
    home, run = night

    assert (home / "policies" / f"{run.summary['policy']['sha256']}.yaml").is_file()


def test_a_bundle_that_is_gone_is_named(night: tuple[Path, NightlyRun], tmp_path: Path) -> None:
    home, run = night
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        found = replay(ledger, None, archived_bundles(tmp_path), batch_id=run.run_id)

    assert {one.is_exact for one in found} == {False}
    assert "There is no bundle at" in found[0].refusal


def test_a_plan_with_an_erased_account_says_so(night: tuple[Path, NightlyRun], tmp_path: Path) -> None:
    home, run = night
    for name in ("ledger.db", "ledger-subjects.db"):
        shutil.copy(home / name, tmp_path)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        account = next(ledger.records(kind="decision")).account_id
        assert account is not None
        erase(ledger, account, by="s17", reason_code="asked", despite="right_to_be_erased", recorded_at=AT)
        found = replay(ledger, None, archived_bundles(home), batch_id=run.run_id)

    assert all("of the accounts and customers that were decided together were erased" in one.refusal for one in found)
