"""Situations with the verdict expected for every channel: the tests of a profile that a compliance officer can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scoring.errors import PolicyError
from scoring.policy.case_files import Case, Expectation, case_items, read_case
from scoring.policy.findings import Verdicts
from scoring.policy.profile import Profile, load_profile
from scoring.policy.truth import Lawful
from scoring.policy.verdicts import verdicts
from scoring.resources import data_folder

VERDICT_WORDS: Final = {Lawful.ALLOW: "allow", Lawful.REVIEW: "review", Lawful.BLOCK: "block"}
EVERY_CHANNEL: Final = "every channel"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One channel of one case that came out otherwise than expected."""

    case_id: str
    title: str
    channel: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.case_id} ({self.title})\n    {self.channel}: expected {self.expected}; got {self.got}"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """The outcome of a case file: ``N cases, M mismatches`` and each mismatch.

    Examples
    --------
    >>> print(CaseReport("cases.yaml", 21, ()))
    21 cases, 0 mismatches
    """

    file: str
    n_cases: int
    mismatches: tuple[Mismatch, ...]

    @property
    def exit_code(self) -> int:
        """0 when every case came out as expected, else 1."""
        return 1 if self.mismatches else 0

    def __str__(self) -> str:
        head = f"{self.n_cases} cases, {len(self.mismatches)} mismatches"
        return "\n".join([head, *(str(mismatch) for mismatch in self.mismatches)])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        found = [
            {"case": m.case_id, "title": m.title, "channel": m.channel, "expected": m.expected, "got": m.got}
            for m in self.mismatches
        ]
        return {"file": self.file, "cases": self.n_cases, "mismatches": found}


def run_cases(path: Path | str, profile_dir: Path | str | None = None) -> CaseReport:
    """Judge every situation of a case file with the profiles of a folder.

    Parameters
    ----------
    path : Path or str
        The case file.
    profile_dir : Path or str, optional
        A folder with ``<profile>.yaml`` files; the project's own profiles where it is left out.

    Raises
    ------
    PolicyError
        The case file as a whole or a profile is malformed. Mismatches are returned, never raised, and a single case
        that cannot be read is a mismatch of its own.

    Examples
    --------
    >>> run_cases("nowhere.yaml")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: nowhere.yaml: there is no such case file.
    """
    path = Path(path)
    folder = Path(profile_dir) if profile_dir is not None else data_folder() / "policy"
    items, defaults = case_items(path)
    profiles: dict[str, Profile] = {}
    mismatches: list[Mismatch] = []
    for name, item in items.items():
        try:
            case = read_case(path.name, name, item, defaults, items)
        except PolicyError as error:
            title = str(item.get("title", "no title"))
            mismatches.append(Mismatch(name, title, EVERY_CHANNEL, "a case that can be read", error.message))
            continue
        if case.profile not in profiles:
            profiles[case.profile] = load_profile(folder / f"{case.profile}.yaml")
        mismatches += mismatches_of(case, profiles[case.profile])
    return CaseReport(path.name, len(items), tuple(mismatches))


def mismatches_of(case: Case, profile: Profile) -> tuple[Mismatch, ...]:
    """The channels of one case that come out otherwise than expected."""
    try:
        result = verdicts(profile, case.facts, case.at, case.rules_on)
    except PolicyError as error:
        return (Mismatch(case.id, case.title, EVERY_CHANNEL, "a verdict", f"a refusal: {error.message}"),)
    return tuple(
        Mismatch(case.id, case.title, channel, _said(expected), _said(Expectation(*_got(result, channel))))
        for channel, expected in case.expect.items()
        if not _agrees(expected, *_got(result, channel))
    )


def _got(result: Verdicts, channel: str) -> tuple[Lawful, frozenset[str]]:
    return result.lawful(channel), frozenset(result.reasons(channel))


def _agrees(expected: Expectation, lawful: Lawful, rules: frozenset[str]) -> bool:
    return expected.lawful is lawful and (expected.rules is None or expected.rules == rules)


def _said(expectation: Expectation) -> str:
    by = f" by {', '.join(sorted(expectation.rules))}" if expectation.rules else ""
    return VERDICT_WORDS[expectation.lawful] + by
