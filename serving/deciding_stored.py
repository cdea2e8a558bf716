"""Deciding stored accounts of the plan's day one by one, from what was worked out at start: milliseconds, without SQL and frames.

The records are byte by byte those that `serving.deciding.decide_now` makes of each account alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scoring.decisions.decided import decision_ids
from scoring.decisions.live import decide_at_prices
from scoring.ledger.one_record import one_record
from scoring.ledger.record import Record
from scoring.ledger.store import Ledger
from scoring.scores.bundle import Bundle
from scoring.scores.few_scores import few_scores
from serving.answers import decision_rows
from serving.contact_policy import Policy, blocks_of
from serving.current_plan import CurrentPlan
from serving.deciding import DECISION, Decided, circumstances_of, queue_rows
from serving.live_prices import LivePrices
from serving.morning import Alone


def decide_stored(
    accounts: Sequence[Alone],
    bundle: Bundle,
    plan: CurrentPlan,
    policy: Policy,
    ledger: Ledger,
    prices: LivePrices,
    fingerprint: str,
) -> Decided:
    """Decide each account by itself at the prices of now; nothing but new references is written.

    Parameters
    ----------
    fingerprint : str
        Of the portfolio.

    Raises
    ------
    ScoringError
        The models cannot score: the caller asks the scorecard.
    """
    decided, stated, as_of = Decided(), prices.stated(plan.run_id), plan.as_of
    shared = circumstances_of(accounts[0].lawful, fingerprint, as_of, policy, bundle, plan, stated)
    refs = ledger.refs([name for one in accounts for name in (one.account_id, one.customer)])
    for one, account_ref, customer_ref in zip(accounts, refs[::2], refs[1::2], strict=True):
        scores = few_scores(bundle, one.frame)
        made = decide_at_prices(
            scores, bundle.definition, prices.prices, prices.closed, run_id=shared.run_id, lawful=one.lawful,
            minute_prices=prices.minute_prices, when=one.when, strategy=plan.strategy, standing=one.standing,
        )  # fmt: skip
        decision_id = decision_ids(shared.run_id, np.array([account_ref], dtype=object))
        made = replace(made, decisions=made.decisions.assign(decision_id=decision_id))
        body = one_record(
            made, scores, bundle, shared, account_ref=account_ref, customer_ref=customer_ref, lawful=one.lawful,
            rules=one.rules, flags=one.flags, when=one.when, at_prices=stated,
        )  # fmt: skip
        record = Record(
            str(decision_id[0]), DECISION, body, account_id=one.account_id, as_of=as_of, account_ref=account_ref
        )
        decided.records.append(record)
        decided.rows += decision_rows(made.decisions, as_of.isoformat(), shared.trigger)
        decided.blocks.update(blocks_of(one.lawful))
        decided.queue_rows += queue_rows(made.decisions, scores)
        decided.losses += made.decisions["loss_cents"].tolist()
    return decided
