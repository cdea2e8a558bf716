"""Where the state folder keeps what decided: bundles by id, texts of contact policies by hash."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from scoring.policy import Profile
from scoring.resources import data_folder
from scoring.scores.bundle import Bundle, load_bundle


def archived_bundles(home: Path) -> Callable[[str], Bundle]:
    """Finds bundles by their id, every hash checked; each is loaded once.

    Examples
    --------
    >>> archived_bundles(Path("nowhere"))("ab" * 32)
    Traceback (most recent call last):
    ...
    scoring.errors.BundleError: There is no bundle at nowhere/bundles/abababababababab: bundle.json is missing. ...
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
    place = home / "policies" / f"{profile.sha256}.yaml"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = place.with_suffix(".tmp")
        scratch.write_bytes(text)
        scratch.replace(place)
    return place
