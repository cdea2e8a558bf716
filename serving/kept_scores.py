"""Scores and reasons of every account that a plan scored, kept beside it as they are answered: the nightly run computes them anyway.

One record of a few hundred bytes an account, read in one piece: an answer about a stored account then asks no model. Its file is mapped,
so that all workers share its pages. What is absent, of another bundle or version, or changed by a byte is not used; then the models are
asked as ever, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from struct import Struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

import scoring
from scoring.ledger.decision_record import MOST_REASONS, features_as_stored
from scoring.scores.bundle import EXPLAINED
from scoring.scores.scores import Scores
from serving.few_reasons import Strongest, strongest_groups, told_reason
from serving.kept_files import ANSWERS, sha256_of

FACTS: Final = "answers"
"""Where ``plan.json`` states them."""
SHARED: Final = ("account_id", "as_of")
"""Columns that are not kept: who asks knows them."""
_REASON: Final = np.dtype([("contribution", "f8"), ("feature", "i2"), ("value", "f8")])
_NONE: Final = -1
"""In the place of a feature: no further reason."""
_EXPLANATION: Final = np.dtype(
    [("margin", "f8"), ("expected_margin", "f8"), *((f"reason_{k}", _REASON) for k in range(MOST_REASONS))]
)
_CODES: Final = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "<i2": "h", "|b1": "?"}
"""Of numbers with their lowest byte first; a file with others is not used."""
_N_PARTS: Final = len(_REASON.names or ())
_N_EXPLAINED: Final = 2 + MOST_REASONS * _N_PARTS
_EXPLAINED: Final = np.dtype([(name, _EXPLANATION) for name in EXPLAINED])


def keep_scores(scores: Scores, bundle_id: str, folder: Path) -> dict[str, Any]:
    """Write the scores of a plan into a folder.

    Returns
    -------
    dict
        What ``plan.json`` states of it: who made it, the file's hash, the words that columns of text refer to. Empty where
        there were no contributions, and nothing is kept.

    Examples
    --------
    The law that what is kept is what the models answer, byte for byte, is in ``tests/serving/test_kept_scores.py``.
    """
    if not scores.contributions:
        return {}
    columns, words = _numbers(scores.table.drop(columns=list(SHARED)))
    kinds = [(name, column.dtype) for name, column in columns.items()]
    rows = np.zeros(len(scores.table), dtype=[*kinds, ("explained", _EXPLAINED)])
    for name, column in columns.items():
        rows[name] = column
    for name in EXPLAINED:
        parts, into = scores.contributions[name], rows["explained"][name]
        into["margin"], into["expected_margin"] = scores.margins[name], parts[:, -1]
        _fill(into, strongest_groups(parts, scores.frame.values))
    np.save(folder / ANSWERS, rows, allow_pickle=False)
    return {**_maker(bundle_id), "words": words, ANSWERS: sha256_of(folder / ANSWERS)}


def _numbers(table: pd.DataFrame) -> tuple[dict[str, npt.NDArray[Any]], dict[str, list[str]]]:
    """The columns as numbers, and the words that those of text refer to."""
    columns, words = {}, {}
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]):
            columns[name] = table[name].to_numpy()
        else:
            codes, found = pd.factorize(table[name])
            columns[name], words[name] = codes.astype(np.int32), [str(word) for word in found]
    return columns, words


def _fill(into: npt.NDArray[Any], told: Strongest) -> None:
    """Write reasons into their places of the records."""
    values = features_as_stored(told.values).values.to_numpy(zero_copy_only=False).reshape(told.values.shape)
    for k in range(told.features.shape[1]):
        place = into[f"reason_{k}"]
        place["contribution"], place["value"] = told.contributions[:, k], values[:, k]
        place["feature"] = np.where(told.is_told[:, k], told.features[:, k], _NONE)


class KeptScores:
    """The scores of one plan, as they are answered.

    Parameters
    ----------
    rows : structured array (n_accounts,)
        In the order of the plan.
    words : mapping of column to its words
    as_of : str
        The plan's day.
    """

    def __init__(self, rows: npt.NDArray[Any], words: Mapping[str, list[str]], as_of: str) -> None:
        self._n_accounts, self._as_of = len(rows), as_of
        self._records, self._layout = rows.view(np.uint8).data, Struct("<" + _codes(rows.dtype))
        self._names = ("account_id", *(name for name in rows.dtype.names or () if name != "explained"))
        self._words = {name: (*found, None) for name, found in words.items()}  # -1, nothing, is the last

    def __len__(self) -> int:
        return self._n_accounts

    def answers(self, account_ids: Iterable[str], places: Iterable[int]) -> list[dict[str, Any]]:
        """What `serving.answers.score_rows` gives for these accounts of the plan, in this order."""
        return [self._answer(account_id, place) for account_id, place in zip(account_ids, places, strict=True)]

    def _answer(self, account_id: str, place: int) -> dict[str, Any]:
        values = account_id, *self._layout.unpack_from(self._records, place * self._layout.size)
        answer = dict(zip(self._names, values, strict=False))  # what is explained comes after the columns
        for name, words in self._words.items():
            answer[name] = words[answer[name]]
        answer["as_of"] = self._as_of
        first = len(self._names)
        answer["explained"] = {name: _explanation(values, first + k * _N_EXPLAINED) for k, name in enumerate(EXPLAINED)}
        return answer


def _explanation(values: tuple[Any, ...], first: int) -> dict[str, Any]:
    """Of one model, whose values begin there."""
    reasons = zip(*[iter(values[first + 2 : first + _N_EXPLAINED])] * _N_PARTS, strict=True)
    told = [
        told_reason(size, feature, value if value == value else None)
        for size, feature, value in reasons
        if feature != _NONE
    ]
    return {"margin": values[first], "expected_margin": values[first + 1], "reasons": told}


def _codes(kind: np.dtype[Any]) -> str:
    """The fields of a record as `struct` names them, those within fields too."""
    if kind.fields is None:
        return _CODES[kind.str]
    return "".join(_codes(kind[name]) for name in kind.names or ())


def kept_scores(
    folder: Path, facts: Mapping[str, Any], bundle_id: str, as_of: str, n_accounts: int
) -> KeptScores | None:
    """The scores that were kept beside a plan, mapped from the file; None where there are none that can be used.

    Parameters
    ----------
    folder : Path
        Of the plan.
    facts : mapping
        What `keep_scores` gave; empty where it was not asked.
    bundle_id : str
        The bundle that is served.
    as_of : str
        The plan's day.
    n_accounts : int
        How many accounts the plan decided.

    Examples
    --------
    >>> kept_scores(Path("nowhere"), {}, "ab" * 32, "2025-05-01", 3) is None
    True
    """
    try:
        is_ours = all(facts[name] == value for name, value in _maker(bundle_id).items())
        if not is_ours or facts[ANSWERS] != sha256_of(folder / ANSWERS):
            return None
        rows = np.asarray(np.load(folder / ANSWERS, mmap_mode="r", allow_pickle=False))
        fits = len(rows) == n_accounts and rows.dtype[-1] == _EXPLAINED
        return KeptScores(rows, facts["words"], as_of) if fits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _maker(bundle_id: str) -> dict[str, str]:
    return {"bundle_id": bundle_id, "version": scoring.__version__}
