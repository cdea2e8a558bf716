"""Plots a person wants to see after a training run: one function, one figure; colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scoring.features.registry import FEATURES
from scoring.scores.scores import Scores, buckets, group_contributions
from scoring.vocabulary import Bucket
from training.evaluation import calibration, capped_money, rules
from training.report.null import null_band

matplotlib.use("Agg")
BLUE: Final = "#1b5e8c"
ORANGE: Final = "#d1730f"
GREY: Final = "0.55"
_RULE_NAMES: Final = {
    "expected": "w x A x D",
    "p_1_p_ad": "P(1-P) x A x D",
    "p_x_balance": "P x balance",
    "balance": "balance",
    "willingness": "P alone",
    "dpd": "days past due",
}
_RULE_COLOURS: Final = (BLUE, "#56a3d9", ORANGE, "#e8b04b", "#2f8f6b", "0.45")
SHAP_ROWS: Final = 1500
LEFT: Final = "current\nor left"


def reliability(table: pd.DataFrame, *, seed: int = 0) -> Figure:
    """Predicted against seen in ten bands of equal size; the band is where 95 % of perfectly calibrated models would lie."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    payers = table[table["share"].notna()]
    panels: tuple[tuple[str, Any, Any, bool], ...] = (
        ("willingness: P(token payment)", table["w_logged"].to_numpy(), table["willingness"].to_numpy(), True),
        ("ability: share of the cure amount, payers", payers["ability"].to_numpy(), payers["share"].to_numpy(), False),
    )
    for place, (title, predicted, seen, is_probability) in enumerate(panels):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
        if len(predicted):
            told = calibration(predicted, seen)
            if is_probability and len(predicted) >= 20:
                null = null_band(predicted, seed=seed)
                axes.fill_between(
                    null["predicted"], null["low"], null["high"], color="0.85", label="a perfect model, 95 %"
                )
            axes.plot(told["predicted"], told["seen"], "o-", color=BLUE, label=f"test, n = {len(predicted):,}")
        axes.set(title=title, xlabel="predicted", ylabel="seen", aspect="equal")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(frameon=False, loc="upper left")
    return figure


def capture(table: pd.DataFrame) -> Figure:
    """Left: share of the money against the share of accounts worked. Right: money per account worked, over the average."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    money = capped_money(table)
    worked = np.arange(1, len(table) + 1) / max(len(table), 1)
    orders = rules(table)
    for (rule, label), colour in zip(_RULE_NAMES.items(), _RULE_COLOURS, strict=True):
        gathered = np.cumsum(money[np.argsort(-orders[rule], kind="stable")]) / max(money.sum(), 1.0)
        width = 2.2 if rule == "expected" else 1.2
        left.plot(worked, gathered, label=label, color=colour, linewidth=width)
        start = max(len(worked) // 50, 1)
        right.plot(worked[start:], (gathered / worked)[start:], color=colour, linewidth=width)
    best = np.cumsum(np.sort(money)[::-1]) / max(money.sum(), 1.0)
    left.plot(worked, best, color="0.2", linewidth=1, linestyle=":", label="hindsight")
    left.plot([0, 1], [0, 1], color="0.75", linewidth=1, label="random")
    left.set(
        title="capture: money paid by the accounts worked first", xlabel="share of accounts", ylabel="share of money"
    )
    left.set(xlim=(0, 1), ylim=(0, 1))
    left.legend(frameon=False, loc="lower right", fontsize=9)
    right.axhline(1.0, color="0.75", linewidth=1)
    right.set(
        title="gain: money per account worked, average = 1", xlabel="share of accounts", ylabel="times the average"
    )
    right.set(xlim=(0, 1), ylim=(0, None))
    return figure


def distributions(table: pd.DataFrame) -> Figure:
    """How the two scores spread by what happened, and how they go together."""
    figure = Figure(figsize=(12, 4.0), layout="constrained")
    edges = [step / 30 for step in range(31)]
    paid = table["willingness"].to_numpy() == 1.0
    one = figure.add_subplot(1, 3, 1)
    for mask, label, colour in ((paid, "paid a token", BLUE), (~paid, "did not", ORANGE)):
        one.hist(table["w_logged"][mask], bins=edges, alpha=0.6, label=f"{label} ({mask.sum():,})", color=colour)
    one.set(title="willingness", xlabel="P(token payment)", ylabel="accounts")
    one.legend(frameon=False)
    two = figure.add_subplot(1, 3, 2)
    payers = table["share"].notna().to_numpy()
    two.hist(table["ability"][payers], bins=edges, alpha=0.6, label="predicted, payers", color=BLUE)
    two.hist(table["share"][payers], bins=edges, histtype="step", label="share they paid", color=ORANGE, linewidth=1.5)
    two.set(title="ability", xlabel="share of the cure amount", ylabel="accounts")
    two.legend(frameon=False)
    three = figure.add_subplot(1, 3, 3)
    if len(table):
        drawn = three.hexbin(
            table["w_logged"], table["ability"], gridsize=28, extent=(0, 1, 0, 1), mincnt=1, cmap="Blues"
        )
        figure.colorbar(drawn, ax=three, label="accounts")
    together = np.corrcoef(table["w_logged"], table["ability"])[0, 1] if len(table) > 2 else float("nan")
    three.set(
        title=f"both scores, correlation {together:.2f}",
        xlabel="willingness",
        ylabel="ability",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    return figure


def reasons(scores: Scores, *, seed: int = 0) -> Figure:
    """SHAP summary by business group: each dot an account; coloured by the value of the group's strongest feature."""
    figure = Figure(figsize=(12, 5.0), layout="constrained")
    draw = np.random.default_rng(seed)
    n = len(scores.frame)
    rows = np.sort(draw.choice(n, min(n, SHAP_ROWS), replace=False)) if n else np.empty(0, dtype=np.int64)
    coloured = None
    for place, (name, parts) in enumerate(scores.contributions.items()):
        axes = figure.add_subplot(1, 2, place + 1)
        groups, summed = group_contributions(parts)
        weight = np.abs(summed).mean(axis=0)
        order = np.argsort(weight)
        labels = []
        for height, group in enumerate(order):
            strongest = _strongest(groups[group], parts)
            rank = pd.Series(scores.frame.values[rows, strongest]).rank(pct=True).to_numpy()
            shift = draw.normal(0, 0.11, len(rows)).clip(-0.38, 0.38)
            missing = np.isnan(rank)
            axes.scatter(summed[rows, group][missing], height + shift[missing], s=4, color="0.75", linewidths=0)
            coloured = axes.scatter(
                summed[rows, group][~missing],
                height + shift[~missing],
                c=rank[~missing],
                s=5,
                cmap="viridis",
                vmin=0,
                vmax=1,
                linewidths=0,
                alpha=0.7,
            )
            labels.append(f"{groups[group].replace('_', ' ')}\n{FEATURES[strongest].name}")
        axes.axvline(0, color="0.75", linewidth=1)
        axes.set_yticks(range(len(order)), labels, fontsize=8)
        axes.set(title=f"{name}: what moves it", xlabel="contribution of the group, log-odds")
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
    if coloured is not None:
        bar = figure.colorbar(coloured, ax=figure.axes, ticks=[0, 1], shrink=0.7)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("value of the strongest feature")
    return figure


def _strongest(group: str, parts: Any) -> int:
    members = [place for place, feature in enumerate(FEATURES) if str(feature.group) == group]
    return members[int(np.argmax(np.abs(parts[:, members]).mean(axis=0)))]


def bucket_figures(figures: Mapping[str, Mapping[str, float]], bounds: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Willingness AUC with its interval, and the share with a token payment, by bucket."""
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.add_subplot()
    names = list(figures)
    axes.bar(
        names, [figures[b].get("willing_share", 0.0) for b in names], color="0.87", label="share with a token payment"
    )
    known = [b for b in names if "willingness_auc" in figures[b]]
    points = np.array([figures[b]["willingness_auc"] for b in known])
    pairs = np.array([bounds.get(b, {}).get("willingness_auc", (np.nan, np.nan)) for b in known]).reshape(-1, 2)
    spread = np.abs(np.vstack([points - pairs[:, 0], pairs[:, 1] - points])) if len(known) else None
    axes.errorbar(known, points, yerr=spread, fmt="o", color=BLUE, capsize=3, label="willingness AUC, 95 %")
    axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(names)), [f"{b}\nn = {figures[b]['n']:,.0f}" for b in names])
    axes.set(title="by bucket", ylim=(0, 1.12))
    axes.legend(frameon=False, loc="upper right", ncols=2)
    return figure


def roll_matrix(before: pd.DataFrame, after: pd.DataFrame, days: tuple[str, str]) -> Figure:
    """Where the accounts of a bucket stood a month later, as shares of the bucket.

    Parameters
    ----------
    before, after : DataFrame
        ``account_id`` and ``dpd`` of the accounts past due on two days; an account that is not past due on the second day has
        become current or left the queue.
    """
    told = roll_shares(before, after)
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(told["share"], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(told["share"].shape):
        value = told["share"][row, column]
        if value >= 0.005:
            axes.text(
                column,
                row,
                f"{value:.0%}",
                ha="center",
                va="center",
                color="white" if value > 0.55 else "0.15",
                fontsize=9,
            )
    axes.set_xticks(
        range(len(told["to"])), [LEFT, *(name.replace("CHARGE_OFF_DUE", "charge-\noff due") for name in told["to"][1:])]
    )
    names = [name.replace("CHARGE_OFF_DUE", "charge-off due") for name in told["from"]]
    axes.set_yticks(range(len(names)), [f"{name}  (n = {n:,})" for name, n in zip(names, told["n"], strict=True)])
    axes.set(
        title=f"roll rates by count, {days[0]} to {days[1]}",
        xlabel=f"bucket on {days[1]}",
        ylabel=f"bucket on {days[0]}",
    )
    figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0), label="share of the bucket")
    return figure


def roll_shares(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """The numbers of `roll_matrix`: ``from`` and ``to`` bucket names, ``n`` per row, ``share`` (n_from, n_to)."""
    overdue = [str(bucket) for bucket in Bucket if bucket is not Bucket.CURRENT]
    started = before[before["dpd"] >= 1]
    came = started["account_id"].map(after.drop_duplicates("account_id").set_index("account_id")["dpd"]).fillna(0)
    sides = buckets(started["dpd"].to_numpy(np.int64)), buckets(came.to_numpy(dtype=np.int64))
    counts = np.array(
        [[((sides[0] == a) & (sides[1] == b)).sum() for b in (str(Bucket.CURRENT), *overdue)] for a in overdue]
    )
    kept = counts.sum(axis=1) > 0
    n = counts[kept].sum(axis=1)
    return {
        "from": [name for name, is_kept in zip(overdue, kept, strict=True) if is_kept],
        "to": [str(Bucket.CURRENT), *overdue],
        "n": [int(value) for value in n],
        "share": counts[kept] / n[:, None],
    }
