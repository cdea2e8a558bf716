"""The words: one reviewable file per language, with names for things and sentences with places to fill."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from scoring.errors import BadRequestError
from scoring.resources import data_folder

LANGUAGES: Final = ("en", "zh")


@dataclass(frozen=True)
class Wording:
    """The words of one language.

    Attributes
    ----------
    lang : str
    tables : mapping
        The file's tables: ``channel``, ``treatment``, ``feature``, ``say.<section>``, ...
    digest : str
        SHA-256 of the file.
    """

    lang: str
    tables: Mapping[str, Any]
    digest: str

    def name(self, table: str, key: str) -> str:
        """What something is called; a name that the file does not hold is shown as it was recorded, in quotation marks.

        A record outlives the features and rules of its day, so an unknown name is no reason to refuse the reviewer.

        >>> words("en").name("channel", "sms"), words("zh").name("channel", "sms")
        ('text message', '短信')
        >>> words("en").name("feature", "a_feature_of_2019")
        '"a_feature_of_2019"'
        """
        named: str | None = self.tables[table].get(key)
        return f'"{key}"' if named is None else named

    def say(self, sentence: str, **places: object) -> str:
        """A sentence with its places filled; ``sentence`` is written ``section.key``.

        >>> words("en").say("decision.place", rank=3)
        'Place 3 in the queue of this channel.'
        """
        section, key = sentence.split(".")
        text: str = self.tables["say"][section][key]
        return text.format(**places)

    def heading(self, key: str) -> str:
        """The heading of a section."""
        text: str = self.tables["heading"][key]
        return text

    def listed(self, items: Iterable[str]) -> str:
        """Items as a list inside a sentence.

        >>> words("en").listed(["sms", "letter", "e-mail"]), words("zh").listed(["短信", "信函"])
        ('sms, letter and e-mail', '短信和信函')
        """
        join = self.tables["join"]
        *first, last = items
        return str(join["last"]).join([str(join["list"]).join(first), last]) if first else last

    def joined(self, sentences: Iterable[str]) -> str:
        """Sentences one after the other, in one line."""
        return str(self.tables["join"]["sentences"]).join(sentences)

    def day(self, on: date) -> str:
        """A day as it is written in a letter.

        >>> words("en").day(date(2025, 5, 1)), words("zh").day(date(2025, 5, 1))
        ('1 May 2025', '2025年5月1日')
        """
        pattern: str = self.tables["date"]["day"]
        return pattern.format(year=on.year, month=self.tables["date"]["months"][on.month - 1], day=on.day)


@lru_cache(maxsize=len(LANGUAGES))
def words(lang: str) -> Wording:
    """The wording of a language.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such language.

    Examples
    --------
    >>> words("en").heading("why")
    'Why'
    >>> words("fr")
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: There is no wording in 'fr'. Languages: en, zh.
    """
    if lang not in LANGUAGES:
        raise BadRequestError(
            f"There is no wording in {lang!r}. Languages: {', '.join(LANGUAGES)}.",
            field="lang",
            got=lang,
            expected=list(LANGUAGES),
        )
    text = (data_folder() / "wording" / f"{lang}.toml").read_text(encoding="utf-8")
    return Wording(lang, tomllib.loads(text), hashlib.sha256(text.encode()).hexdigest())
