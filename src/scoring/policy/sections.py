"""Reading YAML without its surprises: doubled keys, unquoted times and unknown keys are refused, with their place.

*Why.* YAML reads an unquoted ``22:00`` as the number 1320 and ``08:00`` as text; a doubled key silently loses its first
value; a misspelt key would switch a limit off. In a file of rules each of these is a legal risk.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn

import yaml

from scoring.errors import PolicyError

MISSING: Any = object()
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, name: str) -> Mapping[str, Any]:
    """The mapping in a YAML text.

    Raises
    ------
    PolicyError
        The text is not YAML, doubles a key, or is not a mapping.

    Examples
    --------
    >>> read_yaml("max: 3", "caps.yaml")
    {'max': 3}
    >>> read_yaml("max: 3\\nmax: 7", "caps.yaml")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: caps.yaml, line 2: key 'max' is written twice. Correct the file.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  # a SafeLoader with one more refusal
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PolicyError(f"{name}{line}: {error.problem}. Correct the file.", field=name) from error
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError(f"{name}: it is not readable YAML ({error}). Correct the file.", field=name) from error
    if not isinstance(content, dict):
        raise PolicyError(f"{name}: the file is not a mapping of keys to values.", field=name)
    return content


@dataclass(slots=True)
class Section:
    """A mapping from a file, read key by key; ``done`` refuses what nobody read.

    Examples
    --------
    >>> cap = Section("caps.yaml", "rule CAP", {"max": 3, "dayz": 7})
    >>> cap.integer("max", least=0)
    3
    >>> cap.done()
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: caps.yaml, rule CAP: key 'dayz' is not known here. Known keys: max.
    """

    file: str
    place: str
    values: Mapping[str, Any]
    read: list[str] = field(default_factory=list)

    def refuse(self, reason: str, *, got: Any = None, expected: Any = None) -> NoReturn:
        """Refuse the file, naming it, the place and the reason."""
        raise PolicyError(f"{self.file}, {self.place}: {reason}", field=self.place, got=_plain(got), expected=expected)

    def take(self, key: str, default: Any = MISSING) -> Any:
        """The raw value of a key; without a default the key must be there."""
        self.read.append(key)
        if key in self.values:
            return self.values[key]
        if default is MISSING:
            self.refuse(f"key {key!r} is missing.", expected=key)
        return default

    def text(self, key: str, default: Any = MISSING, *, among: Sequence[str] = ()) -> Any:
        """A text, perhaps one of a list."""
        value = self.take(key, default)
        if value is default and default is not MISSING:
            return value
        if not isinstance(value, str) or not value:
            self.refuse(f"{key} must be a text in quotes; got {value!r}.", got=value)
        if among and value not in among:
            self.refuse(f"{key} {value!r} is not known; known: {', '.join(among)}.", got=value, expected=list(among))
        return value

    def some_texts(self, key: str, consequence: str, *, among: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of different texts that may not be empty, because of what would follow."""
        texts = self.texts(key, among=among)
        if not texts:
            self.refuse(f"{key} is empty, so {consequence}.", got=[])
        return texts

    def texts(self, key: str, default: Any = MISSING, *, among: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of different texts."""
        value = self.take(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
            self.refuse(f"{key} must be a list of names; got {value!r}.", got=value)
        if len(set(value)) != len(value):
            self.refuse(f"{key} names something twice: {value!r}.", got=value)
        for item in value:
            if among and item not in among:
                self.refuse(f"{key} {item!r} is not known; known: {', '.join(among)}.", got=item, expected=list(among))
        return tuple(value)

    def integer(self, key: str, default: Any = MISSING, *, least: int) -> int:
        """A whole number, at least ``least``."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.refuse(f"{key} must be a whole number of at least {least}; got {value!r}.", got=value)
        return value

    def boolean(self, key: str, default: Any = MISSING) -> bool:
        """true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            self.refuse(f"{key} must be true or false; got {value!r}.", got=value)
        return value

    def clock(self, key: str) -> time:
        """A local time of day in quotes, such as "22:00"; YAML would make a number of an unquoted one."""
        value = self.take(key)
        if not isinstance(value, str):
            self.refuse(f'{key} must be a time in quotes, like "22:00"; YAML read {value!r}.', got=value)
        if not CLOCK.fullmatch(value):
            self.refuse(f'{key} {value!r} is not an hour of the day, from "00:00" to "23:59".', got=value)
        return time.fromisoformat(value)

    def day(self, key: str, default: Any = MISSING) -> date | None:
        """A date such as "2026-01-30", or null where the default allows it."""
        value = self.take(key, default)
        if value is None and default is None:
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self.refuse(f'{key} must be a date in quotes, like "2026-01-30"; got {value!r}.', got=value)

    def instant(self, key: str, default: Any = MISSING) -> datetime | None:
        """An instant with its offset, such as "2026-11-23T06:00:00Z", or null where the default allows it."""
        value = self.take(key, default)
        if value is None and default is None:
            return None
        try:
            at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self.refuse(f'{key} must be an instant like "2026-11-23T06:00:00Z"; got {value!r}.', got=value)
        if at.tzinfo is None:
            self.refuse(f"{key} must say its offset, such as Z for UTC; got {value!r}.", got=value)
        return at.astimezone(UTC)

    def part(self, key: str, default: Any = MISSING) -> Section:
        """A mapping below this one."""
        value = self.take(key, default)
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            self.refuse(f"{key} must be a mapping with text keys; got {value!r}.", got=value)
        return Section(self.file, f"{self.place}, {key}", value)

    def done(self) -> None:
        """Refuse keys that nothing read."""
        for key in self.values:
            if key not in self.read:
                known = ", ".join(sorted(set(self.read)))
                self.refuse(
                    f"key {key!r} is not known here. Known keys: {known}.", got=key, expected=sorted(set(self.read))
                )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
