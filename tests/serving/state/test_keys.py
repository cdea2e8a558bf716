"""Keys: shown once, stored hashed, refused alike whatever is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from scoring.errors import BadRequestError
from serving.state.database import State
from serving.state.keys import ROLES, KeyRefusedError, caller_of, list_keys, make_key, revoke_key
from serving.state.tables import KEYS

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=90)


def a_key(state: State, role: str = "queue") -> str:
    return make_key(state, role=role, caller="dialler", made_at=NOW, expires_at=LATER)


@pytest.mark.parametrize("role", ROLES)
def test_a_key_names_its_caller_and_role_until_it_ends(state: State, role: str) -> None:
    key = a_key(state, role)

    assert (caller_of(state, key, NOW).role, caller_of(state, key, NOW).caller) == (role, "dialler")
    with pytest.raises(KeyRefusedError):
        caller_of(state, key, LATER)


def test_what_is_stored_does_not_hold_the_secret(state: State) -> None:
    key = a_key(state)

    with state.reading() as connection:
        row = connection.execute(select(KEYS)).one()

    secret = key.partition(".")[2]
    assert secret not in repr(row) and secret.encode() not in bytes(row.secret_sha256)


def test_every_wrong_key_is_refused_with_the_same_words(state: State) -> None:
    key = a_key(state)
    revoke_key(state, key.partition(".")[0], NOW)
    words = set()

    for wrong in ("", "x", key, f"{key.partition('.')[0]}.wrong", "0" * 5000, a_key(state)[:-1], "\x00.\u4e2d"):
        with pytest.raises(KeyRefusedError) as refusal:
            caller_of(state, wrong, NOW)
        words.add(refusal.value.message)

    assert len(words) == 1


def test_a_revoked_key_stays_in_the_list_with_the_day_it_ended(state: State) -> None:
    key_id = a_key(state).partition(".")[0]
    revoke_key(state, key_id, NOW)

    assert [(row["key_id"], row["revoked_at"]) for row in list_keys(state)] == [(key_id, NOW.isoformat())]
    with pytest.raises(BadRequestError, match="no key"):
        revoke_key(state, key_id, NOW)


def test_a_key_needs_a_known_role_a_name_and_an_end_to_come(state: State) -> None:
    with pytest.raises(BadRequestError, match="no role 'root'"):
        make_key(state, role="root", caller="x", made_at=NOW, expires_at=LATER)
    with pytest.raises(BadRequestError, match="needs the name"):
        make_key(state, role="admin", caller=" ", made_at=NOW, expires_at=LATER)
    with pytest.raises(BadRequestError, match="before it begins"):
        make_key(state, role="admin", caller="x", made_at=NOW, expires_at=NOW)
