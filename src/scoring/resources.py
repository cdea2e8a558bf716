"""Where the data files that the code reads are, in a checkout or in an installed wheel: contracts, reference tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_IN_FORCE: Final[ContextVar[Mapping[str, str]]] = ContextVar("reference tables in force", default=_NONE)


def data_folder() -> Path:
    """The folder that holds ``contracts/`` and ``reference/``.

    In a checkout it is the project's ``data/``; a wheel carries a copy as ``scoring_data`` beside the package.

    Returns
    -------
    Path
        An existing folder.

    Raises
    ------
    FileNotFoundError
        Neither is there: the package was copied without its data files.

    Examples
    --------
    >>> (data_folder() / "contracts" / "accounts.toml").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    candidates = (package.parents[1] / "data", package.parent / "scoring_data")
    for folder in candidates:
        if (folder / "contracts").is_dir():
            return folder
    looked = " and ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(f"The table contracts are missing: looked in {looked}. Install the package from its wheel.")


def reference_text(name: str) -> str:
    """The text of ``data/reference/<name>.toml``, or of the version that is `in_force`.

    Examples
    --------
    >>> "[channels." in reference_text("channel_effects")
    True
    """
    stated = _IN_FORCE.get().get(name)
    return _text_of(name) if stated is None else stated


@lru_cache(maxsize=32)
def query_text(name: str) -> str:
    """A query as Ibis compiled it, from the file ``queries/<name>.sql`` beside this one.

    Who changes what it is compiled from writes the files again with ``python -m tests.features.kept_queries``.

    Examples
    --------
    >>> query_text("features").startswith("WITH")
    True
    """
    text = (Path(__file__).resolve().parent / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return text.removesuffix("\n")


def reference_version(name: str) -> str:
    """SHA-256 of that text, as decisions record it.

    >>> len(reference_version("harm"))
    64
    """
    return _sha256(reference_text(name))


@lru_cache(maxsize=16)
def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@contextmanager
def in_force(texts: Mapping[str, str]) -> Iterator[None]:
    """Inside, these texts stand for the reference tables of their names: a decision is computed again under the tables of its day.

    Other threads and requests see the project's own tables all the while.

    Examples
    --------
    >>> with in_force({"harm": "growth = 0.1"}):
    ...     reference_text("harm")
    'growth = 0.1'
    >>> reference_text("harm") == "growth = 0.1"
    False
    """
    before = _IN_FORCE.set(MappingProxyType({**_IN_FORCE.get(), **texts}))
    try:
        yield
    finally:
        _IN_FORCE.reset(before)


@lru_cache(maxsize=16)
def _text_of(name: str) -> str:
    return (data_folder() / "reference" / f"{name}.toml").read_bytes().decode()
