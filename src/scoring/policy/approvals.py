"""Who approved which version of a profile: a register beside the profiles, and the refusal of silent edits.

A profile is a draft until a named person approves it. The approval keeps the SHA-256 of the approved file, which also
goes into every decision. A file whose version is in the register must have exactly that content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.errors import PolicyError
from scoring.policy.sections import Section, read_yaml

REGISTER: Final = "approvals.yaml"
"""The register's file name, in the folder of the profiles."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval: which content of which version, by whom, on which day."""

    profile: str
    policy_version: str
    sha256: str
    approved_by: str
    approved_on: date


def read_approvals(register: Path) -> tuple[Approval, ...]:
    """Every approval in a register; none where the file is absent.

    Examples
    --------
    >>> read_approvals(Path("no-such-folder") / REGISTER)
    ()
    """
    if not register.is_file():
        return ()
    values = read_yaml(register.read_text(encoding="utf-8"), register.name)
    top = Section(register.name, "register", values)
    items = top.take("approvals")
    top.done()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        top.refuse("approvals must be a list of mappings.")
    return tuple(_read_approval(Section(register.name, f"approval {i}", item)) for i, item in enumerate(items, 1))


def _read_approval(section: Section) -> Approval:
    approved_on = section.day("approved_on")
    assert approved_on is not None
    approval = Approval(
        section.text("profile"),
        section.text("policy_version"),
        section.text("sha256"),
        section.text("approved_by"),
        approved_on,
    )
    section.done()
    return approval


def approval_of(
    file: str, profile: str, version: str, status: str, content: bytes, approvals: Sequence[Approval]
) -> Approval | None:
    """The approval of this very content, or ``None`` for a draft.

    Raises
    ------
    PolicyError
        The version was approved with another content, or the file calls itself approved without being in the register.

    Examples
    --------
    >>> approval_of("p.yaml", "p", "1", "draft", b"...", [])
    >>> approval_of("p.yaml", "p", "1", "approved", b"...", [])
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: p.yaml, status: it says approved, but version 1 of profile p is not in approvals.yaml...
    """
    digest = sha256(content).hexdigest()
    for approval in approvals:
        if (approval.profile, approval.policy_version) == (profile, version):
            if approval.sha256 == digest:
                return approval
            raise PolicyError(
                f"{file}, policy_version: version {version} of profile {profile} was approved on "
                f"{approval.approved_on} with another content (SHA-256 {approval.sha256[:9]}..., now {digest[:9]}...). "
                "An approved profile is never edited: give the change a new policy_version and status draft, "
                "and have it approved.",
                field="policy_version",
                got=digest,
                expected=approval.sha256,
            )
    if status == "approved":
        raise PolicyError(
            f"{file}, status: it says approved, but version {version} of profile {profile} is not in {REGISTER}. "
            "Set status to draft and record the approval of a named person.",
            field="status",
            got=status,
            expected="draft",
        )
    return None
