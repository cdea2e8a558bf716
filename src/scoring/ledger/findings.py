"""What verification may find: the codes, and a finding with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

FINDING_CODES: Final = {
    "body_edited": "the body does not give its body_hash",
    "body_missing": "a record's body is not there",
    "record_edited": "the columns, the link or the body_hash do not give the record's hash",
    "broken_link": "prev_hash is not the hash of the record before it",
    "gap_in_seq": "records are missing between two others",
    "duplicate_record": "a record_id stands more than once",
    "batch_mismatch": "a batch does not hold the records that its closing record counts",
    "batch_unclosed": "a batch has records but no closing record",
    "tree_mismatch": "a batch's closing record states another root than the records before it give",
    "tree_edited": "a kept node of the tree is missing, changed, or one too many",
    "cut_tail": "the ledger ends before a head that was kept elsewhere",
    "rewritten": "the records up to a head that was kept elsewhere are not the ones it covers",
    "wrong_key": "a head is signed by a key other than the one trusted",
    "bad_signature": "a head was changed after it was signed, or its signature is forged",
    "guard_missing": "a table, index, trigger or right is missing or changed",
    "file_damaged": "the database cannot be read through, or its indexes disagree with its tables",
}
"""What each code means; every finding has one of them."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written: a code, the place, and a sentence."""

    code: str
    message: str
    seq: int | None = None
    record_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        >>> Finding("cut_tail", "The ledger ends at 2.").as_dict()
        {'code': 'cut_tail', 'message': 'The ledger ends at 2.', 'seq': None, 'record_id': None}
        """
        return dict(vars(self))


def printable(text: str) -> str:
    """Text from a damaged file may hold bytes that are no text; they are shown as escapes.

    >>> printable("D" + chr(0xDC80))
    'D\\\\udc80'
    """
    return str(text).encode("utf-8", "backslashreplace").decode()
