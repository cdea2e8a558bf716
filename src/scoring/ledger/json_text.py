"""Columns as JSON text in the one form RFC 8785 allows: numbers as ECMAScript writes them, text with few escapes.

Everything here works on whole columns. Numbers are written by one C call per column; only exponents are mended
afterwards, because ECMAScript writes 1e16 as 10000000000000000 and 0.000001 without an exponent.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from scoring.errors import LedgerError

LARGEST_WHOLE_NUMBER: Final = 2**53 - 1
"""Beyond this a JSON number is no longer exact everywhere."""

_LARGEST_TEXT: Final = 2**31 - 1
_COMMA: Final = ord(",")
_LETTER_E: Final = ord("e")
_ESCAPED: Final = r'["\\\x00-\x1f]'
_EXPONENT: Final = r"^(?P<sign>-?)(?P<first>\d)(?:\.(?P<rest>\d+))?e(?P<direction>[+-]?)0*(?P<exponent>\d+)$"


def as_column(values: Any) -> pa.Array:
    """One contiguous pyarrow array; a two-dimensional numpy array becomes a list column.

    >>> as_column(np.array([[1, 2], [3, 4]])).to_pylist()
    [[1, 2], [3, 4]]
    """
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    return values if isinstance(values, pa.Array) else pa.array(values)


def joined(texts: list[Any]) -> pa.Array:
    """Texts side by side, row by row; scalars repeat.

    >>> joined([pa.scalar("<"), pa.array(["a", "b"]), pa.scalar(">")]).to_pylist()
    ['<a>', '<b>']
    """
    return pc.binary_join_element_wise(*texts, pa.scalar(""))


def quoted(text: str) -> str:
    """One text as a JSON string.

    >>> print(quoted('say "yes"'))
    "say \\"yes\\""
    """
    return orjson.dumps(text).decode()


def text_of(column: pa.Array, name: str, before: str = "") -> pa.Array:
    """The JSON text of each value, with the literal ``before`` in front of it.

    Parameters
    ----------
    column : pyarrow.Array
        Numbers, booleans, text, dictionaries, lists, structs or nulls, nested as deep as wanted.
    name : str
        How a refusal calls the column.
    before : str
        Put in front of each text; for numbers this costs less than joining it later.

    Returns
    -------
    pyarrow.StringArray, one text per row, without nulls
        A null value is the text ``null``.

    Raises
    ------
    LedgerError
        A value JSON cannot hold, or a type without a JSON form.

    Examples
    --------
    >>> text_of(pa.array([1.0, -0.0, None, 1e21, 1.5e-6]), "w_none").to_pylist()
    ['1', '0', 'null', '1e+21', '0.0000015']
    """
    kind = column.type
    if pa.types.is_floating(kind):
        return float_text(column, name, before)
    return joined([pa.scalar(before), _text_by_type(column, name)]) if before else _text_by_type(column, name)


def _text_by_type(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return string_text(column)
    if pa.types.is_integer(kind):
        return _whole_number_text(column, name)
    if pa.types.is_boolean(kind):
        return pc.cast(column, pa.string()).fill_null("null")
    if pa.types.is_dictionary(kind):
        return text_of(column.dictionary, name).take(column.indices).fill_null("null")
    if pa.types.is_struct(kind):
        return _struct_text(column, name)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_text(column, name)
    if pa.types.is_null(kind):
        return pa.array(["null"] * len(column), pa.string())
    raise LedgerError(
        f"Column {name} is of type {kind}, which has no JSON form. Write dates and instants as ISO text, money as "
        "whole cents.",
        field=name,
        got=str(kind),
        expected="numbers, booleans, text, lists, structs",
    )


def float_text(column: pa.Array, name: str, before: str = "") -> pa.Array:
    """Floats as ECMAScript writes them, each after the literal ``before``.

    >>> float_text(pa.array([0.1, 1e16, None]), "w_none", before=":").to_pylist()
    [':0.1', ':10000000000000000', ':null']
    """
    missing = column.is_null().to_numpy(zero_copy_only=False)
    numbers = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0  # + 0.0 turns -0 into 0
    _refuse_unless_finite(numbers, name)
    numbers[missing] = np.nan  # which the writer below spells null
    plain = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    if (numbers == np.trunc(numbers)).any():
        plain = plain.replace(b".0,", b",")
    return _split(plain, len(numbers), before.encode())


def _refuse_unless_finite(numbers: npt.NDArray[np.float64], name: str) -> None:
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argmin(finite))
        raise LedgerError(
            f"Row {row} of {name} holds {numbers[row]}, which JSON cannot say. Make missing values null before the "
            "record is written.",
            field=name,
            got=str(numbers[row]),
            expected="finite numbers or null",
        )


def _split(plain: bytes, count: int, before: bytes) -> pa.Array:
    """``1,2.5,`` cut at its commas into one text per number; the literal takes the comma's place."""
    if not count:
        return pa.array([], pa.string())
    letters = np.frombuffer(plain, np.uint8)
    ends = np.flatnonzero(letters == _COMMA)
    rows = np.arange(count + 1)
    offsets = np.zeros(count + 1, np.int64)
    offsets[1:] = ends - rows[:-1] + rows[1:] * len(before)
    if offsets[-1] > _LARGEST_TEXT:
        raise LedgerError(f"A block of {count} numbers gives more than 2 GiB of text. Write smaller blocks.", got=count)
    data = before + plain[:-1].replace(b",", before)
    texts = pa.StringArray.from_buffers(count, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data))
    if b"e" not in plain:
        return texts
    odd = np.zeros(count, bool)
    odd[np.searchsorted(ends, np.flatnonzero(letters == _LETTER_E))] = True
    literal = before.decode()
    mended = _without_odd_exponents(pc.utf8_slice_codeunits(texts.filter(pa.array(odd)), len(literal)))
    return pc.replace_with_mask(texts, pa.array(odd), joined([pa.scalar(literal), mended]))


def _without_odd_exponents(texts: pa.Array) -> pa.Array:
    """Numbers written with an exponent, as ECMAScript writes them (ECMA-262, Number::toString).

    >>> _without_odd_exponents(pa.array(["1.5e+16", "1e-6", "-2e-07", "1e21"])).to_pylist()
    ['15000000000000000', '0.000001', '-2e-7', '1e+21']
    """
    parts = pc.extract_regex(texts, _EXPONENT)
    sign, first, rest, direction, exponent = (pc.struct_field(parts, i) for i in range(5))
    rest = rest.fill_null("")
    digits = pc.binary_join_element_wise(first, rest, "")
    size = exponent.cast(pa.int32())
    negative = pc.equal(direction, "-")
    fraction = pc.if_else(pc.equal(rest, ""), "", joined([pa.scalar("."), rest]))
    written = joined([first, fraction, pa.scalar("e"), pc.if_else(negative, "-", "+"), exponent])
    for power in range(1, 7):  # 0.000001 is the smallest number without an exponent
        zeros = pa.scalar("0." + "0" * (power - 1))
        written = pc.if_else(pc.and_(negative, pc.equal(size, power)), joined([zeros, digits]), written)
    for power in range(15, 21):  # 100000000000000000000 is the largest power of ten without one
        whole = pc.ascii_rpad(digits, power + 1, "0")
        fits = pc.less_equal(pc.binary_length(digits), power + 1)
        chosen = pc.and_(pc.and_(pc.invert(negative), pc.equal(size, power)), fits)
        written = pc.if_else(chosen, whole, written)
    return joined([sign, written])


def _whole_number_text(column: pa.Array, name: str) -> pa.Array:
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py() or 0, bounds["max"].as_py() or 0
    if low < -LARGEST_WHOLE_NUMBER or high > LARGEST_WHOLE_NUMBER:
        got = low if low < -LARGEST_WHOLE_NUMBER else high
        row = pc.index(column, pa.scalar(got, column.type)).as_py()
        raise LedgerError(
            f"Row {row} of {name} holds a whole number beyond 2**53 - 1, which JSON readers would round. Write it as "
            "text.",
            field=name,
            got=str(got),
            expected=f"at most {LARGEST_WHOLE_NUMBER} in size",
        )
    return pc.cast(column, pa.string()).fill_null("null")


def string_text(column: pa.Array) -> pa.Array:
    """Texts in quotes, with the escapes JSON demands and no others.

    >>> print(*string_text(pa.array(["A1", 'a "b"', None, "还款"])).to_pylist())
    "A1" "a \\"b\\"" null "还款"
    """
    texts = pc.cast(column, pa.string())
    marked = pc.match_substring_regex(texts, _ESCAPED).fill_null(False)
    if pc.any(marked, min_count=0).as_py():
        texts = pc.replace_with_mask(texts, marked, _escaped(texts.filter(marked)))
    return joined([pa.scalar('"'), texts, pa.scalar('"')]).fill_null("null")


def _escaped(texts: pa.Array) -> pa.Array:
    """Backslashes first, or the later escapes would be escaped again."""
    letters = ["\\", '"', *(chr(code) for code in range(0x20))]
    return reduce(lambda done, letter: pc.replace_substring(done, letter, quoted(letter)[1:-1]), letters, texts)


def _struct_text(column: pa.Array, name: str) -> pa.Array:
    """Objects with the struct's fields as keys, in UTF-16 order."""
    names = [field.name for field in column.type]
    if len(set(names)) < len(names):
        raise LedgerError(
            f"Column {name} names a field twice: {names}. A JSON object has each key once.", field=name, got=names
        )
    fields = dict(zip(names, column.flatten(), strict=True))
    texts: list[Any] = []
    opening = "{"
    for key in sorted(names, key=lambda field: field.encode("utf-16-be")):
        texts.append(text_of(fields[key], f"{name}.{key}", before=f"{opening}{quoted(key)}:"))
        opening = ","
    whole = joined([*texts, pa.scalar("}")]) if texts else pa.array(["{}"] * len(column), pa.string())
    return pc.if_else(column.is_valid(), whole, "null")


def _list_text(column: pa.Array, name: str) -> pa.Array:
    """Lists of any length, their items written as one long column and folded back."""
    lengths = pc.if_else(column.is_valid(), pc.list_value_length(column), 0).cast(pa.int32())
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(lengths.to_numpy(zero_copy_only=False), out=offsets[1:])
    items = text_of(column.flatten(), f"{name}[]")
    folded = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), items), ",")
    return pc.if_else(column.is_valid(), joined([pa.scalar("["), folded, pa.scalar("]")]), "null")
