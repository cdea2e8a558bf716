"""Backup and restore of the state folder: a consistent copy of the databases while the service runs, checked before it counts as one.

Whatever is referred to is written before what refers to it, so everything is copied the other way round, and every copy holds all that
the one before it needs: the pointers first (which plan is current, which bundles and strategy are pinned), then the ledger, the subjects'
keys, the state, and last the files that never change once written (bundles, plans, policies, tables). Left out: a plan's kept features,
which a worker builds again, the private key that signs anchors, which belongs elsewhere, and the MLflow store, which serving does not
need. Databases in PostgreSQL are copied by its own tools (`serving/operating.md`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from scoring.decisions import strategy_pin
from scoring.errors import BadRequestError, BundleError, LedgerError, NotReadyError
from scoring.ledger.findings import Finding
from scoring.ledger.heads import PUBLIC_KEY
from scoring.ledger.record import instant_text
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.scores.pins import CHALLENGER, CHAMPION, read_pin
from serving.kept_features import POSITIONS, VALUES
from serving.nightly import CURRENT
from serving.settings import Settings
from serving.state.database import State

MANIFEST: Final = "backup.json"
SCHEMA: Final = "backup/1"
LEDGER: Final = "ledger.db"
SUBJECTS: Final = "ledger-subjects.db"
STATE: Final = "state.db"
KEPT_FOLDERS: Final = ("bundles", "plans", "policies", "tables", "strategy")
POINTERS: Final = (
    f"plans/{CURRENT}",
    f"bundles/{CHAMPION}",
    f"bundles/{CHALLENGER}",
    f"{strategy_pin.FOLDER}/{strategy_pin.PIN}",
)
NOT_COPIED: Final = (".*", "*.tmp", VALUES, POSITIONS)
IN_USE: Final = ("bundles", "plans")
VARIABLES: Final = {LEDGER: "SCORING_LEDGER", SUBJECTS: "SCORING_LEDGER", STATE: "SCORING_STATE"}
DANGLING: Final = "dangling_pointer"
"""The finding that a pointer names a plan or a bundle that the copy does not hold."""
AGAIN: Final = "Take another backup, or make the plan again with `scoring plan`."
ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.2
Places = Mapping[str, Path | None]


@dataclass(frozen=True)
class Backup:
    """A backup: its folder, the ledger's head in it, what was found wrong with the copy, and what lies in PostgreSQL."""

    folder: Path
    head: str
    findings: list[Finding] = field(default_factory=list)
    elsewhere: tuple[str, ...] = ()


def back_up(settings: Settings, folder: Path, made_at: datetime) -> Backup:
    """Copy the state folder while it is in use, and check the copy.

    Parameters
    ----------
    settings : Settings
    folder : Path
        Must not exist: a backup is never written over another.
    made_at : datetime

    Returns
    -------
    Backup
        Findings of `scoring.ledger.verify` on the copied ledger, and `DANGLING` for each pointer that names what is not in the
        copy; an empty list where it is sound.

    Raises
    ------
    BadRequestError
        ``bad_request``: the folder is there already.
    NotReadyError
        ``not_ready``: a file was written anew or could not be read each time it was copied; there is no backup then.
    """
    if folder.exists():
        raise BadRequestError(f"{folder} is there already. Name a folder for this backup alone.", field="folder")
    sources = _databases(settings)
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    _copy_pointers(settings.home, scratch)
    for name, source in sources.items():
        if source is not None and source.is_file():
            copy_database(source, scratch / name)
    _copy_files(settings.home, scratch)
    head, findings = _checked(scratch, {name: source and scratch / name for name, source in sources.items()})
    stated = {
        "schema": SCHEMA,
        "made_at": instant_text(made_at),
        "ledger_head": head,
        "elsewhere": [name for name, source in sources.items() if source is None],
        "files": dict(_hashes(scratch)),
    }
    (scratch / MANIFEST).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    scratch.rename(folder)
    return Backup(folder, head, findings, tuple(stated["elsewhere"]))


def restore(folder: Path, settings: Settings) -> Backup:
    """Put a backup into an empty state folder, its databases where the settings name them, and check the ledger there against the head
    that the backup states.

    Raises
    ------
    BadRequestError
        ``bad_request``: this is no backup, one of its files is missing or was changed, the state folder is in use, a database is
        there already, or the settings name PostgreSQL for one that the backup holds as a file. Nothing was written.

    Examples
    --------
    >>> restore(Path("nowhere"), Settings(Path("home"), "127.0.0.1", 3000, 1, Path(".")))
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: nowhere is no backup: backup.json is missing or cannot be read. ...
    """
    stated = _stated(folder)
    changed = _changed(folder, stated["files"])
    if changed:
        raise BadRequestError(
            f"{len(changed)} files of the backup are missing or were changed since, first {changed[0]}: nothing was restored. Use "
            "another backup.",
            field="folder",
            got=changed[:10],
        )
    places = _databases(settings)
    _refuse_in_use(settings.home, places, stated["files"])
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in stated["files"]:
        target = places.get(name) or settings.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, target)
    copied = {name: None if name in stated["elsewhere"] else place for name, place in places.items()}
    head, findings = _checked(settings.home, copied)
    if head != stated["ledger_head"]:
        raise LedgerError("The restored ledger ends elsewhere than the backup says. Use another backup.", field="head")
    return Backup(folder, head, findings, tuple(stated["elsewhere"]))


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as of one instant, while others write to it; the copy is one file."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")
        [[said]] = writing.execute("PRAGMA integrity_check(1)").fetchall()
    if said != "ok":
        raise LedgerError(f"The copy of {source.name} is damaged: {said}. Look at the disk.", field=source.name)


def _databases(settings: Settings) -> dict[str, Path | None]:
    """Each database's file, or None where it is in PostgreSQL; in the order in which they are copied."""
    ledger, state = (None if "://" in at else Path(at) for at in (settings.ledger_place, settings.state_place))
    subjects = None if ledger is None else ledger.with_name(f"{ledger.stem}-subjects.db")
    return {LEDGER: ledger, SUBJECTS: subjects, STATE: state}


def _refuse_in_use(home: Path, places: Places, names: Mapping[str, str]) -> None:
    """Refuse to restore over anything, and to restore a file where the settings name PostgreSQL."""
    there = [name for name, place in places.items() if place is not None and _is_there(place)]
    there += [name for name in IN_USE if (home / name).exists()]
    if there:
        raise BadRequestError(
            f"The state folder holds {', '.join(there)} already, and nothing is written over. Name an empty one in SCORING_HOME, and "
            "files that are not there in SCORING_LEDGER and SCORING_STATE, where these are set.",
            field="SCORING_HOME",
            got=there,
        )
    for name in (name for name, place in places.items() if place is None and name in names):
        raise BadRequestError(
            f"The backup holds {name} as a file, and {VARIABLES[name]} names a PostgreSQL database: nothing was restored. Leave "
            f"{VARIABLES[name]} out or name a file in it; a database in PostgreSQL is restored by pg_restore from its own dump.",
            field=VARIABLES[name],
            got=name,
        )


def _is_there(database: Path) -> bool:
    """Also where only its log is: SQLite would read that into what is put beside it."""
    return any(database.with_name(database.name + suffix).exists() for suffix in ("", "-wal", "-journal"))


def _copy_pointers(home: Path, target: Path) -> None:
    for name in POINTERS:
        if (home / name).is_file():
            (target / name).parent.mkdir(exist_ok=True)
            _copy(home / name, target / name)


def _copy_files(home: Path, target: Path) -> None:
    """Everything that a listing shows, and the current plan also where it is absent for the instant in which it is swapped for another."""
    current = {"plans": [_pointer(target)["plan"]] if _pointer(target) else []}
    for name in KEPT_FOLDERS:
        if (home / name).is_dir():
            (target / name).mkdir(exist_ok=True)
            there = [entry.name for entry in (home / name).iterdir()] + current.get(name, [])
            left_out = shutil.ignore_patterns(*NOT_COPIED)(name, there)
            for entry in sorted(set(there) - set(left_out)):
                if f"{name}/{entry}" not in POINTERS:
                    _copy(home / name / entry, target / name / entry)
    public = home / "keys" / PUBLIC_KEY
    if public.is_file():
        (target / "keys").mkdir()
        shutil.copy2(public, target / "keys" / PUBLIC_KEY)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder that may be swapped for another meanwhile: then again. One that was taken away is left out."""
    reason, before = "it was written anew", None
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_SECONDS)
        before = _identity(source)
        try:
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_COPIED))
            else:
                shutil.copy2(source, target)
        except OSError as error:
            reason = type(error).__name__
        else:
            if _identity(source) == before:
                return
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    if before is not None or source.exists():
        raise NotReadyError(
            f"{source.parent.name}/{source.name} could not be copied as it was at one moment, {ATTEMPTS} times over ({reason}), so there "
            "is no backup. Take it again when no plan is being made and nothing promoted; if that does not help, look at the disk.",
            field="folder",
            got=reason,
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """Another one after a swap, and after anything was put in or taken out."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _checked(place: Path, databases: Places) -> tuple[str, list[Finding]]:
    """The head of a copied ledger, and everything that is wrong with the copy; its state is opened to know that it can be."""
    ledger_file, state_file = databases[LEDGER], databases[STATE]
    if state_file is not None and state_file.is_file():
        State(str(state_file)).close()
    findings = [*_pins_without_bundle(place), *_pointer_without_plan(place)]
    if ledger_file is None:
        return "", findings
    run_id = _pointer(place).get("run_id")
    if not ledger_file.is_file():
        return "", [*findings, *([] if run_id is None else [_unrecorded(run_id)])]
    with Ledger.open(ledger_file, read_only=True) as ledger:
        findings = [*verify(ledger), *findings]
        if run_id is not None and ledger.batch(run_id) is None:
            findings.append(_unrecorded(run_id))
        return str(ledger.head()), findings


def _pins_without_bundle(place: Path) -> Iterator[Finding]:
    for name in (CHAMPION, CHALLENGER):
        if not (place / "bundles" / name).is_file():
            continue
        try:
            folder = read_pin(place, name).folder
        except BundleError as error:
            yield Finding(error.code, error.message)
        else:
            if not (place / "bundles" / folder).is_dir():
                yield Finding(
                    DANGLING, f"bundles/{name} names {folder}, which is not in the copy. Promote a bundle again."
                )


def _pointer_without_plan(place: Path) -> Iterator[Finding]:
    plan = _pointer(place).get("plan")
    if plan is not None and not (place / "plans" / plan).is_dir():
        yield Finding(DANGLING, f"plans/{CURRENT} names the plan {plan}, which is not in the copy. {AGAIN}")


def _unrecorded(run_id: str) -> Finding:
    return Finding(DANGLING, f"plans/{CURRENT} names the run {run_id[:16]}, which is not in the copied ledger. {AGAIN}")


def _pointer(place: Path) -> dict[str, str]:
    """Which plan is current; empty where none is, and where that cannot be read (then the service says so)."""
    try:
        stated = json.loads((place / "plans" / CURRENT).read_text(encoding="utf-8"))
        return {"run_id": str(stated["run_id"]), "plan": str(stated["plan"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _hashes(place: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.name.endswith(("-wal", "-shm", "-lock")):
            with path.open("rb") as file:
                yield path.relative_to(place).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()


def _changed(folder: Path, files: dict[str, str]) -> list[str]:
    there = dict(_hashes(folder))
    return [name for name, digest in files.items() if there.get(name) != digest]


def _stated(folder: Path) -> dict[str, Any]:
    try:
        stated: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if stated["schema"] == SCHEMA:
            return stated
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise BadRequestError(
        f"{folder} is no backup: {MANIFEST} is missing or cannot be read. Name a folder that `scoring backup` wrote.",
        field="folder",
    )
