"""Persons in the ledger: nothing of them is hashed or kept in clear, and a destroyed key leaves nothing that leads to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from scoring.errors import BadRequestError, LedgerError
from scoring.ledger.human import (
    RequestKind,
    access,
    answer,
    open_requests,
    outcome,
    override,
    refuses_automated,
    request,
)
from scoring.ledger.record import Batch, Record
from scoring.ledger.retention import due_for_erasure, erase, erase_due, hold, retention_of
from scoring.ledger.sealing import Personal
from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.vocabulary import Channel

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
LATER = AT + timedelta(days=1900)
ACCOUNT, WORDS = "ACCT-CANARY-4417", "Her mother is in hospital, call 13800138000."


def a_night(ledger: Ledger, *accounts: str) -> None:
    refs = ledger.refs(accounts)
    bodies = [f'{{"account_ref":"{ref}","choice":{{"channel":"sms"}}}}' for ref in refs]
    block = pa.table(
        {"record_id": [f"D-{n}" for n, _ in enumerate(accounts)], "account_id": list(accounts), "body": bodies}
    )
    ledger.append_batch(Batch("night", "decision", date(2025, 5, 1)), [block], recorded_at=AT)


def written(place: str) -> None:
    """Every kind of record about one account, with words of a person in each that takes them."""
    with Ledger.open(place) as ledger:
        a_night(ledger, ACCOUNT, "A2")
        override(ledger, "D-0", to=Channel.NONE, by="s17", reason_code="illness", reason=WORDS, recorded_at=AT)
        asked = request(ledger, "D-0", RequestKind.EXPLANATION, received_on=AT.date(), recorded_at=AT, text=WORDS)
        answer(ledger, asked.record_id, by="s17", result="explained", recorded_at=AT, text=WORDS)
        outcome(ledger, "D-0", {"outcome": "no_answer"}, recorded_at=AT, note=WORDS)
        access(ledger, "D-0", by="s17", purpose="review", recorded_at=AT)


def everything_kept(place: str, *, with_keys: bool) -> bytes:
    """All that the database holds, as bytes."""
    if not place.startswith("postgresql"):
        files = [path for path in Path(place).parent.iterdir() if with_keys or "subjects" not in path.name]
        return b"".join(path.read_bytes() for path in files)
    tables = ["records", "bodies", *(["subjects"] if with_keys else [])]
    with psycopg.connect(place) as connection:
        return b"".join(
            bytes(row[0]) for table in tables
            for row in connection.execute(f"SELECT convert_to(t::text, 'UTF8') FROM scoring_ledger.{table} t")
        )  # fmt: skip


def test_no_account_and_no_words_stand_in_the_ledger_in_clear(place: str) -> None:
    written(place)

    kept = everything_kept(place, with_keys=False)
    assert ACCOUNT.encode() not in kept
    assert b"hospital" not in kept
    assert b"13800138000" not in kept


def test_whoever_has_the_keys_reads_accounts_and_words(place: str) -> None:
    written(place)

    with Ledger.open(place, read_only=True) as ledger:
        records = {record.kind: record for record in ledger.for_account(ACCOUNT)}
        texts = {kind: ledger.opened(record) for kind, record in records.items()}

    assert set(records) == {"decision", "override", "request", "answer", "outcome", "access"}
    assert {record.account_id for record in records.values()} == {ACCOUNT}
    assert (texts["override"]["reason"], texts["outcome"]["note"]) == (WORDS, WORDS)


def test_an_erased_subject_is_gone_and_every_hash_still_verifies(place: str) -> None:
    written(place)
    with Ledger.open(place) as ledger:
        head = ledger.head()
        key = ledger.subjects.key(ledger.refs([ACCOUNT])[0])
        assert key is not None
        erase(ledger, ACCOUNT, by="s17", reason_code="retention", recorded_at=LATER)

        assert verify(ledger, head) == []
        assert ledger.for_account(ACCOUNT) == []
        about = {record.kind: ledger.opened(record) for record in ledger.about("D-0")}
        assert (about["override"]["reason"], ledger.get("D-0").account_id) == (None, None)
        assert ledger.get("D-1").account_id == "A2"
        assert ledger.get("D-0").body["choice"] == {"channel": "sms"}
    kept = everything_kept(place, with_keys=True)
    assert ACCOUNT.encode() not in kept
    assert key not in kept


def test_an_account_that_comes_back_is_somebody_new(place: str) -> None:
    written(place)
    with Ledger.open(place) as ledger:
        before = ledger.refs([ACCOUNT])
        erase(ledger, ACCOUNT, by="s17", reason_code="retention", recorded_at=LATER)

        assert ledger.refs([ACCOUNT]) != before


def test_a_sealed_text_of_one_subject_does_not_open_with_the_key_of_another(place: str) -> None:
    with Ledger.open(place) as ledger:
        ledger.append([Record("N1", "note", {"text": Personal(WORDS)}, account_id="A1")], recorded_at=AT)
        ledger.append([Record("N2", "note", ledger.get("N1").body, account_id="A2")], recorded_at=AT)

        with pytest.raises(LedgerError, match="does not open with its subject's key"):
            ledger.opened(ledger.get("N2"))


def test_words_without_an_account_are_refused(place: str) -> None:
    with Ledger.open(place) as ledger, pytest.raises(LedgerError, match="no key to seal it with"):
        ledger.append([Record("N1", "note", {"text": Personal(WORDS)})], recorded_at=AT)


def test_the_same_words_recorded_again_are_the_same_record(place: str) -> None:
    note = Record("N1", "note", {"text": Personal(WORDS)}, account_id="A1")
    with Ledger.open(place) as ledger:
        first, again = (ledger.append([note], recorded_at=AT)[0] for _ in range(2))

    assert first == again


def test_nothing_is_erased_before_its_time_without_a_reason_nor_under_a_hold(place: str) -> None:
    written(place)
    with Ledger.open(place) as ledger:
        with pytest.raises(BadRequestError, match="are kept until 2030-05-02"):
            erase(ledger, ACCOUNT, by="s17", reason_code="asked", recorded_at=AT)
        hold(ledger, ACCOUNT, is_held=True, by="s17", reason_code="lawsuit", recorded_at=AT)
        assert [due.is_held for due in due_for_erasure(ledger, LATER.date())] in ([True, False], [False, True])
        with pytest.raises(BadRequestError, match="under legal hold"):
            erase(ledger, ACCOUNT, by="s17", reason_code="asked", recorded_at=LATER)

        hold(ledger, ACCOUNT, is_held=False, by="s17", reason_code="settled", recorded_at=AT + timedelta(days=1))
        erase(ledger, ACCOUNT, by="s17", reason_code="asked", recorded_at=AT, despite="court_order")
        assert len(list(due_for_erasure(ledger, LATER.date()))) == 1


def test_with_an_account_the_reference_of_its_customer_is_erased(place: str) -> None:
    with Ledger.open(place) as ledger:
        [customer] = ledger.refs(["customer:C-Canary"])
        body = {"input": {"position": {"customer_ref": customer}}}
        ledger.append([Record("D1", "decision", body, account_id=ACCOUNT)], recorded_at=AT)
        erase(ledger, ACCOUNT, by="s17", reason_code="retention", recorded_at=LATER)

        assert ledger.subjects.accounts([customer]) == {}
        assert verify(ledger) == []
    assert b"C-Canary" not in everything_kept(place, with_keys=True)


def test_what_is_due_is_erased_together_and_what_is_held_stays(place: str) -> None:
    with Ledger.open(place) as ledger:
        a_night(ledger, "A1", "A2", "A3")
        hold(ledger, "A2", is_held=True, by="s17", reason_code="lawsuit", recorded_at=AT)
        ledger.append([Record("O3", "outcome", {}, account_id="A3")], recorded_at=LATER)
        early = erase_due(ledger, AT.date(), by="s17", recorded_at=AT)
        done = erase_due(ledger, LATER.date(), by="s17", recorded_at=LATER)

        assert (len(early), [record.kind for record in done]) == (0, ["erasure"])
        assert [ledger.get(f"D-{place}").account_id for place in range(3)] == [None, "A2", "A3"]
        assert verify(ledger) == []


def test_every_kind_of_record_has_a_retention_class_and_is_kept_for_five_years(place: str) -> None:
    written(place)
    with Ledger.open(place, read_only=True) as ledger:
        kept = {record.kind: retention_of(record) for record in ledger.for_account(ACCOUNT)}

    assert {kind: one.retention_class for kind, one in kept.items()} == {
        "decision": "decision_record", "override": "decision_record", "request": "decision_record", "answer": "decision_record",
        "outcome": "contact_log", "access": "access_log",
    }  # fmt: skip
    assert {one.delete_after for one in kept.values()} == {date(2030, 5, 2)}


def test_a_harsher_channel_needs_two_persons_and_a_milder_one_does_not(place: str) -> None:
    with Ledger.open(place) as ledger:
        a_night(ledger, "A1")
        for second in (None, "", "S17 "):
            with pytest.raises(BadRequestError, match="a second person must agree"):
                override(
                    ledger, "D-0", to=Channel.FIELD_VISIT, by="s17", second=second, reason_code="x", recorded_at=AT
                )
        harsher = override(
            ledger, "D-0", to=Channel.AGENT_CALL, by="s17", second="s18", reason_code="x", recorded_at=AT
        )
        milder = override(ledger, "D-0", to=Channel.NONE, by="s17", reason_code="x", recorded_at=AT)

    assert [record.about for record in (harsher, milder)] == ["D-0", "D-0"]


def test_requests_state_their_due_day_and_stay_open_until_answered(place: str) -> None:
    with Ledger.open(place) as ledger:
        a_night(ledger, "A1", "A2")
        asked = request(ledger, "D-0", RequestKind.REFUSE_AUTOMATED, received_on=date(2025, 5, 2), recorded_at=AT)

        assert asked.body["due_on"] == "2025-05-03"
        assert [record.record_id for record in open_requests(ledger)] == [asked.record_id]
        assert open_requests(ledger, due_before=date(2025, 5, 3)) == []
        assert (refuses_automated(ledger, "A1"), refuses_automated(ledger, "A2")) == (True, False)
        answer(ledger, asked.record_id, by="s17", result="kept", recorded_at=AT)
        assert open_requests(ledger) == []


def test_a_refused_automated_decision_leaves_the_decision_as_it_was(place: str) -> None:
    with Ledger.open(place) as ledger:
        a_night(ledger, "A1")
        before = ledger.get("D-0")
        asked = request(ledger, "D-0", RequestKind.REFUSE_AUTOMATED, received_on=AT.date(), recorded_at=AT)

        assert ledger.get("D-0") == before
        assert asked.body["keeps_priority_and_offers"] is True


def test_an_override_says_through_which_system_it_came_whoever_is_named(place: str) -> None:
    with Ledger.open(place) as ledger:
        a_night(ledger, "A1")
        told = override(
            ledger, "D-0", to=Channel.NONE, by="s17", reason_code="illness", recorded_at=AT, via="key ab12 (queue)"
        )

    assert (told.body["by"], told.body["via"]) == ("s17", "key ab12 (queue)")
