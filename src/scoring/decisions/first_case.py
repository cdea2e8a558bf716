"""The first case that holds, row by row: what a chain of if and elif says, for columns of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]


def first_case(cases: Sequence[tuple[npt.NDArray[np.bool_], Texts | str]], otherwise: Texts | str) -> Texts:
    """For each row the text of the first condition that holds, else ``otherwise``.

    Parameters
    ----------
    cases : sequence of (array (n_rows,) of bool, text or array (n_rows,) of text)
        At least one.
    otherwise : text or array (n_rows,) of text

    Returns
    -------
    array (n_rows,) of object

    Examples
    --------
    >>> held = np.array(["deceased", ""], dtype=object)
    >>> first_case([(held != "", held), (np.array([True, True]), "holdout")], "").tolist()
    ['deceased', 'holdout']
    """
    found = np.empty(len(cases[0][0]), dtype=object)
    found[:] = otherwise
    for holds, text in reversed(cases):
        found[holds] = text if isinstance(text, str) else text[holds]
    return found
