"""Targets of the further probabilities, defined to the day, and what a bundle says with their models."""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import WindowStillOpenError
from scoring.features.builder import FeatureFrame, build
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.bundle import Bundle
from scoring.scores.outcome_targets import (
    promise_kept,
    reached,
    roll_and_cure,
    self_cure,
    standing_after,
    three_months_late,
    uncontacted_share,
)
from scoring.scores.outcomes import OUTCOMES, outcomes
from scoring.scores.targets import TargetDefinition
from scoring.vocabulary import Channel
from tests.features.building import frame_of, portfolio_of
from tests.features.plain_reference import Tables, plain_features
from tests.features.random_portfolios import AS_OF, random_tables

DEFINITION = TargetDefinition()
NAN = float("nan")

# One account, minimum of 80,000 due on 21 March, hence 10 days past due on the as-of day, 31 March, and 40 a horizon later.
ACCOUNT = {"account_id": "A1", "customer_id": "C1", "product": "classic", "opened_on": date(2024, 1, 1)}
ACCOUNT |= {"credit_limit_cents": 900_000, "currency": "CNY"}
STATEMENT = {"account_id": "A1", "statement_on": date(2025, 3, 1), "due_on": date(2025, 3, 21)}
STATEMENT |= {"balance_cents": 400_000, "minimum_due_cents": 80_000, "reported_dpd": None}


def account(*payments: dict[str, Any], **more: list[dict[str, Any]]) -> Tables:
    return {"accounts": [ACCOUNT], "statements": [STATEMENT], "payments": list(payments), **more}


def payment(paid_at: datetime, cents: int = 80_000, **changes: Any) -> dict[str, Any]:
    row = {"payment_id": f"P{paid_at.isoformat()}", "account_id": "A1", "paid_at": paid_at, "amount_cents": cents}
    return row | {"kind": "voluntary", "reversed_at": None, "reversal_known_at": None, "known_at": None} | changes


def contact(
    contacted_at: datetime, outcome: str = "no_answer", channel: str = "agent_call", **changes: Any
) -> dict[str, Any]:
    row = {"contact_id": f"K{contacted_at.isoformat()}", "account_id": "A1", "contacted_at": contacted_at}
    return row | {"channel": channel, "direction": "outbound", "outcome": outcome} | changes


def promise(made_at: datetime, due_on: date, cents: int = 50_000) -> dict[str, Any]:
    return {
        "promise_id": f"Q{made_at}",
        "account_id": "A1",
        "made_at": made_at,
        "promised_cents": cents,
        "due_on": due_on,
    }


def flag(kind: str, from_at: datetime) -> dict[str, Any]:
    return {"account_id": "A1", "kind": kind, "from_at": from_at, "until_at": None}


def the_account(as_of: date = AS_OF, dpd: int = 10) -> FeatureFrame:
    """The one account as features would have it: targets ask a frame only who is in it and what is past due."""
    at = {
        "account_id": ["A1"],
        "customer_id": ["C1"],
        "dpd": [dpd],
        "past_due_cents": [80_000],
        "cure_amount_cents": [80_000],
    }
    holds = dict.fromkeys(("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan"), False)
    return FeatureFrame(as_of, pd.DataFrame(at).assign(**holds), np.zeros((1, len(FEATURE_NAMES)), dtype=np.float32))


FIRST, LAST = datetime(2025, 4, 1), datetime(2025, 4, 30, 23, 59, 59)
INSIDE = datetime(2025, 4, 10, 12)


# --- where an account stands later ---


def later(tables: Tables, days: int = 30) -> float:
    return float(standing_after(portfolio_of(tables), the_account(), days, DEFINITION)["dpd"].iloc[0])


def test_the_standing_ages_by_the_days_that_pass() -> None:
    assert later(account()) == 40


def test_a_payment_on_the_last_day_counts_and_one_on_the_day_after_does_not() -> None:
    assert later(account(payment(LAST))) == 0
    assert later(account(payment(LAST + timedelta(seconds=1)))) == 40


def test_a_payment_learned_of_within_the_posting_lag_counts() -> None:
    assert later(account(payment(LAST, known_at=datetime(2025, 5, 10)))) == 0
    assert later(account(payment(LAST, known_at=datetime(2025, 5, 11)))) == 40


def test_a_payment_returned_within_the_posting_lag_never_was() -> None:
    returned = payment(INSIDE, reversed_at=datetime(2025, 5, 2), reversal_known_at=datetime(2025, 5, 9))
    assert later(account(returned)) == 40


@pytest.mark.parametrize("seed", range(2))
def test_the_standing_later_is_what_the_days_past_due_then_say(seed: int) -> None:
    """The same walk: without anything learned late, the later standing is the feature `dpd` of that day, known a lag later."""
    tables = random_tables(Random(seed), 120)
    for name in ("payments", "statements"):
        tables[name] = [row | {"known_at": None} for row in tables[name]]
    tables["payments"] = [row | {"reversed_at": None, "reversal_known_at": None} for row in tables["payments"]]
    frame = frame_of(tables)
    seen = standing_after(portfolio_of(tables), frame, 30, DEFINITION)["dpd"]
    then = plain_features(tables, AS_OF + timedelta(days=30))
    for account_id, dpd in zip(frame.positions["account_id"], seen, strict=True):
        assert dpd == then[account_id][0]["dpd"], account_id


# --- roll and cure ---


def rolled(tables: Tables) -> tuple[float, float]:
    row = roll_and_cure(portfolio_of(tables), the_account(), DEFINITION).iloc[0]
    return float(row["roll"]), float(row["cure"])


def test_without_payment_the_account_rolls() -> None:
    assert rolled(account()) == (1.0, 0.0)


def test_paid_in_full_it_is_cured() -> None:
    assert rolled(account(payment(INSIDE))) == (0.0, 1.0)


def test_a_refund_does_not_cure() -> None:
    assert rolled(account(payment(INSIDE, kind="refund"))) == (1.0, 0.0)


def test_a_charge_off_is_worse_and_never_a_cure() -> None:
    tables = account(payment(INSIDE), standings=[flag("charged_off", datetime(2025, 4, 20))])
    assert rolled(tables) == (1.0, 0.0)


def test_a_window_that_has_not_matured_is_refused() -> None:
    tables = account()
    with pytest.raises(WindowStillOpenError, match="known only after 2025-06-30"):
        roll_and_cure(portfolio_of(tables), the_account(date(2025, 5, 21)), DEFINITION)


# --- three months late ---


def late_after(tables: Tables, as_of: date = date(2025, 3, 20)) -> float:
    return float(three_months_late(portfolio_of(tables), the_account(as_of, dpd=0), DEFINITION)[0])


def test_never_paid_is_three_months_late() -> None:
    assert late_after(account()) == 1.0


def test_paid_in_the_first_weeks_is_not() -> None:
    assert late_after(account(payment(INSIDE))) == 0.0


def test_early_warning_needs_ninety_days_and_the_lag() -> None:
    with pytest.raises(WindowStillOpenError, match="90 days after 2025-03-31"):
        late_after(account(), AS_OF)


# --- self-cure ---


def self_cured(*payments: dict[str, Any], contacts: list[dict[str, Any]]) -> float:
    tables = account(*payments, contacts=contacts)
    return float(self_cure(portfolio_of(tables), the_account(), DEFINITION)["self_cure"].iloc[0])


def test_paid_before_any_contact_is_a_self_cure() -> None:
    assert self_cured(payment(INSIDE), contacts=[contact(INSIDE + timedelta(days=1))]) == 1.0


def test_paid_after_a_contact_says_nothing_about_self_cure() -> None:
    assert np.isnan(self_cured(payment(INSIDE), contacts=[contact(INSIDE - timedelta(days=1))]))


def test_contacted_on_the_day_of_the_payment_says_nothing_either() -> None:
    assert np.isnan(self_cured(payment(INSIDE), contacts=[contact(INSIDE + timedelta(hours=1))]))


def test_neither_paid_nor_contacted_is_no_self_cure() -> None:
    assert self_cured(contacts=[]) == 0.0


def test_part_of_the_past_due_amount_is_no_cure() -> None:
    assert self_cured(payment(INSIDE, 79_999), contacts=[]) == 0.0


def test_a_contact_the_customer_opened_is_not_one_of_the_bank() -> None:
    assert self_cured(payment(INSIDE), contacts=[contact(FIRST, channel="online_cs", direction="inbound")]) == 1.0


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60))
def test_the_chance_of_no_contact_only_falls_and_never_reaches_zero(days: list[tuple[int, int]]) -> None:
    cured, contacted = (
        np.array([day if day <= 30 else NAN for day in column], dtype=float) for column in zip(*days, strict=True)
    )
    share = uncontacted_share(cured, contacted, 30)
    assert share[0] == share[1] == 1.0
    assert (np.diff(share) <= 0).all() and (share > 0).all()


def test_weighted_rows_recover_the_cures_of_a_world_where_contacts_come_at_random() -> None:
    draw = np.random.default_rng(1)
    cures = np.where(draw.random(40_000) < 0.5, draw.integers(1, 31, 40_000), 99).astype(float)
    calls = np.where(draw.random(40_000) < 0.6, draw.integers(1, 31, 40_000), 99).astype(float)
    cured = np.where((cures <= 30) & (cures < calls), cures, NAN)
    contacted = np.where((calls <= 30) & (calls <= cures), calls, NAN)
    seen = np.where(~np.isnan(cured), 1.0, np.where(np.isnan(contacted), 0.0, NAN))
    free = uncontacted_share(cured, contacted, 30)
    until = np.where(seen == 1.0, cured, 31.0).astype(int)
    weight, known = 1 / free[until], ~np.isnan(seen)
    assert np.average(seen[known], weights=weight[known]) == pytest.approx(0.5, abs=0.02)
    assert seen[known].mean() > 0.6  # unweighted, early cures are over-counted: they leave less time for a contact


# --- promises and contacts ---


def kept(*payments: dict[str, Any], promises: list[dict[str, Any]]) -> float:
    tables = account(*payments, promises=promises)
    return float(promise_kept(portfolio_of(tables), the_account(), DEFINITION)[0])


MADE, DUE = datetime(2025, 4, 5, 10), date(2025, 4, 12)


@pytest.mark.parametrize(
    ("paid_at", "cents", "is_kept"),
    [
        (datetime(2025, 4, 12), 50_000, 1.0),
        (datetime(2025, 4, 12), 45_000, 1.0),  # nine tenths
        (datetime(2025, 4, 12), 44_999, 0.0),
        (datetime(2025, 4, 15, 23), 50_000, 1.0),  # the last day of grace
        (datetime(2025, 4, 16), 50_000, 0.0),
        (datetime(2025, 4, 4), 50_000, 0.0),  # before it was made
    ],
)
def test_a_promise_is_kept_by_nine_tenths_until_the_end_of_grace(paid_at: datetime, cents: int, is_kept: float) -> None:
    assert kept(payment(paid_at, cents), promises=[promise(MADE, DUE)]) == is_kept


def test_without_a_promise_in_the_window_nothing_is_known() -> None:
    assert np.isnan(kept(payment(INSIDE), promises=[promise(datetime(2025, 3, 20), DUE)]))


def test_a_promise_whose_grace_and_lag_reach_the_extract_is_open_not_broken() -> None:
    assert kept(promises=[promise(MADE, date(2025, 6, 16))]) == 0.0
    assert np.isnan(kept(promises=[promise(MADE, date(2025, 6, 17))]))


def test_the_first_promise_of_the_window_is_the_one() -> None:
    assert (
        kept(
            payment(datetime(2025, 4, 25)),
            promises=[promise(MADE, DUE), promise(datetime(2025, 4, 20), date(2025, 4, 25))],
        )
        == 0.0
    )


def was_reached(channel: Channel, *contacts: dict[str, Any]) -> float:
    tables = account(contacts=list(contacts))
    return float(reached(portfolio_of(tables), the_account(), DEFINITION, channel)[0])


@pytest.mark.parametrize(
    ("channel", "outcome", "is_reached"),
    [
        ("agent_call", "conversation", 1.0),
        ("agent_call", "voicemail", 0.0),
        ("agent_call", "rejected", 0.0),
        ("sms", "delivered", 0.0),
        ("sms", "read", 1.0),
        ("field_visit", "met", 1.0),
        ("field_visit", "no_answer", 0.0),
        ("letter", "delivered", 1.0),
        ("letter", "sent", 0.0),
    ],
)
def test_reached_means_a_person_or_a_message_seen(channel: str, outcome: str, is_reached: float) -> None:
    assert was_reached(Channel(channel), contact(INSIDE, outcome, channel)) == is_reached


def test_a_channel_that_was_not_tried_says_nothing() -> None:
    assert np.isnan(was_reached(Channel.SMS, contact(INSIDE, "conversation", "agent_call")))


def test_somebody_else_on_the_phone_is_not_the_customer() -> None:
    assert was_reached(Channel.AGENT_CALL, contact(INSIDE, "conversation", recipient="guarantor")) == 0.0


def test_one_answer_among_several_attempts_is_enough() -> None:
    assert was_reached(Channel.AGENT_CALL, contact(FIRST), contact(INSIDE, "conversation")) == 1.0


# --- the laws of all targets ---


def test_nothing_known_after_the_posting_lag_changes_a_target() -> None:
    tables = random_tables(Random(7), 60)
    frames = {as_of: build(portfolio_of(tables), as_of, min_dpd=0) for as_of in (AS_OF, date(2025, 2, 28))}

    def seen(given: Tables, name: str, as_of: date) -> list[float]:
        return OUTCOMES[name].targets(portfolio_of(given), frames[as_of], DEFINITION)["seen"].fillna(-1).tolist()

    for name, outcome in OUTCOMES.items():
        as_of = date(2025, 2, 28) if outcome.is_early else AS_OF
        days = (outcome.days or 30) + DEFINITION.posting_lag_days + 1
        late = datetime.combine(as_of + timedelta(days=days), datetime.min.time())
        late = datetime(2025, 6, 29) if name == "p_promise_kept" else late  # a promise ends when it ends
        accounts = [row["account_id"] for row in tables["accounts"]]
        paid = [payment(late, 900_000) | {"payment_id": f"LATE{a}", "account_id": a} for a in accounts]
        called = [contact(late, "conversation") | {"contact_id": f"LATE{a}", "account_id": a} for a in accounts]
        changed = {"payments": [*tables["payments"], *paid], "contacts": [*tables.get("contacts", []), *called]}
        assert seen(tables | changed, name, as_of) == seen(tables, name, as_of), name


# --- at run time ---


def bundle_with(**margins: float) -> Bundle:
    """A bundle's face: models by name, each saying one margin."""
    return cast(
        Bundle,
        SimpleNamespace(
            boosters=dict.fromkeys(margins),
            margins=lambda names, values, threads: {name: np.full(len(values), margins[name]) for name in names},
        ),
    )


def frame_with(dpd: list[int]) -> FeatureFrame:
    frame = the_account().take(np.zeros(len(dpd), dtype=np.int64))
    frame.positions["dpd"] = dpd
    return frame


def test_a_model_that_the_bundle_lacks_gives_no_column() -> None:
    found = outcomes(bundle_with(p_roll_30d=0.0), frame_with([10]))
    assert list(found.columns) == ["account_id", "p_roll_30d"]
    assert found["p_roll_30d"].tolist() == [0.5]


def test_early_warning_speaks_about_current_and_m1_and_the_others_about_what_is_past_due() -> None:
    found = outcomes(bundle_with(p_m3_90d=0.0, p_cure_30d=0.0), frame_with([0, 29, 30]))
    assert found["p_m3_90d"].fillna(-1).tolist() == [0.5, 0.5, -1]
    assert found["p_cure_30d"].fillna(-1).tolist() == [-1, 0.5, 0.5]
