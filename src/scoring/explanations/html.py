"""One readable page: the sections of an explanation with their pictures and the table of rules, as plain HTML.

No script, no outside file, no inline event; works on paper, in greyscale and with a screen reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from scoring.explanations.explaining import explanation
from scoring.explanations.facts import DecisionFacts
from scoring.explanations.pictures import pictures
from scoring.explanations.reading import facts_of
from scoring.explanations.wording import Wording, words
from scoring.ledger.record import StoredRecord
from scoring.vocabulary import CONTACT_CHANNELS

_HTML_LANG: Final = {"en": "en", "zh": "zh-Hans"}
_STYLE: Final = """
body{font-family:system-ui,-apple-system,"Noto Sans","Noto Sans CJK SC",sans-serif;line-height:1.5;color:#111;background:#fff;
max-width:46rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:1.8rem;border-bottom:1px solid #bbb}p{margin:.35rem 0}
svg{max-width:100%;height:auto;margin:.8rem 0}table{border-collapse:collapse;font-size:.72rem;margin:.6rem 0;display:block;overflow-x:auto}
th,td{border:1px solid #999;padding:.1rem .25rem;text-align:left}td.m{text-align:center;white-space:nowrap}caption{text-align:left;padding:.3rem 0}
.b{background:#222;color:#fff}.r,.u{background:#ddd}p,td,h1{overflow-wrap:anywhere}
@media print{body{margin:0}h2{break-after:avoid}svg,tr{break-inside:avoid}}
"""


def page_html(record: StoredRecord, *, lang: str = "en", audience: str = "compliance") -> str:
    """Word one decision as a page of its own.

    Parameters and refusals are those of `scoring.explanations.explain`. Pictures and the table of rules are for compliance.

    Returns
    -------
    str
        A whole HTML document in UTF-8.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> note = StoredRecord(7, "O1", "outcome", "A1", None, None, "D1", at, b"", b"", b"", "{}")
    >>> page_html(note)
    Traceback (most recent call last):
    ...
    scoring.errors.UnknownDecisionError: Record O1 is of kind 'outcome', not a decision, so there is nothing to \
explain. Give the id of a decision.
    """
    told, wording = explanation(record, lang, audience), words(lang)
    facts = facts_of(record)
    drawn: dict[str, list[str]] = {}
    if audience == "compliance":
        for picture in pictures(facts, wording):
            drawn.setdefault(picture.section, []).append(picture.svg)
        drawn.setdefault("rules", []).extend(_rule_table(facts, wording))
    body = [f"<h1>{escape(told.title)}</h1>"]
    for section in told.sections:
        body.append(f"<section id='{section.key}'><h2>{escape(section.heading)}</h2>")
        body += [f"<p>{escape(line)}</p>" for line in section.lines]
        body += [*drawn.get(section.key, ()), "</section>"]
    return (
        f"<!doctype html>\n<html lang='{_HTML_LANG[lang]}'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{escape(told.title)}</title>"
        f"<style>{_STYLE}</style></head><body><main>" + "\n".join(body) + "</main></body></html>\n"
    )


def _rule_table(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """Every rule and channel: what each said, by letter and shade, with words in the cell for a screen reader."""
    letters = facts.body["policy"].get("results", {}).get("rules", {})
    if not letters:
        return
    names = [wording.name("channel", str(channel)) for channel in CONTACT_CHANNELS]
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    yield f"<table><caption>{escape(wording.say('picture.rules'))}</caption><thead><tr><th scope='col'></th>{heads}</tr></thead><tbody>"
    for rule, said in letters.items():
        cells = "".join(_cell(letter, wording) for letter in said)
        yield f"<tr><th scope='row'>{escape(rule)}</th>{cells}</tr>"
    yield "</tbody></table>"


def _cell(letter: str, wording: Wording) -> str:
    if letter == ".":
        return "<td class='m'>·</td>"
    return f"<td class='m {letter}'>{escape(wording.name('cell', letter))}</td>"
