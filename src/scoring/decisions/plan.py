"""One plan for all accounts: the default rule P(1-P) x A x D, the treatment matrix, capacities, and an order per channel.

The value of a channel for an account is its prior effect on the log-odds times P(1-P) x A x D, less its cost; `none` is always
there at value 0. An account takes the best channel that its treatment suits and that has a place left. Everything is by
column, ties fall to the smaller account id, and the same input gives the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.decisions.assignment import NOBODY, assign, bound, prices
from scoring.decisions.capacity import Capacity, places_by_channel
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.treatments import cells_of, treatment_table
from scoring.policy.truth import Truth
from scoring.scores.scores import Scores, channel_effects
from scoring.scores.targets import TargetDefinition, eligible
from scoring.vocabulary import CONTACT_CHANNELS, Channel, Segment, Treatment

RULE: Final = "P(1-P) x A x D"
NOT_RANKED: Final = 0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Decisions of one as-of day, in the order of the scores.

    Attributes
    ----------
    decisions : DataFrame, one row per account
        The columns of ``decisions.parquet``: ``decision_id``, ``account_id``, ``as_of``, ``channel``, ``treatment``, ``rank``
        (from 1 inside its channel, 0 for ``none``), ``priority_value_cents``, ``runner_up_channel``, ``propensity``,
        ``explored``, ``holdout``; ``needs_review``, where a person decides first; ``reason``, why nothing is done.
    values : array (n_accounts, n_channels)
        Net value of each contact channel in minor units; ``-inf`` where it is not suitable.
    places : dict of channel to int or None
    prices : dict of channel to float
        Value of one more contact, minor units.
    value_cents, bound_cents : float
        Value of the plan, and what no plan under these capacities can exceed.
    """

    decisions: pd.DataFrame
    values: Floats
    places: dict[Channel, int | None]
    prices: dict[Channel, float]
    value_cents: float
    bound_cents: float

    @property
    def gap(self) -> float:
        """How far the plan may be below the best possible, as a share of the bound."""
        return 0.0 if self.bound_cents <= 0 else max(0.0, (self.bound_cents - self.value_cents) / self.bound_cents)

    def used(self) -> dict[Channel, int]:
        """Contacts used per channel."""
        counts = self.decisions["channel"].value_counts()
        return {channel: int(counts.get(str(channel), 0)) for channel in CONTACT_CHANNELS}


def priority_base(scores: pd.DataFrame) -> Floats:
    """P(1-P) x A x D in minor units: where a contact can change most money, before channel effects.

    Examples
    --------
    >>> seen = pd.DataFrame({"w_none": [0.5], "ability": [0.5], "cure_amount_cents": [1000]})
    >>> priority_base(seen).tolist()
    [125.0]
    """
    p, ability, owed = (scores[name].to_numpy(dtype=np.float64) for name in ("w_none", "ability", "cure_amount_cents"))
    return np.asarray(p * (1.0 - p) * ability * owed)


def channel_values(scores: pd.DataFrame) -> Floats:
    """Net value of each contact channel: (w_channel - w_none) x A x D less its cost, ``-inf`` where the matrix leaves it out."""
    effects = [channel_effects()[channel] for channel in CONTACT_CHANNELS]
    gain = np.stack(
        [scores[f"w_{channel}"].to_numpy() - scores["w_none"].to_numpy() for channel in CONTACT_CHANNELS], axis=1
    )
    at_stake = (scores["ability"] * scores["cure_amount_cents"]).to_numpy(dtype=np.float64)
    net = gain * at_stake[:, None] - np.array([effect.cost_cents for effect in effects], dtype=np.float64)
    suitable = treatment_table().suitable[cells_of(scores)] > 0
    return np.where(suitable, net, -np.inf)


@dataclass(frozen=True)
class Weighed:
    """What may be done for each account and what it is worth, before capacity.

    Attributes
    ----------
    values : array (n_accounts, n_channels)
        Net value of each contact channel in minor units; ``-inf`` where it is not suitable, not lawful or not to be done.
    treatments : array (n_accounts,) of str
    idle_reasons : array (n_accounts,) of str
        Why nothing is done whatever the capacity; empty where something may be.
    under_review : array (n_accounts, n_channels) of bool
        Channels where a person decides first.
    """

    values: Floats
    treatments: npt.NDArray[np.object_]
    idle_reasons: npt.NDArray[np.object_]
    under_review: npt.NDArray[np.bool_]


def weigh(scores: Scores, definition: TargetDefinition, lawful: Lawfulness | None = None) -> Weighed:
    """Guards first, then value: holds and materiality, self-cure, the treatment matrix, the contact policy, addresses."""
    table = scores.table
    workable = eligible(scores.frame, definition)
    cured_alone = (table["segment"] == str(Segment.WILLING_ABLE)).to_numpy() & (
        table["w_none"].to_numpy() >= treatment_table().self_cure_above
    )
    idle = ~workable | cured_alone
    values = channel_values(table)
    values[idle] = -np.inf
    suitable = values > -np.inf
    treatments = np.where(idle, str(Treatment.NO_ACTION), treatment_table().treatments[cells_of(table)])
    unlawful = unreachable = np.zeros(len(values), dtype=bool)
    under_review = np.zeros(values.shape, dtype=bool)
    if lawful is not None:
        reachable = suitable & (lawful.reachable != Truth.FALSE)
        unreachable = suitable.any(axis=1) & ~reachable.any(axis=1)
        unlawful = reachable.any(axis=1) & ~(suitable & lawful.open).any(axis=1)
        values[~lawful.open] = -np.inf
        treatments = np.where(unreachable, str(Treatment.REPAIR_CONTACT_DATA), treatments)
        under_review = lawful.under_review
    held = _held(scores.frame.positions)
    reasons = np.select(
        [held != "", ~workable, cured_alone, unreachable, unlawful],
        [held, "below_materiality", "likely_to_pay_without_contact", "no_address_on_file", "no_lawful_channel"],
        default="",
    )
    return Weighed(values, treatments.astype(object), reasons.astype(object), under_review)


def decide(
    scores: Scores,
    definition: TargetDefinition,
    capacity: Mapping[Channel, Capacity],
    *,
    run_id: str,
    lawful: Lawfulness | None = None,
) -> Plan:
    """Decide for every scored account.

    Parameters
    ----------
    scores : Scores
    definition : TargetDefinition
        Materiality and holds decide who may be worked at all.
    capacity : mapping of channel to Capacity
    run_id : str
        Makes decision ids: the same run gives the same ids.
    lawful : Lawfulness, optional
        What the contact policy leaves open; a channel it blocks is never chosen.

    Returns
    -------
    Plan
    """
    weighed = weigh(scores, definition, lawful)
    places = places_by_channel(capacity)
    limits = [places[channel] for channel in CONTACT_CHANNELS]
    by_id = np.argsort(scores.table["account_id"].to_numpy(dtype=object), kind="stable")
    chosen = np.empty(len(by_id), dtype=np.int64)
    chosen[by_id] = assign(weighed.values[by_id], limits)
    cost_of_place = prices(weighed.values, chosen, limits)
    value = taken_value(weighed.values, chosen)
    return Plan(
        decisions_table(
            scores, weighed, chosen, run_id, ranks=_ranks(weighed.values, chosen, by_id), runner_up_by=weighed.values
        ),
        weighed.values,
        places,
        dict(zip(CONTACT_CHANNELS, cost_of_place.tolist(), strict=True)),
        value,
        max(value, bound(weighed.values, cost_of_place, limits)),
    )


def decisions_table(
    scores: Scores,
    weighed: Weighed,
    chosen: npt.NDArray[np.int64],
    run_id: str,
    *,
    ranks: npt.NDArray[np.int64],
    runner_up_by: Floats,
) -> pd.DataFrame:
    """The decisions as the columns of ``decisions.parquet``, with ``reason`` and ``needs_review``."""
    table = scores.table
    reviewed = np.zeros(len(chosen), dtype=bool)
    rows = np.flatnonzero(chosen != NOBODY)
    reviewed[rows] = weighed.under_review[rows, chosen[rows]]
    return pd.DataFrame(
        {
            "decision_id": decision_ids(run_id, table["account_id"].to_numpy(dtype=object)),
            "account_id": table["account_id"],
            "as_of": table["as_of"],
            "channel": _channel_names(chosen),
            "treatment": weighed.treatments,
            "rank": ranks,
            "priority_value_cents": np.round(priority_base(table)).astype(np.int64),
            "runner_up_channel": _runner_up(runner_up_by, chosen),
            "propensity": 1.0,
            "explored": False,
            "holdout": False,
            "needs_review": reviewed,
            "reason": _reasons(weighed, chosen),
        }
    )


def taken_value(values: Floats, chosen: npt.NDArray[np.int64]) -> float:
    """Total value of what was chosen, minor units."""
    return float(values[np.arange(len(values)), chosen][chosen != NOBODY].sum()) if len(values) else 0.0


def decision_ids(run_id: str, account_ids: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """One id per decision, the same whenever the same run decides the same account.

    A UUID of version 8 (RFC 9562: made by a hash), from SHA-256 over run and account.

    Examples
    --------
    >>> decision_ids("run", np.array(["A1"], dtype=object)).tolist()
    ['4db71d69-6839-82fd-a152-3f38a1a271f2']
    """
    asked = pa.table({"account_id": pa.array(account_ids, type=pa.string()), "place": np.arange(len(account_ids))})
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("asked", asked)
        made = connection.execute(
            """
            SELECT concat_ws('-', h[1:8], h[9:12], '8' || h[14:16], 'a' || h[18:20], h[21:32]) AS id
            FROM (SELECT sha256($run || chr(10) || account_id) AS h, place FROM asked) ORDER BY place
            """,
            {"run": run_id},
        ).fetchnumpy()
    return np.asarray(made["id"], dtype=object)


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
        found[positions[column].to_numpy(dtype=bool)] = reason
    return found


def _reasons(weighed: Weighed, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Why nothing is done, where nothing is done: a guard, not worth it, no capacity; empty where something is."""
    nothing = chosen == NOBODY
    worth_it = (weighed.values > 0).any(axis=1) if len(chosen) else np.empty(0, dtype=bool)
    return np.select(
        [weighed.idle_reasons != "", nothing & worth_it, nothing],
        [weighed.idle_reasons, "no_capacity_left", "no_channel_worth_its_cost"],
        default="",
    ).astype(object)


def _channel_names(chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    names = np.array([*(str(channel) for channel in CONTACT_CHANNELS), str(Channel.NONE)], dtype=object)
    return names[chosen]


def _ranks(values: Floats, chosen: npt.NDArray[np.int64], by_id: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Place inside the channel: highest value first, ties in the order of account ids."""
    ranks = np.full(len(chosen), NOT_RANKED, dtype=np.int64)
    rows = np.flatnonzero(chosen != NOBODY)
    if not len(rows):
        return ranks
    own = values[rows, chosen[rows]]
    place_of = np.empty(len(by_id), dtype=np.int64)
    place_of[by_id] = np.arange(len(by_id))
    order = np.lexsort((place_of[rows], -own, chosen[rows]))
    channel = chosen[rows][order]
    first = np.concatenate([[True], channel[1:] != channel[:-1]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    ranks[rows[order]] = np.arange(len(order)) - start + 1
    return ranks


def _runner_up(values: Floats, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """The second best: the best other channel if it is worth anything, else none."""
    if not len(values):
        return np.empty(0, dtype=object)
    others = np.where(values > 0, values, -np.inf)
    rows = np.flatnonzero(chosen != NOBODY)
    others[rows, chosen[rows]] = -np.inf
    best = others.argmax(axis=1)
    best = np.where(np.isfinite(others[np.arange(len(others)), best]), best, NOBODY)
    return _channel_names(best)


def plan_summary(plan: Plan) -> dict[str, Any]:
    """Capacities used and offered, prices, value, bound and gap: the plan's part of ``plan.json``."""
    used = plan.used()
    return {
        "rule": RULE,
        "n_accounts": len(plan.decisions),
        "capacities": {str(c): {"offered": plan.places[c], "used": used[c]} for c in CONTACT_CHANNELS},
        "prices_cents": {str(c): plan.prices[c] for c in CONTACT_CHANNELS},
        "value_cents": plan.value_cents,
        "bound_cents": plan.bound_cents,
        "gap": plan.gap,
        "treatments": {str(k): int(v) for k, v in plan.decisions["treatment"].value_counts().items()},
    }
