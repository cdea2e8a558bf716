"""Caps that turn out to have been broken, once late rows are in: reported afterwards, never rewritten.

A verdict counts what was known at its instant. An agency's upload at night can show that a call of the afternoon was
one too many. This module looks back with all that is known now and names every contact that found its cap used up,
and whether that could have been known when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scoring.policy.calendars import local_date
from scoring.policy.facts import Consent, Contact, Facts, as_utc
from scoring.policy.operations import Operations, overlays_of, zones_of
from scoring.policy.profile import Profile
from scoring.policy.rules import Cap, Cooldown
from scoring.policy.truth import Outcome
from scoring.policy.verdicts import verdicts
from scoring.portfolio.reading import Portfolio

FORBIDDING: Final = (Outcome.BLOCK, Outcome.REVIEW)


@dataclass(frozen=True, slots=True)
class Breach:
    """One contact that a cap or cooldown forbade, as all that is known now shows.

    Attributes
    ----------
    counter, limit : int
        What the rule had already counted when the contact was made, and its maximum.
    was_known : bool
        Whether what the bank knew at that instant showed it too; otherwise late rows brought it to light.
    """

    account_id: str
    rule: str
    channel: str
    contacted_at: datetime
    counter: int
    limit: int
    was_known: bool

    def __str__(self) -> str:
        how = "and this was known then" if self.was_known else "as later rows show"
        return (
            f"Account {self.account_id}: {self.channel} at {self.contacted_at.isoformat()} broke {self.rule}: "
            f"{self.counter} of {self.limit} were already made, {how}."
        )


def breaches(profile: Profile, facts: Facts, as_known_at: datetime) -> tuple[Breach, ...]:
    """Every outbound contact of one account that a cap or cooldown forbade, as known at an instant.

    Parameters
    ----------
    profile : Profile
    facts : Facts
        With the contacts; those not known by ``as_known_at`` are left out.
    as_known_at : datetime

    Returns
    -------
    tuple of Breach
        In the order of the contacts. A contact is judged by the rules of its own day.

    Examples
    --------
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> noon = datetime(2026, 11, 23, 4, tzinfo=UTC)
    >>> late = Contact(noon, "sms", "sent", known_at=noon + timedelta(hours=9))
    >>> sent = Contact(noon + timedelta(hours=2), "sms", "sent")
    >>> found = breaches(cn, Facts(account_id="A1", contacts=(late, sent)), noon + timedelta(days=1))
    >>> [str(breach) for breach in found]
    ['Account A1: sms at 2026-11-23T06:00:00+00:00 broke H-CN-CAP-SMS: 1 of 1 were already made, as later rows show.']
    """
    known_at = as_utc(as_known_at)
    contacts = sorted((c for c in facts.contacts if c.known_from <= known_at), key=lambda c: c.at)
    found: list[Breach] = []
    for position, contact in enumerate(contacts):
        if contact.direction == "outbound" and contact.this_debt:
            found += _breaches_of(profile, facts, contacts[:position], contact)
    return tuple(found)


def _breaches_of(profile: Profile, facts: Facts, earlier: Sequence[Contact], contact: Contact) -> list[Breach]:
    """What a clerk who knew everything would have said just before a contact, against what the bank could say."""
    zones = facts.zones or profile.default_zones
    if not zones:
        return []
    day = profile.nearest_day(local_date(zones[0], contact.at))
    as_known = replace(facts, number_ref=contact.number_ref, contacts=tuple(earlier))
    in_truth = replace(as_known, contacts=tuple(other._replace(known_at=None) for other in earlier))
    then = verdicts(profile, as_known, contact.at, day)
    return [
        Breach(
            account_id=facts.account_id,
            rule=seen.rule.id,
            channel=contact.channel,
            contacted_at=contact.at,
            counter=seen.finding.counter or 0,
            limit=seen.finding.limit or 0,
            was_known=then.verdict(seen.rule.id, contact.channel).finding.outcome in FORBIDDING,
        )
        for seen in verdicts(profile, in_truth, contact.at, day).table()
        if isinstance(seen.rule, Cap | Cooldown)
        and seen.channel == contact.channel
        and seen.finding.outcome in FORBIDDING
    ]


def late_breaches(
    portfolio: Portfolio,
    profile: Profile,
    since: datetime,
    as_known_at: datetime,
    operations: Operations | None = None,
) -> tuple[Breach, ...]:
    """Breaches of a portfolio's caps among the customers of whom a contact became known only after it was made.

    Parameters
    ----------
    portfolio : Portfolio
    profile : Profile
    since : datetime
        Contacts made from this instant on are judged; those of the windows before it are counted.
    as_known_at : datetime
        What was known by this instant; the report of the next morning, say.
    operations : Operations, optional
        Whose name is used and which overlays apply, as for ``facts_from_portfolio``.

    Returns
    -------
    tuple of Breach
        By account and time. Accounts of customers without a late row are not looked at: their verdicts counted all.
    """
    since, known_at, operations = as_utc(since), as_utc(as_known_at), operations or Operations()
    first = since - timedelta(days=profile.window_days + 2)
    bounds = {"first": first.replace(tzinfo=None), "known_at": known_at.replace(tzinfo=None)}
    connection = portfolio.connection.cursor()
    try:
        contacts = _by_account(connection.execute(LATE_CONTACTS, bounds).fetchall())
        consents = _by_account(connection.execute(CONSENTS, {"accounts": list(contacts)}).fetchall())
        places = connection.execute(PLACES, {"accounts": list(contacts)}).fetchall()
    finally:
        connection.close()
    found: list[Breach] = []
    for account_id, timezone, region in places:
        facts = Facts(
            account_id=account_id,
            zones=zones_of(timezone),
            collector=operations.collector,
            overlays=overlays_of(region, profile, operations),
            contacts=tuple(_contact(row) for row in contacts[account_id]),
            consents=tuple(_consent(row) for row in consents.get(account_id, ())),
        )
        found += [breach for breach in breaches(profile, facts, known_at) if breach.contacted_at >= since]
    return tuple(found)


LATE_CONTACTS: Final = """
    SELECT mine.account_id, c.contacted_at, c.channel, c.outcome, c.direction, c.number_ref,
           c.account_id = mine.account_id, c.minutes * 60, c.known_at
    FROM accounts mine JOIN accounts other ON other.customer_id = mine.customer_id
    JOIN contacts c ON c.account_id = other.account_id
    WHERE c.contacted_at >= $first AND coalesce(c.known_at, c.contacted_at) <= $known_at AND c.contacted_at <= $known_at
      AND mine.customer_id IN (
        SELECT a.customer_id FROM contacts l JOIN accounts a ON a.account_id = l.account_id
        WHERE l.known_at > l.contacted_at AND l.contacted_at >= $first AND l.known_at <= $known_at)
    ORDER BY mine.account_id, c.contacted_at"""
CONSENTS: Final = """
    SELECT account_id, kind, channel, given_at, withdrawn_at, known_at FROM consents
    WHERE account_id IN (SELECT unnest($accounts))"""
PLACES: Final = """
    SELECT account_id, timezone, region FROM accounts
    WHERE account_id IN (SELECT unnest($accounts)) ORDER BY account_id"""


def _by_account(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    grouped: dict[str, list[tuple[Any, ...]]] = {}
    for account_id, *values in rows:
        grouped.setdefault(account_id, []).append(tuple(values))
    return grouped


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


def _contact(row: tuple[Any, ...]) -> Contact:
    at, channel, outcome, direction, number_ref, this_debt, seconds, known_at = row
    return Contact(at.replace(tzinfo=UTC), channel, outcome, direction, number_ref, this_debt, seconds, _utc(known_at))


def _consent(row: tuple[Any, ...]) -> Consent:
    kind, channel, given_at, withdrawn_at, known_at = row
    return Consent(kind, channel, given_at.replace(tzinfo=UTC), _utc(withdrawn_at), _utc(known_at))
