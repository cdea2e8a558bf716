"""Gates: what a bundle must show before it may decide anything; every finding at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

GATES: Final = Path(__file__).parent / "gates.toml"
SEVERITIES: Final = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class GateFinding:
    """One gate that did not pass: ``severity`` is ``error`` (refuses), ``warning`` (is shown) or ``info`` (is counted)."""

    gate: str
    severity: str
    message: str


def gate_findings(
    figures: Mapping[str, float], gates: Mapping[str, Mapping[str, Any]] | None = None
) -> list[GateFinding]:
    """Compare test figures with the gates.

    Parameters
    ----------
    figures : mapping of str to float
        Overall test metrics of a run, and its facts under dotted paths (`training.report.judging.flat`).
    gates : mapping, optional
        As in ``training/gates.toml``, which is the default.

    Returns
    -------
    list of GateFinding
        Empty when everything passed; errors first. A figure that the run could not give fails its gate: unknown is not good. Where a
        gate is ``optional`` (there may be no champion yet), an absent figure passes.

    Examples
    --------
    >>> gate = {"auc": {"metric": "willingness_auc", "low": 0.6, "why": "too weak"}}
    >>> gate_findings({"willingness_auc": 0.7}, gate)
    []
    >>> gate_findings({}, gate)[0].message
    'willingness_auc was not measured, 0.6 or more is asked: too weak.'
    >>> gate = {"cash": {"metric": "cash.*.cash_ratio", "low": 0.9, "why": "short"}}
    >>> gate_findings({"cash.M1.cash_ratio": 1.0, "cash.M2.cash_ratio": 0.5, "cash.M3.cash_ratio": 0.7}, gate)[0].message
    'cash.M2.cash_ratio is 0.5, cash.M3.cash_ratio is 0.7, 0.9 or more is asked: short.'
    """
    if gates is None:
        gates = tomllib.loads(GATES.read_text(encoding="utf-8"))["gates"]
    found = []
    for name, gate in gates.items():
        low, high = gate.get("low"), gate.get("high")
        values = {key: value for key, value in figures.items() if fnmatchcase(key, gate["metric"])}
        off = [
            f"{key} is {value:.4g}"
            for key, value in values.items()
            if (low is not None and not value >= low) or (high is not None and not value <= high)
        ]
        if not values and not gate.get("optional", False):
            off = [f"{gate['metric']} was not measured"]
        if off:
            asked = f"{low} or more" if low is not None else f"{high} or less"
            message = f"{', '.join(off)}, {asked} is asked: {gate['why']}."
            found.append(GateFinding(name, gate.get("severity", "error"), message))
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
