"""The card: statements, minimum due, interest, and payments against the oldest minimum first.

A payment counts towards the minimums of statements cut by then, an excess lowers the balance and does not prepay the
next minimum, and only payments by the customer count.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import IntArray, Parameters
from training.simulator.people import MONTH_DAYS, People
from training.simulator.state import NEVER, SLOTS, State


def cut_statements(people: People, state: State, day: Day, parameters: Parameters, log: Log) -> None:
    """Close the cycle of the accounts whose day it is: charge interest and ask for a new minimum."""
    is_open = (people.cycle_day == day.on.day) & (people.opened < day.number - 10) & ~state.is_closed
    rows = np.flatnonzero(is_open)
    if not len(rows):
        return
    arrears = state.unpaid[:, rows].sum(axis=0)
    charged = _interest_and_fees(state, rows, arrears, day, parameters)
    state.balance[rows] += charged
    minimum = _minimum(state, rows, arrears, charged, parameters)
    _ask(state, rows, minimum, day.number + int(parameters.number("grace_days")))
    log.add(
        "statements",
        day.number,
        rows,
        due_on=np.datetime64(day.on + timedelta(days=int(parameters.number("grace_days")))),
        balance_cents=state.balance[rows].copy(),
        minimum_due_cents=minimum,
        purchases_cents=state.purchases[rows].copy(),
        cash_advances_cents=state.advances[rows].copy(),
        interest_and_fees_cents=charged,
    )
    state.last_statement[rows], state.last_minimum[rows] = state.balance[rows], minimum
    state.credited[rows] = state.purchases[rows] = state.advances[rows] = 0


def credit(state: State, rows: IntArray, amount: IntArray) -> None:
    """Book payments of the customer: oldest minimum first, the rest lowers the balance only."""
    unpaid = state.unpaid[:, rows]
    left = np.minimum(unpaid, np.maximum(np.cumsum(unpaid, axis=0) - amount, 0))
    _store(state, rows, left, state.due[:, rows])
    lower_balance(state, rows, amount)


def lower_balance(state: State, rows: IntArray, amount: IntArray) -> None:
    """Book a credit that counts towards no minimum: refund, set-off, goodwill."""
    state.balance[rows] -= amount
    state.credited[rows] += amount


def _interest_and_fees(state: State, rows: IntArray, arrears: IntArray, day: Day, p: Parameters) -> IntArray:
    # A balance paid in full costs nothing; otherwise interest runs on what the last statement showed.
    is_revolving = state.credited[rows] < state.last_statement[rows]
    interest = np.where(is_revolving, state.last_statement[rows], 0) * p.number("interest_daily") * MONTH_DAYS
    late = np.minimum(arrears, np.maximum(state.balance[rows], 0)) * p.number("late_fee_share")
    is_spared = (state.plan_day[rows] > NEVER) | state.is_dead[rows]
    return np.where(is_spared, 0, np.maximum(interest, 0) + late).astype(np.int64)


def _minimum(state: State, rows: IntArray, arrears: IntArray, charged: IntArray, p: Parameters) -> IntArray:
    """What this statement newly asks: a share of the balance besides arrears, interest and fees; or the instalment."""
    rest = np.maximum(state.balance[rows] - arrears, 0)
    share = (p.number("minimum_share") * np.maximum(rest - charged, 0)).astype(np.int64) + charged
    usual = np.maximum(share, int(p.number("minimum_floor_cents")))
    has_plan = state.plan_day[rows] > NEVER
    return np.asarray(np.minimum(np.where(has_plan, state.instalment[rows], usual), rest))


def _ask(state: State, rows: IntArray, minimum: IntArray, due: int) -> None:
    """Append a minimum behind the unpaid ones; the last slot takes what finds no place."""
    unpaid, dues = state.unpaid[:, rows], state.due[:, rows]
    place = np.minimum((unpaid > 0).sum(axis=0), SLOTS - 1)
    at = (place, np.arange(len(rows)))
    dues[at] = np.where(unpaid[at] > 0, dues[at], due)
    unpaid[at] += minimum
    state.unpaid[:, rows], state.due[:, rows] = unpaid, dues


def _store(state: State, rows: IntArray, unpaid: IntArray, due: IntArray) -> None:
    """Keep unpaid minimums in front, oldest first."""
    order = np.argsort(unpaid == 0, axis=0, kind="stable")
    state.unpaid[:, rows] = np.take_along_axis(unpaid, order, axis=0)
    state.due[:, rows] = np.take_along_axis(due, order, axis=0)
