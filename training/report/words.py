"""Markdown of figures: numbers with their intervals, and tables that a person can read in a diff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

NAMES: Final = {
    "n": "accounts",
    "willing_share": "share with a token payment",
    "willingness_auc": "willingness, AUC",
    "willingness_brier": "willingness, Brier",
    "willingness_log_loss": "willingness, log loss",
    "ability_n": "payers",
    "ability_r2": "ability, R2",
    "full_payment_auc": "full payment, AUC (payers)",
    "payable_coverage": "payable interval, coverage",
    "cash_ratio": "expected over realised cash",
    "score_correlation": "correlation of the two scores",
    "money_top30": "money in the top 30 %",
    "money_top30_expected": "money in the top 30 % by w x A x D",
    "money_top30_balance": "money in the top 30 % by balance",
    "money_top30_willingness": "money in the top 30 % by P alone",
    "money_top30_dpd": "money in the top 30 % by days past due",
    "money_top30_p_x_balance": "money in the top 30 % by P x balance",
    "money_top30_p_1_p_ad": "money in the top 30 % by P(1-P) x A x D",
    "in_the_large": "seen less predicted",
}


FEWEST: Final = 30


def number(value: Any, digits: int = 3) -> str:
    """A number for a table: counts whole with separators, the rest rounded, a dash where there is none.

    >>> number(12345.0), number(0.81234), number(None), number(12, 3)
    ('12,345', '0.812', '–', '12')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 2):
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def spread(pair: Sequence[float] | None, digits: int = 3) -> str:
    """An interval.

    >>> spread((0.1, 0.25), 2), spread(None)
    ('0.10 to 0.25', '–')
    """
    return "–" if pair is None else f"{pair[0]:.{digits}f} to {pair[1]:.{digits}f}"


def named(figure: str) -> str:
    """A figure in words.

    >>> named("cash_ratio")
    'expected over realised cash'
    """
    return NAMES.get(figure, figure.replace("_", " "))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "Nothing to show.") -> list[str]:
    """A Markdown table, or one sentence where there are no rows.

    >>> table(["a", "b"], [["x", 1]])
    ['| a | b |', '| --- | --- |', '| x | 1 |', '']
    >>> table(["a"], [])
    ['Nothing to show.', '']
    """
    if not rows:
        return [empty, ""]
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return [*lines, ""]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def figures_table(figures: Mapping[str, float], intervals: Mapping[str, Sequence[float]]) -> list[str]:
    """Figures of one population with their intervals."""
    rows = [[named(name), number(value), spread(intervals.get(name))] for name, value in figures.items()]
    return table(["figure", "value", "95 % interval"], rows)


def groups_table(
    figures: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Mapping[str, Any]], group: str
) -> list[str]:
    """The main figures, one row per group, each with its interval; a group of fewer than 30 accounts shows its size alone."""
    shown = ("willingness_auc", "ability_r2", "cash_ratio", "payable_coverage")
    rows = []
    for name, own in figures.items():
        if own.get("n", 0) < FEWEST:
            rows.append([name, number(own.get("n")), *("–" for _ in range(len(shown) + 1))])
            continue
        bounds = intervals.get(name, {})
        cells = [
            f"{number(own.get(f))} ({spread(bounds.get(f))})" if f in own and f in bounds else number(own.get(f))
            for f in shown
        ]
        rows.append([name, number(own.get("n")), number(own.get("willing_share")), *cells])
    return table([group, "accounts", "token payment", *(named(f) for f in shown)], rows)


def differences_table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Paired differences: population or rule, figure, ours, the rival's, difference with its interval, and who is better."""
    words = {1.0: "ours", -1.0: "the rival", 0.0: "not told apart"}
    rows = [
        [
            name,
            named(figure),
            number(told["ours"]),
            number(told["rival"]),
            f"{told['difference']:+.3f}",
            f"{told['low']:+.3f} to {told['high']:+.3f}",
            words[told["better"]],
        ]
        for name, figures in found.items()
        for figure, told in figures.items()
    ]
    return table(["", "figure", "ours", "rival", "difference", "95 % interval", "better"], rows)
