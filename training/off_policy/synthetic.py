"""A log whose truth is a short sum: eight contexts, four actions, known probabilities. For testing estimators, not for decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.off_policy.estimators import Floats, LoggedChoices

N_CONTEXTS = 8
N_ACTIONS = 4


@dataclass(frozen=True)
class SyntheticWorld:
    """Contexts with their share, the chance of a reward per context and action, and what the logging policy does.

    Attributes
    ----------
    share : array (8,)
    chance : array (8, 4)
    logging : array (8, 4)
    features : array (8, 3)
        What an estimator may see of a context; not enough to know the chances.
    """

    share: Floats
    chance: Floats
    logging: Floats
    features: Floats

    def value(self, policy: Floats) -> float:
        """The true value of a policy (8, 4): the sum of share x policy x chance."""
        return float((self.share[:, None] * policy * self.chance).sum())

    def draw(self, n: int, seed: int) -> tuple[LoggedChoices, Floats, np.ndarray]:
        """A log of ``n`` decisions, its features, and the context of each row."""
        draws = np.random.default_rng(seed)
        context = draws.choice(N_CONTEXTS, size=n, p=self.share)
        cumulated = np.cumsum(self.logging[context], axis=1)
        actions = (draws.random(n)[:, None] > cumulated).sum(axis=1).clip(max=N_ACTIONS - 1)
        rewards = (draws.random(n) < self.chance[context, actions]).astype(np.float64)
        log = LoggedChoices(actions, rewards, self.logging[context, actions], N_ACTIONS, np.arange(n))
        noise = draws.normal(size=(n, 1))
        return log, np.concatenate([self.features[context], noise], axis=1), context


def synthetic_world(seed: int = 7, *, floor: float = 0.05) -> SyntheticWorld:
    """A world with a curved response and a logging policy that prefers the hard cases, at least ``floor`` for every action.

    Examples
    --------
    >>> world = synthetic_world()
    >>> bool(world.logging.min() >= 0.05), round(float(world.logging.sum()), 6)
    (True, 8.0)
    """
    draws = np.random.default_rng(seed)
    share = draws.dirichlet(np.full(N_CONTEXTS, 4.0))
    features = draws.normal(size=(N_CONTEXTS, 3))
    base = 0.5 + 0.3 * np.sin(2.0 * features[:, :1]) * np.cos(features[:, 1:2])
    chance = np.clip(base + draws.uniform(-0.15, 0.2, (N_CONTEXTS, N_ACTIONS)), 0.02, 0.98)
    liking = np.exp(1.2 * (1.0 - base) * np.arange(N_ACTIONS)[None, :] + draws.normal(0, 0.5, (N_CONTEXTS, N_ACTIONS)))
    logging = floor + (1.0 - N_ACTIONS * floor) * liking / liking.sum(axis=1, keepdims=True)
    return SyntheticWorld(share, chance, logging, features)


def best_policy(world: SyntheticWorld, *, explore: float = 0.0) -> Floats:
    """The best action of each context, mixed with a uniform draw.

    >>> best_policy(synthetic_world()).sum(axis=1).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    return np.asarray((1.0 - explore) * np.eye(N_ACTIONS)[world.chance.argmax(axis=1)] + explore / N_ACTIONS)


def worst_policy(world: SyntheticWorld, *, explore: float = 0.0) -> Floats:
    """The worst action of each context, mixed with a uniform draw: a policy that must never be promoted."""
    return np.asarray((1.0 - explore) * np.eye(N_ACTIONS)[world.chance.argmin(axis=1)] + explore / N_ACTIONS)
