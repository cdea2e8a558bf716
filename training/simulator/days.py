"""The calendar of a simulation: which dates are simulated and what is special about each.

The portfolio ends on a fixed day and reaches back by whole months, so that nothing depends on a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from training.simulator.parameters import Parameters

EXTRACT_ON: Final = date(2026, 9, 30)
"""The last simulated day: what is not known by its end is not in the tables."""

SPRING_FESTIVALS: Final = tuple(
    date.fromisoformat(day)
    for day in ("2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06")
)
"""First days of the lunar year."""


@dataclass(frozen=True)
class Day:
    """One simulated day with what acts on everybody.

    ``number`` counts from 0; ``job_loss`` holds the factor on the hazard of job loss outside and inside the shocked
    region.
    """

    number: int
    on: date
    is_festive: bool
    is_bonus_month: bool
    income: float
    job_loss: tuple[float, float]
    shocked_region: int
    memory: float
    answer: float


def first_day(months: int, extract_on: date = EXTRACT_ON) -> date:
    """The first day of a simulation of so many months.

    Examples
    --------
    >>> first_day(24)
    datetime.date(2024, 10, 1)
    """
    count = extract_on.year * 12 + extract_on.month - months
    return date(count // 12, count % 12 + 1, 1)


def calendar(parameters: Parameters, months: int, extract_on: date = EXTRACT_ON) -> list[Day]:
    """Every simulated day, in order.

    Examples
    --------
    >>> from training.simulator.parameters import parameters_of
    >>> days = calendar(parameters_of("base"), months=24)
    >>> len(days), days[-1].on
    (730, datetime.date(2026, 9, 30))
    """
    first = first_day(months, extract_on)
    return [
        _day(number, first + timedelta(days=number), first, extract_on, parameters)
        for number in range((extract_on - first).days + 1)
    ]


def _day(number: int, on: date, first: date, extract_on: date, parameters: Parameters) -> Day:
    to_festival = min(((festival - on).days for festival in SPRING_FESTIVALS if (festival - on).days >= -7), default=99)
    change = parameters.table("regime_change")
    is_changed = (extract_on - on).days < 30.4 * change["months_before_end"]
    shock = parameters.table("regional_shock")
    month = (on.year - first.year) * 12 + on.month - first.month
    is_shocked = shock["from_month"] <= month < shock["from_month"] + shock["months"]
    job_loss = change["job_loss_factor"] if is_changed else 1.0
    return Day(
        number=number,
        on=on,
        is_festive=to_festival <= 14,
        is_bonus_month=0 < to_festival <= 31,
        income=change["income"] if is_changed else 1.0,
        job_loss=(job_loss, job_loss * (shock["job_loss_factor"] if is_shocked else 1.0)),
        shocked_region=int(shock["region"]),
        memory=change["memory"] if is_changed else 1.0,
        answer=change["answer"] if is_changed else 1.0,
    )
