"""Money that came in, for the customers whose inflows are visible. No row means not observed, never zero."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup

_INCOME = ReasonGroup.INCOME_EVIDENCE
_SOURCE = "inflows"

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    Feature("inflow_months_seen_180d", "months with visible inflows, 180 days", "count", 0, None, _INCOME, _SOURCE),
    Feature("mean_inflow_cents_90d", "mean monthly inflow, 90 days", "cents", 0, None, _INCOME, _SOURCE),
    Feature("inflow_trend_90d", "mean monthly inflow of 90 days over the 180 days before", "ratio", 0, None, _INCOME, _SOURCE),
    Feature("inflow_to_cure_ratio", "mean monthly inflow of 90 days over the amount that would cure", "ratio", 0, None, _INCOME, "inflows, statements, payments"),
    Feature("spare_inflow_cents_90d", "mean monthly inflow less essential spending, 90 days", "cents", None, None, _INCOME, _SOURCE),
    Feature("spare_to_cure_ratio", "the same over the amount that would cure", "ratio", None, None, _INCOME, "inflows, statements, payments"),
)
# fmt: on


def inflows(known_inflows: Any, as_of: Any) -> Any:
    """Visible inflows, one row per customer with any.

    Parameters
    ----------
    known_inflows : table, one row per customer month known on ``as_of``
        A month's inflow is known when the month is over.
    as_of : date scalar

    Returns
    -------
    table, one row per customer
        ``customer_id`` and this family's columns that need no account.
    """
    seen = known_inflows.mutate(age_days=as_of.delta(known_inflows.month_on, unit="day"))
    quarter = seen.age_days < 123  # three whole months: the running month is not known yet
    half = seen.age_days < 215
    before = (seen.age_days >= 123) & (seen.age_days < 306)
    spare = seen.inflow_cents - seen.essential_spend_cents
    months = seen.count(where=quarter).nullif(0)
    return seen.group_by("customer_id").agg(
        inflow_months_seen_180d=seen.count(where=half),
        mean_inflow_cents_90d=seen.inflow_cents.sum(where=quarter) / months,
        inflow_trend_90d=seen.inflow_cents.sum(where=quarter)
        * seen.count(where=before)
        / (seen.inflow_cents.sum(where=before) * months).nullif(0),
        spare_inflow_cents_90d=spare.sum(where=quarter) / spare.count(where=quarter).nullif(0),
    )
