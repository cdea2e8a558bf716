"""Shadow records: what the challenger would have decided on the very inputs that a recorded decision was made from.

Features, positions, flags, what the policy left open and the prices are read from the decision's record, so that only the bundle is
another. A decision of a plan is asked again at the prices of that plan; draws by chance are not repeated. A shadow record is about the
decision and decides nothing: explanations do not read it, a replay does not compute it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np

from scoring.decisions.live import decide_at_prices
from scoring.decisions.plan import Plan
from scoring.decisions.strategy import with_effects
from scoring.features.builder import feature_spec_hash
from scoring.ledger.record import Record, StoredRecord
from scoring.ledger.replay import TablesOf, strategy_of, table_versions
from scoring.ledger.replay_inputs import CUSTOMER, events_from, frame_from, lawful_from, timing_from
from scoring.ledger.store import Ledger
from scoring.resources import in_force
from scoring.scores.bundle import Bundle
from scoring.scores.scores import Scores, score
from scoring.vocabulary import CONTACT_CHANNELS, Channel

SHADOW: Final = "shadow"
SCHEMA: Final = "shadow/1"
COMPARED: Final = ("w_logged", "w_none", "ability", "p_full")
"""Scores of both bundles that a shadow record holds."""


@dataclass(frozen=True)
class Prices:
    """What a place in each channel cost when a decision was made, and which channels were closed."""

    contact: Mapping[Channel, float]
    minute: Mapping[Channel, float]
    closed: frozenset[Channel]


def shadow_records(
    ledger: Ledger, decisions: Sequence[StoredRecord], challenger: Bundle, tables_of: TablesOf
) -> list[Record]:
    """Decide recorded decisions again with another bundle, at the same prices; nothing is written.

    Parameters
    ----------
    ledger : Ledger
        Where the decisions and their plans are.
    decisions : sequence of StoredRecord
        Left out: those of the challenger itself, of erased accounts, of other features than this code computes, and those recorded
        before inputs were kept.
    challenger : Bundle
    tables_of : callable
        Finds archived reference tables.

    Returns
    -------
    list of Record
        Of kind ``shadow``, about the decision; the same decision and challenger give the same record to the byte.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     shadow_records(ledger, [], challenger=None, tables_of=lambda versions: {})
    []
    """
    together: dict[tuple[Any, ...], list[StoredRecord]] = {}
    for record in decisions:
        if _can_be_asked(record, challenger):
            body = record.body
            together.setdefault((record.batch_id, body["run_id"], body["as_of"]), []).append(record)
    return [made for some in together.values() for made in _asked_again(ledger, some, challenger, tables_of)]


def shadow_id(decision_id: str, challenger_id: str) -> str:
    """The id of the one shadow record of a decision and a challenger.

    >>> shadow_id("D1", "ab" * 32)[:13]
    'shadow:0d554a'
    """
    return f"{SHADOW}:{sha256(f'{decision_id} {challenger_id}'.encode()).hexdigest()[:32]}"


def _can_be_asked(record: StoredRecord, challenger: Bundle) -> bool:
    body = record.body
    return (
        record.account_id is not None
        and "position" in body["input"]
        and "scored_by" not in body["model"]  # the scorecard stood in: nothing to compare a bundle with
        and body["model"]["bundle_id"] != challenger.bundle_id
        and body["input"]["feature_spec_hash"] == feature_spec_hash()
        and (record.batch_id is not None or "at_prices" in body)
    )


def _asked_again(
    ledger: Ledger, records: Sequence[StoredRecord], challenger: Bundle, tables_of: TablesOf
) -> Iterator[Record]:
    bodies = [record.body for record in records]
    refs = [body["input"]["position"]["customer_ref"] for body in bodies]
    customers = ledger.subjects.accounts(sorted(set(refs)))
    named = [row for row, ref in enumerate(refs) if ref in customers]
    if not named:
        return
    records, bodies = [records[row] for row in named], [bodies[row] for row in named]
    first, plan_of = bodies[0], records[0].batch_id
    batch = ledger.batch(plan_of if plan_of is not None else first["at_prices"]["plan_run_id"])
    tables = tables_of(table_versions(first))
    strategy = strategy_of(batch, first, tables)
    bundle = with_effects(challenger, strategy)
    prices = _prices_of_plan(batch.meta) if plan_of is not None and batch is not None else _prices(first["at_prices"])
    accounts = [str(record.account_id) for record in records]
    frame = frame_from(bodies, accounts, [customers[refs[row]].removeprefix(CUSTOMER) for row in named])
    with in_force(tables):
        scores = score(bundle, frame, with_contributions=False)
        plan = decide_at_prices(
            scores, bundle.definition, prices.contact, prices.closed, run_id=first["run_id"], lawful=lawful_from(bodies),
            minute_prices=prices.minute, events=events_from(bodies, frame), when=timing_from(bodies, frame.as_of),
            strategy=strategy,
        )  # fmt: skip
    for row, (record, body) in enumerate(zip(records, bodies, strict=True)):
        name = shadow_id(record.record_id, challenger.bundle_id)
        compared = _compared(body, scores, plan, row, challenger)
        yield Record(name, SHADOW, compared, account_id=record.account_id, as_of=record.as_of, about=record.record_id)


def _prices(made_at: Mapping[str, Any]) -> Prices:
    contact, minute = (
        {Channel(name): float(price) for name, price in made_at[kind].items()} for kind in ("prices", "minute_prices")
    )
    return Prices(contact, minute, frozenset(Channel(name) for name in made_at["closed"]))


def _prices_of_plan(stated: Mapping[str, Any]) -> Prices:
    contact, minute = (
        {Channel(name): float(price) for name, price in stated[kind].items()}
        for kind in ("prices_cents", "minute_prices_cents")
    )
    closed = frozenset(channel for channel in CONTACT_CHANNELS if stated["capacities"][str(channel)]["offered"] == 0)
    return Prices(contact, minute, closed)


def _compared(body: Mapping[str, Any], scores: Scores, plan: Plan, row: int, challenger: Bundle) -> dict[str, Any]:
    told, chosen, own = body["scores"], body["choice"], plan.decisions.iloc[row]
    champions = {**told, "ability": told["ability_share"]["value"]}
    channel = str(own["channel"])
    return {
        "schema": SCHEMA,
        "champion": {"bundle_id": body["model"]["bundle_id"]},
        "challenger": {"bundle_id": challenger.bundle_id},
        "scores": {
            name: {"champion": champions[name], "challenger": float(scores.table[name].iloc[row])} for name in COMPARED
        },
        "segment": {"champion": told["segment"], "challenger": str(scores.table["segment"].iloc[row])},
        "choice": {
            "champion": {
                "channel": chosen["channel"],
                "treatment": chosen["treatment"],
                "value_cents": _worth(body, chosen["channel"]),
            },
            "challenger": {
                "channel": channel,
                "treatment": str(own["treatment"]),
                "value_cents": _own_worth(plan, row, channel),
                "value_to_champion_cents": _worth(body, channel),
            },
        },
        "is_same_channel": channel == chosen["channel"],
        "was_by_chance": bool(chosen["exploration"]["explored"]),
        "trigger": body["trigger"],
    }


def _worth(body: Mapping[str, Any], channel: str) -> float | None:
    """What the record says a contact through a channel is worth before prices; None where it was not possible, 0 without one."""
    if channel == str(Channel.NONE):
        return 0.0
    value: float | None = body["candidates"][channel]["value_cents"]
    return value


def _own_worth(plan: Plan, row: int, channel: str) -> float | None:
    if channel == str(Channel.NONE):
        return 0.0
    value = float(plan.values[row, CONTACT_CHANNELS.index(Channel(channel))])
    return round(value, 2) if np.isfinite(value) else None
