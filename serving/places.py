"""What a refusal may tell over HTTP: what is wrong, never where on this machine or on which server it lies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, TypeVar

from scoring.errors import ScoringError
from serving.nightly import CURRENT
from serving.settings import Settings

Part = TypeVar("Part")
_INSIDE: Final = r"/(?:[^\s/:;,'\"()]+/)*([^\s/:;,'\"()]+)"
_FOLDER: Final = re.compile(r"(?<![\w./])(?:~|\.{1,2})?" + _INSIDE)
"""A path that begins at a root, at home or with dots; its last name is kept."""


def without_places(part: Part, settings: Settings) -> Part:
    """The part; a refusal without folders, addresses of databases and what stands in them.

    Examples
    --------
    >>> settings = Settings(Path("/srv/state"), "127.0.0.1", 3000, 1, Path("."), ledger="postgresql://me:secret@db/ledger")
    >>> told = without_places(ScoringError("The file /srv/state/plans/a.json at postgresql://me:secret@db/ledger is cut."), settings)
    >>> told.message
    'The file a.json at the database is cut.'
    """
    if not isinstance(part, ScoringError):
        return part
    known = _known_places(settings)
    told = type(part)(
        _told(part.message, known), field=part.field, got=_told(part.got, known), expected=_told(part.expected, known)
    )
    told.__cause__ = part.__cause__
    return told


def _known_places(settings: Settings) -> dict[str, str]:
    """Every place that settings name and what is said instead, the longest first."""
    home = settings.home
    places = {place: "the database" for place in (settings.ledger, settings.state) if "://" in place}
    places |= {str(place): "the state folder" for place in (home, home.resolve()) if str(place) != "."}
    portfolio = _portfolio(home)
    if portfolio:
        places |= {
            portfolio: "the folder that the plan names",
            str(Path(portfolio).resolve()): "the folder that the plan names",
        }
    return dict(sorted(places.items(), key=lambda item: -len(item[0])))


def _portfolio(home: Path) -> str:
    try:
        return str(json.loads((home / "plans" / CURRENT).read_text(encoding="utf-8"))["portfolio"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _told(value: Any, known: dict[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    for place, said in known.items():
        inside = re.escape(place) + _INSIDE
        value = re.sub(inside, r"\1", value) if place in value else value
        value = re.sub(re.escape(place) + r"(?![\w/])", said, value) if place in value else value
    return _FOLDER.sub(r"\1", value)
