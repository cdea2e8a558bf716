"""Records as the plan and the ledger really write them can be explained: the words fit the shape that is written."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.decisions.capacity import Capacity, capacity_from
from scoring.decisions.lawfulness import Lawfulness, judged_at
from scoring.decisions.plan import decide
from scoring.explanations import explain, explanation
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.ledger.decision_record import Circumstances, record_blocks
from scoring.ledger.record import Batch, StoredRecord
from scoring.ledger.store import Ledger
from scoring.policy import Facts, Outcome, Truth, load_profile, verdicts
from scoring.resources import data_folder
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.scores import Scores, buckets, channel_effects, probability, segments
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from tests.explanations.invented import AUDIENCES, LANGUAGES

N = 60
ON = date(2025, 5, 1)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StoredRecord]]:
    """The decisions of an invented portfolio with few agents and texts, as read back from a ledger."""
    capacity = capacity_from(
        {"agent_call": {"contacts": 5}, "sms": {"contacts": 4}, "app_push": {"contacts": 3}, "email": {"contacts": 2}}
    )
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db") as ledger:
        scores, bundle = _scores(), Bundle("b1" * 32, Path("unused"), _MANIFEST, {})
        lawful = _lawfulness(scores)
        plan = decide(scores, TargetDefinition(), _all_channels(capacity), run_id="run", lawful=lawful)
        shared = Circumstances("run", "plan", "d0", "CNY", lawful.facts, {"numpy": np.__version__})
        blocks = record_blocks(plan, scores, bundle, shared, lawful, refs=ledger.refs)
        ledger.append_batch(Batch("run", "decision", ON, {}), blocks, recorded_at=datetime(2025, 5, 1, 22, tzinfo=UTC))
        yield [found for found in ledger.records() if found.kind == "decision"]


_MANIFEST = {"recipe": "default", "reference_population": "12,480 overdue accounts on 2025-01-31"}


def _all_channels(capacity: dict[Channel, Capacity]) -> dict[Channel, Capacity]:
    return {channel: capacity[channel] for channel in CONTACT_CHANNELS}


def _scores() -> Scores:
    """Scores of invented accounts: consistent with each other, some held, some with features not observed."""
    draw = np.random.default_rng(7)
    values = draw.normal(10, 5, (N, len(FEATURE_NAMES))).astype(np.float32)
    values[draw.random(values.shape) < 0.3] = np.nan
    parts = {name: draw.normal(0, 0.2, (N, len(FEATURE_NAMES) + 1)) for name in EXPLAINED}
    margins = {name: parts[name].sum(axis=1) for name in EXPLAINED}
    dpd, owed = draw.integers(1, 170, N), draw.integers(5_000, 5_000_000, N)
    willing, full = probability(margins["willingness"]), draw.random(N)
    evidence = np.where(draw.random(N) < 0.2, "insufficient_evidence", "sufficient").astype(object)
    ids = np.array([f"A{row:03d}" for row in range(N)], dtype=object)
    held = {name: draw.random(N) < 0.05 for name in ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")}
    at = pd.DataFrame(
        {"account_id": ids, "customer_id": ids, "dpd": dpd, "past_due_cents": owed, "cure_amount_cents": owed, **held}
    ).assign(balance_cents=owed, last_minimum_due_cents=np.nan)
    table = pd.DataFrame(
        {
            "account_id": ids, "as_of": np.full(N, ON, dtype="datetime64[D]"), "dpd": dpd, "bucket": buckets(dpd),
            "past_due_cents": owed, "cure_amount_cents": owed, "w_none": willing, "w_logged": willing,
            **{f"w_{c}": willing + willing * (1 - willing) * effect.shift for c, effect in channel_effects().items()},
            "ability": probability(margins["ability"]), "p_full": full, "payable_low_cents": owed // 8,
            "payable_mid_cents": owed // 4, "payable_high_cents": owed // 2,
            "segment": segments(willing, full, evidence), "evidence": evidence,
            "evidence_missing": np.where(evidence == "sufficient", "", "few_payments,no_visible_inflow").astype(object),
            "w_none_low": 0.9 * willing, "w_none_high": np.sqrt(willing),
            "ability_low": 0.9 * probability(margins["ability"]), "ability_high": np.sqrt(probability(margins["ability"])),
        }
    )  # fmt: skip
    return Scores(FeatureFrame(ON, at, values), table, margins, parts)


def _lawfulness(scores: Scores) -> Lawfulness:
    """What the shipped profile says of accounts with nothing in their history, and a few without any address."""
    profile = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    at = judged_at(profile, ON)
    facts = {
        "profile": profile.name, "version": profile.version, "sha256": profile.sha256, "status": profile.status,
        "approved_by": None, "judged_at": at.isoformat(), "rules_of": profile.nearest_day(at.date()).isoformat(),
    }  # fmt: skip
    nothing_known = Facts(account_id="A")
    known = Facts(account_id="A", flags={"call_recording_on": Truth.TRUE}, unlisted=Truth.FALSE)
    said = [verdicts(profile, seen, at, profile.nearest_day(at.date())) for seen in (known, nothing_known)]
    tables, which = np.array([verdict.codes() for verdict in said], np.int8), np.arange(N) % 2
    strictest = tables.max(axis=1)[which]
    by_a_person = np.array([channel is Channel.AGENT_CALL for channel in CONTACT_CHANNELS])
    review = (strictest > Outcome.PASS) & (strictest < Outcome.BLOCK) & by_a_person
    reachable = np.where(np.arange(N)[:, None] % 20 == 3, Truth.FALSE, Truth.TRUE) + np.zeros(review.shape, np.int8)
    allowed = ((strictest <= Outcome.PASS) | review) & (reachable != Truth.FALSE)
    return Lawfulness(facts, allowed, review, profile.rule_ids, tables, which, reachable)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_every_written_decision_is_explained(records: list[StoredRecord], lang: str, audience: str):
    pages = [explain(found, lang=lang, audience=audience) for found in records]

    assert len(pages) == N
    assert not any('"' in page for page in pages), "a name without wording is shown in quotation marks"


def test_the_terms_of_every_written_decision_give_its_priority_and_its_contributions_add_up(
    records: list[StoredRecord],
):
    assert [found.record_id for found in records if "Check failed" in explain(found)] == []


def test_decisions_were_made_for_lack_of_places_by_rules_and_by_value(records: list[StoredRecord]):
    pages = [" ".join(explain(found).split()) for found in records]

    assert any("every suitable channel was full" in page for page in pages)
    assert any("Decided by a rule, not by the scores" in page for page in pages)
    assert any("it had no place left for this account" in page for page in pages)
    assert any("Binding limit" in page for page in pages)


def test_rules_are_told_with_their_papers_and_what_is_left_open_to_a_person(records: list[StoredRecord]):
    pages = [" ".join(explain(found).split()) for found in records]

    assert all("CN-CURFEW: passes, for " in page for page in pages)
    assert any("CN-REC-CALL: passes, for " in page for page in pages)
    assert any("CN-REC-CALL (departmental rule: 2011 Measures art. 68; CBA 2026; read as:" in page for page in pages)
    assert any("A person decides first on what the rules leave open: " in page for page in pages)
    assert any("no usable address is on file for any suitable channel" in page for page in pages)


def test_the_assumed_change_told_is_the_one_the_plan_used(records: list[StoredRecord]):
    for found in records:
        channel = Channel(found.body["choice"]["channel"])
        told = [
            line
            for s in explanation(found).sections
            if s.key == "rank"
            for line in s.lines
            if "percentage points" in line
        ]
        if channel is Channel.NONE:
            assert told == []
            continue
        p = found.body["scores"]["w_none"]
        assert f"{100 * p * (1 - p) * channel_effects()[channel].shift:+.2f} percentage points" in told[0]


def test_the_same_record_reads_the_same_every_time(records: list[StoredRecord]):
    assert [explain(found) for found in records] == [explain(found) for found in records]
