"""How far behind, how often, how lately: `scoring.features.arrears` for one account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scoring.features.one_account.history import Features, History, ratio, streak


def arrears(history: History, position: dict[str, Any]) -> Features:
    """Delinquency history of an account.

    Parameters
    ----------
    history : History
    position : dict
        As `scoring.features.one_account.history.position` gives it.

    Returns
    -------
    dict of feature name to value
        A statement whose status is unknown is left out of shares and ends a streak: unknown is not current, nor past due.

    Examples
    --------
    >>> from scoring.features.one_account.history import Cycle
    >>> cycle = Cycle(27, 7, 120_000, 12_000, None, None, None, None, dpd=0)
    >>> standing = {"dpd": 7, "n_unpaid_minimums": 1, "past_due_cents": 12_000}
    >>> found = arrears(History([cycle], [], 500_000, 400), standing)
    >>> found["days_since_due"], found["past_due_share_365d"], found["dpd_1_cycle_ago"]
    (7, 0.0, None)
    """
    cycles = history.cycles
    dpds = [cycle.dpd for cycle in cycles]
    before = [*dpds[1:], None]
    quarter, half, year = (len(history.within(days)) for days in (90, 180, 365))
    known = [dpd for dpd in dpds[:year] if dpd is not None]
    past_due = sum(dpd > 0 for dpd in known)
    found: Features = {name: position[name] for name in ("dpd", "n_unpaid_minimums", "past_due_cents")}
    return found | {
        "days_since_due": cycles[0].due_age_days,
        "account_age_days": history.account_age_days,
        **{name: dpds[n] if n < len(dpds) else None for n, name in enumerate(_AT_STATEMENTS)},
        "worst_dpd_90d": _worst(dpds[:quarter]),
        "worst_dpd_180d": _worst(dpds[:half]),
        "worst_dpd_365d": _worst(known),
        "past_due_cycles_180d": sum(dpd is not None and dpd > 0 for dpd in dpds[:half]),
        "past_due_cycles_365d": past_due,
        "past_due_share_365d": ratio(past_due, len(known)),
        "past_due_streak_cycles": streak(dpd is not None and dpd > 0 for dpd in dpds),
        "straight_roll_cycles": streak(
            dpd is not None and earlier is not None and dpd >= earlier + 25
            for dpd, earlier in zip(dpds, before, strict=True)
        ),
        "days_since_current_statement": next((cycle.age_days for cycle in cycles if cycle.dpd == 0), None),
        "cures_365d": sum(
            dpd == 0 and earlier is not None and earlier > 0
            for dpd, earlier in zip(dpds[:year], before[:year], strict=True)
        ),
        "n_statements_365d": year,
    }


_AT_STATEMENTS = ("dpd_at_last_statement", "dpd_1_cycle_ago", "dpd_2_cycles_ago")


def _worst(dpds: Sequence[int | None]) -> int | None:
    return max((dpd for dpd in dpds if dpd is not None), default=None)
