"""How contacts went: `scoring.features.contacts` for one account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scoring.features.one_account.history import Features, ratio
from scoring.features.one_account.known import since
from scoring.portfolio.clean_rows import Columns

_CALLS = frozenset(("ai_voice", "agent_call"))
_MESSAGES = frozenset(("sms", "app_push", "email"))
_TALKS = frozenset(("conversation", "met"))


class _Tried(NamedTuple):
    """A contact attempt."""

    age_days: int
    channel: str
    is_outbound: bool
    outcome: str


def contacts(known: Columns | None, as_of: int) -> Features:
    """Contact history of an account.

    Parameters
    ----------
    known : columns or None
        Contacts known on the as-of day; None where the table was not observed.
    as_of : int
        Ordinal of the day.

    Returns
    -------
    dict of feature name to value
        Counts of an observed table are 0 where there is no contact; shares and days are absent.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> call = {"channel": ["agent_call"], "direction": ["outbound"], "outcome": ["met"], "contacted_at": [datetime(2025, 3, 1)]}
    >>> found = contacts(call, date(2025, 3, 31).toordinal())
    >>> found["n_calls_30d"], found["call_answer_share_90d"], found["days_since_conversation"]
    (0, 1.0, 30)
    """
    tried = [] if known is None else _tried(known, as_of)
    outbound = [one for one in tried if one.is_outbound]
    calls = [one for one in outbound if one.channel in _CALLS and one.age_days < 180]
    late_calls = [one for one in calls if one.age_days < 90]
    messages = [one for one in outbound if one.channel in _MESSAGES and one.age_days < 90]
    talks = [one.age_days for one in tried if one.outcome in _TALKS]
    counts: Features = {
        "n_outbound_30d": sum(one.age_days < 30 for one in outbound),
        "n_outbound_90d": sum(one.age_days < 90 for one in outbound),
        "n_calls_30d": sum(one.age_days < 30 for one in calls),
        "n_conversations_90d": sum(age < 90 for age in talks),
        "n_inbound_180d": sum(one.age_days < 180 and not one.is_outbound for one in tried),
        "n_refused_365d": sum(one.age_days < 365 and one.outcome == "refused" for one in tried),
    }
    return {
        **(dict.fromkeys(counts) if known is None else counts),
        "call_answer_share_90d": _share(late_calls, _TALKS),
        "message_read_share_90d": _share(messages, {"read"}),
        "not_connected_share_180d": _share(calls, {"not_connected"}),
        "days_since_conversation": min(talks, default=None),
        "days_since_outbound": min((one.age_days for one in outbound), default=None),
    }


def _tried(known: Columns, as_of: int) -> list[_Tried]:
    columns = zip(*(known[name] for name in ("contacted_at", "channel", "direction", "outcome")), strict=True)
    return [
        _Tried(since(at, as_of), channel, direction == "outbound", outcome)
        for at, channel, direction, outcome in columns
    ]


def _share(tried: Sequence[_Tried], outcomes: frozenset[str] | set[str]) -> float | None:
    return ratio(sum(one.outcome in outcomes for one in tried), len(tried))
