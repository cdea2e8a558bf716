"""The current plan's contact policy, for decisions between two plans: same profile, to the byte, same operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from scoring.decisions.account_events import account_events
from scoring.decisions.lawfulness import Lawfulness, find_profile, lawfulness
from scoring.errors import NotReadyError, PolicyError
from scoring.policy import Operations, Profile, content_duties
from scoring.policy.truth import Outcome
from scoring.portfolio.reading import Portfolio
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from serving.current_plan import CurrentPlan
from serving.histories import Judged


@dataclass(frozen=True)
class Policy:
    """A profile, or none for a currency without one, and what holds for the whole operation."""

    profile: Profile | None
    operations: Operations

    def judge(self, portfolio: Portfolio, account_ids: list[str], *, as_of: date) -> Judged:
        """What is open to some accounts of a portfolio, and the events that hold or hurry a decision."""
        events = account_events(portfolio, np.array(account_ids, dtype=object), as_of)
        if self.profile is None:
            return Judged(None, events)
        return Judged(lawfulness(portfolio, self.profile, self.operations, account_ids, as_of), events)

    def content(self, channels: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What a contact on each channel must say and carry; empty without a profile.

        ``must_say_if_first`` takes the place of ``must_say`` in the first message about a debt.
        """
        if self.profile is None:
            return {}
        contacted = sorted(set(channels) - {str(Channel.NONE)})
        return {channel: _duties(self.profile, channel) for channel in contacted}


def _duties(profile: Profile, channel: str) -> dict[str, Any]:
    first = content_duties(profile, channel, is_first=True)
    return {**content_duties(profile, channel).as_record(), "must_say_if_first": list(first.must_say)}


def blocks_of(lawful: Lawfulness | None) -> Counter[tuple[str, str]]:
    """How often each rule blocked each channel for the accounts that were judged; nothing where no policy was applied."""
    found: Counter[tuple[str, str]] = Counter()
    if lawful is not None:
        tables, accounts = np.unique(lawful.which, return_counts=True)
        blocked = np.einsum("t,trc->rc", accounts, lawful.tables[tables] == int(Outcome.BLOCK))
        for rule, channel in np.argwhere(blocked).tolist():
            found[lawful.rule_ids[rule], str(CONTACT_CHANNELS[channel])] += int(blocked[rule, channel])
    return found


def policy_of(plan: CurrentPlan) -> Policy:
    """The policy that a plan was made under.

    Raises
    ------
    NotReadyError
        ``not_ready``: its profile is not among the shipped ones, or has changed since.
    """
    name, operations = plan.policy.get("profile"), Operations.read(plan.policy.get("operations", {}))
    if name is None:
        return Policy(None, operations)
    try:
        profile = find_profile(name, "")
    except PolicyError as error:
        raise NotReadyError(
            f"The current plan was made under a profile that is not at hand: {error.message}", field="policy", got=name
        ) from error
    if profile is None or profile.sha256 != plan.policy["sha256"]:
        raise NotReadyError(
            f"Profile {name} has changed since the current plan was made, so decisions would follow other rules. "
            "Make the plan again.",
            field="policy",
            got=None if profile is None else profile.sha256,
            expected=plan.policy["sha256"],
        )
    return Policy(profile, operations)
