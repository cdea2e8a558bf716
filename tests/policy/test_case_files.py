"""Case files are read strictly, and a mismatch is told so that an officer can act on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.errors import PolicyError
from scoring.policy.case_files import read_cases
from scoring.policy.cases import run_cases
from scoring.policy.profile import load_profile

HEAD = "defaults:\n  cn_bank_card: {zones: [Asia/Shanghai], number: A, met: [call_recording_on]}\ncases:\n"
LATE = '  - {id: L1, profile: cn_bank_card, now: "2026-11-23T22:30:00", title: "late", '


def written(folder: Path, text: str) -> Path:
    path = folder / "cases.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


GOOD = '  - {id: G1, profile: cn_bank_card, now: "2026-11-23T12:00:00", title: "noon", expect: {allow: [sms]}}\n'


def test_a_mismatch_names_case_channel_expectation_and_answer(tmp_path: Path) -> None:
    report = run_cases(written(tmp_path, LATE + "expect: {allow: [sms], block: {email: [H-CN-GUARD]}}}\n"))

    assert str(report) == (
        "1 cases, 2 mismatches\n"
        "L1 (late)\n    sms: expected allow; got block by CN-CURFEW\n"
        "L1 (late)\n    email: expected block by H-CN-GUARD; got block by CN-CURFEW"
    )
    assert report.exit_code == 1
    assert report.as_dict()["mismatches"][0] == {
        "case": "L1", "title": "late", "channel": "sms", "expected": "allow", "got": "block by CN-CURFEW",
    }  # fmt: skip


def test_a_case_before_the_profile_is_a_mismatch_and_not_a_crash(tmp_path: Path) -> None:
    text = LATE.replace("2026-11-23", "2020-11-23") + "expect: {allow: [sms]}}\n"

    assert "every channel: expected a verdict; got a refusal: Profile cn_bank_card holds from" in str(
        run_cases(written(tmp_path, text))
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LATE + "expect: {}}\n", "case L1, expect: it expects nothing"),
        (LATE + "expect: {allow: [fax]}}\n", "case L1, expect: allow 'fax' is not known"),
        (LATE + "expect: {block: {fax: [X]}}}\n", "case L1, expect: channel 'fax' is not known"),
        (LATE + "expect: {allow: [all], block: {sms: [X]}}}\n", "channel sms is expected twice"),
        (LATE + "flag: [deceased], expect: {allow: [all]}}\n", "case L1: key 'flag' is not known here"),
        (LATE.replace("22:30", "25:30") + "expect: {allow: [all]}}\n", "is not a time like"),
        (LATE + "same_history_as: L9, expect: {allow: [all]}}\n", "same_history_as 'L9' is not known"),
        (
            LATE + "history: [{at: '2026-11-23T09:00:00', channel: fax, outcome: sent}], expect: {allow: [all]}}\n",
            "channel 'fax'",
        ),
        (LATE + "expect: {allow: [all]}}\n" + LATE + "expect: {allow: [all]}}\n", "two cases have the same id"),
        (
            LATE.replace("cn_bank_card", "nowhere") + "expect: {allow: [all]}}\n",
            "nowhere.yaml: there is no such profile file",
        ),
    ],
)
def test_a_malformed_case_file_is_refused_with_the_case_and_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path, text + GOOD)

    with pytest.raises(PolicyError) as refusal:
        read_cases(path)
        load_profile(path.parent / "nowhere.yaml")

    assert reason in refusal.value.message


def test_one_case_that_cannot_be_read_is_a_mismatch_and_the_others_are_judged(tmp_path: Path) -> None:
    report = run_cases(written(tmp_path, LATE + "flag: [deceased], expect: {allow: [all]}}\n" + GOOD))

    assert (report.n_cases, report.exit_code) == (2, 1)
    assert [m.case_id for m in report.mismatches] == ["L1"]
    assert "case L1: key 'flag' is not known here" in str(report)


def test_the_profiles_of_another_folder_may_be_judged(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"cn_bank_card.yaml: there is no such profile file"):
        run_cases(written(tmp_path, GOOD), tmp_path)


@pytest.mark.parametrize("wish", ['"2026-08-14"', '"2026-08-14T10:00:00"', '{given_at: "2026-08-14", channels: [all]}'])
def test_a_wish_to_be_called_back_may_be_written_with_its_day_or_its_instant(tmp_path: Path, wish: str) -> None:
    talk = 'history: [{at: "2026-08-14T10:00:00", channel: agent_call, outcome: conversation}]'
    zones = "zones: [America/New_York], collector: third_party, met: [validation_notice_sent_or_due_within_5d]"
    case = f'  - {{id: W1, profile: us_reg_f, now: "2026-08-20T12:00:00", title: "wish", {zones}, {talk}, '
    expect = "expect: {allow: [agent_call]}}\n"

    assert run_cases(written(tmp_path, f"{case}consents: {{callback: {wish}}}, {expect}")).exit_code == 0
    assert run_cases(written(tmp_path, f"{case}callback_consent: {wish}, {expect}")).exit_code == 0
    assert run_cases(written(tmp_path, case + expect)).exit_code == 1


def test_flags_may_be_written_as_true_false_or_unknown(tmp_path: Path) -> None:
    flags = "flags: {plan_signed: unknown, dispute_open: false}, "
    expect = "expect: {review: [letter], allow: [online_cs]}}\n"

    assert str(run_cases(written(tmp_path, LATE + flags + expect))) == "1 cases, 0 mismatches"
