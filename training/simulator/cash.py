"""The wallet: income on paydays, essentials, other debts, free spending, and the shocks that upset it.

A wallet fills on payday and drains until the next. Whether somebody can pay is never drawn: it is what is left.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import BoolArray, FloatArray, IntArray, Parameters
from training.simulator.people import MONTH_DAYS, People
from training.simulator.state import ALL, Draws, Rows, State

GIG_PAY_DAILY = 0.2
"""Share of days on which somebody with irregular work is paid."""


def live_a_day(people: People, state: State, day: Day, draws: Draws, parameters: Parameters, log: Log) -> None:
    """Move every wallet forward by a day, and put what the wallet could not carry on the card."""
    _strike(people, state, day, draws, parameters)
    income = _income(people, state, day, draws, parameters)
    essentials = people.essentials_daily * np.where(
        state.ill_until >= day.number, parameters.number("illness_spending"), 1.0
    )
    essentials *= np.exp(0.3 * draws.normal["spend"])
    if day.is_festive:
        essentials *= 0.5 + 0.5 * parameters.number("festival_spending")
    debts = np.where(people.other_debt_day == day.on.day, people.other_debt, 0.0)
    state.free_flow += income - essentials - debts
    state.wallet += income - essentials - np.minimum(debts, np.maximum(state.wallet, 0.0))
    _note_month(state, day, income, essentials + debts, log)
    shortfall = np.maximum(-state.wallet, 0.0)
    state.wallet += shortfall
    _use_card(people, state, day, draws, parameters, shortfall)
    # Whoever is behind with the bill and would like to pay lives more carefully.
    is_careful = (state.unpaid[0] > 0) & (state.due[0] < day.number) & (people.intent > 0)
    care = np.where(is_careful, parameters.number("careful_spending"), 1.0)
    leak = np.minimum(people.free_spending * _appetite(state, day, parameters) * care, 0.5)
    state.wallet -= leak * np.maximum(state.wallet - people.buffer, 0.0)


def _note_month(state: State, day: Day, income: FloatArray, spending: FloatArray, log: Log) -> None:
    """On the last day of a month, note what came in and what the essentials took."""
    state.month_income += income
    state.month_spending += spending
    if (day.on + timedelta(days=1)).day == 1:
        rows = np.arange(len(state))
        log.add("months", day.number, rows, income=state.month_income.copy(), spending=state.month_spending.copy())
        state.month_income[:] = state.month_spending[:] = 0.0


def free_cash(people: People, state: State, day: int, rows: Rows = ALL) -> FloatArray:
    """Cash above what the customer keeps back; people who were pressed or advised keep back less for a while."""
    dig = np.where(state.dig_until[rows] >= day, state.dig[rows], 0.0)
    return np.maximum(state.wallet[rows] - people.buffer[rows] * (1.0 - dig), 0.0)


def _strike(people: People, state: State, day: Day, draws: Draws, p: Parameters) -> None:
    """Job loss, illness and over-consumption begin."""
    outside, inside = day.job_loss
    hazard = p.number("job_loss_monthly") / MONTH_DAYS * np.where(people.region == day.shocked_region, inside, outside)
    _begin(state.job_until, draws["job_loss"] < hazard, p.number("job_loss_days"), day.number, draws)
    for until, name in ((state.ill_until, "illness"), (state.over_until, "over_consumption")):
        _begin(
            until, draws[name] < p.number(f"{name}_monthly") / MONTH_DAYS, p.number(f"{name}_days"), day.number, draws
        )


def _begin(until: IntArray, is_struck: BoolArray, mean_days: float, day: int, draws: Draws) -> None:
    rows = np.flatnonzero(is_struck & (until < day))
    if len(rows):
        until[rows] = day + np.ceil(-mean_days * np.log1p(-draws["length"][rows])).astype(np.int64)


def _income(people: People, state: State, day: Day, draws: Draws, p: Parameters) -> FloatArray:
    month_share = np.where(
        people.is_gig,
        (draws["gig_pay"] < GIG_PAY_DAILY) / (GIG_PAY_DAILY * MONTH_DAYS),
        people.payday == day.on.day,
    )
    is_paid = month_share > 0
    state.last_payday[is_paid] = day.number
    if day.is_bonus_month:
        month_share = month_share * np.where(people.is_gig, 1.0, 1.0 + p.number("festival_bonus"))
    left = np.where(state.job_until >= day.number, p.number("job_loss_income"), 1.0)
    left = np.minimum(left, np.where(state.ill_until >= day.number, p.number("illness_income"), 1.0))
    noise = np.exp(p.number("payday_noise") * draws.normal["pay"])
    return np.asarray(people.income * month_share * left * noise * day.income)


def _appetite(state: State, day: Day, p: Parameters) -> FloatArray:
    factor = np.where(state.over_until >= day.number, p.number("over_consumption_factor"), 1.0)
    return factor * (p.number("festival_spending") if day.is_festive else 1.0)


def _use_card(people: People, state: State, day: Day, draws: Draws, p: Parameters, shortfall: FloatArray) -> None:
    """Purchases, and cash advances where the wallet ran dry, within the limit and while the card works."""
    room = np.where(state.is_chargeable & (people.opened <= day.number), np.maximum(people.limit - state.balance, 0), 0)
    advance = np.where(draws["partly"] < 0.6, np.minimum(shortfall, room * 0.9), 0.0)
    frequency = p.number("purchase_daily")
    size = people.card_spend / (MONTH_DAYS * frequency) * np.exp(0.8 * draws.normal["spend"] - 0.32)
    size = size * _appetite(state, day, p)
    is_fraud = people.persona == 5
    size = np.where(is_fraud, people.limit * 0.12, size)
    buys = np.where((draws["buys"] < frequency) & (size <= room - advance), size, 0.0)
    state.advances += advance.astype(np.int64)
    state.purchases += buys.astype(np.int64)
    state.balance += advance.astype(np.int64) + buys.astype(np.int64)
