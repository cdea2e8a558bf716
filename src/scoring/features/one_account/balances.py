"""How large the debt is and how it moved: `scoring.features.balances` for one account."""

from __future__ import annotations

from typing import Any

from scoring.features.one_account.history import Features, History, ratio


def balances(history: History, position: dict[str, Any]) -> Features:
    """Balances against the limit and against what would cure.

    Parameters
    ----------
    history : History
    position : dict
        As `scoring.features.one_account.history.position` gives it.

    Returns
    -------
    dict of feature name to value
        Ratios over a limit of 0 are absent.

    Examples
    --------
    >>> from scoring.features.one_account.history import Cycle
    >>> cycle = Cycle(27, 7, 120_000, 12_000, None, None, None, None)
    >>> standing = {"cure_amount_cents": 6_000, "balance_cents": 120_000, "last_minimum_due_cents": 12_000}
    >>> found = balances(History([cycle], [], 480_000, 400), standing)
    >>> found["utilisation"], found["cure_to_minimum_ratio"], found["balance_cents_1_cycle_ago"]
    (0.25, 0.5, None)
    """
    limit, cure, minimum = (
        history.credit_limit_cents,
        position["cure_amount_cents"],
        position["last_minimum_due_cents"],
    )
    at = [*(cycle.balance_cents for cycle in history.cycles[:4]), None, None, None]
    half = [cycle.balance_cents for cycle in history.within(180)]
    year = [cycle.balance_cents for cycle in history.within(365)]
    return {
        "balance_cents": at[0],
        "balance_cents_1_cycle_ago": at[1],
        "balance_cents_2_cycles_ago": at[2],
        "credit_limit_cents": limit,
        "utilisation": ratio(at[0], limit),
        "utilisation_1_cycle_ago": ratio(at[1], limit),
        "utilisation_change_90d": None if at[3] is None or at[0] is None else ratio(at[0] - at[3], limit),
        "mean_utilisation_180d": ratio(sum(half), limit * len(half)) if half else None,
        "highest_utilisation_365d": ratio(max(year, default=None), limit),
        "over_limit_cycles_365d": sum(balance > limit for balance in year),
        "balance_trend_90d": ratio(at[0], max(at[3] or 0, 0)),
        "cure_amount_cents": cure,
        "cure_to_limit_ratio": ratio(cure, limit),
        "cure_to_balance_ratio": ratio(cure, max(position["balance_cents"], 0)),
        "cure_to_minimum_ratio": ratio(cure, minimum),
        "last_minimum_due_cents": minimum,
    }
