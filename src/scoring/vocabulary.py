"""The trade's words, one spelling each: channels, treatments, buckets, payment kinds, outcomes.

Every other module takes its names from here. Money is whole minor units (``_cents``), days are dates (``_on``), instants
are UTC (``_at``), and ``as_of`` is the day by whose end something was known.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    """A way to reach a customer; ``none`` is always a choice.

    >>> [str(c) for c in Channel][:2]
    ['none', 'sms']
    """

    NONE = "none"
    SMS = "sms"
    APP_PUSH = "app_push"
    EMAIL = "email"
    ONLINE_CS = "online_cs"
    AI_VOICE = "ai_voice"
    AGENT_CALL = "agent_call"
    LETTER = "letter"
    FIELD_VISIT = "field_visit"
    LEGAL_REFERRAL = "legal_referral"


CONTACT_CHANNELS: Final = tuple(channel for channel in Channel if channel is not Channel.NONE)
"""The nine channels that need a contact, in the order used for ties."""

HUMAN_ONLY_CHANNELS: Final = (Channel.FIELD_VISIT, Channel.LEGAL_REFERRAL)
"""Never decided by a score alone: evidence and a person's approval come first."""


class Treatment(StrEnum):
    """What is done next for an account, whatever the channel."""

    NO_ACTION = "no_action"
    REMINDER = "reminder"
    NEGOTIATE = "negotiate"
    PLAN_OFFER = "plan_offer"
    GRACE_HOLD = "grace_hold"
    ASK_REASON = "ask_reason"
    REPAIR_CONTACT_DATA = "repair_contact_data"
    LEGAL_REVIEW = "legal_review"


class Bucket(StrEnum):
    """Days past due in thirties: M1 = 1 to 29, M2 = 30 to 59, ... M6 = 150 to 179, then charge-off due."""

    CURRENT = "CURRENT"
    M1 = "M1"
    M2 = "M2"
    M3 = "M3"
    M4 = "M4"
    M5 = "M5"
    M6 = "M6"
    CHARGE_OFF_DUE = "CHARGE_OFF_DUE"


BUCKET_FIRST_DPD: Final[dict[Bucket, int]] = {
    Bucket.CURRENT: 0,
    Bucket.M1: 1,
    Bucket.M2: 30,
    Bucket.M3: 60,
    Bucket.M4: 90,
    Bucket.M5: 120,
    Bucket.M6: 150,
    Bucket.CHARGE_OFF_DUE: 180,
}
"""The first day past due of each bucket: the one place where the boundaries are written."""


def bucket_of(dpd: int) -> Bucket:
    """The bucket of one account's days past due.

    Examples
    --------
    >>> [bucket_of(d).value for d in (0, 1, 29, 30, 179, 180)]
    ['CURRENT', 'M1', 'M1', 'M2', 'M6', 'CHARGE_OFF_DUE']
    >>> bucket_of(-1)
    Traceback (most recent call last):
    ...
    ValueError: days past due are never negative; got -1
    """
    if dpd < 0:
        raise ValueError(f"days past due are never negative; got {dpd}")
    return [bucket for bucket, first in BUCKET_FIRST_DPD.items() if dpd >= first][-1]


class PaymentKind(StrEnum):
    """Why an amount was credited; only what the customer started counts as a payment."""

    VOLUNTARY = "voluntary"
    AUTOPAY = "autopay"
    REFUND = "refund"
    SET_OFF = "set_off"
    WRITE_OFF = "write_off"
    GOODWILL = "goodwill"
    TRANSFER = "transfer"


QUALIFYING_KINDS: Final = (PaymentKind.VOLUNTARY, PaymentKind.AUTOPAY)
"""Payments started by the customer: the only ones that count towards minimums and targets."""


class ContactOutcome(StrEnum):
    """What came of one contact attempt."""

    CONVERSATION = "conversation"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    VOICEMAIL = "voicemail"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    NOT_CONNECTED = "not_connected"
    MET = "met"
    REFUSED = "refused"


RIGHT_PARTY_OUTCOMES: Final = (ContactOutcome.CONVERSATION, ContactOutcome.MET)
"""A live exchange with the customer."""


class Segment(StrEnum):
    """Willing or not, able or not, when the probability of the cell exceeds 0.6; otherwise undetermined."""

    WILLING_ABLE = "willing_able"
    WILLING_UNABLE = "willing_unable"
    UNWILLING_ABLE = "unwilling_able"
    UNWILLING_UNABLE = "unwilling_unable"
    UNDETERMINED = "undetermined"


class Evidence(StrEnum):
    """Whether the history is enough to speak about the customer at all."""

    SUFFICIENT = "sufficient"
    INSUFFICIENT = "insufficient_evidence"


class Stage(StrEnum):
    """Early = M1, mid = M2 and M3, late = M4 and later."""

    EARLY = "early"
    MID = "mid"
    LATE = "late"
