"""The hours at which an account may be contacted, and the ones at which it usually answers.

Lawful hours are read from the contact policy's forbidden spans for every candidate zone; a house window narrows them. Where an account
has answered calls before, two hours in a row with the best smoothed answer rate are proposed; otherwise the whole lawful window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import HOURS, AccountEvents, Ints
from scoring.decisions.house_numbers import house_numbers
from scoring.policy import Profile
from scoring.policy.calendars import zone_of
from scoring.policy.rules import ForbiddenHours
from scoring.vocabulary import CONTACT_CHANNELS, Channel

NO_HOUR: Final = -1
WITHOUT_HOURS: Final = (Channel.ONLINE_CS, Channel.LETTER, Channel.LEGAL_REFERRAL)
"""Nobody is disturbed at an hour: a letter, a step inside the bank, an answer to a chat the customer opened."""
_MINUTES: Final = (*range(0, 60, 5), 59)


@dataclass(frozen=True)
class ContactHours:
    """When to contact, in the account's local time.

    Attributes
    ----------
    from_hour, until_hour : array (n,)
        Half-open window of whole hours; -1 where the channel has no hours or the zone is unknown.
    basis : array (n,) of str
        ``answers`` (own calls), ``lawful_window``, ``no_hours``, ``zone_unknown``.
    answer_rate : array (n,)
        Smoothed share of calls answered in the window; NaN without own calls.
    n_attempts : array (n,)
        Own calls in the answer history.
    """

    from_hour: Ints
    until_hour: Ints
    basis: npt.NDArray[np.object_]
    answer_rate: npt.NDArray[np.float64]
    n_attempts: Ints

    def within(self, first: Ints, end: Ints) -> ContactHours:
        """The same hours cut to a window, where there is one (not -1) that they share an hour with.

        >>> two, none = np.array([9, 9]), np.array([""] * 2, dtype=object)
        >>> hours = ContactHours(two, np.array([20, 20]), none, np.zeros(2), two).within(np.array([13, -1]), np.array([17, -1]))
        >>> hours.from_hour.tolist(), hours.until_hour.tolist()
        ([13, 9], [17, 20])
        """
        later, earlier = np.maximum(self.from_hour, first), np.minimum(self.until_hour, end)
        cut = (first >= 0) & (self.from_hour >= 0) & (later < earlier)
        return replace(
            self, from_hour=np.where(cut, later, self.from_hour), until_hour=np.where(cut, earlier, self.until_hour)
        )


@lru_cache(maxsize=512)
def lawful_hours(profile: Profile | None, zones: tuple[str, ...], day: date) -> npt.NDArray[np.bool_]:
    """Hours of the first zone during all of which a contact is lawful in every candidate zone.

    Returns
    -------
    array (24, 9) of bool
        One column per contact channel. All False where no zone is known. Consents that would lift a span are not read: the window
        stays on the safe side.

    Examples
    --------
    >>> from scoring.decisions.lawfulness import find_profile
    >>> hours = lawful_hours(find_profile("cn_bank_card", ""), ("Asia/Shanghai",), date(2026, 11, 23))
    >>> np.flatnonzero(hours[:, CONTACT_CHANNELS.index(Channel.AGENT_CALL)]).tolist()
    [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    """
    allowed = np.zeros((HOURS, len(CONTACT_CHANNELS)), dtype=bool)
    if not zones:
        return allowed
    numbers = house_numbers("timing")
    allowed[numbers.whole("earliest_hour") : numbers.whole("latest_hour")] = True
    rules = () if profile is None else profile.on(profile.nearest_day(day))
    spans = [rule for rule in rules if isinstance(rule, ForbiddenHours)]
    for hour in np.flatnonzero(allowed.any(axis=1)):
        clocks = _clocks(zones, day, int(hour))
        for rule in spans:
            if any(rule.forbids(clock) for clock in clocks):
                allowed[hour, list(rule.channels)] = False
    return allowed


def _clocks(zones: tuple[str, ...], day: date, hour: int) -> list[time]:
    """Every wall clock, in every candidate zone, during an hour of the first."""
    begin = datetime.combine(day, time(hour), tzinfo=zone_of(zones[0])).astimezone(UTC)
    instants = [begin + timedelta(minutes=minute) for minute in _MINUTES]
    return [at.astimezone(zone_of(zone)).time() for zone in zones for at in instants]


def contact_hours(
    events: AccountEvents,
    channels: npt.NDArray[np.object_],
    profile: Profile | None,
    default_zones: Sequence[str],
    day: date,
) -> ContactHours:
    """Propose the hours of each account for the channel chosen for it.

    Parameters
    ----------
    events : AccountEvents
    channels : array (n,) of str
        ``none`` where there is no contact.
    default_zones : sequence of str
        Candidate zones of accounts that name none; empty: unknown.

    Returns
    -------
    ContactHours
    """
    n = len(events)
    zones, zone_of_row = _zones(events, tuple(default_zones))
    attempts, answers = _calls_by_hour(events, zones, zone_of_row)
    places = {str(channel): place for place, channel in enumerate(CONTACT_CHANNELS)}
    column = np.array([places.get(str(channel), 0) for channel in channels], dtype=np.int64)
    by_zone = np.stack([lawful_hours(profile, zone, day) for zone in zones]) if zones else np.zeros((0, HOURS, 9), bool)
    lawful = by_zone[zone_of_row, :, column] if n else np.zeros((0, HOURS), dtype=bool)
    no_hours = np.isin(channels.astype(str), [str(Channel.NONE), *map(str, WITHOUT_HOURS)])
    first, last = _window(lawful)
    rate, best = _best_window(attempts, answers, lawful)
    own = attempts.sum(axis=1)
    by_answers = (own >= house_numbers("timing").whole("fewest_attempts")) & (best >= 0) & (answers.sum(axis=1) > 0)
    length = house_numbers("timing").whole("window_hours")
    unknown = ~lawful.any(axis=1)
    basis = np.select([no_hours, unknown, by_answers], ["no_hours", "zone_unknown", "answers"], "lawful_window")
    silent = no_hours | unknown
    return ContactHours(
        from_hour=np.where(silent, NO_HOUR, np.where(by_answers, best, first)),
        until_hour=np.where(silent, NO_HOUR, np.where(by_answers, best + length, last)),
        basis=basis.astype(object),
        answer_rate=np.where(by_answers & ~silent, rate, np.nan),
        n_attempts=own,
    )


def _zones(events: AccountEvents, default: tuple[str, ...]) -> tuple[list[tuple[str, ...]], Ints]:
    """The distinct candidate zones, and which of them each account has."""
    codes, names = pd.factorize(pd.Series(events.zones, dtype=object), use_na_sentinel=False)
    zones = [default if name is None or name != name else (str(name),) for name in names]
    return zones, np.asarray(codes, dtype=np.int64)


def _calls_by_hour(events: AccountEvents, zones: list[tuple[str, ...]], zone_of_row: Ints) -> tuple[Ints, Ints]:
    """Calls tried and answered per account and local hour."""
    attempts = np.zeros((len(events), HOURS), dtype=np.int64)
    answers = np.zeros_like(attempts)
    since = np.datetime64(events.as_of) - np.timedelta64(house_numbers("timing").whole("answer_history_days"), "D")
    calls = events.calls[events.calls["called_at"].to_numpy() >= since]
    rows = calls["row"].to_numpy(dtype=np.int64)
    answered = calls["is_answered"].to_numpy(dtype=bool)
    zone = zone_of_row[rows]
    for code in np.unique(zone):
        if not zones[code]:
            continue
        here = zone == code
        called_at = pd.DatetimeIndex(calls["called_at"].to_numpy()[here]).tz_localize("UTC")
        hours = called_at.tz_convert(zones[code][0]).hour.to_numpy()
        np.add.at(attempts, (rows[here], hours), 1)
        np.add.at(answers, (rows[here], hours), answered[here].astype(np.int64))
    return attempts, answers


def _window(lawful: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The first run of lawful hours, half-open."""
    first = lawful.argmax(axis=1)
    after = ~lawful & (np.arange(HOURS)[None, :] > first[:, None])
    last = np.where(after.any(axis=1), after.argmax(axis=1), HOURS)
    return first.astype(np.int64), last.astype(np.int64)


def _best_window(attempts: Ints, answers: Ints, lawful: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.float64], Ints]:
    """Smoothed answer rate of the best lawful window and its first hour; -1 where no window fits."""
    numbers = house_numbers("timing")
    length, prior = numbers.whole("window_hours"), numbers["prior_attempts"]
    starts = HOURS - length + 1
    if not len(attempts):
        return np.empty(0), np.empty(0, dtype=np.int64)

    def summed(hourly: Ints) -> Ints:
        return np.stack([hourly[:, hour : hour + length].sum(axis=1) for hour in range(starts)], axis=1)

    tried, answered = summed(attempts), summed(answers)
    fits = np.stack([lawful[:, hour : hour + length].all(axis=1) for hour in range(starts)], axis=1)
    everywhere = answered.sum() / max(tried.sum(), 1)
    pooled = (answered.sum(axis=0) + 50 * everywhere) / (tried.sum(axis=0) + 50)
    rate = np.where(fits, (answered + prior * pooled) / (tried + prior), -1.0)
    best = rate.argmax(axis=1)
    return rate[np.arange(len(rate)), best], np.where(fits.any(axis=1), best, NO_HOUR).astype(np.int64)
