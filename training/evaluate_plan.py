"""What a plan is really worth, against simple rules and against the truth, at the same capacity.

Works on a simulated folder, where it is known what every account would pay under every action. Values are money
recovered within 30 days beyond what would come without contact, less direct cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from scoring.decisions.capacity import read_capacity
from scoring.errors import BadRequestError
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.ceiling import feature_ceiling
from training.simulator.judge import NOBODY, Choice, Floats, Truth, best_assignment, gained, read_truth

matplotlib.use("Agg")
Progress = Callable[[int, int], None]
Places = list[int | None]

DEFAULT_SHARES: Final = {Channel.AGENT_CALL: 0.10, Channel.AI_VOICE: 0.10, Channel.LETTER: 0.05, Channel.SMS: 0.50}
"""Places per overdue account where neither a plan nor a capacity file says otherwise; the other channels are closed."""

STRONGEST_FIRST: Final = (
    Channel.LEGAL_REFERRAL,
    Channel.FIELD_VISIT,
    Channel.AGENT_CALL,
    Channel.AI_VOICE,
    Channel.LETTER,
    Channel.SMS,
    Channel.APP_PUSH,
    Channel.EMAIL,
    Channel.ONLINE_CS,
)
"""The order in which a ranking rule hands out places: it has one score and gives the strongest channel to its top."""

RANDOM_ORDERS: Final = 400
BOOTSTRAPS: Final = 400


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
    bound_cents : float
        No assignment within the capacity is worth more.
    unmatched : int
        Planned accounts of which the truth says nothing (late rows, returned payments), left out.
    """

    as_of: date
    rules: pd.DataFrame
    ceiling: pd.DataFrame
    capture: pd.DataFrame
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
        Folder for ``rules.csv``, ``ceiling.csv``, ``capture.csv`` and ``capture.png``.
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
    truth = read_truth(folder, as_of or (None if decisions is None else decisions["as_of"].iloc[0]))
    tell(1, 4)
    planned = None if decisions is None else _planned(decisions, truth)
    places = _places(truth, planned, capacity)
    channels = tuple(c for c, limit in zip(CONTACT_CHANNELS, places, strict=True) if limit != 0)
    told = feature_ceiling(folder, truth, channels)
    tell(2, 4)
    board = _Board(truth, places, told, scores)
    rules = board.rules(planned)
    tell(3, 4)
    evaluation = Evaluation(
        as_of=truth.as_of,
        rules=rules,
        ceiling=_ceiling_table(truth, told, scores),
        capture=board.capture(),
        bound_cents=board.bound,
        unmatched=0 if decisions is None else int((~decisions["account_id"].isin(truth.accounts["account_id"])).sum()),
    )
    if out is not None:
        write(evaluation, out)
    tell(4, 4)
    return evaluation


def write(evaluation: Evaluation, out: Path) -> None:
    """Write the tables as CSV and the capture curves as a picture."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("rules", "ceiling", "capture"):
        getattr(evaluation, name).to_csv(out / f"{name}.csv", index=False)
    capture_figure(evaluation).savefig(out / "capture.png", dpi=120)


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


class _Board:
    """One day's rules side by side."""

    def __init__(self, truth: Truth, places: Places, told: pd.DataFrame, scores: pd.DataFrame | None) -> None:
        self.truth, self.places = truth, places
        self.values = truth.value()
        self.halves = (truth.value("recovered_first_cents"), truth.value("recovered_second_cents"))
        ids = truth.accounts["account_id"]
        self.told = told.set_index("account_id").reindex(ids)
        self.source = "ceiling" if scores is None else "plan"
        chosen = self.told if scores is None else scores.set_index("account_id").reindex(ids)
        self.scores = chosen[["w_none", "ability"]].fillna(chosen[["w_none", "ability"]].mean())
        self.bound = best_assignment(self.values, places)[1]

    def orders(self) -> dict[str, Floats]:
        """The score by which each ranking rule goes, highest first."""
        accounts = self.truth.accounts
        cure = accounts["cure_amount_cents"].to_numpy(dtype=np.float64)
        pays, ability = (self.scores[name].to_numpy(dtype=np.float64) for name in ("w_none", "ability"))
        return {
            "days past due": accounts["dpd"].to_numpy(dtype=np.float64),
            "balance": accounts["balance_cents"].to_numpy(dtype=np.float64),
            "P": pays,
            "P x balance": pays * accounts["balance_cents"].to_numpy(dtype=np.float64),
            "P(1-P)AD": pays * (1 - pays) * ability * cure,
        }

    def rules(self, planned: Choice | None) -> pd.DataFrame:
        """One row per rule, see `Evaluation`."""
        rows = [self._row("nothing", "", self._alone(), np.zeros(len(self.values))), self._random()]
        for rule, score in self.orders().items():
            source = self.source if rule.startswith("P") else ""
            choice = self._handed_out(np.argsort(-score, kind="stable"))
            rows.append(self._row(rule, source, choice, gained(choice, self.values)))
        if planned is not None:
            rows.append(self._row("plan", "plan", planned, gained(planned, self.values)))
        rows.append(self._feature_ceiling())
        rows.append(self._oracle())
        table = pd.DataFrame(rows)
        # What no assignment can exceed is not exceeded; anything else would be a mistake in this module.
        in_capacity = (
            table["rule"] != "plan" if planned is not None and not self._fits(planned) else table["rule"] != ""
        )
        assert (table.loc[in_capacity, "value_cents"] <= self.bound * (1 + 1e-9) + 1e-6).all()
        value = table.set_index("rule")["value_cents"]
        oracle, random, ceiling = value["truth oracle"], value["random"], value["feature ceiling"]
        table["regret_cents"] = oracle - table["value_cents"]
        table["share_of_oracle"] = table["value_cents"] / oracle if oracle else np.nan
        table["gap_closed"] = (table["value_cents"] - random) / (ceiling - random) if ceiling != random else np.nan
        return table

    def capture(self) -> pd.DataFrame:
        """Capture curves of one channel, the agent's call, for each ranking."""
        call = CONTACT_CHANNELS.index(Channel.AGENT_CALL)
        gain, (first, second) = self.values[:, call], (half[:, call] for half in self.halves)
        rng = np.random.default_rng(0)
        orders = [np.cumsum(rng.permutation(gain)) for _ in range(RANDOM_ORDERS)]
        curves: dict[str, Floats] = {"random": np.mean(orders, axis=0)}
        for rule, score in self.orders().items():
            curves[rule] = np.cumsum(gain[np.argsort(-score, kind="stable")])
        if f"gain_{Channel.AGENT_CALL}" in self.told:
            told = self.told[f"gain_{Channel.AGENT_CALL}"].fillna(0.0).to_numpy()
            curves["feature ceiling"] = np.cumsum(gain[np.argsort(-told, kind="stable")])
        by_first, by_second = np.argsort(-first, kind="stable"), np.argsort(-second, kind="stable")
        curves["truth oracle"] = (np.cumsum(second[by_first]) + np.cumsum(first[by_second])) / 2
        worked = np.arange(1, len(gain) + 1) / max(len(gain), 1)
        kept = np.unique(np.linspace(0, len(gain) - 1, 101).astype(int))
        total = gain.sum() or np.nan
        return pd.concat(
            [
                pd.DataFrame({"rule": rule, "worked_share": worked[kept], "captured_share": curve[kept] / total})
                for rule, curve in curves.items()
            ],
            ignore_index=True,
        )

    def _alone(self) -> Choice:
        return np.full(len(self.values), NOBODY, dtype=np.int64)

    def _fits(self, choice: Choice) -> bool:
        return all(limit is None or (choice == k).sum() <= limit for k, limit in enumerate(self.places))

    def _handed_out(self, order: Choice) -> Choice:
        """Places of the strongest channel to the first, of the next one to those after them, and so on."""
        choice, start = self._alone(), 0
        for channel in STRONGEST_FIRST:
            place = CONTACT_CHANNELS.index(channel)
            limit = self.places[place]
            end = len(order) if limit is None else min(start + limit, len(order))
            choice[order[start:end]] = place
            start = end
        return choice

    def _random(self) -> dict[str, Any]:
        """Accounts in random order: the mean over many orders, with the spread of a single one."""
        rng = np.random.default_rng(0)
        n = len(self.values)
        totals = [gained(self._handed_out(rng.permutation(n)), self.values).sum() for _ in range(RANDOM_ORDERS)]
        choice = self._handed_out(rng.permutation(n))
        row = self._row("random", "", choice, gained(choice, self.values))
        low, high = np.quantile(totals, [0.025, 0.975])
        value = float(np.mean(totals))
        return row | {
            "value_cents": value,
            "low_cents": low,
            "high_cents": high,
            "value_per_account_cents": value / max(n, 1),
        }

    def _feature_ceiling(self) -> dict[str, Any]:
        """The best plan by gains that were told from features, judged by the truth."""
        told = np.full_like(self.values, -np.inf)
        for place, channel in enumerate(CONTACT_CHANNELS):
            if f"gain_{channel}" in self.told:
                told[:, place] = self.told[f"gain_{channel}"].fillna(0.0)
        choice, _ = best_assignment(told, self.places)
        return self._row("feature ceiling", "truth", choice, gained(choice, self.values))

    def _oracle(self) -> dict[str, Any]:
        """Chosen on one half of the rollouts and judged on the other, both ways: otherwise chance would flatter it."""
        first, second = self.halves
        by_first, by_second = best_assignment(first, self.places)[0], best_assignment(second, self.places)[0]
        gain = (gained(by_first, second) + gained(by_second, first)) / 2
        return self._row("truth oracle", "truth", by_first, gain)

    def _row(self, rule: str, source: str, choice: Choice, gain: Floats) -> dict[str, Any]:
        n = len(gain)
        rng = np.random.default_rng(0)
        totals = [gain[rng.integers(0, n, n)].sum() for _ in range(BOOTSTRAPS)] if n else [0.0]
        low, high = np.quantile(totals, [0.025, 0.975])
        return {
            "rule": rule,
            "scores": source,
            "value_cents": float(gain.sum()),
            "low_cents": float(low),
            "high_cents": float(high),
            "value_per_account_cents": float(gain.sum()) / max(n, 1),
            "contacts": int((choice != NOBODY).sum()),
            "minutes": float(gained(choice, self.truth.grid("minutes")).sum()),
            "complaints": float(gained(choice, self.truth.grid("complaints")).sum()),
        }


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


def _rank_correlation(left: Any, right: Any) -> float:
    """Missing where one of the two never varies."""
    if np.ptp(np.asarray(left)) == 0 or np.ptp(np.asarray(right)) == 0:
        return float("nan")
    return float(spearmanr(np.asarray(left), np.asarray(right)).statistic)
