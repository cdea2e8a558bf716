"""The plan: guards before value, capacity, ranks, and the same answer however the accounts are listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring.decisions.capacity import Capacity, capacity_from
from scoring.decisions.channel_worth import harm_table
from scoring.decisions.plan import Plan, decide, plan_summary
from scoring.decisions.strategy import house_strategy
from scoring.decisions.treatments import treatment_table
from scoring.scores.scores import Scores, channel_effects
from scoring.scores.targets import TargetDefinition, eligible
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel
from tests.decisions.invented_scores import FREE, HOLDS, everything_lawful, flagged, permuted, scored

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
QUIET = replace(house_strategy(), exploration_share=0.0, holdout_share=0.0)
"""Nothing by chance: for the rules that chance may break."""


def planned(scores: Scores, capacity: dict[Channel, Capacity] = TIGHT, **given: Any) -> Plan:
    return decide(scores, DEFINITION, capacity, run_id="run-1", **({"strategy": QUIET} | given))


@pytest.mark.parametrize("seed", range(5))
def test_no_channel_is_used_beyond_its_capacity_and_a_closed_one_never(seed: int):
    plan = planned(scored(400, seed))

    assert all(limit is None or plan.used()[channel] <= limit for channel, limit in plan.places.items())
    minutes = plan.worth.minutes[:, CONTACT_CHANNELS.index(Channel.AGENT_CALL)]
    assert minutes[(plan.decisions["channel"] == "agent_call").to_numpy()].sum() <= 180
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
    free = FREE | {"dpd": 45, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    plan = planned(scored(3, **(free | {hold: [False, True, False]})), UNLIMITED)

    assert plan.decisions["reason"].tolist()[1] == reason
    assert (plan.decisions["channel"] == "none").tolist() == [False, True, False]


def test_someone_likely_to_pay_alone_is_left_alone():
    free = FREE | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    sure = scored(2, **free, segment="willing_able", evidence="sufficient", w_none=[0.9, 0.89], w_sms=1.0)
    plan = planned(sure, UNLIMITED)

    assert plan.decisions["reason"].tolist() == ["likely_to_pay_without_contact", ""]
    assert plan.decisions["channel"].tolist()[0] == "none"


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_one_to_n_in_every_channel_by_falling_loss(seed: int):
    plan = planned(scored(400, seed))

    for name, queue in plan.decisions.groupby("channel"):
        if name == "none":
            assert set(queue["rank"]) == {0}
            continue
        worked = queue.sort_values("rank")
        assert worked["rank"].tolist() == list(range(1, len(worked) + 1))
        assert (np.diff(worked["loss_cents"]) <= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_value_over_the_best_alternative_at_prices(seed: int):
    plan = planned(scored(300, seed))

    names = [str(channel) for channel in CONTACT_CHANNELS]
    price = plan.price_of_contact()
    for row, decision in plan.decisions[plan.decisions["channel"] != "none"].iterrows():
        mine = names.index(decision["channel"])
        others = [plan.values[row, c] - price[row, c] for c in range(len(names)) if c != mine]
        assert decision["loss_cents"] == pytest.approx(plan.values[row, mine] - max(0.0, *others), abs=0.51)


def test_who_has_waited_too_long_goes_first_and_the_longest_wait_before_others():
    scores = scored(
        60, 3, features={"days_since_outbound": np.where(np.arange(60) < 6, 60 + np.arange(60), 3)},
        **(FREE | {"dpd": 170}), segment="undetermined", evidence="sufficient",
    )  # fmt: skip
    few = {channel: Capacity(contacts=0) for channel in CONTACT_CHANNELS} | {Channel.AGENT_CALL: Capacity(contacts=30)}
    plan = planned(scores, few)

    worked = plan.decisions[plan.decisions["channel"] == "agent_call"].sort_values("rank")
    assert set(worked["account_id"].iloc[:3]) == {"A000003", "A000004", "A000005"}
    assert plan.decisions["waited_days"].tolist()[:7] == [60, 61, 62, 63, 64, 65, 3]


def test_without_a_contact_history_nobody_is_said_to_have_waited():
    assert set(planned(scored(50)).decisions["waited_days"]) == {-1}


def test_supported_accounts_are_reached_whatever_others_are_worth_and_take_no_more_than_their_floor_for_it():
    scores = scored(
        400,
        5,
        **FREE,
        segment="undetermined",
        evidence="sufficient",
        ability=np.where(np.arange(400) < 100, 0.001, 0.9),
    )
    few = {channel: Capacity(contacts=0) for channel in CONTACT_CHANNELS} | {Channel.AGENT_CALL: Capacity(contacts=40)}
    supported = flagged(scores, list(range(100)), "hardship")

    without, with_floor = planned(scores, few), planned(scores, few, events=supported)

    def reached(plan: Plan) -> int:
        return int((plan.decisions["channel"].iloc[:100] != "none").sum())

    assert (reached(without), reached(with_floor)) == (0, 5)
    assert with_floor.assignment.prices[-1] < 0


@pytest.mark.parametrize("seed", range(3))
def test_gain_cost_and_harm_make_the_value_and_harm_grows_with_recent_contacts(seed: int):
    contacts = np.arange(300) % 7
    plan = planned(scored(300, seed, features={"n_outbound_30d": contacts}))

    worth = plan.worth
    open_cells = np.isfinite(plan.values)
    assert np.allclose(plan.values[open_cells], (worth.gain() - worth.cost() - worth.harm())[open_cells])
    assert np.allclose(worth.harm(), (1 + harm_table().growth * contacts)[:, None] * harm_table().base_cents)


def test_minutes_follow_the_accounts_own_answers():
    features = {"call_answer_share_90d": [0.0, 0.5, 1.0, np.nan], "n_calls_30d": 6}
    plan = planned(scored(4, features=features), UNLIMITED)

    minutes = plan.worth.minutes[:, CONTACT_CHANNELS.index(Channel.AGENT_CALL)]
    assert (np.diff(minutes[:3]) > 0).all()
    assert minutes[3] == pytest.approx(channel_effects()[Channel.AGENT_CALL].minutes, abs=0.01)


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
    plan = planned(scores, UNLIMITED, lawful=everything_lawful(300, open=is_open))

    names = [str(channel) for channel in CONTACT_CHANNELS]
    contacted = plan.decisions[plan.decisions["channel"] != "none"]
    assert len(contacted) > 50
    assert all(is_open[row, names.index(channel)] for row, channel in contacted["channel"].items())


def test_nothing_is_done_and_the_reason_is_told_where_no_channel_is_lawful():
    free = FREE | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**7}
    closed = np.zeros((4, len(CONTACT_CHANNELS)), dtype=bool)
    plan = planned(scored(4, **free, w_none=0.5), UNLIMITED, lawful=everything_lawful(4, open=closed))

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
    free = FREE | {"w_none": 0.5, "dpd": [5, 60, 120]}
    plan = planned(scored(3, **free, segment="unwilling_able", evidence="sufficient"), UNLIMITED)

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
    assert summary["capacities"]["agent_call"] == {"offered": None, "used": plan.used()[Channel.AGENT_CALL]}
    assert next(r for r in summary["resources"] if r["name"] == "agent_call minutes")["used"] <= 180
    assert sum(summary["treatments"].values()) == 200
    assert treatment_table().self_cure_above == 0.9
