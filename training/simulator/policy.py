"""The bank's historical policy: hard cases get more calls, capacity binds, a share is random, everything is logged.

Confounded on purpose. What it looks at (days past due, amount, broken promises, silence since the last payment) also
drives the outcome, so "paid after a call or not" misleads. The logged propensity is that of the final action, after
capacity; only the world *unlogged* breaks this, by agents who override the plan by what they hear.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scoring.vocabulary import Channel
from training.simulator.contacts import start_campaigns
from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import CHANNELS, BoolArray, FloatArray, IntArray, Parameters
from training.simulator.paying import resolve
from training.simulator.people import People
from training.simulator.state import ALL, NEVER, Rows, State, days_past_due, past_due_cents

MATERIALITY_CENTS: Final = 10_000
"""Past-due amounts below this are left alone, as in the default recipe."""

_CODE = {channel: code for code, channel in enumerate(CHANNELS)}


def decide_a_day(
    people: People, state: State, day: Day, rng: np.random.Generator, parameters: Parameters, log: Log
) -> None:
    """In the morning of ``day``, decide for every overdue account whose turn it is, log it, and start the contacts."""
    style = parameters.word("contact_policy")
    draws = rng.random((4, len(state)))
    if style == "none":
        return
    is_due = (state.next_decision <= day.number) & (state.quiet_until < day.number) & (state.unpaid[0] > 0)
    rows = np.flatnonzero(is_due)
    rows = rows[is_workable(state, day.number, rows)]
    if not len(rows):
        return
    lawful = lawful_channels(people, state, rows, day.number, parameters)
    policy, uniform = _policy_and_uniform(people, state, rows, lawful, day, parameters)
    is_holdout = people.is_holdout[rows]
    share = np.where(is_holdout, 0.0, parameters.number("exploration"))
    explores = draws[0, rows] < share
    channel = _drawn(np.where(explores[:, None], uniform, policy), draws[1, rows])
    if style == "discretion":
        is_free = ~explores & ~is_holdout
        channel = _overridden(people, state, rows, channel, lawful, is_free, draws[2, rows], day, parameters)
    # Over both ways to arrive at an action: at random, or by the policy.
    chances = share[:, None] * uniform + (1 - share[:, None]) * policy
    log.add(
        "assignments",
        day.number,
        rows,
        channel=channel,
        propensity=chances[np.arange(len(rows)), channel],
        lawful=lawful @ (1 << np.arange(len(CHANNELS))),
        is_exploration=explores,
        is_holdout=is_holdout,
    )
    start_campaigns(state, rows, channel, day.number, parameters)
    every = int(parameters.number("decision_every_days"))
    state.next_decision[rows] = day.number + every - 1 + (draws[3, rows] * 3).astype(np.int64)
    state.quiet_until[rows] = np.where(explores, day.number + int(parameters.number("quiet_days")), NEVER)


def is_workable(state: State, day: int, rows: Rows = ALL) -> BoolArray:
    """Overdue by a material amount and not held: no plan, dispute, death or charge-off."""
    return np.asarray(
        (days_past_due(state, day, rows) >= 1)
        & (past_due_cents(state, day, rows) >= MATERIALITY_CENTS)
        & ~state.is_closed[rows]
        & ~state.is_dead[rows]
        & (state.plan_day[rows] == NEVER)
        & (state.dispute_until[rows] < day)
    )


def lawful_channels(people: People, state: State, rows: IntArray, day: int, parameters: Parameters) -> BoolArray:
    """Which channels the bank's own rules allow, shape (rows, channels); ``none`` always."""
    dpd = days_past_due(state, day, rows)
    lawful = (people.addresses[:, rows] & ~state.opted_out[:, rows]).T
    lawful &= dpd[:, None] >= parameters.by_channel("first_dpd")
    lawful[people.is_holdout[rows]] = False
    lawful[:, 0] = True
    return np.asarray(lawful)


def _policy_and_uniform(
    people: People, state: State, rows: IntArray, lawful: BoolArray, day: Day, p: Parameters
) -> tuple[FloatArray, FloatArray]:
    uniform = lawful / lawful.sum(axis=1, keepdims=True)
    weights = np.where(lawful, _preference(people, state, rows, day), 0.0)
    policy = weights / weights.sum(axis=1, keepdims=True)
    capacity = p.by_channel("daily_capacity", left_out=np.inf) * len(state) / 1000
    # What cannot be staffed falls back to texts and to nothing, in proportion, so that shares still add to one.
    asked = policy.sum(axis=0)
    scale = np.minimum(1.0, capacity / np.maximum(asked, 1e-9))
    kept = policy * scale
    lost = policy.sum(axis=1) - kept.sum(axis=1)
    spare = np.where(lawful & np.isinf(capacity), policy, 0.0)
    kept += lost[:, None] * spare / spare.sum(axis=1, keepdims=True)
    return kept, uniform


def hardness(state: State, rows: IntArray, day: int) -> FloatArray:
    """How hard a case looks to the bank, 0 to about 4, from what it can see."""
    dpd = days_past_due(state, day, rows)
    silence = np.clip((day - state.last_paid[rows]) / 60, 0, 1.5)
    amount = np.log10(np.maximum(past_due_cents(state, day, rows), 1) / 100_000).clip(-1, 1)
    return np.asarray(
        np.clip(dpd / 45, 0, 2) + silence + 0.5 * amount + 0.6 * np.minimum(state.broken_promises[rows], 2)
    )


def _preference(people: People, state: State, rows: IntArray, day: Day) -> FloatArray:
    """Unnormalised liking of the policy for each channel: soft contacts for easy cases, calls for hard ones."""
    hard = hardness(state, rows, day.number)
    likes = np.full((len(rows), len(CHANNELS)), 0.02)
    likes[:, _CODE[Channel.NONE]] = 0.9 * np.exp(-0.35 * hard)
    likes[:, _CODE[Channel.SMS]] = 1.6 * np.exp(-0.5 * hard)
    likes[:, _CODE[Channel.APP_PUSH]] = 0.6 * np.exp(-0.5 * hard)
    likes[:, _CODE[Channel.EMAIL]] = 0.2
    likes[:, _CODE[Channel.ONLINE_CS]] = 0.1
    likes[:, _CODE[Channel.AI_VOICE]] = 0.5
    likes[:, _CODE[Channel.AGENT_CALL]] = 0.10 * np.exp(1.15 * np.minimum(hard, 3.5))
    likes[:, _CODE[Channel.LETTER]] = 0.10 * np.exp(0.5 * hard)
    likes[:, _CODE[Channel.FIELD_VISIT]] = 0.03 * np.exp(0.6 * hard)
    likes[:, _CODE[Channel.LEGAL_REFERRAL]] = 0.02 * np.exp(0.6 * hard)
    return likes


def _drawn(chances: FloatArray, draw: FloatArray) -> IntArray:
    cumulated = np.cumsum(chances, axis=1)
    place = (draw[:, None] * cumulated[:, -1:] >= cumulated).sum(axis=1)
    return np.asarray(place.clip(0, chances.shape[1] - 1), dtype=np.int64)


def _overridden(
    people: People,
    state: State,
    rows: IntArray,
    channel: IntArray,
    lawful: BoolArray,
    is_free: BoolArray,
    draw: FloatArray,
    day: Day,
    p: Parameters,
) -> IntArray:
    """World *unlogged*: agents call those who sound least resolved and spare the others, whatever the plan says."""
    sounds = resolve(people, state, day.number, p, rows)
    call = _CODE[Channel.AGENT_CALL]
    acts = is_free & (draw < p.number("discretion"))
    calls = acts & (sounds < np.quantile(sounds, 0.2)) & lawful[:, call]
    spares = acts & (sounds > np.quantile(sounds, 0.6)) & (channel == call)
    return np.where(calls, call, np.where(spares, 0, channel))
