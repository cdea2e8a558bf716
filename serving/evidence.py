"""The evidence of one decision as one file: what a reviewer or a court gets, checkable without us.

Record, what was recorded about it, proof of its place, signed head, policy, model card, the explanation in every language, a manifest
of hashes, and a verifier in plain Python. What the audience may not see is not in it: a bundle for the customer holds the customer's
explanation and the proof by hash, not the record's figures.
"""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from scoring.errors import BadRequestError, MissingToolError
from scoring.explanations import page_html
from scoring.explanations.explaining import explanation
from scoring.explanations.sections import Explanation
from scoring.ledger.anchors import signed_head
from scoring.ledger.heads import SignedHead, signing_key
from scoring.ledger.human import decision_of
from scoring.ledger.record import StoredRecord, instant_text
from scoring.ledger.retention import retention_of
from scoring.ledger.store import Ledger
from scoring.resources import data_folder

LANGUAGES: Final = ("en", "zh")
AUDIENCES: Final = ("compliance", "customer")
VERIFIER: Final = Path(__file__).with_name("evidence_verifier.py")
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)


def evidence_bundle(
    ledger: Ledger, decision_id: str, *, home: Path, audience: str = "compliance", key: Path | None = None, at: datetime
) -> bytes:
    """The bundle of one decision, as the bytes of a zip file.

    Parameters
    ----------
    audience : str
        ``compliance``: everything. ``customer``: the customer's explanation, the policy and the proof of place by hash.
    key : path, optional
        Signs the head of the ledger as it stands; without it the head is not signed.

    Raises
    ------
    BadRequestError
        An unknown audience, or a record that is no decision.
    """
    if audience not in AUDIENCES:
        raise BadRequestError(
            f"There is no evidence for {audience!r}. Audiences: {', '.join(AUDIENCES)}.", field="audience", got=audience
        )
    record = decision_of(ledger, decision_id)
    head = None if key is None else signed_head(ledger, signing_key(key), at)
    files = {
        "proof.json": _json(proof_of(ledger, record, head)),
        "verifier.py": VERIFIER.read_bytes(),
        **_policy(record, home),
        **_pages(record, audience),
    }
    if audience == "compliance":
        files |= {
            "record.json": record.text.encode(),
            "about.json": _json([_shown(other) for other in ledger.about(decision_id)]),
            "retention.json": _json(_retention(record)),
            **_card(record, home),
        }
    return _zipped(files, decision_id, audience, at)


def proof_of(ledger: Ledger, record: StoredRecord, head: SignedHead | None) -> dict[str, Any]:
    """Hashes that lead from a record to the root of the ledger as it stands."""
    size = ledger.head().seq if head is None else head.size
    as_of = record.as_of.isoformat() if record.as_of else None
    return {
        "canonicalisation": "RFC 8785",
        "tree": "RFC 6962: leaf = SHA-256(0x00 || hash), node = SHA-256(0x01 || left || right)",
        "link": "hash = SHA-256(0x02 || prev_hash || body_hash || columns as JSON)",
        "columns": [
            record.seq, record.record_id, record.kind, record.account_ref, as_of, record.batch_id, record.about,
            instant_text(record.recorded_at),
        ],
        "body_hash": record.body_hash.hex(),
        "prev_hash": record.prev_hash.hex(),
        "hash": record.hash.hex(),
        "leaf_index": record.seq - 1,
        "tree_size": size,
        "inclusion": [other.hex() for other in ledger.inclusion(record.seq, size)],
        "root": ledger.tree_root(size).hex(),
        "signed_head": None if head is None else head.as_dict(),
    }  # fmt: skip


def _shown(record: StoredRecord) -> dict[str, Any]:
    """A record about the decision; what is sealed in it stays sealed."""
    return {
        "record_id": record.record_id,
        "kind": record.kind,
        "recorded_at": instant_text(record.recorded_at),
        "hash": record.hash.hex(),
        "body": record.body,
    }


def _retention(record: StoredRecord) -> dict[str, str]:
    """How long the record is kept, as the rules are now."""
    found = retention_of(record)
    return {"retention_class": found.retention_class, "delete_after": found.delete_after.isoformat()}


def _policy(record: StoredRecord, home: Path) -> dict[str, bytes]:
    """The contact policy as it was in force: the text whose hash the record states, archived or still current."""
    policy = record.body["policy"]
    if policy.get("profile") is None:
        return {}
    name, digest = Path(str(policy["profile"])).name, policy["sha256"]
    for path in (home / "policies" / f"{digest}.yaml", data_folder() / "policy" / f"{name}.yaml"):
        if path.is_file() and sha256(path.read_bytes()).hexdigest() == digest:
            return {f"policy/{name}.yaml": path.read_bytes()}
    return {"policy/missing.txt": f"The text of {name} with SHA-256 {digest} was not archived here.\n".encode()}


def _card(record: StoredRecord, home: Path) -> dict[str, bytes]:
    """What the archive holds beside the models of the bundle: its manifest and its card."""
    bundle_id = record.body["model"]["bundle_id"]
    kept = home / "bundles" / bundle_id[:16]
    found = {f"model/{path.name}": path.read_bytes() for path in sorted(kept.glob("bundle.json"))}
    beside = sorted(kept.parent.glob(f"{kept.name}*"))
    papers = [
        path for place in beside if place != kept for path in ([place] if place.is_file() else sorted(place.rglob("*")))
    ]
    return found | {
        f"model/{path.name}": path.read_bytes() for path in papers if path.suffix in (".md", ".json", ".html")
    }


def _pages(record: StoredRecord, audience: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for lang in LANGUAGES:
        found[f"explanation.{lang}.html"] = page_html(record, lang=lang, audience=audience).encode()
        found[f"explanation.{lang}.pdf"] = _pdf(explanation(record, lang, audience), lang)
    return found


def _pdf(told: Explanation, lang: str) -> bytes:
    """A plain page of headings and lines, its charts being in the HTML page; the Chinese font is one that every PDF reader brings."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.platypus import Paragraph, SimpleDocTemplate
    except ImportError as missing:
        raise MissingToolError(
            "PDF pages need reportlab. Install the project with its extra `pdf`.", field="pdf"
        ) from missing
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    plain, bold = ("STSong-Light", "STSong-Light") if lang == "zh" else ("Helvetica", "Helvetica-Bold")
    words = {"wordWrap": "CJK"} if lang == "zh" else {}
    line = ParagraphStyle("line", fontName=plain, fontSize=9.5, leading=13.5, spaceAfter=2, **words)
    heading = ParagraphStyle("heading", line, fontName=bold, fontSize=11, leading=15, spaceBefore=9, keepWithNext=1)
    title = ParagraphStyle("title", heading, fontSize=13, leading=18)
    page = [Paragraph(html.escape(told.title), title)]
    for section in told.sections:
        page.append(Paragraph(html.escape(section.heading), heading))
        page += [Paragraph(html.escape(text), line) for text in section.lines]
    kept = io.BytesIO()
    SimpleDocTemplate(kept, pagesize=A4, title=told.title, invariant=1).build(page)
    return kept.getvalue()


def _zipped(files: dict[str, bytes], decision_id: str, audience: str, at: datetime) -> bytes:
    manifest = {
        "schema": "evidence/1",
        "decision_id": decision_id,
        "audience": audience,
        "made_at": instant_text(at),
        "files": {name: sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in sorted({**files, "manifest.json": _json(manifest)}.items()):
            bundle.writestr(zipfile.ZipInfo(name, _FIXED_TIME), content, compress_type=zipfile.ZIP_DEFLATED)
    return kept.getvalue()


def _json(value: dict[str, Any] | Sequence[Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
