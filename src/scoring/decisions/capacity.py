"""Capacity files: how many contacts and minutes each channel has on the day, agents' minutes by slot, visits by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scoring.decisions.assignment import Floats, Resource
from scoring.errors import CapacityError
from scoring.vocabulary import CONTACT_CHANNELS, Channel

_LIMITS = ("contacts", "minutes")
_GOLDEN = 0.6180339887498949
"""Its multiples, less whole numbers, spread days evenly."""
_SLOT = ("from", "until", "minutes")
SLOTTED, REGIONAL = Channel.AGENT_CALL, Channel.FIELD_VISIT
"""The channels whose limits may be given by slot, and by region."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of the day with its own minutes: half-open whole hours in the account's local time.

    >>> Slot("morning", 9, 12, 900.0).until_hour
    12
    """

    name: str
    from_hour: int
    until_hour: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits of one channel on one day; None is unlimited, 0 closes it.

    Attributes
    ----------
    contacts : int or None
    minutes : float or None
    slots : tuple of Slot
        For agent calls: minutes by part of the day, within ``minutes`` where those are given too.
    regions : tuple of (str, int), or None
        For visits: contacts by region, within ``contacts`` where those are given too. A region that is not named has nobody to go.
    """

    contacts: int | None = None
    minutes: float | None = None
    slots: tuple[Slot, ...] = ()
    regions: tuple[tuple[str, int], ...] | None = None

    def whole(self) -> Capacity:
        """The day's limits without slots and regions, which are added up.

        >>> Capacity(slots=(Slot("morning", 9, 12, 60.0), Slot("evening", 17, 20, 30.0))).whole()
        Capacity(contacts=None, minutes=90.0, slots=(), regions=None)
        """
        contacts, minutes = self.contacts, self.minutes
        if self.slots:
            offered = sum(slot.minutes for slot in self.slots)
            minutes = offered if minutes is None else min(minutes, offered)
        if self.regions is not None:
            visits = sum(count for _, count in self.regions)
            contacts = visits if contacts is None else min(contacts, visits)
        return Capacity(contacts, minutes)

    def stated(self) -> list[Any]:
        """For the record of a plan; `from_stated` reads it back.

        >>> Capacity.from_stated(Capacity(5, None, regions=(("R1", 2),)).stated())
        Capacity(contacts=5, minutes=None, slots=(), regions=(('R1', 2),))
        """
        if not self.slots and self.regions is None:
            return [self.contacts, self.minutes]
        slots = [[slot.name, slot.from_hour, slot.until_hour, slot.minutes] for slot in self.slots]
        return [self.contacts, self.minutes, slots, None if self.regions is None else [list(r) for r in self.regions]]

    @classmethod
    def from_stated(cls, stated: Sequence[Any]) -> Capacity:
        """Read what `stated` wrote."""
        contacts, minutes, slots, regions = [*stated, [], None][:4] if len(stated) == 2 else stated
        named = None if regions is None else tuple((str(region), int(count)) for region, count in regions)
        return cls(contacts, minutes, tuple(Slot(*slot) for slot in slots), named)

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
    """Read a capacity file: YAML, channel -> ``contacts`` and/or ``minutes``; ``slots`` of agent calls, ``regions`` of visits.

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
    Capacity(contacts=None, minutes=None, slots=(), regions=None)
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
    >>> capacity_from({"agent_call": {"minutes": 60}, "letter": {"contacts": 0}})[Channel.LETTER].contacts
    0
    >>> capacity_from({"agent_call": {"slots": {"morning": {"from": 9, "until": 12, "minutes": 60}}}})[Channel.AGENT_CALL].slots
    (Slot(name='morning', from_hour=9, until_hour=12, minutes=60.0),)
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
        more = {SLOTTED: ("slots",), REGIONAL: ("regions",)}.get(known[name], ())
        if not isinstance(limits, Mapping) or set(limits) - {*_LIMITS, *more}:
            raise CapacityError(
                f"Capacity of {name}: give `contacts` and/or `minutes`{', or `' + more[0] + '`' if more else ''}. Slots are for "
                f"{SLOTTED}, regions for {REGIONAL}.",
                field=f"capacity.{name}",
                got=str(limits)[:100],
                expected=[*_LIMITS, *more],
            )
        found[known[name]] = Capacity(
            **{limit: _amount(name, limit, value) for limit, value in limits.items() if limit in _LIMITS},
            slots=_slots(name, limits["slots"]) if "slots" in limits else (),
            regions=_regions(name, limits["regions"]) if "regions" in limits else None,
        )
    return found


def _slots(channel: str, raw: Any) -> tuple[Slot, ...]:
    """Slots in order of their hours; they do not overlap."""
    if not isinstance(raw, Mapping) or not raw:
        raise _refused(channel, "slots", raw, "name -> {from: 9, until: 12, minutes: 900}")
    found = []
    for name, stated in raw.items():
        where = f"slots.{name}"
        if not isinstance(stated, Mapping) or set(stated) != set(_SLOT):
            raise _refused(channel, where, stated, "from, until and minutes, e.g. {from: 9, until: 12, minutes: 900}")
        first, last = stated["from"], stated["until"]
        if not all(isinstance(hour, int) and not isinstance(hour, bool) for hour in (first, last)) or not (
            0 <= first < last <= 24
        ):
            raise _refused(channel, where, stated, "whole hours of one day, from before until")
        minutes = _amount(channel, "minutes", stated["minutes"])
        if minutes is None:
            raise _refused(channel, where, stated, "minutes of the slot")
        found.append(Slot(str(name), first, last, float(minutes)))
    found.sort(key=lambda slot: slot.from_hour)
    for one, other in pairwise(found):
        if other.from_hour < one.until_hour:
            raise _refused(channel, f"slots.{other.name}", other.from_hour, f"an hour after {one.name} has ended")
    return tuple(found)


def _regions(channel: str, raw: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(raw, Mapping) or not raw:
        raise _refused(channel, "regions", raw, "region -> visits, e.g. {R0: 4, R1: 2}")
    found = []
    for region, count in sorted(raw.items(), key=lambda entry: str(entry[0])):
        visits = _amount(channel, "contacts", count)
        if visits is None:
            raise _refused(channel, f"regions.{region}", count, "a whole number of visits, 0 or more")
        found.append((str(region), visits))
    return tuple(found)


def _refused(channel: str, where: str, got: Any, wanted: str) -> CapacityError:
    return CapacityError(
        f"Capacity of {channel}: {where} is {str(got)[:60]!r}; give {wanted}.",
        field=f"capacity.{channel}.{where}",
        got=str(got)[:100],
        expected=wanted,
    )


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
    whole = {channel: limit.whole() for channel, limit in capacity.items()}
    return {channel: 0 if limit.minutes == 0 else limit.contacts for channel, limit in whole.items()}


def resources_of(capacity: Mapping[Channel, Capacity], minutes: Floats) -> list[Resource]:
    """The limits of the whole day as the optimiser takes them: contacts and minutes of each channel, without slots and regions.

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
        contacts = 0 if limit.whole().minutes == 0 else limit.contacts
        if contacts is not None:
            found.append(Resource(f"{channel} contacts", {place: 1.0}, float(contacts)))
        if limit.minutes and minutes[:, place].any():
            found.append(Resource(f"{channel} minutes", {place: minutes[:, place]}, float(limit.minutes)))
    return found


def less_reserve(resources: Sequence[Resource], share: float, day: int = 0) -> list[Resource]:
    """The limits that the plan may use, when a share of each is kept back for drawn actions.

    Whole contacts of the largest use are kept back, so that what is dealt fits. Where the share is less than one, one is kept back
    on as many days as make up the share: without it nothing would ever be tried out where capacity is small.

    Parameters
    ----------
    day : int
        A number for the day.

    Examples
    --------
    >>> limits = [Resource("sms contacts", {0: 1.0}, 200.0), Resource("letter contacts", {6: 1.0}, 10.0)]
    >>> [[limit.most for limit in less_reserve(limits, 0.05, day)] for day in (1, 2)]
    [[190.0, 10.0], [190.0, 9.0]]
    """
    found = []
    for resource in resources:
        largest = max((float(np.max(use, initial=0.0)) for use in map(np.asarray, resource.uses.values())), default=0.0)
        if resource.most is None or largest <= 0:
            found.append(resource)
            continue
        contacts = share * resource.most / largest
        whole = np.floor(contacts) if contacts >= 1 else float((day * _GOLDEN) % 1.0 < contacts)
        found.append(replace(resource, most=max(resource.most - float(whole * largest), 0.0)))
    return found
