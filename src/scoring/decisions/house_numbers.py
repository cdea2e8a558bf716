"""Numbers that decide timing and terms, each with unit and source, from dated tables in ``data/reference``."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from scoring.errors import PolicyError
from scoring.resources import reference_text


@dataclass(frozen=True)
class HouseNumbers:
    """The numbers of one table.

    Attributes
    ----------
    values : mapping of str to float
    sources : mapping of str to str
        Where each number comes from.
    version : str
        SHA-256 of the file, for every decision.

    Examples
    --------
    >>> numbers = house_numbers("plan_terms")
    >>> numbers["most_instalments"], numbers.whole("most_instalments")
    (60.0, 60)
    """

    file: str
    values: Mapping[str, float]
    sources: Mapping[str, str]
    version: str

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def whole(self, name: str) -> int:
        """A number of days, months or contacts.

        >>> house_numbers("timing").whole("review_days")
        14
        """
        return int(self.values[name])


def house_numbers(name: str) -> HouseNumbers:
    """Read and check ``data/reference/<name>.toml``.

    Examples
    --------
    >>> house_numbers("timing").sources["review_days"][:5]
    'house'
    """
    return numbers_from(reference_text(name), f"{name}.toml")


@lru_cache(maxsize=8)
def numbers_from(text: str, file: str) -> HouseNumbers:
    """Check and type such a table.

    Raises
    ------
    PolicyError
        ``bad_policy``: no TOML, or a number without value, unit or source, or below zero.

    Examples
    --------
    >>> numbers_from("[review_days]\\nvalue = 14", "timing.toml")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: timing.toml, [review_days]: value, unit and source must all be given, the value a number of 0 or more. A number that moves decisions shows where it comes from.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file} is not TOML: {error}.", field=file) from error
    tables = {name: entry for name, entry in raw.items() if isinstance(entry, dict)}
    for name, entry in tables.items():
        _refuse_unstated(file, name, entry)
    return HouseNumbers(
        file,
        MappingProxyType({name: float(entry["value"]) for name, entry in tables.items()}),
        MappingProxyType({name: str(entry["source"]) for name, entry in tables.items()}),
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _refuse_unstated(file: str, name: str, entry: Mapping[str, Any]) -> None:
    value = entry.get("value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if is_number and entry.get("unit") and entry.get("source"):
        return
    raise PolicyError(
        f"{file}, [{name}]: value, unit and source must all be given, the value a number of 0 or more. A number that moves decisions "
        "shows where it comes from.",
        field=f"{file}.{name}",
        got=None if value is None else str(value),
    )
