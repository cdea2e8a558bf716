"""Ranking rules, a plan, the feature ceiling and the truth oracle, side by side at the same capacity."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.judge import NOBODY, Choice, Floats, Truth, best_assignment, gained

Places = list[int | None]

DEFAULT_SHARES: Final = {Channel.AGENT_CALL: 0.10, Channel.AI_VOICE: 0.10, Channel.LETTER: 0.05, Channel.SMS: 0.50}
"""Places per overdue account where neither a plan nor a capacity file says otherwise; the other channels are closed."""

STRONGEST_FIRST: Final = (
    Channel.LEGAL_REFERRAL,
    Channel.FIELD_VISIT,
    Channel.AGENT_CALL,
    Channel.AI_VOICE,
    Channel.LETTER,
    Channel.SMS,
    Channel.APP_PUSH,
    Channel.EMAIL,
    Channel.ONLINE_CS,
)
"""The order in which a ranking rule hands out places: it has one score and gives the strongest channel to its top."""

RANDOM_ORDERS: Final = 400
BOOTSTRAPS: Final = 400


class Board:
    """One day's rules side by side.

    Parameters
    ----------
    truth : Truth
    places : list of int or None
        Contacts of each channel, in the order of `CONTACT_CHANNELS`; None is unlimited.
    told : DataFrame
        What `feature_ceiling` found.
    scores : DataFrame, optional
        A plan's ``w_none`` and ``ability`` by ``account_id``; without it, the ceiling's.
    """

    def __init__(self, truth: Truth, places: Places, told: pd.DataFrame, scores: pd.DataFrame | None) -> None:
        self.truth, self.places = truth, places
        self.values = truth.value()
        self.halves = (truth.value("recovered_first_cents"), truth.value("recovered_second_cents"))
        ids = truth.accounts["account_id"]
        self.told = told.set_index("account_id").reindex(ids)
        self.source = "ceiling" if scores is None else "plan"
        chosen = self.told if scores is None else scores.set_index("account_id").reindex(ids)
        self.scores = chosen[["w_none", "ability"]].fillna(chosen[["w_none", "ability"]].mean())
        self.bound = best_assignment(self.values, places)[1]

    def orders(self) -> dict[str, Floats]:
        """The score by which each ranking rule goes, highest first."""
        accounts = self.truth.accounts
        cure = accounts["cure_amount_cents"].to_numpy(dtype=np.float64)
        pays, ability = (self.scores[name].to_numpy(dtype=np.float64) for name in ("w_none", "ability"))
        return {
            "days past due": accounts["dpd"].to_numpy(dtype=np.float64),
            "balance": accounts["balance_cents"].to_numpy(dtype=np.float64),
            "P": pays,
            "P x balance": pays * accounts["balance_cents"].to_numpy(dtype=np.float64),
            "P(1-P)AD": pays * (1 - pays) * ability * cure,
        }

    def rules(self, planned: Choice | None) -> pd.DataFrame:
        """One row per rule, see `training.evaluate_plan.Evaluation`."""
        rows = [self._row("nothing", "", self._alone(), np.zeros(len(self.values))), self._random()]
        for rule, score in self.orders().items():
            source = self.source if rule.startswith("P") else ""
            choice = self._handed_out(np.argsort(-score, kind="stable"))
            rows.append(self._row(rule, source, choice, gained(choice, self.values)))
        if planned is not None:
            rows.append(self._row("plan", "plan", planned, gained(planned, self.values)))
        rows.append(self._feature_ceiling())
        rows.append(self._oracle())
        table = pd.DataFrame(rows)
        # What no assignment can exceed is not exceeded; anything else would be a mistake in this module.
        in_capacity = (
            table["rule"] != "plan" if planned is not None and not self._fits(planned) else table["rule"] != ""
        )
        assert (table.loc[in_capacity, "value_cents"] <= self.bound * (1 + 1e-9) + 1e-6).all()
        value = table.set_index("rule")["value_cents"]
        oracle, random, ceiling = value["truth oracle"], value["random"], value["feature ceiling"]
        table["regret_cents"] = oracle - table["value_cents"]
        table["share_of_oracle"] = table["value_cents"] / oracle if oracle else np.nan
        table["gap_closed"] = (table["value_cents"] - random) / (ceiling - random) if ceiling != random else np.nan
        return table

    def capture(self) -> pd.DataFrame:
        """Capture curves of one channel, the agent's call, for each ranking."""
        call = CONTACT_CHANNELS.index(Channel.AGENT_CALL)
        gain, (first, second) = self.values[:, call], (half[:, call] for half in self.halves)
        rng = np.random.default_rng(0)
        orders = [np.cumsum(rng.permutation(gain)) for _ in range(RANDOM_ORDERS)]
        curves: dict[str, Floats] = {"random": np.mean(orders, axis=0)}
        for rule, score in self.orders().items():
            curves[rule] = np.cumsum(gain[np.argsort(-score, kind="stable")])
        if f"gain_{Channel.AGENT_CALL}" in self.told:
            told = self.told[f"gain_{Channel.AGENT_CALL}"].fillna(0.0).to_numpy()
            curves["feature ceiling"] = np.cumsum(gain[np.argsort(-told, kind="stable")])
        by_first, by_second = np.argsort(-first, kind="stable"), np.argsort(-second, kind="stable")
        curves["truth oracle"] = (np.cumsum(second[by_first]) + np.cumsum(first[by_second])) / 2
        worked = np.arange(1, len(gain) + 1) / max(len(gain), 1)
        kept = np.unique(np.linspace(0, len(gain) - 1, 101).astype(int))
        total = gain.sum() or np.nan
        return pd.concat(
            [
                pd.DataFrame({"rule": rule, "worked_share": worked[kept], "captured_share": curve[kept] / total})
                for rule, curve in curves.items()
            ],
            ignore_index=True,
        )

    def _alone(self) -> Choice:
        return np.full(len(self.values), NOBODY, dtype=np.int64)

    def _fits(self, choice: Choice) -> bool:
        return all(limit is None or (choice == k).sum() <= limit for k, limit in enumerate(self.places))

    def _handed_out(self, order: Choice) -> Choice:
        """Places of the strongest channel to the first, of the next one to those after them, and so on."""
        choice, start = self._alone(), 0
        for channel in STRONGEST_FIRST:
            place = CONTACT_CHANNELS.index(channel)
            limit = self.places[place]
            end = len(order) if limit is None else min(start + limit, len(order))
            choice[order[start:end]] = place
            start = end
        return choice

    def _random(self) -> dict[str, Any]:
        """Accounts in random order: the mean over many orders, with the spread of a single one."""
        rng = np.random.default_rng(0)
        n = len(self.values)
        totals = [gained(self._handed_out(rng.permutation(n)), self.values).sum() for _ in range(RANDOM_ORDERS)]
        choice = self._handed_out(rng.permutation(n))
        row = self._row("random", "", choice, gained(choice, self.values))
        low, high = np.quantile(totals, [0.025, 0.975])
        value = float(np.mean(totals))
        return row | {
            "value_cents": value,
            "low_cents": low,
            "high_cents": high,
            "value_per_account_cents": value / max(n, 1),
        }

    def _feature_ceiling(self) -> dict[str, Any]:
        """The best plan by gains that were told from features, judged by the truth."""
        told = np.full_like(self.values, -np.inf)
        for place, channel in enumerate(CONTACT_CHANNELS):
            if f"gain_{channel}" in self.told:
                told[:, place] = self.told[f"gain_{channel}"].fillna(0.0)
        choice, _ = best_assignment(told, self.places)
        return self._row("feature ceiling", "truth", choice, gained(choice, self.values))

    def _oracle(self) -> dict[str, Any]:
        """Chosen on one half of the rollouts and judged on the other, both ways: otherwise chance would flatter it."""
        first, second = self.halves
        by_first, by_second = best_assignment(first, self.places)[0], best_assignment(second, self.places)[0]
        gain = (gained(by_first, second) + gained(by_second, first)) / 2
        return self._row("truth oracle", "truth", by_first, gain)

    def _row(self, rule: str, source: str, choice: Choice, gain: Floats) -> dict[str, Any]:
        n = len(gain)
        rng = np.random.default_rng(0)
        totals = [gain[rng.integers(0, n, n)].sum() for _ in range(BOOTSTRAPS)] if n else [0.0]
        low, high = np.quantile(totals, [0.025, 0.975])
        return {
            "rule": rule,
            "scores": source,
            "value_cents": float(gain.sum()),
            "low_cents": float(low),
            "high_cents": float(high),
            "value_per_account_cents": float(gain.sum()) / max(n, 1),
            "contacts": int((choice != NOBODY).sum()),
            "minutes": float(gained(choice, self.truth.grid("minutes")).sum()),
            "complaints": float(gained(choice, self.truth.grid("complaints")).sum()),
        }
