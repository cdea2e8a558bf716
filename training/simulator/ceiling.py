"""The feature ceiling: how well the truth can be told from the features at all, by models trained on the truth itself.

Cross-fitted by customer. A real model learns from noisy outcomes of a confounded log and can only come near this; a
gate that asks for more than the ceiling asks for luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from scoring.features.builder import build
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.judge import Truth, read_truth, truth_days_of

FOLDS: Final = 5
_SETTINGS: Final[dict[str, Any]] = {
    "learning_rate": 0.08,
    "max_bin": 63,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "seed": 20260101,
}
_ROUNDS: Final = {"w_none": 120, "ability": 120, "resolve": 120, "capacity": 120}
_ROUNDS_OF_A_GAIN: Final = 50
"""Gains are small and noisy: fewer trees."""


def feature_ceiling(folder: Path, truth: Truth, channels: tuple[Channel, ...] = CONTACT_CHANNELS) -> pd.DataFrame:
    """Predict the truth of one day from the features, by models that never saw the customer.

    Returns
    -------
    DataFrame, one row per account that both the features and the truth call overdue
        ``account_id``; ``w_none`` and ``ability`` as the scores mean them; ``resolve`` and ``capacity`` (log of one
        plus capacity over cure amount), the latents; ``gain_<channel>`` in cents for each of ``channels``.
    """
    portfolio = read_portfolio(folder, threads=1)
    parts = [_observed(portfolio, read_truth(folder, day), channels) for day in truth_days_of(folder)]
    values = np.concatenate([part.values for part in parts])
    answers = pd.concat([part.answers for part in parts], ignore_index=True)
    days = np.concatenate([np.full(len(part.answers), part.as_of, dtype=object) for part in parts])
    owners = answers.pop("customer_id")
    folds = list(GroupKFold(min(FOLDS, int(owners.nunique()))).split(values, groups=owners))
    told: pd.DataFrame = answers[["account_id", "cure_amount_cents"]].copy()
    for name in answers.columns.drop(["account_id", "cure_amount_cents"]):
        told[name] = _crossed(values, answers[name], answers["cure_amount_cents"], folds)
        if name.startswith("gain_"):
            told[name] *= answers["cure_amount_cents"]
    here: pd.DataFrame = told[days == truth.as_of]
    return here.reset_index(drop=True)


@dataclass(frozen=True)
class _Observed:
    """Features of one day's accounts beside the true answers."""

    as_of: date
    values: Any
    answers: pd.DataFrame


def _observed(portfolio: Portfolio, truth: Truth, channels: tuple[Channel, ...]) -> _Observed:
    frame = build(portfolio, truth.as_of)
    place = pd.Series(np.arange(len(frame)), index=frame.positions["account_id"])
    rows = place.reindex(truth.accounts["account_id"]).to_numpy()
    cure = truth.accounts["cure_amount_cents"].to_numpy(dtype=np.float64)
    pays, money = (truth.grid(name, [Channel.NONE])[:, 0] for name in ("p_pays", "recovered_cents"))
    answers = truth.accounts[["account_id", "cure_amount_cents", "resolve"]].assign(
        w_none=pays,
        ability=np.where(pays > 0, np.minimum(money / np.maximum(pays * cure, 1.0), 1.0), np.nan),
        capacity=np.log1p(truth.accounts["capacity_cents"] / cure),
    )
    gain = truth.value()
    for channel in channels:
        # As a share of the amount at stake, so that large accounts do not drown the small ones.
        answers[f"gain_{channel}"] = gain[:, CONTACT_CHANNELS.index(channel)] / cure
    is_seen = np.isfinite(rows)
    taken = frame.take(rows[is_seen].astype(np.int64))
    answers = answers[is_seen].reset_index(drop=True)
    return _Observed(truth.as_of, taken.values, answers.assign(customer_id=taken.positions["customer_id"]))


def _crossed(values: Any, answer: pd.Series, stake: pd.Series, folds: list[Any]) -> Any:
    """Predictions for every row by models that never saw its customer."""
    name = str(answer.name)
    is_share = name in ("w_none", "ability")
    weight = stake if name.startswith("gain_") else None
    told = np.zeros(len(answer))
    for train, test in folds:
        known = train[answer.iloc[train].notna()]
        data = lightgbm.Dataset(
            values[known], answer.iloc[known], weight=None if weight is None else weight.iloc[known].to_numpy()
        )
        settings = _SETTINGS | {"objective": "cross_entropy" if is_share else "regression"}
        booster = lightgbm.train(settings, data, num_boost_round=_ROUNDS.get(name, _ROUNDS_OF_A_GAIN))
        told[test] = booster.predict(values[test], num_threads=1)
    return told
