"""Pins: which bundle decides and which one is tried beside it, who approved them, over which findings. Serving reads these and nothing else."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring.errors import BundleError, NotReadyError
from scoring.scores.bundle import Bundle, load_bundle

CHAMPION: Final = "champion.toml"
CHALLENGER: Final = "challenger.toml"
_HEADINGS: Final = {
    CHAMPION: "# The bundle that decides. Written by `scoring promote`; the id is the SHA-256 of its manifest.",
    CHALLENGER: "# The bundle that is scored in shadow and decides nothing. Written by `scoring promote --as challenger`.",
}


@dataclass(frozen=True)
class Pin:
    """A pinned bundle, as ``bundles/champion.toml`` or ``bundles/challenger.toml`` under the state folder states it."""

    bundle_id: str
    folder: str
    version: str
    run_id: str
    approver: str
    approved_at: str
    despite: str
    findings: tuple[str, ...]


def write_pin(home: Path, pin: Pin, name: str = CHAMPION) -> Path:
    """Write a pin in one step (the old one stays until the new one is whole); ``name`` is `CHAMPION` or `CHALLENGER`."""
    path = home / "bundles" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [_HEADINGS[name]]
    lines += [
        f"{name} = {json.dumps(getattr(pin, name), ensure_ascii=False)}"
        for name in Pin.__dataclass_fields__
        if name != "findings"
    ]
    lines += ["findings = [", *(f"  {json.dumps(finding, ensure_ascii=False)}," for finding in pin.findings), "]"]
    scratch = path.with_suffix(".tmp")
    scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scratch.replace(path)
    return path


def read_pin(home: Path, name: str = CHAMPION) -> Pin:
    """A pin: the champion's, or the challenger's.

    Raises
    ------
    NotReadyError
        ``not_ready``: nothing was promoted yet.
    BundleError
        ``bundle_mismatch``: the pin cannot be read.

    Examples
    --------
    >>> read_pin(Path("nowhere"))
    Traceback (most recent call last):
    ...
    scoring.errors.NotReadyError: No bundle has been promoted: bundles/champion.toml is missing from the state folder. Run `scoring train`, then `scoring promote VERSION --approver NAME`.
    """
    path = home / "bundles" / name
    if not path.is_file():
        raise NotReadyError(
            f"No bundle has been promoted: bundles/{name} is missing from the state folder. Run `scoring train`, then `scoring promote "
            "VERSION --approver NAME`.",
            field="bundle",
            got=None,
        )
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return Pin(**{**raw, "findings": tuple(raw["findings"])})
    except (tomllib.TOMLDecodeError, TypeError, KeyError, UnicodeDecodeError) as error:
        raise BundleError(
            f"The pin bundles/{name} of the state folder cannot be read. Promote the bundle again.",
            field="pin",
            got=name,
        ) from error


def load_champion(home: Path) -> tuple[Pin, Bundle]:
    """The pinned bundle with every hash checked."""
    return _load(home, CHAMPION)


def load_challenger(home: Path) -> tuple[Pin, Bundle] | None:
    """The bundle that is tried in shadow, with every hash checked; None where none is pinned.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: it is pinned and cannot be loaded.

    Examples
    --------
    >>> load_challenger(Path("nowhere")) is None
    True
    """
    return _load(home, CHALLENGER) if (home / "bundles" / CHALLENGER).is_file() else None


def retire_challenger(home: Path) -> Pin | None:
    """Take the challenger's pin away and return it; its bundle stays for the records that name it. None where there is none.

    >>> retire_challenger(Path("nowhere")) is None
    True
    """
    path = home / "bundles" / CHALLENGER
    if not path.is_file():
        return None
    pin = read_pin(home, CHALLENGER)
    path.unlink()
    return pin


def _load(home: Path, name: str) -> tuple[Pin, Bundle]:
    pin = read_pin(home, name)
    return pin, load_bundle(home / "bundles" / pin.folder, expected_id=pin.bundle_id)
