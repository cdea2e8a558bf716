"""`explain`: a decision record in words, as a page or as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from scoring.errors import BadRequestError
from scoring.explanations.collector import collector_sections
from scoring.explanations.compliance import compliance_sections
from scoring.explanations.customer import customer_sections
from scoring.explanations.facts import DecisionFacts
from scoring.explanations.layout import page
from scoring.explanations.reading import facts_of
from scoring.explanations.sections import Explanation, Section
from scoring.explanations.wording import Wording, words
from scoring.ledger.record import StoredRecord

Compose = Callable[[DecisionFacts, Wording], tuple[Section, ...]]

AUDIENCES: Final[Mapping[str, Compose]] = {
    "compliance": compliance_sections,
    "collector": collector_sections,
    "customer": customer_sections,
}


def explanation(record: StoredRecord, lang: str = "en", audience: str = "compliance") -> Explanation:
    """Word one decision, as values.

    Parameters
    ----------
    record : StoredRecord
        A decision, as the ledger gives it.
    lang : str
        ``en`` or ``zh``.
    audience : str
        ``compliance`` (everything), ``collector`` (what to do, amounts, why, what is not said) or ``customer``
        (no scores).

    Returns
    -------
    Explanation
        The same for the same record and wording, whatever has happened since.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such language or audience.
    UnknownDecisionError
        ``unknown_decision``: the record is not a decision.
    LedgerError
        ``ledger_broken``: the record is of another schema, or lacks what a decision must state.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> note = StoredRecord(7, "O1", "outcome", "A1", None, None, "D1", at, b"", b"", b"", "{}")
    >>> explanation(note, audience="press")
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: Nobody is addressed as 'press'. Audiences: compliance, collector, customer.
    """
    wording = words(lang)
    if audience not in AUDIENCES:
        raise BadRequestError(
            f"Nobody is addressed as {audience!r}. Audiences: {', '.join(AUDIENCES)}.",
            field="audience",
            got=audience,
            expected=list(AUDIENCES),
        )
    facts = facts_of(record)
    title: str = wording.tables["title"][audience]
    return Explanation(
        decision_id=record.record_id,
        lang=lang,
        audience=audience,
        wording=wording.digest,
        title=title.format(decision_id=record.record_id, account=record.account_id or facts.body["account_ref"]),
        sections=AUDIENCES[audience](facts, wording),
    )


def explain(record: StoredRecord, *, lang: str = "en", audience: str = "compliance") -> str:
    """Word one decision, as a page for a terminal of 100 columns.

    Parameters and refusals are those of `explanation`.

    Returns
    -------
    str
        Plain text that ends with a line break.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> at = datetime(2025, 5, 2, tzinfo=UTC)
    >>> note = StoredRecord(7, "O1", "outcome", "A1", None, None, "D1", at, b"", b"", b"", "{}")
    >>> explain(note)
    Traceback (most recent call last):
    ...
    scoring.errors.UnknownDecisionError: Record O1 is of kind 'outcome', not a decision, so there is nothing to \
explain. Give the id of a decision.
    """
    return page(explanation(record, lang, audience))
