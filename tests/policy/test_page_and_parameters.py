"""The page in plain words is the profiles' own, and every number in them shows on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoring.errors import PolicyError
from scoring.policy.page import render_page
from scoring.policy.profile import PARAMETER_SECTIONS, Profile, load_profile, profile_from
from scoring.policy.rules import Hold, Recipient, Require
from scoring.policy.wording import FACT_WORDS
from scoring.resources import data_folder
from tests.policy.mutations import Mutant, changed, leaves, lists, mutants, named
from tests.policy.random_situations import flags_of

FOLDER = data_folder() / "policy"
NAMES = ("cn_bank_card", "us_reg_f")
PAGE = Path(__file__).parents[2] / "data" / "policy" / "contact_policy.md"


def content_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def test_the_page_is_the_one_that_the_profiles_give() -> None:
    profiles = [load_profile(FOLDER / f"{name}.yaml") for name in NAMES]

    assert PAGE.read_text(encoding="utf-8") == render_page(profiles), "write it again with scoring.policy.write_page"


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_on_the_page_and_every_fact_has_words(name: str) -> None:
    profile = load_profile(FOLDER / f"{name}.yaml")
    page = render_page([profile])

    assert [rule.id for rule in profile.rules if f"### {rule.id}\n" not in page] == []
    assert [fact for fact in flags_of(profile) if fact not in FACT_WORDS] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_number_moved_by_one_shows_on_the_page(name: str) -> None:
    content = content_of(name)
    page = render_page([built(content)])

    unseen = [what for what, mutant in (*mutants(content), *parameter_mutants(content)) if shows_nothing(mutant, page)]

    assert unseen == []


def built(content: dict[str, Any]) -> Profile:
    return profile_from(content, b"", "profile.yaml")


def shows_nothing(mutant: dict[str, Any], page: str) -> bool:
    try:
        return render_page([built(mutant)]) == page
    except PolicyError:  # a refused profile is caught too
        return False


def parameter_mutants(content: dict[str, Any]) -> Iterator[Mutant]:
    """Changes of what is data for other stages, and of every date."""
    for section in PARAMETER_SECTIONS:
        for path, value in leaves(content.get(section, {}), (section,)):
            moved = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"
            yield f"{named(content, path)}: {value!r} becomes {moved!r}", changed(content, path, moved)
        for path, items in lists(content.get(section, {}), (section,)):
            for i, item in enumerate(items):
                yield (
                    f"{named(content, path)}: {item!r} is left out",
                    changed(content, path, items[:i] + items[i + 1 :]),
                )
    for part in ("rules", "overlays"):
        for i, rule in enumerate(content.get(part, [])):
            for key in ("cite", "force", "verified", "effective_from"):
                other = {"cite": "x", "force": "guidance", "verified": "memory", "effective_from": "2020-02-29"}[key]
                if rule[key] != other:
                    yield f"{rule['id']} {key}", changed(content, (part, i, key), other)
    yield "effective_from", changed(content, ("effective_from",), "2020-01-01")


def test_the_facts_that_rules_read_are_found() -> None:
    profile = load_profile(FOLDER / "us_reg_f.yaml")
    read = {fact for rule in profile.rules if isinstance(rule, Require) for fact in rule.needs}
    read |= {fact for rule in profile.rules if isinstance(rule, Hold) for fact in rule.when.names}
    read |= {
        f
        for r in profile.rules
        if isinstance(r, Recipient) and r.locate_exception
        for f in r.locate_exception.when.names
    }

    assert set(flags_of(profile)) == read
