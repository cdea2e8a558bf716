"""What is really true at an as-of day: latents, and what every account would pay under every single action.

From a copy of the state at the end of the day, the same world runs on for 30 days once per action, with one action on
the first morning and no other proactive contact, many times over. All actions share their random numbers, so a
difference between two of them is the effect of the action and not of luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from training.simulator.cash import free_cash
from training.simulator.chunk import History, stream
from training.simulator.contacts import start_campaigns
from training.simulator.days import EXTRACT_ON, Day, first_day
from training.simulator.log import Log
from training.simulator.parameters import CHANNELS, PERSONAS, FloatArray, IntArray, Parameters
from training.simulator.paying import resolve
from training.simulator.people import People
from training.simulator.policy import is_workable
from training.simulator.state import State, days_past_due, draw_day, owed_cents, past_due_cents
from training.simulator.step import step

HORIZON_DAYS: Final = 30
POSTING_LAG_DAYS: Final = 10
TAU_CENTS: Final = 5_000
"""The least token payment of the default recipe: 50 major units, or a tenth of the last minimum due if that is more."""

_ROWS_AT_ONCE: Final = 40_000


def truth_days(months: int) -> tuple[date, ...]:
    """The default as-of days: the last month-end whose window matures before the extract, and one two months earlier.

    Month-ends, because training and planning use them too.

    Examples
    --------
    >>> [day.isoformat() for day in truth_days(24)]
    ['2026-05-31', '2026-07-31']
    >>> len(truth_days(4))
    1
    """
    last = _month_end(EXTRACT_ON - timedelta(days=HORIZON_DAYS + POSTING_LAG_DAYS + 1))
    earlier = _month_end(last - timedelta(days=2 * HORIZON_DAYS))
    return (earlier, last) if earlier >= first_day(months) + timedelta(days=60) else (last,)


def _month_end(day: date) -> date:
    after = day + timedelta(days=1)
    return day if after.day == 1 else day.replace(day=1) - timedelta(days=1)


def truth_of(
    history: History, days: Sequence[Day], account_ids: pa.Array, parameters: Parameters, seed: int
) -> dict[str, pa.Table]:
    """The truth tables of one chunk.

    Returns
    -------
    dict of str to table
        ``accounts``, one row per eligible account and as-of day: what is true about it. ``outcomes``, one row per
        eligible account, as-of day and channel: what would happen within 30 days. Columns in ``training/simulator/simulator.md``.
    """
    accounts, outcomes = [], []
    chunk = history.first_account
    for number, state in sorted(history.snapshots.items()):
        rows = np.flatnonzero(is_workable(state, number))
        rng = stream(seed, chunk, 100_000 + number)
        window = days[number + 1 : number + 1 + HORIZON_DAYS]
        people, part = history.people.take(rows), _rested(state.take(rows))
        found = _rollouts(people, part, window, parameters, rng)
        ids = account_ids.take(pa.array(rows))
        accounts.append(_accounts(ids, people, part, days[number], found, parameters))
        outcomes.append(_outcomes(ids, days[number].on, found))
    if not accounts:
        return {}
    return {"accounts": pa.concat_tables(accounts), "outcomes": pa.concat_tables(outcomes)}


@dataclass
class Rollouts:
    """Sums over rollouts, shape (halves, actions, accounts), and over the rollouts without contact."""

    n: int
    sums: dict[str, FloatArray]
    capacity: FloatArray
    willing_share: FloatArray

    def mean(self, name: str) -> FloatArray:
        """Mean over all rollouts, shape (actions, accounts)."""
        return np.asarray(self.sums[name].sum(axis=0) / self.n)

    def half(self, name: str, half: int) -> FloatArray:
        """Mean over one half of the rollouts, shape (actions, accounts)."""
        return np.asarray(self.sums[name][half] / (self.n / 2))


def _rested(state: State) -> State:
    """The state with its sums at zero and nobody in the middle of a campaign."""
    for name in ("paid", "days_willing", "complaints", "n_reached", "attempts_left"):
        getattr(state, name)[:] = 0
    for name in ("free_flow", "minutes", "cost"):
        getattr(state, name)[:] = 0.0
    return state


def _rollouts(
    people: People, state: State, window: Sequence[Day], parameters: Parameters, rng: np.random.Generator
) -> Rollouts:
    n, n_actions = len(people), len(CHANNELS)
    total = int(parameters.number("truth_rollouts")) // 2 * 2
    names = ("pays", "paid", "recovered", "full", "complaints", "n_reached", "minutes", "cost")
    found = Rollouts(total, {name: np.zeros((2, n_actions, n)) for name in names}, np.zeros(n), np.zeros(n))
    if not n:
        return found
    together = max(1, min(total // 2, _ROWS_AT_ONCE // (n * n_actions)))
    done = 0
    while done < total:
        half = 0 if done < total // 2 else 1
        runs = min(together, total // 2 * (half + 1) - done)
        _run(people, state, runs, half, window, parameters, rng, found)
        done += runs
    return found


def _run(
    people: People,
    state: State,
    runs: int,
    half: int,
    window: Sequence[Day],
    parameters: Parameters,
    rng: np.random.Generator,
    found: Rollouts,
) -> None:
    """Some rollouts side by side: rows are actions, then runs, then accounts."""
    n, n_actions = len(people), len(CHANNELS)
    rows = np.tile(np.arange(n), runs * n_actions)
    # No two runs share a customer, or one's death would be the other's.
    apart = np.repeat(np.arange(runs * n_actions), n) * (people.customer.max() + 1)
    everybody, world = people.take(rows), state.take(rows)
    everybody = replace(everybody, customer=everybody.customer + apart)
    action = np.repeat(np.arange(n_actions), runs * n)
    is_addressed = everybody.addresses[action, np.arange(len(rows))]
    start_campaigns(world, np.arange(len(rows)), np.where(is_addressed, action, 0), window[0].number, parameters)
    silent = Log(is_kept=False)
    for day in window:
        step(everybody, world, day, draw_day(rng, runs * n, copies=n_actions), parameters, silent)
    owed = owed_cents(state)
    asked = np.tile(owed, runs * n_actions)
    tau = np.tile(token_cents(state), runs * n_actions)
    pays = world.paid >= tau
    results = {
        "pays": pays,
        "paid": world.paid,
        "recovered": np.minimum(world.paid, asked) * pays,
        "full": world.paid >= asked,
        "complaints": world.complaints,
        "n_reached": world.n_reached > 0,
        "minutes": world.minutes,
        "cost": world.cost,
    }
    for name, values in results.items():
        found.sums[name][half] += values.reshape(n_actions, runs, n).sum(axis=1)
    start = state.wallet - people.buffer
    flow = world.free_flow.reshape(n_actions, runs, n)[0]
    found.capacity += np.maximum(start + flow, 0.0).sum(axis=0) / found.n
    found.willing_share += world.days_willing.reshape(n_actions, runs, n)[0].sum(axis=0) / (found.n * len(window))


def token_cents(state: State) -> IntArray:
    """The token payment that counts as willingness: a tenth of the last minimum due, at least `TAU_CENTS`."""
    return np.maximum(TAU_CENTS, state.last_minimum // 10)


def _accounts(
    ids: pa.Array, people: People, state: State, day: Day, found: Rollouts, parameters: Parameters
) -> pa.Table:
    number = day.number
    past = past_due_cents(state, number)
    can, will = found.capacity >= past, found.willing_share >= 0.5
    kinds = np.select(
        [can & will, ~can & will, can & ~will], ["can_and_will", "cannot_pay", "will_not_pay"], "cannot_and_will_not"
    )
    return pa.table(
        {
            "account_id": ids,
            "as_of": np.full(len(ids), np.datetime64(day.on)),
            "dpd": days_past_due(state, number),
            "past_due_cents": past,
            "cure_amount_cents": owed_cents(state),
            "balance_cents": state.balance,
            "token_cents": token_cents(state),
            "persona": np.array(PERSONAS)[people.persona],
            "intent": people.intent,
            "resolve": resolve(people, state, number, parameters),
            "willing_share": found.willing_share,
            "free_cash_cents": free_cash(people, state, number).astype(np.int64),
            "capacity_cents": found.capacity.astype(np.int64),
            "true_class": kinds,
            "has_job_loss": state.job_until > number,
            "is_ill": state.ill_until > number,
            "is_over_consuming": state.over_until > number,
            "is_reactant": people.is_reactant,
        }
    )


def _outcomes(ids: pa.Array, as_of: date, found: Rollouts) -> pa.Table:
    n, n_actions = len(ids), len(CHANNELS)

    def flat(values: FloatArray) -> FloatArray:
        return values.T.ravel()

    def cents(values: FloatArray) -> IntArray:
        return np.rint(flat(values)).astype(np.int64)

    return pa.table(
        {
            "account_id": ids.take(pa.array(np.repeat(np.arange(n), n_actions))),
            "as_of": np.full(n * n_actions, np.datetime64(as_of)),
            "channel": pa.array([str(channel) for channel in CHANNELS] * n, pa.string()),
            "p_pays": flat(found.mean("pays")),
            "p_pays_first": flat(found.half("pays", 0)),
            "p_pays_second": flat(found.half("pays", 1)),
            "p_full": flat(found.mean("full")),
            "paid_cents": cents(found.mean("paid")),
            "recovered_cents": cents(found.mean("recovered")),
            "recovered_first_cents": cents(found.half("recovered", 0)),
            "recovered_second_cents": cents(found.half("recovered", 1)),
            "p_reached": flat(found.mean("n_reached")),
            "complaints": flat(found.mean("complaints")),
            "minutes": flat(found.mean("minutes")),
            "cost_cents": cents(found.mean("cost")),
        }
    )


def write_settings(folder: Path, parameters: Parameters, seed: int, accounts: int, days: Sequence[date]) -> None:
    """Say in ``truth.toml`` what the truth tables are about."""
    as_of = ", ".join(day.isoformat() for day in days)
    text = (
        f'world = "{parameters.world}"\nseed = {seed}\naccounts = {accounts}\nas_of = [{as_of}]\n'
        f"horizon_days = {HORIZON_DAYS}\nrollouts = {int(parameters.number('truth_rollouts'))}\n"
    )
    folder.mkdir(exist_ok=True)
    (folder / "truth.toml").write_text(text, encoding="utf-8")
