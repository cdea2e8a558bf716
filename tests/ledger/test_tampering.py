"""Whatever is changed behind a ledger's back is found, by name and place, in SQLite and in PostgreSQL."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.errors import LedgerError
from scoring.ledger.anchors import signed_head
from scoring.ledger.heads import SignedHead, sign_head
from scoring.ledger.record import Head, Record
from scoring.ledger.store import Ledger
from scoring.ledger.verify import FINDING_CODES, verify
from tests.ledger.tampering import AT, KEY, LAST, Execute, contents, put_back, tamper, write_a_sound_ledger

TEXTS = ("record_id", "kind", "account_ref", "as_of", "batch_id", "about", "recorded_at")
HASHES = ("body_hash", "prev_hash", "hash")


@dataclasses.dataclass(frozen=True)
class Sound:
    """A sound ledger and the heads of it that are kept elsewhere."""

    place: str
    head: Head
    anchor: SignedHead

    def findings(self) -> list[tuple[str, int | None]]:
        with Ledger.open(self.place, read_only=True) as ledger:
            found = verify(ledger, anchors=[self.anchor], key=KEY.public_key())
        assert {finding.code for finding in found} <= set(FINDING_CODES)
        return [(finding.code, finding.seq) for finding in found]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    if request.param == "sqlite":
        place = str(tmp_path_factory.mktemp("sound") / "ledger.db")
    else:
        place = str(request.getfixturevalue("server"))
        with psycopg.connect(place) as connection:
            connection.execute("DROP SCHEMA IF EXISTS scoring_ledger CASCADE")
    return Sound(place, *write_a_sound_ledger(place))


@pytest.fixture
def sound(written: Sound) -> Iterator[Sound]:
    kept = contents(written.place)
    yield written
    put_back(written.place, kept)


def test_a_sound_ledger_has_no_findings(sound: Sound) -> None:
    assert (sound.head.seq, sound.anchor.size) == (LAST, LAST)
    assert sound.findings() == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE bodies SET body = replace(body, '2', '1') WHERE body_id = 2"], [("body_edited", 2)]),
        (["DELETE FROM bodies WHERE body_id = 2"], [("body_missing", 2)]),
        (["UPDATE records SET body_id = 99 WHERE seq = 2"], [("body_missing", 2)]),
        (["UPDATE records SET account_ref = 'A9' WHERE seq = 2"], [("record_edited", 2)]),
        (["UPDATE records SET recorded_at = '2025-05-01T00:00:00.000000Z' WHERE seq = 9"], [("record_edited", 9)]),
        (["DELETE FROM records WHERE seq = 1"], [("gap_in_seq", 2), ("broken_link", 2)]),
        (["DELETE FROM records WHERE seq = 9"], [("cut_tail", 8)]),
        (["DELETE FROM records"], [("cut_tail", 0)]),
        (
            ["DELETE FROM records WHERE seq = 4"],
            [("gap_in_seq", 5), ("broken_link", 5), ("batch_mismatch", 7)],
        ),
        (["DELETE FROM records WHERE seq > 6"], [("batch_unclosed", 6), ("cut_tail", 6)]),
        (
            ["DELETE FROM records WHERE seq BETWEEN 3 AND 6"],
            [("gap_in_seq", 7), ("broken_link", 7), ("batch_mismatch", 7)],
        ),
        (
            [
                "UPDATE records SET seq = 99 WHERE seq = 1",
                "UPDATE records SET seq = 1 WHERE seq = 2",
                "UPDATE records SET seq = 2 WHERE seq = 99",
            ],
            [
                ("broken_link", 1), ("record_edited", 1), ("broken_link", 2), ("record_edited", 2), ("broken_link", 3),
                ("tree_mismatch", 7), ("rewritten", 9),
            ],
        ),
        (
            [
                "UPDATE records SET seq = 10 WHERE seq = 9",
                "INSERT INTO records SELECT 9, 'X', kind, account_ref, as_of, batch_id, NULL, recorded_at, body_hash, "
                "prev_hash, hash, 99 FROM records WHERE seq = 8",
                "INSERT INTO bodies SELECT 99, body FROM bodies WHERE body_id = 8",
            ],
            [("broken_link", 9), ("record_edited", 9), ("rewritten", 9), ("record_edited", 10)],
        ),
    ],
    ids=["body", "body gone", "body of another", "column", "instant", "first gone", "last gone", "all gone",
         "one of a batch gone", "closing gone", "batch emptied", "swapped", "inserted"],
)  # fmt: skip
def test_each_kind_of_tampering_is_found_and_named(
    sound: Sound, statements: list[str], expected: list[tuple[str, int]]
) -> None:
    tamper(sound.place, lambda execute: [execute(statement) for statement in statements])

    assert sound.findings() == expected


def test_several_edits_are_all_found_in_one_run(sound: Sound) -> None:
    def change(execute: Execute) -> None:
        execute("UPDATE bodies SET body = '{}' WHERE body_id IN (1, 8)")
        execute("DELETE FROM records WHERE seq = 5")

    tamper(sound.place, change)

    assert sound.findings() == [
        ("body_edited", 1), ("gap_in_seq", 6), ("broken_link", 6), ("batch_mismatch", 7), ("body_edited", 8)
    ]  # fmt: skip


def test_a_record_whose_body_is_gone_is_refused_when_it_is_given_again(sound: Sound) -> None:
    tamper(sound.place, lambda execute: execute("DELETE FROM bodies WHERE body_id = 8"))

    with Ledger.open(sound.place) as ledger:
        [name] = [name for (name,) in ledger.database.rows("SELECT record_id FROM records WHERE seq = 8")]
        with pytest.raises(LedgerError, match="Run verify before writing more"):
            ledger.append([Record(name, "decision", {"any": 1})], recorded_at=AT)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_any_record_is_found(written: Sound, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from((*TEXTS, *HASHES, "body")))
    seq, place, bit = data.draw(st.integers(1, LAST)), data.draw(st.integers(0, 10_000)), data.draw(st.integers(0, 6))
    kept = contents(written.place)

    def flip(execute: Execute) -> None:
        table, key = ("bodies", "body_id") if column == "body" else ("records", "seq")
        ((seen,),) = execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (seq,))
        value = bytearray(seen if isinstance(seen, bytes) else (seen or "0").encode())
        value[place % len(value)] ^= 1 << bit
        changed = bytes(value) if column in HASHES else bytes(value).decode("utf-8", "replace").replace("\0", "?")
        execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (changed, seq))

    try:
        tamper(written.place, flip)
        found = written.findings()
    except (sqlite3.IntegrityError, psycopg.errors.IntegrityError):
        found = [("record_edited", seq)]  # the flip made an id that is there already: the database itself refused it
    finally:
        put_back(written.place, kept)

    assert seq in {at for _, at in found}
    assert {code for code, _ in found} & {"body_edited", "record_edited", "broken_link"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_records_deleted_swapped_duplicated_or_inserted_are_found_where_they_are(
    written: Sound, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(["deleted", "swapped", "duplicated", "inserted", "cut"]))
    one, other = sorted(data.draw(st.lists(st.integers(1, LAST), min_size=2, max_size=2, unique=True)))
    expected, kept = [], contents(written.place)

    def change(execute: Execute) -> None:
        if kind == "deleted":
            execute("DELETE FROM records WHERE seq = ?", (one,))
            expected.append(("gap_in_seq", one + 1))
        elif kind == "cut":
            execute("DELETE FROM records WHERE seq >= ?", (other,))
            expected.append(("cut_tail", other - 1))
        elif kind == "swapped":
            for old, new in ((one, 99), (other, one), (99, other)):
                execute("UPDATE records SET seq = ? WHERE seq = ?", (new, old))
            expected.extend([("record_edited", one), ("record_edited", other)])
        else:
            for seq in range(LAST, one - 1, -1):  # make room
                execute("UPDATE records SET seq = ? WHERE seq = ?", (seq + 1, seq))
            source = one + 1 if kind == "duplicated" else LAST + 1
            execute("INSERT INTO bodies SELECT 99, body FROM bodies WHERE body_id = 1")
            execute(
                "INSERT INTO records SELECT ?, record_id || 'x', kind, account_ref, as_of, NULL, about, recorded_at, "
                "body_hash, prev_hash, hash, 99 FROM records WHERE seq = ?",
                (one, source),
            )
            expected.append(("record_edited", one))

    try:
        tamper(written.place, change)
        found = written.findings()
    finally:
        put_back(written.place, kept)

    assert set(expected) <= set(found)


def test_a_chain_written_anew_shows_only_against_a_head_kept_elsewhere(
    sound: Sound, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forged = str(tmp_path_factory.mktemp("forged") / "ledger.db")
    write_a_sound_ledger(forged, mark=2)
    put_back(sound.place, contents(forged))

    with Ledger.open(sound.place, read_only=True) as ledger:
        assert verify(ledger) == []
    assert sound.findings() == [("rewritten", LAST)]


def test_a_ledger_that_grew_since_the_head_was_kept_is_sound(sound: Sound) -> None:
    with Ledger.open(sound.place) as ledger:
        ledger.append([Record("D3", "decision", {})], recorded_at=AT)

    assert sound.findings() == []


def test_a_head_signed_again_with_another_key_is_found(sound: Sound) -> None:
    other = Ed25519PrivateKey.generate()
    with Ledger.open(sound.place, read_only=True) as ledger:
        forged = signed_head(ledger, other, AT)
        impostor = dataclasses.replace(forged, key_id=sound.anchor.key_id)
        found = verify(ledger, anchors=[sound.anchor, forged, impostor], key=KEY.public_key())

    assert [(finding.code, finding.message[:8]) for finding in found] == [
        ("wrong_key", "Anchor 2"), ("bad_signature", "Anchor 3")
    ]  # fmt: skip


@given(field=st.sampled_from(["size", "root", "link", "signed_at", "signature"]), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_a_head_that_was_changed_after_signing_is_found(written: Sound, field: str, bit: int) -> None:
    changed = dict(vars(written.anchor))
    if field == "size":
        changed[field] ^= 1 << bit
    elif field == "signed_at":
        changed[field] = changed[field][:-1] + chr(ord("Z") ^ 1 << (bit % 6))
    else:
        changed[field] = bytes([changed[field][0] ^ 1 << bit]) + changed[field][1:]
    forged = SignedHead(**changed)

    with Ledger.open(written.place, read_only=True) as ledger:
        found = verify(ledger, anchors=[forged], key=KEY.public_key())

    assert [finding.code for finding in found] == ["bad_signature"]


def test_a_head_of_another_history_is_found_though_it_is_well_signed(sound: Sound) -> None:
    lie = sign_head(KEY, 5, bytes(32), bytes(32), AT)
    with Ledger.open(sound.place, read_only=True) as ledger:
        found = verify(ledger, anchors=[lie], key=KEY.public_key())

    assert [(finding.code, finding.seq) for finding in found] == [("rewritten", 5)]


def test_a_changed_node_of_the_tree_is_found(place: str) -> None:
    with Ledger.open(place) as ledger:
        ledger.append([Record(f"D{number}", "decision", {}) for number in range(600)], recorded_at=AT)

    tamper(place, lambda execute: execute("UPDATE tree_nodes SET hash = ? WHERE level = 8 AND place = 1", (bytes(32),)))

    with Ledger.open(place, read_only=True) as ledger:
        assert [finding.code for finding in verify(ledger)] == ["tree_edited"]
