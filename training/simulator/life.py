"""What ends or suspends collection: disputes, deaths, refusals, lost numbers, plans kept and broken, charge-off."""

from __future__ import annotations

import numpy as np

from training.simulator.card import lower_balance
from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import Parameters
from training.simulator.people import People
from training.simulator.state import NEVER, Draws, State, days_past_due


def pass_a_day(people: People, state: State, day: Day, draws: Draws, parameters: Parameters, log: Log) -> None:
    """Everything that happens to accounts besides contacts and payments."""
    number = day.number
    dpd = days_past_due(state, number)
    is_open = ~state.is_closed & (people.opened < number)
    is_overdue = is_open & (dpd > 0)
    state.is_chargeable = is_open & (dpd < parameters.number("card_stop_dpd")) & (state.plan_day == NEVER)
    state.is_chargeable &= ~state.is_dead

    usual, fraud = parameters.pair("dispute_daily")
    hazard = np.where(people.persona == 5, fraud, usual)
    rows = np.flatnonzero(is_overdue & (state.dispute_until == NEVER) & (draws["disputes"] < hazard))
    days = np.ceil(-parameters.number("dispute_days") * np.log1p(-draws["length"][rows])).astype(np.int64)
    state.dispute_until[rows] = number + days
    log.add("disputes", number, rows, until=number + days, is_fraud=people.persona[rows] == 5)

    # Both accounts of a customer see the same end.
    dies = np.flatnonzero(draws["dies"] < parameters.number("death_daily"))
    rows = np.flatnonzero(np.isin(people.customer, people.customer[dies]) & ~state.is_dead) if len(dies) else dies
    state.is_dead[rows] = True
    log.add("deaths", number, rows)

    rare = draws["rare"]
    first = parameters.number("adm_refused_daily")
    second = first + parameters.number("number_lost_daily")
    third = second + parameters.number("set_off_daily")
    log.add("refusals", number, np.flatnonzero(is_overdue & (rare < first)))
    rows = np.flatnonzero(is_overdue & (rare >= first) & (rare < second) & ~state.is_number_lost)
    state.is_number_lost[rows] = True
    rows = np.flatnonzero(is_overdue & (rare >= second) & (rare < third) & (dpd >= 60) & (state.balance > 100_000))
    _credit_aside(state, rows, 0.05, "set_off", day, log)
    rows = np.flatnonzero(is_open & (draws["refund"] < parameters.number("refund_daily")) & (state.balance > 100_000))
    _credit_aside(state, rows, 0.02, "refund", day, log)
    rows = np.flatnonzero(is_overdue & (draws["refund"] > 1 - 0.0001) & (state.balance > 100_000))
    _credit_aside(state, rows, 0.01, "goodwill", day, log)

    _watch_plans(state, day, parameters, log)
    _charge_off(state, day, parameters, log)
    _settle_promises(state, day)


def _credit_aside(state: State, rows: np.ndarray, share: float, kind: str, day: Day, log: Log) -> None:
    """A credit that the customer did not start; it never eats into unpaid minimums."""
    room = np.maximum(state.balance[rows] - state.unpaid[:, rows].sum(axis=0), 0)
    amount = (room * share).astype(np.int64) // 100 * 100
    rows, amount = rows[amount > 0], amount[amount > 0]
    lower_balance(state, rows, amount)
    log.add("payments", day.number, rows, amount_cents=amount, kind=kind, bounces=False)


def _watch_plans(state: State, day: Day, parameters: Parameters, log: Log) -> None:
    """A plan ends well when nothing is overdue and half a year has passed, and badly when no money comes."""
    number = day.number
    rows = np.flatnonzero(state.plan_day > NEVER)
    last = np.maximum(state.last_paid[rows], state.plan_day[rows])
    is_breached = number - last > 31 + parameters.number("plan_breach_days")
    is_done = (number - state.plan_day[rows] > 180) & (state.unpaid[0, rows] == 0)
    log.add("plan_ends", number, rows[is_breached], is_breached=True, signed_day=state.plan_day[rows[is_breached]])
    done = rows[is_done & ~is_breached]
    log.add("plan_ends", number, done, is_breached=False, signed_day=state.plan_day[done])
    ended = rows[is_breached | is_done]
    state.plan_day[ended] = NEVER


def _charge_off(state: State, day: Day, parameters: Parameters, log: Log) -> None:
    is_due = days_past_due(state, day.number) >= parameters.number("charge_off_dpd")
    rows = np.flatnonzero(is_due & ~state.is_closed & (state.plan_day == NEVER) & (state.dispute_until < day.number))
    if not len(rows):
        return
    amount = np.maximum(state.balance[rows], 0)
    log.add("payments", day.number, rows, amount_cents=amount, kind="write_off", bounces=False)
    log.add("charge_offs", day.number, rows)
    state.is_closed[rows] = True
    state.unpaid[:, rows] = 0
    state.balance[rows] = 0


def _settle_promises(state: State, day: Day) -> None:
    """The day after its grace a promise is either kept or counts as broken."""
    rows = np.flatnonzero(state.promise_day == day.number - 3)
    is_broken = state.last_paid[rows] < day.number - 13
    state.broken_promises[rows] += is_broken
    state.broken_promises *= 0.5 ** (1 / 120)
