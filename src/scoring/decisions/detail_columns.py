"""Treatment details as the columns of a decision record: what does not apply to an account is null there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from scoring.decisions.account_events import day_texts
from scoring.decisions.eligibility import APPROVAL, ART_70, TESTS
from scoring.decisions.legal_review import EVIDENCE_ITEMS
from scoring.decisions.treatment_details import TreatmentDetails
from scoring.policy import Truth

_TRUTHS: Final = np.array([Truth(code).name.lower() for code in sorted(Truth)], dtype=object)


def detail_columns(details: TreatmentDetails, rows: slice) -> dict[str, Any]:
    """The details of some rows for `scoring.ledger.canonical.canonical_column`.

    Returns
    -------
    dict
        ``timing``, ``plan`` (with ``offer`` and ``art_70``), ``grace``, ``ask_about``, ``repair``, ``legal_review``: columns, or objects of
        columns. A person decides about plans and legal steps, and the record says so.

    Examples
    --------
    The tree of one account is checked in ``tests/decisions/test_treatment_details.py``.
    """
    table, when = details.table.iloc[rows], details.when
    offered = table["plan_kind"].notna().to_numpy()
    in_grace = when.grace.expires_on[rows] >= 0
    timing = {
        **{name: _text(table[name]) for name in ("contact_on", "next_review_on", "hold", "held_until")},
        **{name: pa.array(table[name]) for name in ("usual_payment_day", "wait_days", "wait_gain_cents")},
        "from_hour": pa.array(table["contact_from_hour"]),
        "until_hour": pa.array(table["contact_until_hour"]),
        "hours_basis": _text(table["contact_hours_basis"]),
        "calls_tried": pa.array(details.hours.n_attempts[rows]),
        "zone": _text(details.events.zones[rows]),
    }
    offer = {name: pa.array(table[f"plan_{name}"]) for name in _AMOUNTS} | {"kind": _text(table["plan_kind"])}
    grace = {
        "circumstance": _text(when.grace.kinds[rows]),
        "expires_on": _text(table["grace_until"]),
        "has_evidence": pa.array(
            pd.notna(when.grace.evidence_refs[rows])
        ),  # never the reference itself: a record is for ever
    }
    return {
        "timing": timing,
        "plan": {
            "state": _text(table["plan_state"]),
            "offer": _objects(offer, offered),
            "art_70": _art_70(details, rows, offered),
        },
        "grace": _objects(grace, in_grace),
        "ask_about": _words(table["ask_about"]),
        "repair": _words(table["repair"]),
        "legal_review": _legal(details, rows, table["legal_completeness"].notna().to_numpy()),
    }


_AMOUNTS: Final = (
    "instalments", "instalment_cents", "last_instalment_cents", "deferral_months", "waiver_cents", "cost_cents",
)  # fmt: skip


def _art_70(details: TreatmentDetails, rows: slice, shown: npt.NDArray[np.bool_]) -> pa.Array:
    found = details.eligibility
    n = len(shown)
    return _objects(
        {
            "approval": _same(APPROVAL, n),
            "cite": _same(ART_70, n),
            "decided_by": _same("person", n),
            "required_terms": pa.array([list(found.required_terms)]).take(pa.array(np.zeros(n, dtype=np.int64))),
            "state": _text(found.states[rows]),
            "tests": _objects(_truths(TESTS, found.tests[rows]), np.ones(n, dtype=bool)),
            "willingness_estimate": pa.array(np.round(found.willingness_estimate[rows], 6)),
            "willingness_shown_by": _text(found.shown_by[rows]),
        },
        shown,
    )


def _legal(details: TreatmentDetails, rows: slice, shown: npt.NDArray[np.bool_]) -> pa.Array:
    file = details.legal
    return _objects(
        {
            "approval": _text(np.where(file.is_approved[rows], "given", "missing")),
            "completeness": pa.array(np.round(file.completeness[rows], 4)),
            "decided_by": _same("person", len(shown)),
            "evidence": _objects(_truths(EVIDENCE_ITEMS, file.items[rows]), np.ones(len(shown), dtype=bool)),
            "first_dunning_on": _text(day_texts(file.first_dunning_on[rows])),
            "last_dunning_on": _text(day_texts(file.last_dunning_on[rows])),
            "n_dunnings": pa.array(file.n_dunnings[rows]),
        },
        shown,
    )


def _truths(names: tuple[str, ...], codes: npt.NDArray[np.int8]) -> dict[str, pa.Array]:
    return {name: _text(_TRUTHS[codes[:, place]]) for place, name in enumerate(names)}


def _objects(members: Mapping[str, pa.Array], shown: npt.NDArray[np.bool_]) -> pa.Array:
    """One object a row, null where it is not shown."""
    arrays = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in members.values()]
    return pa.StructArray.from_arrays(arrays, names=list(members), mask=pa.array(~shown))


def _words(column: Any) -> pa.Array:
    """Comma-separated words as lists; an empty list where there are none."""
    codes, texts = column.factorize(use_na_sentinel=False)
    lists = pa.array([[] if text is None or text != text else text.split(",") for text in texts], pa.list_(pa.string()))
    return lists.take(pa.array(codes.astype(np.int64)))


def _same(text: str, n: int) -> pa.Array:
    return pa.array([text], type=pa.string()).take(pa.array(np.zeros(n, dtype=np.int64)))


def _text(values: Any) -> pa.Array:
    return pa.array(np.asarray(values, dtype=object), type=pa.string(), from_pandas=True)
