"""The same facts for a whole portfolio, as columns: one row per account, and the contacts as a long table.

Values with few distinct entries (zones, recipient, collector, overlays, template) are coded, so that their rules are
read once per distinct value. Everything here was known at ``at``; nothing later is carried.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.policy.facts import ANY_CHANNEL, CALLBACK, Consent, Contact, Facts, as_utc
from scoring.policy.rules import CHANNEL_INDEX, CHANNELS, DIRECTIONS, OUTCOMES
from scoring.policy.truth import Truth

NOT_LISTED: Final = -1
"""In a column of flags: the account does not list it, so ``unlisted`` applies."""
NEVER: Final = np.iinfo(np.int64).min
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
CONTACT_TYPE: Final = np.dtype(
    [
        ("row", np.int32),
        ("at_us", np.int64),
        ("channel", np.int8),
        ("outcome", np.int8),
        ("direction", np.int8),
        ("this_debt", np.bool_),
        ("number", np.int32),
        ("seconds", np.float32),
    ]
)
"""One contact: the row of its account, its instant in microseconds, indices into the vocabularies, -1 for no number."""

Value = TypeVar("Value", bound=Hashable)


def microseconds(at: datetime) -> int:
    """An instant as microseconds since 1970; a local time without a zone is counted on its own wall clock.

    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (aware - EPOCH) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Coded(Generic[Value]):
    """A column with few distinct values: ``values[codes[i]]`` is the value of row i.

    Examples
    --------
    >>> recipients = Coded.of(["debtor", "guarantor", "debtor"])
    >>> recipients.values, recipients.read(len, np.int64).tolist()
    (('debtor', 'guarantor'), [6, 9, 6])
    """

    values: tuple[Value, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, column: Sequence[Value]) -> Coded[Value]:
        """Code a list of values in order of first appearance."""
        places: dict[Value, int] = {}
        codes = [places.setdefault(value, len(places)) for value in column]
        return cls(tuple(places), np.asarray(codes, np.int32))

    @classmethod
    def same(cls, value: Value, n: int) -> Coded[Value]:
        """One value for all rows."""
        return cls((value,), np.zeros(n, np.int32))

    def read(self, function: Callable[[Value], Any], dtype: Any) -> NDArray[Any]:
        """A function of the value, for every row."""
        return np.asarray([function(value) for value in self.values], dtype)[self.codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsFrame:
    """Facts of many accounts at one instant.

    Attributes
    ----------
    account_ids : sequence of str, shape (n,)
    flags : mapping of str to int8 array, shape (n,)
        ``Truth`` codes, or ``NOT_LISTED``.
    consents : mapping of str to bool array, shape (n, 9)
        For each kind, whether one in force covers each channel; ``opt_out`` is a kind.
    callback_us : int64 array, shape (n, 9)
        When the latest wish to be called back was given, or ``NEVER``.
    contacts : array of ``CONTACT_TYPE``, ordered by row and time
    inconvenient : int64 array, shape (m, 3)
        Row, start and end of each span in local wall-clock microseconds.
    numbers : tuple of str
        Names of the codes in ``number`` and in the contacts.
    """

    at: datetime
    account_ids: Sequence[str]
    zones: Coded[tuple[str, ...]]
    collector: Coded[str | None]
    recipient: Coded[str | None]
    template: Coded[str]
    overlays: Coded[frozenset[str] | None]
    number: NDArray[np.int32]
    numbers: Sequence[str]
    flags: Mapping[str, NDArray[np.int8]]
    unlisted: NDArray[np.int8]
    consents: Mapping[str, NDArray[np.bool_]]
    callback_us: NDArray[np.int64]
    consents_observed: NDArray[np.bool_]
    contacts: NDArray[Any]
    contacts_observed: NDArray[np.bool_]
    inconvenient: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account_ids)

    @classmethod
    def of(cls, accounts: Sequence[Facts], at: datetime) -> FactsFrame:
        """The columns of a list of single accounts: for small batches and for tests of the two paths.

        Examples
        --------
        >>> frame = FactsFrame.of([Facts(account_id="A1"), Facts(account_id="A2")], datetime(2026, 11, 23, tzinfo=UTC))
        >>> len(frame), frame.facts(1).account_id
        (2, 'A2')
        """
        at, n = as_utc(at), len(accounts)
        numbers = _numbers(accounts)
        consents, callback_us = _consent_columns(accounts, at)
        spans = [
            (row, microseconds(start), microseconds(end))
            for row, a in enumerate(accounts)
            for start, end in a.inconvenient
        ]
        return cls(
            at=at,
            account_ids=[account.account_id for account in accounts],
            zones=Coded.of([account.zones for account in accounts]),
            collector=Coded.of([account.collector for account in accounts]),
            recipient=Coded.of([account.recipient for account in accounts]),
            template=Coded.of([account.template for account in accounts]),
            overlays=Coded.of([account.overlays for account in accounts]),
            number=np.asarray([numbers.get(a.number_ref or "", -1) for a in accounts], np.int32),
            numbers=tuple(numbers),
            flags=_flag_columns(accounts),
            unlisted=np.asarray([account.unlisted for account in accounts], np.int8),
            consents=consents,
            callback_us=callback_us,
            consents_observed=np.asarray([account.consents_observed for account in accounts], np.bool_),
            contacts=_contact_rows(accounts, at, numbers),
            contacts_observed=np.asarray([account.contacts_observed for account in accounts], np.bool_),
            inconvenient=np.asarray(spans, np.int64).reshape(len(spans), 3) if n else np.empty((0, 3), np.int64),
        )

    def facts(self, row: int) -> Facts:
        """One account's facts, for the readable verdicts of ``verdicts``."""
        at_row = slice(*np.searchsorted(self.contacts["row"], [row, row + 1]))
        number = int(self.number[row])
        spans = self.inconvenient[self.inconvenient[:, 0] == row, 1:]
        return Facts(
            account_id=str(self.account_ids[row]),
            zones=self.zones.values[self.zones.codes[row]],
            collector=self.collector.values[self.collector.codes[row]],
            recipient=self.recipient.values[self.recipient.codes[row]],
            template=self.template.values[self.template.codes[row]],
            overlays=self.overlays.values[self.overlays.codes[row]],
            number_ref=self.numbers[number] if number >= 0 else None,
            flags={name: Truth(int(column[row])) for name, column in self.flags.items() if column[row] != NOT_LISTED},
            unlisted=Truth(int(self.unlisted[row])),
            consents=self._consents_of(row),
            consents_observed=bool(self.consents_observed[row]),
            contacts=tuple(self._contact(values) for values in self.contacts[at_row].tolist()),
            contacts_observed=bool(self.contacts_observed[row]),
            inconvenient=tuple((_wall_clock(start), _wall_clock(end)) for start, end in spans.tolist()),
        )

    def _consents_of(self, row: int) -> tuple[Consent, ...]:
        found = [
            Consent(kind, channel, EPOCH)
            for kind, covers in self.consents.items()
            for channel, covered in zip(CHANNELS, covers[row], strict=True)
            if covered and kind != CALLBACK
        ]
        given = zip(CHANNELS, self.callback_us[row].tolist(), strict=True)
        return tuple(found + [Consent(CALLBACK, channel, _instant(us)) for channel, us in given if us != NEVER])

    def _contact(self, values: tuple[Any, ...]) -> Contact:
        _, at_us, channel, outcome, direction, this_debt, number, seconds = values
        return Contact(
            at=_instant(at_us),
            channel=CHANNELS[channel],
            outcome=OUTCOMES[outcome],
            direction=DIRECTIONS[direction],
            number_ref=self.numbers[number] if number >= 0 else None,
            this_debt=this_debt,
            seconds=None if np.isnan(seconds) else seconds,
        )


def _instant(us: int) -> datetime:
    return EPOCH + us * MICROSECOND


def _wall_clock(us: int) -> datetime:
    return _instant(us).replace(tzinfo=None)


def _numbers(accounts: Sequence[Facts]) -> dict[str, int]:
    seen = [account.number_ref for account in accounts] + [c.number_ref for a in accounts for c in a.contacts]
    return {name: i for i, name in enumerate(dict.fromkeys(name for name in seen if name is not None))}


def _flag_columns(accounts: Sequence[Facts]) -> dict[str, NDArray[np.int8]]:
    names = dict.fromkeys(name for account in accounts for name in account.flags)
    return {name: np.asarray([account.flags.get(name, NOT_LISTED) for account in accounts], np.int8) for name in names}


def _consent_columns(accounts: Sequence[Facts], at: datetime) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.int64]]:
    consents: dict[str, NDArray[np.bool_]] = {}
    callback_us = np.full((len(accounts), len(CHANNELS)), NEVER, np.int64)
    for row, account in enumerate(accounts):
        for consent in account.consents:
            if not consent.holds_at(at):
                continue
            columns = slice(None) if consent.channel == ANY_CHANNEL else CHANNEL_INDEX[consent.channel]
            covers = consents.setdefault(consent.kind, np.zeros((len(accounts), len(CHANNELS)), np.bool_))
            covers[row, columns] = True
            if consent.kind == CALLBACK:
                given = microseconds(consent.given_at)
                callback_us[row, columns] = np.maximum(callback_us[row, columns], given)
    return consents, callback_us


def _contact_rows(accounts: Sequence[Facts], at: datetime, numbers: Mapping[str, int]) -> NDArray[Any]:
    rows = [
        (
            row,
            microseconds(c.at),
            CHANNEL_INDEX[c.channel],
            OUTCOMES.index(c.outcome),
            DIRECTIONS.index(c.direction),
            c.this_debt,
            -1 if c.number_ref is None else numbers[c.number_ref],
            np.nan if c.seconds is None else c.seconds,
        )
        for row, account in enumerate(accounts)
        for c in account.contacts
        if c.known_from <= at
    ]
    return np.sort(np.asarray(rows, CONTACT_TYPE), order=["row", "at_us"])
