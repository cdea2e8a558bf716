"""Chance: exact probabilities of the final action, nobody excluded is drawn, no limit is exceeded, the holdout is permanent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from scoring.decisions.assignment import NOBODY, Resource, contacts_of
from scoring.decisions.capacity import Capacity, capacity_from, less_reserve
from scoring.decisions.exploration import NONE, draw, hash_shares
from scoring.decisions.plan import Plan, decide
from scoring.decisions.strategy import house_strategy
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from tests.decisions.invented_scores import AS_OF, FREE, everything_lawful, flagged, permuted, scored

SALTS = 300
CALL = CONTACT_CHANNELS.index(Channel.AGENT_CALL)
SMS = CONTACT_CHANNELS.index(Channel.SMS)
HALF = replace(house_strategy(), exploration_share=0.3)
CAPACITY = {channel: Capacity() for channel in CONTACT_CHANNELS} | capacity_from(
    {
        "agent_call": {"minutes": 1_200},
        "sms": {"contacts": 300},
        "letter": {"contacts": 60},
        "field_visit": {"contacts": 0},
    }
)


def decided(scores: Any, **given: Any) -> Plan:
    return decide(scores, TargetDefinition(), CAPACITY, run_id="run", **given)


def test_over_many_salts_every_action_is_as_frequent_as_its_logged_probability() -> None:
    rng = np.random.default_rng(3)
    n = 120
    planned = np.where(rng.random(n) < 0.2, CALL, np.where(rng.random(n) < 0.3, SMS, NOBODY))
    allowed = np.concatenate([rng.random((n, NONE)) < 0.7, np.ones((n, 1), dtype=bool)], axis=1)
    allowed[np.arange(n), np.where(planned == NOBODY, NONE, planned)] = True
    ids = np.array([f"A{i:03d}" for i in range(n)], dtype=object)
    customers = np.array([f"C{i // 2 if i < 20 else i:03d}" for i in range(n)], dtype=object)
    may = rng.random(n) < 0.9
    minutes = Resource("minutes", {CALL: rng.uniform(2, 9, n)}, float((planned == CALL).sum() * 6 + 20))
    texts = contacts_of([None] * SMS + [int((planned == SMS).sum()) + 3] + [None] * (NONE - SMS - 1))
    counts, logged = np.zeros((n, NONE + 1)), np.full((n, NONE + 1), np.nan)

    for salt in range(SALTS):
        given = replace(HALF, exploration_salt=f"salt {salt}")
        drawn = draw(planned, allowed, may, ids, customers, [minutes, *texts], given, 1)
        final = np.where(drawn.chosen == NOBODY, NONE, drawn.chosen)
        counts[np.arange(n), final] += 1
        seen = logged[np.arange(n), final]
        assert np.allclose(seen[~np.isnan(seen)], drawn.propensity[~np.isnan(seen)])
        logged[np.arange(n), final] = drawn.propensity
        assert not drawn.explored[~may].any()
        assert allowed[np.arange(n), final].all()
        assert np.asarray(minutes.uses[CALL])[drawn.chosen == CALL].sum() <= (minutes.most or 0) + 1e-9
        assert (drawn.chosen == SMS).sum() <= (texts[0].most or 0)

    p = np.nan_to_num(logged)
    share = counts / SALTS
    off = np.abs(share - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12) / SALTS)
    off = off[(p > 0) & (p < 1)]
    assert len(off) > 200
    assert off.max() < 5.0
    assert np.sqrt((off**2).mean()) == pytest.approx(1.0, abs=0.2)
    assert np.allclose(p.sum(axis=1), 1.0, atol=1e-9) or (np.abs(p.sum(axis=1) - 1) < 0.02).all()


@pytest.mark.parametrize("seed", range(3))
def test_about_the_asked_share_is_drawn_and_no_capacity_is_exceeded(seed: int) -> None:
    scores = scored(6_000, seed)
    plan = decided(scores)

    minutes = plan.worth.minutes[:, CALL]
    assert minutes[(plan.decisions["channel"] == "agent_call").to_numpy()].sum() <= 1_200
    assert plan.used()[Channel.SMS] <= 300
    assert plan.used()[Channel.LETTER] <= 60
    workable = (
        plan.decisions["reason"].isin(["", "no_capacity_left", "no_channel_worth_its_cost", "drawn_for_no_contact"])
    ).sum()
    assert 0.02 < plan.decisions["explored"].sum() / workable < 0.08
    drawn_channels = set(plan.decisions.loc[plan.decisions["explored"], "channel"])
    assert {"none", "agent_call", "sms"} <= drawn_channels


def test_nobody_excluded_is_ever_drawn() -> None:
    scores = scored(2_000, 1)
    kinds = ["hardship", "illness", "job_loss", "deceased", "attorney_known"]
    for day, kind in enumerate(kinds):
        given = replace(HALF, exploration_salt=f"{kind} {day}")
        plan = decided(scores, events=flagged(scores, list(range(500)), kind), strategy=given)

        assert not plan.decisions["explored"].iloc[:500].any()
        assert not plan.decisions["holdout"].iloc[:500].any()
        assert plan.decisions["explored"].iloc[500:].any()


def test_no_pressure_is_drawn_for_those_expected_to_be_unable_and_never_a_visit_or_referral() -> None:
    unable = scored(2_000, 2, segment="unwilling_unable", evidence="sufficient")
    drawn = decided(unable, strategy=HALF).decisions.query("explored")

    assert set(drawn["channel"]) <= {"none", "sms", "app_push", "email"}
    anyone = decided(scored(4_000, 3), strategy=HALF).decisions.query("explored")
    assert not set(anyone["channel"]) & {"field_visit", "legal_referral", "online_cs"}


def test_nothing_unlawful_is_drawn() -> None:
    scores = scored(2_000, 4)
    is_open = np.random.default_rng(0).random((2_000, len(CONTACT_CHANNELS))) < 0.5
    drawn = decided(scores, strategy=HALF, lawful=everything_lawful(2_000, open=is_open)).decisions.query("explored")

    names = [str(channel) for channel in CONTACT_CHANNELS]
    contacted = drawn[drawn["channel"] != "none"]
    assert len(contacted) > 20
    assert all(is_open[row, names.index(channel)] for row, channel in contacted["channel"].items())


def test_who_is_drawn_does_not_depend_on_the_order_of_rows() -> None:
    scores = scored(1_000, 5)
    order = np.random.default_rng(0).permutation(1_000)

    one, other = decided(scores).decisions, decided(permuted(scores, order)).decisions

    assert one.equals(other.sort_values("account_id").reset_index(drop=True))


def test_the_holdout_is_about_its_share_stays_the_same_and_is_left_alone() -> None:
    one = decided(scored(20_000, 6, **FREE)).decisions
    other = decided(scored(20_000, 7, **FREE)).decisions

    assert one["holdout"].equals(other["holdout"])
    assert 0.007 < one["holdout"].mean() < 0.013
    assert set(one.loc[one["holdout"], "channel"]) == {"none"}
    assert set(one.loc[one["holdout"], "propensity"]) == {1.0}
    assert set(one.loc[one["holdout"], "reason"]) == {"holdout"}


def test_an_explored_row_says_so_and_all_probabilities_are_probabilities() -> None:
    decisions = decided(scored(3_000, 8), strategy=HALF).decisions

    assert decisions["propensity"].between(0, 1, inclusive="right").all()
    assert (
        decisions.loc[decisions["explored"] & (decisions["channel"] == "none"), "reason"] == "drawn_for_no_contact"
    ).all()


def test_hashes_are_spread_evenly_and_do_not_follow_each_other() -> None:
    ids = np.array([f"C{i}" for i in range(20_000)], dtype=object)
    one, other = hash_shares(ids, "a"), hash_shares(ids, "b")

    assert np.histogram(one, bins=10, range=(0, 1))[0] == pytest.approx(np.full(10, 2_000), abs=200)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_the_reserve_is_whole_contacts_and_on_small_capacities_one_on_its_share_of_the_days() -> None:
    limits = [*contacts_of([100, 10]), Resource("minutes", {0: np.array([2.0, 8.0])}, 400.0)]
    left = np.array([[limit.most for limit in less_reserve(limits, 0.05, day)] for day in range(739_000, 739_400)])

    assert set(left[:, 0]) == {95.0} and set(left[:, 2]) == {384.0}
    assert set(left[:, 1]) == {9.0, 10.0} and (left[:, 1] == 9.0).mean() == pytest.approx(0.5, abs=0.02)


def test_calls_are_tried_out_on_small_portfolios_too() -> None:
    small = {channel: Capacity(contacts=0) for channel in CONTACT_CHANNELS} | capacity_from(
        {"agent_call": {"minutes": 60}, "sms": {"contacts": 20}}
    )
    scores = scored(300, 9, **FREE | {"dpd": 10}, segment="undetermined", evidence="sufficient")
    drawn = []
    for day in range(40):
        frame = replace(scores.frame, as_of=AS_OF + timedelta(days=day))
        plan = decide(replace(scores, frame=frame), TargetDefinition(), small, run_id="run")
        calls = (plan.decisions["channel"] == "agent_call").to_numpy()
        assert plan.worth.minutes[calls, CALL].sum() <= 60
        drawn.append(int((plan.decisions["explored"] & calls).sum()))

    assert sum(drawn) > 5
