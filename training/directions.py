"""Monotone constraints: the direction in which the trade expects a feature to move a score, as LightGBM reads them.

They cost next to nothing in accuracy and keep a reason from pointing the wrong way: someone who paid more recently is never scored
less willing for it. The table is `training/directions.toml`.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Final

from scoring.errors import FeatureError
from scoring.features.registry import FEATURE_NAMES

TABLE: Final = Path(__file__).parent / "directions.toml"
_SIGNS: Final = {"+": 1, "-": -1}
SCORE_OF: Final = {"willingness": "willingness", "ability": "ability", "full_payment": "ability"}
"""Which table a model follows; quantile models follow none, LightGBM refits their leaves afterwards."""


@lru_cache(maxsize=1)
def directions() -> dict[str, dict[str, int]]:
    """+1 or -1 by score and feature.

    Raises
    ------
    FeatureError
        ``bad_feature``: the table names a feature that is not registered, or a direction that is neither + nor -.

    Examples
    --------
    >>> directions()["willingness"]["days_since_last_payment"], directions()["ability"]["paid_to_cure_ratio_90d"]
    (-1, 1)
    """
    raw = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    found = {}
    for score in set(SCORE_OF.values()):
        bad = [name for name, sign in raw[score].items() if name not in FEATURE_NAMES or sign not in _SIGNS]
        if bad:
            raise FeatureError(
                f"training/directions.toml, [{score}]: {bad} are not registered features, or their direction is neither '+' nor "
                "'-'. Correct the table.",
                field=f"directions.{score}",
                got=bad,
            )
        found[score] = {name: _SIGNS[sign] for name, sign in raw[score].items()}
    return found


def constraints(model: str) -> list[int]:
    """LightGBM's ``monotone_constraints`` of a model, one a feature; 0 leaves it free.

    Examples
    --------
    >>> constraints("willingness")[FEATURE_NAMES.index("dpd")], sum(map(abs, constraints("share_low")))
    (-1, 0)
    """
    expected = directions().get(SCORE_OF.get(model, ""), {})
    return [expected.get(name, 0) for name in FEATURE_NAMES]
