"""What the card is used for: `scoring.features.spending` for one account."""

from __future__ import annotations

from scoring.features.one_account.history import Features, History, ratio, total


def spending(history: History) -> Features:
    """Spending over the last statements; absent where the source does not observe it.

    Examples
    --------
    >>> from scoring.features.one_account.history import Cycle
    >>> found = spending(History([Cycle(27, 7, 120_000, 12_000, None, 30_000, 10_000, None, dpd=0)], [], 120_000, 400))
    >>> found["purchases_to_limit_ratio_90d"], found["cash_advance_share_180d"], found["charges_to_balance_ratio_90d"]
    (0.25, 0.25, None)
    """
    quarter, half, year = history.within(90), history.within(180), history.within(365)
    bought, drawn = total(c.purchases_cents for c in half), total(c.cash_advances_cents for c in half)
    bought_lately = total(c.purchases_cents for c in quarter)
    charged = total(c.interest_and_fees_cents for c in quarter)
    owing = sum(c.balance_cents for c in quarter if c.balance_cents > 0)
    return {
        "purchases_cents_1_cycle": history.cycles[0].purchases_cents,
        "purchases_cents_180d": bought,
        "purchases_to_limit_ratio_90d": ratio(bought_lately, history.credit_limit_cents),
        "purchase_trend_90d": ratio(bought_lately, total(c.purchases_cents for c in half[len(quarter) :])),
        "cash_advance_share_180d": None if bought is None or drawn is None else ratio(drawn, bought + drawn),
        "cash_advance_cycles_365d": total(
            None if c.cash_advances_cents is None else int(c.cash_advances_cents > 0) for c in year
        ),
        "charges_to_balance_ratio_90d": None if charged is None else ratio(charged * len(quarter), owing),
        "purchases_while_past_due_180d": total(
            None if c.purchases_cents is None or c.dpd is None else c.purchases_cents * (c.dpd > 0) for c in half
        ),
    }
