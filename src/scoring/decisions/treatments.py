"""Treatments: the default matrix of segment and stage, read from a dated table, for all accounts at once."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import PolicyError
from scoring.resources import reference_text
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Evidence, Segment, Stage, Treatment

NEVER_BY_SCORE: Final = HUMAN_ONLY_CHANNELS
_ROWS: Final = (*(str(segment) for segment in Segment), str(Evidence.INSUFFICIENT))
_ROW_OF: Final = {name: place for place, name in enumerate(_ROWS)}
_STAGE_FIRST_DPD: Final = {Stage.EARLY: 0, Stage.MID: 30, Stage.LATE: 90}


@dataclass(frozen=True)
class TreatmentTable:
    """The matrix as arrays: one row per (segment or missing evidence) x stage.

    Attributes
    ----------
    treatments : array (n_rows * n_stages,) of str
    suitable : array (n_rows * n_stages, n_channels), int
        Preference of each contact channel, 1 = first; 0 = not used.
    self_cure_above : float
        Willingness without contact above which the willing and able are left alone.
    version : str
        SHA-256 of the file.
    """

    treatments: npt.NDArray[np.object_]
    suitable: npt.NDArray[np.int64]
    self_cure_above: float
    version: str


def treatment_table() -> TreatmentTable:
    """Read and check ``data/reference/treatments.toml``.

    Raises
    ------
    PolicyError
        ``bad_policy``: a row is missing, or names an unknown treatment or channel, or one that a score may never choose.

    Examples
    --------
    >>> treatment_table().self_cure_above
    0.9
    """
    return treatments_from(reference_text("treatments"))


@lru_cache(maxsize=4)
def treatments_from(text: str) -> TreatmentTable:
    """Check and type a treatment matrix.

    Raises
    ------
    PolicyError
        ``bad_policy``: see `treatment_table`; also text that is no TOML and a ``self_cure_above`` outside 0 to 1.

    Examples
    --------
    >>> treatments_from("self_cure_above = 0.9")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: treatments.toml, [willing_able] early: missing, or an unknown treatment.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"treatments.toml is not TOML: {error}.", field="treatments.toml") from error
    cells = [(row, str(stage)) for row in _ROWS for stage in Stage]
    read = [_cell(raw, row, stage) for row, stage in cells]
    suitable = np.zeros((len(cells), len(CONTACT_CHANNELS)), dtype=np.int64)
    names = [str(channel) for channel in CONTACT_CHANNELS]
    for place, cell in enumerate(read):
        for preference, channel in enumerate(cell["channels"], start=1):
            suitable[place, names.index(channel)] = preference
    treatments = np.array([cell["treatment"] for cell in read], dtype=object)
    return TreatmentTable(treatments, suitable, _self_cure_above(raw), hashlib.sha256(text.encode()).hexdigest())


def _self_cure_above(raw: dict[str, Any]) -> float:
    threshold = raw.get("self_cure_above")
    if not isinstance(threshold, float | int) or not 0 < threshold <= 1:
        raise PolicyError(
            "treatments.toml, self_cure_above: it must be a probability between 0 and 1, above which the willing and able are "
            "left alone.",
            field="self_cure_above",
            got=threshold,
            expected="above 0, at most 1",
        )
    return float(threshold)


def _cell(raw: dict[str, Any], row: str, stage: str) -> dict[str, Any]:
    where, field = f"treatments.toml, [{row}] {stage}", f"{row}.{stage}"
    try:
        cell: dict[str, Any] = raw[row][stage]
        Treatment(cell["treatment"])
        channels = cell["channels"]
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{where}: missing, or an unknown treatment.", field=field) from error
    if not isinstance(channels, list) or not all(isinstance(channel, str) for channel in channels):
        raise PolicyError(f"{where}: channels must be a list of channels, best first.", field=field, got=channels)
    allowed = [str(channel) for channel in CONTACT_CHANNELS if channel not in NEVER_BY_SCORE]
    strangers = sorted(set(channels) - set(allowed))
    if strangers:
        raise PolicyError(
            f"{where}: {strangers} may not be chosen by a score.", field=field, got=channels, expected=allowed
        )
    if len(set(channels)) < len(channels):
        raise PolicyError(
            f"{where}: {channels} names a channel twice, so its preference is unclear.", field=field, got=channels
        )
    return cell


def cells_of(scores: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The matrix row of each account: its segment (or missing evidence) and stage.

    Examples
    --------
    >>> seen = pd.DataFrame({"segment": ["willing_able"], "evidence": ["sufficient"], "dpd": [45]})
    >>> str(treatment_table().treatments[cells_of(seen)[0]])
    'reminder'
    """
    missing = np.asarray(scores["evidence"]) == str(Evidence.INSUFFICIENT)
    wanted = np.where(missing, str(Evidence.INSUFFICIENT), np.asarray(scores["segment"]))
    row = np.array([_ROW_OF[name] for name in wanted.tolist()], dtype=np.int64)
    stage = np.searchsorted(list(_STAGE_FIRST_DPD.values()), np.asarray(scores["dpd"]), side="right") - 1
    return np.asarray(row * len(_STAGE_FIRST_DPD) + stage, dtype=np.int64)
