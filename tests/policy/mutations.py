"""Every small change that a profile could suffer: a rule lost, a number or boundary moved by one, a name left out."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

CLOCK = re.compile(r"\d\d:\d\d")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
PAPERS = ("id", "cite", "force", "verified", "type", "when_overlay")
"""What a rule says about itself; changing it changes no verdict, and the page test covers it."""
NUMBERED = ("rules", "overlays", "definitions", "channels")
SCOPES = ("debtor", "number", "person_and_debt")

Path = tuple[str | int, ...]
Mutant = tuple[str, dict[str, Any]]


def mutants(profile: dict[str, Any]) -> Iterator[Mutant]:
    """Every mutated copy of a profile's YAML content, with a sentence saying what was changed."""
    for part in ("rules", "overlays"):
        for i, rule in enumerate(profile.get(part, [])):
            yield f"{rule['id']} is deleted", changed(profile, (part, i), None)
    for part in NUMBERED:
        for path, value in leaves(profile.get(part, {}), (part,)):
            if path[-1] in PAPERS or not is_used(profile, path[-1]):
                continue
            for new in moved(path, value, profile["effective_from"]):
                yield f"{named(profile, path)}: {value!r} becomes {new!r}", changed(profile, path, new)
        for path, items in lists(profile.get(part, {}), (part,)):
            for i, item in enumerate(items):
                if path[-1] == "not_counted" or (part == "channels" and not is_used(profile, item)):
                    continue
                shorter = items[:i] + items[i + 1 :]
                yield f"{named(profile, path)}: {item!r} is left out", changed(profile, path, shorter)


def is_used(profile: dict[str, Any], name: str | int) -> bool:
    """Whether a channel's group or attribute means anything to some rule of this profile."""
    rules = profile["rules"] + profile.get("overlays", [])
    if name in ("inbound_only", "internal_act"):
        return any(rule.get("count") == "any_contact" for rule in rules)
    if name in ("inbound", "outbound", "electronic", "voice", "collection"):
        return any(name in rule["channels"] for rule in rules)
    return True


def moved(path: Path, value: Any, profile_from: str) -> list[Any]:
    """The neighbours of a number, boundary or switch."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value > 0 else [value + 1]
    if isinstance(value, str) and CLOCK.fullmatch(value):
        minutes = int(value[:2]) * 60 + int(value[3:])
        return [f"{m // 60:02d}:{m % 60:02d}" for m in ((minutes + 1) % 1440, (minutes - 1) % 1440)]
    if isinstance(value, str) and DAY.fullmatch(value) and value > profile_from:
        day = date.fromisoformat(value)
        return [(day + timedelta(days=step)).isoformat() for step in (1, -1)]
    if path[-1] == "effect":
        return ["review" if value == "block" else "block"]
    if path[-1] == "scope":
        return [scope for scope in SCOPES if scope != value]
    return []


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every single value below a part of the profile; members of lists of names are left to ``lists``."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if isinstance(item, dict):
                yield from leaves(item, (*path, i))
    else:
        yield path, value


def lists(value: Any, path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every list of names below a part of the profile."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from lists(item, (*path, key))
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield path, value
        for i, item in enumerate(value):
            yield from lists(item, (*path, i))


def changed(profile: dict[str, Any], path: Path, new: Any) -> dict[str, Any]:
    """A copy of the profile with one place changed; ``None`` deletes it."""
    mutant = copy.deepcopy(profile)
    place: Any = mutant
    for step in path[:-1]:
        place = place[step]
    if new is None:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return mutant


def named(profile: dict[str, Any], path: Path) -> str:
    """A place in words: the rule's id instead of its position."""
    if path[0] in ("rules", "overlays"):
        return " ".join([profile[path[0]][path[1]]["id"], *(str(step) for step in path[2:])])
    return " ".join(str(step) for step in path)
