"""Capacity files: how many contacts and minutes each channel has on the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scoring.errors import CapacityError
from scoring.scores.scores import channel_effects
from scoring.vocabulary import CONTACT_CHANNELS, Channel

_LIMITS = ("contacts", "minutes")


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits of one channel on one day; None is unlimited, 0 closes it."""

    contacts: int | None = None
    minutes: float | None = None

    def places(self, minutes_per_contact: float) -> int | None:
        """How many contacts fit; None is unlimited.

        >>> Capacity(contacts=10, minutes=30).places(6.0)
        5
        """
        limits = [] if self.contacts is None else [self.contacts]
        if self.minutes is not None and minutes_per_contact > 0:
            limits.append(int(self.minutes // minutes_per_contact))
        elif self.minutes == 0:
            limits.append(0)
        return min(limits) if limits else None


def read_capacity(path: Path | None) -> dict[Channel, Capacity]:
    """Read a capacity file: YAML, channel -> ``contacts`` and/or ``minutes``.

    Parameters
    ----------
    path : Path or None
        None leaves every channel unlimited.

    Returns
    -------
    dict
        Every contact channel; one that the file leaves out is unlimited.

    Raises
    ------
    CapacityError
        ``bad_capacity``: not YAML, an unknown channel or limit, a value that is no whole or negative number.

    Examples
    --------
    >>> read_capacity(None)[Channel.SMS]
    Capacity(contacts=None, minutes=None)
    """
    if path is None:
        return {channel: Capacity() for channel in CONTACT_CHANNELS}
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise CapacityError(
            f"Capacity file {path} is not there. Give a YAML file, or leave it out for no limits.",
            field="capacity",
            got=str(path),
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise CapacityError(
            f"Capacity file {path} cannot be read as YAML. Write lines like `agent_call: {{minutes: 2400}}`.",
            field="capacity",
            got=str(path),
        ) from error
    return capacity_from(raw)


def capacity_from(raw: Any) -> dict[Channel, Capacity]:
    """Check and type a capacity mapping.

    Examples
    --------
    >>> capacity_from({"agent_call": {"minutes": 60}, "letter": {"contacts": 0}})[Channel.LETTER]
    Capacity(contacts=0, minutes=None)
    >>> capacity_from({"fax": {"contacts": 3}})
    Traceback (most recent call last):
    ...
    scoring.errors.CapacityError: 'fax' is not a channel. Channels: sms, app_push, email, online_cs, ai_voice, agent_call, letter, field_visit, legal_referral.
    """
    if not isinstance(raw, Mapping):
        raise CapacityError(
            "A capacity file maps channels to limits, e.g. `agent_call: {minutes: 2400}`.",
            field="capacity",
            got=str(raw)[:100],
        )
    known = {str(channel): channel for channel in CONTACT_CHANNELS}
    found: dict[Channel, Capacity] = {channel: Capacity() for channel in CONTACT_CHANNELS}
    for name, limits in raw.items():
        if name not in known:
            raise CapacityError(
                f"{name!r} is not a channel. Channels: {', '.join(known)}.",
                field="capacity",
                got=name,
                expected=list(known),
            )
        if not isinstance(limits, Mapping) or set(limits) - set(_LIMITS):
            raise CapacityError(
                f"Capacity of {name}: give `contacts` and/or `minutes`.",
                field=f"capacity.{name}",
                got=str(limits)[:100],
                expected=list(_LIMITS),
            )
        found[known[name]] = Capacity(**{limit: _amount(name, limit, value) for limit, value in limits.items()})
    return found


def _amount(channel: str, limit: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (is_number and 0 <= value < 1e12 and (limit == "minutes" or value == int(value))):
        return value if value is None or limit == "minutes" else int(value)
    raise CapacityError(
        f"Capacity of {channel}: {limit} is {value!r}; it must be 0 or more, and contacts are whole.",
        field=f"capacity.{channel}.{limit}",
        got=str(value)[:50],
        expected=">= 0",
    )


def places_by_channel(capacity: Mapping[Channel, Capacity]) -> dict[Channel, int | None]:
    """Contacts that fit into each channel's limits, by the expected minutes of one contact."""
    return {channel: capacity[channel].places(channel_effects()[channel].minutes) for channel in CONTACT_CHANNELS}
