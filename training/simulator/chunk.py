"""The history of one chunk of accounts: people, days, events, and snapshots for the truth.

A chunk is a fixed range of account numbers with its own streams of random numbers, so that the bytes written depend on
the seed and on the number of accounts, never on how many processes share the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import Parameters
from training.simulator.people import People, draw_people
from training.simulator.policy import decide_a_day
from training.simulator.state import State, draw_day, first_state
from training.simulator.step import step

CHUNK: Final = 10_000
"""Accounts simulated together; also the bank's sites, each with its own capacity."""


@dataclass(frozen=True)
class History:
    """One chunk after its last day: who, what happened, and copies of the state at the truth's as-of days."""

    first_account: int
    people: People
    log: Log
    snapshots: dict[int, State] = field(default_factory=dict)


def stream(seed: int, chunk: int, purpose: int) -> np.random.Generator:
    """A stream of random numbers of its own for each chunk and purpose."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, chunk, purpose])))


def simulate_chunk(
    parameters: Parameters, seed: int, chunk: int, n_accounts: int, days: list[Day], snapshot_days: list[int]
) -> History:
    """Simulate one chunk from the first day to the last.

    Parameters
    ----------
    chunk : int
        Its number; accounts are numbered from ``chunk * CHUNK`` on.
    n_accounts : int
        How many accounts it holds, at most `CHUNK`.
    snapshot_days : list of int
        Numbers of the days at whose end the state is kept.
    """
    people = draw_people(parameters, n_accounts, len(days), stream(seed, chunk, 0))
    state = first_state(people, stream(seed, chunk, 1))
    world, policy = stream(seed, chunk, 2), stream(seed, chunk, 3)
    history = History(chunk * CHUNK, people, Log())
    for day in days:
        decide_a_day(people, state, day, policy, parameters, history.log)
        step(people, state, day, draw_day(world, n_accounts), parameters, history.log)
        if day.number in snapshot_days:
            history.snapshots[day.number] = state.take(np.arange(n_accounts))
    return history
