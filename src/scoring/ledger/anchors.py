"""Anchors: a file of signed tree heads, one a line, kept where the ledger's owner cannot write.

Anchoring first checks that the heads in the file are the beginning of the ledger as it stands, so a file never comes to hold two
histories.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoring.errors import LedgerError, MissingToolError
from scoring.ledger.canonical import canonical
from scoring.ledger.heads import SignedHead, key_id, sign_head
from scoring.ledger.store import Ledger
from scoring.ledger.tree import EMPTY_ROOT, is_consistent


def signed_head(ledger: Ledger, key: Ed25519PrivateKey, signed_at: datetime) -> SignedHead:
    """The head of a ledger as it stands, signed."""
    head = ledger.head()
    return sign_head(key, head.seq, ledger.tree_root(head.seq), head.hash, signed_at)


def anchor(ledger: Ledger, file: Path, key: Ed25519PrivateKey, signed_at: datetime) -> SignedHead:
    """Sign the head of the ledger and add it to a file; on disk when this returns.

    Raises
    ------
    LedgerError
        ``ledger_broken``: the last head in the file is not the beginning of this ledger, is signed by another key, or cannot be
        read. Nothing is added then.

    Examples
    --------
    >>> from datetime import UTC
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.ledger.record import Record
    >>> key, at = Ed25519PrivateKey.generate(), datetime(2025, 5, 2, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record("D1", "decision", {})], recorded_at=at)
    ...     head = anchor(ledger, Path(folder) / "anchors.jsonl", key, at)
    ...     kept = read_anchors(Path(folder) / "anchors.jsonl")
    >>> kept == [head], head.size
    (True, 1)
    """
    head = signed_head(ledger, key, signed_at)
    if file.exists():
        _refuse_other_history(ledger, read_anchors(file), head, key)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as kept:
            kept.write(canonical(head.as_dict()) + b"\n")
            kept.flush()
            os.fsync(kept.fileno())
    except OSError as problem:
        raise MissingToolError(
            f"The anchor cannot be written to {file.name}: {problem.strerror}.", field="file"
        ) from problem
    return head


def _refuse_other_history(ledger: Ledger, kept: Sequence[SignedHead], head: SignedHead, key: Ed25519PrivateKey) -> None:
    if not kept:
        return
    last = kept[-1]
    if last.key_id != key_id(key.public_key()) or not last.is_signed_by(key.public_key()):
        raise LedgerError(
            f"The last head in the file is signed by key {last.key_id}, not by {key_id(key.public_key())}. Use that key, or begin a "
            "new file.",
            field="file",
            got=last.key_id,
            expected=key_id(key.public_key()),
        )
    if last.size > head.size or not _is_beginning(ledger, last, head):
        raise LedgerError(
            f"The head of {last.size} records in the file is not the beginning of this ledger of {head.size}: records were cut or "
            "rewritten, or it is the file of another ledger. Nothing was added; run verify with this file.",
            field="file",
            got=head.size,
            expected=last.size,
        )


def _is_beginning(ledger: Ledger, old: SignedHead, new: SignedHead) -> bool:
    if old.size == 0:
        return old.root == EMPTY_ROOT
    return is_consistent(old.size, new.size, old.root, new.root, ledger.consistency(old.size, new.size))


def read_anchors(file: Path) -> list[SignedHead]:
    """The heads in a file, in its order.

    Raises
    ------
    LedgerError
        The file is missing, or a line is no signed head; says which.

    Examples
    --------
    >>> read_anchors(Path("nowhere.jsonl"))
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: There is no file of anchors at nowhere.jsonl. Make one with `scoring anchor`.
    """
    if not file.is_file():
        raise LedgerError(
            f"There is no file of anchors at {file.name}. Make one with `scoring anchor`.",
            field="anchor",
            got=file.name,
        )
    heads = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            heads.append(SignedHead.read(line))
        except LedgerError as problem:
            raise LedgerError(
                f"Line {number} of {file.name}: {problem.message}", field="anchor", got=number
            ) from problem
    return heads
