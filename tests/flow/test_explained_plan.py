"""A real plan, explained: contributions add up, the product's values are exact, capacity moves decisions and no score reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring.explanations import explain
from scoring.features.builder import FeatureFrame, build
from scoring.ledger.record import StoredRecord
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import read_portfolio
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.pins import load_champion
from scoring.scores.rank_reasons import RankExplainer, rank_explainer
from scoring.scores.scores import POSITIONS_READ, score_columns
from serving.nightly import run_plan
from tests.flow.conftest import Line

AT = datetime(2026, 9, 1, 1, 30, tzinfo=UTC)
TIGHT = "agent_call: {minutes: 300}\nsms: {contacts: 200}\napp_push: {contacts: 100}\n"
TIGHTER = "agent_call: {minutes: 30}\nsms: {contacts: 20}\napp_push: {contacts: 10}\n"
ADDS_UP = 1e-9


def planned(line: Line, home: Path, capacity: str, portfolio: Path | None = None) -> dict[str, StoredRecord]:
    """A plan in a state folder of its own: the record of every account."""
    shutil.copytree(line.home / "bundles", home / "bundles")
    (home / "capacity.yaml").write_text(capacity, encoding="utf-8")
    run = run_plan(
        portfolio or line.portfolio, as_of=line.as_of, out=home / "out", home=home, recorded_at=AT, threads=1,
        capacity_file=home / "capacity.yaml",
    )  # fmt: skip
    with Ledger.open(home / "ledger.db", read_only=True) as ledger:
        records = {str(record.account_id): record for record in ledger.records(kind="decision")}
    assert len(records) == run.summary["n_accounts"]
    return records


@pytest.fixture(scope="module")
def tight(line: Line, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRecord]:
    return planned(line, tmp_path_factory.mktemp("tight") / "home", TIGHT)


@pytest.fixture(scope="module")
def tighter(line: Line, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredRecord]:
    return planned(line, tmp_path_factory.mktemp("tighter") / "home", TIGHTER)


def test_the_contributions_of_every_decision_add_up(tight: dict[str, StoredRecord]) -> None:
    bodies = [record.body["scores"] for record in tight.values()]
    for name in EXPLAINED:
        off = [s[name]["expected_margin"] + sum(s[name]["groups"].values()) - s[name]["margin"] for s in bodies]
        assert np.abs(off).max() <= ADDS_UP
    whole = [s["product"] for s in bodies if s["product"] is not None]
    acted = [record for record in tight.values() if record.body["choice"]["channel"] != "none"]
    assert len(whole) == len(acted) > 100
    assert np.abs([p["reference"] + sum(p["groups"].values()) - p["value"] for p in whole]).max() <= ADDS_UP


def test_the_products_values_equal_every_coalition_run_through_the_served_models(
    line: Line, tight: dict[str, StoredRecord]
) -> None:
    _, bundle = load_champion(line.home)
    explainer = rank_explainer(bundle)
    assert explainer is not None
    acted = [account for account, record in tight.items() if record.body["choice"]["channel"] != "none"][::180]
    frame = build(read_portfolio(line.portfolio, threads=1), line.as_of)
    for account in acted:
        place = frame.positions["account_id"].tolist().index(account)
        found = by_enumeration(bundle, explainer, frame, place)
        recorded = tight[account].body["scores"]["product"]["groups"]
        np.testing.assert_allclose([recorded[group] for group in explainer.groups], found, rtol=0, atol=1e-12)


def by_enumeration(bundle: Bundle, explainer: RankExplainer, frame: FeatureFrame, place: int) -> np.ndarray[Any, Any]:
    """Shapley values from every coalition of groups, each scored as an account is served."""
    row, references = frame.values[place], explainer.references
    n = len(explainer.groups)
    coalitions = list(product([False, True], repeat=n))
    hybrids = np.concatenate(
        [np.where(np.array(members)[list(explainer.group_of)], row, references) for members in coalitions]
    )
    own = {name: frame.positions[name].to_numpy()[place : place + 1] for name in POSITIONS_READ}
    positions = {name: np.repeat(values, len(hybrids)) for name, values in own.items()}
    served = score_columns(bundle, hybrids, positions, frame.as_of, with_contributions=False).columns
    each = (np.asarray(served["w_none"]) * np.asarray(served["ability"])).reshape(len(coalitions), -1).mean(axis=1)
    worth, found = dict(zip(coalitions, each.tolist(), strict=True)), np.zeros(n)
    for members, value in worth.items():
        size = sum(members)
        for group in (group for group in range(n) if not members[group]):
            joined = tuple(one or other == group for other, one in enumerate(members))
            found[group] += factorial(size) * factorial(n - 1 - size) / factorial(n) * (worth[joined] - value)
    return found


def test_less_capacity_changes_explanations_of_decisions_and_no_reason_of_a_score(
    tight: dict[str, StoredRecord], tighter: dict[str, StoredRecord]
) -> None:
    moved = [a for a, record in tight.items() if record.body["choice"] != tighter[a].body["choice"]]

    assert tight.keys() == tighter.keys()
    assert len(moved) > 100
    assert [score_reasons(record) for record in tight.values()] == [score_reasons(tighter[a]) for a in tight]
    for account in moved[:20]:
        texts = {explain(records[account], lang="en", audience="compliance") for records in (tight, tighter)}
        assert len(texts) == 2


def score_reasons(record: StoredRecord) -> Any:
    """Both scores with their reasons; how stable a reason is stands only where an action was explained."""
    scores = {name: value for name, value in record.body["scores"].items() if name != "product"}
    for name in EXPLAINED:
        reasons = [{k: v for k, v in reason.items() if k != "kept"} for reason in scores[name]["reasons"]]
        scores[name] = {**scores[name], "reasons": reasons}
    return scores


@pytest.fixture(scope="module", params=[1, 2])
def refused(
    request: pytest.FixtureRequest, line: Line, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[set[str], dict[str, StoredRecord]]]:
    """The same plan after half of the customers, drawn anew, refused decisions made by machine alone."""
    root = tmp_path_factory.mktemp("refused")
    shutil.copytree(line.portfolio, root / "portfolio")
    accounts = pd.read_parquet(root / "portfolio" / "accounts.parquet")["account_id"]
    chosen = accounts[np.random.default_rng(request.param).random(len(accounts)) < 0.5]
    standings = pd.read_parquet(root / "portfolio" / "standings.parquet")
    rows = pd.DataFrame({"account_id": chosen, "kind": "adm_refused", "from_at": pd.Timestamp("2026-08-30 08:00:00")})
    if "known_at" in standings:
        rows["known_at"] = rows["from_at"]
    fresh = rows[~rows["account_id"].isin(standings.loc[standings["kind"] == "adm_refused", "account_id"])]
    joined = pd.concat([standings, fresh.reindex(columns=standings.columns).astype(standings.dtypes)])
    joined.to_parquet(root / "portfolio" / "standings.parquet", index=False)
    yield set(chosen), planned(line, root / "home", TIGHT, root / "portfolio")


def test_a_refused_automated_decision_lowers_no_priority_and_takes_no_offer_away(
    tight: dict[str, StoredRecord], refused: tuple[set[str], dict[str, StoredRecord]]
) -> None:
    accounts, after = refused
    asked = accounts & tight.keys()

    assert tight.keys() == after.keys()
    assert len(asked) > 200
    for account, record in tight.items():
        for part in ("choice", "candidates", "scores", "details", "softer"):
            before, now = (without_review(one.body.get(part)) for one in (record, after[account]))
            assert before == now, (part, account in asked)


def without_review(part: Any) -> Any:
    """A part of a record without the one thing a refusal may change: that a person decides first, and what that person needs."""
    changes = ("needs_review", "legal")
    return {name: value for name, value in part.items() if name not in changes} if isinstance(part, dict) else part
