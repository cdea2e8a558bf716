"""Drift since the last training: the queue of then against the queue of now.

*Why*: the usual limits of the population stability index (0.1, 0.25) ignore sample size. Under no change the index is about
(1/n + 1/m) times a chi-square with bands - 1 degrees of freedom, which gives the value that chance exceeds once in a hundred.
A training keeps its own queue's bands as `reference`, and the next one compares itself with it.

References
----------
Yurdakul, Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.reading import Portfolio

Floats = npt.NDArray[np.float64]
BANDS: Final = 10
LEVEL: Final = 0.99
CONTACT_DAYS: Final = 90


def bands_of(values: Floats, edges: Sequence[float] | None = None) -> dict[str, Any]:
    """Counts per band of equal size, the missing ones as a band of their own.

    Examples
    --------
    >>> bands_of(np.array([1.0, 2.0, 3.0, np.nan]), edges=[2.0])
    {'edges': [2.0], 'counts': [1, 2, 1]}
    """
    known = values[np.isfinite(values)]
    if edges is None:
        cuts = np.quantile(known, np.linspace(0, 1, BANDS + 1)[1:-1]) if len(known) else np.empty(0)
        edges = [float(cut) for cut in np.unique(cuts)]
    inside = np.bincount(np.searchsorted(np.asarray(edges), known, side="right"), minlength=len(edges) + 1)
    return {"edges": list(edges), "counts": [*(int(n) for n in inside), int(len(values) - len(known))]}


def stability_index(then: Sequence[int], now: Sequence[int]) -> dict[str, float]:
    """Population stability index of two counts over the same bands, with what chance exceeds once in a hundred.

    Returns
    -------
    dict
        ``psi``, ``critical``, ``shift`` (psi where it exceeds critical, else 0). Bands empty on both sides do not count; one empty on one
        side counts as half an account.

    Examples
    --------
    >>> stability_index([50, 50], [50, 50])["psi"]
    0.0
    >>> told = stability_index([90, 10], [10, 90])
    >>> told["psi"] > told["critical"]
    True
    """
    one, other = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    used = (one + other) > 0
    one, other = np.maximum(one[used], 0.5), np.maximum(other[used], 0.5)
    n, m = one.sum(), other.sum()
    p, q = one / n, other / m
    psi = float(((p - q) * np.log(p / q)).sum())
    critical = float((1 / n + 1 / m) * chi2.ppf(LEVEL, max(len(p) - 1, 1)))
    return {"psi": psi, "critical": critical, "shift": psi if psi > critical else 0.0}


def reference(frame: FeatureFrame, scores: Mapping[str, Floats], contacts: Mapping[str, Any]) -> dict[str, Any]:
    """What the next training will compare itself with: bands of every score and feature on this test day's whole queue."""
    return {
        "as_of": frame.as_of.isoformat(),
        "n": len(frame),
        "scores": {name: bands_of(values) for name, values in scores.items()},
        "features": {
            name: bands_of(frame.values[:, place].astype(np.float64)) for place, name in enumerate(FEATURE_NAMES)
        },
        "contactability": dict(contacts),
    }


def drift(
    then: Mapping[str, Any], frame: FeatureFrame, scores: Mapping[str, Floats], contacts: Mapping[str, Any]
) -> dict[str, Any]:
    """This test day's queue against a kept reference.

    Parameters
    ----------
    then : mapping
        A `reference`.
    scores : mapping
        Scores of *the bundle the reference belongs to* on the queue of now, so that only the accounts differ.

    Returns
    -------
    dict
        ``since``, ``n_then``, ``n_now``; ``scores`` and ``features``: name to `stability_index`; ``contactability``: channel to
        ``then``, ``now``, ``low``, ``high`` of the difference (99 %), ``moved`` (its size where the interval leaves out 0).
    """
    found: dict[str, Any] = {"since": then["as_of"], "n_then": then["n"], "n_now": len(frame)}
    found["scores"] = {
        name: _moved(kept, scores[name]) for name, kept in then["scores"].items() if name in scores and len(frame)
    }
    found["features"] = {
        name: _moved(kept, frame.values[:, FEATURE_NAMES.index(name)].astype(np.float64))
        for name, kept in then["features"].items()
        if name in FEATURE_NAMES and len(frame)
    }
    found["contactability"] = {
        channel: _difference(then["contactability"][channel], contacts[channel])
        for channel in contacts
        if channel in then["contactability"]
    }
    return found


def _moved(kept: Mapping[str, Any], values: Floats) -> dict[str, float]:
    return stability_index(kept["counts"], bands_of(values, kept["edges"])["counts"])


def contactability(portfolio: Portfolio, as_of: date) -> dict[str, dict[str, int]]:
    """Attempts and right-party answers per channel in the 90 days to a day, as known then; empty where contacts are not observed."""
    if "contacts" not in portfolio.observed:
        return {}
    rows = portfolio.connection.execute(
        """
        SELECT channel, count(*), count(*) FILTER (outcome IN ('conversation', 'met')
                                                   AND coalesce(recipient, 'debtor') = 'debtor')
        FROM contacts
        WHERE direction <> 'inbound' AND contacted_at >= CAST($first AS DATE) AND contacted_at < CAST($after AS DATE)
          AND coalesce(known_at, contacted_at) < CAST($after AS DATE)
          AND channel IN ('agent_call', 'ai_voice', 'field_visit')
        GROUP BY channel ORDER BY channel
        """,
        {"first": as_of - timedelta(days=CONTACT_DAYS - 1), "after": as_of + timedelta(days=1)},
    ).fetchall()
    return {channel: {"attempts": attempts, "answered": answered} for channel, attempts, answered in rows}


def _difference(then: Mapping[str, int], now: Mapping[str, int]) -> dict[str, float]:
    n, m = max(then["attempts"], 1), max(now["attempts"], 1)
    p, q = then["answered"] / n, now["answered"] / m
    half = 2.576 * float(np.sqrt(p * (1 - p) / n + q * (1 - q) / m))
    moved = abs(q - p) if abs(q - p) > half else 0.0
    return {"then": p, "now": q, "low": q - p - half, "high": q - p + half, "moved": moved}
