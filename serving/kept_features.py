"""Features of every account on a plan's day, kept beside the plan: the nightly run computes them anyway, and a worker maps them.

Building them again in each worker takes two seconds and four hundred MiB for 20,000 accounts; mapped, their pages are shared by all
workers. A file that is absent, of other features or changed by a byte is not used: then they are built as ever, to the same bits. Only
the current plan's are kept: they take 424 MB for a million accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.features.builder import FeatureFrame, feature_spec_hash
from scoring.features.registry import FEATURE_NAMES
from serving.kept_files import POSITIONS, VALUES, sha256_of

FACTS: Final = "features"
"""Where ``plan.json`` states them."""


def keep_features(frame: FeatureFrame, folder: Path) -> dict[str, Any]:
    """Write a frame into a folder.

    Returns
    -------
    dict
        What ``plan.json`` states of it: hashes of the two files and of what the features mean.

    Examples
    --------
    The law that what is kept comes back to the bit is in ``tests/serving/test_kept_features.py``.
    """
    np.save(folder / VALUES, frame.values, allow_pickle=False)
    frame.positions.to_parquet(folder / POSITIONS, index=False)
    return {
        "feature_spec_hash": feature_spec_hash(),
        **{name: sha256_of(folder / name) for name in (VALUES, POSITIONS)},
    }


def kept_features(folder: Path, facts: Mapping[str, Any], as_of: date) -> FeatureFrame | None:
    """The frame that was kept beside a plan, its values mapped from the file; None where there is none that can be used.

    Parameters
    ----------
    folder : Path
        Of the plan.
    facts : mapping
        What `keep_features` gave; empty where it was not asked.
    as_of : date

    Examples
    --------
    >>> kept_features(Path("nowhere"), {}, date(2025, 5, 1)) is None
    True
    """
    try:
        if facts["feature_spec_hash"] != feature_spec_hash() or any(
            facts[name] != sha256_of(folder / name) for name in (VALUES, POSITIONS)
        ):
            return None
        values = np.asarray(np.load(folder / VALUES, mmap_mode="r", allow_pickle=False))
        positions = pq.read_table(folder / POSITIONS, use_threads=False).to_pandas()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    fits = values.dtype == np.float32 and values.shape == (len(positions), len(FEATURE_NAMES))
    return FeatureFrame(as_of, positions, values) if fits else None
