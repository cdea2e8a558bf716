"""Histories that came in a request, without SQL: where every row is plainly in order, features are a walk in plain Python.

`serving.histories` answers everything else: it makes a small portfolio in DuckDB, says what is wrong in words, and serves decisions, which
also need the contact policy. Both give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.features.one_account.builder import Positions, account_columns
from scoring.features.one_account.few import FEW
from scoring.portfolio.clean_rows import are_clean_together, clean_history
from scoring.portfolio.clean_values import EARLIEST, LATEST
from serving.wire import AccountHistory, AccountsRequest

FEW_ROWS: Final = 400
"""Histories of up to this many rows together are scored on the event loop; a worker thread costs more than it frees."""


def inline_columns(
    asked: Sequence[AccountHistory], as_of: date, currency: str
) -> tuple[npt.NDArray[np.float32], Positions] | None:
    """Features and positions of accounts whose event tables came in the request, in the order asked.

    Parameters
    ----------
    asked : sequence of AccountHistory
        One account each.
    as_of : date
    currency : str
        Of the bundle.

    Returns
    -------
    array (n_accounts, n_features) float32 and dict of name to array, or None
        What `serving.histories.inline_histories` has in its frame, bit by bit. None where a row is not plainly in order, or an account
        cannot be scored on that day: then `inline_histories` says why, or finds that nothing is wrong.
    """
    if len(asked) > FEW or not EARLIEST <= as_of <= LATEST:
        return None
    histories = []
    for history in asked:
        clean = clean_history(history.tables())
        if clean is None or clean["accounts"]["currency"] != [currency]:
            return None
        histories.append(clean)
    names = {history["accounts"]["account_id"][0] for history in histories}
    if len(names) < len(asked) or not _agree_on_inflows(asked) or not are_clean_together(histories):
        return None
    found = account_columns(histories, as_of)
    return found if found is not None and len(found[0]) == len(asked) else None


def _agree_on_inflows(asked: Sequence[AccountHistory]) -> bool:
    """Whether accounts of one customer come with the same inflows."""
    seen: dict[Any, Any] = {}
    return all(
        seen.setdefault(history.accounts[0]["customer_id"], history.inflows) == history.inflows
        for history in asked
        if history.inflows is not None
    )


def has_few_rows(asked: AccountsRequest) -> bool:
    """Whether a request brings histories, and few rows in all.

    >>> from scoring.portfolio.reading import SMALLEST
    >>> has_few_rows(AccountsRequest(accounts=[SMALLEST], as_of=date(2025, 4, 1)))
    True
    >>> has_few_rows(AccountsRequest(account_ids=["A1"]))
    False
    """
    if asked.accounts is None:
        return False
    return sum(len(rows) for history in asked.accounts for rows in history.tables().values()) <= FEW_ROWS
