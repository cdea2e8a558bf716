"""Plan terms: they add up, they stay within sixty months, and they never ask for more than can be paid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decisions.plan_terms import (
    BEYOND_MEANS,
    DEFERRAL,
    INSTALMENTS,
    INSTALMENTS_WITH_WAIVER,
    NO_OFFER,
    OFFERS,
    Means,
    plan_terms,
)

AMOUNTS = st.integers(0, 10_000_000)


def means_of(debt: int, cure: int, payable: list[int], interest: int, passing: bool, token: int = 5_000) -> Means:
    low, mid, high = sorted(payable)
    return Means(
        *(np.array([cents]) for cents in (debt, cure, low, mid, high, interest)), np.array([passing]), np.array([token])
    )


@settings(deadline=None)
@given(
    AMOUNTS, AMOUNTS, st.lists(st.integers(0, 400_000), min_size=3, max_size=3), st.integers(0, 500_000), st.booleans()
)
def test_every_offer_adds_up_fits_sixty_months_and_asks_no_more_than_the_middle_of_what_is_payable(
    debt, cure, payable, interest, passing
):  # type: ignore[no-untyped-def]
    means = means_of(debt, min(cure, debt), payable, interest, passing)

    terms = plan_terms(means).iloc[0]

    if terms["kind"] not in OFFERS:
        assert terms["kind"] in (NO_OFFER, BEYOND_MEANS)
        assert terms.drop("kind").sum() == 0
        return
    assert (
        terms["instalment_cents"] * (terms["n_instalments"] - 1)
        + terms["last_instalment_cents"]
        + terms["waiver_cents"]
        == terms["debt_cents"]
    )
    assert 1 <= terms["n_instalments"] <= 60
    assert 0 <= terms["last_instalment_cents"] <= terms["instalment_cents"]
    assert terms["waiver_cents"] <= 0.5 * interest
    assert terms["cost_cents"] >= terms["waiver_cents"]
    if terms["kind"] == DEFERRAL:
        assert terms["debt_cents"] <= terms["deferral_months"] * sorted(payable)[1]
        assert terms["deferral_months"] <= 3
    else:
        assert terms["instalment_cents"] <= max(sorted(payable)[1], 5_000)


@settings(deadline=None)
@given(st.integers(1, 5_000_000), st.integers(0, 200_000))
def test_whoever_can_pay_more_never_gets_a_longer_plan(debt: int, more: int):
    first = plan_terms(means_of(debt, 0, [20_000, 60_000, 90_000], 0, False)).iloc[0]
    second = plan_terms(means_of(debt, 0, [20_000 + more, 60_000 + more, 90_000 + more], 0, False)).iloc[0]

    if first["kind"] == INSTALMENTS:
        assert second["kind"] == INSTALMENTS
        assert second["n_instalments"] <= first["n_instalments"]


@pytest.mark.parametrize(
    ("means", "kind"),
    [
        (means_of(0, 0, [0, 0, 0], 0, False), NO_OFFER),
        (means_of(900_000, 100_000, [30_000, 50_000, 60_000], 0, True), DEFERRAL),
        (means_of(900_000, 100_000, [30_000, 50_000, 60_000], 0, False), INSTALMENTS),
        (means_of(600_000 + 4_000, 100_000, [0, 10_000, 60_000], 8_000, False), INSTALMENTS_WITH_WAIVER),
        (means_of(600_000 + 4_001, 100_000, [0, 10_000, 60_000], 8_000, False), BEYOND_MEANS),
        (means_of(600_000, 100_000, [0, 4_999, 60_000], 0, False), BEYOND_MEANS),
    ],
)
def test_the_mildest_offer_that_fits_is_taken_and_what_does_not_fit_goes_to_a_person(means: Means, kind: str):
    assert plan_terms(means)["kind"].tolist() == [kind]


def test_the_lower_end_is_asked_as_long_as_the_plan_stays_within_three_years():
    short = plan_terms(means_of(36 * 30_000, 0, [30_000, 50_000, 60_000], 0, False)).iloc[0]
    longer = plan_terms(means_of(36 * 40_000, 0, [30_000, 50_000, 60_000], 0, False)).iloc[0]

    assert (short["n_instalments"], short["instalment_cents"]) == (36, 30_000)
    assert (longer["n_instalments"], longer["instalment_cents"]) == (36, 40_000)
