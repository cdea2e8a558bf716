"""Profiles are strict: malformed ones are refused with file, rule and reason; no approved one is edited in silence."""

# ruff: noqa: E501  a table of edits and refusals reads best with one on a line.
from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from scoring.errors import PolicyError
from scoring.policy.approving import approve_profile
from scoring.policy.facts import Facts
from scoring.policy.parsing import built_in_counters
from scoring.policy.profile import load_profile, parse_profile
from scoring.policy.rules import OUTCOMES
from scoring.policy.truth import Truth
from scoring.policy.verdicts import verdicts
from scoring.resources import data_folder

FOLDER = data_folder() / "policy"
NAMES = ("cn_bank_card", "us_reg_f")
CN = (FOLDER / "cn_bank_card.yaml").read_text(encoding="utf-8")
US = (FOLDER / "us_reg_f.yaml").read_text(encoding="utf-8")


def edited(text: str, old: str, new: str) -> bytes:
    assert text.count(old) >= 1, f"{old!r} is not in the profile, so the test would prove nothing"
    return text.replace(old, new, 1).encode()


SAME_RULE = '  - {id: H-CN-CAP-SMS, type: cap_day, cite: "house", force: house, verified: house'
AGAIN = ", count: sms, scope: debtor, max: 2, channels: [sms], effect: block}\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (edited(CN, "max: 3", "maxx: 3"), "rule CN-CAP-EFFECTIVE: key 'max' is missing"),
        (edited(CN, "max: 3", "max: 3, window: 7"), "rule CN-CAP-EFFECTIVE: key 'window' is not known here"),
        (edited(CN, "max: 3", 'max: "3"'), "rule CN-CAP-EFFECTIVE: max must be a whole number of at least 0; got '3'"),
        (edited(CN, "max: 3", "max: -1"), "rule CN-CAP-EFFECTIVE: max must be a whole number of at least 0; got -1"),
        (edited(CN, "max: 3", "max: true"), "rule CN-CAP-EFFECTIVE: max must be a whole number"),
        (edited(CN, "type: opt_out", "type: optout"), "rule CN-PUSH-OFF: type 'optout' is not known; known: hold, recipient"),
        (edited(CN, 'from: "22:00"', "from: 22:00"), 'rule CN-CURFEW: from must be a time in quotes, like "22:00"; YAML read 1320'),
        (edited(CN, 'from: "22:00"', 'from: "25:00"'), "rule CN-CURFEW: from '25:00' is not an hour of the day"),
        (edited(CN, 'from: "22:00"', 'from: "22:60"'), "rule CN-CURFEW: from '22:60' is not an hour of the day"),
        (edited(CN, 'from: "22:00"', 'from: "8:00"'), "rule CN-CURFEW: from '8:00' is not an hour of the day"),
        (edited(CN, 'from: "22:00"', 'from: "08:00"'), "rule CN-CURFEW: from and to are both 08:00"),
        (edited(CN, "from_inclusive: true", "from_inclusive: 1"), "rule CN-CURFEW: from_inclusive must be true or false"),
        (edited(CN, "channels: [app_push]", "channels: [fax]"), "rule CN-PUSH-OFF: channels 'fax' is not known"),
        (edited(CN, "channels: [app_push]", "channels: []"), "rule CN-PUSH-OFF: channels is empty"),
        (edited(CN, "channels: [app_push]", "channels: app_push"), "rule CN-PUSH-OFF: channels must be a list of names"),
        (edited(CN, "  letter:         {group: [collection]}", "  fax: {group: [collection]}"), "profile, channels: channel 'fax' is not known"),
        (edited(CN, "  letter:         {group: [collection]}", ""), "profile, channels: key 'letter' is missing"),
        (edited(CN, "id: CN-REC-CALL", "id: CN-PUSH-OFF"), "rule CN-PUSH-OFF: the id is used twice for different kinds of rule"),
        (edited(CN, "definitions:", "definition:"), "rule CN-CAP-EFFECTIVE: count 'effective_call' is not known"),
        (edited(CN, "rules:\n", f"rules:\n{SAME_RULE}{AGAIN}"), "rule H-CN-CAP-SMS: the id is used twice; two versions of one rule need dates"),
        (edited(CN, "rules:\n", f'rules:\n{SAME_RULE}, effective_from: "2026-03-01"{AGAIN}'), "rule H-CN-CAP-SMS: the dates of two versions of this rule overlap"),
        (edited(CN, 'effective_from: "2021-11-01",', 'effective_from: "2021-11-01", effective_until: "2021-11-01",'), "rule CN-PUSH-OFF: effective_until 2021-11-01 is not after"),
        (edited(CN, 'effective_from: "2021-11-01",', 'effective_from: "2021-11-31",'), "rule CN-PUSH-OFF: effective_from must be a date in quotes"),
        (edited(CN, 'effective_from: "2021-11-01",', 'effective_from: "2021-11-01", from_date: "2021-11-01",'), "effective_from and from_date say the same thing"),
        (edited(US, "binds: [third_party]", "binds: []"), "rule US-CURFEW: binds is empty, so the rule would bind nobody"),
        (edited(CN, "force: law", "force: lawful"), "rule CN-PUSH-OFF: force 'lawful' is not known; known: law, rule, standard"),
        (edited(CN, "verified: full_text", "verified: sure"), "rule CN-PUSH-OFF: verified 'sure' is not known"),
        (edited(CN, "effect: block", "effect: stop"), "rule CN-HOLD-PLAN: effect 'stop' is not known; known: block, review"),
        (edited(CN, "needs: [call_recording_on]", "needs: []"), "rule CN-REC-CALL: needs is empty"),
        (edited(CN, "needs: [call_recording_on]", "needs: [no, no]"), "rule CN-REC-CALL: needs must be a list of names"),
        (edited(CN, "when: {all: [dispute_open]}", "when: {}"), "rule CN-HOLD-DISPUTE, when: the condition names no fact"),
        (edited(CN, "when: {all: [dispute_open]}", "when: {every: [dispute_open]}"), "rule CN-HOLD-DISPUTE, when: key 'every' is not known"),
        (edited(CN, "outcomes: [conversation]", "outcomes: [chat]"), "profile, definitions, effective_call: outcomes 'chat' is not known"),
        (edited(CN, "candidates: intersect", "candidates: any"), "profile, timezone: candidates 'any' is not known; known: intersect"),
        (edited(CN, "default: Asia/Shanghai", "default: Asia/Peking"), "profile, timezone: default: Time zone 'Asia/Peking' is not an IANA name"),
        (edited(CN, "contact-policy/1", "contact-policy/2"), "profile: schema 'contact-policy/2' is not known"),
        (edited(CN, "status: draft", "status: final"), "profile: status 'final' is not known; known: draft, approved"),
        (edited(CN, "jurisdiction: CN", "jurisdiction: no"), "profile: jurisdiction must be a text in quotes; got False"),
        (edited(CN, "retention:", "retentions:"), "profile: key 'retentions' is not known here"),
        (edited(CN, "plan: {max_years: 5,", "plan: {max_years: 5, max_years: 6,"), "key 'max_years' is written twice"),
        (edited(US, "when_overlay: nyc, ", ""), "rule US-NYC-CAP: an overlay needs when_overlay"),
        (edited(US, "id: US-NYC-CAP", "id: H-US-CUMULATIVE"), "rule H-US-CUMULATIVE: the id is used twice for different kinds of rule; an overlay may only add"),
        (edited(US, "binds: [third_party]", "binds: [everyone]"), "rule US-CURFEW: binds 'everyone' is not known"),
        (edited(US, "days: 7, max: 7", "days: 0, max: 7"), "rule US-CALLS-7IN7: days must be a whole number of at least 1; got 0"),
        (b"rules: [", "while parsing a flow node|expected"),
        (b"- a list", "the file is not a mapping"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
)  # fmt: skip
def test_a_malformed_profile_is_refused_with_file_rule_and_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        parse_profile(content, "profile.yaml")

    assert refusal.value.message.startswith("profile.yaml")
    assert any(part in refusal.value.message for part in reason.split("|"))


def test_two_versions_of_a_rule_hold_one_after_the_other() -> None:
    later = f'rules:\n{SAME_RULE}, effective_from: "2026-06-01"{AGAIN}'
    ended = edited(CN, "rules:\n", later).decode()
    start = ended.index("  - {id: H-CN-CAP-SMS", ended.index("  - {id: CN-HOLD-PLAN"))
    first = ended[start:].replace(
        'effective_from: "2026-01-30",', 'effective_from: "2026-01-30", effective_until: "2026-06-01",', 1
    )
    profile = parse_profile((ended[:start] + first).encode(), "profile.yaml")

    limits = [
        [rule.maximum for rule in profile.on(day) if rule.id == "H-CN-CAP-SMS"]
        for day in (date(2026, 5, 31), date(2026, 6, 1))
    ]

    assert limits == [[1], [2]]


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_carries_its_papers_and_dates(name: str) -> None:
    profile = load_profile(FOLDER / f"{name}.yaml")

    assert all(rule.cite and rule.force and rule.verified and rule.effective_from for rule in profile.rules)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_profiles_are_drafts(name: str) -> None:
    profile = load_profile(FOLDER / f"{name}.yaml")

    assert (profile.status, profile.approval) == ("draft", None)


def test_a_counter_that_names_what_it_leaves_out_speaks_of_every_outcome_of_a_call() -> None:
    profile = load_profile(FOLDER / "us_reg_f.yaml")
    of_messages = {"sent", "delivered", "read", "met", "refused"}

    for counter in profile.counters.values():
        if counter.not_counted:
            assert counter.outcomes is not None
            assert counter.outcomes | counter.not_counted == set(OUTCOMES) - of_messages


def test_the_built_in_counters_are_the_ones_the_rules_use() -> None:
    profile = load_profile(FOLDER / "us_reg_f.yaml")

    assert set(built_in_counters(profile.channels)) == {"any_attempt", "any_contact", "phone_contact", "visit", "sms"}


def test_the_profile_holds_from_its_first_day_on_and_not_before() -> None:
    profile = load_profile(FOLDER / "cn_bank_card.yaml")

    assert len(profile.on(date(2026, 1, 30))) == len(profile.rules)
    with pytest.raises(PolicyError, match="holds from 2026-01-30; 2026-01-29 is outside"):
        profile.on(date(2026, 1, 29))
    with pytest.raises(PolicyError, match="2026-01-29 is outside"):
        verdicts(profile, Facts(account_id="A"), datetime(2026, 1, 29, 12, tzinfo=UTC))
    assert profile.nearest_day(date(2005, 9, 30)) == date(2026, 1, 30)


def test_naming_a_date_gives_the_verdicts_of_that_date() -> None:
    profile = load_profile(FOLDER / "us_reg_f.yaml")
    facts = Facts(account_id="A", zones=("America/New_York",), overlays=frozenset({"nyc"}), unlisted=Truth.FALSE)
    noon = {day: datetime(2026, *day, 16, tzinfo=UTC) for day in ((8, 31), (9, 1))}

    assert verdicts(profile, facts, noon[8, 31]).reasons("email") == ()
    assert verdicts(profile, facts, noon[9, 1]).reasons("email") == ("US-NYC-OPTIN",)
    for shown, rules_on in (((9, 1), (8, 31)), ((8, 31), (9, 1))):
        again = verdicts(profile, facts, noon[shown], date(2026, *rules_on))
        assert again.codes() == verdicts(profile, facts, noon[rules_on]).codes()


def a_copy(folder: Path) -> Path:
    path = folder / "cn_bank_card.yaml"
    shutil.copy(FOLDER / "cn_bank_card.yaml", path)
    return path


def test_an_approval_names_the_person_and_the_content(tmp_path: Path) -> None:
    path = a_copy(tmp_path)
    draft = load_profile(path)

    approve_profile(path, "Compliance Officer", date(2026, 12, 1))
    approved = load_profile(path)

    assert approved.approval is not None
    assert (approved.status, approved.approval.approved_by, approved.approval.approved_on) == (
        "approved", "Compliance Officer", date(2026, 12, 1),
    )  # fmt: skip
    assert approved.approval.sha256 == approved.sha256 != draft.sha256


@pytest.mark.parametrize("status", ["approved", "draft"])
def test_an_approved_profile_cannot_be_edited_without_a_new_version(tmp_path: Path, status: str) -> None:
    path = a_copy(tmp_path)
    approve_profile(path, "Compliance Officer", date(2026, 12, 1))
    text = path.read_text(encoding="utf-8").replace("max: 3", "max: 30")
    path.write_text(text.replace("status: approved", f"status: {status}"), encoding="utf-8")

    with pytest.raises(PolicyError, match=r"was approved on 2026-12-01 with another content.*new policy_version"):
        load_profile(path)


def test_a_new_version_is_a_draft_again_and_can_be_approved_too(tmp_path: Path) -> None:
    path = a_copy(tmp_path)
    approve_profile(path, "Compliance Officer", date(2026, 12, 1))
    text = path.read_text(encoding="utf-8").replace("2026.11.21-1", "2026.12.02-1").replace("max: 3", "max: 2")
    path.write_text(text.replace("status: approved", "status: draft"), encoding="utf-8")

    assert load_profile(path).approval is None
    approve_profile(path, "Another O'Fficer", date(2026, 12, 2))
    assert load_profile(path).approval is not None


def test_a_file_cannot_call_itself_approved(tmp_path: Path) -> None:
    path = tmp_path / "cn_bank_card.yaml"
    path.write_text(CN.replace("status: draft", "status: approved"), encoding="utf-8")

    with pytest.raises(PolicyError, match=r"it says approved, but version .* is not in approvals.yaml"):
        load_profile(path)


def test_an_approval_needs_a_draft_and_a_name(tmp_path: Path) -> None:
    path = a_copy(tmp_path)

    with pytest.raises(PolicyError, match="needs a named person"):
        approve_profile(path, "  ", date(2026, 12, 1))
    approve_profile(path, "Compliance Officer", date(2026, 12, 1))
    with pytest.raises(PolicyError, match="only a draft"):
        approve_profile(path, "Compliance Officer", date(2026, 12, 1))
