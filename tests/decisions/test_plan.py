"""The plan: guards before value, capacity, ranks, and the same answer however the accounts are listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring.decisions.capacity import Capacity, capacity_from
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.plan import Plan, decide, plan_summary
from scoring.decisions.treatments import treatment_table
from scoring.features.builder import FeatureFrame
from scoring.policy.truth import Truth
from scoring.scores.scores import Scores, channel_effects
from scoring.scores.targets import TargetDefinition, eligible
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel, Evidence, Segment

AS_OF = date(2025, 3, 31)
DEFINITION = TargetDefinition()
UNLIMITED = {channel: Capacity() for channel in CONTACT_CHANNELS}
TIGHT = UNLIMITED | capacity_from(
    {
        "agent_call": {"minutes": 30 * channel_effects()[Channel.AGENT_CALL].minutes},
        "sms": {"contacts": 40},
        "app_push": {"contacts": 25},
        "letter": {"contacts": 0},
        "email": {"contacts": 10},
    }
)
HOLDS = ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")


def scored(n_accounts: int, seed: int = 0, **columns: Any) -> Scores:
    """Random scores of some accounts, in order of account id; columns given replace drawn ones."""
    draw = np.random.default_rng(seed)
    willing, ability = draw.uniform(0.02, 0.98, n_accounts), draw.uniform(0, 1, n_accounts)
    owed = draw.integers(0, 3_000_000, n_accounts)
    positions = pd.DataFrame(
        {
            "account_id": [f"A{n:04d}" for n in range(n_accounts)],
            "dpd": draw.integers(0, 200, n_accounts),
            "past_due_cents": owed // draw.integers(1, 4, n_accounts),
            "cure_amount_cents": owed,
            **{hold: draw.random(n_accounts) < 0.05 for hold in HOLDS},
        }
    )
    segments = [str(segment) for segment in Segment]
    table = positions[["account_id", "dpd", "past_due_cents", "cure_amount_cents"]].assign(
        as_of=AS_OF,
        w_none=willing,
        ability=ability,
        segment=draw.choice(segments, n_accounts),
        evidence=draw.choice([str(state) for state in Evidence], n_accounts, p=[0.8, 0.2]),
        **{f"w_{c}": np.clip(willing + willing * (1 - willing) * e.shift, 0, 1) for c, e in channel_effects().items()},
    )
    for name, column in columns.items():
        for frame in (positions, table):
            if name in frame.columns:
                frame[name] = column
    return Scores(FeatureFrame(AS_OF, positions, np.empty((n_accounts, 0), dtype=np.float32)), table, {}, {})


def permuted(scores: Scores, order: np.ndarray) -> Scores:
    table = scores.table.iloc[order].reset_index(drop=True)
    return Scores(scores.frame.take(order), table, {}, {})


def planned(scores: Scores, capacity: dict[Channel, Capacity] = TIGHT, **given: Any) -> Plan:
    return decide(scores, DEFINITION, capacity, run_id="run-1", **given)


def lawfulness(n_accounts: int, **changes: Any) -> Lawfulness:
    """Everything open and reachable, but for what is changed."""
    shape = (n_accounts, len(CONTACT_CHANNELS))
    open_to_all = Lawfulness(
        facts={},
        open=np.ones(shape, dtype=bool),
        under_review=np.zeros(shape, dtype=bool),
        rule_ids=(),
        tables=np.empty((0, 0, len(CONTACT_CHANNELS)), dtype=np.int8),
        which=np.zeros(n_accounts, dtype=np.int64),
        reachable=np.full(shape, int(Truth.TRUE), dtype=np.int8),
    )
    return replace(open_to_all, **changes)


@pytest.mark.parametrize("seed", range(5))
def test_no_channel_is_used_beyond_its_capacity_and_a_closed_one_never(seed: int):
    plan = planned(scored(400, seed))

    assert all(limit is None or plan.used()[channel] <= limit for channel, limit in plan.places.items())
    assert plan.places[Channel.AGENT_CALL] == 30
    assert plan.used()[Channel.LETTER] == 0
    assert sum(plan.used().values()) > 50


@pytest.mark.parametrize("seed", range(5))
def test_a_visit_or_legal_referral_is_never_chosen_by_a_score(seed: int):
    plan = planned(scored(400, seed, w_field_visit=1.0, w_legal_referral=1.0), UNLIMITED)

    assert [plan.used()[channel] for channel in HUMAN_ONLY_CHANNELS] == [0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_what_may_not_be_worked_is_not_contacted_and_the_reason_says_why(seed: int):
    scores = scored(400, seed)
    plan = planned(scores, UNLIMITED)

    idle = ~eligible(scores.frame, DEFINITION)
    decided = plan.decisions[idle]
    assert set(decided["channel"]) == {"none"}
    assert set(decided["treatment"]) == {"no_action"}
    assert (decided["reason"] != "").all()
    assert set(decided["reason"]) <= {"deceased", "dispute_open", "plan_kept", "charged_off", "below_materiality"}


@pytest.mark.parametrize(
    ("hold", "reason"),
    [
        ("is_deceased", "deceased"),
        ("is_disputed", "dispute_open"),
        ("is_on_kept_plan", "plan_kept"),
        ("is_charged_off", "charged_off"),
    ],
)
def test_a_hold_outranks_any_value(hold: str, reason: str):
    free = dict.fromkeys(HOLDS, False) | {"dpd": 45, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    plan = planned(scored(3, **(free | {hold: [False, True, False]})), UNLIMITED)

    assert plan.decisions["reason"].tolist()[1] == reason
    assert (plan.decisions["channel"] == "none").tolist() == [False, True, False]


def test_someone_likely_to_pay_alone_is_left_alone():
    free = dict.fromkeys(HOLDS, False) | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    sure = scored(2, **free, segment="willing_able", evidence="sufficient", w_none=[0.9, 0.89], w_sms=1.0)
    plan = planned(sure, UNLIMITED)

    assert plan.decisions["reason"].tolist() == ["likely_to_pay_without_contact", ""]
    assert plan.decisions["channel"].tolist()[0] == "none"


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_one_to_n_in_every_channel_by_falling_value(seed: int):
    plan = planned(scored(400, seed))

    names = [str(channel) for channel in CONTACT_CHANNELS]
    for name, queue in plan.decisions.groupby("channel"):
        if name == "none":
            assert set(queue["rank"]) == {0}
            continue
        worked = queue.sort_values("rank")
        values = plan.values[worked.index, names.index(str(name))]
        assert worked["rank"].tolist() == list(range(1, len(worked) + 1))
        assert (np.diff(values) <= 0).all()


def test_equal_values_are_ranked_by_account_id():
    same = dict.fromkeys(HOLDS, False) | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**6}
    alike = scored(
        6, **same, segment="unwilling_able", evidence="sufficient", w_none=0.5, ability=0.5, w_agent_call=0.6
    )
    plan = planned(
        alike,
        {channel: Capacity(contacts=0) for channel in CONTACT_CHANNELS} | {Channel.AGENT_CALL: Capacity(contacts=4)},
    )

    assert plan.decisions["rank"].tolist() == [1, 2, 3, 4, 0, 0]
    assert plan.decisions["reason"].tolist()[4:] == ["no_capacity_left"] * 2


@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_accounts_are_listed_changes_no_decision_even_with_ties(seed: int):
    draw = np.random.default_rng(seed)
    alike = {f"w_{channel}": 0.5 + 0.25 * effect.shift for channel, effect in channel_effects().items()}
    scores = scored(300, seed, ability=0.5, cure_amount_cents=10**6, past_due_cents=10**6, w_none=0.5, **alike)
    order = draw.permutation(300)

    one = planned(scores).decisions
    other = planned(permuted(scores, order)).decisions

    pd.testing.assert_frame_equal(one, other.sort_values("account_id").reset_index(drop=True))


def test_the_same_input_gives_the_same_plan():
    pd.testing.assert_frame_equal(planned(scored(200, 1)).decisions, planned(scored(200, 1)).decisions)


def test_decision_ids_differ_between_accounts_and_runs():
    one = planned(scored(50)).decisions["decision_id"]
    other = decide(scored(50), DEFINITION, TIGHT, run_id="run-2").decisions["decision_id"]

    assert len(set(one) | set(other)) == 100


@pytest.mark.parametrize("seed", range(3))
def test_a_channel_the_contact_policy_closes_is_never_used(seed: int):
    scores = scored(300, seed)
    is_open = np.random.default_rng(seed).random((300, len(CONTACT_CHANNELS))) < 0.5
    plan = planned(scores, UNLIMITED, lawful=lawfulness(300, open=is_open))

    names = [str(channel) for channel in CONTACT_CHANNELS]
    contacted = plan.decisions[plan.decisions["channel"] != "none"]
    assert len(contacted) > 50
    assert all(is_open[row, names.index(channel)] for row, channel in contacted["channel"].items())


def test_nothing_is_done_and_the_reason_is_told_where_no_channel_is_lawful():
    free = dict.fromkeys(HOLDS, False) | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    closed = np.zeros((4, len(CONTACT_CHANNELS)), dtype=bool)
    plan = planned(scored(4, **free, w_none=0.5), UNLIMITED, lawful=lawfulness(4, open=closed))

    assert set(plan.decisions["channel"]) == {"none"}
    assert set(plan.decisions["reason"]) == {"no_lawful_channel"}


@pytest.mark.parametrize("seed", range(5))
def test_less_capacity_is_never_worth_more(seed: int):
    scores = scored(300, seed)
    halved = {c: replace(k, contacts=None if k.contacts is None else k.contacts // 2) for c, k in TIGHT.items()}

    assert planned(scores, halved).value_cents <= planned(scores, TIGHT).value_cents
    assert planned(scores, TIGHT).value_cents <= planned(scores, UNLIMITED).value_cents


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_worth_no_more_than_its_bound(seed: int):
    plan = planned(scored(300, seed))

    assert 0 < plan.value_cents <= plan.bound_cents
    assert 0.0 <= plan.gap < 1.0


def test_without_limits_the_plan_is_the_best_possible():
    assert planned(scored(300), UNLIMITED).gap == pytest.approx(0.0, abs=1e-12)


def test_the_treatment_is_the_matrix_row_of_segment_and_stage():
    free = dict.fromkeys(HOLDS, False) | {"past_due_cents": 10**6, "cure_amount_cents": 10**7, "w_none": 0.5}
    plan = planned(scored(3, **free, segment="unwilling_able", evidence="sufficient", dpd=[5, 60, 120]), UNLIMITED)

    assert plan.decisions["treatment"].tolist() == ["negotiate", "negotiate", "legal_review"]


def test_the_runner_up_is_another_channel():
    decisions = planned(scored(300)).decisions
    contacted = decisions[decisions["channel"] != "none"]

    assert (contacted["channel"] != contacted["runner_up_channel"]).all()


def test_an_empty_portfolio_has_an_empty_plan():
    plan = planned(scored(0))

    assert len(plan.decisions) == 0
    assert (plan.value_cents, plan.bound_cents, plan.gap) == (0.0, 0.0, 0.0)


def test_the_summary_counts_what_was_used():
    plan = planned(scored(200))
    summary = plan_summary(plan)

    assert summary["n_accounts"] == 200
    assert summary["capacities"]["agent_call"] == {"offered": 30, "used": plan.used()[Channel.AGENT_CALL]}
    assert sum(summary["treatments"].values()) == 200
    assert treatment_table().self_cure_above == 0.9
