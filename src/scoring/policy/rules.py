"""The nine kinds of contact rule, as typed values: a profile holds no code, all meaning lives here and in the engine.

Fixed meanings (the rulebook's section 2), which every reader of a profile may rely on:

1. A forbidden span is half-open unless its ends say otherwise: 22:00:00 is inside 22:00-08:00, 08:00:00 is not.
2. A window counts local calendar dates, not hours: seven days are today and the six dates before it. A contact is
   refused when the count *already* equals the maximum.
3. ``debtor`` caps count every account, number, agent, robot and agency of the bank together; ``person_and_debt`` caps
   count this account only; ``number`` caps count the number that would be used next.
4. An unknown fact is unknown, not false. A rule that needs it answers ``unknown``, and a person looks. A consent that
   would *lift* a rule must be known: without evidence of it the rule stands.
5. Force ranks rules for explaining only. For deciding the strictest wins. No rule switches another one off.
6. Where the place is unclear, a contact must be lawful in every candidate time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import ClassVar, Final

from scoring.policy.truth import Outcome
from scoring.vocabulary import CONTACT_CHANNELS, ContactOutcome

CHANNELS: Final[tuple[str, ...]] = tuple(str(channel) for channel in CONTACT_CHANNELS)
"""The nine channels in the order of every verdict and every column."""
CHANNEL_INDEX: Final[Mapping[str, int]] = {channel: i for i, channel in enumerate(CHANNELS)}
OUTCOMES: Final[tuple[str, ...]] = (*(str(outcome) for outcome in ContactOutcome), "ringless_voicemail", "dropped")
"""Outcomes a counter may name: those of the contacts table, and two that only Regulation F knows."""
DIRECTIONS: Final = ("outbound", "inbound")
FORCES: Final = ("law", "rule", "standard", "self_reg", "guidance", "house")
"""How binding a rule is, strongest first; used to order explanations, never to decide."""
VERIFIED: Final = ("full_text", "quoted", "press", "secondary", "unconfirmed", "memory", "house")
"""How far the source was read, best first."""
COLLECTORS: Final = ("first_party", "third_party", "first_party_other_name")
"""Who collects; a creditor that uses another name is treated as a third party (12 CFR 1006.2(i)(1))."""
SCOPES: Final = ("debtor", "number", "person_and_debt")

ChannelMask = tuple[bool, ...]
"""One boolean for each of ``CHANNELS``."""


@dataclass(frozen=True, slots=True)
class When:
    """A condition over facts: all of, at least one of, none of."""

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every fact the condition reads, in order."""
        return self.all + self.any + self.none


@dataclass(frozen=True, slots=True)
class Counter:
    """Which contacts a cap counts.

    Attributes
    ----------
    outcomes : frozenset of str, or None
        Counted outcomes; ``None`` counts all.
    not_counted : frozenset of str
        Outcomes that the source names as left out; said for the reader, since what is not listed does not count.
    directions : tuple of str
        Outbound, inbound or both.
    channels : mask, or None
        Counted channels; ``None`` means the channels of the rule that uses the counter.
    min_seconds : float
        A contact known to be shorter is not counted.
    """

    name: str
    outcomes: frozenset[str] | None = None
    not_counted: frozenset[str] = frozenset()
    directions: tuple[str, ...] = ("outbound",)
    channels: ChannelMask | None = None
    min_seconds: float = 0.0

    def triples(self, rule_channels: ChannelMask) -> frozenset[tuple[str, str, str]]:
        """Every (channel, outcome, direction) that counts under a rule for ``rule_channels``.

        >>> answered = Counter("answered", frozenset({"conversation"}))
        >>> sorted(answered.triples(tuple(channel == "agent_call" for channel in CHANNELS)))
        [('agent_call', 'conversation', 'outbound')]
        """
        channels = self.channels or rule_channels
        return frozenset(
            (channel, outcome, direction)
            for channel, counted in zip(CHANNELS, channels, strict=True)
            if counted
            for outcome in OUTCOMES
            if self.outcomes is None or outcome in self.outcomes
            for direction in self.directions
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every rule carries: its papers, its reach and its dates.

    Attributes
    ----------
    channels : mask
        The channels it is about; it is not applicable to the others.
    effect : Outcome
        ``BLOCK`` or ``REVIEW``: what follows when the rule is not met.
    binds : frozenset of str, or None
        The collectors it binds; ``None`` binds everybody.
    overlay : str, or None
        The state or city in which alone it applies.
    effective_from, effective_until : date
        It holds on days ``effective_from <= day < effective_until``; ``None`` is open.
    """

    kind: ClassVar[str] = ""

    id: str
    cite: str
    force: str
    verified: str
    channels: ChannelMask
    effect: Outcome
    binds: frozenset[str] | None = None
    overlay: str | None = None
    effective_from: date | None = None
    effective_until: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether the rule is in force on a local date."""
        begun = self.effective_from is None or self.effective_from <= day
        return begun and (self.effective_until is None or day < self.effective_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Rule):
    """Stops its channels while a condition holds, except for named templates on named channels."""

    kind: ClassVar[str] = "hold"
    when: When
    except_channels: ChannelMask = (False,) * len(CHANNELS)
    except_templates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateException:
    """An unrelated person may be asked where the customer is, under conditions, and nothing else."""

    recipients: frozenset[str]
    channels: ChannelMask
    when: When


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient(Rule):
    """Only the listed people may be contacted."""

    kind: ClassVar[str] = "recipient"
    allow: frozenset[str]
    locate_exception: LocateException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenHours(Rule):
    """A daily span of local wall-clock time; it may run over midnight."""

    kind: ClassVar[str] = "forbidden_hours"
    start: time
    end: time
    start_inclusive: bool = True
    end_inclusive: bool = False
    lifted_by_consent: str | None = None

    def forbids(self, clock: time) -> bool:
        """Whether a local wall-clock time lies inside the span.

        >>> mask = (True,) * 9
        >>> night = ForbiddenHours(id="N", cite="", force="house", verified="house", channels=mask,
        ...                        effect=Outcome.BLOCK, start=time(22), end=time(8))
        >>> [night.forbids(time(h)) for h in (21, 22, 0, 7, 8)]
        [False, True, True, True, False]
        """
        begun = clock >= self.start if self.start_inclusive else clock > self.start
        unfinished = clock <= self.end if self.end_inclusive else clock < self.end
        return begun and unfinished if self.start < self.end else begun or unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class InconvenientTimes(Rule):
    """Times that the customer said do not suit, half-open and local."""

    kind: ClassVar[str] = "inconvenient_times"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackConsent:
    """A wish to be called back, which lifts a cooldown for a few local dates or until the next conversation."""

    days: int
    given_day_is_day: int = 1
    ends_at_next_conversation: bool = True

    @property
    def window_days(self) -> int:
        """How many local dates it lasts, the day it was given included."""
        return self.days - self.given_day_is_day + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap(Rule):
    """At most ``maximum`` counted contacts in ``days`` local dates; ``cap_day`` is a window of one date."""

    kind: ClassVar[str] = "cap_window"
    counter: Counter
    scope: str
    days: int
    maximum: int
    lifted_by_consent: str | None = None
    counted: frozenset[tuple[str, str, str]] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapDay(Cap):
    """At most ``maximum`` counted contacts on one local date."""

    kind: ClassVar[str] = "cap_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown(Rule):
    """No contact for ``days`` local dates after a counted contact, its own date being day 1."""

    kind: ClassVar[str] = "cooldown"
    counter: Counter
    scope: str
    days: int
    callback: CallbackConsent | None = None
    counted: frozenset[tuple[str, str, str]] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut(Rule):
    """The customer declined a channel."""

    kind: ClassVar[str] = "opt_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Require(Rule):
    """Facts that must all be true first, perhaps only under a condition."""

    kind: ClassVar[str] = "require"
    needs: tuple[str, ...]
    when: When | None = None


RULE_KINDS: Final = tuple(
    kind.kind for kind in (Hold, Recipient, ForbiddenHours, InconvenientTimes, CapDay, Cap, Cooldown, OptOut, Require)
)
