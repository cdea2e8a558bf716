"""One day of the world, the same for history and for what might have been."""

from __future__ import annotations

from training.simulator.card import cut_statements
from training.simulator.cash import live_a_day
from training.simulator.contacts import answer_chats, fade, try_contacts
from training.simulator.days import Day
from training.simulator.life import pass_a_day
from training.simulator.log import Log
from training.simulator.parameters import Parameters
from training.simulator.paying import pay_bills
from training.simulator.people import People
from training.simulator.state import Draws, State


def step(people: People, state: State, day: Day, draws: Draws, parameters: Parameters, log: Log) -> None:
    """Move ``state`` from the end of the day before to the end of ``day``; what happened goes to ``log``."""
    live_a_day(people, state, day, draws, parameters, log)
    cut_statements(people, state, day, parameters, log)
    try_contacts(people, state, day, draws, parameters, log)
    short = pay_bills(people, state, day, draws, parameters, log)
    answer_chats(people, state, short, day, draws, parameters, log)
    pass_a_day(people, state, day, draws, parameters, log)
    fade(state, parameters, draws)
