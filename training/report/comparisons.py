"""Plots of comparisons: against chance, over days, since the last training, against rivals, between groups of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from scoring.vocabulary import Bucket
from training.plots import BLUE, ORANGE


def calibration_by_bucket(facts: Mapping[str, Any], cash: Mapping[str, Any]) -> Figure:
    """Seen less predicted beside what chance allows, for each model; expected over realised cash with its interval."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for place, model in enumerate(("willingness", "ability")):
        axes = figure.add_subplot(1, 3, place + 1)
        told = facts.get(model, {})
        names = list(told)
        at = np.arange(len(names))
        null = np.array([told[b]["in_the_large_null"] for b in names])
        axes.bar(at, 2 * null, bottom=-null, color="0.87", width=0.7, label="chance, 95 %")
        axes.plot(at, [told[b]["in_the_large"] for b in names], "o", color=BLUE, label="seen less predicted")
        axes.axhline(0, color="0.6", linewidth=0.8)
        _bucket_ticks(axes, names, told)
        axes.set(title=f"{model}: calibration in the large")
        axes.legend(frameon=False, fontsize=9)
        axes.margins(y=0.25)
    axes = figure.add_subplot(1, 3, 3)
    names = list(cash)
    at = np.arange(len(names))
    ratio = np.array([cash[b]["cash_ratio"] for b in names])
    low, high = (np.array([cash[b].get(f"cash_ratio_{side}", np.nan) for b in names]) for side in ("low", "high"))
    axes.axhspan(0.9, 1.1, color="0.92", label="0.9 to 1.1")
    axes.errorbar(at, ratio, yerr=np.abs(np.vstack([ratio - low, high - ratio])), fmt="o", color=ORANGE, capsize=3)
    axes.axhline(1, color="0.6", linewidth=0.8)
    _bucket_ticks(axes, names, cash)
    axes.set(title="expected over realised cash, 95 %")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _bucket_ticks(axes: Axes, names: Sequence[str], told: Mapping[str, Mapping[str, float]]) -> None:
    short = [("due" if b == str(Bucket.CHARGE_OFF_DUE) else b) for b in names]
    labels = [f"{b}\n{told[name]['n']:,.0f}" for b, name in zip(short, names, strict=True)]
    axes.set_xticks(range(len(names)), labels, fontsize=8)


def stability(days: Sequence[Mapping[str, Any]]) -> Figure:
    """The same bundle on held-out customers, day by day; the last day is the only one out of time."""
    figure = Figure(figsize=(9, 4.0), layout="constrained")
    names = [str(day["as_of"]) for day in days]
    panels = (
        (("willingness_auc", "willingness AUC", BLUE), ("ability_r2", "ability R2", ORANGE)),
        (("cash_ratio", "expected over realised cash", BLUE),),
    )
    for place, lines in enumerate(panels):
        axes = figure.add_subplot(1, 2, place + 1)
        for figure_name, label, colour in lines:
            values = [day.get(figure_name, float("nan")) for day in days]
            axes.plot(names, values, "o-", color=colour, label=label)
        if names:
            axes.axvspan(len(names) - 1.4, len(names) - 0.6, color="0.93", zorder=0, label="out of time")
        axes.tick_params(axis="x", rotation=35, labelsize=8)
        axes.legend(frameon=False, fontsize=9)
        axes.margins(y=0.25)
    figure.suptitle("held-out customers, day by day")
    return figure


def drift(facts: Mapping[str, Any], shown: int = 12) -> Figure:
    """Population stability since the last training: the index, and what chance alone exceeds once in a hundred."""
    figure = Figure(figsize=(8, 4.8 if facts.get("compared") else 1.2), layout="constrained")
    axes = figure.add_subplot()
    if not facts.get("compared"):
        axes.text(0.5, 0.5, str(facts.get("why", "")), ha="center", va="center", wrap=True)
        axes.set_axis_off()
        return figure
    told = {f"score: {name}": value for name, value in facts["scores"].items()}
    features = sorted(facts["features"].items(), key=lambda item: -item[1]["psi"])[:shown]
    told |= {name.replace("_", " "): value for name, value in features}
    names = list(told)[::-1]
    psi, critical = (np.array([told[name][side] for name in names]) for side in ("psi", "critical"))
    colours = [BLUE if value <= limit else ORANGE for value, limit in zip(psi, critical, strict=True)]
    axes.barh(names, psi, color=colours, height=0.6)
    axes.plot(critical, names, "|", color="0.2", markersize=12, markeredgewidth=1.5, label="chance, 99 %")
    axes.axvline(0.1, color="0.7", linestyle=":", linewidth=1, label="0.1")
    axes.set(
        title=f"drift since {facts['since']} ({facts['n_then']:,} to {facts['n_now']:,} accounts)",
        xlabel="population stability index",
    )
    axes.legend(frameon=False, loc="lower right")
    return figure


_FIGURE_NAMES: Final = {
    "willingness_auc": "willingness AUC",
    "willingness_log_loss": "log loss (sign turned)",
    "ability_r2": "ability R2",
    "money_top30_expected": "money in top 30 %",
    "money_top30": "money in top 30 %",
}


def paired(facts: Mapping[str, Any]) -> Figure:
    """Paired differences with their intervals: right of zero this bundle is better."""
    rows: list[tuple[str, float, float, float]] = []
    for rival in ("champion", "scorecard"):
        if facts.get(rival, {}).get("compared"):
            rows += _paired_rows(rival, facts[rival]["differences"]["all"])
    for rule, figures in facts.get("rules", {}).items():
        rows += _paired_rows(rule, figures)
    figure = Figure(figsize=(8, 1.4 + 0.34 * max(len(rows), 1)), layout="constrained")
    axes = figure.add_subplot()
    at = np.arange(len(rows))[::-1]
    points = np.array([row[1] for row in rows])
    spread = np.abs(np.array([[row[1] - row[2], row[3] - row[1]] for row in rows]).reshape(-1, 2).T)
    axes.errorbar(points, at, xerr=spread, fmt="o", color=BLUE, capsize=3)
    axes.axvline(0, color="0.6", linewidth=1)
    axes.set_yticks(at, [row[0] for row in rows], fontsize=9)
    axes.set(title="this bundle less its rival, same accounts, 95 %", xlabel="difference; right is better")
    axes.grid(axis="x", color="0.92")
    return figure


def _paired_rows(rival: str, figures: Mapping[str, Mapping[str, float]]) -> list[tuple[str, float, float, float]]:
    rows = []
    for name, told in figures.items():
        if name not in _FIGURE_NAMES:
            continue
        sign = -1.0 if name == "willingness_log_loss" else 1.0
        low, high = sorted((sign * told["low"], sign * told["high"]))
        rows.append((f"{rival}: {_FIGURE_NAMES[name]}", sign * told["difference"], low, high))
    return rows


def fairness(facts: Mapping[str, Any]) -> Figure:
    """Help and pressure of each group over the reference group, adjusted for bucket and amount."""
    rows = [row for row in facts.get("rows", []) if row["measure"] in ("help_ratio", "pressure_ratio")]
    figure = Figure(figsize=(9, 1.6 + 0.3 * max(len(rows) // 2, 1)), layout="constrained")
    axes = figure.add_subplot()
    if not rows:
        axes.text(0.5, 0.5, str(facts.get("why") or "nothing to compare"), ha="center", va="center", wrap=True)
        axes.set_axis_off()
        return figure
    groups = list(dict.fromkeys((row["attribute"], row["group"], row["reference"], row["n"]) for row in rows))
    for measure, shift, colour, label in (
        ("help_ratio", 0.14, BLUE, "help"),
        ("pressure_ratio", -0.14, ORANGE, "pressure"),
    ):
        own = [row for row in rows if row["measure"] == measure]
        at = [len(groups) - 1 - groups.index((r["attribute"], r["group"], r["reference"], r["n"])) + shift for r in own]
        values = np.array([row["value"] for row in own])
        spread = np.abs(np.array([[r["value"] - r["low"], r["high"] - r["value"]] for r in own]).reshape(-1, 2).T)
        axes.errorbar(values, at, xerr=spread, fmt="o", color=colour, capsize=3, label=label)
    axes.axvspan(0.8, 1.25, color="0.94", zorder=0, label="0.8 to 1.25")
    axes.axvline(1, color="0.6", linewidth=1)
    labels = [f"{attribute}: {group} (n = {n:,})\nagainst {reference}" for attribute, group, reference, n in groups]
    axes.set_yticks(range(len(groups))[::-1], labels, fontsize=8)
    axes.set(
        title="help and pressure by protected group, same bucket and amount",
        xlabel="rate of the group over the reference",
    )
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xscale("log")
    axes.set_xlim(0.4, 3.0)
    axes.set_xticks([0.5, 0.8, 1, 1.25, 2, 3], ["0.5", "0.8", "1", "1.25", "2", "3"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False, loc="upper right", fontsize=8)
    return figure
