"""Checks an evidence bundle of one decision. Python 3.9 or later, nothing to install, no network, no other file.

    python verifier.py BUNDLE.zip [--root HEX] [--public-key FILE.pem]

It recomputes every file's hash from the manifest, the record's hashes from its text, and the path from the record to the signed root
of the ledger. Give --root the root that you kept yourself (or had published): then nobody can have made the bundle up afterwards. Give
--public-key the key that you trust: then the signature is checked too, by `openssl` where it is installed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from typing import Any


def sha256(data: bytes) -> bytes:
    """The hash of some bytes."""
    return hashlib.sha256(data).digest()


def compact(value: Any) -> bytes:
    """Canonical JSON of texts, whole numbers and nulls (RFC 8785)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def root_from(leaf: bytes, place: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2), or None where it does not fit the size."""
    own, last, seen = place, size - 1, leaf
    for other in path:
        if last == 0:
            return None
        if own & 1 or own == last:
            seen = sha256(b"\x01" + other + seen)
            while not own & 1 and own:
                own, last = own >> 1, last >> 1
        else:
            seen = sha256(b"\x01" + seen + other)
        own, last = own >> 1, last >> 1
    return seen if last == 0 else None


def problems_of(bundle: str, trusted_root: str | None = None, trusted_key: str | None = None) -> list[str]:
    """Everything that is wrong with a bundle; an empty list when it is sound."""
    wrong: list[str] = []
    with zipfile.ZipFile(bundle) as files:
        names = set(files.namelist())
        manifest = json.loads(files.read("manifest.json"))
        for name in sorted(names - {"manifest.json"} - set(manifest["files"])):
            wrong.append(f"{name} is not in the manifest")
        for name, expected in manifest["files"].items():
            if name not in names:
                wrong.append(f"{name} is missing")
            elif sha256(files.read(name)).hex() != expected:
                wrong.append(f"{name} was changed")
        if wrong:
            return wrong
        body = files.read("record.json") if "record.json" in names else None
        proof = json.loads(files.read("proof.json"))
    wrong += chain_problems(body, proof)
    wrong += head_problems(proof, trusted_root, trusted_key)
    return wrong


def chain_problems(body: bytes | None, proof: dict[str, Any]) -> list[str]:
    """Whether the record's text gives its hashes, and they lead to the root; a bundle for a customer holds the hash only."""
    columns = proof["columns"]
    body_hash = bytes.fromhex(proof["body_hash"]) if body is None else sha256(body)
    linked = sha256(b"\x02" + bytes.fromhex(proof["prev_hash"]) + body_hash + compact(columns))
    if body_hash.hex() != proof["body_hash"] or linked.hex() != proof["hash"]:
        return ["the record does not give the hash that the ledger chained"]
    if columns[0] != proof["leaf_index"] + 1:
        return ["the record's number is not its place in the tree"]
    path = [bytes.fromhex(other) for other in proof["inclusion"]]
    root = root_from(sha256(b"\x00" + linked), proof["leaf_index"], proof["tree_size"], path)
    return [] if root is not None and root.hex() == proof["root"] else ["the record is not under the root"]


def head_problems(proof: dict[str, Any], trusted_root: str | None, trusted_key: str | None) -> list[str]:
    """Whether the root is the one that is trusted, and the signature the trusted key's."""
    wrong = []
    if trusted_root is not None and proof["root"] != trusted_root.lower():
        wrong.append("the root is not the one you trust")
    head = proof.get("signed_head")
    if head is not None and (head["root"], head["size"]) != (proof["root"], proof["tree_size"]):
        wrong.append("the signed head is of another tree")
    if trusted_key is not None:
        if head is None:
            wrong.append("the bundle holds no signed head")
        elif not is_signed(head, trusted_key):
            wrong.append("the head is not signed by the key you trust")
    return wrong


def is_signed(head: dict[str, Any], key_file: str) -> bool:
    """Whether an Ed25519 signature is good, as `openssl` sees it."""
    message = compact({name: value for name, value in head.items() if name != "signature"})
    with tempfile.NamedTemporaryFile() as text, tempfile.NamedTemporaryFile() as signature:
        text.write(message)
        signature.write(base64.b64decode(head["signature"]))
        text.flush()
        signature.flush()
        asked = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key_file), "-rawin", "-in", text.name]
        done = subprocess.run([*asked, "-sigfile", signature.name], capture_output=True, check=False)
    return done.returncode == 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--root", help="the root you kept, 64 hex digits")
    parser.add_argument("--public-key", help="the key you trust, a PEM file")
    asked = parser.parse_args()
    wrong = problems_of(asked.bundle, asked.root, asked.public_key)
    for problem in wrong:
        print("PROBLEM:", problem)
    if not wrong:
        print("Sound: the record is as it was written, and under the root that the bundle states.")
        if asked.root is None and asked.public_key is None:
            print("Nothing of yours was compared: give --root or --public-key to know that the root is the ledger's.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
