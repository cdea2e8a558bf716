"""One account: what every rule says about every channel, which facts it read, and when it would pass.

All rules run for all channels, so the record names every reason. The columnar twin is ``verdict_frame``; a test holds
the two together on random cases.
"""

from __future__ import annotations

from datetime import date, datetime

from scoring.policy.calendars import local_days
from scoring.policy.facts import Facts, as_utc
from scoring.policy.findings import NOWHERE, Verdicts
from scoring.policy.judging import row_of
from scoring.policy.profile import Profile, rules_holding
from scoring.policy.readings import Reading
from scoring.policy.rules import CHANNEL_INDEX
from scoring.policy.truth import Outcome


def verdicts(profile: Profile, facts: Facts, at: datetime, rules_on: date | None = None) -> Verdicts:
    """What every rule says about every channel for one account.

    Parameters
    ----------
    profile : Profile
    facts : Facts
        Contacts and consents not known by ``at`` are left out.
    at : datetime
        The instant of the contact, with a zone.
    rules_on : date, optional
        Apply the rules of this date instead of the local date of ``at``.

    Raises
    ------
    PolicyError
        ``at`` has no zone, a zone is not known, or the profile does not hold on the day.

    Examples
    --------
    >>> from datetime import UTC
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.policy.truth import Truth
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> known = Facts(account_id="A1", flags={"call_recording_on": Truth.TRUE}, unlisted=Truth.FALSE)
    >>> late = verdicts(cn, known, datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
    >>> late.lawful("agent_call").name, late.reasons("agent_call")
    ('BLOCK', ('CN-CURFEW',))
    >>> late.verdict("CN-CURFEW", "agent_call").finding.next_pass_at.isoformat()
    '2026-11-24T00:00:00+00:00'
    """
    reading = Reading(profile, facts, as_utc(at))
    holding = rules_holding(profile, (rules_on,) if rules_on else local_days(reading.zones, reading.at))
    rows = tuple(
        row_of(rule, reading) if holds else NOWHERE for rule, holds in zip(profile.rules, holding, strict=True)
    )
    return Verdicts(profile, facts.account_id, reading.at, rows)


def next_lawful_at(profile: Profile, facts: Facts, at: datetime, channel: str) -> datetime | None:
    """The next instant at which the channel would be allowed if nothing else happened, or ``None``.

    ``None`` means that waiting does not help: a fact has to change, or a person has to decide.
    """
    moment = as_utc(at)
    column = CHANNEL_INDEX[channel]
    for _ in range(200):
        against = [
            row[column] for row in verdicts(profile, facts, moment).findings if row[column].outcome > Outcome.PASS
        ]
        if not against:
            return moment
        waits = [finding.next_pass_at for finding in against]
        latest = max((wait for wait in waits if wait is not None), default=None)
        if latest is None or None in waits:
            return None
        moment = latest
    return None
