"""What a decision reads beside the scores, worked out once at start for every account of the plan's day.

An account that the plan did not decide is decided between two plans, by itself. What the contact policy leaves open, what time holds back
and whose flags are open does not change until something is told about the account, so a decision only takes its row. Each row is what
`serving.contact_policy` and `scoring.decisions.timing` say when the account is asked about alone; the curve of payment days, which is
measured on many accounts together, is the plan's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from scoring.decisions.account_events import AccountEvents, customers_flags
from scoring.decisions.exploration import held_out
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.payday import PaymentCurve
from scoring.decisions.strategy import Strategy
from scoring.decisions.timing import Timing, timing
from scoring.decisions.weighing import Standing
from scoring.features.builder import FeatureFrame
from scoring.features.few_rows import FewRows
from scoring.ledger.decision_record import policy_results
from scoring.ledger.replay_inputs import CUSTOMER, FLAGS, MINIMUM, WHOLE
from scoring.portfolio.reading import Portfolio
from scoring.scores.scores import POSITIONS_READ
from serving.contact_policy import Policy

_POSITIONS = tuple(dict.fromkeys((*POSITIONS_READ, "customer_id", *WHOLE, *FLAGS, MINIMUM)))


@dataclass(frozen=True)
class Alone:
    """One account as a decision reads it; arrays of one row.

    Attributes
    ----------
    rules : bytes
        What each rule said on each channel, as the record states it; empty without a policy.
    flags : list of str
        Kinds of open standings of the customer that the strategy looks at, in the order of their names.
    """

    frame: FeatureFrame
    lawful: Lawfulness | None
    rules: bytes
    when: Timing
    standing: Standing
    flags: list[str]

    @property
    def account_id(self) -> str:
        """Whose it is."""
        return str(self.frame.positions["account_id"][0])

    @property
    def customer(self) -> str:
        """The customer, as references are asked for."""
        return CUSTOMER + str(self.frame.positions["customer_id"][0])


@dataclass(frozen=True)
class Morning:
    """The same for every account, in the order of the day's features."""

    frame: FeatureFrame
    lawful: Lawfulness | None
    rules: tuple[bytes, ...]
    when: Timing
    standing: Standing
    flags: dict[int, list[str]]

    def alone(self, row: int) -> Alone:
        """One account."""
        rows = slice(row, row + 1)
        positions = cast(FewRows, self.frame.positions).take(rows)
        lawful, rules = None, b""
        if self.lawful is not None:
            every = self.lawful
            lawful = replace(
                every, open=every.open[rows], under_review=every.under_review[rows], which=every.which[rows],
                reachable=every.reachable[rows],
            )  # fmt: skip
            rules = self.rules[int(every.which[row])]
        standing = self.standing
        return Alone(
            FeatureFrame(self.frame.as_of, cast(Any, positions), self.frame.values[rows]),
            lawful,
            rules,
            self.when.take(rows),
            Standing(standing.protected[rows], standing.supported[rows], standing.holdout[rows]),
            self.flags.get(row, []),
        )


def morning_of(
    portfolio: Portfolio, frame: FeatureFrame, policy: Policy, strategy: Strategy, curve: PaymentCurve
) -> Morning:
    """Judge every account of a frame at once; ``curve`` is the plan's of payment days."""
    ids = frame.positions["account_id"].tolist()
    judged = policy.judge(portfolio, ids, as_of=frame.as_of)
    events, lawful = judged.events, judged.lawful
    assert events is not None
    arrays = {name: frame.positions[name].to_numpy() for name in _POSITIONS}
    flags = _watched_flags(events, strategy)
    protected, supported = (_own(flags, len(ids), kinds) for kinds in (strategy.protected, strategy.supported))
    holdout = held_out(arrays["customer_id"].astype(object), strategy, protected)
    return Morning(
        FeatureFrame(frame.as_of, cast(Any, FewRows(arrays)), frame.values),
        lawful,
        () if lawful is None else _rule_texts(lawful),
        timing(events, curve),
        Standing(protected, supported, holdout),
        flags,
    )


def _rule_texts(lawful: Lawfulness) -> tuple[bytes, ...]:
    """The record's text of each distinct table."""
    each = replace(lawful, which=np.arange(len(lawful.tables)))
    return tuple(text.encode() for text in policy_results(each, slice(None)).texts.to_pylist())


def _watched_flags(events: AccountEvents, strategy: Strategy) -> dict[int, list[str]]:
    watched = customers_flags(events, strategy.watched)
    flags: dict[int, list[str]] = {}
    for row, kind in zip(watched["row"].tolist(), watched["kind"].tolist(), strict=True):
        flags.setdefault(row, []).append(kind)
    return flags


def _own(flags: dict[int, list[str]], count: int, kinds: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    found = np.zeros(count, dtype=bool)
    found[[row for row, own in flags.items() if not set(kinds).isdisjoint(own)]] = True
    return found
