"""Backup and restore of the state folder: a consistent copy of the databases while the service runs, checked before it counts as one.

Whatever is referred to is written before what refers to it, so everything is copied the other way round, and every copy holds all that
the one before it needs: the pointers first (which plan is current, which bundles and strategy are pinned), then the ledger, the subjects'
keys, the state, and last the files that never change once written (bundles, plans, policies, tables). Left out: what the nightly run
keeps beside a plan for the workers, which work it out themselves, the private key that signs anchors, which belongs elsewhere, and the
MLflow store, which serving does not need. Databases in PostgreSQL are copied by its own tools (`serving/operating.md`).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from scoring.decisions import strategy_pin
from scoring.errors import BadRequestError, LedgerError, NotReadyError
from scoring.ledger.findings import Finding
from scoring.ledger.heads import PUBLIC_KEY
from scoring.ledger.record import instant_text
from scoring.scores.pins import CHALLENGER, CHAMPION
from serving.backup_checks import (
    LEDGER,
    MANIFEST,
    SCHEMA,
    STATE,
    SUBJECTS,
    changed_files,
    checked,
    hashes,
    pointer_in,
    refuse_in_use,
    stated_in,
)
from serving.kept_files import KEPT
from serving.nightly import CURRENT
from serving.settings import Settings

KEPT_FOLDERS: Final = ("bundles", "plans", "policies", "tables", "strategy")
POINTERS: Final = (
    f"plans/{CURRENT}",
    f"bundles/{CHAMPION}",
    f"bundles/{CHALLENGER}",
    f"{strategy_pin.FOLDER}/{strategy_pin.PIN}",
)
NOT_COPIED: Final = (".*", "*.tmp", *KEPT)
ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.2


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
        Findings of `scoring.ledger.verify` on the copied ledger, and `serving.backup_checks.DANGLING` for each pointer that names
        what is not in the copy; an empty list where it is sound.

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
    head, findings = checked(scratch, {name: source and scratch / name for name, source in sources.items()})
    stated = {
        "schema": SCHEMA,
        "made_at": instant_text(made_at),
        "ledger_head": head,
        "elsewhere": [name for name, source in sources.items() if source is None],
        "files": dict(hashes(scratch)),
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
    stated = stated_in(folder)
    changed = changed_files(folder, stated["files"])
    if changed:
        raise BadRequestError(
            f"{len(changed)} files of the backup are missing or were changed since, first {changed[0]}: nothing was restored. Use "
            "another backup.",
            field="folder",
            got=changed[:10],
        )
    places = _databases(settings)
    refuse_in_use(settings.home, places, stated["files"])
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in stated["files"]:
        target = places.get(name) or settings.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, target)
    copied = {name: None if name in stated["elsewhere"] else place for name, place in places.items()}
    head, findings = checked(settings.home, copied)
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


def _copy_pointers(home: Path, target: Path) -> None:
    for name in POINTERS:
        if (home / name).is_file():
            (target / name).parent.mkdir(exist_ok=True)
            _copy(home / name, target / name)


def _copy_files(home: Path, target: Path) -> None:
    """Everything that a listing shows, and the current plan also where it is absent for the instant in which it is swapped for another."""
    current = {"plans": [pointer_in(target)["plan"]] if pointer_in(target) else []}
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
