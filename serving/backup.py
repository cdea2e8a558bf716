"""Backup and restore of the state folder: a consistent copy of the databases while the service runs, checked before it counts as one.

The ledger is copied first, then the subjects' keys, then the state: whatever the ledger refers to is written before it, so every
copy holds all that the one before it needs. Files that never change once written (bundles, plans, policies, tables) go along. Left out:
the private key that signs anchors, which belongs elsewhere, and the MLflow store, which serving does not need. Databases in PostgreSQL
are copied by its own tools (`serving/operating.md`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from scoring.errors import BadRequestError, LedgerError
from scoring.ledger.findings import Finding
from scoring.ledger.heads import PUBLIC_KEY
from scoring.ledger.record import instant_text
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from serving.settings import Settings
from serving.state.database import State

MANIFEST: Final = "backup.json"
SCHEMA: Final = "backup/1"
LEDGER: Final = "ledger.db"
SUBJECTS: Final = "ledger-subjects.db"
STATE: Final = "state.db"
KEPT_FOLDERS: Final = ("bundles", "plans", "policies", "tables", "strategy")
IN_USE: Final = (LEDGER, SUBJECTS, STATE, "bundles", "plans")


@dataclass(frozen=True)
class Backup:
    """A backup: its folder, the ledger's head in it, what was found wrong with the copied ledger, and what lies in PostgreSQL."""

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
        Findings of `scoring.ledger.verify` on the copied ledger; an empty list where it is sound.

    Raises
    ------
    BadRequestError
        ``bad_request``: the folder is there already.
    """
    if folder.exists():
        raise BadRequestError(f"{folder} is there already. Name a folder for this backup alone.", field="folder")
    sources = _databases(settings)
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, source in sources.items():
        if source is not None and source.is_file():
            copy_database(source, scratch / name)
    _copy_files(settings.home, scratch)
    head, findings = _checked(scratch)
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
    """Put a backup into an empty state folder, and check the ledger there against the head that the backup states.

    Raises
    ------
    BadRequestError
        ``bad_request``: this is no backup, one of its files is missing or was changed, or the state folder is in use.

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
    there = [name for name in IN_USE if (settings.home / name).exists()]
    if there:
        raise BadRequestError(
            f"The state folder holds {', '.join(there)} already, and nothing is written over. Name an empty one in SCORING_HOME.",
            field="SCORING_HOME",
            got=there,
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    for name in stated["files"]:
        (settings.home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, settings.home / name)
    head, findings = _checked(settings.home)
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


def _copy_files(home: Path, target: Path) -> None:
    for name in KEPT_FOLDERS:
        if (home / name).is_dir():
            shutil.copytree(home / name, target / name, ignore=shutil.ignore_patterns(".*", "*.tmp"))
    public = home / "keys" / PUBLIC_KEY
    if public.is_file():
        (target / "keys").mkdir()
        shutil.copy2(public, target / "keys" / PUBLIC_KEY)


def _checked(place: Path) -> tuple[str, list[Finding]]:
    """The head of the ledger in a folder, and everything that is wrong with it; its state is opened to know that it can be."""
    if (place / STATE).is_file():
        State(str(place / STATE)).close()
    if not (place / LEDGER).is_file():
        return "", []
    with Ledger.open(place / LEDGER, read_only=True) as ledger:
        return str(ledger.head()), verify(ledger)


def _hashes(place: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.name.endswith(("-wal", "-shm", "-lock")):
            yield path.relative_to(place).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()


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
