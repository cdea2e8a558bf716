"""Tracking: the only module that imports mlflow. Runs, figures, plots, and the registered bundle."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scoring.errors import BundleError

EXPERIMENT: Final = "collections-scoring"
REGISTERED: Final = "collections-bundle"
FIGURES: Final = "figures.json"

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
    """A registered bundle: version, run id, local folder of its files, and the overall test figures of its run."""

    version: str
    run_id: str
    folder: Path
    figures: dict[str, float]


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


def log_training(
    home: Path,
    *,
    parameters: Mapping[str, Any],
    figures: Mapping[str, float],
    spreads: Mapping[str, float],
    own_figures: Mapping[str, float],
    figures_by_bucket: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, tuple[float, float]],
    plots: Mapping[str, Figure],
    texts: Mapping[str, str],
    bundle_folder: Path,
    tags: Mapping[str, str],
) -> Tracked:
    """Log one training run and register its bundle as a new version, alias ``challenger``.

    Parameters
    ----------
    home : Path
        State folder; the store is ``mlflow.db`` and artifacts lie in ``mlruns/``.
    figures, spreads : mapping
        Mean and standard deviation over turns with other customers held out.
    own_figures, figures_by_bucket, intervals : mapping
        The registered bundle on its own held-out customers.
    bundle_folder : Path
        A written bundle; copied into the run's artifacts.

    Returns
    -------
    Tracked
    """
    store = client(home)
    with mlflow.start_run(experiment_id=_experiment_id(store), tags=dict(tags)) as run:
        mlflow.log_params({name: str(value)[:500] for name, value in parameters.items()})
        flat = {f"test.{name}": value for name, value in figures.items()}
        flat |= {f"test.{name}.sd": value for name, value in spreads.items()}
        flat |= {f"bundle.{name}": value for name, value in own_figures.items()}
        flat |= {f"bundle.{bucket}.{name}": v for bucket, own in figures_by_bucket.items() for name, v in own.items()}
        flat |= {
            f"bundle.{name}.{side}": v
            for name, pair in intervals.items()
            for side, v in zip(("low", "high"), pair, strict=True)
        }
        mlflow.log_metrics(flat)
        for name, figure in plots.items():
            mlflow.log_figure(figure, f"plots/{name}.png")
        for name, text in texts.items():
            mlflow.log_text(text, name)
        stated = {
            "overall": dict(figures),
            "spreads": dict(spreads),
            "bundle": dict(own_figures),
            "bundle_by_bucket": {bucket: dict(own) for bucket, own in figures_by_bucket.items()},
            "bundle_intervals": {name: list(pair) for name, pair in intervals.items()},
        }
        mlflow.log_dict(stated, FIGURES)
        mlflow.log_artifacts(str(bundle_folder), "bundle")
        version = _register(store, run.info.run_id, f"{run.info.artifact_uri}/bundle")
    return Tracked(run.info.run_id, version, tracking_uri(home))


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
    return Registered(str(found.version), str(found.run_id), folder, stated["overall"])


def mark_champion(home: Path, version: str, tags: Mapping[str, str]) -> None:
    """Point the alias ``champion`` at a version and write who approved it, and over which findings."""
    store = client(home)
    store.set_registered_model_alias(REGISTERED, "champion", version)
    for name, value in tags.items():
        store.set_model_version_tag(REGISTERED, version, name, value[:4000])
