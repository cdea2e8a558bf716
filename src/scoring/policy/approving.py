"""Approving a draft: the one act that writes to a profile's folder, with the day and the name as arguments."""

from __future__ import annotations

import re
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final

from scoring.errors import PolicyError
from scoring.policy.approvals import REGISTER, Approval
from scoring.policy.profile import load_profile

STATUS_LINE: Final = re.compile(r"^status: draft\b.*$", re.MULTILINE)


def approve_profile(path: Path, approver: str, on: date) -> Approval:
    """Move a draft to approved and record who did so, on which day, for which content.

    Parameters
    ----------
    path : Path
        The profile's file; its ``status`` line is rewritten and ``approvals.yaml`` beside it gets one more entry.
    approver : str
        The named person who answers for it.
    on : date
        The day of the approval.

    Raises
    ------
    PolicyError
        Nobody is named, the file is malformed, or it is not a draft.
    """
    if not approver.strip():
        raise PolicyError("An approval needs a named person.", field="approver", got=approver)
    profile = load_profile(path)
    text, changed = STATUS_LINE.subn("status: approved", path.read_text(encoding="utf-8"))
    if profile.status != "draft" or changed != 1:
        raise PolicyError(
            f"{path.name}, status: only a draft with one line 'status: draft' can be approved; "
            f"this one is {profile.status}.",
            field="status",
            got=profile.status,
            expected="draft",
        )
    digest = sha256(text.encode("utf-8")).hexdigest()
    register = path.parent / REGISTER
    kept = register.read_text(encoding="utf-8") if register.is_file() else "approvals:\n"
    entry = (
        f'  - {{profile: "{profile.name}", policy_version: "{profile.version}", sha256: "{digest}",\n'
        f'     approved_by: {_quoted(approver)}, approved_on: "{on.isoformat()}"}}\n'
    )
    register.write_text(kept + entry, encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    return Approval(profile.name, profile.version, digest, approver, on)


def _quoted(text: str) -> str:
    return "'" + " ".join(text.split()).replace("'", "''") + "'"
