"""A bundle on disk: models, numbers that go with them, and one manifest whose hash is the bundle's identity.

Training writes it, promotion copies it, serving reads it; nobody needs MLflow to score. A file that is missing, added or
changed by one byte is refused, and so is a bundle made for other features than this code computes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.features.builder import feature_spec_hash
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.contributions import tables_where_possible, warm_up
from scoring.scores.leaf_tables import LeafTables
from scoring.scores.targets import TargetDefinition

MANIFEST: Final = "bundle.json"
SCHEMA: Final = "collections-bundle/1"
MODEL_NAMES: Final = ("willingness", "ability", "full_payment", "share_low", "share_mid", "share_high")
EXPLAINED: Final = ("willingness", "ability")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bundle:
    """Everything a score needs, loaded and checked.

    Attributes
    ----------
    bundle_id : str
        SHA-256 of the manifest; the manifest holds the hash of every other file.
    manifest : mapping
        As written by training: versions, fingerprints, targets, evidence thresholds, reference margins, metrics.
    boosters : mapping of str to lightgbm.Booster
        One per name in `MODEL_NAMES`.
    """

    bundle_id: str
    folder: Path
    manifest: Mapping[str, Any]
    boosters: Mapping[str, lightgbm.Booster]

    @property
    def definition(self) -> TargetDefinition:
        """The targets these models were trained on."""
        return TargetDefinition(**self.manifest["targets"])

    @cached_property
    def leaf_tables(self) -> dict[str, LeafTables | None]:
        """Leaf tables of the explained models; None where a model needs the slower exact fallback."""
        tables = {name: tables_where_possible(self.boosters[name]) for name in EXPLAINED}
        for built in tables.values():
            if built is not None:
                warm_up(built)
        return tables

    def margin(self, name: str, values: npt.NDArray[np.float32]) -> Floats:
        """Raw model output, one per row; bit-equal whatever else is in the batch."""
        if len(values) == 0:
            return np.empty(0, dtype=np.float64)
        raw = self.boosters[name].predict(values, raw_score=True, num_threads=1, validate_features=False)
        return np.asarray(raw, dtype=np.float64)


def write_bundle(folder: Path, boosters: Mapping[str, lightgbm.Booster], facts: Mapping[str, Any]) -> str:
    """Write models and manifest; return the bundle id.

    Parameters
    ----------
    folder : Path
        Must not exist yet, or be empty.
    boosters : mapping
        One per name in `MODEL_NAMES`.
    facts : mapping
        What the manifest states besides the files: JSON values only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in MODEL_NAMES:
        text = boosters[name].model_to_string(num_iteration=-1)
        path = folder / f"{name}.txt"
        path.write_text(text, encoding="utf-8")
        files[path.name] = _file_hash(path)
    manifest = {
        "schema": SCHEMA,
        "feature_names": list(FEATURE_NAMES),
        "feature_spec_hash": feature_spec_hash(),
        "files": files,
        **facts,
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return _file_hash(folder / MANIFEST)


def load_bundle(folder: Path, *, expected_id: str | None = None) -> Bundle:
    """Read a bundle and check every hash.

    Raises
    ------
    BundleError
        ``bundle_mismatch``: no manifest, another schema, a file missing, changed or unknown, an id other than the pinned one,
        or features other than this code computes. Says which file and what to do.

    Examples
    --------
    >>> load_bundle(Path("nowhere"))
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: There is no bundle at nowhere: bundle.json is missing. Train and promote one (`scoring train`, `scoring promote`), or correct the pin.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"There is no bundle at {folder}: {MANIFEST} is missing. Train and promote one (`scoring train`, `scoring promote`), "
            "or correct the pin.",
            field="bundle",
            got=str(folder),
        )
    bundle_id = _file_hash(path)
    if expected_id is not None and bundle_id != expected_id:
        raise _mismatch(folder, MANIFEST, bundle_id, expected_id)
    manifest = _manifest(path)
    _refuse_changed_files(folder, manifest["files"])
    if manifest["feature_names"] != list(FEATURE_NAMES) or manifest["feature_spec_hash"] != feature_spec_hash():
        raise BundleError(
            f"The bundle at {folder} was trained on other features than this code computes (feature spec "
            f"{manifest['feature_spec_hash'][:12]}, here {feature_spec_hash()[:12]}), so its scores would mean something else. "
            "Retrain and promote, or run the code version that made it.",
            field="feature_spec_hash",
            got=manifest["feature_spec_hash"],
            expected=feature_spec_hash(),
        )
    boosters = {name: _booster(folder / f"{name}.txt") for name in MODEL_NAMES}
    return Bundle(bundle_id, folder, manifest, boosters)


def definition_facts(definition: TargetDefinition) -> dict[str, Any]:
    """The target definition as JSON values, for the manifest."""
    return asdict(definition)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
        required = {"files", "feature_names", "feature_spec_hash", "targets"} - set(manifest)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"The manifest {path} cannot be read: it is not a bundle manifest. Export the bundle again with `scoring promote`.",
            field="bundle",
            got=str(path),
        ) from error
    if schema != SCHEMA or required:
        raise BundleError(
            f"The manifest {path} is of schema {schema!r} (missing: {sorted(required)}), and this code reads {SCHEMA!r}. "
            "Retrain with this version, or run the version that made it.",
            field="schema",
            got=schema,
            expected=SCHEMA,
        )
    return dict(manifest)


def _refuse_changed_files(folder: Path, files: Mapping[str, str]) -> None:
    expected = {f"{name}.txt" for name in MODEL_NAMES}
    if set(files) != expected:
        raise BundleError(
            f"The manifest of {folder} lists {sorted(files)}, not the models this code reads. Retrain with this version.",
            field="files",
            got=sorted(files),
            expected=sorted(expected),
        )
    for name, expected_hash in files.items():
        path = folder / name
        got = _file_hash(path) if path.is_file() else None
        if got != expected_hash:
            raise _mismatch(folder, name, got, expected_hash)


def _mismatch(folder: Path, name: str, got: str | None, expected: str) -> BundleError:
    seen = "missing" if got is None else f"of hash {got[:12]}"
    return BundleError(
        f"Bundle file {name} in {folder} is {seen}, but {expected[:12]} is pinned: scores from it could not be answered for. "
        "Export the bundle again with `scoring promote`, or restore the file from a backup.",
        field=name,
        got=got,
        expected=expected,
    )


def _booster(path: Path) -> lightgbm.Booster:
    try:
        return lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise BundleError(
            f"Bundle file {path.name} in {path.parent} is not a LightGBM model. Export the bundle again with `scoring promote`.",
            field=path.name,
        ) from error


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
