"""A bundle on disk: models, numbers that go with them, and one manifest whose hash is the bundle's identity.

Training writes it, promotion copies it, serving reads it; nobody needs MLflow to score. The manifest lists by name what is there:
models (LightGBM text), documents (JSON: learned channel effects, the scorecard, smooth calibration maps), and a small reference
sample of feature rows, so that a model can be added without touching the loader. A file that is missing, added or changed by one
byte is refused, and so is a bundle made for other features than this code computes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.features.builder import feature_spec_hash
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.calibration import SmoothMap, maps_from_json
from scoring.scores.contributions import Explained, explained, tables_where_possible, warm_up
from scoring.scores.effects import LearnedEffects
from scoring.scores.forest_tables import ForestTables, exact_forest_tables, predicted
from scoring.scores.intervals import ReliabilityInterval, intervals_from_json
from scoring.scores.leaf_tables import LeafTables
from scoring.scores.payable import PayableBand, bands_from_json
from scoring.scores.scorecard import Scorecard
from scoring.scores.segments import AdjustedWillingness, adjusted_from_json
from scoring.scores.stored_boosters import StoredBoosters
from scoring.scores.targets import TargetDefinition

MANIFEST: Final = "bundle.json"
SCHEMA: Final = "collections-bundle/2"
MODEL_NAMES: Final = ("willingness", "ability", "full_payment", "share_low", "share_mid", "share_high")
"""The core models, without which nothing is scored; a bundle may hold more."""
EXPLAINED: Final = ("willingness", "ability")
REFERENCE: Final = "reference.npy"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bundle:
    """Everything a score needs, loaded and checked.

    Attributes
    ----------
    bundle_id : str
        SHA-256 of the manifest; the manifest holds the hash of every other file.
    manifest : mapping
        As written by training: versions, fingerprints, targets, tables of calibration and intervals, metrics.
    boosters : mapping of str to lightgbm.Booster
        One per name in `MODEL_NAMES`, and every further model that the manifest lists.
    documents : mapping of str to JSON value
        What goes with the models and is no booster: ``effects``, ``scorecard``, ``calibration``, ``intervals``; a name that is
        absent was not trained.
    reference : array (n, n_features), float32, or None
        A few feature rows of training, drawn by a stable hash, against which reasons of the product are told.
    """

    bundle_id: str
    folder: Path
    manifest: Mapping[str, Any]
    boosters: Mapping[str, lightgbm.Booster]
    documents: Mapping[str, Any] = field(default_factory=dict)
    reference: npt.NDArray[np.float32] | None = None

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

    @cached_property
    def forest(self) -> ForestTables:
        """The models whose margins come from arrays, all in one call; the others are asked through LightGBM."""
        none = np.empty((0, len(FEATURE_NAMES)), dtype=np.float32)
        return exact_forest_tables(self.boosters, none if self.reference is None else self.reference)

    def prepare(self) -> None:
        """Work out all tables now, and let go of the boosters that they answer for: one is read again when it is asked for."""
        unexplained = {name for name, tables in self.leaf_tables.items() if tables is None}
        if isinstance(self.boosters, StoredBoosters):
            self.boosters.let_go(set(self.forest.names) - unexplained)

    def explained(self, name: str, values: npt.NDArray[np.float32], *, threads: int = 1) -> Explained:
        """What each feature adds to the margins of an explained model; its booster is asked only where it has no leaf tables."""
        return explained(lambda: self.boosters[name], self.leaf_tables[name], values, threads=threads)

    @cached_property
    def effects(self) -> LearnedEffects | None:
        """What contacts change, as the log of decisions taught it; None where only the dated prior is known."""
        return LearnedEffects.from_json(self.documents["effects"]) if "effects" in self.documents else None

    @cached_property
    def scorecard(self) -> Scorecard | None:
        """Challenger, and fallback where the models cannot run; None in a bundle without one."""
        return Scorecard.from_json(self.documents["scorecard"]) if "scorecard" in self.documents else None

    @cached_property
    def calibration(self) -> dict[str, SmoothMap]:
        """Smooth maps by model; a model without one is served as it is."""
        return maps_from_json(self.documents.get("calibration"))

    @cached_property
    def intervals(self) -> dict[str, ReliabilityInterval]:
        """Reliability intervals by model."""
        return intervals_from_json(self.documents.get("intervals"))

    @cached_property
    def payable_bands(self) -> tuple[PayableBand, ...]:
        """How the quantiles of the payable share are moved."""
        return bands_from_json(self.manifest["payable"])

    @cached_property
    def adjusted_willingness(self) -> AdjustedWillingness:
        """What is expected of an account's willingness, given its ability."""
        return adjusted_from_json(self.manifest.get("adjusted_willingness"))

    @property
    def has_correlation_alarm(self) -> bool:
        """Whether the two scores cannot be told apart in the portfolio that was trained on."""
        return bool(self.manifest.get("score_correlation", {}).get("alarm", False))

    def calibrated_margin(self, name: str, margin: Floats) -> Floats:
        """Log-odds after the model's smooth map, where it has one."""
        fitted = self.calibration.get(name)
        return margin if fitted is None else fitted.margin(margin)

    def margin(self, name: str, values: npt.NDArray[np.float32]) -> Floats:
        """Raw model output, one per row; bit-equal whatever else is in the batch."""
        return self.margins((name,), values)[name]

    def margins(self, names: Sequence[str], values: npt.NDArray[np.float32], *, threads: int = 1) -> dict[str, Floats]:
        """Raw output of several models, each as LightGBM's ``predict(raw_score=True)`` gives it, to the bit."""
        if len(values) == 0:
            return {name: np.empty(0, dtype=np.float64) for name in names}
        tabled = [name for name in names if name in self.forest.names]
        found = dict(zip(tabled, self.forest.margins(tabled, values, threads=threads), strict=True))
        return {name: found[name] if name in found else predicted(self.boosters[name], values) for name in names}


def write_bundle(
    folder: Path,
    boosters: Mapping[str, lightgbm.Booster],
    facts: Mapping[str, Any],
    *,
    documents: Mapping[str, Any] | None = None,
    reference: npt.NDArray[np.float32] | None = None,
) -> str:
    """Write models, documents, reference rows and manifest; return the bundle id.

    Parameters
    ----------
    folder : Path
        Must not exist yet, or be empty.
    boosters : mapping
        One per name in `MODEL_NAMES`, and any further model, by name.
    facts : mapping
        What the manifest states besides the files: JSON values only.
    documents : mapping, optional
        JSON values by name, each written to a file of its own.
    reference : array (n, n_features), float32, optional

    Raises
    ------
    BundleError
        ``bundle_mismatch``: a core model is missing, or a name cannot be a file name.

    Examples
    --------
    >>> write_bundle(Path("nowhere"), {}, {})
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: The bundle lacks ['willingness', 'ability', 'full_payment', 'share_low', 'share_mid', 'share_high'], without which nothing can be scored. Fit them all.
    """
    documents = documents or {}
    _refuse_incomplete(boosters, documents)
    folder.mkdir(parents=True, exist_ok=True)
    for name, booster in boosters.items():
        (folder / f"{name}.txt").write_text(booster.model_to_string(num_iteration=-1), encoding="utf-8")
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(_json(document), encoding="utf-8")
    if reference is not None:
        np.save(folder / REFERENCE, np.ascontiguousarray(reference, dtype=np.float32), allow_pickle=False)
    listed = {"models": sorted(boosters), "documents": sorted(documents), "has_reference": reference is not None}
    manifest = {
        "schema": SCHEMA,
        "feature_names": list(FEATURE_NAMES),
        "feature_spec_hash": feature_spec_hash(),
        **listed,
        "files": {name: _file_hash(folder / name) for name in sorted(_file_names(listed))},
        **facts,
    }
    (folder / MANIFEST).write_text(_json(manifest), encoding="utf-8")
    return _file_hash(folder / MANIFEST)


def _refuse_incomplete(boosters: Mapping[str, Any], documents: Mapping[str, Any]) -> None:
    lacking = [name for name in MODEL_NAMES if name not in boosters]
    if lacking:
        raise BundleError(
            f"The bundle lacks {lacking}, without which nothing can be scored. Fit them all.",
            field="models",
            got=sorted(boosters),
            expected=list(MODEL_NAMES),
        )
    for name in (*boosters, *documents):
        if not _NAME.fullmatch(name) or f"{name}.json" == MANIFEST:
            raise BundleError(
                f"{name!r} cannot name a part of a bundle. Use small letters, digits and underscores, and not 'bundle'.",
                field="models",
                got=name,
            )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


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
            f"There is no bundle at {folder.name}: {MANIFEST} is missing. Train and promote one (`scoring train`, `scoring promote`), "
            "or correct the pin.",
            field="bundle",
            got=folder.name,
        )
    bundle_id = _file_hash(path)
    if expected_id is not None and bundle_id != expected_id:
        raise _mismatch(folder, MANIFEST, bundle_id, expected_id)
    manifest = _manifest(path)
    _refuse_changed_files(folder, manifest)
    if manifest["feature_names"] != list(FEATURE_NAMES) or manifest["feature_spec_hash"] != feature_spec_hash():
        raise BundleError(
            f"The bundle at {folder.name} was trained on other features than this code computes (feature spec "
            f"{manifest['feature_spec_hash'][:12]}, here {feature_spec_hash()[:12]}), so its scores would mean something else. "
            "Retrain and promote, or run the code version that made it.",
            field="feature_spec_hash",
            got=manifest["feature_spec_hash"],
            expected=feature_spec_hash(),
        )
    return Bundle(
        bundle_id,
        folder,
        manifest,
        _boosters(folder, manifest["models"]),
        {name: _document(folder / f"{name}.json") for name in manifest["documents"]},
        _reference(folder) if manifest["has_reference"] else None,
    )


def definition_facts(definition: TargetDefinition) -> dict[str, Any]:
    """The target definition as JSON values, for the manifest."""
    return asdict(definition)


_REQUIRED: Final = {"files", "models", "documents", "has_reference", "feature_names", "feature_spec_hash", "targets"}


def _file_names(manifest: Mapping[str, Any]) -> set[str]:
    models, documents = (
        {f"{name}.{kind}" for name in manifest[part]} for part, kind in (("models", "txt"), ("documents", "json"))
    )
    return models | documents | ({REFERENCE} if manifest["has_reference"] else set())


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
        required = _REQUIRED - set(manifest)
        listed = [*manifest.get("models", ()), *manifest.get("documents", ())]
        if not all(_NAME.fullmatch(name) for name in listed):
            raise ValueError("a part is not named as files are")
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"The manifest {path.parent.name}/{path.name} cannot be read: it is not a bundle manifest. Export the bundle again with `scoring promote`.",
            field="bundle",
            got=path.name,
        ) from error
    if schema != SCHEMA or required:
        raise BundleError(
            f"The manifest {path.parent.name}/{path.name} is of schema {schema!r} (missing: {sorted(required)}), and this code reads {SCHEMA!r}. "
            "Retrain with this version, or run the version that made it.",
            field="schema",
            got=schema,
            expected=SCHEMA,
        )
    return dict(manifest)


def _refuse_changed_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    files: Mapping[str, str] = manifest["files"]
    expected = _file_names(manifest)
    lacking = set(MODEL_NAMES) - set(manifest["models"])
    if set(files) != expected or lacking:
        raise BundleError(
            f"The manifest of {folder.name} lists {sorted(files)}, not the models this code reads. Retrain with this version.",
            field="files",
            got=sorted(files),
            expected=sorted(expected | {f"{name}.txt" for name in lacking}),
        )
    unknown = {path.name for path in folder.iterdir()} - expected - {MANIFEST}
    if unknown:
        raise BundleError(
            f"The folder {folder.name} holds {sorted(unknown)}, which the manifest does not list: nobody can say whether it belongs to the "
            "bundle. Take it out, or export the bundle again with `scoring promote`.",
            field="files",
            got=sorted(unknown),
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
        f"Bundle file {name} in {folder.name} is {seen}, but {expected[:12]} is pinned: scores from it could not be answered for. "
        "Export the bundle again with `scoring promote`, or restore the file from a backup.",
        field=name,
        got=got,
        expected=expected,
    )


def _boosters(folder: Path, names: Sequence[str]) -> StoredBoosters:
    boosters = StoredBoosters()
    for name in names:
        path = folder / f"{name}.txt"
        try:
            boosters.store(name, path.read_text(encoding="utf-8"))
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise BundleError(
                f"Bundle file {path.name} in {folder.name} is not a LightGBM model. Export the bundle again with `scoring promote`.",
                field=path.name,
            ) from error
    return boosters


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(
            f"Bundle file {path.name} in {path.parent.name} is not JSON. Export the bundle again with `scoring promote`.",
            field=path.name,
        ) from error


def _reference(folder: Path) -> npt.NDArray[np.float32]:
    try:
        rows = np.load(folder / REFERENCE, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BundleError(
            f"Bundle file {REFERENCE} in {folder.name} is not an array. Export the bundle again with `scoring promote`.",
            field=REFERENCE,
        ) from error
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != len(FEATURE_NAMES):
        raise BundleError(
            f"Bundle file {REFERENCE} in {folder.name} holds {rows.dtype} of shape {rows.shape}, not float32 rows of {len(FEATURE_NAMES)} "
            "features. Retrain and promote.",
            field=REFERENCE,
            got=list(rows.shape),
            expected=len(FEATURE_NAMES),
        )
    return np.asarray(rows, dtype=np.float32)


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
