"""What changes from day to day, and the random numbers of one day.

The state is the one thing in the project that is changed in place: a day of ten thousand accounts is a few hundred
vector operations, and copying would double them. Everything else takes values and returns new ones.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np

from training.simulator.parameters import CHANNELS, BoolArray, FloatArray, IntArray
from training.simulator.people import People

SLOTS: Final = 10
"""Unpaid minimums kept apart for one account, oldest first; charge-off comes before they run out."""

NEVER: Final = -9999
"""A day long before the first: the event has not happened."""

UNIFORMS: Final = (
    "gig_pay", "job_loss", "illness", "over_consumption", "length", "buys", "thinks", "partly", "reached", "kind",
    "promises", "plans", "complains", "opts_out", "chats", "tells", "disputes", "dies", "bounces", "rare", "refund",
)  # fmt: skip
"""Names of the uniform draws of a day: each decision has its own, so that runs under different actions stay in step."""

NORMALS: Final = ("pay", "spend", "mood")
"""Names of the normal draws of a day."""


@dataclass
class State:
    """Everything that changes, the last axis is accounts; money in cents, ``_day`` are numbers of simulated days.

    ``unpaid`` and ``due`` have shape (slots, accounts), ``opted_out`` (channels, accounts).
    """

    wallet: FloatArray
    balance: IntArray
    unpaid: IntArray
    due: IntArray
    last_statement: IntArray
    last_minimum: IntArray
    credited: IntArray
    purchases: IntArray
    advances: IntArray
    job_until: IntArray
    ill_until: IntArray
    over_until: IntArray
    mood: FloatArray
    memory: FloatArray
    boost: FloatArray
    dig_until: IntArray
    dig: FloatArray
    fatigue: FloatArray
    last_payday: IntArray
    promise_day: IntArray
    broken_promises: FloatArray
    attended_until: IntArray
    campaign: IntArray
    attempts_left: IntArray
    plan_day: IntArray
    instalment: IntArray
    plan_late_day: IntArray
    dispute_until: IntArray
    is_dead: BoolArray
    is_closed: BoolArray
    is_number_lost: BoolArray
    is_chargeable: BoolArray
    opted_out: BoolArray
    month_income: FloatArray
    month_spending: FloatArray
    next_decision: IntArray
    quiet_until: IntArray
    last_paid: IntArray
    # Sums that a rollout reads at its end.
    paid: IntArray
    days_willing: IntArray
    free_flow: FloatArray
    complaints: IntArray
    n_reached: IntArray
    minutes: FloatArray
    cost: FloatArray

    def __len__(self) -> int:
        return len(self.wallet)

    def take(self, rows: IntArray) -> Self:
        """A copy for chosen rows, repeated where a row is named twice."""
        return type(self)(**{field.name: getattr(self, field.name)[..., rows] for field in fields(self)})


def first_state(people: People, rng: np.random.Generator) -> State:
    """The state before the first day: everybody current, nothing billed yet.

    Examples
    --------
    >>> from training.simulator.parameters import parameters_of
    >>> from training.simulator.people import draw_people
    >>> people = draw_people(parameters_of("base"), 10, 730, np.random.default_rng(1))
    >>> state = first_state(people, np.random.default_rng(2))
    >>> int(state.unpaid.sum()), len(state.take(np.array([0, 0, 1])))
    (0, 3)
    """
    n = len(people)

    def whole(value: int = 0) -> IntArray:
        return np.full(n, value, dtype=np.int64)

    def real() -> FloatArray:
        return np.zeros(n)

    def never() -> BoolArray:
        return np.zeros(n, dtype=bool)

    return State(
        wallet=people.income * rng.uniform(0.2, 1.0, n),
        balance=people.first_balance.astype(np.int64),
        unpaid=np.zeros((SLOTS, n), dtype=np.int64),
        due=np.full((SLOTS, n), NEVER, dtype=np.int64),
        last_statement=whole(),
        last_minimum=whole(),
        credited=whole(),
        purchases=whole(),
        advances=whole(),
        job_until=whole(NEVER),
        ill_until=whole(NEVER),
        over_until=whole(NEVER),
        mood=rng.standard_normal(n),
        memory=real(),
        boost=real(),
        dig_until=whole(NEVER),
        dig=real(),
        fatigue=real(),
        last_payday=whole(NEVER),
        promise_day=whole(NEVER),
        broken_promises=real(),
        attended_until=whole(NEVER),
        campaign=whole(),
        attempts_left=whole(),
        plan_day=whole(NEVER),
        instalment=whole(),
        plan_late_day=whole(NEVER),
        dispute_until=whole(NEVER),
        is_dead=never(),
        is_closed=never(),
        is_number_lost=never(),
        is_chargeable=np.ones(n, dtype=bool),
        opted_out=np.zeros((len(CHANNELS), n), dtype=bool),
        month_income=real(),
        month_spending=real(),
        next_decision=whole(NEVER),
        quiet_until=whole(NEVER),
        last_paid=whole(NEVER),
        paid=whole(),
        days_willing=whole(),
        free_flow=real(),
        complaints=whole(),
        n_reached=whole(),
        minutes=real(),
        cost=real(),
    )


@dataclass(frozen=True)
class Draws:
    """The random numbers of one day, by name, one an account."""

    uniform: dict[str, FloatArray]
    normal: dict[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.uniform[name]


def draw_day(rng: np.random.Generator, n: int, copies: int = 1) -> Draws:
    """Random numbers for ``n`` accounts, the same for each of ``copies`` runs side by side.

    Examples
    --------
    >>> draws = draw_day(np.random.default_rng(1), n=2, copies=3)
    >>> bool(np.all(draws["thinks"][:2] == draws["thinks"][2:4])), len(draws["thinks"])
    (True, 6)
    """
    uniform = rng.random((len(UNIFORMS), n), dtype=np.float32)
    normal = rng.standard_normal((len(NORMALS), n), dtype=np.float32)
    if copies > 1:
        uniform, normal = np.tile(uniform, (1, copies)), np.tile(normal, (1, copies))
    return Draws(dict(zip(UNIFORMS, uniform, strict=True)), dict(zip(NORMALS, normal, strict=True)))


Rows = IntArray | slice
"""Which accounts are meant."""

ALL: Final = slice(None)
"""Every account."""


def days_past_due(state: State, day: int, rows: Rows = ALL) -> IntArray:
    """Days since the due day of the oldest unpaid minimum; 0 when none is overdue (a minimum due today is not)."""
    return np.where(state.unpaid[0, rows] > 0, np.maximum(day - state.due[0, rows], 0), 0)


def past_due_cents(state: State, day: int, rows: Rows = ALL) -> IntArray:
    """Unpaid minimums whose due day has gone by."""
    return np.asarray((state.unpaid[:, rows] * (state.due[:, rows] < day)).sum(axis=0))


def owed_cents(state: State, rows: Rows = ALL) -> IntArray:
    """All unpaid minimums of statements cut by now: the cure amount."""
    return np.asarray(state.unpaid[:, rows].sum(axis=0))
