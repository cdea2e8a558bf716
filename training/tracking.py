"""Tracking: the only module that imports mlflow. Runs, child runs, figures, plots, documents, and the registered bundle."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from scoring.errors import BundleError

EXPERIMENT: Final = "collections-scoring"
REGISTERED: Final = "collections-bundle"
FIGURES: Final = "figures.json"
STRATEGIES: Final = "collections-strategy"
REPORT: Final = "report"
REFERENCE: Final = "drift_reference.json"
_MOST_AT_ONCE: Final = 1000
_LONGEST_PARAMETER: Final = 500
_LONGEST_TAG: Final = 4000

logging.getLogger("alembic").setLevel(logging.ERROR)
logging.getLogger("mlflow").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Tracked:
    """A logged run: its id, the version its bundle was registered as, and the store's address."""

    run_id: str
    version: str
    tracking_uri: str


@dataclass(frozen=True)
class Registered:
    """A registered bundle: version, run id, local folder of its files, and the figures of its run that gates compare."""

    version: str
    run_id: str
    folder: Path
    figures: dict[str, float]


@dataclass(frozen=True)
class Running:
    """A run that is being logged: its id, who started it and when (UTC), as the store knows them."""

    run_id: str
    operator: str
    started_at: str


@dataclass(frozen=True)
class Child:
    """What is logged of one model: a run of its own under the training's."""

    parameters: Mapping[str, Any]
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Logged:
    """Everything a training run leaves in the store.

    Attributes
    ----------
    parameters, figures, tags : mapping
        Of the parent run; ``figures`` become metrics.
    children : mapping of str to Child
        One run per model.
    texts, pictures : mapping of path to content
        Artifacts: documents and PNG plots.
    stated : mapping
        Written as ``figures.json``; ``gates`` in it is what promotion compares.
    reference : mapping
        What the next training measures drift against.
    """

    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    children: Mapping[str, Child]
    texts: Mapping[str, str]
    pictures: Mapping[str, bytes]
    stated: Mapping[str, Any]
    reference: Mapping[str, Any] = field(default_factory=dict)


def tracking_uri(home: Path) -> str:
    """The SQLite store under a state folder."""
    return f"sqlite:///{(home / 'mlflow.db').resolve()}"


def client(home: Path) -> MlflowClient:
    """A client of the store; creates store and experiment when they are missing."""
    home.mkdir(parents=True, exist_ok=True)
    uri = tracking_uri(home)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    found = MlflowClient(uri, uri)
    if found.get_experiment_by_name(EXPERIMENT) is None:
        found.create_experiment(EXPERIMENT, artifact_location=(home / "mlruns").resolve().as_uri())
    return found


def _experiment_id(store: MlflowClient) -> str:
    experiment = store.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise BundleError(
            f"The MLflow store has no experiment {EXPERIMENT!r}. Set SCORING_HOME to a folder of its own."
        )
    return str(experiment.experiment_id)


@contextmanager
def running(home: Path, operator: str = "") -> Iterator[Running]:
    """A training run from its first figure to its end; a failure inside marks it as failed."""
    store = client(home)
    with mlflow.start_run(experiment_id=_experiment_id(store)) as run:
        who = operator or str(run.data.tags.get("mlflow.user", "")) or "unknown"
        started = datetime.fromtimestamp(run.info.start_time / 1000, tz=UTC).isoformat(timespec="seconds")
        yield Running(str(run.info.run_id), who, started)


def log_training(home: Path, run: Running, logged: Logged, bundle_folder: Path) -> Tracked:
    """Log a training into its run and register its bundle as a new version, alias ``challenger``."""
    store = client(home)
    _log(store, run.run_id, logged.parameters, logged.figures, {**logged.tags, "operator": run.operator})
    for name, child in logged.children.items():
        _log_child(store, run.run_id, name, child)
    with tempfile.TemporaryDirectory(prefix="artifacts-") as scratch:
        for path, text in logged.texts.items():
            _placed(Path(scratch) / path).write_text(text, encoding="utf-8")
        for path, picture in logged.pictures.items():
            _placed(Path(scratch) / path).write_bytes(picture)
        for path, stated in ((FIGURES, logged.stated), (REFERENCE, logged.reference)):
            (Path(scratch) / path).write_text(json.dumps(stated, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        store.log_artifacts(run.run_id, scratch)
    store.log_artifacts(run.run_id, str(bundle_folder), "bundle")
    address = store.get_run(run.run_id).info.artifact_uri
    version = _register(store, run.run_id, f"{address}/bundle")
    return Tracked(run.run_id, version, tracking_uri(home))


def _placed(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _log(
    store: MlflowClient,
    run_id: str,
    parameters: Mapping[str, Any],
    figures: Mapping[str, float],
    tags: Mapping[str, str],
) -> None:
    at = int(store.get_run(run_id).info.start_time)
    metrics = [Metric(_key(name), float(value), at, 0) for name, value in figures.items()]
    for start in range(0, max(len(metrics), 1), _MOST_AT_ONCE):
        store.log_batch(run_id, metrics=metrics[start : start + _MOST_AT_ONCE])
    store.log_batch(
        run_id,
        params=[Param(_key(name), str(value)[:_LONGEST_PARAMETER]) for name, value in parameters.items()][:100],
        tags=[RunTag(_key(name), value[:_LONGEST_TAG]) for name, value in tags.items()],
    )


def _key(name: str) -> str:
    """A name as MLflow takes it: it allows letters, digits and ``_-. /:``."""
    return "".join(letter if letter.isalnum() or letter in "_-. /:" else "_" for letter in name)


def _log_child(store: MlflowClient, parent: str, name: str, child: Child) -> None:
    tags = {MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NAME: name, "model": name}
    run = store.create_run(_experiment_id(store), tags=tags, run_name=name)
    _log(store, run.info.run_id, child.parameters, child.figures, {})
    store.set_terminated(run.info.run_id)


def _register(store: MlflowClient, run_id: str, source: str) -> str:
    try:
        store.get_registered_model(REGISTERED)
    except MlflowException:
        store.create_registered_model(
            REGISTERED, description="Willingness and ability models with what belongs to them."
        )
    version = str(store.create_model_version(REGISTERED, source, run_id).version)
    store.set_registered_model_alias(REGISTERED, "challenger", version)
    return version


def registered(home: Path, version: str) -> Registered:
    """The files and figures of a registered version (a number, or the alias ``challenger`` or ``champion``).

    Raises
    ------
    BundleError
        ``bundle_mismatch``: no such version; lists those there are.
    """
    store = client(home)
    try:
        by = store.get_model_version if version.isdigit() else store.get_model_version_by_alias
        found = by(REGISTERED, version)
    except MlflowException as error:
        there = sorted((v.version for v in store.search_model_versions(f"name = '{REGISTERED}'")), key=int)
        known = (
            f"Registered versions: {', '.join(map(str, there))}."
            if there
            else "None is registered yet: run `scoring train` first."
        )
        raise BundleError(
            f"There is no registered bundle of version {version!r}. {known}",
            field="version",
            got=version,
            expected=there,
        ) from error
    folder = Path(
        mlflow.artifacts.download_artifacts(artifact_uri=found.source, dst_path=tempfile.mkdtemp(prefix="bundle-"))
    )
    stated = json.loads(mlflow.artifacts.load_text(f"runs:/{found.run_id}/{FIGURES}"))
    return Registered(str(found.version), str(found.run_id), folder, stated["gates"])


def last_registered(home: Path) -> Registered | None:
    """The newest registered version; None where there is none, or where its files are gone."""
    store = client(home)
    there = store.search_model_versions(f"name = '{REGISTERED}'")
    if not there:
        return None
    try:
        return registered(home, str(max(int(found.version) for found in there)))
    except (MlflowException, OSError):
        return None


def artifact(run_id: str, path: str) -> Any:
    """A JSON artifact of a run; None where the run has none of that name."""
    try:
        return json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{path}"))
    except (MlflowException, OSError, ValueError):
        return None


def export_report(run_id: str, folder: Path) -> bool:
    """Copy a run's documents and plots to a folder; False where the run has none."""
    scratch = Path(tempfile.mkdtemp(prefix="report-"))
    try:
        for part in (REPORT, "plots"):
            mlflow.artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/{part}", dst_path=str(scratch))
        shutil.copytree(scratch / REPORT, folder, dirs_exist_ok=True)
        shutil.copytree(scratch / "plots", folder / "plots", dirs_exist_ok=True)
    except (MlflowException, OSError):
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def mark_champion(home: Path, version: str, tags: Mapping[str, str]) -> None:
    """Point the alias ``champion`` at a version and write who approved it, and over which findings."""
    store = client(home)
    store.set_registered_model_alias(REGISTERED, "champion", version)
    for name, value in tags.items():
        store.set_model_version_tag(REGISTERED, version, name, value[:_LONGEST_TAG])


def log_strategy(home: Path, text: str, *, sha256: str, effects: str) -> str:
    """Register a strategy file as a version of its own, alias ``challenger``; the same file again is the same version."""
    store = client(home)
    try:
        store.get_registered_model(STRATEGIES)
    except MlflowException:
        store.create_registered_model(STRATEGIES, description="How values and capacities become decisions.")
    for known in store.search_model_versions(f"name = '{STRATEGIES}'"):
        if known.tags.get("sha256") == sha256:
            return str(known.version)
    run = store.create_run(_experiment_id(store), tags={"kind": "strategy", "sha256": sha256}, run_name="strategy")
    store.log_text(run.info.run_id, text, "strategy/strategy.toml")
    store.set_terminated(run.info.run_id)
    made = store.create_model_version(STRATEGIES, f"{run.info.artifact_uri}/strategy", run.info.run_id)
    for name, value in (("sha256", sha256), ("effects", effects)):
        store.set_model_version_tag(STRATEGIES, str(made.version), name, value)
    store.set_registered_model_alias(STRATEGIES, "challenger", str(made.version))
    return str(made.version)


def log_strategy_report(home: Path, version: str, name: str, report: Mapping[str, Any]) -> None:
    """Keep what the gate said with the strategy's run, whatever it said."""
    store = client(home)
    run_id = str(store.get_model_version(STRATEGIES, version).run_id)
    store.log_dict(run_id, dict(report), name)
    store.set_model_version_tag(STRATEGIES, version, "verdict", str(report["verdict"]))


def mark_strategy_champion(home: Path, version: str, tags: Mapping[str, str]) -> None:
    """Point the alias ``champion`` of strategies at a version and write who approved it."""
    store = client(home)
    store.set_registered_model_alias(STRATEGIES, "champion", version)
    for name, value in tags.items():
        store.set_model_version_tag(STRATEGIES, version, name, value[:_LONGEST_TAG])


def champion_strategy_text(home: Path) -> str | None:
    """The file of the strategy that runs; None where none was promoted."""
    store = client(home)
    try:
        found = store.get_model_version_by_alias(STRATEGIES, "champion")
    except MlflowException:
        return None
    return str(mlflow.artifacts.load_text(f"runs:/{found.run_id}/strategy/strategy.toml"))
