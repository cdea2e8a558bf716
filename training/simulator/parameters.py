"""The numbers of the simulated world: read from ``parameters.toml``, changed by the worlds of ``worlds.toml``.

Every number keeps its unit and source in the file; code asks for it by name and never writes it down again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.errors import BadRequestError
from scoring.vocabulary import Channel

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

CHANNELS: Final = tuple(Channel)
"""``none`` first: actions are coded by their place here."""

PERSONAS: Final = ("ordinary", "forgetful", "overstretched", "unwilling", "late_by_habit", "fraudulent")
"""Kinds of customers, coded by their place here."""

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Parameters:
    """The parameters of one world.

    Examples
    --------
    >>> parameters = parameters_of("base")
    >>> parameters.number("grace_days")
    20.0
    >>> parameters.by_channel("cost_cents")[CHANNELS.index(Channel.SMS)].item()
    5.0
    >>> parameters_of("null_effect").number("effect_scale")
    0.0
    """

    world: str
    values: Mapping[str, Any]

    def number(self, name: str) -> float:
        """One number."""
        return float(self.values[name])

    def pair(self, name: str) -> tuple[float, float]:
        """Two numbers, such as a mean and a spread."""
        first, second = self.values[name]
        return float(first), float(second)

    def word(self, name: str) -> str:
        """One word, such as a policy's name."""
        return str(self.values[name])

    def table(self, name: str) -> dict[str, float]:
        """A few named numbers."""
        return {key: float(value) for key, value in self.values[name].items()}

    def by_channel(self, name: str, left_out: float = 0.0) -> FloatArray:
        """One number a channel, in the order of `CHANNELS`; ``left_out`` for channels the file does not name."""
        table = self.table(name)
        return np.array([table.get(str(channel), left_out) for channel in CHANNELS])

    def by_persona(self, name: str) -> FloatArray:
        """One number a kind of customer, in the order of `PERSONAS`."""
        table = self.table(name)
        return np.array([table[persona] for persona in PERSONAS])


def worlds() -> dict[str, dict[str, Any]]:
    """Every world by name: its purpose, what a good system does in it, and what it sets.

    Examples
    --------
    >>> list(worlds())[:3]
    ['base', 'null_effect', 'correlated']
    """
    with (_HERE / "worlds.toml").open("rb") as file:
        return tomllib.load(file)


def parameters_of(world: str) -> Parameters:
    """The parameters of a world.

    Raises
    ------
    BadRequestError
        ``bad_request``: there is no such world.

    Examples
    --------
    >>> parameters_of("mars")
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: World 'mars' is not known, so nothing was simulated. Choose one of: base, ...
    """
    known = worlds()
    if world not in known:
        raise BadRequestError(
            f"World {world!r} is not known, so nothing was simulated. Choose one of: {', '.join(known)}.",
            field="world",
            got=world,
            expected=list(known),
        )
    with (_HERE / "parameters.toml").open("rb") as file:
        values = {name: entry["value"] for name, entry in tomllib.load(file).items()}
    return Parameters(world, values | known[world].get("set", {}))
