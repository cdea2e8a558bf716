"""How contacts went: attempts, answers, replies. The contact being decided is never counted; it has not happened."""

from __future__ import annotations

from typing import Any

from scoring.features.definition import Feature, ReasonGroup

_CONTACT = ReasonGroup.CONTACT_RESPONSE
_SOURCE = "contacts"
_CALLS = ("ai_voice", "agent_call")
_MESSAGES = ("sms", "app_push", "email")

# A feature a line, whatever the formatter thinks.
# fmt: off
FEATURES = (
    Feature("n_outbound_30d", "contact attempts by the bank, 30 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("n_outbound_90d", "contact attempts by the bank, 90 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("n_calls_30d", "calls by the bank, 30 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("n_conversations_90d", "conversations and meetings with the customer, 90 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("call_answer_share_90d", "share of calls that became a conversation, 90 days", "share", 0, 1, _CONTACT, _SOURCE),
    Feature("message_read_share_90d", "share of messages seen as read, 90 days", "share", 0, 1, _CONTACT, _SOURCE),
    Feature("n_inbound_180d", "contacts opened by the customer, 180 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("n_refused_365d", "contacts refused, 365 days", "count", 0, None, _CONTACT, _SOURCE),
    Feature("not_connected_share_180d", "share of calls that could not be connected, 180 days", "share", 0, 1, _CONTACT, _SOURCE),
    Feature("days_since_conversation", "days since the last conversation or meeting", "days", 0, None, _CONTACT, _SOURCE),
    Feature("days_since_outbound", "days since the bank last tried", "days", 0, None, _CONTACT, _SOURCE),
)
# fmt: on


def contacts(known_contacts: Any, as_of: Any) -> Any:
    """Contact history, one row per account with a contact.

    Parameters
    ----------
    known_contacts : table, one row per attempt known on ``as_of``
    as_of : date scalar

    Returns
    -------
    table, one row per account
        ``account_no`` and this family's columns.
    """
    tried = known_contacts.mutate(age_days=as_of.delta(known_contacts.contacted_at.date(), unit="day"))
    outbound = tried.direction == "outbound"
    call = outbound & tried.channel.isin(_CALLS)
    message = outbound & tried.channel.isin(_MESSAGES)
    talked = tried.outcome.isin(["conversation", "met"])
    month, quarter, half = tried.age_days < 30, tried.age_days < 90, tried.age_days < 180
    return tried.group_by("account_no").agg(
        n_outbound_30d=tried.count(where=outbound & month),
        n_outbound_90d=tried.count(where=outbound & quarter),
        n_calls_30d=tried.count(where=call & month),
        n_conversations_90d=tried.count(where=talked & quarter),
        call_answer_share_90d=tried.count(where=call & talked & quarter) / tried.count(where=call & quarter).nullif(0),
        message_read_share_90d=tried.count(where=message & (tried.outcome == "read") & quarter)
        / tried.count(where=message & quarter).nullif(0),
        n_inbound_180d=tried.count(where=~outbound & half),
        n_refused_365d=tried.count(where=(tried.outcome == "refused") & (tried.age_days < 365)),
        not_connected_share_180d=tried.count(where=call & (tried.outcome == "not_connected") & half)
        / tried.count(where=call & half).nullif(0),
        days_since_conversation=tried.age_days.min(where=talked),
        days_since_outbound=tried.age_days.min(where=outbound),
    )
