"""Where the public data sets are, or why a test that needs them says nothing."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def dataset(name: str, unchecked: str) -> Path:
    """The path of a data set; skips, saying what was not checked, where it is absent."""
    folder = Path(os.environ.get("SCORING_DATASETS", ROOT.parent / "shared" / "datasets"))
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not under SCORING_DATASETS ({folder}): not checked that {unchecked}")
    return path
