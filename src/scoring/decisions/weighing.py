"""What may be done for each account and what it is worth, before capacity is shared out: guards, values, time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents, customers_flags
from scoring.decisions.assignment import Places
from scoring.decisions.channel_worth import ChannelWorth, channel_worth
from scoring.decisions.decided import Weighed
from scoring.decisions.exploration import Bools, held_out
from scoring.decisions.first_case import first_case
from scoring.decisions.held_back import timed
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.on_file import OnFile
from scoring.decisions.ordering import waited_days
from scoring.decisions.payday import Waiting
from scoring.decisions.strategy import Strategy, house_strategy
from scoring.decisions.timing import Timing
from scoring.decisions.treatments import cells_of, treatment_table
from scoring.policy.truth import Truth
from scoring.scores.scores import Scores
from scoring.scores.targets import TargetDefinition, eligible
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Segment, Treatment

_BY_PEOPLE: Final = np.isin(CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS)
"""Channels that only a person may choose."""


@dataclass(frozen=True)
class Standing:
    """Whom the strategy treats apart.

    Attributes
    ----------
    protected, supported, holdout : array (n_accounts,) of bool
        A flag of one account holds for all accounts of the customer, whether it is among these accounts or not.
    """

    protected: Bools
    supported: Bools
    holdout: Bools


def standing_of(scores: Scores, strategy: Strategy, events: AccountEvents | None) -> Standing:
    """Who is protected, supported and held out; without events no flag is known and nobody is protected."""
    customers = scores.frame.positions["customer_id"].to_numpy(dtype=object)
    protected, supported = (_flagged(customers, events, kinds) for kinds in (strategy.protected, strategy.supported))
    return Standing(protected, supported, held_out(customers, strategy, protected))


def _flagged(customers: npt.NDArray[np.object_], events: AccountEvents | None, kinds: tuple[str, ...]) -> Bools:
    if events is None:
        return np.zeros(len(customers), dtype=bool)
    flagged = customers[customers_flags(events, kinds)["row"].to_numpy(dtype=np.int64)]
    return np.asarray(pd.Series(customers).isin(flagged), dtype=bool)


def weigh(
    scores: Scores,
    definition: TargetDefinition,
    worth_of: ChannelWorth,
    holdout: Bools,
    lawful: Lawfulness | None = None,
    approved: Bools | None = None,
) -> Weighed:
    """Guards first, then value: holds and materiality, the holdout, self-cure, the treatment matrix, the contact policy.

    A visit or a step at law is never in the matrix; it is possible only where a person ``approved`` it.
    """
    table = scores.table
    workable = eligible(scores.frame, definition)
    cured_alone = np.asarray(table["segment"] == str(Segment.WILLING_ABLE)) & (
        np.asarray(table["w_none"]) >= treatment_table().self_cure_above
    )
    idle = ~workable | cured_alone | holdout
    matrix, cells = treatment_table(), cells_of(table)
    suitable = (matrix.suitable[cells] > 0) & ~_BY_PEOPLE
    suitable = (suitable if approved is None else suitable | (approved & _BY_PEOPLE)) & ~idle[:, None]
    treatments = np.where(idle, str(Treatment.NO_ACTION), matrix.treatments[cells])
    unlawful = unreachable = np.zeros(len(table), dtype=bool)
    under_review = np.zeros(suitable.shape, dtype=bool)
    is_open = np.ones(suitable.shape, dtype=bool)
    if lawful is not None:
        is_open, under_review = lawful.open, lawful.under_review
        reachable = suitable & (lawful.reachable != Truth.FALSE)
        unreachable = suitable.any(axis=1) & ~reachable.any(axis=1)
        unlawful = reachable.any(axis=1) & ~(suitable & is_open).any(axis=1)
        treatments = np.where(unreachable, str(Treatment.REPAIR_CONTACT_DATA), treatments)
    held = _held(scores.frame.positions)
    reasons = first_case(
        [
            (held != "", held),
            (~workable, "below_materiality"),
            (holdout, "holdout"),
            (cured_alone, "likely_to_pay_without_contact"),
            (unreachable, "no_address_on_file"),
            (unlawful, "no_lawful_channel"),
        ],
        "",
    )
    return Weighed(
        values=np.where(suitable & is_open, worth_of.net(), -np.inf),
        lawful=is_open & ~under_review & ~idle[:, None],
        treatments=treatments.astype(object),
        idle_reasons=reasons,
        under_review=under_review,
        holdout=holdout & workable,
    )


@dataclass(frozen=True)
class WeighedDay:
    """Everything that is settled before capacity is shared out.

    Attributes
    ----------
    weighed : Weighed
    worth : ChannelWorth
    standing : Standing
    waiting : Waiting or None
    waited : array (n_accounts,)
        Days; see `scoring.decisions.ordering.waited_days`.
    account_ids : array (n_accounts,) of str
    """

    weighed: Weighed
    worth: ChannelWorth
    standing: Standing
    waiting: Waiting | None
    waited: Places
    account_ids: npt.NDArray[np.object_]


def weigh_day(
    scores: Scores,
    definition: TargetDefinition,
    *,
    lawful: Lawfulness | None = None,
    events: AccountEvents | None = None,
    strategy: Strategy | None = None,
    when: Timing | None = None,
    facts: OnFile | None = None,
) -> WeighedDay:
    """Guards, values and time, before capacity; parameters as for `decide`."""
    strategy = strategy or house_strategy()
    worth_of = channel_worth(scores.table, scores.frame)
    standing = standing_of(scores, strategy, events)
    weighed = weigh(scores, definition, worth_of, standing.holdout, lawful, None if facts is None else facts.approved)
    weighed, waiting = timed(weighed, when, worth_of, scores)
    return WeighedDay(
        weighed,
        worth_of,
        standing,
        waiting,
        waited_days(scores.frame.positions, scores.frame),
        scores.table["account_id"].to_numpy(dtype=object),
    )


def _held(positions: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The standing that takes an account out of collection, or an empty text; the first that applies."""
    reasons = {
        "is_deceased": "deceased",
        "is_disputed": "dispute_open",
        "is_on_kept_plan": "plan_kept",
        "is_charged_off": "charged_off",
    }
    found = np.full(len(positions), "", dtype=object)
    for column, reason in reversed(reasons.items()):
        found[np.asarray(positions[column], dtype=bool)] = reason
    return found
