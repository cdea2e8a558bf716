"""Figures of the scores against the truth and against the feature ceiling, with bootstrap intervals over accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from scoring.vocabulary import Segment
from training.simulator.judge import Floats

REPLICATES: Final = 300
LEAST_ACCOUNTS: Final = 10
Maker = Callable[[pd.DataFrame], tuple[float, float]]


@dataclass(frozen=True)
class Aim:
    """What a figure is compared with: the range it should lie in; None where it is published only."""

    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a value lies in the range; one that cannot be computed does not, where there is an aim.

        >>> Aim(0.95).is_met(0.96), Aim(0.95).is_met(float("nan")), Aim().is_met(float("nan"))
        (True, False, True)
        """
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        """In words a table can hold.

        >>> str(Aim(0.9, 1.1)), str(Aim(most=0.1)), str(Aim())
        ('0.90 to 1.10', '<= 0.10', '')
        """
        if self.least is None:
            return "" if self.most is None else f"<= {self.most:.2f}"
        return f">= {self.least:.2f}" if self.most is None else f"{self.least:.2f} to {self.most:.2f}"


@dataclass(frozen=True)
class Figure:
    """One figure of one world.

    Attributes
    ----------
    name : str
    ours, beside : float
        What the scores reach, and what it is compared with: the ceiling's, or the truth's.
    value, low, high : float
        The figure that has the aim (a ratio, or a difference), and its bootstrap 95 % interval.
    aim : Aim
    """

    name: str
    ours: float
    beside: float
    value: float
    low: float
    high: float
    aim: Aim

    @property
    def is_met(self) -> bool:
        """Whether the aim is met by the figure itself, not by its interval."""
        return self.aim.is_met(self.value)


@dataclass(frozen=True)
class Measure:
    """How a figure is made: ours and what it is compared with, then the two as one number."""

    name: str
    pair: Maker
    aim: Aim
    combine: Callable[[float, float], float] = lambda ours, beside: ours / beside if beside else float("nan")


def figures_of(table: pd.DataFrame, *, seed: int = 20260101, replicates: int = REPLICATES) -> list[Figure]:
    """Every figure of a world.

    Parameters
    ----------
    table : DataFrame
        As `training.studies.judging.judged` gives it.

    Examples
    --------
    >>> perfect = pd.DataFrame({"cure_amount_cents": 100.0, "w_none": [0.2, 0.8], "ability": 0.5, "true_cents": [10.0, 40.0]})
    >>> cash(perfect)
    (50.0, 50.0)
    """
    draw = np.random.default_rng(seed)
    samples = [draw.integers(0, len(table), len(table)) for _ in range(replicates)]
    return [_figure(measure, table, samples) for measure in measures(table)]


def measures(table: pd.DataFrame) -> list[Measure]:
    """All measures, those by bucket for the buckets that occur."""
    correlations = [
        Measure("w_none ~ P(token payment, no contact)", _ranks("w_none", "w_none"), Aim(0.95)),
        Measure("ability ~ share given payment", _ranks("ability", "ability"), Aim(0.95)),
        Measure("ability ~ payable capacity", _ranks("ability", "capacity"), Aim(0.85)),
    ]
    classes = [Measure("cannot pay or will not: lift of AUC", _lift(contrast), Aim(0.85))]
    money = [Measure("w_none x ability x D: cash, all", cash, Aim(0.95, 1.05))]
    money += [
        Measure(f"w_none x ability x D: cash, {bucket}", _in_bucket(cash, str(bucket)), Aim(0.9, 1.1))
        for bucket in sorted(table["bucket"].unique())
    ]
    loading = [
        Measure(
            "w_none ~ capacity less true P ~ capacity", cross_loading, Aim(most=0.10), lambda ours, true: ours - true
        )
    ]
    return [*correlations, *classes, *money, *loading, *_published()]


def _published() -> list[Measure]:
    """Measures without an aim: they say where the others come from."""

    def alone(ours: float, beside: float) -> float:
        return ours

    return [
        Measure("level of w_none", lambda t: (t["w_none"].mean(), t["true_w_none"].mean()), Aim()),
        Measure("p_full ~ payable capacity", _ranks("p_full", "capacity"), Aim()),
        Measure("best ability from features ~ capacity", _ranks("ceiling_ability", "capacity"), Aim()),
        Measure("cannot or will not, by ability alone", _lift(lambda t: -t["ability"]), Aim()),
        Measure("cannot or will not, by p_full alone", _lift(lambda t: -t["p_full"]), Aim()),
        Measure("unable or able, by ability", unable, Aim(), alone),
        Measure("w_none ~ capacity; resolve ~ capacity", resolve_loading, Aim(), lambda ours, true: ours - true),
        Measure("correlation of the two scores; of the ceilings", correlation, Aim(), alone),
        Measure(
            "undetermined segments", lambda t: (_share(t, "segment", str(Segment.UNDETERMINED)), np.nan), Aim(), alone
        ),
        Measure("payable interval covers", coverage, Aim(), alone),
    ]


def cash(table: pd.DataFrame) -> tuple[float, float]:
    """Expected cash by the scores, and by the truth without contact."""
    expected = (table["w_none"] * table["ability"] * table["cure_amount_cents"]).sum()
    return float(expected), float(table["true_cents"].sum())


def contrast(table: pd.DataFrame) -> Floats:
    """How much more somebody seems to lack the means than the will: log-odds of paying at all less log-odds of the share."""
    return _log_odds(table["w_none"]) - _log_odds(table["ability"])


def cross_loading(table: pd.DataFrame) -> tuple[float, float]:
    """Rank correlation of willingness with capacity, and that of the true P(token payment), which is not zero."""
    return spearman(table["w_none"], table["true_capacity"]), spearman(table["true_w_none"], table["true_capacity"])


def resolve_loading(table: pd.DataFrame) -> tuple[float, float]:
    """The same against the latent: no score that predicts payments can be as free of capacity as resolve is."""
    return spearman(table["w_none"], table["true_capacity"]), spearman(table["true_resolve"], table["true_capacity"])


def correlation(table: pd.DataFrame) -> tuple[float, float]:
    """Correlation of willingness with ability, as the alarm of the model card has it, and between the two ceilings."""
    ceiling = np.corrcoef(table["ceiling_w_none"], table["ceiling_ability"])[0, 1]
    return float(np.corrcoef(table["w_none"], table["ability"])[0, 1]), float(ceiling)


def unable(table: pd.DataFrame) -> tuple[float, float]:
    """AUC of ability for `is_unable` among non-payers, and of the capacity's ceiling."""
    missed = table[table["willingness"] == 0]
    return _auc(missed["is_unable"], -missed["ability"]), _auc(missed["is_unable"], -missed["ceiling_capacity"])


def coverage(table: pd.DataFrame) -> tuple[float, float]:
    """Share of payers whose payment lies in the payable interval, and the mean width over the cure amount."""
    payers = table[table["share"].notna()]
    paid = payers["share"] * payers["cure_amount_cents"]
    inside = (paid >= payers["payable_low_cents"] - 0.5) & (paid <= payers["payable_high_cents"] + 0.5)
    width = (payers["payable_high_cents"] - payers["payable_low_cents"]) / payers["cure_amount_cents"]
    return float(inside.mean()), float(width.mean())


def spearman(first: pd.Series | Floats, second: pd.Series | Floats) -> float:
    """Rank correlation over the rows where both are known.

    >>> spearman(np.array([1.0, 2.0, np.nan]), np.array([1.0, 5.0, 7.0]))
    1.0
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 2:
        return float("nan")
    return round(float(np.corrcoef(rankdata(one[known]), rankdata(other[known]))[0, 1]), 12)


def _figure(measure: Measure, table: pd.DataFrame, samples: list[npt.NDArray[np.int64]]) -> Figure:
    ours, beside = measure.pair(table)
    drawn = [measure.combine(*measure.pair(table.take(rows))) for rows in samples]
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return Figure(measure.name, ours, beside, measure.combine(ours, beside), float(low), float(high), measure.aim)


def _ranks(score: str, answer: str) -> Maker:
    def pair(table: pd.DataFrame) -> tuple[float, float]:
        true = table[f"true_{answer}"]
        return spearman(table[score], true), spearman(table[f"ceiling_{answer}"], true)

    return pair


def _lift(ours: Callable[[pd.DataFrame], pd.Series | Floats]) -> Maker:
    """Lift over 0.5 of the AUC that tells `cannot_pay` from `will_not_pay` among those who did not pay a token."""

    def pair(table: pd.DataFrame) -> tuple[float, float]:
        missed = table[(table["willingness"] == 0) & table["true_cannot_pay"].notna()]
        is_class = missed["true_cannot_pay"]
        return _auc(is_class, ours(missed)) - 0.5, _auc(is_class, missed["ceiling_cannot_pay"]) - 0.5

    return pair


def _in_bucket(pair: Maker, bucket: str) -> Maker:
    return lambda table: pair(table[table["bucket"] == bucket])


def _auc(answer: pd.Series, score: pd.Series | Floats) -> float:
    if len(answer) < LEAST_ACCOUNTS or answer.nunique() < 2:
        return float("nan")
    return float(roc_auc_score(answer, score))


def _share(table: pd.DataFrame, column: str, word: str) -> float:
    return float((table[column].astype(str) == word).mean())


def _log_odds(probability: pd.Series) -> Floats:
    inside = np.clip(probability.to_numpy(dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))
