"""The strategy file: how much is explored and held out, how long nobody waits, who is protected and supported."""

from __future__ import annotations

import hashlib
import tomllib
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from scoring.errors import PolicyError
from scoring.resources import reference_text
from scoring.scores.bundle import Bundle
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel

LEARNED, PRIOR = "learned", "prior"
EFFECTS: Final = (LEARNED, PRIOR)
_SHARES: Final = ("exploration_share", "holdout_share", "waiting_share", "support_share")


@dataclass(frozen=True)
class Strategy:
    """How values and capacities become decisions.

    Attributes
    ----------
    exploration_share, holdout_share, waiting_share, support_share : float
        See ``data/reference/strategy.toml``, where each has its source.
    most_waiting_days : float
    exploration_salt, holdout_salt : str
    protected, supported : tuple of str
        Kinds of open standings; `supported` are some of the protected.
    pressure, explored : tuple of Channel
    effects : str
        ``learned``: what the bundle learned about contacts; ``prior``: the dated table, whatever was learned.
    version : str
        SHA-256 of the file.
    text : str
        The file, so that a plan can be made again from its record.
    """

    exploration_share: float
    holdout_share: float
    waiting_share: float
    support_share: float
    most_waiting_days: float
    exploration_salt: str
    holdout_salt: str
    protected: tuple[str, ...]
    supported: tuple[str, ...]
    pressure: tuple[Channel, ...]
    explored: tuple[Channel, ...]
    effects: str
    version: str
    text: str = field(repr=False)

    @property
    def watched(self) -> tuple[str, ...]:
        """Kinds of open standings that treat a customer apart.

        >>> house_strategy().watched[:2]
        ('hardship', 'illness')
        """
        return tuple(dict.fromkeys((*self.protected, *self.supported)))

    def facts(self) -> dict[str, Any]:
        """For ``plan.json`` and the record.

        >>> sorted(house_strategy().facts())[:3]
        ['effects', 'exploration_share', 'holdout_share']
        """
        numbers = {name: getattr(self, name) for name in (*_SHARES, "most_waiting_days")}
        return {"effects": self.effects, **dict(sorted(numbers.items())), "sha256": self.version}


def house_strategy() -> Strategy:
    """The strategy of ``data/reference/strategy.toml``.

    Examples
    --------
    >>> house_strategy().exploration_share, house_strategy().holdout_share
    (0.05, 0.01)
    """
    return strategy_from(reference_text("strategy"))


def read_strategy(path: Path) -> Strategy:
    """Read and check a strategy file.

    Raises
    ------
    PolicyError
        ``bad_policy``: the file cannot be read, or see `strategy_from`.
    """
    try:
        return strategy_from(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"Strategy file {path} cannot be read. Give a TOML file like data/reference/strategy.toml.",
            field="strategy",
        ) from error


@lru_cache(maxsize=4)
def strategy_from(text: str) -> Strategy:
    """Check and type a strategy.

    Raises
    ------
    PolicyError
        ``bad_policy``: no TOML, a number without value, unit or source or out of its range, a channel that may not be drawn.

    Examples
    --------
    >>> strategy_from("[exploration_share]\\nvalue = 2")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: strategy.toml, [exploration_share]: value, unit and source must be given, a share from 0 to 1.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"strategy.toml is not TOML: {error}.", field="strategy.toml") from error
    shares = {name: _number(raw, name, most=1.0) for name in _SHARES}
    explored = _channels(raw, "explored")
    forbidden = sorted(set(explored) & set(HUMAN_ONLY_CHANNELS))
    if forbidden:
        raise PolicyError(
            f"strategy.toml, explored: {[str(c) for c in forbidden]} may not be drawn; a person decides them on evidence.",
            field="explored",
            got=[str(channel) for channel in forbidden],
        )
    return Strategy(
        **shares,
        most_waiting_days=_number(raw, "most_waiting_days", most=None),
        exploration_salt=_words(raw, "exploration_salt", str),
        holdout_salt=_words(raw, "holdout_salt", str),
        protected=tuple(_words(raw, "protected", list)),
        supported=tuple(_words(raw, "supported", list)),
        pressure=_channels(raw, "pressure"),
        explored=explored,
        effects=_effects(raw),
        version=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )


def with_effects(bundle: Bundle, strategy: Strategy) -> Bundle:
    """The bundle as the strategy uses it: without what it learned about contacts where the strategy asks for the prior.

    Examples
    --------
    Laws in ``tests/decisions/test_strategy.py``.
    """
    if strategy.effects == LEARNED or "effects" not in bundle.documents:
        return bundle
    used = copy(bundle)  # what was already worked out from the models stays
    used.__dict__["documents"] = {name: it for name, it in bundle.documents.items() if name != "effects"}
    used.__dict__.pop("effects", None)
    return used


def _effects(raw: dict[str, Any]) -> str:
    stated = raw.get("effects", LEARNED)
    if stated not in EFFECTS:
        raise PolicyError(
            f"strategy.toml, effects: {stated!r} is none of {', '.join(EFFECTS)}.",
            field="effects",
            got=str(stated),
            expected=list(EFFECTS),
        )
    return str(stated)


def _number(raw: dict[str, Any], name: str, *, most: float | None) -> float:
    stated = raw.get(name)
    value = stated.get("value") if isinstance(stated, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    in_range = is_number and value >= 0 and (most is None or value <= most)  # type: ignore[operator]
    if not isinstance(stated, dict) or not in_range or not stated.get("unit") or not stated.get("source"):
        wanted = "a number of 0 or more" if most is None else "a share from 0 to 1"
        raise PolicyError(
            f"strategy.toml, [{name}]: value, unit and source must be given, {wanted}.", field=name, got=value
        )
    return float(value)  # type: ignore[arg-type]


def _words(raw: dict[str, Any], name: str, kind: type) -> Any:
    stated = raw.get(name)
    is_list = isinstance(stated, list) and all(isinstance(word, str) for word in stated)
    if not (is_list if kind is list else isinstance(stated, str) and stated):
        raise PolicyError(f"strategy.toml, {name}: it is missing or not a {kind.__name__} of words.", field=name)
    return stated


def _channels(raw: dict[str, Any], name: str) -> tuple[Channel, ...]:
    known = {str(channel): channel for channel in CONTACT_CHANNELS}
    strangers = sorted(set(_words(raw, name, list)) - set(known))
    if strangers:
        raise PolicyError(
            f"strategy.toml, {name}: {strangers} are no channels. Channels: {', '.join(known)}.",
            field=name,
            got=strangers,
        )
    return tuple(known[word] for word in raw[name])
