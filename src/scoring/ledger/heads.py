"""Signed tree heads: what the ledger held at a moment, in one line that can be kept elsewhere.

A head states how many records there were, the root of the tree over them and the last link of the chain, signed with Ed25519. Whoever
keeps it elsewhere can later show that a record was there, that nothing before it changed, or that the tail was cut. The private key
belongs to whoever anchors, not to who writes records; checking needs the public key only.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scoring.errors import LedgerError, MissingToolError
from scoring.ledger.canonical import canonical
from scoring.ledger.record import instant_text

SCHEMA: Final = "ledger-head/1"
PRIVATE_KEY: Final = "ledger-signing.pem"
PUBLIC_KEY: Final = "ledger-public.pem"


@dataclass(frozen=True)
class SignedHead:
    """The state of a ledger, signed.

    Attributes
    ----------
    size : int
        Records covered.
    root : bytes
        Root of the tree over them.
    link : bytes
        Chain hash of the last of them (32 zero bytes for none).
    signed_at : str
        UTC instant.
    key_id : str
        First 16 hex digits of the SHA-256 of the public key.
    signature : bytes
        Ed25519, over `message`.
    """

    size: int
    root: bytes
    link: bytes
    signed_at: str
    key_id: str
    signature: bytes

    def message(self) -> bytes:
        """The signed bytes: canonical JSON of everything but the signature."""
        return canonical(self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "size": self.size,
            "root": self.root.hex(),
            "link": self.link.hex(),
            "signed_at": self.signed_at,
            "key_id": self.key_id,
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, hashes in hex, the signature in base64."""
        return {**self._facts(), "signature": base64.b64encode(self.signature).decode()}

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is the key's."""
        try:
            key.verify(self.signature, self.message())
        except InvalidSignature:
            return False
        return True

    @classmethod
    def read(cls, values: Mapping[str, Any] | bytes) -> SignedHead:
        """A head from its JSON.

        >>> SignedHead.read(b'{"size": 1}')
        Traceback (most recent call last):
        ...
        scoring.errors.LedgerError: This is no signed tree head. Give a line that `scoring anchor` wrote.
        """
        try:
            seen = orjson.loads(values) if isinstance(values, bytes) else values
            if seen["schema"] != SCHEMA or not isinstance(seen["size"], int) or seen["size"] < 0:
                raise ValueError
            signature = base64.b64decode(seen["signature"], validate=True)
            root, link = bytes.fromhex(seen["root"]), bytes.fromhex(seen["link"])
            return cls(seen["size"], root, link, str(seen["signed_at"]), str(seen["key_id"]), signature)
        except (ValueError, KeyError, TypeError) as problem:
            raise LedgerError(
                "This is no signed tree head. Give a line that `scoring anchor` wrote.", field="anchor"
            ) from problem


def sign_head(key: Ed25519PrivateKey, size: int, root: bytes, link: bytes, signed_at: datetime) -> SignedHead:
    """The signed head of a ledger.

    Examples
    --------
    >>> from datetime import UTC
    >>> key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    >>> head = sign_head(key, 2, bytes(32), bytes(32), datetime(2025, 5, 2, tzinfo=UTC))
    >>> head.is_signed_by(key.public_key()), SignedHead.read(head.as_dict()) == head
    (True, True)
    """
    unsigned = SignedHead(size, root, link, instant_text(signed_at), key_id(key.public_key()), b"")
    return SignedHead(**{**vars(unsigned), "signature": key.sign(unsigned.message())})


def key_id(key: Ed25519PublicKey) -> str:
    """How heads name a key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def make_key(folder: Path) -> str:
    """Make a signing key: ``ledger-signing.pem`` (mode 0600) and ``ledger-public.pem``; returns the key's id.

    Give the public file to whoever checks, and better still move the private one off the machine that writes records.

    Raises
    ------
    LedgerError
        There is a key already: heads signed with it would no longer be recognised.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     made = make_key(Path(folder))
    ...     signing, public = signing_key(Path(folder) / PRIVATE_KEY), public_key(Path(folder) / PUBLIC_KEY)
    >>> key_id(signing.public_key()) == key_id(public) == made
    True
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(folder / PRIVATE_KEY, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as problem:
        raise LedgerError(
            f"There is a signing key in {folder.name} already. Heads that it signed are checked with its public half: keep both, "
            "and move them elsewhere before making another.",
            field="key",
        ) from problem
    except OSError as problem:
        raise MissingToolError(f"No key can be written to {folder.name}: {problem.strerror}.", field="key") from problem
    with os.fdopen(opened, "wb") as file:
        file.write(pem)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / PUBLIC_KEY).write_bytes(public)
    return key_id(key.public_key())


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file; refused where others may read it.

    >>> signing_key(Path("nowhere.pem"))
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: There is no key at nowhere.pem. Make one with `scoring ledger-key`, or name its file.
    """
    raw = _read(path)
    if path.stat().st_mode & 0o077:
        raise LedgerError(
            f"The signing key {path.name} may be read by others, so its signatures prove nothing. Make it readable for its owner "
            "alone (chmod 600), or make a new key.",
            field="key",
            expected="mode 0600",
        )
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise _no_key(path) from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a file.

    >>> public_key(Path("nowhere.pem"))
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: There is no key at nowhere.pem. Make one with `scoring ledger-key`, or name its file.
    """
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise _no_key(path) from problem
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path)
    return key


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise LedgerError(
            f"There is no key at {path.name}. Make one with `scoring ledger-key`, or name its file.", field="key"
        )
    return path.read_bytes()


def _no_key(path: Path) -> LedgerError:
    return LedgerError(f"The file {path.name} holds no Ed25519 key in PEM form.", field="key", expected="Ed25519, PEM")
