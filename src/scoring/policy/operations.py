"""What holds for the whole operation and stands in no event table, and what a region or a time zone column means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scoring.policy.profile import Profile
from scoring.policy.rules import COLLECTORS
from scoring.policy.sections import Section


@dataclass(frozen=True, slots=True)
class Operations:
    """What holds for the whole operation today and stands in no event table.

    Attributes
    ----------
    facts : mapping of str to bool
        Such as ``call_recording_on: true``. What is not listed is unknown.
    collector : str or None
        ``first_party``, ``third_party`` or ``first_party_other_name``; ``None`` is unknown.
    overlays_by_region : mapping of str to names of overlays, or None
        Which state or city rules apply where; a region that is not listed has none. ``None`` is unknown.
    contacts_complete_until : datetime or None
        Up to when every feed of contacts, the agencies' too, has been delivered; ``None`` where nobody keeps track.
    contacts_max_lag_hours : int
        How far that may lie back before the counts of the caps are called unknown.
    """

    facts: Mapping[str, bool] = field(default_factory=dict)
    collector: str | None = None
    overlays_by_region: Mapping[str, tuple[str, ...]] | None = None
    contacts_complete_until: datetime | None = None
    contacts_max_lag_hours: int = 24

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Operations:
        """Operations from settings: the attributes by name, and facts that are true or false.

        Examples
        --------
        >>> Operations.read({"call_recording_on": True, "collector": "first_party"}).facts
        {'call_recording_on': True}
        >>> Operations.read({"call_recording_on": "yes"})
        Traceback (most recent call last):
        ...
        scoring.errors.PolicyError: operations, settings: call_recording_on must be true or false; got 'yes'.
        """
        section = Section("operations", "settings", settings)
        regions = section.part("overlays_by_region") if "overlays_by_region" in settings else None
        special = ("collector", "overlays_by_region", "contacts_complete_until", "contacts_max_lag_hours")
        return cls(
            facts={name: section.boolean(name) for name in settings if name not in special},
            collector=section.text("collector", None, among=COLLECTORS),
            overlays_by_region=None
            if regions is None
            else {region: regions.texts(region) for region in regions.values},
            contacts_complete_until=section.instant("contacts_complete_until", None),
            contacts_max_lag_hours=section.integer("contacts_max_lag_hours", 24, least=0),
        )

    def counts_are_known(self, at: datetime) -> bool:
        """Whether the feeds of contacts reach far enough for caps to be counted at an instant.

        >>> from datetime import UTC
        >>> stale = Operations(contacts_complete_until=datetime(2026, 11, 21, tzinfo=UTC))
        >>> [stale.counts_are_known(datetime(2026, 11, day, tzinfo=UTC)) for day in (22, 23)]
        [True, False]
        """
        if self.contacts_complete_until is None:
            return True
        return at - self.contacts_complete_until <= timedelta(hours=self.contacts_max_lag_hours)


def zones_of(text: str | None) -> tuple[str, ...]:
    """The candidate zones in ``accounts.timezone``, which may list several.

    >>> zones_of("Asia/Shanghai, Asia/Urumqi"), zones_of(None)
    (('Asia/Shanghai', 'Asia/Urumqi'), ())
    """
    return tuple(zone.strip() for zone in (text or "").split(",") if zone.strip())


def overlays_of(region: str | None, profile: Profile, operations: Operations) -> frozenset[str] | None:
    """The overlays that apply in a region; none under a profile without overlays, ``None`` where it is not known."""
    if not any(rule.overlay for rule in profile.rules):
        return frozenset()
    if operations.overlays_by_region is None or (region is None and operations.overlays_by_region):
        return None
    return frozenset(operations.overlays_by_region.get(region or "", ()))
