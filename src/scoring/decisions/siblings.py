"""A customer's accounts whose events were read apart, as those that came in one request with other tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.decisions.account_events import AccountEvents

_READ = ["row", "kind", "until_at"]


def read_together(
    events: Sequence[AccountEvents], customer_ids: Sequence[npt.NDArray[np.object_]]
) -> list[AccountEvents]:
    """Give every part the standings that its customers have in the other parts.

    Parameters
    ----------
    events : sequence of AccountEvents
        Of no account twice.
    customer_ids : sequence of arrays of str
        Of the accounts of each part, in their order.

    Examples
    --------
    >>> from datetime import date
    >>> from scoring.decisions.account_events import account_events, customers_flags
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> ill = {"account_id": "A1", "kind": "illness", "from_at": "2025-04-01T08:00:00Z"}
    >>> a1, day = np.array(["A1"], dtype=object), date(2025, 5, 1)
    >>> parts = [account_events(portfolio_from_tables({**SMALLEST, **more}), a1, day) for more in ({"standings": [ill]}, {})]
    >>> _, other = read_together(parts, [np.array(["C1"], dtype=object)] * 2)
    >>> customers_flags(other, ["illness"]).values.tolist(), len(other.standings)
    ([[0, 'illness']], 0)
    """
    stated = pd.concat(
        [
            each.standings[_READ].assign(customer_id=customers[each.standings["row"].to_numpy()], part=part)
            for part, (each, customers) in enumerate(zip(events, customer_ids, strict=True))
        ]
    )
    found = []
    for part, (each, customers) in enumerate(zip(events, customer_ids, strict=True)):
        own = pd.DataFrame({"row": np.arange(len(customers)), "customer_id": customers})
        elsewhere = own.merge(stated[stated["part"] != part].drop(columns="row"), on="customer_id")[_READ]
        found.append(replace(each, siblings_standings=pd.concat([each.siblings_standings, elsewhere])))
    return found
