"""Figures of the policy curve: gap closed with intervals over training draws and test accounts, and the aims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from scoring.scores.effects import LearnedEffects
from scoring.vocabulary import CONTACT_CHANNELS
from training.simulator.judge import NOBODY
from training.studies.policy_curve_judging import HARSH, Floats, Judged, TestDay, levels, stacked

RESAMPLED: Final = 1_000
SIMPLE: Final = ("days past due", "balance", "P", "P x balance", "P(1-P)AD")
AIMS: Final = {("base", 20_000): 0.80, ("base", 80_000): 0.90}
"""Gap that should be closed."""
NONE_AIM: Final = 0.95
CENTS: Final = 100.0


@dataclass(frozen=True)
class Row:
    """One world at one size of the log; intervals are 95 %, over training draws and test accounts together.

    Attributes
    ----------
    gap, gap_low, gap_high, gap_spread : float
        Gap closed, and its standard deviation between training draws.
    simple, simple_gap : str, float
        The best simple rule, and the gap it closes.
    over_simple, over_simple_low, over_simple_high : float
        Money per account more than the best simple rule brings, major units.
    value, random, oracle : float
        Money per account of plan, random and feature oracle, major units.
    idle_share : float
        Least share of accounts left alone in any draw.
    harsh_share, harsh_logged, complaints : float
        Harsh contacts per account, those of the historical policy per decision, and complaints per 1,000 accounts.
    levels : dict
        See `training.studies.policy_curve_judging.levels`, mean over draws.
    """

    world: str
    size: int
    draws: int
    gap: float
    gap_low: float
    gap_high: float
    gap_spread: float
    simple: str
    simple_gap: float
    over_simple: float
    over_simple_low: float
    over_simple_high: float
    value: float
    random: float
    oracle: float
    idle_share: float
    harsh_share: float
    harsh_logged: float
    complaints: float
    uses_policy_rows: float
    n_null: int
    levels: dict[str, float]

    @classmethod
    def of(
        cls,
        world: str,
        size: int,
        judged: Sequence[Judged],
        effects: Sequence[LearnedEffects],
        days: list[TestDay],
        harsh_logged: float,
    ) -> Row:
        """The row of some draws."""
        gains = np.stack([each.gain for each in judged])
        rules = {name: stacked(days, name) for name in (*SIMPLE, "random", "feature oracle")}
        best = max(SIMPLE, key=lambda name: float(rules[name].sum()))
        random, oracle, simple = rules["random"], rules["feature oracle"], rules[best]
        gaps = [_gap(gain, random, oracle) for gain in gains]
        told, over = _resampled(gains, random, oracle, simple)
        level = [levels(each, days) for each in judged]
        used = [each.facts.get("uses_policy_rows", False) for each in effects]
        return cls(
            world=world,
            size=size,
            draws=len(judged),
            gap=float(np.mean(gaps)),
            gap_low=float(np.quantile(told, 0.025)),
            gap_high=float(np.quantile(told, 0.975)),
            gap_spread=float(np.std(gaps, ddof=1)) if len(gaps) > 1 else float("nan"),
            simple=best,
            simple_gap=_gap(simple, random, oracle),
            over_simple=float((gains.mean(axis=0) - simple).mean()) / CENTS,
            over_simple_low=float(np.quantile(over, 0.025)) / CENTS,
            over_simple_high=float(np.quantile(over, 0.975)) / CENTS,
            value=float(gains.mean()) / CENTS,
            random=float(random.mean()) / CENTS,
            oracle=float(oracle.mean()) / CENTS,
            idle_share=float(min((each.chosen == NOBODY).mean() for each in judged)),
            harsh_share=float(np.mean([_harsh(each) for each in judged])),
            harsh_logged=harsh_logged,
            complaints=float(np.mean([_complaints(each, days) for each in judged])) * 1_000,
            uses_policy_rows=float(np.mean(used)),
            n_null=sum(any(c.status == "null" for c in each.channels.values()) for each in effects),
            levels={name: float(np.mean([one[name] for one in level])) for name in level[0]},
        )

    def as_dict(self) -> dict[str, Any]:
        """Flat, for a table."""
        flat = asdict(self)
        return {**{name: value for name, value in flat.items() if name != "levels"}, **flat["levels"]}

    def missed(self) -> list[str]:
        """Aims that this row misses, in words."""
        found = []
        if self.world == "null_effect":
            if self.size >= 20_000 and self.idle_share < NONE_AIM:
                found.append(f"{self.idle_share:.1%} of accounts are left alone, the aim is {NONE_AIM:.0%}")
            return found
        if self.over_simple_high < 0:
            found.append(f"below {self.simple} beyond the interval")
        if self.size >= 80_000 and self.over_simple_low <= 0:
            found.append(f"not clearly above {self.simple}")
        aim = AIMS.get((self.world, self.size))
        if aim is not None and self.gap < aim:
            found.append(f"gap closed {self.gap:.2f}, the aim is {aim:.2f}")
        return found


def _gap(gain: Floats, random: Floats, oracle: Floats) -> float:
    span = float(oracle.sum() - random.sum())
    return float(gain.sum() - random.sum()) / span if span else float("nan")


def _resampled(gains: Floats, random: Floats, oracle: Floats, simple: Floats) -> tuple[Floats, Floats]:
    """Gap closed and gain over the simple rule, with draws and accounts drawn again."""
    rng = np.random.default_rng(20260101)
    n_draws, n = gains.shape
    told, over = np.zeros(RESAMPLED), np.zeros(RESAMPLED)
    for turn in range(RESAMPLED):
        rows = rng.integers(0, n, n)
        mean = gains[rng.integers(0, n_draws, n_draws)].mean(axis=0)[rows]
        told[turn] = _gap(mean, random[rows], oracle[rows])
        over[turn] = float((mean - simple[rows]).mean())
    return told, over


def _harsh(judged: Judged) -> float:
    return float(np.isin(judged.chosen, [CONTACT_CHANNELS.index(channel) for channel in HARSH]).mean())


def _complaints(judged: Judged, days: list[TestDay]) -> float:
    seen = np.concatenate([day.complaints for day in days])
    return float(
        np.where(judged.chosen == NOBODY, 0.0, seen[np.arange(len(seen)), np.maximum(judged.chosen, 0)]).mean()
    )


def report(rows: Sequence[Row]) -> str:
    """The curve, the level and the contacts as Markdown tables."""
    return "\n".join([*_curve(rows), "", *_level(rows), "", *_contacts(rows)]) + "\n"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + " --- |" * len(names)
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _curve(rows: Sequence[Row]) -> Iterator[str]:
    names = ("world", "logged decisions", "draws", "gap closed", "95 %", "sd of draws", "best simple rule closes")
    more = ("more than it, per account", "95 %", "left alone", "draws that use policy rows")
    cells = (
        (
            f"`{row.world}`",
            f"{row.size:,}",
            str(row.draws),
            f"{row.gap:.2f}",
            f"{row.gap_low:.2f} to {row.gap_high:.2f}",
            f"{row.gap_spread:.2f}" if row.draws > 1 else "–",
            f"{row.simple_gap:.2f} ({row.simple})",
            f"{row.over_simple:+.1f}",
            f"{row.over_simple_low:+.1f} to {row.over_simple_high:+.1f}",
            f"{row.idle_share:.1%}",
            f"{row.uses_policy_rows:.0%}" if row.size else "–",
        )
        for row in rows
    )
    return _table((*names, *more), cells)


def _level(rows: Sequence[Row]) -> Iterator[str]:
    buckets = sorted({name for row in rows for name in row.levels if name.startswith("cash ")})
    cells = (
        (
            f"`{row.world}`",
            f"{row.size:,}",
            f"{row.levels['rank']:.3f}",
            f"{row.levels['cash']:.3f}",
            *(f"{row.levels[name]:.2f}" if name in row.levels else "–" for name in buckets),
        )
        for row in rows
    )
    names = ("world", "logged decisions", "rank of w_none over the ceiling's", "expected over true cash, no contact")
    return _table((*names, *(name.removeprefix("cash ") for name in buckets)), cells)


def _contacts(rows: Sequence[Row]) -> Iterator[str]:
    cells = (
        (
            f"`{row.world}`",
            f"{row.size:,}",
            f"{row.random:.1f}",
            f"{row.value:.1f}",
            f"{row.oracle:.1f}",
            f"{row.harsh_share:.1%}",
            f"{row.harsh_logged:.1%}",
            f"{row.complaints:.2f}",
        )
        for row in rows
    )
    money = ("random, per account", "plan", "feature oracle")
    return _table(
        ("world", "logged decisions", *money, "harsh contacts", "harsh in the log", "complaints per 1,000"), cells
    )
