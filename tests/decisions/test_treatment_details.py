"""Details of decisions: the queue's columns and the record's objects say the same, and a person decides where one must."""

from __future__ import annotations

import json
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from scoring.decisions.detail_columns import detail_columns
from scoring.decisions.eligibility import TESTS
from scoring.decisions.payday import Waiting
from scoring.decisions.timing import hold_back
from scoring.decisions.treatment_details import DETAIL_COLUMNS, TreatmentDetails, timing_of, treatment_details
from scoring.features.builder import build
from scoring.ledger.canonical import canonical, canonical_column
from scoring.portfolio.reading import read_portfolio
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import Evidence

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
AS_OF = date(2025, 5, 1)


@lru_cache(maxsize=8)
def details_of(treatment: str, channel: str, *, waits: int = 0) -> tuple[TreatmentDetails, list[dict[str, object]]]:
    portfolio = read_portfolio(SAMPLE)
    frame = build(portfolio, AS_OF)
    n, owed = len(frame), frame.positions["cure_amount_cents"].to_numpy()
    table = frame.positions[["account_id", "dpd", "cure_amount_cents", "past_due_cents"]].assign(
        w_none=0.7,
        evidence=[str(Evidence.SUFFICIENT), str(Evidence.INSUFFICIENT)] * (n // 2)
        + [str(Evidence.SUFFICIENT)] * (n % 2),
        payable_low_cents=(owed * 0.2).astype(np.int64),
        payable_mid_cents=(owed * 0.4).astype(np.int64),
        payable_high_cents=(owed * 0.6).astype(np.int64),
    )
    decisions = pd.DataFrame({"channel": [channel] * n, "treatment": [treatment] * n, "reason": [""] * n})
    events, when = timing_of(portfolio, table["account_id"].to_numpy(dtype=object), AS_OF)
    waiting = Waiting(np.full(n, waits), np.full(n, 100.0))
    found = treatment_details(
        events, when, Scores(frame, table, {}, {}), decisions, TargetDefinition(), waiting=waiting
    )
    return found, [json.loads(text) for text in canonical_column(detail_columns(found, slice(0, n))).to_pylist()]


def test_every_text_is_canonical_json_and_says_what_the_queue_says():
    found, objects = details_of("plan_offer", "agent_call")

    assert list(found.table.columns) == list(DETAIL_COLUMNS)
    texts = canonical_column(detail_columns(found, slice(0, len(found)))).to_pylist()
    for row, text in enumerate(texts):
        assert canonical(json.loads(text)).decode() == text
        shown, written = found.table.iloc[row], objects[row]
        assert written["timing"]["next_review_on"] == shown["next_review_on"]
        assert written["plan"]["state"] == shown["plan_state"]
        offer = written["plan"]["offer"]
        assert (offer is None) == pd.isna(shown["plan_kind"])
        if offer is not None:
            assert offer["instalment_cents"] == shown["plan_instalment_cents"]


def test_an_offer_carries_the_art_70_object_with_tests_terms_and_a_persons_approval():
    found, objects = details_of("plan_offer", "agent_call")

    shown = [written["plan"]["art_70"] for written in objects if written["plan"]["art_70"] is not None]
    assert shown
    for art_70 in shown:
        assert sorted(art_70["tests"]) == sorted(TESTS)
        assert len(art_70["required_terms"]) == 6
        assert art_70["decided_by"] == "person" and "person approves" in art_70["approval"]
        said = set(art_70["tests"].values())
        assert art_70["state"] == (
            "not_eligible" if "false" in said else "needs_evidence" if "unknown" in said else "eligible"
        )
    assert found.eligibility.tree(0)["decided_by"] == "person"


def test_a_legal_review_lists_its_evidence_and_is_never_decided():
    found, objects = details_of("legal_review", "letter")

    for row, written in enumerate(objects):
        file = written["legal_review"]
        assert file["decided_by"] == "person"
        assert file["approval"] == "missing"
        assert file["completeness"] == round(
            sum(v == "true" for v in file["evidence"].values()) / len(file["evidence"]), 4
        )
        assert file == found.legal.tree(row)
    assert not found.legal.may_be_referred.any()


def test_complete_evidence_alone_refers_nobody():
    found, _ = details_of("legal_review", "letter")
    complete = np.full_like(found.legal.items, 2)

    assert (complete == 2).all()
    whole = type(found.legal)(**{**vars(found.legal), "items": complete})
    assert not whole.may_be_referred.any()
    assert type(found.legal)(**{**vars(whole), "is_approved": np.ones(len(found), dtype=bool)}).may_be_referred.all()


def test_what_does_not_apply_is_absent():
    _, objects = details_of("reminder", "sms")

    assert all(written["plan"]["offer"] is None and written["legal_review"] is None for written in objects)


def test_a_contact_is_tomorrow_and_one_that_waits_is_on_its_day():
    now, _ = details_of("reminder", "sms")
    later, _ = details_of("reminder", "none", waits=4)

    assert set(now.table["contact_on"]) == {"2025-05-02"}
    assert set(later.table["contact_on"]) == {"2025-05-06"}


def test_asking_names_topics_and_repairing_names_steps_that_ask_nobody_else():
    asked, objects = details_of("ask_reason", "agent_call")
    repaired, _ = details_of("repair_contact_data", "none")

    assert asked.table["ask_about"].str.contains("what_changed").all()
    assert all("what_changed" in written["ask_about"] for written in objects)
    assert repaired.table["repair"].str.contains("check_other_account_of_customer").all()
    assert not repaired.table["repair"].str.contains("third").any()


def test_the_sample_account_with_a_signed_plan_and_the_one_in_hardship_are_held_with_their_reasons():
    portfolio = read_portfolio(SAMPLE)
    frame = build(portfolio, AS_OF, min_dpd=0)
    ids = frame.positions["account_id"].to_numpy(dtype=object)
    _, when = timing_of(portfolio, ids, AS_OF)
    n = len(ids)

    held = hold_back(
        np.full((n, 9), 5_000.0), np.full(n, "reminder", dtype=object), np.full(n, "", dtype=object), when, np.zeros((n, 9)), np.full(n, 5)
    )  # fmt: skip

    reason = dict(zip(ids, held.reasons, strict=True))
    assert reason["A0027"] == "plan_kept"
    assert when.plans.stops_collection.tolist() == frame.positions["is_on_kept_plan"].tolist()
    assert not np.isfinite(held.values[held.reasons != ""]).any()
    assert (held.treatments[held.reasons == "grace_hold"] == "grace_hold").all()


def test_debt_is_beyond_means_where_the_middle_of_what_is_payable_neither_cures_nor_pays_it_off_in_half_a_year():
    found, _ = details_of("plan_offer", "agent_call")
    portfolio = read_portfolio(SAMPLE)
    positions = build(portfolio, AS_OF).positions
    cure = positions["cure_amount_cents"].to_numpy()
    middle = (cure * 0.4).astype(np.int64)

    beyond = (middle < cure) & (positions["balance_cents"].to_numpy() > 6 * middle)

    known = found.eligibility.tests[:, TESTS.index("evidence_sufficient")] == 2
    assert ((found.eligibility.tests[:, TESTS.index("debt_beyond_means")] == 2) == (beyond & known)).all()
    assert (beyond & known).any()
