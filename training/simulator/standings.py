"""The flags of an account with their periods, gathered from what happened."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from scoring.vocabulary import Channel
from training.simulator.chunk import History
from training.simulator.parameters import CHANNELS, IntArray
from training.simulator.stamps import SECOND, Clock, InstantArray, between, ordered

NO_END: Final = 10**6
"""A flag without an end."""

_REASON_DAYS: Final = 90
_COMPLAINT_DAYS: Final = 10
_APPROVAL_DAYS: Final = 9


def standings_of(history: History, clock: Clock, rng: np.random.Generator) -> dict[str, Any]:
    """One row per flag: ``row``, ``kind``, ``from_at``, ``until_at`` (not a time while it holds), ``known_at``."""
    parts = [
        *_flags(history),
        _approvals(history, Channel.FIELD_VISIT, "human_approval_visit"),
        _approvals(history, Channel.LEGAL_REFERRAL, "human_approval_legal"),
        *_plans(history),
    ]
    flags = {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}
    flags = ordered(flags, "row", "kind", "day")
    flags = _apart(flags)
    n = len(flags["row"])
    second = np.where(np.char.startswith(flags["kind"].astype(str), "human"), 60, between(rng, n, 8.1, 8.9))
    from_at = clock.at(flags["day"], second)
    until_at = np.where(
        flags["until"] < NO_END, clock.at(np.minimum(flags["until"], NO_END // 10), second), np.datetime64("NaT")
    )
    # The end of one period and the start of the next never touch.
    until_at = np.where(flags["is_cut"], until_at - 7200 * SECOND, until_at)
    known_at = from_at + flags["late_days"] * np.timedelta64(1, "D")
    return {
        "row": flags["row"],
        "kind": flags["kind"],
        "from_at": from_at,
        "until_at": _learned(until_at, clock),
        "known_at": known_at,
    }


def _learned(until_at: InstantArray, clock: Clock) -> InstantArray:
    return np.where(until_at < clock.end, until_at, np.datetime64("NaT"))


def _part(row: IntArray, day: IntArray, kind: str, until: Any = NO_END, late_days: Any = 0) -> dict[str, Any]:
    n = len(row)
    return {
        "row": row,
        "day": day,
        "kind": np.full(n, kind, dtype="U40"),
        "until": np.broadcast_to(until, n),
        "late_days": np.broadcast_to(late_days, n),
    }


def _logged(history: History, table: str) -> dict[str, Any]:
    columns = history.log.columns(table)
    return columns or {"row": np.empty(0, dtype=np.int64), "day": np.empty(0, dtype=np.int64)}


def _flags(history: History) -> list[dict[str, Any]]:
    parts = []
    reasons = _logged(history, "reasons")
    for kind in ("job_loss", "illness", "hardship"):
        is_kind = reasons["kind"] == kind if "kind" in reasons else np.zeros(0, dtype=bool)
        parts.append(
            _part(reasons["row"][is_kind], reasons["day"][is_kind], kind, reasons["day"][is_kind] + _REASON_DAYS)
        )
    complaints = _logged(history, "complaints")
    parts.append(_part(complaints["row"], complaints["day"], "complaint_open", complaints["day"] + _COMPLAINT_DAYS))
    disputes = _logged(history, "disputes")
    if "until" in disputes:
        parts.append(_part(disputes["row"], disputes["day"], "dispute_open", disputes["until"]))
        fraud = disputes["is_fraud"]
        parts.append(_part(disputes["row"][fraud], disputes["day"][fraud], "fraud_suspected"))
    deaths = _logged(history, "deaths")
    is_owner = history.people.opened[deaths["row"]] < deaths["day"]
    row, day = deaths["row"][is_owner], deaths["day"][is_owner]
    parts.append(_part(row, day, "deceased", late_days=5 + (row * 7919 + day) % 36))
    parts.append(_first_of_account(_logged(history, "refusals"), "adm_refused"))
    parts.append(_first_of_account(_unreachable(history), "own_number_invalid"))
    charge_offs = _logged(history, "charge_offs")
    parts.append(_part(charge_offs["row"], charge_offs["day"], "charged_off"))
    return parts


def _unreachable(history: History) -> dict[str, Any]:
    contacts = _logged(history, "contacts")
    if "outcome" not in contacts:
        return contacts
    is_dead_line = contacts["outcome"] == "not_connected"
    return {"row": contacts["row"][is_dead_line], "day": contacts["day"][is_dead_line]}


def _first_of_account(columns: dict[str, Any], kind: str) -> dict[str, Any]:
    row, first = np.unique(columns["row"], return_index=True)
    return _part(row, columns["day"][first], kind)


def _approvals(history: History, channel: Channel, kind: str) -> dict[str, Any]:
    """Visits and legal steps were approved by a person before they were decided."""
    assignments = _logged(history, "assignments")
    if "channel" not in assignments:
        return _part(assignments["row"], assignments["day"], kind)
    is_chosen = assignments["channel"] == CHANNELS.index(channel)
    day = assignments["day"][is_chosen]
    return _part(assignments["row"][is_chosen], day, kind, day + _APPROVAL_DAYS)


def _plans(history: History) -> list[dict[str, Any]]:
    """``plan_signed`` lasts until the plan ends; ``plan_breached`` until another one is signed."""
    plans, ends = _logged(history, "plans"), _logged(history, "plan_ends")
    signed = dict(
        zip(zip(plans["row"].tolist(), plans["day"].tolist(), strict=True), [NO_END] * len(plans["row"]), strict=True)
    )
    if "signed_day" not in ends:
        return [_part(plans["row"], plans["day"], "plan_signed")]
    for row, day, end in zip(ends["row"].tolist(), ends["signed_day"].tolist(), ends["day"].tolist(), strict=True):
        signed[row, day] = end
    until = np.array(
        [signed[key] for key in zip(plans["row"].tolist(), plans["day"].tolist(), strict=True)], dtype=np.int64
    )
    breached = ends["is_breached"]
    row, day = ends["row"][breached], ends["day"][breached]
    nexts = [
        min((later for (owner, later) in signed if owner == r and later > d), default=NO_END)
        for r, d in zip(row.tolist(), day.tolist(), strict=True)
    ]
    return [
        _part(plans["row"], plans["day"], "plan_signed", until),
        _part(row, day, "plan_breached", np.array(nexts, dtype=np.int64)),
    ]


def _apart(flags: dict[str, Any]) -> dict[str, Any]:
    """Periods of one kind follow each other: an earlier one ends where the next begins; one flag a day is enough."""
    row, kind, day = flags["row"], flags["kind"], flags["day"]
    is_same = (row[1:] == row[:-1]) & (kind[1:] == kind[:-1])
    keep = np.append(True, ~(is_same & (day[1:] == day[:-1])))[: len(row)]
    flags = {name: values[keep] for name, values in flags.items()}
    row, kind, day = flags["row"], flags["kind"], flags["day"]
    has_next = np.append((row[1:] == row[:-1]) & (kind[1:] == kind[:-1]), False)[: len(row)]
    following = np.append(day[1:], NO_END)[: len(row)]
    is_cut = has_next & (flags["until"] >= following)
    return flags | {"until": np.where(is_cut, following, flags["until"]), "is_cut": is_cut}
