"""What a contact changes, applied: the prior without a log, the same bits alone and in a batch, plain JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import BundleError
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.effect_tables import effect_tables
from scoring.scores.effects import (
    CONSTANT,
    MARGIN,
    UNCONNECTED,
    Factor,
    LearnedEffects,
    Modifier,
    Shift,
    apply,
    prior_effects,
)
from scoring.scores.log_odds import probability
from scoring.vocabulary import CONTACT_CHANNELS, Channel

PRIOR = {channel: 0.1 + 0.02 * place for place, channel in enumerate(CONTACT_CHANNELS)}
OPEN = Modifier("open outcome", (Factor(MARGIN, "line", 0.5, 1.5),))
DRAWN = Modifier("drawn and open", (Factor("utilisation", "above", 0.6), Factor(MARGIN, "line", 0.5, 1.5)))


def some_effects(seed: int = 1) -> LearnedEffects:
    """Effects with modifiers, products of factors and full covariances."""
    rng = np.random.default_rng(seed)
    modifiers = (CONSTANT, OPEN, UNCONNECTED, DRAWN)

    def shift() -> Shift:
        root = rng.normal(0, 0.1, (4, 4))
        covariance = tuple(tuple(row) for row in (root @ root.T).tolist())
        return Shift(modifiers, tuple(rng.normal(0, 0.3, 4).tolist()), covariance)

    start = prior_effects(PRIOR)
    channels = {c: replace(entry, shift=shift(), status="blend") for c, entry in start.channels.items()}
    return LearnedEffects(shift(), channels, {"n_decisions": 5})


def some_accounts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.random((n, len(FEATURE_NAMES)), dtype=np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    return values, rng.normal(0, 2, n)


def test_without_a_log_willingness_without_contact_is_the_logged_score_and_every_shift_is_the_priors() -> None:
    values, margin = some_accounts(20, 1)
    values[:, FEATURE_NAMES.index("not_connected_share_180d")] = np.nan

    found = apply(prior_effects(PRIOR), values, margin)

    assert np.array_equal(found.w_none, probability(margin))
    for channel in CONTACT_CHANNELS:
        assert np.allclose(found.w[channel], probability(margin + PRIOR[channel]), rtol=0, atol=1e-15)
        assert found.sources[channel] == "prior"


def test_a_call_that_never_connects_changes_nothing_before_anything_is_learned() -> None:
    values, margin = some_accounts(5, 2)
    values[:, FEATURE_NAMES.index("not_connected_share_180d")] = 1.0

    found = apply(prior_effects(PRIOR), values, margin)

    assert np.allclose(found.w[Channel.AGENT_CALL], found.w_none)
    assert (found.w[Channel.SMS] > found.w_none).all()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 10_000), data=st.data())
def test_an_account_alone_has_the_same_bits_as_in_a_batch(n: int, seed: int, data: st.DataObject) -> None:
    values, margin = some_accounts(n, seed)
    row = data.draw(st.integers(0, n - 1))
    effects = some_effects(seed)

    batch, alone = apply(effects, values, margin), apply(effects, values[[row]], margin[[row]])

    assert batch.w_none[row] == alone.w_none[0]
    for channel in CONTACT_CHANNELS:
        assert batch.w[channel][row] == alone.w[channel][0]
        assert batch.errors[channel][row] == alone.errors[channel][0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_effects_written_as_json_and_read_back_are_the_same(seed: int) -> None:
    effects = some_effects(seed)

    assert LearnedEffects.from_json(json.loads(json.dumps(effects.to_json()))) == effects


def test_every_chance_stays_between_zero_and_one_and_errors_are_never_negative() -> None:
    values, margin = some_accounts(200, 3)

    found = apply(some_effects(), values, margin * 10)

    for channel in CONTACT_CHANNELS:
        assert ((found.w[channel] >= 0) & (found.w[channel] <= 1)).all()
        assert (found.errors[channel] >= 0).all()
    assert list(found.columns())[:3] == ["w_none", "w_sms", "w_sms_error"]


def test_nobody_to_score_is_no_trouble() -> None:
    found = apply(some_effects(), np.empty((0, len(FEATURE_NAMES)), np.float32), np.empty(0))

    assert len(found.w_none) == 0


def test_effects_of_a_feature_that_this_code_does_not_compute_are_refused() -> None:
    effects = prior_effects({Channel.SMS: 0.1})
    odd = Modifier("friends", (Factor("mean_friend_dpd", "line", 0.0),))
    raw = LearnedEffects(Shift((odd,), (0.0,), ((0.0,),)), effects.channels).to_json()

    with pytest.raises(BundleError, match="mean_friend_dpd"):
        LearnedEffects.from_json(raw)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_all_shifts_weighed_at_once_have_the_bits_of_each_by_itself(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    factors = [
        Factor(name, kind, float(draw.normal()), float(draw.uniform(0.1, 9)), float(draw.integers(0, 2)))
        for name in ("utilisation", "dpd", MARGIN)
        for kind in ("line", "above")
    ]
    modifiers = [
        CONSTANT,
        *(
            Modifier(str(k), tuple(factors[each] for each in draw.integers(0, len(factors), draw.integers(1, 3))))
            for k in range(6)
        ),
    ]
    shifts = []
    for size in draw.integers(1, 6, 4):
        chosen = tuple(modifiers[place] for place in draw.permutation(len(modifiers))[:size])
        covariance = draw.normal(size=(size, size)) * (draw.random((size, size)) < 0.8)
        shifts.append(Shift(chosen, tuple(draw.normal(size=size).tolist()), tuple(map(tuple, covariance.tolist()))))
    values = draw.normal(0, 50, (n, len(FEATURE_NAMES))).astype(np.float32)
    values[draw.random(values.shape) < 0.3] = np.nan
    margin = draw.normal(0, 3, n)

    amounts, errors = effect_tables(shifts).weigh(values, margin)

    for place, shift in enumerate(shifts):
        amount, error = shift.at(values, margin)
        assert amounts[place].tobytes() == amount.tobytes()
        assert errors[place].tobytes() == error.tobytes()
