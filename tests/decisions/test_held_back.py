"""What time holds back is never contacted, whatever it is worth, and chance does not deal it anything either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decisions.capacity import capacity_from
from scoring.decisions.grace import GraceHolds
from scoring.decisions.payday import PaymentCurve, PaymentDays
from scoring.decisions.plan import decide
from scoring.decisions.plan_states import PlanStates
from scoring.decisions.timing import HOLDS, PAYDAY_NEAR, Timing
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from tests.decisions.invented_scores import AS_OF, scored

DEFINITION = TargetDefinition()
TIGHT = capacity_from({"agent_call": {"contacts": 20}, "sms": {"contacts": 40}, "letter": {"contacts": 5}})
N = 200
TOMORROW = AS_OF.toordinal() - 719162


def timing_of(seed: int, holds: tuple[str, ...] = HOLDS) -> Timing:
    """Random holds, rests and payment days of `N` accounts."""
    draw = np.random.default_rng(seed)
    held = draw.choice(["", *holds], N, p=[0.5, *([0.5 / len(holds)] * len(holds))]) if holds else np.full(N, "")
    nothing = np.full(N, "", dtype=object)
    relative = np.linspace(4.0, 0.2, 31)
    return Timing(
        first_day=TOMORROW,
        holds=held.astype(object),
        held_until=np.full(N, -1),
        too_soon=draw.random((N, len(CONTACT_CHANNELS))) < 0.3,
        plans=PlanStates(nothing, np.zeros(N, dtype=bool), np.full(N, np.datetime64("NaT"), dtype="datetime64[us]")),
        grace=GraceHolds(nothing, np.full(N, -1), nothing, np.zeros(N, dtype=bool)),
        seen=PaymentDays(draw.integers(0, 32, N), np.ones(N), np.full(N, 9)),
        curve=PaymentCurve(relative / relative.mean(), 900),
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_nobody_is_contacted_while_a_plan_is_kept_a_promise_is_open_or_a_pause_runs(seed: int):
    when = timing_of(seed)

    decisions = decide(scored(N, seed), DEFINITION, TIGHT, run_id="run", when=when).decisions

    held = when.holds != ""
    assert (decisions["channel"][held] == str(Channel.NONE)).all()
    assert not decisions["explored"][held].any()
    assert (decisions["propensity"][held] == 1.0).all()
    told = decisions.loc[held, "reason"].to_numpy()
    assert all(reason != "" for reason in told)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_a_channel_that_rests_is_neither_chosen_nor_drawn(seed: int):
    when = timing_of(seed)

    decisions = decide(scored(N, seed), DEFINITION, TIGHT, run_id="run", when=when).decisions

    for place, channel in enumerate(CONTACT_CHANNELS):
        assert not (when.too_soon[:, place] & (decisions["channel"] == str(channel)).to_numpy()).any()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_who_waits_for_payday_has_a_day_a_gain_and_no_contact_today(seed: int):
    plan = decide(scored(N, seed), DEFINITION, TIGHT, run_id="run", when=timing_of(seed, ()))

    assert plan.waiting is not None
    waits = plan.waiting.days > 0
    assert (plan.decisions.loc[waits, "reason"] == PAYDAY_NEAR).all()
    assert (plan.decisions.loc[waits, "channel"] == str(Channel.NONE)).all()
    assert (plan.waiting.gain_cents[waits] > 0).all() and (plan.waiting.gain_cents[~waits] == 0).all()


def test_without_timing_the_plan_is_as_it_was_and_with_nothing_to_hold_it_is_the_same():
    scores = scored(N, 3)
    never = PaymentDays(np.zeros(N, dtype=np.int64), np.ones(N), np.zeros(N, dtype=np.int64))
    quiet = replace(timing_of(3, ()), too_soon=np.zeros((N, len(CONTACT_CHANNELS)), dtype=bool), seen=never)

    before, after = (decide(scores, DEFINITION, TIGHT, run_id="run", when=when) for when in (None, quiet))

    assert before.waiting is None
    assert before.decisions.equals(after.decisions)


@pytest.mark.parametrize("hold", HOLDS)
def test_a_hold_gives_its_reason_and_a_pause_its_treatment(hold: str):
    when = replace(timing_of(1, ()), holds=np.full(N, hold, dtype=object))

    decisions = decide(scored(N, 1), DEFINITION, TIGHT, run_id="run", when=when).decisions

    told = decisions[decisions["reason"] == hold]
    assert len(told) > N / 2
    assert set(told["treatment"]) == {"grace_hold" if hold == "grace_hold" else "no_action"}
