"""What an explanation is: a title and sections of lines, as values; `layout` makes a page of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines. ``key`` is the same in every language, so that a program can pick a section.

    >>> Section("why", "Why", ("Payment pattern.",)).key
    'why'
    """

    key: str
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A worded reading of one decision record.

    Attributes
    ----------
    decision_id : str
    lang : str
        ``en`` or ``zh``.
    audience : str
        ``compliance``, ``collector`` or ``customer``.
    wording : str
        SHA-256 of the wording file the lines come from.
    title : str
    sections : tuple of Section
        In reading order; none is empty.

    Examples
    --------
    >>> told = Explanation("D1", "en", "customer", "ab12", "About you", (Section("why", "Why", ("Payment pattern.",)),))
    >>> told.as_dict()["sections"]
    [{'key': 'why', 'heading': 'Why', 'lines': ['Payment pattern.']}]
    """

    decision_id: str
    lang: str
    audience: str
    wording: str
    title: str
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for HTTP."""
        told = asdict(self)
        told["sections"] = [{**section, "lines": list(section["lines"])} for section in told["sections"]]
        return told
