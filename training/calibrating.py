"""Smooth calibration maps, fitted out of time on the queue, and only where chance does not explain the miscalibration.

Three models and the product are looked at apart: willingness, ability, full payment, and the expected share w x A. A map is adopted
where the calibration error lies beyond what a perfectly calibrated model would show on these very rows (`training.report.null`), *and*
a map fitted on one later day improves the log loss of another, *and* expected cash does not move away from realised cash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from scoring.scores.calibration import SmoothMap, log_shares, maps_from_json, maps_to_json
from scoring.scores.log_odds import probability
from scoring.scores.scores import log_odds
from training.boosting import FULL
from training.out_of_time import OUT_OF_TIME
from training.report.null import against_null
from training.snapshots import is_held_out

Floats = npt.NDArray[np.float64]
FEWEST: Final = 400
"""Below this many rows no map is fitted."""
MOST: Final = 20_000
"""Rows that the null is simulated on."""
RIDGE: Final = 1.0
"""Pull of the parameters to no change, as a penalty on their squares against a log loss summed over rows."""
_STEADY: Final = np.array([0.0, 1.0, 1.0])


def fit_map(margin: Floats, seen: Floats) -> SmoothMap:
    """The beta map with the smallest log loss; ``seen`` is an outcome, or a share.

    Examples
    --------
    >>> margin = np.linspace(-3, 3, 2001)
    >>> fitted = fit_map(margin, probability(0.5 * margin + 0.3))
    >>> round(fitted.shift, 2), round(fitted.of_one, 2), round(fitted.of_zero, 2)
    (0.28, 0.49, 0.51)
    """
    of_one, of_zero = log_shares(margin)
    columns = np.stack([np.ones(len(margin)), of_one, -of_zero], axis=1)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        mapped = columns @ parameters
        away = parameters - _STEADY
        fitted = np.sum(np.logaddexp(0.0, mapped) - seen * mapped) + RIDGE * away @ away
        return float(fitted), columns.T @ (probability(mapped) - seen) + 2 * RIDGE * away

    found = minimize(loss, _STEADY, jac=True, method="L-BFGS-B", bounds=[(-3.0, 3.0), (0.05, 5.0), (0.05, 5.0)])
    return SmoothMap(*(round(float(value), 9) for value in found.x))


def calibration_document(rows: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """The bundle's ``calibration`` document from out-of-time rows: adopted maps, and what was seen of each model.

    Parameters
    ----------
    rows : DataFrame
        As `training.out_of_time.out_of_time` gives them.
    seed : int
        Of the simulated null.
    """
    maps: dict[str, SmoothMap] = {}
    facts: dict[str, Any] = {}
    for name in (*PARTS, "product"):
        served = calibrated(rows, maps_to_json(maps, {}))
        margin, seen, kept = _side(name, served)
        told, fitted = _judged(rows[kept], margin, seen, seed, is_probability=name in ("willingness", "full_payment"))
        if told["adopted"] and name in ("willingness", "ability"):
            told |= _cash_ratios(rows, served, name, fitted)
        facts[name] = told
        if told["adopted"]:
            maps[name] = fitted
    return maps_to_json(maps, facts)


PARTS: Final = ("willingness", "ability", "full_payment")


def _cash_ratios(rows: pd.DataFrame, served: pd.DataFrame, name: str, fitted: SmoothMap) -> dict[str, Any]:
    """Expected over realised cash without and with a map; a map that moves it away from one is not adopted.

    A map counts accounts, a manager counts money: one that mends many small accounts may spoil the few large ones.
    """
    owed = _floats(rows["cure_amount_cents"])
    paid = float((_paid_share(rows) * owed).sum())
    mapped = probability(fitted.margin(_floats(rows[name])))
    before = float((_floats(served["w"] * served["a"]) * owed).sum()) / paid
    other = _floats(served["a" if name == "willingness" else "w"])
    after = float((mapped * other * owed).sum()) / paid
    if abs(np.log(after)) <= abs(np.log(before)):
        return {"cash_ratio_before": before, "cash_ratio_after": after}
    why = "beyond chance, but the map would move expected cash away from realised"
    return {"cash_ratio_before": before, "cash_ratio_after": after, "adopted": False, "why": why}


def calibrated(rows: pd.DataFrame, document: Mapping[str, Any]) -> pd.DataFrame:
    """Out-of-time rows with the scores as they would be served: ``w``, ``a``, ``p_full`` and calibrated log-odds of the first two."""
    maps = maps_from_json(document)

    def margin(name: str) -> Floats:
        raw = rows[name].to_numpy(dtype=np.float64)
        return maps[name].margin(raw) if name in maps else raw

    w, a, full = (margin(name) for name in ("willingness", "ability", "full_payment"))
    return rows.assign(w_margin=w, a_margin=a, w=probability(w), a=probability(a), p_full=probability(full))


def _side(name: str, served: pd.DataFrame) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Log-odds, what was seen, and the rows concerned, of one model or of the product as it would be served."""
    paid = served["share"].notna().to_numpy()
    share = _floats(served["share"])
    if name == "willingness":
        return _floats(served["willingness"]), _floats(served["willing"]), np.ones(len(served), dtype=bool)
    if name == "ability":
        return _floats(served["ability"])[paid], share[paid], paid
    if name == "full_payment":
        return _floats(served["full_payment"])[paid], (share[paid] >= FULL).astype(np.float64), paid
    return log_odds(_floats(served["w"] * served["a"])), _paid_share(served), np.ones(len(served), dtype=bool)


def _judged(
    rows: pd.DataFrame, margin: Floats, seen: Floats, seed: int, *, is_probability: bool
) -> tuple[dict[str, Any], SmoothMap]:
    """What was seen of one model, and the map that would repair it."""
    steady = SmoothMap(*_STEADY)
    if len(rows) < FEWEST:
        return {"n": len(rows), "adopted": False, "why": f"fewer than {FEWEST} out-of-time rows"}, steady
    is_repeated = rows["day"].nunique() >= 2 and (rows["basis"] == OUT_OF_TIME).all()
    drawn = np.random.default_rng(seed).permutation(len(rows))[:MOST]
    null = against_null(probability(margin)[drawn], seen[drawn], seed=seed, is_probability=is_probability)
    beyond = bool(null["ece_excess"] > 0 or null["in_the_large_excess"] > 0)
    gain = _gain_elsewhere(rows, margin, seen)
    fitted = fit_map(margin, seen)
    if not beyond:
        why = "within chance"
    elif not is_repeated:
        why = "beyond chance, but seen on one day only, which cannot tell that month's level from a lasting error"
    elif gain <= 0:
        why = "beyond chance, but a map does not hold on the other day"
    else:
        why = "beyond chance, and the map holds on the other day"
    adopted = beyond and is_repeated and gain > 0
    return {**null, "log_loss_gain_elsewhere": gain, "map": asdict(fitted), "adopted": adopted, "why": why}, fitted


def _gain_elsewhere(rows: pd.DataFrame, margin: Floats, seen: Floats) -> float:
    """Mean log loss that a map fitted on one part saves on the other: parts are days, or customers where there is one day."""
    days = rows["day"].to_numpy()
    last = days == days.max()
    part = last if not last.all() else is_held_out(rows["customer_id"], 0.5, salt="calibration")
    saved = 0.0
    for here, there in ((part, ~part), (~part, part)):
        mapped = fit_map(margin[here], seen[here]).margin(margin[there])
        saved += float((_log_loss(margin[there], seen[there]) - _log_loss(mapped, seen[there])).sum())
    return saved / len(rows)


def _log_loss(margin: Floats, seen: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, margin) - seen * margin)


def _paid_share(rows: pd.DataFrame) -> Floats:
    """Share of the cure amount that was paid; 0 where there was no token payment."""
    return rows["share"].fillna(0.0).to_numpy(dtype=np.float64)


def _floats(values: pd.Series) -> Floats:
    return values.to_numpy(dtype=np.float64)
