"""What the nightly run keeps beside the current plan so that a worker need not work it out.

It is never in a backup, and removed with the next plan.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from scoring.portfolio.contracts import contracts

VALUES: Final = "features.npy"
POSITIONS: Final = "positions.parquet"
ANSWERS: Final = "answers.npy"
ROWS_INDEX: Final = "rows_index.arrow"
ROWS: Final = {name: f"rows_{name}.arrow" for name, contract in contracts().items() if not contract.audit_only}
"""By table."""
KEPT: Final = (VALUES, POSITIONS, ANSWERS, ROWS_INDEX, *ROWS.values())


def forget_kept(plans: Path, current: str) -> None:
    """Remove what was kept beside every plan but one; a worker that has it mapped keeps it until it lets go.

    A plan that is being written (its folder's name begins with a dot) is left alone, and so is a file that cannot be removed: it takes
    room and is wrong nowhere.

    Parameters
    ----------
    plans : Path
        The folder of the plans.
    current : str
        The folder's name of the plan beside which it stays.

    Examples
    --------
    >>> forget_kept(Path("nowhere"), "ab" * 8)
    """
    for folder in plans.glob("[!.]*/"):
        for name in KEPT if folder.name != current else ():
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
