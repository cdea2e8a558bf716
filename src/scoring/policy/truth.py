"""Three-valued facts and five-valued verdicts: small ordered codes, so that "the strictest wins" is ``max``.

A fact is true, false or unknown, and unknown is never read as false. The codes are ordered so that *and* is ``min``,
*or* is ``max`` and *not* is ``2 - x``; the same lines then serve one account and a column of a million.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Truth(IntEnum):
    """What is known of a fact.

    >>> min(Truth.TRUE, Truth.UNKNOWN) is Truth.UNKNOWN
    True
    """

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


class Outcome(IntEnum):
    """What one rule says about one channel, mildest first.

    ``UNKNOWN`` means that a fact the rule needs is not known; the contact goes to a person, as for ``REVIEW``.
    """

    NOT_APPLICABLE = 0
    PASS = 1
    UNKNOWN = 2
    REVIEW = 3
    BLOCK = 4


class Lawful(IntEnum):
    """What all rules together say about one channel.

    >>> Lawful.of([Outcome.PASS, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE]).name
    'REVIEW'
    """

    ALLOW = 0
    REVIEW = 1
    BLOCK = 2

    @classmethod
    def of(cls, outcomes: Iterable[int]) -> Lawful:
        """The strictest outcome decides; no rule at all allows."""
        return LAWFUL_OF_OUTCOME[max(outcomes, default=Outcome.NOT_APPLICABLE)]


LAWFUL_OF_OUTCOME = (Lawful.ALLOW, Lawful.ALLOW, Lawful.REVIEW, Lawful.REVIEW, Lawful.BLOCK)
"""Indexed by ``Outcome``."""


def both(values: Iterable[Truth]) -> Truth:
    """Kleene *and*; true for nothing.

    >>> both([Truth.TRUE, Truth.UNKNOWN]).name, both([Truth.FALSE, Truth.UNKNOWN]).name, both([]).name
    ('UNKNOWN', 'FALSE', 'TRUE')
    """
    return min(values, default=Truth.TRUE)


def either(values: Iterable[Truth]) -> Truth:
    """Kleene *or*; false for nothing.

    >>> either([Truth.TRUE, Truth.UNKNOWN]).name, either([Truth.FALSE, Truth.UNKNOWN]).name, either([]).name
    ('TRUE', 'UNKNOWN', 'FALSE')
    """
    return max(values, default=Truth.FALSE)


NEGATED = (Truth.TRUE, Truth.UNKNOWN, Truth.FALSE)
"""Kleene *not*, indexed by ``Truth``."""
