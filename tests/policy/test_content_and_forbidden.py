"""What a contact must carry goes with the decision; what nothing may read or say is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scoring.errors import PolicyError
from scoring.policy.content import content_duties
from scoring.policy.forbidden import forbidden_features, forbidden_phrases, load_forbidden
from scoring.policy.profile import load_profile
from scoring.resources import data_folder

CN = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
US = load_profile(data_folder() / "policy" / "us_reg_f.yaml")


def test_a_chinese_letter_carries_its_seven_items() -> None:
    assert content_duties(CN, "letter").must_carry == (
        "holder_name", "balance", "reason_and_rules", "holder_rights_duties",
        "how_to_check_pay_dispute_and_submit_evidence", "issuer_contact", "business_seal",
    )  # fmt: skip


def test_an_artificial_voice_says_what_it_is_and_offers_a_person() -> None:
    assert content_duties(CN, "ai_voice").automated_voice == {"say_it_is_automated": True, "press_for_human": True}
    assert content_duties(CN, "agent_call").automated_voice is None


@pytest.mark.parametrize(("channel", "shown"), [("sms", True), ("email", True), ("app_push", True), ("letter", False)])
def test_every_american_electronic_message_shows_how_to_decline_it(channel: str, shown: bool) -> None:
    duties = content_duties(US, channel)

    assert (duties.opt_out_line, "stop" in duties.opt_out_keywords) == (shown, shown)


def test_the_first_american_message_says_more_than_the_later_ones() -> None:
    assert content_duties(US, "sms", is_first=True).must_say == ("mini_miranda",)
    assert content_duties(US, "sms").must_say == ("says_from_debt_collector",)
    assert content_duties(US, "sms").language == "same_as_message"


def test_a_time_barred_debt_forbids_the_threat_of_suit() -> None:
    assert content_duties(US, "letter", is_time_barred=True).never == ("no_threat_of_suit",)
    assert content_duties(US, "letter").never == ()


def test_an_act_inside_the_bank_says_nothing_but_has_its_limits() -> None:
    duties = content_duties(CN, "legal_referral")

    assert (duties.must_say, "threat" in duties.never) == ((), True)


def test_the_duties_name_their_profile_and_turn_into_plain_values() -> None:
    record = content_duties(CN, "sms").as_record()

    assert (record["profile"], record["policy_version"], record["must_say"]) == (
        "cn_bank_card", CN.version, ["caller_identity", "institution", "purpose"],
    )  # fmt: skip


def test_an_unknown_channel_has_no_duties() -> None:
    with pytest.raises(PolicyError, match="Channel 'fax' is not known"):
        content_duties(CN, "fax")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("customer_sex", "PROTECTED"), ("age", "PROTECTED"), ("birth_year", "PROTECTED"),
     ("n_friends_past_due", "THIRD-PARTY"),
     ("spouse_income_cents", "THIRD-PARTY"), ("region_roll_rate", "PROXY"), ("agent_note_length", "FREE-TEXT"),
     ("call_emotion_score", "EMOTION"), ("n_wechat_messages", "SOCIAL-GRAPH")],
)  # fmt: skip
def test_features_from_forbidden_sources_are_found_with_their_reason(name: str, kind: str) -> None:
    found = forbidden_features([name])

    assert {finding.id for finding in found} == {kind}
    assert all(finding.reason and finding.cite for finding in found)


def test_ordinary_features_and_tables_pass() -> None:
    names = [
        "account_age_days",
        "dpd",
        "broken_promises_90d",
        "share_of_limit_used",
        "inflow_cents_30d",
        "n_contacts_7d",
    ]

    assert forbidden_features(names, ["accounts", "payments", "contacts"]) == ()
    assert [finding.id for finding in forbidden_features([], ["protected"])] == ["TABLE"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("再不还款就抓你去坐牢", "THREAT"), ("派出所通知您", "IMPERSONATION"), ("您将进入黑名单", "INVENTED-BLACKLIST"),
     ("我们会联系您的单位", "THIRD-PARTY-PRESSURE"), ("请找朋友借钱还款", "BORROW-TO-REPAY"),
     ("将公开曝光", "PUBLIC-POSTING"),
     ("We will TELL YOUR EMPLOYER", "THIRD-PARTY-PRESSURE"), ("You will go to jail", "THREAT")],
)  # fmt: skip
def test_forbidden_phrases_are_found_in_chinese_and_english(text: str, kind: str) -> None:
    assert kind in {finding.id for finding in forbidden_phrases(text)}


def test_a_plain_reminder_passes() -> None:
    assert forbidden_phrases("您好，您的信用卡本期账单已逾期，如已还款请忽略。回复T退订。") == ()


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such list"):
        load_forbidden(tmp_path / "forbidden.yaml")
    (tmp_path / "forbidden.yaml").write_text(
        "schema: contact-forbidden/1\nversion: '1'\nfeatures: []\nmessages: []\nmore: 1\n"
    )
    with pytest.raises(PolicyError, match="key 'more' is not known here"):
        load_forbidden(tmp_path / "forbidden.yaml")
