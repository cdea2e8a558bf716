"""The plan in force: read from the nightly run's files, checked against the ledger and its portfolio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.decisions.payday import PaymentCurve, flat_curve
from scoring.decisions.strategy import Strategy, house_strategy, strategy_from
from scoring.errors import NotReadyError
from scoring.features.few_rows import FewRows
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import Portfolio
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from serving.answers import DECISION_FIELDS, decision_rows
from serving.archive import archived_tables
from serving.kept_features import FACTS
from serving.kept_rows import FACTS as ROWS
from serving.kept_scores import FACTS as SCORES
from serving.nightly import CURRENT, PAYMENT_CURVE, PLAN_FILE
from serving.row_numbers import RowNumbers

Rows = npt.NDArray[np.int64]
ALL_CHANNELS: Final = "all"
QUEUE_FIELDS: Final = (
    "channel", "rank", "account_id", "treatment", "priority_value_cents", "bucket", "dpd", "past_due_cents",
    "cure_amount_cents", "payable_low_cents", "payable_mid_cents", "payable_high_cents", "segment", "evidence",
    "runner_up_channel", "needs_review", "decision_id",
)  # fmt: skip
FEW_VALUES: Final = frozenset({"channel", "treatment", "runner_up_channel", "reason", "bucket", "segment", "evidence"})


@dataclass(frozen=True)
class CurrentPlan:
    """A plan as the service uses it.

    Attributes
    ----------
    run_id, as_of, bundle_id, portfolio_folder
        What ``plan.json`` and the pointer to it state.
    prices : mapping of channel to float
        Value of one more contact, minor units.
    minute_prices : mapping of channel to float
        Value of one more minute, minor units.
    closed : frozenset of channel
        Channels without capacity on the day.
    policy : mapping
        Profile, its hash, and operations, as ``plan.json`` states them.
    decisions : DataFrame
        What answers and queues show of ``decisions.parquet`` and ``scores.parquet``, in the order of the plan.
    row_of : mapping of account id to row
    order : mapping of channel name, or ``all``, to rows in queue order
    offered : mapping of channel to number or None
        Contacts offered on the day; None without a limit.
    losses : array (n_accounts,)
        What each account would lose without its contact, minor units.
    priorities : array (n_accounts,)
        Minor units.
    strategy : Strategy
        The one that the plan was made under; decisions between plans follow it.
    features, scores, rows : mapping
        What ``plan.json`` states of the features, of the scores and of the customers' rows that are kept beside it; empty where none are.
    payment_curve : PaymentCurve
        Measured over the plan's accounts; decisions between plans have the same.
    """

    run_id: str
    as_of: date
    bundle_id: str
    fingerprint: str
    portfolio_folder: Path
    prices: Mapping[Channel, float]
    minute_prices: Mapping[Channel, float]
    closed: frozenset[Channel]
    policy: Mapping[str, Any]
    decisions: pd.DataFrame
    row_of: Mapping[str, int]
    order: Mapping[str, Rows]
    offered: Mapping[Channel, float | None]
    losses: npt.NDArray[np.float64]
    priorities: npt.NDArray[np.float64]
    strategy: Strategy
    features: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    payment_curve: PaymentCurve = field(default_factory=flat_curve)

    def curve_on(self, as_of: date) -> PaymentCurve:
        """The curve that a decision as of a day may use: the flat one before the plan's, which knows of later payments."""
        return self.payment_curve if as_of >= self.as_of else flat_curve()

    def answers(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Its decisions as they are answered."""
        return decision_rows(_taken(self.decisions, DECISION_FIELDS, rows), self.as_of.isoformat(), "plan")

    def queue_rows(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Its decisions as a queue shows them."""
        columns = [column.tolist() for column in _taken(self.decisions, QUEUE_FIELDS, rows).values()]
        return [dict(zip(QUEUE_FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]


def _taken(decisions: pd.DataFrame, names: tuple[str, ...], rows: Sequence[int]) -> FewRows:
    """Some columns of some rows; column by column, because taking rows of a frame costs as much as it has columns."""
    places = np.array(rows, dtype=np.int64)
    return FewRows({name: np.asarray(decisions[name].array.take(places)) for name in names})


def read_current_plan(home: Path) -> CurrentPlan:
    """The plan that the pointer in the state folder names.

    Raises
    ------
    NotReadyError
        ``not_ready``: no plan was made yet, or its files are incomplete.
    """
    pointer_path = home / "plans" / CURRENT
    if not pointer_path.is_file():
        raise NotReadyError(
            f"No plan has been made: {pointer_path} is missing. Run `scoring plan DIR --as-of DAY --out DIR`.",
            field="plan",
        )
    try:
        pointer = json.loads(pointer_path.read_text(encoding="utf-8"))
        folder = home / "plans" / pointer["plan"]
        summary = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        decisions = _columns(folder / "decisions.parquet", (*DECISION_FIELDS, *QUEUE_FIELDS, "loss_cents"))
        scores = _columns(folder / "scores.parquet", ("account_id", *QUEUE_FIELDS))
        return _current(pointer, summary, decisions, scores, strategy_of(home, summary["strategy"]["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise NotReadyError(
            f"The current plan under {home / 'plans'} cannot be read ({type(error).__name__}). Make it again with "
            "`scoring plan`.",
            field="plan",
            got=type(error).__name__,
        ) from error


def _columns(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    """The wanted columns that a file has, in one piece each; texts with few values as categories."""
    there = pq.read_schema(path).names
    names = [name for name in dict.fromkeys(wanted) if name in there]
    few = [name for name in names if name in FEW_VALUES]
    table = pq.read_table(path, columns=names, read_dictionary=few, use_threads=False).combine_chunks()
    return cast(pd.DataFrame, table.to_pandas())


def strategy_of(home: Path, sha256: str) -> Strategy:
    """The strategy of a plan: the house's, or the archived one of this hash.

    Raises
    ------
    NotReadyError
        ``not_ready``: it is neither.
    """
    text = archived_tables(home)({"strategy": sha256}).get("strategy")
    found = house_strategy() if text is None else strategy_from(text)
    if found.version != sha256:
        raise NotReadyError(
            "The strategy that the current plan was made under is not at hand, so decisions would follow another. Make the plan again.",
            field="strategy",
            got=found.version,
            expected=sha256,
        )
    return found


def _current(
    pointer: dict[str, Any], summary: dict[str, Any], decisions: pd.DataFrame, scores: pd.DataFrame, strategy: Strategy
) -> CurrentPlan:
    if pointer["run_id"] != summary["run_id"] or not decisions["account_id"].equals(scores["account_id"]):
        raise ValueError("the files are of different plans")
    joined = pd.concat([decisions, scores[[name for name in scores.columns if name not in decisions.columns]]], axis=1)
    offered = summary["capacities"]
    return CurrentPlan(
        run_id=summary["run_id"],
        as_of=date.fromisoformat(summary["as_of"]),
        bundle_id=summary["bundle"]["id"],
        fingerprint=summary["portfolio"]["fingerprint"],
        portfolio_folder=Path(pointer["portfolio"]),
        prices={channel: float(summary["prices_cents"][str(channel)]) for channel in CONTACT_CHANNELS},
        minute_prices={channel: float(summary["minute_prices_cents"][str(channel)]) for channel in CONTACT_CHANNELS},
        closed=frozenset(channel for channel in CONTACT_CHANNELS if offered[str(channel)]["offered"] == 0),
        policy=summary["policy"],
        decisions=joined,
        row_of=RowNumbers(decisions["account_id"].array),
        order=_orders(joined),
        offered={channel: offered[str(channel)]["offered"] for channel in CONTACT_CHANNELS},
        losses=joined["loss_cents"].to_numpy(dtype=np.float64),
        priorities=joined["priority_value_cents"].to_numpy(dtype=np.float64),
        strategy=strategy,
        features=summary.get(FACTS, {}),
        scores=summary.get(SCORES, {}),
        rows=summary.get(ROWS, {}),
        payment_curve=PaymentCurve.of(summary[PAYMENT_CURVE]) if PAYMENT_CURVE in summary else flat_curve(),
    )


def _orders(decisions: pd.DataFrame) -> dict[str, Rows]:
    """Rows in queue order: by rank inside each channel; over all channels, and without contact, by priority."""
    channel = decisions["channel"].to_numpy(dtype=object)
    by_priority = np.argsort(-decisions["priority_value_cents"].to_numpy(), kind="stable")
    by_rank = np.argsort(decisions["rank"].to_numpy(), kind="stable")
    orders = {str(c): by_rank[channel[by_rank] == str(c)] for c in CONTACT_CHANNELS}
    none = channel[by_priority] == str(Channel.NONE)
    return {**orders, str(Channel.NONE): by_priority[none], ALL_CHANNELS: by_priority[~none]}


def refuse_stale_plan(plan: CurrentPlan, portfolio: Portfolio, ledger: Ledger) -> None:
    """Refuse a plan whose portfolio has changed since, or whose decisions are not in the ledger.

    Raises
    ------
    NotReadyError
        ``not_ready``: says which, and that the plan must be made again.
    """
    if portfolio.fingerprint != plan.fingerprint:
        raise NotReadyError(
            "The portfolio has changed since the current plan was made, so scores would disagree with it. Make "
            "the plan again.",
            field="portfolio",
            got=portfolio.fingerprint,
            expected=plan.fingerprint,
        )
    if ledger.batch(plan.run_id) is None:
        raise NotReadyError(
            "The current plan is not in this ledger, so its decisions could not be answered for. Make the plan "
            "again, or restore the ledger.",
            field="ledger",
            got=None,
            expected=plan.run_id,
        )
