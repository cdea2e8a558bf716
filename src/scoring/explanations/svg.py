"""Two kinds of pictures as SVG text: a waterfall on a named scale, and a path of numbers; read in greyscale and aloud.

Direction is told by pattern and sign, not by colour: what raises is solid, what lowers is hatched. Every picture has a title and
a text equivalent that says the same (``<title>``, ``<desc>``), and nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

ROW: Final = 30
WIDTH: Final = 720
_LABELS: Final = 300
_VALUES: Final = 84
_TOP: Final = 34
_BOX: Final = (168, 62)
_BOXES_A_ROW: Final = 4
_FONT: Final = "font-family='system-ui, -apple-system, \"Noto Sans\", \"Noto Sans CJK SC\", sans-serif' font-size='13'"
_HATCH: Final = (
    "<pattern id='{id}' width='6' height='6' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>"
    "<rect width='6' height='6' fill='#fff'/><line x1='0' y1='0' x2='0' y2='6' stroke='#333' stroke-width='3'/></pattern>"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a waterfall: what it is called, the change on the scale, and how the change is written."""

    label: str
    change: float
    text: str


@dataclass(frozen=True, slots=True)
class Total:
    """The first or last row of a waterfall: a place on the scale."""

    label: str
    value: float
    text: str


def waterfall(key: str, title: str, start: Total, steps: Sequence[Step], end: Total, scale: str) -> str:
    """From a start to an end on a scale, one bar per step.

    Parameters
    ----------
    key : str
        Makes the ids inside the picture unique on a page.
    title, scale : str
        What is shown, and the name and unit of the axis.

    Returns
    -------
    str
        An ``<svg>`` element; all words escaped.

    Examples
    --------
    >>> drawn = waterfall("w", "A & B", Total("start", 0.0, "0"), [Step("up", 1.0, "+1")], Total("end", 1.0, "1"), "log-odds")
    >>> "A &amp; B" in drawn, "start: 0; up: +1; end: 1. log-odds" in drawn
    (True, True)
    """
    at, edges = start.value, [0.0, start.value, end.value]
    bars = []
    for step in steps:
        bars.append((step, at, at + step.change))
        at += step.change
        edges.append(at)
    low, high = min(edges), max(edges)
    room = WIDTH - _LABELS - _VALUES
    unit = room / ((high - low) or 1.0)

    def across(value: float) -> float:
        return round(_LABELS + (value - low) * unit, 1)

    height = _TOP + ROW * (len(steps) + 2) + 26
    parts = [_text(0, 16, title, "#000", 12), _line(across(0.0), _TOP - 6, across(0.0), height - 24, "#999", "2 3")]
    parts += _total(start, 0, across)
    for place, (step, begin, finish) in enumerate(bars, start=1):
        fill = "#444" if step.change >= 0 else f"url(#{key}-hatch)"
        left, right = sorted((across(begin), across(finish)))
        top = _TOP + ROW * place
        parts.append(
            f"<rect x='{left}' y='{top + 5}' width='{max(right - left, 1.5):.1f}' height='{ROW - 12}' fill='{fill}' stroke='#222'/>"
        )
        parts += _texts(step.label, step.text, top)
        parts.append(_line(across(finish), top + ROW - 7, across(finish), top + ROW + 5, "#777"))
    parts += _total(end, len(steps) + 1, across)
    parts.append(_text(_LABELS, height - 8, scale, "#555"))
    rows: list[Step | Total] = [start, *steps, end]
    said = "; ".join(f"{one.label}: {one.text}" for one in rows)
    return _svg(key, title, f"{said}. {scale}", height, "".join(parts))


def path(key: str, title: str, boxes: Sequence[tuple[str, str]]) -> str:
    """Numbers that lead from one to the next, as boxes in reading order: label above, number below.

    Examples
    --------
    >>> "willingness: 0.62; place: 3" in path("p", "How", [("willingness", "0.62"), ("place", "3")])
    True
    """
    wide, tall = _BOX
    gap = (WIDTH - _BOXES_A_ROW * wide) // (_BOXES_A_ROW - 1)
    parts = [_text(0, 16, title, "#000", 12)]
    for place, (label, number) in enumerate(boxes):
        left, top = (place % _BOXES_A_ROW) * (wide + gap), _TOP + (place // _BOXES_A_ROW) * (tall + 26)
        parts.append(
            f"<rect x='{left + 1}' y='{top}' width='{wide - 2}' height='{tall}' rx='4' fill='#f4f4f4' stroke='#333'/>"
        )
        for line, words in enumerate(_folded(label)):
            parts.append(_text(left + 10, top + 17 + 14 * line, words, "#444", 11))
        parts.append(_text(left + 10, top + tall - 9, number, "#000", 14, bold=True))
        if place + 1 < len(boxes):
            parts.append(_arrow(place, left, top, wide, tall, gap))
    rows = -(-max(len(boxes), 1) // _BOXES_A_ROW)
    said = "; ".join(f"{label}: {number}" for label, number in boxes)
    return _svg(key, title, f"{said}.", _TOP + rows * (tall + 26), "".join(parts))


def _arrow(place: int, left: int, top: int, wide: int, tall: int, gap: int) -> str:
    if (place + 1) % _BOXES_A_ROW:
        y = top + tall // 2
        tip = left + wide + gap
        return f"<path d='M{left + wide} {y} H{tip} m-5 -4 l5 4 l-5 4' fill='none' stroke='#333'/>"
    y = top + tall
    return f"<path d='M{left + wide // 2} {y} v12 H{wide // 2} v12 m-4 -5 l4 5 l4 -5' fill='none' stroke='#333'/>"


def _total(total: Total, place: int, across: Callable[[float], float]) -> list[str]:
    left, right = sorted((across(0.0), across(total.value)))
    top = _TOP + ROW * place
    bar = f"<rect x='{left}' y='{top + 5}' width='{max(right - left, 1.5):.1f}' height='{ROW - 12}' fill='#bbb' stroke='#222'/>"
    return [bar, *_texts(total.label, total.text, top, bold=True)]


def _texts(label: str, value: str, top: int, *, bold: bool = False) -> list[str]:
    y = top + ROW // 2 + 3
    shown = label if len(label) <= 46 else label[:45] + "…"
    return [
        _text(0, y, shown, "#000", bold=bold),
        f"<text x='{WIDTH - 2}' y='{y}' text-anchor='end' fill='#000'{' font-weight=' + repr('600') if bold else ''}>{escape(value)}</text>",
    ]


def _text(x: float, y: float, words: str, fill: str, size: int = 13, *, bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    return f"<text x='{x}' y='{y}' fill='{fill}' font-size='{size}'{weight}>{escape(words)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, dashes: str = "") -> str:
    dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
    return f"<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='{stroke}'{dashed}/>"


def _folded(label: str) -> list[str]:
    """A label in at most two lines of a box; Chinese letters take twice the room."""
    lines, now, used = [], "", 0
    for word in _pieces(label):
        size = sum(2 if ord(letter) > 0x2E7F else 1 for letter in word)
        if now and used + size > 27:
            lines.append(now.strip())
            now, used = "", 0
        now, used = now + word, used + size
    return [*lines, now.strip()][:2]


def _pieces(label: str) -> list[str]:
    if any(ord(letter) > 0x2E7F for letter in label):
        return list(label)
    return [word + " " for word in label.split()]


def _svg(key: str, title: str, said: str, height: int, inside: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img' "
        f"aria-labelledby='{key}-title {key}-desc' {_FONT}><title id='{key}-title'>{escape(title)}</title>"
        f"<desc id='{key}-desc'>{escape(said)}</desc><defs>{_HATCH.format(id=key + '-hatch')}</defs>{inside}</svg>"
    )
