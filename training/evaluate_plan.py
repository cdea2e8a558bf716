"""What a plan is really worth, against simple rules and against the truth, at the same capacity.

Works on a simulated folder, where it is known what every account would pay under every action. Values are money
recovered within 30 days beyond what would come without contact, less direct cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from scoring.decisions.capacity import read_capacity
from scoring.errors import BadRequestError
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.board import DEFAULT_SHARES, Board, Places
from training.simulator.ceiling import feature_ceiling
from training.simulator.contrast import matured_decisions, naive_contrast, randomised_contrast
from training.simulator.judge import (
    NOBODY,
    Choice,
    Truth,
    read_truth,
    truth_days_of,
)
from training.simulator.rates import base_rates, rates_figure

matplotlib.use("Agg")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation.

    Attributes
    ----------
    as_of : date
    rules : DataFrame, one row per rule
        ``rule``; ``scores`` (where its scores come from: ``plan``, ``ceiling``, ``truth`` or empty); ``value_cents``
        with a 95 % bootstrap interval over accounts (``low_cents``, ``high_cents``); ``value_per_account_cents``;
        ``regret_cents`` to the truth oracle; ``share_of_oracle``; ``gap_closed`` between random (0) and the feature
        ceiling (1); ``contacts``; ``minutes``; ``complaints``.
    ceiling : DataFrame, one row per latent
        ``quantity``; ``ceiling`` (Spearman of the best prediction from features with the truth); ``plan`` (of the
        plan's score, missing without a plan).
    capture : DataFrame
        ``rule``, ``worked_share``, ``captured_share`` of the gain that calling everybody would bring.
    contrasts : DataFrame, one row per channel with randomised decisions
        ``channel``; ``truth``: the mean true effect on the share that pays a token; ``naive`` and ``randomised``: what
        the log says, each with the half width of its 95 % interval. Empty without a log of decisions.
    rates : DataFrame, one row per bucket
        Cure and roll rates of the simulated book at the truth's days, see `training.simulator.rates.base_rates`.
    bound_cents : float
        No assignment within the capacity is worth more.
    unmatched : int
        Planned contacts with accounts of which the truth says nothing (late rows, returned payments), left out.
    """

    as_of: date
    rules: pd.DataFrame
    ceiling: pd.DataFrame
    capture: pd.DataFrame
    contrasts: pd.DataFrame
    rates: pd.DataFrame
    bound_cents: float
    unmatched: int


def evaluate(
    folder: Path,
    *,
    plan: Path | None = None,
    as_of: date | None = None,
    capacity: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a plan and the usual rules by what is really true.

    Parameters
    ----------
    folder : Path
        Written by `training.simulator.simulate`.
    plan : Path, optional
        A folder written by ``scoring plan`` for this portfolio on a day of which the truth is told. Its channel counts
        are then everybody's capacity, and its scores feed the rules that need them. Without a plan those rules use the
        feature ceiling's scores.
    as_of : date, optional
        The day; by default the plan's, else the last of the truth.
    capacity : Path, optional
        A capacity file; by default the plan's counts, else `DEFAULT_SHARES`.
    out : Path, optional
        Folder for the tables as CSV (``rules``, ``ceiling``, ``capture``, ``contrasts``, ``rates``) and two pictures,
        ``capture.png`` and ``rates.png``.
    progress : callable, optional
        Told about steps done and steps in all.

    Raises
    ------
    BadRequestError
        ``bad_request``: no truth in the folder, or no plan in the plan's folder.
    AsOfError
        ``as_of_out_of_range``: the truth is not told for that day.
    """
    tell = progress or (lambda done, of: None)
    decisions, scores = _read_plan(plan)
    truth = read_truth(folder, as_of or _day_of(decisions))
    tell(1, 4)
    planned = None if decisions is None else _planned(decisions, truth)
    places = _places(truth, planned, capacity)
    channels = tuple(c for c, limit in zip(CONTACT_CHANNELS, places, strict=True) if limit != 0)
    told = feature_ceiling(folder, truth, channels)
    tell(2, 4)
    board = Board(truth, places, told, scores)
    rules = board.rules(planned)
    tell(3, 4)
    evaluation = Evaluation(
        as_of=truth.as_of,
        rules=rules,
        ceiling=_ceiling_table(truth, told, scores),
        capture=board.capture(),
        contrasts=_contrast_table(folder, truth),
        rates=base_rates(folder, truth_days_of(folder)),
        bound_cents=board.bound,
        unmatched=0 if decisions is None else _unmatched(decisions, truth),
    )
    if out is not None:
        write(evaluation, out)
    tell(4, 4)
    return evaluation


def write(evaluation: Evaluation, out: Path) -> None:
    """Write the tables as CSV, the capture curves and the base rates as pictures."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("rules", "ceiling", "capture", "contrasts", "rates"):
        getattr(evaluation, name).to_csv(out / f"{name}.csv", index=False)
    capture_figure(evaluation).savefig(out / "capture.png", dpi=120)
    rates_figure(evaluation.rates).savefig(out / "rates.png", dpi=120)


def capture_figure(evaluation: Evaluation) -> Figure:
    """Share of what calling everybody would gain, against the share of accounts called, by each ranking."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for rule, curve in evaluation.capture.groupby("rule", sort=False):
        line = "--" if rule == "random" else "-"
        axes.plot(curve["worked_share"], curve["captured_share"], line, label=rule, linewidth=1.4)
    axes.set(
        title=f"gain captured by calling the accounts ranked first, {evaluation.as_of}",
        xlabel="share of accounts called",
        ylabel="share of the gain of calling everybody",
    )
    axes.legend(frameon=False, fontsize=8)
    return figure


def _read_plan(plan: Path | None) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    if plan is None:
        return None, None
    missing = [name for name in ("decisions", "scores") if not (plan / f"{name}.parquet").is_file()]
    if missing:
        raise BadRequestError(
            f"{plan.name} holds no {' and no '.join(f'{name}.parquet' for name in missing)}, so there is no plan to "
            "judge. Give a folder written by `scoring plan`.",
            field="plan",
            got=plan.name,
        )
    decisions, scores = (pd.read_parquet(plan / f"{name}.parquet") for name in ("decisions", "scores"))
    return (decisions, scores) if len(decisions) else (None, None)


def _day_of(decisions: pd.DataFrame | None) -> date | None:
    return None if decisions is None else pd.Timestamp(decisions["as_of"].iloc[0]).date()


def _unmatched(decisions: pd.DataFrame, truth: Truth) -> int:
    is_contact = decisions["channel"] != str(Channel.NONE)
    return int((is_contact & ~decisions["account_id"].isin(truth.accounts["account_id"])).sum())


def _planned(decisions: pd.DataFrame, truth: Truth) -> Choice:
    """The plan's choice for every account of the truth; accounts it does not name are left alone."""
    code = {str(channel): place for place, channel in enumerate(CONTACT_CHANNELS)}
    chosen = decisions.set_index("account_id")["channel"].map(code)
    return np.asarray(chosen.reindex(truth.accounts["account_id"]).fillna(NOBODY).to_numpy(dtype=np.int64))


def _places(truth: Truth, planned: Choice | None, capacity: Path | None) -> Places:
    """How many contacts each channel has, in the order of `CONTACT_CHANNELS`."""
    if capacity is not None:
        limits = read_capacity(capacity)
        minutes = truth.grid("minutes").mean(axis=0)
        return [limits[c].places(float(minutes[k])) for k, c in enumerate(CONTACT_CHANNELS)]
    if planned is not None:
        return [int((planned == k).sum()) for k in range(len(CONTACT_CHANNELS))]
    return [round(DEFAULT_SHARES.get(channel, 0.0) * len(truth.accounts)) for channel in CONTACT_CHANNELS]


def _ceiling_table(truth: Truth, told: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """How well features, and the plan's scores, tell the latents: rank correlations."""
    accounts = truth.accounts.set_index("account_id").loc[told["account_id"]]
    capacity = np.log1p(accounts["capacity_cents"] / accounts["cure_amount_cents"])
    pays = pd.Series(truth.grid("p_pays", [Channel.NONE])[:, 0], index=truth.accounts["account_id"])
    answers: dict[str, tuple[Any, Any, str]] = {
        "willingness: P(token payment without contact)": (pays.loc[told["account_id"]], told["w_none"], "w_none"),
        "willingness: latent resolve": (accounts["resolve"], told["resolve"], "w_none"),
        "ability: latent capacity over cure amount": (capacity, told["capacity"], "ability"),
    }
    rows = []
    for quantity, (answer, best, score) in answers.items():
        row = {"quantity": quantity, "ceiling": _rank_correlation(answer, best), "plan": np.nan}
        if scores is not None:
            said = scores.set_index("account_id")[score].reindex(told["account_id"])
            row["plan"] = _rank_correlation(answer[said.notna().to_numpy()], said.dropna())
        rows.append(row)
    return pd.DataFrame(rows)


def _contrast_table(folder: Path, truth: Truth) -> pd.DataFrame:
    """What the log says about each channel, naively and by its randomised share, beside the truth."""
    columns = ["channel", "truth", "naive", "naive_half_width", "randomised", "randomised_half_width"]
    if not (folder / "assignments.parquet").is_file():
        return pd.DataFrame(columns=columns)
    decisions = matured_decisions(folder)
    drawn = decisions.loc[decisions["is_exploration"], "channel"]
    nothing = truth.grid("p_pays", [Channel.NONE])
    rows = []
    for channel in CONTACT_CHANNELS:
        if (drawn == str(channel)).sum() > 1 and (drawn == str(Channel.NONE)).sum() > 1:
            true = float((truth.grid("p_pays", [channel]) - nothing).mean())
            naive, randomised = naive_contrast(decisions, channel), randomised_contrast(decisions, channel)
            said = (naive.difference, naive.half_width, randomised.difference, randomised.half_width)
            rows.append((str(channel), true, *said))
    return pd.DataFrame(rows, columns=columns)


def _rank_correlation(left: Any, right: Any) -> float:
    """Missing where one of the two never varies."""
    if np.ptp(np.asarray(left)) == 0 or np.ptp(np.asarray(right)) == 0:
        return float("nan")
    return float(spearmanr(np.asarray(left), np.asarray(right)).statistic)
