"""Decisions as a table: one row per account with its id, channel, place, runner-up, chance and the reason where nothing is done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scoring.decisions.assignment import NOBODY, Floats, Places
from scoring.decisions.exploration import FEW, Bools, Drawn
from scoring.decisions.first_case import first_case
from scoring.scores.scores import Scores
from scoring.vocabulary import CONTACT_CHANNELS, Channel


@dataclass(frozen=True)
class Weighed:
    """What may be done for each account and what it is worth, before capacity.

    Attributes
    ----------
    values : array (n_accounts, n_channels)
        Net value of each contact channel in minor units; ``-inf`` where it is not suitable, not lawful or not to be done.
    lawful : array (n_accounts, n_channels) of bool
        Channels that a guard leaves open, suitable or not: what chance may deal.
    treatments : array (n_accounts,) of str
    idle_reasons : array (n_accounts,) of str
        Why nothing is done whatever the capacity; empty where something may be.
    under_review : array (n_accounts, n_channels) of bool
        Channels where a person decides first.
    holdout : array (n_accounts,) of bool
    """

    values: Floats
    lawful: Bools
    treatments: npt.NDArray[np.object_]
    idle_reasons: npt.NDArray[np.object_]
    under_review: Bools
    holdout: Bools


def decision_columns(
    scores: Scores,
    weighed: Weighed,
    drawn: Drawn,
    run_id: str,
    *,
    priority: Floats,
    loss: Floats,
    ranks: Places,
    waited: Places,
    runner_up_by: Floats,
) -> dict[str, Any]:
    """The decisions as the columns of ``decisions.parquet`` and a few that queues and records show.

    Parameters
    ----------
    priority : array (n_accounts,)
        P(1-P) x A x D, minor units.
    loss, ranks, waited : array (n_accounts,)
        See `scoring.decisions.ordering`.
    runner_up_by : array (n_accounts, n_channels)
        What the runner-up is the second best by.
    """
    table, chosen = scores.table, drawn.chosen
    reviewed = np.zeros(len(chosen), dtype=bool)
    rows = np.flatnonzero(chosen != NOBODY)
    reviewed[rows] = weighed.under_review[rows, chosen[rows]]
    return {
        "decision_id": decision_ids(run_id, np.asarray(table["account_id"], dtype=object)),
        "account_id": table["account_id"],
        "as_of": table["as_of"],
        "channel": channel_names(chosen),
        "treatment": weighed.treatments,
        "rank": ranks,
        "priority_value_cents": np.round(priority).astype(np.int64),
        "loss_cents": np.round(loss).astype(np.int64),
        "waited_days": waited,
        "runner_up_channel": _runner_up(runner_up_by, chosen),
        "propensity": drawn.propensity,
        "explored": drawn.explored,
        "holdout": weighed.holdout,
        "needs_review": reviewed,
        "reason": _reasons(weighed, drawn),
    }


def _reasons(weighed: Weighed, drawn: Drawn) -> npt.NDArray[np.object_]:
    """Why nothing is done, where nothing is: a guard, chance, not worth it, no capacity; empty where something is."""
    nothing = drawn.chosen == NOBODY
    worth_it = (weighed.values > 0).any(axis=1) if len(nothing) else np.empty(0, dtype=bool)
    return first_case(
        [
            (weighed.idle_reasons != "", weighed.idle_reasons),
            (nothing & drawn.explored, "drawn_for_no_contact"),
            (nothing & worth_it, "no_capacity_left"),
            (nothing, "no_channel_worth_its_cost"),
        ],
        "",
    )


def decision_ids(run_id: str, account_ids: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """One id per decision, the same whenever the same run decides the same account.

    A UUID of version 8 (RFC 9562: made by a hash), from SHA-256 over run and account.

    Examples
    --------
    >>> decision_ids("run", np.array(["A1"], dtype=object)).tolist()
    ['4db71d69-6839-82fd-a152-3f38a1a271f2']
    """
    if len(account_ids) <= FEW:
        return np.array([_decision_id(run_id, str(account_id)) for account_id in account_ids], dtype=object)
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


def _decision_id(run_id: str, account_id: str) -> str:
    made = hashlib.sha256(f"{run_id}\n{account_id}".encode()).hexdigest()
    return f"{made[:8]}-{made[8:12]}-8{made[13:16]}-a{made[17:20]}-{made[20:32]}"


def channel_names(chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    names = np.array([*(str(channel) for channel in CONTACT_CHANNELS), str(Channel.NONE)], dtype=object)
    return names[chosen]


def _runner_up(values: Floats, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """The second best: the best other channel if it is worth anything, else none."""
    if not len(values):
        return np.empty(0, dtype=object)
    others = np.where(values > 0, values, -np.inf)
    rows = np.flatnonzero(chosen != NOBODY)
    others[rows, chosen[rows]] = -np.inf
    best = others.argmax(axis=1)
    best = np.where(np.isfinite(others[np.arange(len(others)), best]), best, NOBODY)
    return channel_names(best)
