"""Random scores of some accounts, as every test of decisions uses them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.lawfulness import Lawfulness
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.policy.truth import Truth
from scoring.scores.scores import Scores, channel_effects
from scoring.vocabulary import CONTACT_CHANNELS, Evidence, Segment

AS_OF = date(2025, 3, 31)
HOLDS = ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")
FREE: dict[str, Any] = dict.fromkeys(HOLDS, False) | {"dpd": 10, "past_due_cents": 10**6, "cure_amount_cents": 10**7}


def scored(n_accounts: int, seed: int = 0, features: dict[str, Any] | None = None, **columns: Any) -> Scores:
    """Random scores in order of account id; columns and features given replace drawn ones, other features are not observed."""
    rng = np.random.default_rng(seed)
    willing, ability = rng.uniform(0.02, 0.98, n_accounts), rng.uniform(0, 1, n_accounts)
    owed = rng.integers(0, 3_000_000, n_accounts)
    positions = pd.DataFrame(
        {
            "account_id": [f"A{n:06d}" for n in range(n_accounts)],
            "customer_id": [f"C{n:06d}" for n in range(n_accounts)],
            "dpd": rng.integers(0, 200, n_accounts),
            "past_due_cents": owed // rng.integers(1, 4, n_accounts),
            "cure_amount_cents": owed,
            **{hold: rng.random(n_accounts) < 0.05 for hold in HOLDS},
        }
    )
    segments = [str(segment) for segment in Segment]
    table = positions[["account_id", "dpd", "past_due_cents", "cure_amount_cents"]].assign(
        as_of=AS_OF,
        w_none=willing,
        ability=ability,
        segment=rng.choice(segments, n_accounts),
        evidence=rng.choice([str(state) for state in Evidence], n_accounts, p=[0.8, 0.2]),
        **{f"w_{c}": np.clip(willing + willing * (1 - willing) * e.shift, 0, 1) for c, e in channel_effects().items()},
    )
    for name, column in columns.items():
        for frame in (positions, table):
            if name in frame.columns:
                frame[name] = column
    values = np.full((n_accounts, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for name, column in (features or {}).items():
        values[:, FEATURE_NAMES.index(name)] = column
    return Scores(FeatureFrame(AS_OF, positions, values), table, {}, {})


def permuted(scores: Scores, order: np.ndarray) -> Scores:
    """The same scores in another order."""
    return Scores(scores.frame.take(order), scores.table.iloc[order].reset_index(drop=True), {}, {})


def everything_lawful(n_accounts: int, **changes: Any) -> Lawfulness:
    """Every channel open and reachable, but for what is changed."""
    shape = (n_accounts, len(CONTACT_CHANNELS))
    open_to_all = Lawfulness(
        facts={},
        open=np.ones(shape, dtype=bool),
        under_review=np.zeros(shape, dtype=bool),
        rule_ids=(),
        tables=np.empty((0, 0, len(CONTACT_CHANNELS)), dtype=np.int8),
        which=np.zeros(n_accounts, dtype=np.int64),
        reachable=np.full(shape, int(Truth.TRUE), dtype=np.int8),
    )
    return replace(open_to_all, **changes)


def flagged(scores: Scores, rows: list[int], kind: str) -> AccountEvents:
    """Events of the accounts in which some have an open flag and nothing else ever happened."""
    n = len(scores.table)
    none = np.full(n, -1, dtype=np.int64)
    nothing = pd.DataFrame({"row": np.array([], dtype=np.int64)})
    standings = pd.DataFrame(
        {"row": rows, "kind": kind, "from_at": pd.Timestamp("2025-01-01"), "until_at": pd.NaT, "evidence_ref": None}
    )
    return AccountEvents(
        as_of=AS_OF,
        account_ids=scores.table["account_id"].to_numpy(dtype=object),
        zones=np.full(n, None, dtype=object),
        calls=nothing,
        payments=nothing,
        promises=nothing,
        standings=standings,
        siblings_standings=standings.iloc[:0],
        dunnings=nothing,
        last_contact_on=none,
        last_inbound_on=none,
        interest_cents_365d=np.zeros(n, dtype=np.int64),
        observed=frozenset({"accounts", "standings"}),
    )
