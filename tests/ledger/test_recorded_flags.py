"""Flags come back from records as they were recorded, by whatever was known of the customer's other accounts then."""

from __future__ import annotations

from typing import Any

from scoring.decisions.account_events import customers_flags
from scoring.decisions.strategy import house_strategy
from scoring.decisions.weighing import standing_of
from scoring.ledger.replay_inputs import events_from, input_columns
from tests.decisions.invented_scores import flagged, scored


def bodies(*flags: list[str]) -> list[dict[str, Any]]:
    return [{"input": {"position": {"open_flags": each}}} for each in flags]


def test_records_that_hold_each_accounts_own_flags_give_those_flags_and_the_same_standing_again() -> None:
    """Such were written before flags were read for all accounts of a customer."""
    scores = scored(3, customer_id=["C1", "C1", "C2"])
    scores.frame.positions[["balance_cents", "last_minimum_due_cents"]] = 1.0
    recorded = events_from(bodies(["hardship"], [], []), scores.frame)

    again = input_columns(scores, None, recorded, house_strategy(), lambda names: names, slice(None))

    assert again["open_flags"].to_pylist() == [["hardship"], [], []]
    first = standing_of(scores, house_strategy(), flagged(scores, [0], "hardship"))
    second = standing_of(scores, house_strategy(), recorded)
    assert first.protected.tolist() == second.protected.tolist() == [True, True, False]
    assert first.holdout.tolist() == second.holdout.tolist()


def test_a_flag_recorded_with_an_account_protects_it_when_it_is_replayed_alone() -> None:
    scores = scored(1)
    recorded = events_from(bodies(["vulnerable"]), scores.frame)

    assert standing_of(scores, house_strategy(), recorded).supported.tolist() == [True]
    assert customers_flags(recorded, house_strategy().watched).values.tolist() == [[0, "vulnerable"]]
