"""The situations a compliance officer can read, and the proof that they pin every rule, number and boundary."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scoring.errors import PolicyError
from scoring.policy.case_files import Case, read_cases
from scoring.policy.cases import mismatches_of, run_cases
from scoring.policy.profile import profile_from
from scoring.policy.rules import CHANNELS
from scoring.resources import data_folder
from tests.policy.mutations import mutants

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios" / "contact_policy").glob("*.yaml"))
EQUIVALENT = (
    "US-CONV-COOLDOWN lifted_by_callback_consent days: 7 becomes 8",
    "US-CONV-COOLDOWN lifted_by_callback_consent given_day_is_day: 1 becomes 0",
)
"""No situation can tell these apart: a wish ends at the next talk, so one that lasts longer than the seven days after a
talk has nothing to lift. The page test catches them."""
PROFILES = ("cn_bank_card", "us_reg_f")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_situation_has_the_verdict_that_the_officer_expects(path: Path) -> None:
    report = run_cases(path)

    assert str(report) == f"{report.n_cases} cases, 0 mismatches"
    assert report.exit_code == 0


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_situation_names_all_nine_channels(path: Path) -> None:
    partial = [case.id for case in read_cases(path) if set(case.expect) != set(CHANNELS)]

    assert partial == []


@pytest.mark.parametrize("name", PROFILES)
def test_a_lost_rule_or_a_number_moved_by_one_is_caught_by_a_situation(name: str) -> None:
    cases = [case for path in SCENARIOS for case in read_cases(path) if case.profile == name]
    content = yaml.safe_load((data_folder() / "policy" / f"{name}.yaml").read_text(encoding="utf-8"))

    assert survives(content, cases), "the profile itself must pass, or every change would seem to be caught"
    survivors = [what for what, mutant in mutants(content) if survives(mutant, cases)]

    assert [what for what in survivors if what not in EQUIVALENT] == []


def survives(mutant: dict[str, object], cases: list[Case]) -> bool:
    """Whether a changed profile is still accepted and still passes every situation."""
    try:
        profile = profile_from(mutant, b"", "mutant.yaml")
    except PolicyError:
        return False
    return not any(mismatches_of(case, profile) for case in cases)
