"""A stored account is decided from what was worked out at start, with the very record that the longer way writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from scoring.vocabulary import CONTACT_CHANNELS, Channel
from serving.deciding import Decided, decide_now
from serving.deciding_stored import decide_stored
from serving.desk import Day, Desk, there
from serving.live_prices import LivePrices
from serving.wire import AccountsRequest

NOW = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)


def both_ways(desk: Desk, account_id: str, prices: LivePrices) -> tuple[Decided, Decided]:
    day, plan = desk.day, desk.plan()
    assert isinstance(day, Day) and day.morning is not None
    policy, ledger = there(day.policy), there(desk.ledger)
    judge = partial(policy.judge, as_of=plan.as_of)
    asked = desk.histories(AccountsRequest(account_ids=[account_id]), judge)
    longer = decide_now(asked, desk.bundle(), plan, policy, ledger, prices)
    alone = [day.morning.alone(day.row_of[account_id])]
    return longer, decide_stored(alone, desk.bundle(), plan, policy, ledger, prices, day.portfolio.fingerprint)


@pytest.mark.parametrize("step", range(3))
def test_records_answers_and_queue_rows_are_those_of_the_longer_way(desk: Desk, step: int) -> None:
    assert isinstance(desk.day, Day)
    ids = desk.day.frame.positions["account_id"].tolist()
    dearer: dict[Channel, float] = dict.fromkeys(CONTACT_CHANNELS, 40.0 * step)
    prices = replace(desk.prices(NOW), prices=dearer, closed=frozenset(list(Channel)[:step]))

    for account_id in ids[step::75]:
        longer, stored = both_ways(desk, account_id, prices)

        assert stored.records == longer.records
        assert stored.rows == longer.rows
        assert stored.queue_rows == longer.queue_rows
        assert (stored.losses, stored.blocks) == (longer.losses, longer.blocks)


def test_several_accounts_are_decided_each_by_itself(desk: Desk) -> None:
    day, prices = desk.day, desk.prices(NOW)
    assert isinstance(day, Day) and day.morning is not None
    policy, ledger, fingerprint = there(day.policy), there(desk.ledger), day.portfolio.fingerprint
    accounts = [day.morning.alone(row) for row in range(6)]

    together = decide_stored(accounts, desk.bundle(), desk.plan(), policy, ledger, prices, fingerprint)

    alone = [decide_stored([one], desk.bundle(), desk.plan(), policy, ledger, prices, fingerprint) for one in accounts]
    assert together.records == [one.records[0] for one in alone]


def test_an_account_that_the_plan_left_out_is_decided_without_sql(desk: Desk, current_id: str) -> None:
    quick = desk._decide_stored(AccountsRequest(account_ids=[current_id]), desk.prices(NOW))

    assert quick is not None
    assert quick.rows[0]["trigger"] == "request"
