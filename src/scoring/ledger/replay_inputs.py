"""What a decision was computed from, as columns of its record, and back again.

Features, positions, flags and the contact policy's answers are recorded, so that a decision can be recomputed without the portfolio:
events that are corrected or erased later change nothing in a replay. Customers stand as references, like accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.decisions.account_events import AccountEvents, customers_flags, day_number
from scoring.decisions.lawfulness import Lawfulness
from scoring.decisions.on_file import OnFile
from scoring.decisions.payday import Waiting
from scoring.decisions.strategy import Strategy
from scoring.decisions.timing import Timing
from scoring.features.builder import FeatureFrame
from scoring.policy.truth import Truth
from scoring.scores.scores import Scores
from scoring.vocabulary import CONTACT_CHANNELS

Refs = Callable[[Sequence[str]], Sequence[str]]
Body = Mapping[str, Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CUSTOMER: Final = "customer:"
"""Before a customer's id where references are asked for: customers and accounts never share one."""
WHOLE: Final = ("dpd", "past_due_cents", "cure_amount_cents", "balance_cents")
FLAGS: Final = ("is_charged_off", "is_deceased", "is_disputed", "is_on_kept_plan")
MINIMUM: Final = "last_minimum_due_cents"
REACHED_LETTER: Final = {Truth.TRUE: "y", Truth.FALSE: "n", Truth.UNKNOWN: "u"}


def input_columns(
    scores: Scores,
    lawful: Lawfulness | None,
    events: AccountEvents | None,
    strategy: Strategy,
    refs: Refs,
    rows: slice,
) -> dict[str, Any]:
    """Columns that, with the features, give the decision again: position, customer, open flags, what the policy left open."""
    at = scores.frame.positions.iloc[rows]
    customers = [CUSTOMER + str(customer) for customer in at["customer_id"]]
    minimum = at[MINIMUM].to_numpy(dtype=np.float64)
    found: dict[str, Any] = {
        **{name: pa.array(at[name].to_numpy(dtype=np.int64)) for name in WHOLE},
        **{name: pa.array(at[name].to_numpy(dtype=bool)) for name in FLAGS},
        MINIMUM: pa.array(minimum, mask=np.isnan(minimum)),
        "customer_ref": pa.array(refs(customers), type=pa.string()),
        "open_flags": _open_flags(events, strategy, len(scores.table))[rows],
    }
    if lawful is not None:
        found |= {
            "channels_open": _letters(lawful.open[rows], "ny"),
            "channels_reviewed": _letters(lawful.under_review[rows], "ny"),
            "channels_reached": _reached(lawful.reachable[rows]),
        }
    return found


def timing_columns(when: Timing, waiting: Waiting | None, rows: slice) -> dict[str, Any]:
    """What time held back: the hold, channels used too lately, and how long it pays to wait for the usual payment day."""
    n = len(when.holds)
    days, gain = (np.zeros(n, dtype=np.int64), np.zeros(n)) if waiting is None else (waiting.days, waiting.gain_cents)
    return {
        "hold": pa.array(when.holds[rows].astype(object), type=pa.string()),
        "channels_too_soon": _letters(when.too_soon[rows], "ny"),
        "waits_days": pa.array(days[rows]),
        "waits_gain_cents": pa.array(gain[rows]),
    }


@dataclass(frozen=True)
class RecordedTiming(Timing):
    """Timing as recorded: the wait for the usual payment day is read, not worked out from payments again."""

    recorded: Waiting

    def waiting(self, values: Floats, costs: Floats, dpd: Ints) -> Waiting:
        """The wait that was recorded."""
        return self.recorded


def timing_from(bodies: Sequence[Body], as_of: date) -> Timing | None:
    """What time held back in some records; None where it had no say."""
    if "timing" not in bodies[0]["input"]:
        return None
    given = [body["input"]["timing"] for body in bodies]
    recorded = Waiting(
        np.array([each["waits_days"] for each in given], dtype=np.int64),
        np.array([each["waits_gain_cents"] for each in given], dtype=np.float64),
    )
    unused: Any = None  # plans, pauses and payment days went into the holds and the wait
    return RecordedTiming(
        day_number(as_of) + 1,
        np.array([each["hold"] for each in given], dtype=object),
        np.zeros(len(given), dtype=np.int64),
        _table(given, "channels_too_soon"),
        unused,
        unused,
        unused,
        unused,
        recorded,
    )


def facts_columns(facts: OnFile, rows: slice) -> dict[str, Any]:
    """Slots that fit an agent's call, the region, and what a person approved."""
    return {
        "call_slots": _letters(facts.slots[rows], "ny")
        if facts.slots.shape[1]
        else pa.array([""] * len(facts.slots[rows])),
        "region": pa.array(facts.regions[rows], type=pa.string()),
        "channels_approved": _letters(facts.approved[rows], "ny"),
    }


def facts_from(bodies: Sequence[Body]) -> OnFile | None:
    """What was on file about some accounts; None where it was not recorded."""
    if "on_file" not in bodies[0]["input"]:
        return None
    given = [body["input"]["on_file"] for body in bodies]
    slots = np.array([[letter == "y" for letter in each["call_slots"]] for each in given], dtype=bool)
    regions = np.array([each["region"] for each in given], dtype=object)
    return OnFile(slots.reshape(len(given), -1), regions, _table(given, "channels_approved"))


def _open_flags(events: AccountEvents | None, strategy: Strategy, count: int) -> pa.Array:
    """Kinds of open standings of each account's customer that the strategy looks at, in the order of their names."""
    flags: list[list[str]] = [[] for _ in range(count)]
    if events is not None:
        watched = customers_flags(events, strategy.watched)
        for row, kind in zip(watched["row"].tolist(), watched["kind"].tolist(), strict=True):  # flags are few
            flags[row].append(kind)
    return pa.array(flags, type=pa.list_(pa.string()))


def _letters(table: npt.NDArray[np.bool_], letters: str) -> pa.Array:
    """One text per row, a letter per channel."""
    return _texts(np.array(list(letters), dtype="U1")[table.astype(np.int64)])


def _reached(table: npt.NDArray[np.int8]) -> pa.Array:
    letters = np.full(table.shape, "u", dtype="U1")
    for truth, letter in REACHED_LETTER.items():
        letters[table == truth] = letter
    return _texts(letters)


def _texts(letters: npt.NDArray[np.str_]) -> pa.Array:
    joined = (
        np.ascontiguousarray(letters).view(f"U{letters.shape[1]}")[:, 0] if len(letters) else np.empty(0, dtype="U1")
    )
    return pa.array(joined.astype(object), type=pa.string())


def frame_from(bodies: Sequence[Body], account_ids: Sequence[str], customer_ids: Sequence[str]) -> FeatureFrame:
    """The feature frame of some records, in their order."""
    inputs = [body["input"]["position"] for body in bodies]
    columns: dict[str, Any] = {
        "account_id": np.array(account_ids, dtype=object),
        "customer_id": np.array(customer_ids, dtype=object),
        **{name: np.array([given[name] for given in inputs], dtype=np.int64) for name in WHOLE},
        **{name: np.array([given[name] for given in inputs], dtype=bool) for name in FLAGS},
        MINIMUM: np.array([given[MINIMUM] for given in inputs], dtype=np.float64),
    }
    values = np.array([body["input"]["features"] for body in bodies], dtype=np.float64).astype(np.float32)
    return FeatureFrame(date.fromisoformat(bodies[0]["as_of"]), pd.DataFrame(columns), values)


def events_from(bodies: Sequence[Body], frame: FeatureFrame) -> AccountEvents:
    """The open flags of some records, as events that hold nothing else: what stood on the customer's other accounts is among them."""
    pairs = [(row, kind) for row, body in enumerate(bodies) for kind in body["input"]["position"]["open_flags"]]
    standings = pd.DataFrame(
        {
            "row": np.array([row for row, _ in pairs], dtype=np.int64),
            "kind": np.array([kind for _, kind in pairs], dtype=object),
            "until_at": np.full(len(pairs), np.datetime64("NaT"), dtype="datetime64[us]"),
        }
    )
    nothing, none = pd.DataFrame(), np.zeros(len(bodies), dtype=np.int64)
    zones = np.full(len(bodies), None, dtype=object)
    ids = frame.positions["account_id"].to_numpy(dtype=object)
    return AccountEvents(
        frame.as_of,
        ids,
        zones,
        nothing,
        nothing,
        nothing,
        standings,
        standings.iloc[:0],
        nothing,
        none,
        none,
        none,
        frozenset({"standings"}),
    )


def lawful_from(bodies: Sequence[Body]) -> Lawfulness | None:
    """What the contact policy left open; None where no policy was applied. What each rule said stays in the record."""
    positions = [body["input"]["position"] for body in bodies]
    if "channels_open" not in positions[0]:
        return None
    reach_of = {letter: int(truth) for truth, letter in REACHED_LETTER.items()}
    reached = [[reach_of[letter] for letter in given["channels_reached"]] for given in positions]
    return Lawfulness(
        {},
        _table(positions, "channels_open"),
        _table(positions, "channels_reviewed"),
        (),
        np.zeros((1, 0, len(CONTACT_CHANNELS)), dtype=np.int8),
        np.zeros(len(bodies), dtype=np.int64),
        np.array(reached, dtype=np.int8),
    )


def _table(positions: Sequence[Body], name: str) -> npt.NDArray[np.bool_]:
    return np.array([[letter == "y" for letter in given[name]] for given in positions], dtype=bool)
