"""Commands over backups: backup, restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, tell
from serving.settings import read_settings

DUMPED: Final = "In PostgreSQL, to be copied by `pg_dump --format=custom`: {names}."


@click.command()
@click.argument("folder", type=FOLDER)
@AS_JSON
def backup(folder: Path, as_json: bool) -> None:
    """Copy ledger, keys, state, bundles and plans into FOLDER while the service runs, and verify the copy. Exit 1 on findings.

    \b
    Example: scoring backup /mnt/backup/2026-11-22
    """
    from serving.backup import back_up

    _told(back_up(read_settings(), folder, datetime.now(UTC)), "Copied to", as_json)


@click.command()
@click.argument("folder", type=FOLDER)
@AS_JSON
def restore(folder: Path, as_json: bool) -> None:
    """Put a backup into an empty SCORING_HOME and verify it there. Exit 1 on findings.

    \b
    Example: scoring restore /mnt/backup/2026-11-22   (after export SCORING_HOME=/srv/scoring)
    """
    from serving.backup import restore as put_back

    _told(put_back(folder, read_settings()), "Restored from", as_json)


def _told(done: Any, verb: str, as_json: bool) -> None:
    lines = [f"[{finding.code}] {finding.message}" for finding in done.findings]
    lines.append(f"{verb} {done.folder}; ledger head {done.head or 'none'}, {len(done.findings)} findings.")
    if done.elsewhere:
        lines.append(DUMPED.format(names=", ".join(done.elsewhere)))
    facts = {
        "folder": str(done.folder),
        "head": done.head,
        "findings": [finding.as_dict() for finding in done.findings],
        "elsewhere": list(done.elsewhere),
    }
    tell(facts, as_json, lines)
    if done.findings:
        raise SystemExit(FINDINGS)
