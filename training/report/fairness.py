"""Fairness of help and of pressure by protected group, with intervals, after adjusting for days past due and amount.

Collections hands out two sorts of thing: *help* (a plan is offered, a hold is granted) and *pressure* (a call, a letter, a visit,
legal review). Both are looked at, and so are the scores themselves. The protected table is read here and
nowhere else in training; it is never joined to features. A group of fewer than 100 accounts is not reported. What is judged is what the
models and the default strategy would do at the stated places, before the contact policy: what was really done is monitored on the
ledger.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.portfolio.reading import Portfolio
from training.report.resampling import Floats, customer_weights, interval, weighted_mean

LIMITS: Final = Path(__file__).parent / "fairness.toml"
AGE_BANDS: Final = ((0, 29, "under 30"), (30, 44, "30 to 44"), (45, 61, "45 to 61"), (62, 200, "62 and over"))
"""62 is where Regulation B begins to protect age (12 CFR 1002.2(o))."""
HELP: Final = ("plan_offer", "grace_hold")
PRESSURE: Final = ("agent_call", "ai_voice", "letter", "field_visit", "legal_referral")
REPLICATES: Final = 200
NOT_CHECKED: Final = "The portfolio has no `protected` table, so fairness by protected group was not checked."


@lru_cache(maxsize=1)
def limits() -> dict[str, float]:
    """The limits in force, by name.

    >>> limits()["smallest_group"]
    100
    """
    raw = tomllib.loads(LIMITS.read_text(encoding="utf-8"))
    return {name: entry["values"][-1]["value"] for name, entry in raw.items() if isinstance(entry, dict)}


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of one group against the reference group, with its 95 % interval and what it says: fine, watch or alarm."""

    attribute: str
    group: str
    reference: str
    n: int
    measure: str
    rate: float
    reference_rate: float
    value: float
    low: float
    high: float
    verdict: str


def protected_groups(portfolio: Portfolio, customers: pd.Series, as_of: date) -> pd.DataFrame:
    """Protected attributes of the customers of some accounts, in their order; age in bands.

    Returns
    -------
    DataFrame
        A column per attribute that the portfolio has; None where unknown. No columns where the table is not observed.
    """
    if "protected" not in portfolio.observed:
        return pd.DataFrame(index=customers.index)
    held = portfolio.connection.execute("SELECT * FROM protected").df().set_index("customer_id")
    own = held[~held.index.duplicated()].reindex(customers.to_numpy()).reset_index(drop=True)
    found = pd.DataFrame(index=pd.RangeIndex(len(customers)))
    for name in own.columns:
        if name == "known_at" or own[name].isna().all():
            continue
        values = age_bands(as_of.year - own[name]) if name == "birth_year" else own[name].astype("object")
        found["age" if name == "birth_year" else name] = values.where(own[name].notna().to_numpy(), None)
    if {"sex", "age"} <= set(found.columns):
        both = found["sex"].notna() & found["age"].notna()
        found["sex x age"] = (found["sex"].astype(str) + ", " + found["age"].astype(str)).where(both, None)
    return found


def age_bands(age: pd.Series) -> pd.Series:
    """Age in years to bands.

    >>> age_bands(pd.Series([29, 30, 62])).tolist()
    ['under 30', '30 to 44', '62 and over']
    """
    found = pd.Series([None] * len(age), index=age.index, dtype="object")
    for first, last, name in AGE_BANDS:
        found[((age >= first) & (age <= last)).to_numpy(dtype=bool, na_value=False)] = name
    return found


def strata_of(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Bucket by third of the amount: accounts of one stratum have the same business reason to be treated alike."""
    thirds = pd.qcut(table["cure_amount_cents"].rank(method="first"), 3, labels=False)
    buckets = pd.factorize(table["bucket"])[0]
    return np.asarray(buckets * 3 + thirds.to_numpy(), dtype=np.int64)


def fairness(table: pd.DataFrame, groups: pd.DataFrame, *, seed: int) -> list[Compared]:
    """Every measure for every group that is large enough, against the largest group of its attribute.

    Parameters
    ----------
    table : DataFrame
        The test day's queue: ``customer_id``, ``bucket``, ``cure_amount_cents``, ``w_logged``, ``ability``, ``willingness`` (what
        happened), ``treatment`` and ``channel`` as a plan would choose them, ``is_held_out``. Help, pressure and scores are compared on
        everybody; what needs outcomes only on customers never trained on.
    groups : DataFrame
        As `protected_groups` gives them, in the same order.
    """
    found: list[Compared] = []
    strata = strata_of(table) if len(table) else np.empty(0, dtype=np.int64)
    for attribute in groups.columns:
        column = groups[attribute].to_numpy(dtype=object)
        sizes = pd.Series(column).value_counts()
        sizes = sizes[sizes >= limits()["smallest_group"]]
        if len(sizes) < 2:
            continue
        kept = np.isin(column, list(sizes.index))
        rows, own, cells = table[kept].reset_index(drop=True), column[kept], strata[kept]
        weights = customer_weights(rows["customer_id"], seed=seed, replicates=REPLICATES)
        found += _compared(attribute, rows, own, cells, weights, [str(name) for name in sizes.index])
    return found


def _compared(
    attribute: str,
    rows: pd.DataFrame,
    groups: npt.NDArray[np.object_],
    strata: npt.NDArray[np.int64],
    weights: Floats,
    by_size: list[str],
) -> list[Compared]:
    reference = by_size[0]
    draws = np.vstack([np.ones(len(rows)), weights])  # the first row is the figure, the others its spread
    found = []
    for group in by_size[1:]:
        own, other = ((groups == name).astype(np.float64) for name in (group, reference))
        for measure, (rate, reference_rate, value) in _measures(
            rows, draws * own, draws * other, draws, strata
        ).items():
            bounds = interval(value[1:])
            if bounds is None or not np.isfinite(value[0]):
                continue
            figures = float(rate[0]), float(reference_rate[0]), float(value[0]), *bounds
            verdict = verdict_of(measure, bounds)
            found.append(Compared(attribute, group, reference, int(own.sum()), measure, *figures, verdict))
    return found


def _measures(
    rows: pd.DataFrame, own: Floats, other: Floats, everybody: Floats, strata: npt.NDArray[np.int64]
) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Each measure as (rate of the group, rate of the reference, value), one entry per draw."""
    willing, score = (rows[name].to_numpy(dtype=np.float64) for name in ("willingness", "w_logged"))
    unseen = rows["is_held_out"].to_numpy().astype(np.float64)
    found = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for measure, column, named in (("help_ratio", "treatment", HELP), ("pressure_ratio", "channel", PRESSURE)):
            given = rows[column].isin(named).to_numpy().astype(np.float64)
            rate, reference = _standardised(given, own, other, everybody, strata)
            found[measure] = (rate, reference, rate / reference)
        for name in ("w_logged", "ability"):
            values = rows[name].to_numpy(dtype=np.float64)
            mean, reference = weighted_mean(values, own), weighted_mean(values, other)
            found[f"{name}_standardised_difference"] = (mean, reference, (mean - reference) / values.std())
        above = (score >= np.median(score)).astype(np.float64)
        payers = unseen * willing
        rate, reference = weighted_mean(above, own * payers), weighted_mean(above, other * payers)
        found["equal_opportunity_difference"] = (rate, reference, rate - reference)
        gap, reference = (weighted_mean(willing - score, side * unseen) for side in (own, other))
        found["willingness_calibration_gap"] = (gap, reference, gap)
    return found


def _standardised(
    given: Floats, own: Floats, other: Floats, everybody: Floats, strata: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Rates of two groups if both were spread over the strata as everybody is; strata that lack one of them are left out."""
    indicator = (strata[:, None] == np.unique(strata)[None, :]).astype(np.float64)
    sizes = own @ indicator, other @ indicator
    share = np.where((sizes[0] > 0) & (sizes[1] > 0), everybody @ indicator, 0.0)
    rates = [((side * given) @ indicator) / size for side, size in zip((own, other), sizes, strict=True)]
    one, two = (np.where(share > 0, rate * share, 0.0).sum(axis=1) / share.sum(axis=1) for rate in rates)
    return np.asarray(one), np.asarray(two)


def verdict_of(measure: str, bounds: tuple[float, float]) -> str:
    """What an interval says against the limits: ``alarm`` and ``watch`` only where the whole interval lies beyond the limit.

    Examples
    --------
    >>> verdict_of("help_ratio", (0.5, 0.7)), verdict_of("help_ratio", (0.7, 1.0)), verdict_of("pressure_ratio", (1.3, 1.5))
    ('alarm', 'fine', 'alarm')
    >>> verdict_of("willingness_calibration_gap", (0.01, 0.05))
    'watch'
    """
    low, high = bounds
    at = limits()
    if measure == "help_ratio":
        return "alarm" if high < at["impact_ratio_alarm"] else "watch" if high < at["impact_ratio_watch"] else "fine"
    if measure == "pressure_ratio":
        return (
            "alarm"
            if low > at["contact_intensity_watch"]
            else "watch"
            if low > 1 / at["impact_ratio_watch"]
            else "fine"
        )
    if measure == "willingness_calibration_gap":
        return "watch" if low > 0 or high < 0 else "fine"
    limit = at[
        "equal_opportunity_watch" if measure == "equal_opportunity_difference" else "standardised_difference_watch"
    ]
    return "watch" if low > limit or high < -limit else "fine"


def as_facts(found: list[Compared], groups: pd.DataFrame, *, places: Mapping[str, int | None]) -> dict[str, Any]:
    """The result as JSON values; says ``not checked`` where there was nothing to check by."""
    if groups.columns.empty:
        return {"checked": False, "why": NOT_CHECKED, "rows": []}
    smallest = limits()["smallest_group"]
    left_out = [
        f"{attribute} {name}"
        for attribute in groups.columns
        for name, n in groups[attribute].value_counts().items()
        if n < smallest
    ]
    return {
        "checked": bool(found),
        "why": ""
        if found
        else f"No attribute has two groups of at least {smallest} accounts, so nothing was compared.",
        "rows": [asdict(one) for one in found],
        "left_out": left_out,
        "places": dict(places),
    }
