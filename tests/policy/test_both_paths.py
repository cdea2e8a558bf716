"""One account and a million are judged alike: the columns equal the single verdicts, code for code."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from scoring.policy.facts_frame import FactsFrame
from scoring.policy.profile import load_profile
from scoring.policy.truth import Outcome
from scoring.policy.verdict_frame import verdict_frame
from scoring.policy.verdicts import verdicts
from scoring.resources import data_folder
from tests.policy.random_situations import a_moment, an_account, flags_of

PROFILES = {name: load_profile(data_folder() / "policy" / f"{name}.yaml") for name in ("cn_bank_card", "us_reg_f")}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
def test_both_paths_agree_on_fifty_thousand_random_accounts_of_each_profile(name: str) -> None:
    profile, random, seen = PROFILES[name], Random(20261123), np.zeros(len(Outcome), np.int64)
    flags = flags_of(profile)

    for _ in range(100):
        at = a_moment(random)
        accounts = [an_account(random, profile, at, flags) for _ in range(500)]
        single = np.asarray([verdicts(profile, facts, at).codes() for facts in accounts], np.int8)
        columns = verdict_frame(profile, FactsFrame.of(accounts, at)).codes()
        np.testing.assert_array_equal(columns, single)
        seen += np.bincount(single.ravel(), minlength=len(Outcome))

    assert (seen > 5_000).all(), f"every outcome must be tried often; seen {dict(zip(Outcome, seen, strict=True))}"


@pytest.mark.parametrize("name", PROFILES)
def test_an_account_read_back_from_the_columns_has_the_same_verdicts(name: str) -> None:
    profile, random = PROFILES[name], Random(7)
    at = a_moment(random)
    accounts = [an_account(random, profile, at, flags_of(profile)) for _ in range(300)]
    frame = FactsFrame.of(accounts, at)

    again = [verdicts(profile, frame.facts(row), at).codes() for row in range(len(frame))]

    assert again == [verdicts(profile, facts, at).codes() for facts in accounts]


def test_reasons_and_lawful_codes_of_a_row_are_those_of_the_single_account() -> None:
    profile, random = PROFILES["us_reg_f"], Random(11)
    at = a_moment(random)
    accounts = [replace(an_account(random, profile, at, flags_of(profile)), account_id=f"A{i}") for i in range(50)]
    columns = verdict_frame(profile, FactsFrame.of(accounts, at))

    for row, facts in enumerate(accounts):
        single = verdicts(profile, facts, at)
        assert [columns.reasons(row, channel) for channel in ("sms", "agent_call", "letter")] == [
            single.reasons(channel) for channel in ("sms", "agent_call", "letter")
        ]
        assert columns.lawful[row, 0] == single.lawful("sms")


def test_patterns_rebuild_every_account() -> None:
    profile, random = PROFILES["us_reg_f"], Random(3)
    at = a_moment(random)
    accounts = [an_account(random, profile, at, flags_of(profile)) for _ in range(200)]
    columns = verdict_frame(profile, FactsFrame.of(accounts, at))

    tables, which = columns.patterns()

    np.testing.assert_array_equal(tables[which], columns.codes())
