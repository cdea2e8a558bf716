"""What is known about one account when a contact is considered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from scoring.errors import PolicyError
from scoring.policy.rules import CHANNEL_INDEX, DIRECTIONS, OUTCOMES
from scoring.policy.truth import Truth

ANY_CHANNEL = "all"
OPT_OUT, CALLBACK = "opt_out", "callback"
"""Two kinds of consent row with a meaning of their own; every other kind is named by the rule that it lifts."""


class Contact(NamedTuple):
    """One contact attempt of the past.

    ``this_debt`` is false for a contact about another account of the same customer; ``seconds`` is ``None`` where the
    length is not known, and then the contact counts. ``known_at`` is when the bank knew of it; ``None`` is at once.
    """

    at: datetime
    channel: str
    outcome: str
    direction: str = "outbound"
    number_ref: str | None = None
    this_debt: bool = True
    seconds: float | None = None
    known_at: datetime | None = None

    @property
    def known_from(self) -> datetime:
        """The instant from which the bank could count it."""
        return self.at if self.known_at is None else max(self.at, self.known_at)


class Consent(NamedTuple):
    """A consent, a wish to be called back, or an opt-out; it holds on ``given_at <= t < withdrawn_at``."""

    kind: str
    channel: str
    given_at: datetime
    withdrawn_at: datetime | None = None
    known_at: datetime | None = None

    def holds_at(self, at: datetime) -> bool:
        """Whether it is in force, and known to be, at an instant."""
        known = self.known_at is None or self.known_at <= at
        return known and self.given_at <= at and (self.withdrawn_at is None or at < self.withdrawn_at)

    def covers(self, channel: str) -> bool:
        """Whether it is about this channel."""
        return self.channel in (channel, ANY_CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One account's facts for the contact policy.

    Attributes
    ----------
    zones : tuple of str
        Candidate IANA time zones; empty where the account does not say, and the profile's default is used.
    collector : str or None
        Who collects: ``first_party``, ``third_party`` or ``first_party_other_name``; ``None`` is unknown.
    recipient : str or None
        Whom the contact would reach; ``None`` is unknown.
    number_ref : str or None
        Which number a call would use; ``None`` where it is not chosen yet.
    flags : mapping of str to Truth
        Known flags. Those not listed are ``unlisted``: unknown, unless the caller knows better.
    consents : tuple of Consent
        Consents, callback wishes and opt-outs. ``consents_observed`` says whether opt-outs are known at all.
    contacts : tuple of Contact
        The customer's contacts, all accounts together. ``contacts_observed`` says whether they are known at all.
    overlays : frozenset of str or None
        States and cities whose overlays apply; ``None`` is unknown.
    inconvenient : tuple of (datetime, datetime)
        Half-open spans of local wall-clock time that the customer said do not suit.

    Examples
    --------
    >>> Facts(account_id="A1", contacts=(Contact(datetime(2026, 1, 1), "sms", "sent"),))
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: Account A1: a contact has a time without a zone. ...
    """

    account_id: str
    zones: tuple[str, ...] = ()
    collector: str | None = "first_party"
    recipient: str | None = "debtor"
    number_ref: str | None = None
    template: str = "standard"
    flags: Mapping[str, Truth] = field(default_factory=lambda: MappingProxyType({}))
    unlisted: Truth = Truth.UNKNOWN
    consents: tuple[Consent, ...] = ()
    consents_observed: bool = True
    contacts: tuple[Contact, ...] = ()
    contacts_observed: bool = True
    overlays: frozenset[str] | None = frozenset()
    inconvenient: tuple[tuple[datetime, datetime], ...] = ()

    def __post_init__(self) -> None:
        for contact in self.contacts:
            self._check_contact(contact)
        for consent in self.consents:
            if consent.channel != ANY_CHANNEL and consent.channel not in CHANNEL_INDEX:
                self._refuse(f"a consent names channel {consent.channel!r}, which is not known", "consents")
            self._check_instant(consent.given_at, "consent", "consents")
        for start, end in self.inconvenient:
            if start.tzinfo or end.tzinfo or end <= start:
                self._refuse("an inconvenient span must run forward in local time without a zone", "inconvenient")

    def _check_contact(self, contact: Contact) -> None:
        self._check_instant(contact.at, "contact", "contacts")
        if contact.channel not in CHANNEL_INDEX:
            self._refuse(f"a contact names channel {contact.channel!r}, which is not known", "contacts")
        if contact.outcome not in OUTCOMES or contact.direction not in DIRECTIONS:
            self._refuse(f"a contact is {contact.direction} {contact.outcome!r}, which is not known", "contacts")

    def _check_instant(self, at: datetime, what: str, name: str) -> None:
        if at.tzinfo is None:
            self._refuse(f"a {what} has a time without a zone", name)

    def _refuse(self, reason: str, name: str) -> None:
        raise PolicyError(f"Account {self.account_id}: {reason}. Correct it; the rules cannot guess.", field=name)


def as_utc(at: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is refused.

    >>> as_utc(datetime(2026, 1, 1))
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: The time 2026-01-01T00:00:00 has no zone, so it is not an instant. ...
    """
    if at.tzinfo is None:
        raise PolicyError(
            f"The time {at.isoformat()} has no zone, so it is not an instant. Pass one in UTC.",
            field="at",
            got=at.isoformat(),
        )
    return at.astimezone(UTC)
