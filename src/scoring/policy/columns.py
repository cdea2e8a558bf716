"""What each kind of rule says about many accounts: the columnar twins of ``judging``, without a loop over accounts.

Most rules say the same about all their channels, so a result is one small column per rule that its channels share; only
consents, opt-outs and exceptions split it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.policy.calendars import local_days, window_start, zone_of
from scoring.policy.facts import OPT_OUT
from scoring.policy.facts_frame import NEVER, NOT_LISTED, FactsFrame, microseconds
from scoring.policy.judging import binds, overlaid
from scoring.policy.profile import Profile, rules_holding
from scoring.policy.rules import (
    CHANNEL_INDEX,
    CHANNELS,
    DIRECTIONS,
    OUTCOMES,
    Cap,
    CapDay,
    Cooldown,
    ForbiddenHours,
    Hold,
    InconvenientTimes,
    OptOut,
    Recipient,
    Require,
    Rule,
    When,
)
from scoring.policy.truth import Outcome, Truth

Codes = NDArray[np.int8]
Columns = dict[int, Codes]
"""For each channel a rule is about, its outcome codes; channels may share one array."""


class ColumnReading:
    """The columns of a frame as the rules read them at one instant."""

    def __init__(self, profile: Profile, frame: FactsFrame, at: datetime) -> None:
        self.profile, self.frame, self.at = profile, frame, at
        self.zone_sets = [zones or profile.default_zones for zones in frame.zones.values]
        self.located = self.by_zones([bool(zones) for zones in self.zone_sets], np.bool_)
        self._flags: dict[str, Codes] = {}

    def by_zones(self, values: Sequence[Any], dtype: Any) -> NDArray[Any]:
        """A value for each distinct set of zones, spread over the accounts."""
        return np.asarray(values, dtype)[self.frame.zones.codes]

    def holding(self, rules_on: date | None) -> NDArray[np.bool_]:
        """Shape (n_zone_sets, n_rules): which rules are in force on the dates that today may be."""
        days = [(rules_on,) if rules_on else local_days(zones, self.at) for zones in self.zone_sets]
        held = [rules_holding(self.profile, day) for day in days]
        return np.asarray(held, np.bool_).reshape(len(held), len(self.profile.rules))

    def window_start_us(self, days: int) -> NDArray[np.int64]:
        """Where a window begins for each account; ``NEVER`` where no zone is known."""
        starts = [microseconds(window_start(zones, self.at, days)) if zones else NEVER for zones in self.zone_sets]
        return self.by_zones(starts, np.int64)

    def flag(self, name: str) -> Codes:
        """Truth codes of a fact, as ``verdicts`` reads them for one account."""
        if name not in self._flags:
            listed = self.frame.flags.get(name)
            derived = self.profile.derived.get(name)
            if derived is not None:
                defined = self.condition(derived)
                self._flags[name] = defined if listed is None else np.maximum(defined, listed)
            elif listed is None:
                self._flags[name] = self.frame.unlisted
            else:
                self._flags[name] = np.where(listed == NOT_LISTED, self.frame.unlisted, listed)
        return self._flags[name]

    def every(self, names: Sequence[str]) -> Codes:
        """Kleene *and* of facts."""
        return np.asarray(np.minimum.reduce([self.flag(name) for name in names]), np.int8)

    def some(self, names: Sequence[str]) -> Codes:
        """Kleene *or* of facts."""
        return np.asarray(np.maximum.reduce([self.flag(name) for name in names]), np.int8)

    def condition(self, when: When) -> Codes:
        """Truth codes of a condition."""
        parts = [self.every(when.all)] if when.all else []
        parts += [self.some(when.any)] if when.any else []
        parts += [Truth.TRUE - self.some(when.none)] if when.none else []
        return np.asarray(np.minimum.reduce(parts), np.int8)

    def consented(self, kind: str, channel: int) -> NDArray[np.bool_] | None:
        """Whether a consent of a kind covers a channel; ``None`` where nobody gave one."""
        covers = self.frame.consents.get(kind)
        return None if covers is None else covers[:, channel]

    def counted(self, rule: Cap | Cooldown, days: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        """Contacts that count in a window: their rows and instants, and which of them count only perhaps."""
        contacts = self.frame.contacts
        counts = _counting_table(rule.counted)[contacts["channel"], contacts["outcome"], contacts["direction"]]
        counts &= contacts["at_us"] >= self.window_start_us(days)[contacts["row"]]
        if rule.counter.min_seconds:
            counts &= ~(contacts["seconds"] < rule.counter.min_seconds)
        if rule.scope == "person_and_debt":
            counts &= contacts["this_debt"]
        perhaps = np.zeros(len(contacts), np.bool_)
        if rule.scope == "number":
            target = self.frame.number[contacts["row"]]
            perhaps = (target < 0) | (contacts["number"] < 0)
            counts &= perhaps | (target == contacts["number"])
        return contacts["row"][counts], contacts["at_us"][counts], perhaps[counts]


def _counting_table(triples: frozenset[tuple[str, str, str]]) -> NDArray[np.bool_]:
    table = np.zeros((len(CHANNELS), len(OUTCOMES), len(DIRECTIONS)), np.bool_)
    for channel, outcome, direction in triples:
        table[CHANNEL_INDEX[channel], OUTCOMES.index(outcome), DIRECTIONS.index(direction)] = True
    return table


def columns_of(rule: Rule, reading: ColumnReading, holding: NDArray[np.bool_]) -> Columns:
    """A rule's codes on its channels, with its dates, its overlay and whom it binds taken into account."""
    frame = reading.frame
    bound = frame.collector.read(lambda collector: binds(rule, collector), np.int8)
    applies = np.minimum(bound, frame.overlays.read(lambda overlays: overlaid(rule, overlays), np.int8))
    applies[~holding[frame.zones.codes]] = Truth.FALSE
    if not applies.any():
        return {}
    columns = EVALUATORS[type(rule)](rule, reading)
    if (applies == Truth.TRUE).all():
        return columns
    fitted = {id(codes): _fitted(codes, applies) for codes in columns.values()}
    return {channel: fitted[id(codes)] for channel, codes in columns.items()}


def _fitted(codes: Codes, applies: Codes) -> Codes:
    doubtful = np.where((applies == Truth.UNKNOWN) & (codes > Outcome.PASS), Outcome.UNKNOWN, codes)
    return np.where(applies == Truth.FALSE, Outcome.NOT_APPLICABLE, doubtful).astype(np.int8)


def _judged(met: Codes, effect: Outcome) -> Codes:
    return np.asarray((effect, Outcome.UNKNOWN, Outcome.PASS), np.int8)[met]


def _spread(rule: Rule, codes: Codes) -> Columns:
    return {channel: codes for channel, applies in enumerate(rule.channels) if applies}


def _where(condition: NDArray[np.bool_], code: Outcome, codes: Codes) -> Codes:
    return np.where(condition, np.int8(code), codes)


def _lifted(rule: Rule, codes: Codes, reading: ColumnReading, kind: str | None) -> Columns:
    columns = _spread(rule, codes)
    for channel in columns:
        covered = None if kind is None else reading.consented(kind, channel)
        if covered is not None and covered.any():
            columns[channel] = _where(covered, Outcome.PASS, codes)
    return columns


def _hold(rule: Hold, reading: ColumnReading) -> Columns:
    codes = _judged((Truth.TRUE - reading.condition(rule.when)).astype(np.int8), rule.effect)
    columns = _spread(rule, codes)
    if rule.except_templates:
        excepted = reading.frame.template.read(lambda template: template in rule.except_templates, np.bool_)
        for channel in columns:
            if rule.except_channels[channel]:
                columns[channel] = _where(excepted, Outcome.PASS, codes)
    return columns


def _recipient(rule: Recipient, reading: ColumnReading) -> Columns:
    def known(recipient: str | None) -> Truth:
        return Truth.UNKNOWN if recipient is None else Truth.TRUE if recipient in rule.allow else Truth.FALSE

    met = reading.frame.recipient.read(known, np.int8)
    columns = _spread(rule, _judged(met, rule.effect))
    locate = rule.locate_exception
    if locate is not None:
        sought = reading.frame.recipient.read(lambda who: who in locate.recipients, np.bool_) & (met == Truth.FALSE)
        excepted = np.where(sought, _judged(reading.condition(locate.when), rule.effect), _judged(met, rule.effect))
        columns |= {channel: excepted for channel in columns if locate.channels[channel]}
    return columns


def _forbidden_hours(rule: ForbiddenHours, reading: ColumnReading) -> Columns:
    def code(zones: Sequence[str]) -> Outcome:
        if not zones:
            return Outcome.UNKNOWN
        inside = any(rule.forbids(reading.at.astimezone(zone_of(zone)).time()) for zone in zones)
        return rule.effect if inside else Outcome.PASS

    codes = reading.by_zones([code(zones) for zones in reading.zone_sets], np.int8)
    return _lifted(rule, codes, reading, rule.lifted_by_consent)


def _inconvenient(rule: InconvenientTimes, reading: ColumnReading) -> Columns:
    codes = np.full(len(reading.frame), Outcome.PASS, np.int8)
    rows, starts, ends = reading.frame.inconvenient.T
    codes[rows[~reading.located[rows]]] = Outcome.UNKNOWN
    zone_code = reading.frame.zones.codes[rows]
    for i in range(max((len(zones) for zones in reading.zone_sets), default=0)):
        clocks = [
            _clock_us(zones[min(i, len(zones) - 1)], reading.at) if zones else NEVER for zones in reading.zone_sets
        ]
        clock = np.asarray(clocks, np.int64)[zone_code]
        codes[rows[(starts <= clock) & (clock < ends)]] = rule.effect
    return _spread(rule, codes)


def _clock_us(zone: str, at: datetime) -> int:
    return microseconds(at.astimezone(zone_of(zone)).replace(tzinfo=None))


def _cap(rule: Cap, reading: ColumnReading) -> Columns:
    n = len(reading.frame)
    rows, _, perhaps = reading.counted(rule, rule.days)
    possible = np.bincount(rows, minlength=n)
    sure = np.bincount(rows[~perhaps], minlength=n) if perhaps.any() else possible
    codes = np.full(n, Outcome.PASS, np.int8)
    codes[possible >= rule.maximum] = Outcome.UNKNOWN
    codes[sure >= rule.maximum] = rule.effect
    codes[~(reading.frame.contacts_observed & reading.located)] = Outcome.UNKNOWN
    return _lifted(rule, codes, reading, rule.lifted_by_consent)


def _cooldown(rule: Cooldown, reading: ColumnReading) -> Columns:
    n = len(reading.frame)
    rows, at_us, perhaps = reading.counted(rule, rule.days)
    codes = np.full(n, Outcome.PASS, np.int8)
    codes[rows] = Outcome.UNKNOWN
    codes[rows[~perhaps]] = rule.effect
    blind = ~(reading.frame.contacts_observed & reading.located)
    codes[blind] = Outcome.UNKNOWN
    columns = _spread(rule, codes)
    if rule.callback is None:
        return columns
    last_us = np.full(n, NEVER, np.int64)
    np.maximum.at(last_us, rows, at_us)
    since_us = reading.window_start_us(rule.callback.window_days)
    for channel in columns:
        given_us = reading.frame.callback_us[:, channel]
        open_wish = (given_us != NEVER) & (given_us >= since_us) & ~blind
        if rule.callback.ends_at_next_conversation:
            open_wish &= last_us <= given_us
        if open_wish.any():
            columns[channel] = _where(open_wish, Outcome.PASS, codes)
    return columns


def _opt_out(rule: OptOut, reading: ColumnReading) -> Columns:
    observed = reading.frame.consents_observed
    columns = _spread(rule, _where(~observed, Outcome.UNKNOWN, np.full(len(observed), Outcome.PASS, np.int8)))
    for channel in columns:
        out = reading.consented(OPT_OUT, channel)
        if out is not None:
            columns[channel] = _where(out & observed, rule.effect, columns[channel])
    return columns


def _require(rule: Require, reading: ColumnReading) -> Columns:
    met = reading.every(rule.needs)
    if rule.when is None:
        return _spread(rule, _judged(met, rule.effect))
    asked = reading.condition(rule.when)
    met = np.where(asked == Truth.UNKNOWN, np.maximum(met, np.int8(Truth.UNKNOWN)), met)
    return _spread(rule, _where(asked == Truth.FALSE, Outcome.NOT_APPLICABLE, _judged(met, rule.effect)))


EVALUATORS: Final[Mapping[type[Rule], Callable[[Any, ColumnReading], Columns]]] = {
    Hold: _hold,
    Recipient: _recipient,
    ForbiddenHours: _forbidden_hours,
    InconvenientTimes: _inconvenient,
    Cap: _cap,
    CapDay: _cap,
    Cooldown: _cooldown,
    OptOut: _opt_out,
    Require: _require,
}
