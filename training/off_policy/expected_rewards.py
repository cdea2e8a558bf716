"""Expected reward of every action in every context, each row predicted by a model that saw no row of its customer."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.off_policy.estimators import Floats, LoggedChoices

FOLDS: Final = 5
RIDGE: Final = 10.0


def cross_fitted(
    log: LoggedChoices, contexts: Floats, *, seed: int = 0, folds: int = FOLDS, ridge: float = RIDGE
) -> Floats:
    """Expected rewards by ridge regression on context, action and their interactions, cross-fitted by customer.

    A plain model is enough: where propensities are known, DR is unbiased whatever the model says, and a smooth one lowers the spread
    without chasing rewards. Own effects of an action are shrunk to what all actions share.

    Parameters
    ----------
    contexts : array (n, d)
        NaN stands for not observed and is filled with the column's mean.

    Returns
    -------
    array (n, n_actions)

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> actions, x = draw.integers(0, 2, 400), draw.normal(size=(400, 1))
    >>> log = LoggedChoices(actions, 1.0 * actions, np.full(400, 0.5), 2, np.arange(400))
    >>> cross_fitted(log, x).mean(axis=0).round(1).tolist()
    [0.0, 1.0]
    """
    fold = customer_folds(log.customers, folds, seed)
    x = _standardised(contexts)
    expected = np.empty((len(log), log.n_actions))
    for held in range(folds):
        fitted, asked = fold != held, fold == held
        weights = _fit(_design(x[fitted], log.actions[fitted], log.n_actions), log.rewards[fitted], ridge)
        for action in range(log.n_actions):
            taken = np.full(int(asked.sum()), action)
            expected[asked, action] = _design(x[asked], taken, log.n_actions) @ weights
    low, high = (float(log.rewards.min()), float(log.rewards.max())) if len(log) else (0.0, 0.0)
    return np.clip(expected, low, high)


def customer_folds(customers: npt.NDArray[Any], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """A fold for every row, the same for all rows of a customer.

    >>> customer_folds(np.array(["C1", "C1", "C2"]), 2, 0)[:2].std()
    np.float64(0.0)
    """
    _, owner = np.unique(customers, return_inverse=True)
    order = np.random.default_rng(seed).permutation(int(owner.max()) + 1 if len(owner) else 0)
    return np.asarray(order[owner] % folds, dtype=np.int64)


def _standardised(contexts: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        known = np.isfinite(contexts)
        n = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, contexts, 0.0).sum(axis=0) / n
        filled = np.where(known, contexts, mean)
    spread = filled.std(axis=0)
    return np.asarray(np.clip((filled - mean) / np.where(spread > 0, spread, 1.0), -4.0, 4.0))


def _design(x: Floats, actions: npt.NDArray[np.int64], n_actions: int) -> Floats:
    """Columns: one, context, action, and context where the action is not the first one (the control)."""
    one_hot = np.eye(n_actions)[actions]
    return np.concatenate([np.ones((len(x), 1)), x, one_hot, x * (actions > 0)[:, None]], axis=1)


def _fit(design: Floats, rewards: Floats, ridge: float) -> Floats:
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-8
    return np.asarray(np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ rewards))
