"""Commands over callers' keys: make, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from serving.commands.shared import AS_JSON, tell
from serving.settings import read_settings
from serving.state.keys import ROLES


@click.group()
def keys() -> None:
    """Keys of callers: as soon as one was made, every request needs one.

    \b
    Example: scoring keys make --role queue --caller dialler
    """


@keys.command("make")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--caller", required=True, help="Who will use it, e.g. the name of a program.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650), help="How long it holds.")
@AS_JSON
def make(role: str, caller: str, days: int, as_json: bool) -> None:
    """Make a key and show it, this once.

    \b
    Example: scoring keys make --role compliance --caller review-desk --days 90
    """
    from serving.state.database import State
    from serving.state.keys import make_key

    now = datetime.now(UTC)
    state = State(read_settings().state_place)
    try:
        key = make_key(state, role=role, caller=caller, made_at=now, expires_at=now + timedelta(days=days))
    finally:
        state.close()
    told = [key, f"Keep it: it is not shown again. It holds for {days} days; send it as Authorization: Bearer KEY."]
    tell({"key": key, "key_id": key.partition(".")[0], "role": role, "caller": caller}, as_json, told)


@keys.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """Every key: id, role, caller, from when to when; never the key itself.

    \b
    Example: scoring keys list
    """
    from serving.state.database import State
    from serving.state.keys import list_keys

    state = State(read_settings().state_place)
    try:
        found = list_keys(state)
    finally:
        state.close()
    lines = [
        f"{key['key_id']}  {key['role']:<14}  until {key['expires_at']}  {key['caller']}"
        + (f"  revoked {key['revoked_at']}" if key["revoked_at"] else "")
        for key in found
    ]
    tell({"keys": found}, as_json, lines or ["There are no keys: the service answers its own machine only."])


@keys.command("revoke")
@click.argument("key_id")
@AS_JSON
def revoke(key_id: str, as_json: bool) -> None:
    """End a key; every worker refuses it within seconds.

    \b
    Example: scoring keys revoke 0123456789abcdef
    """
    from serving.state.database import State
    from serving.state.keys import revoke_key

    state = State(read_settings().state_place)
    try:
        revoke_key(state, key_id, datetime.now(UTC))
    finally:
        state.close()
    tell({"revoked": key_id}, as_json, [f"Key {key_id} is revoked."])
