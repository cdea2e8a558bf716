"""Plots a person wants to see after a training run: reliability, capture, score distributions, reasons by group, buckets."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scoring.scores.scores import Scores, group_contributions
from training.evaluation import calibration, capped_money, rules

matplotlib.use("Agg")
_RULE_NAMES = {
    "expected": "w x A x D",
    "balance": "balance",
    "willingness": "willingness alone",
    "dpd": "days past due",
}


def reliability(table: pd.DataFrame) -> Figure:
    """Predicted against seen, willingness and ability side by side, in ten bands of equal size."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    payers = table[table["share"].notna()]
    panels: tuple[tuple[str, Any, Any], ...] = (
        ("willingness: P(token payment)", table["w_logged"].to_numpy(), table["willingness"].to_numpy()),
        ("ability: share of cure amount, payers", payers["ability"].to_numpy(), payers["share"].to_numpy()),
    )
    for place, (title, predicted, seen) in enumerate(panels):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="perfect")
        if len(predicted):
            bands = calibration(predicted, seen)
            axes.plot(bands["predicted"], bands["seen"], "o-", color="#1b5e8c", label=f"test, n = {len(predicted):,}")
        axes.set(title=title, xlabel="predicted", ylabel="seen", xlim=(0, 1), ylim=(0, 1))
        axes.legend(frameon=False)
    return figure


def capture(table: pd.DataFrame) -> Figure:
    """Share of the money paid against the share of accounts worked, by each rule."""
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    money = capped_money(table)
    worked = np.arange(1, len(table) + 1) / max(len(table), 1)
    for rule, order in rules(table).items():
        gathered = np.cumsum(money[np.argsort(-order, kind="stable")]) / max(money.sum(), 1.0)
        axes.plot(worked, gathered, label=_RULE_NAMES[rule])
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="random")
    axes.set(
        title="money paid by the accounts worked first",
        xlabel="share of accounts",
        ylabel="share of money",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.legend(frameon=False)
    return figure


def distributions(table: pd.DataFrame) -> Figure:
    """How the two scores spread, and how they go together."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left = figure.add_subplot(1, 2, 1)
    left.hist(table["w_logged"], bins=30, range=(0, 1), alpha=0.6, label="willingness")
    left.hist(table["ability"], bins=30, range=(0, 1), alpha=0.6, label="ability")
    left.set(title="score distributions", xlabel="score", ylabel="accounts")
    left.legend(frameon=False)
    right = figure.add_subplot(1, 2, 2)
    right.scatter(table["w_logged"], table["ability"], s=4, alpha=0.3)
    right.set(title="willingness against ability", xlabel="willingness", ylabel="ability", xlim=(0, 1), ylim=(0, 1))
    return figure


def reasons(scores: Scores) -> Figure:
    """Mean absolute contribution of each reason group, per score, in log-odds."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for place, (name, parts) in enumerate(scores.contributions.items()):
        groups, summed = group_contributions(parts)
        weight = np.abs(summed).mean(axis=0)
        order = np.argsort(weight)
        axes = figure.add_subplot(1, 2, place + 1)
        axes.barh([groups[i].replace("_", " ") for i in order], weight[order], color="#1b5e8c")
        axes.set(title=f"{name}: what moves it", xlabel="mean |contribution|, log-odds")
    return figure


def buckets(figures: dict[str, dict[str, float]]) -> Figure:
    """Willingness AUC and base rate by bucket; a bucket without both outcomes has no AUC."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = list(figures)
    axes.bar(
        names, [figures[b].get("willing_share", 0.0) for b in names], color="0.8", label="share with a token payment"
    )
    axes.plot(
        names,
        [figures[b].get("willingness_auc", float("nan")) for b in names],
        "o",
        color="#1b5e8c",
        label="willingness AUC",
    )
    for name in names:
        axes.annotate(f"n={figures[name]['n']:,.0f}", (name, 0.02), ha="center", fontsize=8)
    axes.set(title="by bucket", ylim=(0, 1))
    axes.legend(frameon=False)
    return figure
