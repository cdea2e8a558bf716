"""Whether the history is enough to speak about the customer, and what is missing where it is not.

Ability has two witnesses: payments that were made, and income that is visible. Either will do, and a source that shows nobody's
inflows (most card files) still judges those who paid; with neither, *cannot pay* and *will not pay* look alike and nothing is
said. A new account or a short history is not enough whatever else is known. Each test can only fail more often when something is
taken away, so abstention rises as evidence is removed.

Between *enough* and *everything* a segment must be the surer the less there is to go by: `required_certainty` asks for 0.6 with a
year of statements, visible income and a conversation, and for more with every month or witness that is missing. A model that knows less is not
always less sure, so the bar has to rise; the same two probabilities never tell a segment with less evidence that they did not
tell with more.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from scoring.features.registry import FEATURE_NAMES
from scoring.vocabulary import Evidence

MINIMUM_ACCOUNT_AGE_DAYS: Final = 90
MINIMUM_STATEMENTS: Final = 2
MINIMUM_PAYMENTS: Final = 2
"""One payment in a year may be chance; two are a habit to go by."""

SEGMENT_THRESHOLD: Final = 0.6
"""A segment is never reported at or below this probability."""
STATEMENTS_OF_A_YEAR: Final = 12
CERTAINTY_FOR_A_STATEMENT: Final = 0.02
"""More certainty asked for each statement that a year's history lacks."""
CERTAINTY_FOR_A_WITNESS: Final = 0.05
"""More certainty asked where no income is visible, and again where nobody ever spoke with the customer: ability, or will, then rests on
payments alone."""

EVIDENCE_FEATURES: Final = (
    "account_age_days",
    "n_statements_365d",
    "inflow_months_seen_180d",
    "n_payments_365d",
    "n_payments_180d",
    "n_payments_90d",
    "days_since_conversation",
)
"""Payments are counted in the widest window that the history reaches: a window it does not reach is *not observed*, not empty."""
MISSING: Final = ("new_account", "short_history", "few_payments", "no_visible_inflow")
"""What can be missing, in the order in which it is told."""

_COLUMNS: Final = tuple(FEATURE_NAMES.index(name) for name in EVIDENCE_FEATURES)
_WITNESS: Final = EVIDENCE_FEATURES.index("days_since_conversation")
_TOLD: Final = np.array(
    [",".join(name for place, name in enumerate(MISSING) if code >> place & 1) for code in range(1 << len(MISSING))],
    dtype=object,
)
_ENOUGH: Final = np.array([not code & 0b0011 and code & 0b1100 != 0b1100 for code in range(1 << len(MISSING))])


def missing_evidence(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """What is missing for each account, as bits in the order of `MISSING`.

    Parameters
    ----------
    values : array (n_accounts, n_features)
        In the order of the registry; NaN, not observed, counts as missing.

    Examples
    --------
    >>> seen = np.full((1, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    >>> missing_evidence(seen).tolist()
    [15]
    """
    age, statements, inflows, *windows = (values[:, place] for place in _COLUMNS[:_WITNESS])
    payments = np.fmax.reduce(windows)
    return np.asarray(
        1 * ~(age >= MINIMUM_ACCOUNT_AGE_DAYS)
        + 2 * ~(statements >= MINIMUM_STATEMENTS)
        + 4 * ~(payments >= MINIMUM_PAYMENTS)
        + 8 * ~(inflows > 0),
        dtype=np.int64,
    )


def required_certainty(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The probability that a segment must exceed, by what is known of each account: 0.6 where everything is.

    Examples
    --------
    >>> seen = np.zeros((3, len(FEATURE_NAMES)), dtype=np.float32)
    >>> seen[:, FEATURE_NAMES.index("n_statements_365d")] = [12, 12, 4]
    >>> seen[:, FEATURE_NAMES.index("inflow_months_seen_180d")] = [6, np.nan, 0]
    >>> seen[:, FEATURE_NAMES.index("days_since_conversation")] = [90, 90, np.nan]
    >>> required_certainty(seen).round(2).tolist()
    [0.6, 0.65, 0.86]
    """
    statements, inflows, conversation = (values[:, _COLUMNS[place]].astype(np.float64) for place in (1, 2, _WITNESS))
    witnesses_lacking = ~(inflows > 0) + 1 * ~(conversation >= 0)
    lacking = STATEMENTS_OF_A_YEAR - np.fmin(np.fmax(statements, 0.0), STATEMENTS_OF_A_YEAR)
    return np.asarray(
        SEGMENT_THRESHOLD + CERTAINTY_FOR_A_STATEMENT * lacking + CERTAINTY_FOR_A_WITNESS * witnesses_lacking,
        dtype=np.float64,
    )


def is_enough(missing: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether what is left is enough: no new account, no short history, and payments or inflows to go by.

    Examples
    --------
    >>> is_enough(np.array([0b0000, 0b0100, 0b1000, 0b1100, 0b0001])).tolist()
    [True, True, True, False, False]
    """
    return np.asarray(_ENOUGH[missing], dtype=np.bool_)


def evidence_states(missing: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """``sufficient`` or ``insufficient_evidence`` for each account.

    >>> evidence_states(np.array([0, 15])).tolist()
    ['sufficient', 'insufficient_evidence']
    """
    return np.where(is_enough(missing), str(Evidence.SUFFICIENT), str(Evidence.INSUFFICIENT)).astype(object)


def told(missing: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """What is missing in words, separated by commas; empty where nothing is. Told also where the rest is enough.

    >>> told(np.array([0, 0b1100])).tolist()
    ['', 'few_payments,no_visible_inflow']
    """
    return np.asarray(_TOLD[missing], dtype=object)
