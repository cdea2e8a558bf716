"""Reasons of a few accounts as plain values: what `scoring.ledger.decision_record.reasons` gives, without building its columns.

Those columns are made for a hundred thousand records at a time; for one account they cost more than its scores.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.features.registry import FEATURE_NAMES, FEATURES
from scoring.ledger.decision_record import MOST_REASONS, SMALLEST_REASON_SHARE
from scoring.scores.compiled import compiled

GROUPS: Final = tuple(dict.fromkeys(str(feature.group) for feature in FEATURES))
_GROUP_OF: Final = np.array([GROUPS.index(str(feature.group)) for feature in FEATURES], dtype=np.int64)
_GROUP_NAMES: Final = tuple(str(feature.group) for feature in FEATURES)
_WHOLE: Final = 2.0**24
"""Whole numbers below this are themselves the shortest text of their float32."""

Floats = npt.NDArray[np.float64]


def few_reasons(parts: Floats, values: npt.NDArray[np.float32]) -> list[list[dict[str, Any]]]:
    """Up to four reasons per account: groups by the size of their contribution, each with its strongest feature and value.

    Parameters
    ----------
    parts : array (n, n_features + 1)
        Contributions in log-odds, expected margin last.
    values : array (n, n_features)

    Returns
    -------
    list of list of dict
        ``contribution``, ``feature``, ``group``, ``value`` (None: not on file).

    Examples
    --------
    >>> parts = np.zeros((1, len(FEATURE_NAMES) + 1))
    >>> parts[0, 0] = -0.5
    >>> [(one["contribution"], one["feature"], one["value"]) for one in few_reasons(parts, np.full((1, len(FEATURE_NAMES)), np.nan))[0]]
    [(-0.5, 'dpd', None)]
    """
    told = strongest_groups(parts, values)
    each = zip(
        told.is_told.tolist(),
        told.contributions.tolist(),
        told.features.tolist(),
        told.values.tolist(),
        strict=True,
    )
    return [
        [
            told_reason(size, feature, shortest(value))
            for is_told, size, feature, value in zip(*row, strict=True)
            if is_told
        ]
        for row in each
    ]


class Strongest(NamedTuple):
    """The largest groups of each account, the largest first: arrays (n_accounts, up to four)."""

    is_told: npt.NDArray[np.bool_]
    contributions: Floats
    features: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]


def strongest_groups(parts: Floats, values: npt.NDArray[np.float32]) -> Strongest:
    """The groups with the largest contributions, each with its strongest feature, that one's value, and whether it is worth telling.

    Parameters
    ----------
    parts, values
        As `few_reasons`.
    """
    by_group, strongest = np.empty((len(parts), len(GROUPS))), np.empty((len(parts), len(GROUPS)), dtype=np.int64)
    _by_group(np.ascontiguousarray(parts), _GROUP_OF, by_group, strongest)
    size = np.abs(by_group)
    rows = np.arange(len(parts))[:, None]
    order = np.argsort(-size, axis=1, kind="stable")[:, :MOST_REASONS]
    features = strongest[rows, order]
    is_told = size[rows, order] > SMALLEST_REASON_SHARE * size.sum(axis=1, keepdims=True)
    return Strongest(is_told, by_group[rows, order], features, values[rows, features])


def told_reason(contribution: float, feature: int, value: float | None) -> dict[str, Any]:
    """A reason as it is answered; the value as `shortest` gives it.

    >>> told_reason(-0.5, 0, 3.0)
    {'contribution': -0.5, 'feature': 'dpd', 'group': 'length_of_arrears', 'value': 3.0}
    """
    return {
        "contribution": contribution,
        "feature": FEATURE_NAMES[feature],
        "group": _GROUP_NAMES[feature],
        "value": value,
    }


def shortest(value: float) -> float | None:
    """A float32 as the double with its shortest decimal text; None where it is missing.

    >>> shortest(float(np.float32(0.1))), shortest(3.0), shortest(float("nan"))
    (0.1, 3.0, None)
    """
    if value != value:
        return None
    return value if value.is_integer() and abs(value) < _WHOLE else float(str(np.float32(value)))


def _sum_by_group(
    parts: Floats, group_of: npt.NDArray[np.int64], by_group: Floats, strongest: npt.NDArray[np.int64]
) -> None:
    """Fill the sum of each group, in the order of the features, and the column of its largest contribution."""
    largest = np.empty(by_group.shape[1])
    for r in range(parts.shape[0]):
        by_group[r, :] = 0.0
        largest[:] = -1.0
        for f in range(group_of.size):
            group, size = group_of[f], abs(parts[r, f])
            by_group[r, group] += parts[r, f]
            if size > largest[group]:
                largest[group], strongest[r, group] = size, f


_by_group = compiled(_sum_by_group, "void(float64[:,::1], int64[::1], float64[:,::1], int64[:,::1])")
