"""Plain words for the facts, counters, channels and people that rules name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

CHANNEL_WORDS: Final[Mapping[str, str]] = {
    "sms": "text messages",
    "app_push": "push messages",
    "email": "e-mails",
    "online_cs": "answers in a chat that the customer opened",
    "ai_voice": "calls by an artificial voice",
    "agent_call": "calls by an agent",
    "letter": "letters",
    "field_visit": "visits",
    "legal_referral": "referral to legal action",
}
FACT_WORDS: Final[Mapping[str, str]] = {
    "plan_signed": "an instalment plan is signed",
    "plan_breached": "the plan was breached",
    "dispute_open": "the customer disputes the balance and it is not verified yet",
    "deceased": "the customer has died",
    "incapacity": "the customer lacks legal capacity",
    "adm_refused": "the customer refused decisions made only by machine",
    "human_decided": "a person has decided",
    "actor_agency": "an agency collects",
    "agency_notice_sent": "the customer was told of the agency",
    "agency_publicly_listed": "the agency is on the public list",
    "agency_whitelisted": "the agency is on the white list",
    "visit_team_ge_2": "at least two collectors go",
    "visit_recorder": "a recorder goes along",
    "visit_papers": "the collectors carry papers to show",
    "call_recording_on": "the call is recorded",
    "human_approval_legal": "a person has approved the legal action",
    "plan_offered_or_refused": "a plan was offered or refused",
    "criminal_report": "a criminal report is considered",
    "effective_dunnings_ge_2": "there were at least two effective dunnings",
    "dunning_gap_days_ge_30": "the two dunnings lie at least 30 days apart",
    "months_after_second_ge_3": "three months have passed since the second dunning",
    "principal_ge_50000": "the principal is at least CNY 50,000",
    "intent_evidence": "there is evidence of intent",
    "loss_of_contact": "the customer cannot be reached",
    "own_number_invalid": "the customer's own number is invalid",
    "consecutive_failed_contacts_ge_3": "three contacts in a row have failed",
    "purpose_locate_only": "the only purpose is to find the customer",
    "no_debt_disclosure": "the debt is not mentioned",
    "contact_refused": "that person asked not to be contacted",
    "first_contact_with_person": "that person was not contacted before",
    "attorney_known": "the consumer is known to have an attorney",
    "attorney_unresponsive": "the attorney does not answer",
    "attorney_consents": "the attorney agrees to direct contact",
    "target_is_workplace": "the contact would reach the workplace",
    "employer_prohibits": "the employer is known to forbid it",
    "cease_or_refusal_received": "the consumer wrote that contact must stop, or refuses to pay",
    "written_dispute_in_validation_period": "a written dispute came within the validation period",
    "verification_sent": "the verification was sent",
    "validation_notice_sent_or_due_within_5d": "the validation notice was sent, or is due within five days",
    "time_barred": "the debt is time-barred",
    "email_basis": "there is a basis for using this e-mail address",
    "sms_basis_60d": "the consumer texted or consented within 60 days, or the number was checked again",
    "tcpa_consent_ai_voice": "the consumer expressly agreed to artificial voice beforehand",
    "tcpa_revoked": "the consumer revoked that consent",
    "bankruptcy_stay": "a bankruptcy stay holds",
    "discharged": "the debt is discharged",
    "promise_open": "a promise to pay is open",
    "nyc_electronic_optin": "the consumer agreed in writing to electronic messages",
}
COUNTER_WORDS: Final[Mapping[str, str]] = {
    "effective_call": "answered calls",
    "unanswered": "unanswered calls",
    "any_attempt": "tries",
    "any_contact": "contacts on any channel, letters included",
    "phone_contact": "calls and texts",
    "counted_call": "calls (busy and unconnected ones left out)",
    "conversation": "talk, whoever began it",
    "visit": "visits",
    "sms": "texts",
}
SCOPE_WORDS: Final[Mapping[str, str]] = {
    "debtor": "to the customer, over all accounts, numbers, agents, robots and agencies",
    "number": "to the same number",
    "person_and_debt": "to the person about this debt",
}
FORCE_WORDS: Final[Mapping[str, str]] = {
    "law": "law",
    "rule": "departmental rule",
    "standard": "recommended standard",
    "self_reg": "self-regulation",
    "guidance": "guidance",
    "house": "house rule, no law behind it",
}
VERIFIED_WORDS: Final[Mapping[str, str]] = {
    "full_text": "official text read",
    "quoted": "read in a quotation",
    "press": "press or association summary",
    "secondary": "one secondary source",
    "unconfirmed": "one secondary source, unconfirmed",
    "memory": "from memory, unverified",
    "house": "house policy",
}
COLLECTOR_WORDS: Final[Mapping[str, str]] = {
    "first_party": "a bank in its own name",
    "third_party": "third parties that collect",
    "first_party_other_name": "a bank that uses another name",
}


def in_words(name: str, words: Mapping[str, str]) -> str:
    """The words for a name, or the name itself where nobody has worded it yet.

    >>> in_words("plan_signed", FACT_WORDS), in_words("tax_lien_filed", FACT_WORDS)
    ('an instalment plan is signed', 'tax lien filed')
    """
    return words.get(name, name.replace("_", " "))


def listed(items: Iterable[str], last: str = "and") -> str:
    """A list as a sentence says it.

    >>> listed(["letters", "visits", "texts"], "or")
    'letters, visits or texts'
    """
    *head, tail = items
    return f"{', '.join(head)} {last} {tail}" if head else tail
