"""`scoring promote`: gates first, then the bundle is exported to files and the champion pin is written."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scoring.errors import BadRequestError, GateError
from scoring.scores.bundle import load_bundle
from scoring.scores.pins import Pin, write_pin
from training import tracking
from training.gates import GateFinding, gate_findings


@dataclass(frozen=True)
class Promoted:
    """A promotion: the pin that serving reads, and the findings it went over."""

    pin: Pin
    findings: list[GateFinding]


def promote(version: str, *, home: Path, approver: str, promoted_at: datetime, despite: str | None = None) -> Promoted:
    """Make a registered bundle the champion.

    Parameters
    ----------
    version : str
        A registered version number, or ``challenger``.
    approver : str
        Who answers for it.
    promoted_at : datetime
        UTC.
    despite : str, optional
        Reason to promote over failed gates; recorded when a gate did fail.

    Returns
    -------
    Promoted

    Raises
    ------
    GateError
        ``gates_failed``: lists every failed gate. Nothing was changed.
    """
    if not approver.strip():
        raise BadRequestError(
            "A promotion needs the name of the person who answers for it (--approver).", field="approver", got=approver
        )
    registered = tracking.registered(home, version)
    try:
        return _promoted(registered, home, approver.strip(), promoted_at, (despite or "").strip())
    finally:
        shutil.rmtree(registered.folder.parent, ignore_errors=True)


def _promoted(
    registered: tracking.Registered, home: Path, approver: str, promoted_at: datetime, despite: str
) -> Promoted:
    findings = gate_findings(registered.figures)
    failed = [finding for finding in findings if finding.severity == "error"]
    if failed and not despite:
        listed = " ".join(f"[{finding.gate}] {finding.message}" for finding in failed)
        raise GateError(
            f"Bundle version {registered.version} did not pass {len(failed)} gate(s), so it was not promoted. {listed} Retrain, or "
            "promote with --despite 'reason', which is recorded.",
            field="version",
            got=registered.version,
            expected="no failed gate",
        )
    bundle = load_bundle(registered.folder)
    place = home / "bundles" / bundle.bundle_id[:16]
    _export(registered.folder, place)
    pin = Pin(
        bundle_id=bundle.bundle_id,
        folder=place.name,
        version=registered.version,
        run_id=registered.run_id,
        approver=approver,
        approved_at=promoted_at.isoformat(timespec="seconds"),
        despite=despite if failed else "",
        findings=tuple(f"{finding.severity}: {finding.message}" for finding in findings),
    )
    tracking.mark_champion(
        home,
        registered.version,
        {
            "approver": approver,
            "approved_at": pin.approved_at,
            "despite": pin.despite,
            "findings": json.dumps(pin.findings),
        },
    )
    write_pin(home, pin)
    return Promoted(pin, findings)


def _export(source: Path, place: Path) -> None:
    """Copy beside the final place, then rename: a bundle folder is whole or absent."""
    if place.exists():
        load_bundle(place)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".export-", dir=place.parent))
    shutil.copytree(source, scratch / place.name)
    (scratch / place.name).rename(place)
    scratch.rmdir()
