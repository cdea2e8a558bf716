"""Money that came in: `scoring.features.inflows` for one account."""

from __future__ import annotations

from typing import Any

from scoring.features.one_account.history import Features, ratio, total
from scoring.features.one_account.known import since
from scoring.portfolio.clean_rows import Columns


def inflows(known: Columns | None, position: dict[str, Any], as_of: int) -> Features:
    """Visible inflows of the account's customer; no row means not observed, never zero.

    Parameters
    ----------
    known : columns or None
        Inflows known on the as-of day; None where the table was not observed.
    position : dict
        As `scoring.features.one_account.history.position` gives it.
    as_of : int
        Ordinal of the day.

    Examples
    --------
    >>> from datetime import date
    >>> months = {"month_on": [date(2025, 2, 1)], "inflow_cents": [250_000], "essential_spend_cents": [None]}
    >>> found = inflows(months, {"cure_amount_cents": 10_000}, date(2025, 3, 31).toordinal())
    >>> found["inflow_to_cure_ratio"], found["spare_inflow_cents_90d"]
    (25.0, None)
    """
    columns = () if known is None else (known["month_on"], known["inflow_cents"], known["essential_spend_cents"])
    months = [(since(month_on, as_of), came_in, spent) for month_on, came_in, spent in zip(*columns, strict=True)]
    quarter = [(came_in, spent) for age, came_in, spent in months if age < 123]
    before = [came_in for age, came_in, _ in months if 123 <= age < 306]
    income = total(came_in for came_in, _ in quarter)
    spare = [came_in - spent for came_in, spent in quarter if spent is not None]
    mean, mean_spare = ratio(income, len(quarter)), ratio(sum(spare), len(spare))
    cure = position["cure_amount_cents"]
    return {
        "inflow_months_seen_180d": sum(age < 215 for age, _, _ in months) if months else None,
        "mean_inflow_cents_90d": mean,
        "inflow_trend_90d": None if income is None else ratio(income * len(before), sum(before) * len(quarter)),
        "inflow_to_cure_ratio": ratio(mean, cure),
        "spare_inflow_cents_90d": mean_spare,
        "spare_to_cure_ratio": ratio(mean_spare, cure),
    }
