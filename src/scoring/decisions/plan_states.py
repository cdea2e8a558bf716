"""Repayment plans as a state machine: offered, signed, kept, breached, settled; collection stops and starts with it.

While a plan is signed or kept nobody is contacted to collect (2011 Measures art. 70). A breach, or the end of the plan, lets collection
start again. One account's steps go through `advance`, which refuses what cannot be; a portfolio's states are read from its events by
`plan_states`, which reports what contradicts itself and leaves such accounts to a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents
from scoring.errors import BadRequestError


class PlanState(StrEnum):
    """Where a plan stands.

    >>> [str(state) for state in PlanState if state.stops_collection]
    ['signed', 'kept']
    """

    NONE = "none"
    OFFERED = "offered"
    SIGNED = "signed"
    KEPT = "kept"
    BREACHED = "breached"
    SETTLED = "settled"

    @property
    def stops_collection(self) -> bool:
        """Whether collection contacts stop in this state."""
        return self in (PlanState.SIGNED, PlanState.KEPT)


class PlanStep(StrEnum):
    """What can happen to a plan.

    >>> len(PlanStep)
    7
    """

    OFFER = "offer"
    LAPSE = "lapse"
    SIGN = "sign"
    PAY = "pay"
    BREACH = "breach"
    HEAL = "heal"
    SETTLE = "settle"


_NEXT: Final[dict[tuple[PlanState, PlanStep], PlanState]] = {
    (PlanState.NONE, PlanStep.OFFER): PlanState.OFFERED,
    (PlanState.OFFERED, PlanStep.OFFER): PlanState.OFFERED,
    (PlanState.OFFERED, PlanStep.LAPSE): PlanState.NONE,
    (PlanState.OFFERED, PlanStep.SIGN): PlanState.SIGNED,
    (PlanState.SIGNED, PlanStep.PAY): PlanState.KEPT,
    (PlanState.SIGNED, PlanStep.BREACH): PlanState.BREACHED,
    (PlanState.SIGNED, PlanStep.SETTLE): PlanState.SETTLED,
    (PlanState.KEPT, PlanStep.PAY): PlanState.KEPT,
    (PlanState.KEPT, PlanStep.BREACH): PlanState.BREACHED,
    (PlanState.KEPT, PlanStep.SETTLE): PlanState.SETTLED,
    (PlanState.BREACHED, PlanStep.PAY): PlanState.BREACHED,
    (PlanState.BREACHED, PlanStep.HEAL): PlanState.SIGNED,
    (PlanState.BREACHED, PlanStep.OFFER): PlanState.OFFERED,
    (PlanState.BREACHED, PlanStep.SETTLE): PlanState.SETTLED,
    (PlanState.SETTLED, PlanStep.OFFER): PlanState.OFFERED,
}
_STATES: Final = tuple(PlanState)
_STEPS: Final = tuple(PlanStep)
_ILLEGAL: Final = -1


def advance(state: PlanState, step: PlanStep, *, account_id: str = "") -> PlanState:
    """The state after a step.

    Raises
    ------
    BadRequestError
        ``bad_request``: the step cannot follow; names the account, the state, and the steps that can.

    Examples
    --------
    >>> str(advance(PlanState.OFFERED, PlanStep.SIGN))
    'signed'
    >>> advance(PlanState.NONE, PlanStep.SIGN, account_id="A1")
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: Account A1: a plan that is none cannot take the step sign, so what follows from it would be wrong. Possible now: offer.
    """
    found = _NEXT.get((state, step))
    if found is None:
        possible = [str(other) for other in PlanStep if (state, other) in _NEXT]
        whose = f"Account {account_id}: a" if account_id else "A"
        raise BadRequestError(
            f"{whose} plan that is {state} cannot take the step {step}, so what follows from it would be wrong. Possible now: "
            f"{', '.join(possible)}.",
            field="plan",
            got=str(step),
            expected=possible,
        )
    return found


def run_steps(steps: Iterable[PlanStep], *, account_id: str = "") -> PlanState:
    """The state after several steps, from none.

    >>> str(run_steps([PlanStep.OFFER, PlanStep.SIGN, PlanStep.PAY, PlanStep.BREACH]))
    'breached'
    """
    state = PlanState.NONE
    for step in steps:
        state = advance(state, step, account_id=account_id)
    return state


@dataclass(frozen=True)
class PlanStates:
    """The plan of each account.

    Attributes
    ----------
    states : array (n_accounts,) of str
        `PlanState` values.
    is_unclear : array (n_accounts,) of bool
        Events that contradict each other; a person looks before anything is collected.
    since : array (n_accounts,) datetime64
        When the state began; NaT without a plan.
    """

    states: npt.NDArray[np.object_]
    is_unclear: npt.NDArray[np.bool_]
    since: npt.NDArray[np.datetime64]

    @property
    def stops_collection(self) -> npt.NDArray[np.bool_]:
        """Accounts whose plan is signed or kept, or unclear."""
        holding = [str(state) for state in PlanState if state.stops_collection]
        return np.isin(self.states.astype(str), holding) | self.is_unclear


def plan_states(events: AccountEvents) -> PlanStates:
    """Read every account's plan from its flags and payments.

    Notes
    -----
    A signature implies an offer. A breach may be written down some time after the flag of its plan ended. The end of ``plan_signed`` without a breach settles the plan; the end of ``plan_breached`` while the
    same plan still runs heals it. A plan is kept once an instalment was paid after it was signed.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> given = portfolio_from_tables(SMALLEST)
    >>> plan_states(account_events(given, np.array(["A1"], dtype=object), date(2025, 5, 1))).states.tolist()
    ['none']
    """
    steps = _steps(events.standings)
    n = len(events)
    states = np.zeros(n, dtype=np.int64)
    unclear = np.zeros(n, dtype=bool)
    since = np.full(n, np.datetime64("NaT"), dtype="datetime64[us]")
    table = _table()
    place = steps.groupby("row").cumcount().to_numpy()
    for k in range(int(place.max()) + 1 if len(place) else 0):
        here = steps[place == k]
        rows, codes = here["row"].to_numpy(dtype=np.int64), here["code"].to_numpy(dtype=np.int64)
        after = table[states[rows], codes]
        legal = after != _ILLEGAL
        unclear[rows[~legal]] = True
        states[rows[legal]] = after[legal]
        since[rows[legal]] = here["at"].to_numpy()[legal]
    signed = states == _STATES.index(PlanState.SIGNED)
    states[signed & _paid_since(events.payments, since, n)] = _STATES.index(PlanState.KEPT)
    names = np.array([str(state) for state in _STATES], dtype=object)
    return PlanStates(names[states], unclear, since)


def _table() -> npt.NDArray[np.int64]:
    """The machine as an array for flags: a signature implies an offer, and an offer flag may go on while the plan runs."""
    table = np.full((len(_STATES), len(_STEPS)), _ILLEGAL, dtype=np.int64)
    for (state, step), after in _NEXT.items():
        table[_STATES.index(state), _STEPS.index(step)] = _STATES.index(after)
    for state in (PlanState.NONE, PlanState.BREACHED, PlanState.SETTLED):
        table[_STATES.index(state), _STEPS.index(PlanStep.SIGN)] = _STATES.index(PlanState.SIGNED)
    table[_STATES.index(PlanState.BREACHED), _STEPS.index(PlanStep.SETTLE)] = _STATES.index(PlanState.BREACHED)
    table[_STATES.index(PlanState.SETTLED), _STEPS.index(PlanStep.BREACH)] = _STATES.index(PlanState.BREACHED)
    table[_STATES.index(PlanState.SIGNED), _STEPS.index(PlanStep.OFFER)] = _STATES.index(PlanState.SIGNED)
    return table


_ORDER_AT_ONE_INSTANT: Final = (PlanStep.BREACH, PlanStep.SETTLE, PlanStep.HEAL, PlanStep.OFFER, PlanStep.SIGN)


def _steps(standings: pd.DataFrame) -> pd.DataFrame:
    """The flags as steps in their order: ``row``, ``at``, ``code``."""
    signed = standings[standings["kind"] == "plan_signed"]
    breached = standings[standings["kind"] == "plan_breached"]
    parts = [
        _step(standings[standings["kind"] == "plan_offered_or_refused"], "from_at", PlanStep.OFFER),
        _step(signed, "from_at", PlanStep.SIGN),
        _step(signed[signed["until_at"].notna()], "until_at", PlanStep.SETTLE),
        _step(breached, "from_at", PlanStep.BREACH),
        _step(_healed(signed, breached), "until_at", PlanStep.HEAL),
    ]
    steps = pd.concat(parts, ignore_index=True)
    steps["order"] = steps["code"].map({_STEPS.index(step): i for i, step in enumerate(_ORDER_AT_ONE_INSTANT)})
    steps = steps.sort_values(["row", "at", "order"], kind="stable", ignore_index=True)
    return steps


def _step(rows: pd.DataFrame, at: str, step: PlanStep) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": rows["row"].to_numpy(dtype=np.int64),
            "at": rows[at].to_numpy().astype("datetime64[us]"),
            "code": np.full(len(rows), _STEPS.index(step)),
        }
    )


def _healed(signed: pd.DataFrame, breached: pd.DataFrame) -> pd.DataFrame:
    """Breaches that ended while the plan they broke still ran."""
    ended = breached[breached["until_at"].notna()].reset_index(drop=True)
    ended["place"] = np.arange(len(ended))
    pairs = ended.merge(signed, on="row", suffixes=("", "_plan"))
    runs_on = pairs["until_at_plan"].isna() | (pairs["until_at_plan"] > pairs["until_at"])
    same_plan = (pairs["from_at_plan"] <= pairs["from_at"]) & runs_on
    return ended[ended["place"].isin(pairs.loc[same_plan, "place"])]


def _paid_since(payments: pd.DataFrame, since: npt.NDArray[np.datetime64], n: int) -> npt.NDArray[np.bool_]:
    began = since.astype("datetime64[D]").astype(np.int64)
    rows = payments["row"].to_numpy(dtype=np.int64)
    later = payments["paid_on"].to_numpy(dtype=np.int64) > began[rows]
    found = np.zeros(n, dtype=bool)
    found[rows[later & ~np.isnat(since[rows])]] = True
    return found
