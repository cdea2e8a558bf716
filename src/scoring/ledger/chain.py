"""The hash chain: each record's hash covers its body, its place, its index columns and the record before it.

* ``body_hash = SHA-256(body)``, the body being canonical JSON.
* ``envelope`` = the canonical JSON list ``[seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at]``:
  the columns by which a record is found. They are chained but not part of the body, so the same decision recorded at
  another moment has the same body and the same ``body_hash``.
* ``hash = SHA-256(0x02 || prev_hash || body_hash || envelope)``; the first record's ``prev_hash`` is 32 zero bytes.

The prefix 0x02 keeps a link apart from the leaves (0x00) and nodes (0x01) of an RFC 6962 tree over the same records.

A chain shows every edit, insertion, deletion and change of order to whoever keeps a later head. It cannot show that its
owner rewrote all of it, or cut its tail, unless a head was kept elsewhere.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import orjson

GENESIS: Final = bytes(32)
"""What stands before the first record."""

_LINK: Final = b"\x02"


def envelope(
    seq: int,
    record_id: str,
    kind: str,
    account_ref: str | None,
    as_of: str | None,
    batch_id: str | None,
    about: str | None,
    recorded_at: str,
) -> bytes:
    """The index columns as one canonical JSON list (texts and a whole number, where orjson and RFC 8785 agree).

    >>> envelope(1, "D1", "decision", "s-1", "2025-05-01", None, None, "2025-05-02T01:30:00.000000Z")
    b'[1,"D1","decision","s-1","2025-05-01",null,null,"2025-05-02T01:30:00.000000Z"]'
    """
    return orjson.dumps((seq, record_id, kind, account_ref, as_of, batch_id, about, recorded_at))


def link(prev_hash: bytes, body_hash: bytes, columns: bytes) -> bytes:
    """The hash of a record, given the one before it.

    >>> link(GENESIS, sha256(b"{}").digest(), b"[]").hex()[:16]
    'f4c2cc580236e115'
    """
    return sha256(_LINK + prev_hash + body_hash + columns).digest()
