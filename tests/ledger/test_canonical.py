"""Canonical JSON: the columnar writer gives the bytes of the RFC 8785 reference writer, or refuses."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.errors import LedgerError
from scoring.ledger.canonical import Fragment, Text, canonical, canonical_column

WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
FINITE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(1e-8, 1e-3),
    st.floats(1e14, 1e23),
    WHOLE.map(float),
    st.integers(-330, 308).map(lambda power: float(f"1e{power}")),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAF = st.one_of(st.none(), st.booleans(), WHOLE, FINITE, TEXT)

COLUMNS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "float": (st.none() | FINITE, pa.float64()),
    "whole": (st.none() | WHOLE, pa.int64()),
    "flag": (st.none() | st.booleans(), pa.bool_()),
    "text": (st.none() | TEXT, pa.string()),
    "large_text": (st.none() | TEXT, pa.large_string()),
    "floats": (st.none() | st.lists(st.none() | FINITE, max_size=3), pa.list_(pa.float64())),
    "pair": (st.none() | st.lists(WHOLE, min_size=2, max_size=2), pa.list_(pa.int64(), 2)),
    "reasons": (
        st.none()
        | st.lists(
            st.none()
            | st.fixed_dictionaries({"code": TEXT, "\U0001f600": st.none() | FINITE, "﹐": st.none() | WHOLE}),
            max_size=3,
        ),
        pa.list_(pa.struct([("code", pa.string()), ("\U0001f600", pa.float64()), ("﹐", pa.int64())])),
    ),
}


@st.composite
def blocks(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A tree of columns and the records that it stands for."""
    rows = draw(st.integers(1, 4))

    def grow(depth: int) -> tuple[Any, list[Any]]:
        kind = draw(st.sampled_from(["column", "plain", *(["object", "list"] if depth else [])]))
        if kind == "object":
            grown = {key: grow(depth - 1) for key in draw(st.lists(TEXT, max_size=4, unique=True))}
            return {k: t for k, (t, _) in grown.items()}, [
                {k: v[i] for k, (_, v) in grown.items()} for i in range(rows)
            ]
        if kind == "list":
            members = [grow(depth - 1) for _ in range(draw(st.integers(0, 3)))]
            return [t for t, _ in members], [[v[i] for _, v in members] for i in range(rows)]
        if kind == "plain":
            value = draw(LEAF)
            return value, [value] * rows
        strategy, arrow = COLUMNS[draw(st.sampled_from(sorted(COLUMNS)))]
        values = draw(st.lists(strategy, min_size=rows, max_size=rows))
        return pa.array(values, arrow), values

    tree, values = grow(3)
    ids = [str(i) for i in range(rows)]
    return {"id": pa.array(ids), "tree": tree}, [{"id": i, "tree": v} for i, v in zip(ids, values, strict=True)]


@given(blocks())
def test_a_block_written_from_columns_has_the_bytes_of_the_reference_writer(
    block: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    tree, records = block

    texts = canonical_column(tree).to_pylist()

    assert [text.encode() for text in texts] == [rfc8785.dumps(record) for record in records]


@given(st.lists(FINITE, min_size=1, max_size=50))
@example(
    [0.0, -0.0, 1e16, 1e20, 123456789012345680000.0, 1e21, 1.5e21, 1e-6, 9.5e-7, 1e-7, -1e-7, 5e-324, 1e100, 1e-100]
)
@example([float(2**53), 1e15, 1e17, 1.2345678901234567e16, 999999999999999900000.0, 0.00001, 1.7976931348623157e308])
def test_every_float_is_written_as_the_reference_writes_it(numbers: list[float]) -> None:
    texts = canonical_column({"n": np.array(numbers)}).to_pylist()

    assert [text.encode() for text in texts] == [rfc8785.dumps({"n": number}) for number in numbers]


def test_a_hundred_thousand_random_bit_patterns_are_written_as_the_reference_writes_them() -> None:
    numbers = np.random.default_rng(8785).integers(0, 2**64, 100_000, dtype=np.uint64).view(np.float64)
    numbers = numbers[np.isfinite(numbers)]

    texts = canonical_column([numbers]).to_pylist()

    assert [text.encode() for text in texts] == [rfc8785.dumps([number]) for number in numbers.tolist()]


@pytest.mark.parametrize(
    ("bits", "text"),
    [  # the samples of RFC 8785, appendix B
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555554", "333333333.33333325"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_the_published_samples_of_the_standard_are_reproduced(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))

    assert canonical_column([np.array([number])]).to_pylist() == [f"[{text}]"]
    assert canonical({"n": number}) == f'{{"n":{text}}}'.encode()


def test_single_precision_is_written_with_its_exact_double_value() -> None:
    numbers = np.array([0.1, 1e-7, 3e20], np.float32)

    texts = canonical_column([numbers]).to_pylist()

    assert [text.encode() for text in texts] == [rfc8785.dumps([float(number)]) for number in numbers]


def test_tables_matrices_dictionaries_and_slices_are_columns_too() -> None:
    table = pa.table({"b": pa.chunked_array([[1], [2, 3]]), "a": pa.array(["x", "y", "x"]).dictionary_encode()})
    tree = {
        "table": table,
        "matrix": np.array([[0.5, 2.0], [1e-7, 3.0], [4.0, 5.0]]),
        "odd": pa.array([[1], [2], [], [3]])[1:],
    }

    texts = canonical_column(tree).to_pylist()

    assert texts == [
        '{"matrix":[0.5,2],"odd":[2],"table":{"a":"x","b":1}}',
        '{"matrix":[1e-7,3],"odd":[],"table":{"a":"y","b":2}}',
        '{"matrix":[4,5],"odd":[3],"table":{"a":"x","b":3}}',
    ]


def test_an_empty_block_gives_no_record() -> None:
    tree = {
        "n": np.array([], np.float64),
        "text": pa.array([], pa.string()),
        "list": pa.array([], pa.list_(pa.int64())),
    }

    assert canonical_column(tree).to_pylist() == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 2**53, -(2**53)])
def test_a_number_json_cannot_hold_is_refused_both_ways(number: float) -> None:
    with pytest.raises(LedgerError, match="canonical JSON"):
        canonical({"n": number})
    with pytest.raises(LedgerError, match=r"Row 1 of scores\.n holds"):
        canonical_column({"scores": {"n": pa.array([0, number])}})


def test_a_day_is_refused_because_json_has_no_days() -> None:
    with pytest.raises(LedgerError, match="Column due_on is of type date32"):
        canonical_column({"due_on": pa.array([0], pa.date32())})


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(LedgerError, match="differ in length"):
        canonical_column({"a": pa.array([1]), "b": pa.array([1, 2])})


def test_a_fragment_with_nulls_is_refused() -> None:
    with pytest.raises(LedgerError, match="Fragment column rules holds 1 nulls"):
        canonical_column({"rules": Fragment(pa.array(["[]", None]))})


def test_a_block_without_columns_is_refused_because_its_length_is_unknown() -> None:
    with pytest.raises(LedgerError, match="No column"):
        canonical_column({"schema_version": 1})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(-1e-2, 1e-2) | st.floats(1e14, 1e22),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)  # fmt: skip
def test_the_quick_writer_of_one_record_gives_the_bytes_of_rfc_8785(value: Any) -> None:
    record = {"value": value}
    try:
        expected = rfc8785.dumps(record)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return

    assert canonical(record) == expected


def test_a_text_that_is_known_already_is_written_beside_a_name_in_another_script() -> None:
    known = canonical({"results": [{"rule": "CN-12", "n": 1.5}]})

    assert (
        canonical({"上海": [], "results": Text(canonical({"rule": "p"}))})
        == '{"results":{"rule":"p"},"上海":[]}'.encode()
    )
    assert canonical({"é": {"deep": [Text(known)]}}).endswith(b'{"deep":[{"results":[{"n":1.5,"rule":"CN-12"}]}]}}')
