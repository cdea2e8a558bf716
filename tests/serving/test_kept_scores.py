"""Scores that the nightly run kept are those that the models give, and nothing else is ever answered in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from serving.answers import score_rows
from serving.current_plan import CurrentPlan
from serving.degraded import Condition
from serving.desk import Desk, there
from serving.kept_files import ANSWERS
from serving.kept_scores import kept_scores
from serving.quick_scores import quick_scores
from serving.wire import AccountsRequest
from tests.serving.conftest import client_of

Kept = tuple[Path, CurrentPlan]


def test_every_account_of_the_plan_is_answered_with_the_bytes_that_the_models_give(
    desk: Desk, unkept_desk: Desk
) -> None:
    account_ids = desk.plan().decisions["account_id"].tolist()
    assert there(desk.day).scores is not None and len(account_ids) > 100
    asked = AccountsRequest(account_ids=account_ids[::-1])

    kept, made = quick_scores(desk, asked), quick_scores(unkept_desk, asked)

    assert kept is not None and made is not None and kept.as_of == made.as_of
    assert orjson.dumps(kept.rows) == orjson.dumps(made.rows)
    [(slowly, _)] = unkept_desk.scored(asked)
    assert orjson.dumps(kept.rows) == orjson.dumps(score_rows(slowly))
    assert [row["account_id"] for row in kept.rows] == account_ids[::-1]


def test_asked_over_http_no_model_is_asked(client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    account_id = desk.plan().decisions["account_id"].iloc[0]
    before = client.post("/v1/score", json={"account_ids": [account_id]})
    monkeypatch.setattr("serving.quick_scores.score_columns", None)

    after = client.post("/v1/score", json={"account_ids": [account_id]})

    assert (after.status_code, after.content) == (200, before.content)


def test_an_account_that_the_plan_did_not_score_is_scored_by_the_models(desk: Desk, unkept_desk: Desk) -> None:
    planned = set(desk.plan().decisions["account_id"])
    others = [name for name in there(desk.day).frame.positions["account_id"] if name not in planned][:3]
    some = [*others, *list(planned)[:2]]

    answers = [client_of(which).post("/v1/score", json={"account_ids": some}) for which in (desk, unkept_desk)]

    assert others and answers[0].status_code == 200
    assert answers[0].json()["scores"] == answers[1].json()["scores"]


def test_while_the_models_cannot_score_the_kept_scores_are_not_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = AccountsRequest(account_ids=[desk.plan().decisions["account_id"].iloc[0]])
    unable = replace(desk, condition=Condition("contributions_do_not_add_up"))
    monkeypatch.setattr(there(desk.day).scores, "_records", None)

    assert quick_scores(unable, asked) is not None  # asks the models again
    with pytest.raises(TypeError):
        quick_scores(desk, asked)


def test_scores_of_another_bundle_version_or_plan_or_with_a_changed_byte_are_not_used(copied_plan: Kept) -> None:
    folder, plan = copied_plan

    def usable(facts: Mapping[str, Any] = plan.scores, bundle_id: str = plan.bundle_id, more: int = 0) -> bool:
        return kept_scores(folder, facts, bundle_id, plan.as_of.isoformat(), len(plan.decisions) + more) is not None

    assert usable()
    assert not usable(bundle_id="0" * 64) and not usable(more=1)
    assert not usable({**plan.scores, "version": "0.0.0"}) and not usable({})
    content = bytearray((folder / ANSWERS).read_bytes())
    content[-9] ^= 1
    (folder / ANSWERS).write_bytes(content)
    assert not usable()
    (folder / ANSWERS).unlink()
    assert not usable()
