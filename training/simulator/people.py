"""Who owns the accounts: traits that never change during a simulation, one row an account.

Two accounts of one customer share every trait; each card is fed from its share of the customer's wallet.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from training.simulator.parameters import CHANNELS, PERSONAS, BoolArray, FloatArray, IntArray, Parameters

MONTH_DAYS = 30.4


@dataclass(frozen=True)
class People:
    """Traits, one row an account; money in cents, ``_day`` are days of the month.

    ``addresses`` has shape (channels, accounts).
    """

    customer: IntArray
    persona: IntArray
    intent: FloatArray
    income: FloatArray
    essentials_daily: FloatArray
    other_debt: FloatArray
    other_debt_day: IntArray
    payday: IntArray
    is_gig: BoolArray
    free_spending: FloatArray
    buffer: FloatArray
    card_spend: FloatArray
    limit: IntArray
    cycle_day: IntArray
    opened: IntArray
    first_balance: FloatArray
    pays_in_full: BoolArray
    is_autopay: BoolArray
    is_reactant: BoolArray
    habit_dpd: IntArray
    attention_before: FloatArray
    attention_overdue: FloatArray
    answers: FloatArray
    addresses: BoolArray
    region: IntArray
    in_second_zone: BoolArray
    sees_inflows: BoolArray
    is_holdout: BoolArray
    sex: IntArray
    birth_year: IntArray
    pays_lump: FloatArray

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: IntArray) -> Self:
        """The same traits for chosen rows, repeated where a row is named twice."""
        return type(self)(**{field.name: getattr(self, field.name)[..., rows] for field in fields(self)})


def draw_people(parameters: Parameters, n_accounts: int, n_days: int, rng: np.random.Generator) -> People:
    """The owners of so many accounts.

    Parameters
    ----------
    parameters : Parameters
        The world.
    n_accounts : int
        Accounts in this chunk.
    n_days : int
        Days that will be simulated: some accounts open on one of them.
    rng : numpy.random.Generator
        A stream used for nothing else, so that worlds with the same seed share their people.

    Examples
    --------
    >>> from training.simulator.parameters import parameters_of
    >>> people = draw_people(parameters_of("base"), 1000, 730, np.random.default_rng(1))
    >>> len(people), bool(0.05 < np.mean(np.diff(people.customer) == 0) < 0.10)
    (1000, True)
    """
    customer = _owners(parameters.number("two_account_customers"), n_accounts, rng)
    traits = _Traits(parameters, int(customer[-1]) + 1, rng)
    per_customer = traits.drawn()
    shared = {name: values[customer] for name, values in per_customer.items()}
    return People(customer=customer, **shared, **_accounts(parameters, customer, shared, n_days, rng))


def _owners(share: float, n_accounts: int, rng: np.random.Generator) -> IntArray:
    """The customer's number of each account: neighbours share an owner now and then."""
    pair_share = 2 * share / (1 + share)
    is_second = np.zeros(n_accounts, dtype=bool)
    is_second[1::2] = rng.random(n_accounts // 2) < pair_share
    return np.asarray(np.cumsum(~is_second) - 1, dtype=np.int64)


@dataclass(frozen=True)
class _Traits:
    """Draws everything that belongs to the customer."""

    parameters: Parameters
    n: int
    rng: np.random.Generator

    def drawn(self) -> dict[str, np.ndarray]:
        p, n, rng = self.parameters, self.n, self.rng
        shares = p.by_persona("personas")
        persona = np.searchsorted(np.cumsum(shares) / shares.sum(), rng.random(n), side="right").clip(0, 5)
        own, wish = rng.standard_normal((2, n))
        intent = p.by_persona("intent")[persona] + p.number("intent_sd") * wish
        # Where traits are correlated, people of more resolve are people of more means, across and within kinds.
        rho = p.number("trait_correlation")
        means = rho * ndtri((rankdata(intent) - 0.5) / n) + np.sqrt(1 - rho**2) * own
        income = p.number("income_median_cents") * np.exp(p.number("income_sigma") * means)
        is_stretched = persona == PERSONAS.index("overstretched")
        essentials = self._share("essential_share", is_stretched, means)
        other_debt = self._share("other_debt_share", is_stretched, means)
        first, last = p.pair("habit_days")
        is_habitual = persona == PERSONAS.index("late_by_habit")
        return {
            "persona": persona,
            "intent": intent,
            "income": income,
            "essentials_daily": income * essentials.clip(0.2, 0.95) / MONTH_DAYS,
            "other_debt": income * other_debt.clip(0.0, 0.5),
            "other_debt_day": rng.integers(1, 29, n),
            "payday": rng.choice(np.array([5, 8, 10, 15, 20, 25, 28]), n),
            "is_gig": rng.random(n) < p.number("gig_share"),
            "free_spending": self._lognormal("free_spending_daily").clip(0.01, 0.2),
            "buffer": self._lognormal("buffer_days") * income * essentials.clip(0.2, 0.95) / MONTH_DAYS,
            "is_reactant": rng.random(n) < p.number("reactant_share"),
            "habit_dpd": np.where(is_habitual, rng.integers(int(first), int(last) + 1, n), -1),
            "attention_before": p.by_persona("attention_before_due")[persona],
            "attention_overdue": p.by_persona("attention_overdue")[persona],
            "answers": rng.lognormal(0.0, 0.35, n) * np.where(persona == PERSONAS.index("fraudulent"), 0.1, 1.0),
            "region": rng.choice(6, n, p=[0.3, 0.22, 0.18, 0.12, 0.1, 0.08]),
            "in_second_zone": rng.random(n) < p.number("second_time_zone"),
            "sees_inflows": rng.random(n) < p.number("inflows_visible"),
            "sex": rng.integers(0, 2, n),
            "birth_year": rng.integers(1958, 2004, n),
            "pays_lump": np.full(n, p.number("lumpy_share")),
        }

    def _share(self, name: str, is_stretched: BoolArray, means: FloatArray) -> FloatArray:
        """A share of income that is spoken for; people of means have less of theirs spoken for."""
        usual, stretched = self.parameters.pair(name), self.parameters.pair(f"{name}_overstretched")
        slope = self.parameters.number("means_relieve")
        noise = np.sqrt(1 - slope**2) * self.rng.standard_normal(self.n) - slope * means
        return np.asarray(np.where(is_stretched, stretched[0] + stretched[1] * noise, usual[0] + usual[1] * noise))

    def _lognormal(self, name: str) -> FloatArray:
        median, sigma = self.parameters.pair(name)
        return np.asarray(median * np.exp(sigma * self.rng.standard_normal(self.n)))


def _accounts(
    parameters: Parameters, customer: IntArray, shared: dict[str, np.ndarray], n_days: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws everything that belongs to the account, and splits the wallet of customers with two."""
    p, n, persona = parameters, len(customer), shared["persona"]
    split = 1.0 / np.bincount(customer)[customer]
    for name in ("income", "essentials_daily", "other_debt", "buffer"):
        shared[name] = shared[name] * split
    income = shared["income"]
    median, sigma = p.pair("limit_over_income")
    limit = np.ceil(income * median * np.exp(sigma * rng.standard_normal(n)) / 100_000).astype(np.int64) * 100_000
    spend_median, spend_sigma = p.pair("card_spend_share")
    is_new = rng.random(n) < p.number("opened_within_window")
    opened = np.where(is_new, rng.integers(0, max(n_days - 60, 1), n), -rng.integers(30, 3000, n))
    mean_use = p.by_persona("first_utilisation")[persona]
    use = rng.beta(2.0 * mean_use / (1 - mean_use) + 0.3, 2.0, n)
    has_address = rng.random((len(CHANNELS), n)) < p.by_channel("addresses", left_out=1.0)[:, None]
    return {
        "limit": limit,
        "cycle_day": rng.integers(1, 29, n),
        "opened": opened,
        "first_balance": np.where(is_new, 0.0, limit * use),
        "card_spend": income * spend_median * np.exp(spend_sigma * rng.standard_normal(n)),
        "pays_in_full": rng.random(n) < p.by_persona("pays_in_full")[persona],
        "is_autopay": rng.random(n) < p.by_persona("autopay")[persona],
        "addresses": has_address,
        "is_holdout": rng.random(n) < p.number("holdout"),
    }
