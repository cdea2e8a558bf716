"""What a feature is: a name with its meaning, unit, range, reason group and source.

Why all of it: a reason shown to a person is a group with its strongest feature, a validator asks for the source, and the
data check asks for the range. A feature that cannot state these is not one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonGroup(StrEnum):
    """The business groups in which reasons are told: groups survive a retrain, single features do not."""

    LENGTH_OF_ARREARS = "length_of_arrears"
    PAYMENT_PATTERN = "payment_pattern"
    PAYMENT_SIZE = "payment_size"
    BALANCE_TO_LIMIT = "balance_to_limit"
    SPENDING = "spending"
    PROMISES = "promises"
    CONTACT_RESPONSE = "contact_response"
    INCOME_EVIDENCE = "income_evidence"
    ACCOUNT_HISTORY = "account_history"


@dataclass(frozen=True, slots=True)
class Feature:
    """One model input.

    Parameters
    ----------
    name : str
        Column, function vocabulary and test share it; unit or window last.
    meaning : str
        What was seen, in words a compliance officer can read; never a motive.
    unit : str
        ``days``, ``cents``, ``count``, ``share`` (0 to 1) or ``ratio`` (0 and more, or signed where stated).
    low, high : float or None
        Closed range; ``None`` where the trade sets no bound.
    group : ReasonGroup
        Where its contribution is told.
    source : str
        The event tables it is computed from.

    Examples
    --------
    >>> Feature("dpd", "days past due", "days", 0, None, ReasonGroup.LENGTH_OF_ARREARS, "statements, payments").unit
    'days'
    """

    name: str
    meaning: str
    unit: str
    low: float | None
    high: float | None
    group: ReasonGroup
    source: str
