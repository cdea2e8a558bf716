"""What the contact policy leaves open for every account of a run, before anything is valued.

The verdicts are those of the first working hour after ``as_of``: ten o'clock in the profile's default zone, or noon in New York
where the zone comes from each customer's address. A channel that goes to review may still be placed in the agents' queue, where
a person decides before the call; every other channel that is blocked or under review is closed, and nothing later opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import yaml

from scoring.errors import PolicyError
from scoring.policy import Operations, Profile, addresses_on_file, facts_from_portfolio, load_profile, verdict_frame
from scoring.policy.truth import Lawful, Outcome, Truth
from scoring.portfolio.reading import Portfolio
from scoring.resources import data_folder
from scoring.vocabulary import CONTACT_CHANNELS, Channel

DECIDED_BY_A_PERSON: Final = (Channel.AGENT_CALL,)
"""Channels where a person acts anyway and can settle what is under review first."""
PROFILE_OF_CURRENCY: Final = {"CNY": "cn_bank_card", "USD": "us_reg_f"}
FIRST_WORKING_HOUR: Final = time(10)
NOON_IN_NEW_YORK: Final = time(17)
"""In UTC: within contact hours from coast to coast, whatever a customer's zone in the United States."""


@dataclass(frozen=True)
class Lawfulness:
    """Which channels are open, and what every rule said.

    Attributes
    ----------
    facts : mapping
        Profile, version, hash, status and approver, the instant of the verdicts, and the day whose rules were applied.
    open : array (n_accounts, n_channels) of bool
        Channels that may be chosen.
    under_review : array (n_accounts, n_channels) of bool
        Of those, the ones where a person decides first.
    rule_ids : tuple of str
    tables : array (n_tables, n_rules, n_channels) of int8
        The distinct tables of rule outcomes (`scoring.policy.truth.Outcome`).
    which : array (n_accounts,)
        Which table each account has.
    reachable : array (n_accounts, n_channels) of int8
        Whether a usable address is on file (`scoring.policy.truth.Truth`).
    """

    facts: dict[str, Any]
    open: npt.NDArray[np.bool_]
    under_review: npt.NDArray[np.bool_]
    rule_ids: tuple[str, ...]
    tables: npt.NDArray[np.int8]
    which: npt.NDArray[np.int64]
    reachable: npt.NDArray[np.int8]


def find_profile(name: str | None, currency: str) -> Profile | None:
    """The profile to apply: a name in ``data/policy``, a file, or the one for the portfolio's currency; None where there is none.

    Raises
    ------
    PolicyError
        ``bad_policy``: no such profile; lists the shipped ones.

    Examples
    --------
    >>> find_profile(None, "CNY").name, find_profile(None, "TWD")
    ('cn_bank_card', None)
    >>> find_profile("fr", "EUR")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: There is no contact-policy profile 'fr'. Shipped: cn_bank_card, us_reg_f; or give a file.
    """
    if name is None:
        name = PROFILE_OF_CURRENCY.get(currency)
        if name is None:
            return None
    path = Path(name) if name.endswith((".yaml", ".yml")) else data_folder() / "policy" / f"{name}.yaml"
    if not path.is_file():
        shipped = ", ".join(sorted(PROFILE_OF_CURRENCY.values()))
        raise PolicyError(
            f"There is no contact-policy profile {name!r}. Shipped: {shipped}; or give a file.",
            field="policy",
            got=name,
        )
    return load_profile(path)


def read_operations(path: Path | None) -> Operations:
    """What holds for the whole operation and stands in no table, from YAML; without a file every such fact is unknown.

    Raises
    ------
    PolicyError
        ``bad_policy``: the file is missing, not YAML, or holds something else than facts that are true or false.
    """
    if path is None:
        return Operations()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(
            f"Operations file {path} cannot be read as YAML. Write lines like `call_recording_on: true`.",
            field="operations",
            got=str(path),
        ) from error
    if not isinstance(raw, dict):
        raise PolicyError(f"Operations file {path} must map facts to true or false.", field="operations", got=str(path))
    return Operations.read(raw)


def judged_at(profile: Profile, as_of: date) -> datetime:
    """The instant whose verdicts a run uses.

    Examples
    --------
    >>> judged_at(find_profile("cn_bank_card", ""), date(2026, 9, 30)).isoformat()
    '2026-10-01T02:00:00+00:00'
    """
    morning = as_of + timedelta(days=1)
    if len(profile.default_zones) != 1:
        return datetime.combine(morning, NOON_IN_NEW_YORK, tzinfo=UTC)
    return datetime.combine(morning, FIRST_WORKING_HOUR, tzinfo=ZoneInfo(profile.default_zones[0])).astimezone(UTC)


def lawfulness(
    portfolio: Portfolio, profile: Profile, operations: Operations, account_ids: Sequence[str], as_of: date
) -> Lawfulness:
    """Judge every channel for some accounts, in their order.

    Days before the profile was in force (history, back-tests) are judged by the rules of its first day, and the facts say so.
    """
    at = judged_at(profile, as_of)
    rules_on = profile.nearest_day(at.date())
    frame = verdict_frame(
        profile, facts_from_portfolio(portfolio, profile, at, operations, list(account_ids)), rules_on=rules_on
    )
    tables, which = frame.patterns()
    reachable = addresses_on_file(portfolio, list(account_ids))
    person = np.array([channel in DECIDED_BY_A_PERSON for channel in CONTACT_CHANNELS])
    under_review = (frame.lawful == Lawful.REVIEW) & person
    approval = profile.approval
    facts = {
        "profile": profile.name,
        "version": profile.version,
        "sha256": profile.sha256,
        "status": profile.status,
        "approved_by": None if approval is None else approval.approved_by,
        "judged_at": at.isoformat(),
        "rules_of": rules_on.isoformat(),
    }
    open_channels = ((frame.lawful == Lawful.ALLOW) | under_review) & (reachable != Truth.FALSE)
    return Lawfulness(facts, open_channels, under_review, tuple(frame.profile.rule_ids), tables, which, reachable)


def rule_letters(table: npt.NDArray[np.int8]) -> list[str]:
    """One text per rule: a letter per channel, in the order of `CONTACT_CHANNELS`.

    Examples
    --------
    >>> rule_letters(np.array([[0, 1, 2, 3, 4, 1, 1, 1, 1]], dtype=np.int8))
    ['.purbpppp']
    """
    letters = np.array([LETTERS[outcome] for outcome in Outcome])
    return ["".join(row) for row in letters[table]]


LETTERS: Final = {
    Outcome.NOT_APPLICABLE: ".",
    Outcome.PASS: "p",
    Outcome.UNKNOWN: "u",
    Outcome.REVIEW: "r",
    Outcome.BLOCK: "b",
}
"""not applicable, pass, unknown, review, block."""
