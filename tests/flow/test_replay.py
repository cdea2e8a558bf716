"""Decisions computed again from their records: exact whatever was promoted or changed since, and plain about what stands in the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scoring.ledger.replay import Replayed, replay
from scoring.ledger.retention import erase
from scoring.ledger.store import Ledger
from serving.archive import archived_bundles
from serving.nightly import NightlyRun, run_plan
from tests.flow.conftest import Line

AT = datetime(2026, 9, 1, 1, 30, tzinfo=UTC)


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
    (home / "bundles" / "champion.toml").unlink()
    yield home, run


def test_every_decision_of_a_plan_is_replayed_to_the_last_bit(night: tuple[Path, NightlyRun]) -> None:
    home, run = night
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        found = replay(ledger, None, archived_bundles(home), batch_id=run.run_id)
        named = replay(ledger, [found[3].decision_id], archived_bundles(home))

    assert len(found) == run.summary["n_accounts"] > 100
    assert [one for one in found if not one.is_exact] == []
    assert named == [found[3]]


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

    assert {one.refusal[:40] for one in found} == {"1 of the accounts and customers that wer"}
