"""A strategy as probabilities on the decisions of the log, and the log as arrays: what the gate of a strategy reads.

The reward of a decision is the token payment that followed within the horizon, times ability x amount as known before it, less the direct
cost of the action: the money that the plan's value speaks of. A strategy that is tried on the log gets no more of any channel than the log
used: prices are raised until it does, so that it cannot win by spending more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scoring.decisions.strategy import Strategy
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.bundle import Bundle
from scoring.scores.effects import LearnedEffects, apply, prior_effects
from scoring.scores.log_odds import probability
from scoring.scores.scores import channel_effects
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel
from training.effects import fit_effects
from training.effects_data import ACTIONS, LoggedDecisions
from training.off_policy.estimators import Floats, LoggedChoices
from training.off_policy.expected_rewards import customer_folds

CONTEXT: Final = (
    "dpd", "past_due_cents", "n_payments_90d", "paid_to_due_ratio_180d", "days_since_last_payment", "broken_promises_90d",
    "n_outbound_30d", "utilisation", "paid_streak_cycles", "call_answer_share_90d",
)  # fmt: skip
FOLDS: Final = 3
CHANNELS_OF_PEOPLE: Final = (*HUMAN_ONLY_CHANNELS, Channel.ONLINE_CS)
"""Never chosen by a strategy: a person decides, or the customer opens them."""


@dataclass(frozen=True)
class StrategyLog:
    """The log of decisions as the gate reads it.

    Attributes
    ----------
    log : LoggedChoices
        Actions are places in `Channel`.
    possible : array (n, 10) of bool
        Actions that were lawful and that the logging policy could take.
    stake_cents : array (n,)
        Ability x amount, before the decision.
    margin : array (n,)
        Log-odds of the logged willingness.
    context : array (n, d)
        For expected rewards.
    decisions : LoggedDecisions
    """

    log: LoggedChoices
    possible: npt.NDArray[np.bool_]
    stake_cents: Floats
    margin: Floats
    context: Floats
    decisions: LoggedDecisions

    @property
    def is_randomised(self) -> npt.NDArray[np.bool_]:
        """Rows drawn at random among the lawful actions."""
        return self.decisions.rows["is_randomised"].to_numpy(dtype=bool)

    @property
    def uniform(self) -> Floats:
        """Probability of an action among those draws."""
        return np.asarray(1.0 / self.decisions.lawful().sum(axis=1))

    def only(self, rows: npt.NDArray[np.bool_], propensity: Floats | None = None) -> StrategyLog:
        """The same log for some rows, perhaps with other propensities."""
        given = self.log.propensity if propensity is None else propensity
        log = LoggedChoices(
            self.log.actions[rows], self.log.rewards[rows], given[rows], self.log.n_actions, self.log.customers[rows]
        )
        return StrategyLog(
            log,
            self.possible[rows],
            self.stake_cents[rows],
            self.margin[rows],
            self.context[rows],
            self.decisions.take(rows),
        )


def strategy_log(decisions: LoggedDecisions, bundle: Bundle) -> StrategyLog:
    """The log with rewards, for a bundle's ability; rows of the permanent holdout have no choice and are left out."""
    part = decisions.take(~decisions.rows["is_holdout"].to_numpy(dtype=bool))
    part = part.take((part.rows["propensity"].to_numpy() > 0) & (part.rows["propensity"].to_numpy() <= 1))
    rows = part.rows
    margin = bundle.calibrated_margin("willingness", bundle.margin("willingness", part.values))
    stake = probability(bundle.margin("ability", part.values)) * rows["cure_amount_cents"].to_numpy(dtype=np.float64)
    actions = rows["action"].to_numpy(dtype=np.int64)
    rewards = rows["pays"].to_numpy(dtype=np.float64) * stake - costs()[actions]
    columns = [FEATURE_NAMES.index(name) for name in CONTEXT]
    log = LoggedChoices(
        actions, rewards, rows["propensity"].to_numpy(dtype=np.float64), len(ACTIONS), rows["customer_id"].to_numpy()
    )
    context = np.column_stack([part.values[:, columns].astype(np.float64), margin, np.log1p(np.maximum(stake, 0.0))])
    return StrategyLog(log, part.lawful(), stake, margin, context, part)


def costs() -> Floats:
    """Direct cost of every action in minor units, ``none`` first.

    >>> costs()[0]
    np.float64(0.0)
    """
    return np.array([0.0, *(float(channel_effects()[channel].cost_cents) for channel in CONTACT_CHANNELS)])


def target_of(seen: StrategyLog, strategy: Strategy, effects: str) -> Floats:
    """What a strategy would do on every row, as probabilities (n, 10).

    Parameters
    ----------
    effects : str
        ``prior``: the dated table. ``learned``: from the log, each row by what the customers of other rows taught.
    """
    values = np.concatenate([np.zeros((len(seen.log), 1)), _gains(seen, effects)], axis=1) - costs()
    allowed = seen.possible.copy()
    allowed[:, [ACTIONS.index(channel) for channel in CHANNELS_OF_PEOPLE]] = False
    allowed[:, 0] = True
    used = np.bincount(seen.log.actions, minlength=len(ACTIONS)) / max(len(seen.log), 1)
    best = at_parity(np.where(allowed, values, -np.inf), used)
    drawn = allowed & np.array([action in (Channel.NONE, *strategy.explored) for action in ACTIONS])
    uniform = drawn / drawn.sum(axis=1, keepdims=True)
    greedy = np.eye(len(ACTIONS))[best]
    return np.asarray((1.0 - strategy.exploration_share) * greedy + strategy.exploration_share * uniform)


def at_parity(values: Floats, used: Floats, *, rounds: int = 200) -> npt.NDArray[np.int64]:
    """The best action of every row at prices that keep each contact channel to the share the log used.

    Examples
    --------
    >>> at_parity(np.array([[0.0, 5.0], [0.0, 9.0], [0.0, 7.0], [0.0, -1.0]]), np.array([0.5, 0.5])).tolist()
    [0, 1, 1, 0]
    """
    n = len(values)
    if not n:
        return np.empty(0, dtype=np.int64)
    prices = np.zeros(values.shape[1])
    finite = values[np.isfinite(values)]
    step = float(np.quantile(np.abs(finite), 0.9)) if len(finite) else 1.0
    for turn in range(rounds):
        taken = np.bincount((values - prices).argmax(axis=1), minlength=values.shape[1]) / n
        prices = np.maximum(prices + step / (1 + turn) ** 0.7 * (taken - used), 0.0)
        prices[0] = 0.0
    best = (values - prices).argmax(axis=1)
    for action in range(1, values.shape[1]):
        rows = np.flatnonzero(best == action)
        most = int(np.ceil(used[action] * n))
        if len(rows) > most:
            order = np.argsort(-(values[rows, action] - values[rows, 0]), kind="stable")
            best[rows[order[most:]]] = 0
    return np.asarray(best, dtype=np.int64)


def _gains(seen: StrategyLog, effects: str) -> Floats:
    """(w_channel - w_none) x stake for every contact channel."""
    prior = {channel: effect.shift for channel, effect in channel_effects().items()}
    if effects == "prior":
        return _gain_of(prior_effects(prior), seen.decisions.values, seen.margin, seen.stake_cents)
    fold = customer_folds(seen.log.customers, FOLDS, 1)
    found = np.empty((len(seen.log), len(CONTACT_CHANNELS)))
    for held in range(FOLDS):
        fitted, asked = fold != held, fold == held
        learned = fit_effects(seen.decisions.take(fitted), seen.margin[fitted], prior)
        found[asked] = _gain_of(learned, seen.decisions.values[asked], seen.margin[asked], seen.stake_cents[asked])
    return found


def _gain_of(effects: LearnedEffects, values: npt.NDArray[np.float32], margin: Floats, stake: Floats) -> Floats:
    applied = apply(effects, values, margin)
    return np.stack([(applied.w[channel] - applied.w_none) * stake for channel in CONTACT_CHANNELS], axis=1)


def named_checks(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Propensity checks with the channel's name in place of its number."""
    return [{**check, "action": str(ACTIONS[check["action"]])} for check in facts["propensity_checks"]]
