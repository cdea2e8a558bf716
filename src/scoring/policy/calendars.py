"""Local days and wall clocks: where a date begins, when a span ends, in zones that change their clocks.

Everything is an instant in UTC on the outside. Zone rules come from ``tzdata``, whose version belongs in the decision
record because rules change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scoring.errors import PolicyError
from scoring.policy.rules import ForbiddenHours

ONE_DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
EARLIEST_OFFSET, LATEST_OFFSET = timedelta(hours=-12), timedelta(hours=14)
"""The range of civil time: where the zone is unknown, today is one of the dates in between."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    >>> zone_of("Mars/Olympus")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: Time zone 'Mars/Olympus' is not an IANA name, ...
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PolicyError(
            f"Time zone {name!r} is not an IANA name, so local hours cannot be judged. Use a name like Asia/Shanghai.",
            field="timezone",
            got=name,
        ) from error


@lru_cache(maxsize=65536)
def first_instant(zone: str, day: date) -> datetime:
    """The earliest instant whose local date is ``day`` or later.

    Midnight may come twice or not at all where clocks change; the earlier reading is taken, so that a day never loses
    an hour.

    Examples
    --------
    >>> first_instant("Asia/Shanghai", date(2026, 11, 23)).isoformat()
    '2026-11-22T16:00:00+00:00'
    >>> first_instant("Africa/Cairo", date(2026, 4, 24)).isoformat()       # clocks go from 00:00 to 01:00
    '2026-04-23T22:00:00+00:00'
    """
    return datetime.combine(day, time(), tzinfo=zone_of(zone)).astimezone(UTC)


def local_date(zone: str, at: datetime) -> date:
    """The calendar date of an instant in a zone."""
    return at.astimezone(zone_of(zone)).date()


def window_start(zones: Sequence[str], at: datetime, days: int) -> datetime:
    """Where a window of ``days`` local dates ending today begins; the earliest over the candidate zones.

    Examples
    --------
    >>> at = datetime(2026, 4, 8, 3, tzinfo=UTC)                            # still the 7th in New York
    >>> window_start(["America/New_York"], at, 7).isoformat()
    '2026-04-01T04:00:00+00:00'
    """
    return min(first_instant(zone, local_date(zone, at) - (days - 1) * ONE_DAY) for zone in zones)


def leaves_window_at(zones: Sequence[str], contact_at: datetime, days: int) -> datetime:
    """The first instant at which a contact no longer lies in a window of ``days`` local dates, in any zone.

    Examples
    --------
    >>> conversation = datetime(2026, 8, 14, 14, tzinfo=UTC)
    >>> leaves_window_at(["America/New_York"], conversation, 7).isoformat()
    '2026-08-21T04:00:00+00:00'
    """
    return max(_leaves_in(zone, contact_at, days) for zone in zones)


def _leaves_in(zone: str, contact_at: datetime, days: int) -> datetime:
    day = local_date(zone, contact_at) + days * ONE_DAY
    while first_instant(zone, day - (days - 1) * ONE_DAY) <= contact_at:
        day += ONE_DAY
    return first_instant(zone, day)


def hours_end_at(rule: ForbiddenHours, zones: Sequence[str], at: datetime) -> datetime | None:
    """The first instant from ``at`` on that is outside the span in every candidate zone.

    ``None`` where zones so far apart are possible that no moment suits them all.

    Examples
    --------
    >>> from scoring.policy.truth import Outcome
    >>> night = ForbiddenHours(id="N", cite="", force="house", verified="house", channels=(True,) * 9,
    ...                        effect=Outcome.BLOCK, start=time(22), end=time(8))
    >>> hours_end_at(night, ["Asia/Shanghai"], datetime(2026, 11, 23, 14, tzinfo=UTC)).isoformat()
    '2026-11-24T00:00:00+00:00'
    """
    moment = at
    for _ in range(4 * len(zones)):  # each turn ends the spans of one zone at least; days repeat after that
        inside = [zone for zone in zones if rule.forbids(moment.astimezone(zone_of(zone)).time())]
        if not inside:
            return moment
        moment = max(_span_end(rule, zone, moment) for zone in inside)
    return None


def _span_end(rule: ForbiddenHours, zone: str, at: datetime) -> datetime:
    """The next instant in one zone whose wall clock shows the end of the span."""
    local = at.astimezone(zone_of(zone))
    day = local.date() if local.time() < rule.end or local.time() == rule.end else local.date() + ONE_DAY
    for fold in (0, 1):
        end = datetime.combine(day, rule.end, tzinfo=local.tzinfo).replace(fold=fold).astimezone(UTC)
        end += MICROSECOND if rule.end_inclusive else timedelta()
        if end > at:
            return end
    return at + MICROSECOND


def local_days(zones: Sequence[str], at: datetime) -> tuple[date, ...]:
    """The dates that today may be: one for each candidate zone, or the widest pair where no zone is known.

    >>> local_days([], datetime(2026, 11, 23, 11, 30, tzinfo=UTC))
    (datetime.date(2026, 11, 22), datetime.date(2026, 11, 24))
    """
    if zones:
        return tuple(sorted({local_date(zone, at) for zone in zones}))
    return tuple(sorted({(at + EARLIEST_OFFSET).date(), (at + LATEST_OFFSET).date()}))
