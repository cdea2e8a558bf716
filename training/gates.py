"""Gates: what a bundle must show before it may decide anything; every finding at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GATES = Path(__file__).parent / "gates.toml"


@dataclass(frozen=True, slots=True)
class GateFinding:
    """One gate that did not pass: ``severity`` is ``error`` (refuses) or ``warning`` (is shown)."""

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
        Overall test metrics of a run.
    gates : mapping, optional
        As in ``training/gates.toml``, which is the default.

    Returns
    -------
    list of GateFinding
        Empty when everything passed. A figure that the run could not give fails its gate: unknown is not good.

    Examples
    --------
    >>> gate = {"auc": {"metric": "willingness_auc", "low": 0.6, "why": "too weak"}}
    >>> gate_findings({"willingness_auc": 0.7}, gate)
    []
    >>> gate_findings({}, gate)[0].message
    'willingness_auc was not measured, 0.6 or more is asked: too weak.'
    """
    if gates is None:
        gates = tomllib.loads(GATES.read_text(encoding="utf-8"))["gates"]
    found = []
    for name, gate in gates.items():
        value = figures.get(gate["metric"])
        low, high = gate.get("low"), gate.get("high")
        asked = f"{low} or more" if low is not None else f"{high} or less"
        if value is None:
            seen = f"{gate['metric']} was not measured"
        elif (low is not None and value < low) or (high is not None and value > high):
            seen = f"{gate['metric']} is {value:.4g}"
        else:
            continue
        found.append(GateFinding(name, gate.get("severity", "error"), f"{seen}, {asked} is asked: {gate['why']}."))
    return found
