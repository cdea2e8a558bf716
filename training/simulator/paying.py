"""The decision to pay: first remembering, then wanting, then what the wallet allows.

Somebody pays on the days on which all three hold. Nothing here is logistic: attention is a daily chance, resolve is a
threshold on a slowly swinging quantity, and the amount is bounded by free cash.
"""

from __future__ import annotations

import numpy as np

from training.simulator.card import credit
from training.simulator.cash import free_cash
from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import BoolArray, FloatArray, IntArray, Parameters
from training.simulator.people import People
from training.simulator.state import ALL, NEVER, Draws, Rows, State, days_past_due, owed_cents, past_due_cents

TOKEN_CENTS = 5_000
"""Nobody goes to the trouble of paying less."""


def resolve(people: People, state: State, day: int, parameters: Parameters, rows: Rows = ALL) -> FloatArray:
    """Latent willingness today: intent, mood and what contacts did, less weariness; a bill is paid only above zero."""
    swing, _ = parameters.pair("mood")
    weary = parameters.number("discouragement") * np.clip((days_past_due(state, day, rows) - 10) / 170, 0, 1)
    weary += parameters.number("effect_scale") * parameters.number("fatigue_weight") * state.fatigue[rows]
    shy = parameters.number("avoidance")
    if shy:
        needed = np.maximum(owed_cents(state, rows), 1)
        weary += shy * np.clip(1.0 - free_cash(people, state, day, rows) / needed, 0.0, 1.0)
    value = people.intent[rows] + swing * state.mood[rows] + state.boost[rows] - weary
    return np.where(state.is_dead[rows] | (state.dispute_until[rows] >= day), -9.0, value)


def attention(people: People, state: State, day: Day, parameters: Parameters) -> FloatArray:
    """Chance that the customer turns to the bill today."""
    number, first_due = day.number, state.due[0]
    is_owing = state.unpaid[0] > 0
    is_late = is_owing & (first_due < number)
    is_soon = is_owing & ~is_late & (first_due - number <= 4)
    dpd = days_past_due(state, number)
    overdue = np.where((people.habit_dpd > 0) & (dpd >= people.habit_dpd) & (dpd < 30), 0.4, people.attention_overdue)
    chance = np.where(is_soon, people.attention_before, 0.0) + np.where(is_late, overdue, 0.0)
    is_payday = (number - state.last_payday <= 2) & ~people.is_gig
    chance += parameters.number("attention_payday") * (is_late & is_payday & (people.habit_dpd < 0))
    chance += np.where(is_late | is_soon, state.memory, 0.0)
    is_promised = (number - state.promise_day >= 0) & (number - state.promise_day <= 1)
    chance += parameters.number("effect_scale") * parameters.number("promise_memory") * is_promised
    chance += np.where((state.plan_day > NEVER) & is_payday, 0.5, 0.0)
    return np.where(is_owing, chance, 0.0)


def pay_bills(people: People, state: State, day: Day, draws: Draws, parameters: Parameters, log: Log) -> IntArray:
    """Everybody who remembers, wants and can pays today.

    Returns
    -------
    array of int
        Rows of customers who turned to an overdue bill and lacked the cash: some of them will ask for help.
    """
    wants = resolve(people, state, day.number, parameters) > 0
    state.days_willing += wants
    thinks = draws["thinks"] < attention(people, state, day, parameters)
    _draw_standing_orders(people, state, day, log)
    rows = np.flatnonzero(thinks & wants & ~state.is_closed & ~state.is_dead & (state.unpaid[0] > 0))
    amount = _amount(people, state, rows, day.number, draws["partly"][rows])
    is_overdue = state.due[0, rows] < day.number
    pays = amount > 0
    _settle(state, rows[pays], amount[pays], "voluntary", day, draws["bounces"][rows[pays]], parameters, log)
    return np.asarray(rows[~pays & is_overdue])


def _draw_standing_orders(people: People, state: State, day: Day, log: Log) -> None:
    """On the due day, standing orders take the minimums if the wallet holds them, or nothing."""
    is_due = people.is_autopay & (state.due == day.number).any(axis=0) & ~state.is_closed & ~state.is_dead
    rows = np.flatnonzero(is_due & (state.unpaid[0] > 0))
    if len(rows):
        asked = owed_cents(state, rows)
        pays = state.wallet[rows] >= asked
        _book(state, rows[pays], asked[pays], day)
        log.add("payments", day.number, rows[pays], amount_cents=asked[pays], kind="autopay", bounces=False)


def _amount(people: People, state: State, rows: IntArray, day: int, draw: FloatArray) -> IntArray:
    """What somebody willing does pay: the wish where cash allows, else the arrears, else a part, or nothing."""
    free = free_cash(people, state, day, rows)
    owed, past = owed_cents(state, rows), past_due_cents(state, day, rows)
    rest = np.maximum(state.balance[rows], owed)
    statement = np.clip(state.last_statement[rows] - state.credited[rows], owed, rest)
    wish = np.where(people.pays_in_full[rows], statement, owed + _rounded(np.where(draw > 0.7, 0.15 * owed, 0.0)))
    wish = np.where(state.plan_day[rows] > NEVER, np.maximum(state.instalment[rows], 1), wish)
    wish = np.minimum(wish, rest)
    part = _rounded(free * np.where(draw < 0.75, 0.9, 0.35))
    floor = np.maximum(people.pays_lump[rows] * state.unpaid[0, rows], TOKEN_CENTS)
    part = np.where(part >= np.minimum(floor, owed), np.minimum(part, owed), 0)
    amount = np.where(free >= past, np.where(past > 0, past, 0), part)
    amount = np.where((free >= owed) & (owed > 0), owed, amount)
    return np.asarray(np.where(free >= wish, wish, amount))


def _rounded(cents: FloatArray) -> IntArray:
    """Down to whole tens of the currency, as people pay."""
    return np.asarray(cents // 1_000 * 1_000, dtype=np.int64)


def _settle(
    state: State, rows: IntArray, amount: IntArray, kind: str, day: Day, draw: FloatArray, p: Parameters, log: Log
) -> None:
    """Book payments; one that will be returned unpaid changes nothing, for it counts as never made."""
    bounces: BoolArray = draw < p.number("bounce")
    log.add("payments", day.number, rows, amount_cents=amount, kind=kind, bounces=bounces)
    _book(state, rows[~bounces], amount[~bounces], day)


def _book(state: State, rows: IntArray, amount: IntArray, day: Day) -> None:
    credit(state, rows, amount)
    state.wallet[rows] -= amount
    state.paid[rows] += amount
    state.last_paid[rows] = day.number
    is_clear = state.unpaid[0, rows] == 0
    state.memory[rows[is_clear]] = 0.0
