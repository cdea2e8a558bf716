"""Counterfactuals: only payments are tried, on the real features and models, and the answer is true when it is done."""

from __future__ import annotations

from datetime import date

import numpy as np

from scoring.decisions.softer import HARSH, HARSHNESS, harshness
from scoring.features.builder import build
from scoring.portfolio.hypothetical import with_payments
from scoring.portfolio.reading import read_portfolio
from scoring.resources import data_folder
from scoring.vocabulary import Treatment

SAMPLE = data_folder() / "sample"
ON = date(2025, 6, 30)


def test_every_treatment_has_a_place_in_the_order_of_pressure() -> None:
    assert set(HARSHNESS) == set(Treatment)
    assert harshness(np.array([str(t) for t in HARSHNESS], dtype=object)).tolist() == list(HARSHNESS.values())
    assert {t for t, rank in HARSHNESS.items() if rank >= HARSH} == {Treatment.NEGOTIATE, Treatment.LEGAL_REVIEW}


def test_a_hypothetical_payment_of_nothing_changes_no_feature_to_the_bit() -> None:
    portfolio = read_portfolio(SAMPLE)
    frame = build(portfolio, ON)

    same = build(
        with_payments(
            portfolio, ON, frame.positions["account_id"].to_numpy(dtype=object), np.zeros(len(frame), np.int64)
        ),
        ON,
    )

    assert same.values.tobytes() == frame.values.tobytes()


def test_a_hypothetical_payment_lowers_what_is_past_due_by_its_amount_and_nobody_elses() -> None:
    portfolio = read_portfolio(SAMPLE)
    frame = build(portfolio, ON)
    ids = frame.positions["account_id"].to_numpy(dtype=object)
    amounts = np.where(np.arange(len(ids)) % 2, 5_000, 0)

    paid = build(with_payments(portfolio, ON, ids, amounts), ON, min_dpd=0)

    place = paid.positions.set_index("account_id").loc[list(ids), "past_due_cents"].to_numpy()
    before = frame.positions["past_due_cents"].to_numpy()
    assert (before - place).tolist() == np.minimum(amounts, before).tolist()


def test_the_portfolio_itself_is_left_as_it_was() -> None:
    portfolio = read_portfolio(SAMPLE)
    before = build(portfolio, ON).values.tobytes()

    with_payments(portfolio, ON, np.array(["A0007"], dtype=object), np.array([10_000]))

    assert build(portfolio, ON).values.tobytes() == before
