"""Where the state folder keeps what decided: bundles by id, texts of contact policies and of reference tables by hash."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from scoring.decisions.strategy import Strategy
from scoring.ledger.replay import TABLES, TablesOf
from scoring.policy import Profile
from scoring.resources import data_folder, reference_text
from scoring.scores.bundle import Bundle, load_bundle


def archived_bundles(home: Path) -> Callable[[str], Bundle]:
    """Finds bundles by their id, every hash checked; each is loaded once.

    Examples
    --------
    >>> archived_bundles(Path("nowhere"))("ab" * 32)
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: There is no bundle at abababababababab: bundle.json is missing. ...
    """

    @lru_cache(maxsize=4)
    def find(bundle_id: str) -> Bundle:
        return load_bundle(home / "bundles" / bundle_id[:16], expected_id=bundle_id)

    return find


def archive_policy(home: Path, named: str | None, profile: Profile) -> Path | None:
    """Keep the text of a contact policy under its hash, so that evidence can show it years later.

    Parameters
    ----------
    named : str, optional
        The profile as it was asked for: a name, a file, or None for the currency's own.

    Returns
    -------
    Path or None
        None where the file is no longer the one that was read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.decisions.lawfulness import find_profile
    >>> with TemporaryDirectory() as home:
    ...     kept = archive_policy(Path(home), None, find_profile(None, "CNY"))
    ...     is_there = kept is not None and kept.is_file()
    >>> is_there
    True
    """
    is_file = named is not None and named.endswith((".yaml", ".yml"))
    source = Path(str(named)) if is_file else data_folder() / "policy" / f"{profile.name}.yaml"
    text = source.read_bytes()
    if sha256(text).hexdigest() != profile.sha256:
        return None
    return _kept(home / "policies" / f"{profile.sha256}.yaml", text)


def archive_tables(home: Path, strategy: Strategy) -> list[Path]:
    """Keep the texts of the reference tables that decide, and of the strategy, each under its hash.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.decisions.strategy import house_strategy
    >>> from scoring.resources import reference_version
    >>> with TemporaryDirectory() as home:
    ...     kept = archive_tables(Path(home), house_strategy())
    ...     found = archived_tables(Path(home))({"harm": reference_version("harm"), "timing": "ab" * 32})
    >>> len(kept), list(found)
    (6, ['harm'])
    """
    texts = {name: strategy.text if name == "strategy" else reference_text(name) for name in TABLES}
    return [_kept(home / "tables" / _table_name(name, text), text.encode()) for name, text in texts.items()]


def archived_tables(home: Path) -> TablesOf:
    """Finds the texts of reference tables by name and hash; a text that was changed in the archive is as good as absent."""

    def find(versions: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, digest in versions.items():
            place = home / "tables" / f"{name}.{digest}.toml"
            text = place.read_bytes() if place.is_file() else b""
            if sha256(text).hexdigest() == digest:
                found[name] = text.decode()
        return found

    return find


def _table_name(name: str, text: str) -> str:
    return f"{name}.{sha256(text.encode()).hexdigest()}.toml"


def _kept(place: Path, text: bytes) -> Path:
    """Write a file once, in one step; what is there under its hash stays."""
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = place.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(text)
        scratch.replace(place)
    return place
