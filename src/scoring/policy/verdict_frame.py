"""A whole portfolio: the same verdicts as ``verdicts``, computed in columns without a loop over accounts.

A million accounts with twenty rules take tens of megabytes, because the channels of a rule mostly share one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.errors import PolicyError
from scoring.policy.columns import Codes, ColumnReading, Columns, columns_of
from scoring.policy.facts import as_utc
from scoring.policy.facts_frame import FactsFrame
from scoring.policy.profile import Profile
from scoring.policy.rules import CHANNEL_INDEX, CHANNELS
from scoring.policy.truth import LAWFUL_OF_OUTCOME, Lawful, Outcome

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
    >>> from scoring.policy.truth import Truth
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
    reading = ColumnReading(profile, frame, moment)
    holding = reading.holding(rules_on)
    columns = tuple(columns_of(rule, reading, holding[:, i]) for i, rule in enumerate(profile.rules))
    return VerdictFrame(profile, moment, frame.account_ids, columns, _lawful(columns, len(frame)))


def _lawful(columns: tuple[Columns, ...], n: int) -> Codes:
    strictest = np.zeros((len(CHANNELS), n), np.int8)
    for column in columns:
        for channel, values in column.items():
            np.maximum(strictest[channel], values, out=strictest[channel])
    return np.ascontiguousarray(LAWFUL_CODES[strictest].T)
