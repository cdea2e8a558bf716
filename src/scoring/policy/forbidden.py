"""What no model may read and no message may say: a check over names and texts that returns findings, never a pardon."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scoring.errors import PolicyError
from scoring.policy.sections import Section, read_yaml
from scoring.resources import data_folder

PARTS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class ForbiddenUse:
    """One kind of forbidden feature or message, with its reason and source."""

    id: str
    reason: str
    cite: str
    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForbiddenFinding:
    """Something forbidden that was found: where, by which word, and why it is forbidden."""

    id: str
    where: str
    found: str
    reason: str
    cite: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found!r} is {self.reason} ({self.id}; {self.cite})"


@dataclass(frozen=True, slots=True)
class ForbiddenUses:
    """The list of forbidden features, tables and phrases."""

    version: str
    tables: Mapping[str, str]
    features: tuple[ForbiddenUse, ...]
    messages: tuple[ForbiddenUse, ...]


def load_forbidden(path: Path | None = None) -> ForbiddenUses:
    """The list from ``data/policy/forbidden.yaml`` or another file.

    >>> load_forbidden().features[0].id
    'PROTECTED'
    """
    path = path or data_folder() / "policy" / "forbidden.yaml"
    if not path.is_file():
        raise PolicyError(f"{path.name}: there is no such list of forbidden uses.", field="forbidden")
    top = Section(path.name, "list", read_yaml(path.read_text(encoding="utf-8"), path.name))
    top.text("schema", among=("contact-forbidden/1",))
    version, tables = top.text("version"), top.part("tables", {}).values
    features = tuple(_use(section, "names", "words") for section in _sections(top, "features"))
    messages = tuple(_use(section, "phrases") for section in _sections(top, "messages"))
    top.done()
    return ForbiddenUses(version, dict(tables), features, messages)


def _sections(top: Section, key: str) -> list[Section]:
    items = top.take(key)
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        top.refuse(f"{key} must be a list of mappings.")
    return [Section(top.file, f"{key} {i}", item) for i, item in enumerate(items, 1)]


def _use(section: Section, *lists: str) -> ForbiddenUse:
    listed = {key: section.texts(key) for key in lists}
    use = ForbiddenUse(
        id=section.text("id"),
        reason=section.text("reason"),
        cite=section.text("cite"),
        names=frozenset(listed.get("names", ())),
        words=frozenset(listed.get("words", ())),
        phrases=listed.get("phrases", ()),
    )
    section.done()
    return use


def forbidden_features(
    names: Iterable[str], tables: Iterable[str] = (), uses: ForbiddenUses | None = None
) -> tuple[ForbiddenFinding, ...]:
    """Features, or tables that features are read from, that no model may use.

    Parameters
    ----------
    names : iterable of str
        Feature names.
    tables : iterable of str
        Names of the event tables they read.

    Returns
    -------
    tuple of ForbiddenFinding
        Empty when nothing was found; a name is judged by its parts, so a misleading name is not caught.

    Examples
    --------
    >>> forbidden_features(["account_age_days", "broken_promises_90d"])
    ()
    >>> [finding.id for finding in forbidden_features(["spouse_income_cents"], ["protected"])]
    ['TABLE', 'THIRD-PARTY']
    """
    uses = uses or load_forbidden()
    found = [
        ForbiddenFinding(
            "TABLE", f"table {table}", table, uses.tables[table], "house rule: audit tables are never model inputs"
        )
        for table in tables
        if table in uses.tables
    ]
    for name in names:
        parts = set(PARTS.split(name.lower()))
        for use in uses.features:
            hits = sorted(parts & use.words) + [name] * (name.lower() in use.names)
            found += [ForbiddenFinding(use.id, f"feature {name}", hit, use.reason, use.cite) for hit in hits]
    return tuple(found)


def forbidden_phrases(
    text: str, where: str = "message", uses: ForbiddenUses | None = None
) -> tuple[ForbiddenFinding, ...]:
    """Phrases in a message or template that a collector may not use, in Chinese and English.

    Examples
    --------
    >>> [finding.id for finding in forbidden_phrases("再不还款就通知您的家人")]
    ['THIRD-PARTY-PRESSURE']
    >>> forbidden_phrases("Your payment of 40.00 was due on 3 May. Reply STOP to opt out.")
    ()
    """
    uses = uses or load_forbidden()
    lowered = text.lower()
    return tuple(
        ForbiddenFinding(use.id, where, phrase, use.reason, use.cite)
        for use in uses.messages
        for phrase in use.phrases
        if phrase.lower() in lowered
    )
