"""Plans of the test portfolio under given effects, judged by the truth: per account, so that intervals can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

from scoring.decisions.assignment import contacts_of
from scoring.decisions.optimiser import solve
from scoring.features.builder import build
from scoring.portfolio.reading import read_portfolio
from scoring.scores.effects import LearnedEffects, apply
from scoring.scores.log_odds import probability
from scoring.scores.scores import buckets, channel_effects
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel
from training.simulator.board import DEFAULT_SHARES, STRONGEST_FIRST
from training.simulator.ceiling import feature_ceiling
from training.simulator.judge import NOBODY, Choice, Truth, gained, read_truth, truth_days_of

Floats = npt.NDArray[np.float64]
HARSH = (Channel.AGENT_CALL, *HUMAN_ONLY_CHANNELS)
"""Contacts that press: somebody speaks to the customer, at the door or before a court."""


@dataclass(frozen=True)
class TestDay:
    """One day of the test portfolio: accounts that both the features and the truth call overdue.

    Attributes
    ----------
    truth : Truth
    values : array (n, n_features), float32
    margin, ability, cure : array (n,)
        Log-odds of the logged score, expected share given payment, cure amount in cents.
    gains : array (n, n_channels)
        What each channel really adds, cents.
    p_none, recovered : array (n,)
        True chance of a token payment and true money recovered without contact.
    places : list of int
        Capacity.
    simple : dict of str to array (n,)
        What each account really gains under each ranking rule; ``random`` in expectation, ``feature oracle`` the aim.
    ceiling_w_none : array (n,)
    bucket : array (n,) of str
    complaints : array (n, n_channels)
    """

    truth: Truth
    values: npt.NDArray[np.float32]
    margin: Floats
    ability: Floats
    cure: Floats
    gains: Floats
    p_none: Floats
    recovered: Floats
    places: list[int]
    simple: dict[str, Floats]
    ceiling_w_none: Floats
    bucket: npt.NDArray[np.object_]
    complaints: Floats


@dataclass(frozen=True)
class Judged:
    """A plan on all test days: gain, channel and level per account, days one below the other."""

    gain: Floats
    chosen: Choice
    w_none: Floats


def test_days(folder: Path, boosters: Mapping[str, lightgbm.Booster]) -> list[TestDay]:
    """The days of which the truth is told, scored by models of another portfolio."""
    portfolio = read_portfolio(folder, threads=1)
    found = []
    for day in truth_days_of(folder):
        truth, frame = read_truth(folder, day), build(portfolio, day)
        told = feature_ceiling(folder, truth, tuple(DEFAULT_SHARES)).set_index("account_id")
        place = pd.Series(np.arange(len(frame)), index=frame.positions["account_id"])
        ids = truth.accounts["account_id"]
        is_seen = (ids.isin(place.index) & ids.isin(told.index)).to_numpy()
        values = frame.values[place.loc[ids[is_seen]].to_numpy()]
        margin, ability = (
            np.asarray(boosters[name].predict(values, raw_score=True), dtype=np.float64)
            for name in ("willingness", "ability")
        )
        found.append(_day(truth, is_seen, values, margin, probability(ability), told))
    return found


def _day(
    truth: Truth,
    is_seen: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
    margin: Floats,
    ability: Floats,
    told: pd.DataFrame,
) -> TestDay:
    accounts = truth.accounts[is_seen].reset_index(drop=True)
    told = told.loc[accounts["account_id"]]
    gains = truth.value()[is_seen]
    places = [round(DEFAULT_SHARES.get(channel, 0.0) * len(accounts)) for channel in CONTACT_CHANNELS]
    cure = accounts["cure_amount_cents"].to_numpy(dtype=np.float64)
    pays = probability(margin)
    balance = accounts["balance_cents"].to_numpy(dtype=np.float64)
    rankings = {
        "days past due": accounts["dpd"].to_numpy(dtype=np.float64),
        "balance": balance,
        "P": pays,
        "P x balance": pays * balance,
        "P(1-P)AD": pays * (1 - pays) * ability * cure,
    }
    simple = {name: gained(_handed_out(rank, places), gains) for name, rank in rankings.items()}
    simple["random"] = gains @ (np.array(places) / len(accounts))
    best = np.full_like(gains, -np.inf)
    for k, channel in enumerate(CONTACT_CHANNELS):
        if f"gain_{channel}" in told:
            best[:, k] = told[f"gain_{channel}"].to_numpy()
    simple["feature oracle"] = gained(solve(best, contacts_of(places)).chosen, gains)
    return TestDay(
        truth,
        values,
        margin,
        ability,
        cure,
        gains,
        truth.grid("p_pays", [Channel.NONE])[is_seen, 0],
        truth.grid("recovered_cents", [Channel.NONE])[is_seen, 0],
        places,
        simple,
        told["w_none"].to_numpy(dtype=np.float64),
        buckets(accounts["dpd"].to_numpy(dtype=np.int64)),
        truth.grid("complaints")[is_seen],
    )


def _handed_out(rank: Floats, places: list[int]) -> Choice:
    """The strongest channel's places to the first of a ranking, the next one's to those after them."""
    order, choice, start = np.argsort(-rank, kind="stable"), np.full(len(rank), NOBODY, dtype=np.int64), 0
    for channel in STRONGEST_FIRST:
        place = CONTACT_CHANNELS.index(channel)
        choice[order[start : start + places[place]]] = place
        start += places[place]
    return choice


def judge(effects: LearnedEffects, days: list[TestDay]) -> Judged:
    """Plan every test day under the effects, and look up what it really brings."""
    costs = np.array([channel_effects()[channel].cost_cents for channel in CONTACT_CHANNELS], dtype=np.float64)
    gain, chosen, level = [], [], []
    for day in days:
        told = apply(effects, day.values, day.margin)
        added = np.stack([told.w[channel] - told.w_none for channel in CONTACT_CHANNELS], axis=1)
        worth = added * (day.ability * day.cure)[:, None] - costs
        choice = solve(np.where(worth > 0, worth, -np.inf), contacts_of(day.places)).chosen
        gain.append(gained(choice, day.gains))
        chosen.append(choice)
        level.append(told.w_none)
    return Judged(np.concatenate(gain), np.concatenate(chosen), np.concatenate(level))


def stacked(days: list[TestDay], rule: str) -> Floats:
    """What each account gains under a simple rule, all days."""
    return np.concatenate([day.simple[rule] for day in days])


def levels(judged: Judged, days: list[TestDay]) -> dict[str, float]:
    """Expected cash without contact over the true one, overall and by bucket, and the rank correlation over the ceiling's."""
    expected = judged.w_none * np.concatenate([day.ability * day.cure for day in days])
    true, bucket = (np.concatenate([getattr(day, name) for day in days]) for name in ("recovered", "bucket"))
    p_none, ceiling = (np.concatenate([getattr(day, name) for day in days]) for name in ("p_none", "ceiling_w_none"))
    found = {"cash": float(expected.sum() / true.sum())}
    for name in sorted(set(bucket)):
        found[f"cash {name}"] = float(expected[bucket == name].sum() / true[bucket == name].sum())
    found["rank"] = float(spearmanr(judged.w_none, p_none).statistic / spearmanr(ceiling, p_none).statistic)
    return found
