"""The checks of a backup: that a copy holds what its pointers name, its ledger is sound, no file was changed, and its place is free.

What is wrong with a copy is returned as findings. Refused are only a folder that is no backup, and a place that holds something already.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scoring.errors import BadRequestError, BundleError
from scoring.ledger.findings import Finding
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.scores.pins import CHALLENGER, CHAMPION, read_pin
from serving.nightly import CURRENT
from serving.state.database import State

MANIFEST: Final = "backup.json"
SCHEMA: Final = "backup/1"
LEDGER: Final = "ledger.db"
SUBJECTS: Final = "ledger-subjects.db"
STATE: Final = "state.db"
DANGLING: Final = "dangling_pointer"
"""The finding that a pointer names a plan or a bundle that the copy does not hold."""
AGAIN: Final = "Take another backup, or make the plan again with `scoring plan`."
IN_USE: Final = ("bundles", "plans")
VARIABLES: Final = {LEDGER: "SCORING_LEDGER", SUBJECTS: "SCORING_LEDGER", STATE: "SCORING_STATE"}
Places = Mapping[str, Path | None]


def checked(place: Path, databases: Places) -> tuple[str, list[Finding]]:
    """The head of a copied ledger, and everything that is wrong with the copy; its state is opened to know that it can be."""
    ledger_file, state_file = databases[LEDGER], databases[STATE]
    if state_file is not None and state_file.is_file():
        State(str(state_file)).close()
    findings = [*_pins_without_bundle(place), *_pointer_without_plan(place)]
    if ledger_file is None:
        return "", findings
    run_id = pointer_in(place).get("run_id")
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
    plan = pointer_in(place).get("plan")
    if plan is not None and not (place / "plans" / plan).is_dir():
        yield Finding(DANGLING, f"plans/{CURRENT} names the plan {plan}, which is not in the copy. {AGAIN}")


def _unrecorded(run_id: str) -> Finding:
    return Finding(DANGLING, f"plans/{CURRENT} names the run {run_id[:16]}, which is not in the copied ledger. {AGAIN}")


def pointer_in(place: Path) -> dict[str, str]:
    """Which plan is current; empty where none is, and where that cannot be read (then the service says so)."""
    try:
        stated = json.loads((place / "plans" / CURRENT).read_text(encoding="utf-8"))
        return {"run_id": str(stated["run_id"]), "plan": str(stated["plan"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def hashes(place: Path) -> Iterator[tuple[str, str]]:
    """Each file of a copy and its SHA-256, without what SQLite keeps beside an open database."""
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.name.endswith(("-wal", "-shm", "-lock")):
            with path.open("rb") as file:
                yield path.relative_to(place).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()


def changed_files(folder: Path, files: dict[str, str]) -> list[str]:
    """Names of a backup's files that are missing or no longer what was stated."""
    there = dict(hashes(folder))
    return [name for name, digest in files.items() if there.get(name) != digest]


def stated_in(folder: Path) -> dict[str, Any]:
    """What a backup says of itself; refused where it says nothing."""
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


def refuse_in_use(home: Path, places: Places, names: Mapping[str, str]) -> None:
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
