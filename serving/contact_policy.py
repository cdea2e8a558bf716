"""The current plan's contact policy, for decisions between two plans: same profile, to the byte, same operations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from scoring.decisions.lawfulness import Lawfulness, find_profile, lawfulness
from scoring.errors import NotReadyError, PolicyError
from scoring.policy import Operations, Profile
from scoring.portfolio.reading import Portfolio
from serving.current_plan import CurrentPlan


@dataclass(frozen=True)
class Policy:
    """A profile, or none for a currency without one, and what holds for the whole operation."""

    profile: Profile | None
    operations: Operations

    def judge(self, portfolio: Portfolio, account_ids: list[str], *, as_of: date) -> Lawfulness | None:
        """What is open to some accounts of a portfolio."""
        if self.profile is None:
            return None
        return lawfulness(portfolio, self.profile, self.operations, account_ids, as_of)


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
