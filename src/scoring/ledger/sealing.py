"""Sealed values: free text that concerns a person, encrypted with the subject's own key before anything is hashed.

AES-256-GCM. The nonce is derived from the text, the record and the key, so the same record written again gives the same bytes and
is recognised as the same; two different texts never share a nonce except by chance of one in 2**96. The record's id is
authenticated with the text, so a sealed value cannot be moved to another record unnoticed.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scoring.errors import LedgerError

SEALED: Final = "sealed"
_NONCE_BYTES: Final = 12


@dataclass(frozen=True)
class Personal:
    """A text in a record's body that must be sealed: what a person said or wrote, a name, a number.

    >>> Personal("She lost her job in May.")
    Personal(...)
    """

    text: str

    def __repr__(self) -> str:
        return "Personal(...)"


def seal(text: str, key: bytes, record_id: str) -> dict[str, str]:
    """The text as a sealed value.

    Examples
    --------
    >>> sealed = seal("lost her job", bytes(32), "O1")
    >>> sealed == seal("lost her job", bytes(32), "O1"), unseal(sealed, bytes(32), "O1")
    (True, 'lost her job')
    """
    nonce = hmac.digest(key, b"nonce\x00" + record_id.encode() + b"\x00" + text.encode(), sha256)[:_NONCE_BYTES]
    box = nonce + AESGCM(key).encrypt(nonce, text.encode(), record_id.encode())
    return {SEALED: base64.b64encode(box).decode()}


def unseal(value: Mapping[str, str], key: bytes, record_id: str) -> str:
    """The text of a sealed value; refuses another key, another record, and a changed value.

    >>> unseal(seal("x", bytes(32), "O1"), bytes(32), "O2")
    Traceback (most recent call last):
    ...
    scoring.errors.LedgerError: A sealed value of record O2 does not open with its subject's key: it was changed or moved. Run verify.
    """
    try:
        box = base64.b64decode(value[SEALED], validate=True)
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], record_id.encode()).decode()
    except (InvalidTag, ValueError) as problem:
        raise LedgerError(
            f"A sealed value of record {record_id} does not open with its subject's key: it was changed or moved. Run verify.",
            field="body",
        ) from problem


def has_personal(value: Any) -> bool:
    """Whether anything in a body waits to be sealed.

    >>> has_personal({"why": [Personal("x")]}), has_personal({"why": "code"})
    (True, False)
    """
    if isinstance(value, Mapping):
        return any(has_personal(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_personal(item) for item in value)
    return isinstance(value, Personal)


def with_sealed(value: Any, key: bytes, record_id: str) -> Any:
    """The body with every `Personal` text sealed."""
    return _mapped(value, lambda item: isinstance(item, Personal), lambda item: seal(item.text, key, record_id))


def with_opened(value: Any, key: bytes | None, record_id: str) -> Any:
    """The body with every sealed value opened, or None in its place where the key was destroyed.

    >>> with_opened({"why": seal("x", bytes(32), "O1")}, None, "O1")
    {'why': None}
    """
    return _mapped(value, _is_sealed, lambda item: None if key is None else unseal(item, key, record_id))


def _is_sealed(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {SEALED}


def _mapped(value: Any, is_meant: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    if is_meant(value):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, is_meant, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, is_meant, change) for item in value]
    return value
