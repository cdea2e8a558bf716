"""Terms of a repayment plan, sized by the payable amount interval: deferral, instalments up to 60 months, waiver of interest.

The lower end of what is payable in a month is asked first, since a plan that is kept is worth more than a steep one. Where that takes too
long the instalment rises to the middle, and only then part of a year's interest is waived, with its cost stated. What still does not
fit is beyond the customer's means: a person decides. Every offer needs a person's approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.house_numbers import HouseNumbers, house_numbers

NO_OFFER: Final = "none"
DEFERRAL: Final = "deferral"
INSTALMENTS: Final = "instalments"
INSTALMENTS_WITH_WAIVER: Final = "instalments_with_waiver"
BEYOND_MEANS: Final = "beyond_means"
OFFERS: Final = (DEFERRAL, INSTALMENTS, INSTALMENTS_WITH_WAIVER)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Means:
    """What terms are made from, one value per account, minor units.

    Attributes
    ----------
    debt_cents : array
        The whole balance.
    cure_cents : array
        What brings the account up to date.
    payable_low_cents, payable_mid_cents, payable_high_cents : array
        What can be paid within a month, if a payment is made.
    interest_cents_365d : array
        Interest and fees of a year: the most that could be waived.
    is_passing : array of bool
        A passing difficulty is on file (illness, loss of work, disaster, hardship).
    token_cents : array
        The smallest payment that counts.
    """

    debt_cents: Ints
    cure_cents: Ints
    payable_low_cents: Ints
    payable_mid_cents: Ints
    payable_high_cents: Ints
    interest_cents_365d: Ints
    is_passing: npt.NDArray[np.bool_]
    token_cents: Ints


def plan_terms(means: Means, numbers: HouseNumbers | None = None) -> pd.DataFrame:
    """Terms for every account, whether or not one is to be offered.

    Returns
    -------
    DataFrame, one row per account
        ``kind``; ``debt_cents`` that the plan settles (the cure amount for a deferral); ``n_instalments`` (1 to 60; 0 without an offer);
        ``instalment_cents`` and ``last_instalment_cents``; ``deferral_months``; ``waiver_cents``; ``cost_cents``: waiver and waiting.
        Instalments and waiver always add up to ``debt_cents``.

    Examples
    --------
    >>> one = {name: np.array([cents]) for name, cents in {"debt_cents": 1_000_000, "cure_cents": 200_000, "payable_low_cents": 40_000,
    ...        "payable_mid_cents": 80_000, "payable_high_cents": 120_000, "interest_cents_365d": 90_000, "token_cents": 5_000}.items()}
    >>> terms = plan_terms(Means(**one, is_passing=np.array([False])))
    >>> terms[["kind", "n_instalments", "instalment_cents", "last_instalment_cents"]].values.tolist()
    [['instalments', 25, 40000, 40000]]
    >>> poor = one | {"payable_low_cents": np.array([0]), "payable_mid_cents": np.array([6_000])}
    >>> plan_terms(Means(**poor, is_passing=np.array([False])))["kind"].tolist()
    ['beyond_means']
    """
    numbers = numbers or house_numbers("plan_terms")
    most, preferred = numbers.whole("most_instalments"), numbers.whole("preferred_instalments")
    smallest = np.ceil(means.token_cents * numbers["smallest_instalment_share_of_token"]).astype(np.int64)
    low, mid = np.maximum(means.payable_low_cents, smallest), np.maximum(means.payable_mid_cents, smallest)
    affordable_low = means.payable_low_cents >= smallest
    wanted = np.where(affordable_low, np.clip(_ceil(means.debt_cents, preferred), low, mid), mid)
    can_pay = means.payable_mid_cents >= smallest
    waiver_most = np.floor(means.interest_cents_365d * numbers["most_waiver_share_of_interest"]).astype(np.int64)
    missing = np.maximum(means.debt_cents - wanted * most, 0)
    deferral_months = _ceil(means.cure_cents, np.maximum(means.payable_mid_cents, 1))
    kind = np.select(
        [
            means.debt_cents <= 0,
            means.is_passing & can_pay & (deferral_months <= numbers.whole("most_deferral_months")),
            ~can_pay,
            missing == 0,
            missing <= np.minimum(waiver_most, means.debt_cents),
        ],
        [NO_OFFER, DEFERRAL, BEYOND_MEANS, INSTALMENTS, INSTALMENTS_WITH_WAIVER],
        BEYOND_MEANS,
    )
    is_offer, deferred = np.isin(kind, OFFERS), kind == DEFERRAL
    debt = np.where(deferred, means.cure_cents, means.debt_cents)
    waiver = np.where(kind == INSTALMENTS_WITH_WAIVER, missing, 0)
    asked = debt - waiver
    instalment = np.where(deferred, asked, np.minimum(wanted, np.maximum(asked, 1)))
    n = np.where(deferred, 1, _ceil(asked, np.maximum(instalment, 1)))
    last = asked - instalment * (n - 1)
    months = np.where(deferred, deferral_months, (n + 1) / 2)
    waiting = np.round(asked * numbers["funding_rate_yearly"] / 12 * months).astype(np.int64)
    amounts = {
        "debt_cents": debt,
        "n_instalments": n,
        "instalment_cents": instalment,
        "last_instalment_cents": last,
        "deferral_months": np.where(deferred, deferral_months, 0),
        "waiver_cents": waiver,
        "cost_cents": waiver + waiting,
    }
    return pd.DataFrame(
        {
            "kind": kind.astype(object),
            **{name: np.where(is_offer, a, 0).astype(np.int64) for name, a in amounts.items()},
        }
    )


def _ceil(amount: Ints, parts: Ints | int) -> Ints:
    return np.asarray(-(-amount // parts), dtype=np.int64)
