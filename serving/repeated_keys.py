"""A key that stands twice in one JSON object: parsers keep one of the two without a word, so an answer would rest on a guess.

Counting is enough nearly always: a body with as many keys as its parsed form has none twice. Any other is read again, key by key.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from scoring.errors import BadRequestError

SMALL: Final = 2_048
_KEY: Final = re.compile(rb'"\s*:')
_QUOTE, _COLON, _SPACE = b'": '


def refuse_repeated_keys(body: bytes, n_keys: Callable[[], int]) -> None:
    """Refuse JSON with a key twice in one object.

    Parameters
    ----------
    body : bytes
        JSON that was parsed already.
    n_keys : callable
        How many keys its parsed form has, in all objects together; at most that many, never more.

    Raises
    ------
    BadRequestError
        ``bad_request``: names the key.

    Examples
    --------
    >>> refuse_repeated_keys(b'{"account_ids":["A1"],"as_of":"2025-04-30"}', lambda: 2)
    >>> refuse_repeated_keys(b'{"account_ids":["A1"],"account_ids":["A2"]}', lambda: 1)
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: 'account_ids' stands twice in one object. Send it once: only one of the two would count.
    """
    found = len(_KEY.findall(body)) if len(body) <= SMALL and b"\\" not in body else _most_keys(body)
    if found != n_keys():
        _READER.decode(body.decode())


def _most_keys(body: bytes) -> int | None:
    """How many keys the text has, or a few more; None where quotes are escaped or followed by space, so that counting says nothing."""
    if b"\\" in body:
        return None
    text = np.frombuffer(body, dtype=np.uint8)
    ends, after = text[:-1] == _QUOTE, text[1:]
    return None if (ends & (after <= _SPACE)).any() else int(np.count_nonzero(ends & (after == _COLON)))


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0][:60]
        raise BadRequestError(
            f"{name!r} stands twice in one object. Send it once: only one of the two would count.", field=name, got=name
        )
    return found


_READER: Final = json.JSONDecoder(object_pairs_hook=_distinct)
