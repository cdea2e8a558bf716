"""A page for a terminal: lines folded at a width in columns, where a Chinese character takes two."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from scoring.explanations.sections import Explanation

WIDTH: Final = 100
INDENT: Final = "  "

_WIDE: Final = "\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60"
_CLOSING: Final = "，。；：、？！）》」”"
_OPENING: Final = "（《「“"
# A piece never starts with a closing mark and never ends with an opening one, so a line does not either.
_PIECE: Final = re.compile(rf"\s*[{_OPENING}]*(?:(?![{_CLOSING}])[{_WIDE}]|[^\s{_WIDE}“”]+|.)[{_CLOSING}]*")


def columns(text: str) -> int:
    """How many terminal columns a text takes.

    >>> columns("M2（30）"), columns("短信")
    (8, 4)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def folded(line: str, width: int = WIDTH) -> Iterator[str]:
    """A line in pieces of at most ``width`` columns; a single word that is longer stays whole.

    Examples
    --------
    >>> list(folded("one two three", 8))
    ['one two', 'three']
    >>> list(folded("今天不联系，请等待。", 11))
    ['今天不联', '系，请等', '待。']
    """
    now = ""
    for piece in _PIECE.findall(line):
        if now and columns(now) + columns(piece) > width:
            yield now
            now = piece.lstrip()
        else:
            now += piece
    yield now


def page(told: Explanation, width: int = WIDTH) -> str:
    """The explanation as plain text: title, then each section under its heading."""
    parts = ["\n".join(folded(told.title, width))]
    for section in told.sections:
        lines = [
            INDENT + ("  " if place else "") + piece
            for line in section.lines
            for place, piece in enumerate(folded(line, width - 2 * len(INDENT)))
        ]
        parts.append("\n".join([section.heading, *lines]))
    return "\n\n".join(parts) + "\n"
