"""Capacity files: how many contacts and minutes each channel has on the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scoring.decisions.assignment import Floats, Resource
from scoring.errors import CapacityError
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


def contacts_by_channel(capacity: Mapping[Channel, Capacity]) -> dict[Channel, int | None]:
    """Contacts offered by each channel: 0 where it is closed, None where only minutes limit it or nothing does.

    >>> contacts_by_channel(capacity_from({"agent_call": {"minutes": 60}, "sms": {"minutes": 0}}))[Channel.SMS]
    0
    """
    return {channel: 0 if limit.minutes == 0 else limit.contacts for channel, limit in capacity.items()}


def resources_of(capacity: Mapping[Channel, Capacity], minutes: Floats) -> list[Resource]:
    """The limits as the optimiser takes them: contacts and minutes of each channel.

    Parameters
    ----------
    capacity : mapping of channel to Capacity
    minutes : array (n_accounts, n_channels)
        Expected minutes of one contact.

    Examples
    --------
    >>> limits = capacity_from({"agent_call": {"minutes": 60}, "sms": {"contacts": 5}})
    >>> [(r.name, r.most) for r in resources_of(limits, np.ones((1, len(CONTACT_CHANNELS))))]
    [('sms contacts', 5.0), ('agent_call minutes', 60.0)]
    """
    found = []
    for place, channel in enumerate(CONTACT_CHANNELS):
        limit = capacity[channel]
        contacts = 0 if limit.minutes == 0 else limit.contacts
        if contacts is not None:
            found.append(Resource(f"{channel} contacts", {place: 1.0}, float(contacts)))
        if limit.minutes and minutes[:, place].any():
            found.append(Resource(f"{channel} minutes", {place: minutes[:, place]}, float(limit.minutes)))
    return found


def less_reserve(resources: Sequence[Resource], share: float) -> list[Resource]:
    """The limits that the plan may use, when a share of each is kept back for drawn actions.

    Whole contacts of the largest use are kept back, so that what is dealt fits; nothing where not even one does.

    Examples
    --------
    >>> limits = [Resource("sms contacts", {0: 1.0}, 200.0), Resource("letter contacts", {6: 1.0}, 10.0)]
    >>> [resource.most for resource in less_reserve(limits, 0.05)]
    [190.0, 10.0]
    """
    found = []
    for resource in resources:
        largest = max((float(np.max(use, initial=0.0)) for use in map(np.asarray, resource.uses.values())), default=0.0)
        if resource.most is None or largest <= 0:
            found.append(resource)
            continue
        kept = float(np.floor(share * resource.most / largest) * largest)
        found.append(replace(resource, most=resource.most - kept))
    return found
