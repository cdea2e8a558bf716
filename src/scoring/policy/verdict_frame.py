"""A whole portfolio: the same verdicts as ``verdicts``, computed in columns without a loop over accounts.

Most rules say the same about all their channels, so a result is one small column per rule that its channels share; only
consents, opt-outs and exceptions split it. So a million accounts with twenty rules take tens of megabytes, not nine
times that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.errors import PolicyError
from scoring.policy.calendars import local_days, window_start, zone_of
from scoring.policy.facts import OPT_OUT, as_utc
from scoring.policy.facts_frame import NEVER, NOT_LISTED, FactsFrame, microseconds
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
from scoring.policy.truth import LAWFUL_OF_OUTCOME, Lawful, Outcome, Truth
from scoring.policy.verdicts import binds, overlaid

Codes = NDArray[np.int8]
Columns = dict[int, Codes]
"""For each channel a rule is about, its outcome codes; channels may share one array."""
LAWFUL_CODES: Final = np.asarray(LAWFUL_OF_OUTCOME, np.int8)


@dataclass(frozen=True, slots=True)
class VerdictFrame:
    """Every rule's outcome on every channel for many accounts.

    Attributes
    ----------
    columns : tuple, one entry for each rule
        Channel index to int8 ``Outcome`` codes, shape (n,); a channel that is missing is not applicable to all.
    lawful : int8 array, shape (n, 9)
        ``Lawful`` codes: 0 allowed, 1 for a person, 2 blocked.
    """

    profile: Profile
    at: datetime
    account_ids: Sequence[str]
    columns: tuple[Columns, ...]
    lawful: Codes

    def __len__(self) -> int:
        return len(self.lawful)

    def codes(self, rows: slice | NDArray[Any] = slice(None)) -> Codes:
        """Outcome codes of some accounts, shape (m, n_rules, 9)."""
        m = len(self.lawful[rows])
        codes = np.zeros((m, len(self.columns), len(CHANNELS)), np.int8)
        for i, column in enumerate(self.columns):
            for channel, values in column.items():
                codes[:, i, channel] = values[rows]
        return codes

    def outcome(self, rule_id: str, channel: str) -> Codes:
        """One rule's outcome codes on one channel, the strictest of its dated versions, shape (n,)."""
        at = CHANNEL_INDEX[channel]
        found = [i for i, name in enumerate(self.profile.rule_ids) if name == rule_id]
        if not found:
            raise PolicyError(f"Profile {self.profile.name} has no rule {rule_id}.", field="rule", got=rule_id)
        strictest = np.zeros(len(self), np.int8)
        for i in found:
            if at in self.columns[i]:
                np.maximum(strictest, self.columns[i][at], out=strictest)
        return strictest

    def reasons(self, row: int, channel: str) -> tuple[str, ...]:
        """The rules that decide against a channel for one account, as ``Verdicts.reasons``."""
        at = CHANNEL_INDEX[channel]
        said = [int(column[at][row]) if at in column else 0 for column in self.columns]
        blocked = self.lawful[row, at] == Lawful.BLOCK
        wanted = (Outcome.BLOCK,) if blocked else (Outcome.REVIEW, Outcome.UNKNOWN)
        return tuple(dict.fromkeys(n for n, code in zip(self.profile.rule_ids, said, strict=True) if code in wanted))

    def patterns(self) -> tuple[Codes, NDArray[np.int64]]:
        """The distinct rule-by-channel tables and which of them each account has.

        A portfolio has few distinct tables, so that a record can name its table instead of repeating it.

        Returns
        -------
        tables : int8 array, shape (k, n_rules, 9)
        which : int64 array, shape (n,)
        """
        which = np.zeros(len(self), np.int64)
        for values in {id(v): v for column in self.columns for v in column.values()}.values():
            which = np.unique(which * len(Outcome) + values, return_inverse=True)[1]
        _, first, which = np.unique(which, return_index=True, return_inverse=True)
        return self.codes(first), which

    def counts(self) -> list[dict[str, Any]]:
        """How many accounts each rule passes, blocks or sends to a person, by channel; for reports and alarms."""
        lines = []
        for rule, column in zip(self.profile.rules, self.columns, strict=True):
            for channel, values in column.items():
                counted = np.bincount(values, minlength=len(Outcome))
                line = {outcome.name.lower(): int(n) for outcome, n in zip(Outcome, counted, strict=True)}
                lines.append({"rule": rule.id, "channel": CHANNELS[channel], **line})
        return lines


def verdict_frame(
    profile: Profile, frame: FactsFrame, at: datetime | None = None, rules_on: date | None = None
) -> VerdictFrame:
    """What every rule says about every channel for every account of a frame.

    Parameters
    ----------
    profile : Profile
    frame : FactsFrame
    at : datetime, optional
        A later instant than the frame's, judged with what was known at the frame's.
    rules_on : date, optional
        Apply the rules of this date instead of the local date of ``at``.

    Raises
    ------
    PolicyError
        ``at`` lies before the frame, a zone is not known, or the profile does not hold on the day.

    Examples
    --------
    >>> from datetime import UTC
    >>> from scoring.policy.facts import Facts
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> kept = Facts(account_id="A1", flags={"plan_signed": Truth.TRUE}, unlisted=Truth.FALSE)
    >>> noon = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    >>> result = verdict_frame(cn, FactsFrame.of([kept], noon))
    >>> result.lawful[0].tolist(), result.reasons(0, "sms")
    ([2, 2, 2, 0, 2, 2, 2, 2, 2], ('CN-HOLD-PLAN',))
    """
    moment = frame.at if at is None else as_utc(at)
    if moment < frame.at:
        raise PolicyError(
            f"The facts are those of {frame.at.isoformat()}, and {moment.isoformat()} lies before: they would know "
            "its future. Build the facts for that instant.",
            field="at",
            got=moment.isoformat(),
            expected=frame.at.isoformat(),
        )
    reading = _Reading(profile, frame, moment)
    holding = reading.holding(rules_on)
    columns = tuple(_columns(rule, reading, holding[:, i]) for i, rule in enumerate(profile.rules))
    return VerdictFrame(profile, moment, frame.account_ids, columns, _lawful(columns, len(frame)))


def _lawful(columns: tuple[Columns, ...], n: int) -> Codes:
    strictest = np.zeros((len(CHANNELS), n), np.int8)
    for column in columns:
        for channel, values in column.items():
            np.maximum(strictest[channel], values, out=strictest[channel])
    return np.ascontiguousarray(LAWFUL_CODES[strictest].T)


class _Reading:
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


def _columns(rule: Rule, reading: _Reading, holding: NDArray[np.bool_]) -> Columns:
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


def _lifted(rule: Rule, codes: Codes, reading: _Reading, kind: str | None) -> Columns:
    columns = _spread(rule, codes)
    for channel in columns:
        covered = None if kind is None else reading.consented(kind, channel)
        if covered is not None and covered.any():
            columns[channel] = _where(covered, Outcome.PASS, codes)
    return columns


def _hold(rule: Hold, reading: _Reading) -> Columns:
    codes = _judged((Truth.TRUE - reading.condition(rule.when)).astype(np.int8), rule.effect)
    columns = _spread(rule, codes)
    if rule.except_templates:
        excepted = reading.frame.template.read(lambda template: template in rule.except_templates, np.bool_)
        for channel in columns:
            if rule.except_channels[channel]:
                columns[channel] = _where(excepted, Outcome.PASS, codes)
    return columns


def _recipient(rule: Recipient, reading: _Reading) -> Columns:
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


def _forbidden_hours(rule: ForbiddenHours, reading: _Reading) -> Columns:
    def code(zones: Sequence[str]) -> Outcome:
        if not zones:
            return Outcome.UNKNOWN
        inside = any(rule.forbids(reading.at.astimezone(zone_of(zone)).time()) for zone in zones)
        return rule.effect if inside else Outcome.PASS

    codes = reading.by_zones([code(zones) for zones in reading.zone_sets], np.int8)
    return _lifted(rule, codes, reading, rule.lifted_by_consent)


def _inconvenient(rule: InconvenientTimes, reading: _Reading) -> Columns:
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


def _cap(rule: Cap, reading: _Reading) -> Columns:
    n = len(reading.frame)
    rows, _, perhaps = reading.counted(rule, rule.days)
    possible = np.bincount(rows, minlength=n)
    sure = np.bincount(rows[~perhaps], minlength=n) if perhaps.any() else possible
    codes = np.full(n, Outcome.PASS, np.int8)
    codes[possible >= rule.maximum] = Outcome.UNKNOWN
    codes[sure >= rule.maximum] = rule.effect
    codes[~(reading.frame.contacts_observed & reading.located)] = Outcome.UNKNOWN
    return _lifted(rule, codes, reading, rule.lifted_by_consent)


def _cooldown(rule: Cooldown, reading: _Reading) -> Columns:
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


def _opt_out(rule: OptOut, reading: _Reading) -> Columns:
    observed = reading.frame.consents_observed
    columns = _spread(rule, _where(~observed, Outcome.UNKNOWN, np.full(len(observed), Outcome.PASS, np.int8)))
    for channel in columns:
        out = reading.consented(OPT_OUT, channel)
        if out is not None:
            columns[channel] = _where(out & observed, rule.effect, columns[channel])
    return columns


def _require(rule: Require, reading: _Reading) -> Columns:
    met = reading.every(rule.needs)
    if rule.when is None:
        return _spread(rule, _judged(met, rule.effect))
    asked = reading.condition(rule.when)
    met = np.where(asked == Truth.UNKNOWN, np.maximum(met, np.int8(Truth.UNKNOWN)), met)
    return _spread(rule, _where(asked == Truth.FALSE, Outcome.NOT_APPLICABLE, _judged(met, rule.effect)))


EVALUATORS: Final[Mapping[type[Rule], Callable[[Any, _Reading], Columns]]] = {
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
