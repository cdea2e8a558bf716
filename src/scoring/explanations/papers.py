"""The papers of contact rules: what a rule cites, how binding it is, how well its source was read.

A record names its profile by hash. The papers are told only where the profile at hand has that hash, so that an
explanation never cites what was not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from scoring.errors import PolicyError
from scoring.policy.profile import Profile, load_profile
from scoring.policy.rules import Rule
from scoring.resources import data_folder


def rule_papers(policy: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules of the profile that a record names, by id, in the version of the day that was applied.

    Parameters
    ----------
    policy : mapping
        The record's ``policy``: ``profile``, ``sha256``, ``rules_of``.

    Returns
    -------
    dict of str to Rule
        Empty where the profile is not at hand, or is not the one that was judged.

    Examples
    --------
    >>> rule_papers({"profile": "cn_bank_card", "sha256": "another file", "rules_of": "2026-11-22"})
    {}
    """
    profile = _shipped(str(policy.get("profile")))
    if profile is None or profile.sha256 != policy.get("sha256"):
        return {}
    on = date.fromisoformat(policy["rules_of"])
    return {rule.id: rule for rule in profile.rules if rule.holds_on(on)}


@lru_cache(maxsize=8)
def _shipped(name: str) -> Profile | None:
    path = data_folder() / "policy" / f"{name}.yaml"
    try:
        return load_profile(path) if path.is_file() else None
    except PolicyError:
        return None  # a draft that somebody is editing: not the file that was judged
