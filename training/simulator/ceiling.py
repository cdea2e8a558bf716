"""The feature ceiling: how well the truth can be told from the features at all, by models trained on the truth itself.

Cross-fitted by customer. A real model learns from noisy outcomes of a confounded log and can only come near this; a
gate that asks for more than the ceiling asks for luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
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
_ROUNDS: Final = 120
_ROUNDS_OF_A_GAIN: Final = 50
"""Gains are small and noisy: fewer trees."""
LATENTS: Final = ("w_none", "ability", "resolve", "capacity", "cannot_pay")
_SHARES: Final = ("w_none", "ability", "cannot_pay")
"""Answers in [0, 1]; the others are told by least squares."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Observed:
    """Features of one day's accounts beside the true answers, in the same order.

    Attributes
    ----------
    as_of : date
    values : array (n_accounts, n_features), float32
    answers : DataFrame
        ``account_id``, ``customer_id``, ``cure_amount_cents``; ``w_none``: P(token payment without contact); ``ability``:
        the mean share of the cure amount given a payment (missing where nobody ever pays); ``resolve``; ``capacity``: log
        of one plus capacity over cure amount; ``cannot_pay``: 1 for the class `cannot_pay`, 0 for `will_not_pay`, missing
        otherwise; ``gain_<channel>``: what a contact adds, as a share of the cure amount.
    """

    as_of: date
    values: Values
    answers: pd.DataFrame


def feature_ceiling(folder: Path, truth: Truth, channels: tuple[Channel, ...] = CONTACT_CHANNELS) -> pd.DataFrame:
    """Predict the truth of one day from the features, by models that never saw the customer.

    Returns
    -------
    DataFrame, one row per account that both the features and the truth call overdue
        ``account_id``, ``cure_amount_cents``; the answers of `Observed`, as predicted; ``gain_<channel>`` in cents for
        each of ``channels``.
    """
    portfolio = read_portfolio(folder, threads=1)
    days = [observed(portfolio, read_truth(folder, day), channels) for day in truth_days_of(folder)]
    return told_of(days, truth.as_of)


def told_of(days: Sequence[Observed], as_of: date) -> pd.DataFrame:
    """The cross-fitted answers of one of the days, learnt on all of them; columns as `feature_ceiling`."""
    values = np.concatenate([day.values for day in days])
    answers = pd.concat([day.answers for day in days], ignore_index=True)
    is_here = np.concatenate([np.full(len(day.answers), day.as_of == as_of) for day in days])
    owners = answers.pop("customer_id")
    told: pd.DataFrame = answers[["account_id", "cure_amount_cents"]].copy()
    names = [str(name) for name in answers.columns.drop(["account_id", "cure_amount_cents"])]
    told[names] = np.zeros((len(answers), len(names)))
    for train, test in GroupKFold(min(FOLDS, int(owners.nunique()))).split(values, groups=owners):
        for name, predicted in _fold(values, answers.iloc[train], train, values[test], names).items():
            told.loc[test, name] = predicted
    for name in names:
        if name.startswith("gain_"):
            told[name] *= told["cure_amount_cents"]
    here: pd.DataFrame = told[is_here]
    return here.reset_index(drop=True)


def observed(portfolio: Portfolio, truth: Truth, channels: tuple[Channel, ...] = ()) -> Observed:
    """Features and true answers of one day, with the gain of each of ``channels``."""
    frame = build(portfolio, truth.as_of)
    place = pd.Series(np.arange(len(frame)), index=frame.positions["account_id"])
    rows = place.reindex(truth.accounts["account_id"]).to_numpy()
    is_seen = np.isfinite(rows)
    taken = frame.take(rows[is_seen].astype(np.int64))
    answers = _answers(truth, channels)[is_seen].reset_index(drop=True)
    return Observed(truth.as_of, taken.values, answers.assign(customer_id=taken.positions["customer_id"]))


def _answers(truth: Truth, channels: tuple[Channel, ...]) -> pd.DataFrame:
    accounts = truth.accounts
    cure = accounts["cure_amount_cents"].to_numpy(dtype=np.float64)
    pays, money = (truth.grid(name, [Channel.NONE])[:, 0] for name in ("p_pays", "recovered_cents"))
    answers = accounts[["account_id", "cure_amount_cents", "resolve"]].assign(
        w_none=pays,
        ability=np.where(pays > 0, np.minimum(money / np.maximum(pays * cure, 1.0), 1.0), np.nan),
        capacity=np.log1p(accounts["capacity_cents"] / cure),
        cannot_pay=accounts["true_class"].map({"cannot_pay": 1.0, "will_not_pay": 0.0}),
    )
    gain = truth.value()
    for channel in channels:
        # As a share of the amount at stake, so that large accounts do not drown the small ones.
        answers[f"gain_{channel}"] = gain[:, CONTACT_CHANNELS.index(channel)] / cure
    return answers


def _fold(
    values: Values, answers: pd.DataFrame, train: npt.NDArray[np.int64], asked: Values, names: Sequence[str]
) -> dict[str, Any]:
    """Predictions for some rows by models of the others; features are binned once for all answers."""
    whole = lightgbm.Dataset(values[train], params=_SETTINGS, free_raw_data=False).construct()
    told = {}
    for name in names:
        known = np.flatnonzero(answers[name].notna())
        is_gain = name.startswith("gain_")
        data = whole.subset(known.tolist()) if len(known) < len(answers) else whole
        data.construct()
        data.set_label(answers[name].iloc[known].to_numpy())
        data.set_weight(answers["cure_amount_cents"].iloc[known].to_numpy() if is_gain else np.ones(len(known)))
        settings = _SETTINGS | {"objective": "cross_entropy" if name in _SHARES else "regression"}
        booster = lightgbm.train(settings, data, num_boost_round=_ROUNDS_OF_A_GAIN if is_gain else _ROUNDS)
        told[name] = booster.predict(asked, num_threads=1)
    return told
