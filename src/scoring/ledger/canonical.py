"""Canonical JSON (RFC 8785), for one record and for a block of records held as columns.

A record is hashed as text, so the same values must always give the same bytes. :func:`canonical` writes one record;
:func:`canonical_column` writes a block of records from columns, without visiting rows in Python, with the same bytes.

*Why both:* one decision over HTTP is a dictionary; a nightly plan is a hundred thousand records of some hundred numbers
each, and building dictionaries for those costs more than scoring them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import rfc8785

from scoring.errors import LedgerError
from scoring.ledger.json_text import as_column, joined, quoted, text_of


def canonical(record: Mapping[str, Any]) -> bytes:
    """One record as canonical JSON.

    Parameters
    ----------
    record : mapping
        Plain JSON values: text, whole numbers up to 2**53 - 1, finite floats, booleans, None, lists, and mappings
        with text keys.

    Returns
    -------
    bytes
        UTF-8 without spaces, keys in UTF-16 order, numbers in their one shortest form.

    Raises
    ------
    LedgerError
        For NaN, infinities, larger whole numbers and other types (dates and instants are written as ISO text first).

    Examples
    --------
    >>> canonical({"w_none": 0.5, "ability": 1.0, "payable_low_cents": None})
    b'{"ability":1,"payable_low_cents":null,"w_none":0.5}'
    >>> canonical({"w_none": float("nan")})
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: A record cannot be written as canonical JSON: nan is not representable in JCS. ...
    """
    try:
        return orjson.dumps(_plain(record), option=orjson.OPT_SORT_KEYS)
    except (_Unusual, orjson.JSONEncodeError):
        pass  # said below, or written the long way
    try:
        return rfc8785.dumps(_without_texts(dict(record)))
    except rfc8785.CanonicalizationError as problem:
        raise LedgerError(
            f"A record cannot be written as canonical JSON: {problem}. Missing values must be null, whole numbers stay "
            "below 2**53, and dates are ISO text; the same record must give the same bytes anywhere.",
            expected="plain JSON values",
        ) from problem


class _Unusual(Exception):
    """A value that only the long way writes, or refuses."""


@dataclass(frozen=True)
class Text:
    """A value of one record whose canonical JSON is known already.

    >>> canonical({"results": Text(b'{"rule":"p"}')})
    b'{"results":{"rule":"p"}}'
    """

    json: bytes


_LARGEST: Final = 2**53 - 1
_PLAIN_FROM: Final = 1e-3
"""Between this and 2**53 every writer of shortest decimals uses the same form, without an exponent."""


def _plain(value: Any) -> Any:
    """The same value so that orjson writes it canonically: whole floats as whole numbers, small and large ones as texts."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is float:
        return _plain_float(value)
    if kind is dict:
        _refuse_other_names(value)
        return {
            name: _plain_float(each) if type(each) is float else each if type(each) is str else _plain(each)
            for name, each in value.items()
        }
    if kind is list:
        return [_plain_float(each) if type(each) is float else _plain(each) for each in value]
    if kind is int and -_LARGEST <= value <= _LARGEST:
        return value
    if kind is Text:
        return orjson.Fragment(value.json)
    raise _Unusual


def _without_texts(value: Any) -> Any:
    """The same value with what is text already read back."""
    if isinstance(value, Text):
        return orjson.loads(value.json)
    if isinstance(value, Mapping):
        return {name: _without_texts(each) for name, each in value.items()}
    return [_without_texts(each) for each in value] if isinstance(value, list) else value


def _refuse_other_names(members: dict[Any, Any]) -> None:
    """Names in ASCII have the same order in UTF-16 and in UTF-8."""
    try:
        plain = "".join(members).isascii()
    except TypeError:
        plain = False
    if not plain:
        raise _Unusual


def _plain_float(value: float) -> Any:
    if _PLAIN_FROM <= value < 1.0:  # most are chances
        return value
    if value.is_integer() and -_LARGEST <= value <= _LARGEST:
        return int(value)
    if _PLAIN_FROM <= abs(value) <= _LARGEST:
        return value
    if value != value or value in (float("inf"), float("-inf")):
        raise _Unusual
    return orjson.Fragment(rfc8785.dumps(value))


@dataclass(frozen=True)
class Fragment:
    """A column whose texts already are canonical JSON and are spliced in as they stand.

    >>> known = pa.array(['{"rule":"CN-12"}', "[]"])
    >>> canonical_column({"rules": Fragment(known)}).to_pylist()
    ['{"rules":{"rule":"CN-12"}}', '{"rules":[]}']
    """

    texts: pa.Array | pa.ChunkedArray


def canonical_column(tree: Any) -> pa.Array:
    """Canonical JSON of a block of records, one text per row, from a tree of columns.

    Parameters
    ----------
    tree : mapping, list, table, column or plain value
        A mapping (or a pyarrow Table) becomes an object, a list becomes a list of fixed length, a pyarrow or numpy
        column gives each row its own value, a plain value is the same in every row. List and struct columns become
        lists and objects whose length may differ by row; a two-dimensional numpy array is a list of numbers per row.
        Nulls become ``null``.

    Returns
    -------
    pyarrow.StringArray, one text per row
        Byte for byte what :func:`canonical` gives for that row. Keep blocks near 20,000 rows: a block's text must stay
        below 2 GiB, and small blocks stay in the cache.

    Raises
    ------
    LedgerError
        For NaN, infinities, whole numbers beyond 2**53 - 1, unknown types, columns of unequal length, or no column.

    Examples
    --------
    >>> tree = {
    ...     "schema_version": 1,
    ...     "scores": {"w_none": np.array([0.25, 1e-7]), "ability": pa.array([1.0, None])},
    ...     "account_id": pa.array(["A1", "A2"]),
    ...     "lawful": pa.array([["sms", "letter"], []]),
    ... }
    >>> for text in canonical_column(tree).to_pylist():
    ...     print(text)
    {"account_id":"A1","lawful":["sms","letter"],"schema_version":1,"scores":{"ability":1,"w_none":0.25}}
    {"account_id":"A2","lawful":[],"schema_version":1,"scores":{"ability":null,"w_none":1e-7}}
    >>> canonical_column({"w_none": np.array([0.25, np.nan])})
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: Row 1 of w_none holds nan, which JSON cannot say. Make missing values null ...
    """
    pieces = list(_pieces(tree, ""))
    lengths = [(path, len(column)) for column, path in pieces if not isinstance(column, str)]
    if not lengths:
        raise LedgerError(
            "No column is in the tree, so the number of records is unknown. Use canonical() for one record."
        )
    if len({length for _, length in lengths}) > 1:
        raise LedgerError(
            f"The columns of a block differ in length: {dict(lengths)}. Every column holds one value per record.",
            got=dict(lengths),
            expected="equal lengths",
        )
    return joined(_texts(pieces))


Column = pa.Array | pa.ChunkedArray | Fragment
_Piece = tuple[Any, str]  # literal text or a column, and the path that names it in a refusal


def _pieces(tree: Any, path: str) -> Iterator[_Piece]:
    """The record's text as literals and columns in their order, depth first."""
    if isinstance(tree, pa.Table | pa.RecordBatch):
        tree = dict(zip(tree.column_names, tree.columns, strict=True))
    if isinstance(tree, Mapping):
        yield from _object_pieces(tree, path)
    elif isinstance(tree, list | tuple):
        yield from _list_pieces(tree, path)
    elif isinstance(tree, Fragment):
        yield _fragment_text(tree, path), path
    elif isinstance(tree, np.ndarray | pa.Array | pa.ChunkedArray):
        yield as_column(tree), path
    else:
        yield canonical({"": tree})[4:-1].decode(), path


def _object_pieces(members: Mapping[str, Any], path: str) -> Iterator[_Piece]:
    opening = "{"
    for key in sorted(members, key=lambda name: name.encode("utf-16-be")):
        yield opening + quoted(key) + ":", path
        yield from _pieces(members[key], f"{path}.{key}" if path else key)
        opening = ","
    yield "}" if members else "{}", path


def _list_pieces(items: list[Any] | tuple[Any, ...], path: str) -> Iterator[_Piece]:
    opening = "["
    for position, item in enumerate(items):
        yield opening, path
        yield from _pieces(item, f"{path}[{position}]")
        opening = ","
    yield "]" if items else "[]", path


@dataclass(frozen=True)
class _Ready:
    """A column of finished texts, told apart from a text column that still needs its quotes."""

    texts: pa.Array

    def __len__(self) -> int:
        return len(self.texts)


def _fragment_text(fragment: Fragment, path: str) -> _Ready:
    texts = as_column(fragment.texts)
    if texts.null_count:
        raise LedgerError(
            f"Fragment column {path or 'at the root'} holds {texts.null_count} nulls, and a fragment is spliced as it "
            "stands. Write the JSON text null.",
            field=path,
        )
    return _Ready(pc.cast(texts, pa.string()))


def _texts(pieces: list[_Piece]) -> list[pa.Scalar | pa.Array]:
    """Literals merged and columns turned into texts; number columns carry the literal before them."""
    texts: list[pa.Scalar | pa.Array] = []
    literal = ""
    for piece, path in pieces:
        if isinstance(piece, str):
            literal += piece
        elif isinstance(piece, _Ready):
            texts += [pa.scalar(literal), piece.texts]
            literal = ""
        else:
            texts.append(text_of(piece, path, before=literal))
            literal = ""
    return [*texts, pa.scalar(literal)]
