"""`scoring promote`: gates first, then the bundle is exported to files with its card, and the pin is written.

A challenger decides nothing: its gates are looked at, told and kept in its pin, and refuse nothing.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from scoring.errors import BadRequestError, GateError, NotReadyError
from scoring.scores.bundle import load_bundle
from scoring.scores.pins import CHALLENGER, CHAMPION, Pin, read_pin, retire_challenger, write_pin
from training import tracking
from training.gates import GateFinding, gate_findings

APPROVAL: Final = "approval.json"
CARD_SUFFIX: Final = "-card"
FACTS: Final = f"{tracking.REPORT}/facts.json"


@dataclass(frozen=True)
class Promoted:
    """A promotion: the pin that serving reads, the findings it went over, and the folder of card and report (None without one)."""

    pin: Pin
    findings: list[GateFinding]
    card: Path | None = None


def promote(
    version: str,
    *,
    home: Path,
    approver: str,
    promoted_at: datetime,
    despite: str | None = None,
    as_challenger: bool = False,
) -> Promoted:
    """Make a registered bundle the champion, or the challenger that the service scores in shadow.

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
    as_challenger : bool
        Try it beside the champion; failed gates are told and do not refuse it, because it decides nothing.

    Returns
    -------
    Promoted

    Raises
    ------
    GateError
        ``gates_failed``: lists every failed gate. Nothing was changed.
    BadRequestError
        ``bad_request``: nobody answers for it, or the champion would challenge itself.
    """
    if not approver.strip():
        raise BadRequestError(
            "A promotion needs the name of the person who answers for it (--approver).", field="approver", got=approver
        )
    registered = tracking.registered(home, version)
    try:
        return _promoted(registered, home, approver.strip(), promoted_at, (despite or "").strip(), as_challenger)
    finally:
        shutil.rmtree(registered.folder.parent, ignore_errors=True)


def _promoted(
    registered: tracking.Registered,
    home: Path,
    approver: str,
    promoted_at: datetime,
    despite: str,
    as_challenger: bool,
) -> Promoted:
    facts = tracking.artifact(registered.run_id, FACTS) or {}
    findings = [*gate_findings(registered.figures), *circumstances(facts, _champion_id(home), approver)]
    failed = [finding for finding in findings if finding.severity == "error"]
    if failed and not despite and not as_challenger:
        listed = " ".join(f"[{finding.gate}] {finding.message}" for finding in failed)
        raise GateError(
            f"Bundle version {registered.version} did not pass {len(failed)} gate(s), so it was not promoted. {listed} Retrain, or "
            "promote with --despite 'reason', which is recorded.",
            field="version",
            got=registered.version,
            expected="no failed gate",
        )
    bundle = load_bundle(registered.folder)
    if as_challenger and bundle.bundle_id == _champion_id(home):
        raise BadRequestError(
            f"Version {registered.version} is the champion already, and would be compared with itself. Name another version.",
            field="version",
            got=registered.version,
        )
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
    card = _export_card(pin, findings, place.with_name(place.name + CARD_SUFFIX))
    if as_challenger:
        write_pin(home, pin, CHALLENGER)
        return Promoted(pin, findings, card)
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
    if _pinned_id(home, CHALLENGER) == pin.bundle_id:
        retire_challenger(home)
    return Promoted(pin, findings, card)


def circumstances(facts: dict[str, Any], champion_id: str, approver: str) -> list[GateFinding]:
    """Findings that only the moment of promotion can give: a champion that changed since, an approver who trained it.

    Examples
    --------
    >>> trained = {"identity": {"operator": "Li Wei"}, "rivals": {"champion": {"bundle_id": "ab"}}}
    >>> [finding.gate for finding in circumstances(trained, "cd", "li wei")]
    ['champion_changed', 'four_eyes']
    >>> circumstances(trained, "ab", "Zhang Min")
    []
    """
    found = []
    compared = facts.get("rivals", {}).get("champion", {}).get("bundle_id", "")
    own = facts.get("identity", {}).get("bundle_id", "")
    if facts and champion_id not in ("", compared, own):
        seen = f"bundle {compared[:12]}" if compared else "no champion"
        found.append(
            GateFinding(
                "champion_changed",
                "warning",
                f"The training was compared with {seen}, and the champion is now {champion_id[:12]}: retrain to compare the two.",
            )
        )
    if approver.casefold() == str(facts.get("identity", {}).get("operator", "")).casefold():
        found.append(
            GateFinding("four_eyes", "warning", "The approver also trained the bundle: nobody else has looked at it.")
        )
    return found


def _champion_id(home: Path) -> str:
    return _pinned_id(home, CHAMPION)


def _pinned_id(home: Path, name: str) -> str:
    try:
        return read_pin(home, name).bundle_id
    except NotReadyError:
        return ""


def _export_card(pin: Pin, findings: list[GateFinding], folder: Path) -> Path | None:
    """Card, validation report and plots of the run beside the bundle, with the approval as JSON; replaced on every promotion."""
    if not tracking.export_report(pin.run_id, folder):
        return None
    approval = {**asdict(pin), "findings": [asdict(finding) for finding in findings]}
    (folder / APPROVAL).write_text(json.dumps(approval, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


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
