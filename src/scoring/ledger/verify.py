"""Verification: every way in which a ledger is not what was written, found in one pass, without any service.

Records are walked in stretches, by several processes where the ledger is long. One edit gives the findings that it causes and no more:
the walk goes on with what is stored, and a record after an edited one is sound again. The tree is grown anew from the stored hashes
and compared with the roots that batches state, with the kept nodes and with every head that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from scoring.errors import LedgerError
from scoring.ledger.chain import GENESIS
from scoring.ledger.database import Database
from scoring.ledger.findings import FINDING_CODES, Finding, printable
from scoring.ledger.heads import SignedHead, key_id
from scoring.ledger.record import Head
from scoring.ledger.store import Ledger, open_database
from scoring.ledger.tree import GrowingTree, leaf_hash
from scoring.ledger.walking import Run, Stretch, walk

__all__ = ["FINDING_CODES", "Finding", "verify"]

STRETCH: Final = 50_000
"""Records a process walks at a time."""


def verify(
    ledger: Ledger,
    expected: Head | None = None,
    *,
    anchors: Sequence[SignedHead] = (),
    key: Ed25519PublicKey | None = None,
    processes: int = 1,
    progress: Callable[[int], None] = lambda seq: None,
) -> list[Finding]:
    """Everything that is wrong with a ledger; an empty list when it is sound.

    Parameters
    ----------
    ledger : Ledger
        Open for reading; others may append meanwhile, the walk sees the records that were there when it began.
    expected : Head, optional
        The last link of the chain at some moment, kept elsewhere.
    anchors : sequence of SignedHead
        Heads kept elsewhere (`scoring.ledger.anchors`). Without a head, a cut tail or a chain rewritten as a whole cannot be seen.
    key : Ed25519PublicKey, optional
        The key that signed the anchors; needed with them.
    processes : int
        How many walk at once; worth it from some ten thousand records.
    progress : callable
        Called with the last ``seq`` walked.

    Returns
    -------
    list of Finding
        In the order of the ledger; codes as in :data:`FINDING_CODES`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from scoring.ledger.record import Record
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     _ = ledger.append([Record("D1", "decision", {})], recorded_at=datetime(2025, 5, 2, tzinfo=UTC))
    ...     sound, cut = verify(ledger, ledger.head()), verify(ledger, Head(7, bytes(32)))
    >>> sound, [finding.code for finding in cut]
    ([], ['cut_tail'])
    """
    if anchors and key is None:
        raise LedgerError("Anchors are checked with the public key that signed them; give it.", field="key")
    trusted, forged = _signatures(anchors, key)
    kept = sorted([(head.size, head.root, head.link) for head in trusted], key=lambda head: head[0])
    walked, elsewhere = _walked(ledger, processes, progress)
    whole = _Whole(expected, kept)
    for stretch in walked:
        whole.take(stretch)
    whole.end(ledger)
    return [*_guard_findings(ledger.database), *elsewhere, *forged, *whole.findings]


def _signatures(anchors: Sequence[SignedHead], key: Ed25519PublicKey | None) -> tuple[list[SignedHead], list[Finding]]:
    trusted, findings = [], []
    for number, head in enumerate(anchors, start=1):
        if key is None or head.key_id != key_id(key):
            findings.append(
                Finding(
                    "wrong_key",
                    f"Anchor {number} is signed by key {printable(head.key_id)}, which is not trusted.",
                    head.size,
                )
            )
        elif not head.is_signed_by(key):
            findings.append(
                Finding("bad_signature", f"Anchor {number} was changed, or its signature is forged.", head.size)
            )
        else:
            trusted.append(head)
    return trusted, findings


def _guard_findings(database: Database) -> Iterator[Finding]:
    found, expected = database.guards(), database.expected_guards()
    for name, text in expected.items():
        if found.get(name) != text:
            yield Finding("guard_missing", f"{name} is missing or changed, so the ledger no longer guards itself.")
    for name in sorted(set(found) - set(expected)):
        yield Finding("guard_missing", f"{printable(name)} was added and may change what is read or written.")


def _walked(ledger: Ledger, processes: int, progress: Callable[[int], None]) -> tuple[list[Stretch], list[Finding]]:
    """All stretches in order, and what the database itself reports of damage and repeated ids."""
    database = ledger.database
    last = _last_seq(database)
    cuts = [-(2**62), *range(STRETCH + 1, last + 1, STRETCH), last + 1]
    parts = [(start, end - 1) for start, end in pairwise(cuts)]
    if processes <= 1 or len(parts) == 1:
        elsewhere = [*_damage(database), *_duplicates(database)]
        stretches = []
        for start, end in parts:
            stretches.append(walk(database, start, end))
            progress(end)
        return stretches, elsewhere
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(_elsewhere, database.place, check) for check in ("damage", "duplicates")]
        walks = [pool.submit(_walk_apart, database.place, start, end) for start, end in parts]
        stretches = []
        for (_, end), done in zip(parts, walks, strict=True):
            stretches.append(done.result())
            progress(end)
        return stretches, [finding for done in others for finding in done.result()]


def _last_seq(database: Database) -> int:
    try:
        return int(database.rows("SELECT coalesce(max(seq), 0) FROM records")[0][0])
    except LedgerError:  # a damaged page: the walk says where
        return 0


def _walk_apart(place: str, first_seq: int, last_seq: int) -> Stretch:
    database = open_database(place, read_only=True)
    try:
        return walk(database, first_seq, last_seq)
    finally:
        database.close()


def _elsewhere(place: str, check: str) -> list[Finding]:
    database = open_database(place, read_only=True)
    try:
        return list(_damage(database) if check == "damage" else _duplicates(database))
    finally:
        database.close()


def _damage(database: Database) -> Iterator[Finding]:
    for problem in database.damage():
        yield Finding("file_damaged", f"The database says: {problem}. Restore it from a copy.")


def _duplicates(database: Database) -> Iterator[Finding]:
    """Ids that stand more than once; the unique index is not trusted."""
    statement = """
        SELECT record_id, count(*), max(seq) FROM (SELECT record_id || '' AS record_id, seq FROM records) AS them
        GROUP BY record_id HAVING count(*) > 1
    """
    try:
        for record_id, count, seq in database.stream(statement, lenient=True):
            name = printable(record_id)
            yield Finding("duplicate_record", f"{name} stands {count} times; ids are unique.", seq, name)
    except LedgerError as damage:
        yield Finding("file_damaged", f"Ids cannot be compared: {damage.message}")


class _Whole:
    """What is known of the ledger as a whole while its stretches come in."""

    def __init__(self, expected: Head | None, kept: Sequence[tuple[int, bytes, bytes]]) -> None:
        self.findings: list[Finding] = []
        self._expected = expected
        self._kept = list(kept)
        self._tree = GrowingTree()
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._is_whole = True  # no gap so far: places in the tree are known
        self._roots: dict[int, str] = {}
        self._open: Run | None = None
        self._seq, self._link = 0, GENESIS

    def take(self, stretch: Stretch) -> None:
        """Go on with the next stretch."""
        found = len(self.findings)
        wanted = {run.last_seq - 1 for run in stretch.runs if run.closing is not None}
        for place, link in enumerate(stretch.links):
            if place == stretch.gap_at:
                self._is_whole = False
            if self._is_whole:
                self._look(wanted)
                for level, node, value in self._tree.add(leaf_hash(link)):
                    self._nodes[level, node] = value
            self._link = link
            if self._expected is not None and self._is_whole and self._tree.size == self._expected.seq:
                self._compare_link(self._expected.seq, self._expected.hash, link)
        for run in stretch.runs:
            self._follow(run)
        self._seq = stretch.last_seq
        self.findings[found:] = sorted([*stretch.findings, *self.findings[found:]], key=lambda f: f.seq or 0)

    def _look(self, wanted: set[int]) -> None:
        """Before the next record is added: note the root where a batch states one, compare it where a head was kept."""
        size = self._tree.size
        if size in wanted:
            self._roots[size] = self._tree.root().hex()
        while self._kept and self._kept[0][0] <= size:
            self._compare_head(*self._kept.pop(0))

    def _compare_head(self, size: int, root: bytes, link: bytes) -> None:
        if root != self._tree.root() or link != self._link:
            self._find(
                "rewritten", f"The first {size} records are not the ones that a head kept elsewhere covers.", size
            )

    def _compare_link(self, seq: int, kept: bytes, link: bytes) -> None:
        if kept != link:
            self._find("rewritten", f"Record {seq} is not the one whose hash was kept elsewhere.", seq)

    def _follow(self, run: Run) -> None:
        if run.closing is None:
            if self._open is not None and self._open.batch_id == run.batch_id and run.first_seq == self._seq + 1:
                # goes on over the border of two stretches
                run = Run(run.batch_id, self._open.first_seq, run.last_seq, self._open.count + run.count)
            elif self._open is not None:
                self._leave_open()
            self._open = run
        else:
            if self._open is not None and self._open.batch_id != run.batch_id:
                self._leave_open()
            self._close(run)
        self._seq = run.last_seq

    def _close(self, closing: Run) -> None:
        batch, self._open = self._open, None
        stated = closing.closing or {}
        seen = (batch.first_seq, batch.last_seq, batch.count) if batch else (None, None, 0)
        if seen != (stated.get("first_seq"), stated.get("last_seq"), stated.get("n_records")):
            self._find(
                "batch_mismatch",
                f"Batch {closing.batch_id} holds {seen[2]} records that differ in number or place from the "
                f"{stated.get('n_records')} that its closing record counts.",
                closing.last_seq,
                closing.record_id,
            )
        root = self._roots.pop(closing.last_seq - 1, None)
        if root is not None and "records_hash" not in stated and stated.get("tree_root") != root:
            self._find(
                "tree_mismatch",
                f"The records before {closing.last_seq} do not give the root that closed batch {closing.batch_id}.",
                closing.last_seq,
                closing.record_id,
            )

    def _leave_open(self) -> None:
        if self._open is not None:
            self._find(
                "batch_unclosed", f"Batch {self._open.batch_id} has records but no closing record.", self._open.last_seq
            )
        self._open = None

    def end(self, ledger: Ledger) -> None:
        """What can be said only at the end: a cut tail, a batch left open, nodes of the tree."""
        self._leave_open()
        if self._is_whole:
            self._look(set())
            self._compare_nodes(ledger)
        sizes = {size for size, _, _ in self._kept} | ({self._expected.seq} if self._expected else set())
        for size in sorted(size for size in sizes if size > self._seq):
            self._find("cut_tail", f"The ledger ends at {self._seq}; a head at {size} was kept.", self._seq)

    def _compare_nodes(self, ledger: Ledger) -> None:
        try:
            stored = {(level, place): value for level, place, value in ledger.nodes_as_stored()}
        except LedgerError as damage:
            self._find("file_damaged", f"The tree cannot be read: {damage.message}", None)
            return
        odd = sorted(key for key in stored.keys() | self._nodes.keys() if stored.get(key) != self._nodes.get(key))
        if odd:
            self._find(
                "tree_edited", f"{len(odd)} kept nodes of the tree are not what the records give, first {odd[0]}.", None
            )

    def _find(self, code: str, message: str, seq: int | None, record_id: str | None = None) -> None:
        self.findings.append(Finding(code, printable(message), seq, printable(record_id) if record_id else None))
