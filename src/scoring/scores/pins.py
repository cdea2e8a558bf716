"""The champion pin: which bundle decides, who approved it, over which findings. Serving reads this and nothing else."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring.errors import BundleError, NotReadyError
from scoring.scores.bundle import Bundle, load_bundle

CHAMPION: Final = "champion.toml"


@dataclass(frozen=True)
class Pin:
    """A pinned bundle, as ``bundles/champion.toml`` under the state folder states it."""

    bundle_id: str
    folder: str
    version: str
    run_id: str
    approver: str
    approved_at: str
    despite: str
    findings: tuple[str, ...]


def write_pin(home: Path, pin: Pin) -> Path:
    """Write the champion pin in one step (the old one stays until the new one is whole)."""
    path = home / "bundles" / CHAMPION
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["# The bundle that decides. Written by `scoring promote`; the id is the SHA-256 of its manifest."]
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


def read_pin(home: Path) -> Pin:
    """The champion pin.

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
    scoring.errors.NotReadyError: No bundle has been promoted: nowhere/bundles/champion.toml is missing. Run `scoring train`, then `scoring promote VERSION --approver NAME`.
    """
    path = home / "bundles" / CHAMPION
    if not path.is_file():
        raise NotReadyError(
            f"No bundle has been promoted: {path} is missing. Run `scoring train`, then `scoring promote VERSION --approver NAME`.",
            field="bundle",
            got=None,
        )
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return Pin(**{**raw, "findings": tuple(raw["findings"])})
    except (tomllib.TOMLDecodeError, TypeError, KeyError, UnicodeDecodeError) as error:
        raise BundleError(
            f"The pin {path} cannot be read. Promote the bundle again.", field="pin", got=str(path)
        ) from error


def load_champion(home: Path) -> tuple[Pin, Bundle]:
    """The pinned bundle with every hash checked."""
    pin = read_pin(home)
    return pin, load_bundle(home / "bundles" / pin.folder, expected_id=pin.bundle_id)
