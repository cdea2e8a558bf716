"""Write the queries that are kept as text again: `python -m tests.features.kept_queries`, after a change of what they are compiled from."""

from __future__ import annotations

from pathlib import Path

import scoring.resources
from scoring.decisions.account_events import compiled_known
from scoring.features.builder import compiled_features

KEPT = Path(scoring.resources.__file__).resolve().parent / "queries"


def compiled_queries() -> dict[str, str]:
    """Every query by the name of its file."""
    known = {f"known_{table}": text for table, text in compiled_known().items()}
    return {"features": compiled_features(), **known}


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for name, text in compiled_queries().items():
        (KEPT / f"{name}.sql").write_text(text + "\n", encoding="utf-8", newline="\n")
