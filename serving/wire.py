"""What a request may say, and how a body that does not fit is refused.

Bodies are parsed strictly: a number is no text, and a key that is not known is named and refused, because a misspelt
key that is silently dropped would change an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from scoring.errors import BadRequestError
from scoring.portfolio.clean_values import EARLIEST, LATEST
from scoring.vocabulary import Channel
from serving.repeated_keys import refuse_repeated_keys

MOST_ACCOUNTS: Final = 10_000
MOST_BODY_BYTES: Final = 50_000_000
MOST_ROWS_A_PAGE: Final = 500

MOST_OUTCOMES: Final = 100

NO_NUL: Final = r"^[^\x00]*$"
"""No text here holds the character U+0000: no name or key has one, and PostgreSQL keeps none."""
AccountId = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
RecordName = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
FreeText = Annotated[str, Field(max_length=4_000, pattern=NO_NUL)]
StaffRef = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.-]+$")]
ContactChannel = Literal[
    Channel.SMS, Channel.APP_PUSH, Channel.EMAIL, Channel.ONLINE_CS, Channel.AI_VOICE, Channel.AGENT_CALL, Channel.LETTER,
    Channel.FIELD_VISIT, Channel.LEGAL_REFERRAL,
]  # fmt: skip
Day = Annotated[date, Field(ge=EARLIEST, le=LATEST)]
Row = dict[str, Any]


class TooLargeError(BadRequestError):
    """The body is larger than the service reads."""

    http_status = 413


class Strict(BaseModel):
    """Exact types, and no key but the stated ones."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def n_keys(self) -> int:
        """How many keys it has, in all its objects, where that is known without looking into every value."""
        return len(self.model_fields_set)


class AccountHistory(Strict):
    """One account's event tables by name. An absent table is *not observed*, an empty one *observed and empty*."""

    accounts: Annotated[list[Row], Field(min_length=1, max_length=1)]
    statements: list[Row]
    payments: list[Row]
    contacts: list[Row] | None = None
    assignments: list[Row] | None = None
    promises: list[Row] | None = None
    standings: list[Row] | None = None
    consents: list[Row] | None = None
    inflows: list[Row] | None = None

    def tables(self) -> dict[str, list[Row]]:
        """The tables that were given."""
        return {name: rows for name in type(self).model_fields if (rows := getattr(self, name)) is not None}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class AccountsRequest(Strict):
    """Which accounts: ``account_ids`` of the current portfolio, or whole histories under ``accounts``; never both.

    ``as_of`` is the day by whose end everything used was known. It may be left out for stored accounts (the current
    plan's day).
    """

    account_ids: Annotated[list[AccountId], Field(min_length=1, max_length=MOST_ACCOUNTS)] | None = None
    accounts: (
        Annotated[list[AccountHistory], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_ACCOUNTS)] | None
    ) = None
    as_of: Day | None = None

    def named(self) -> list[str]:
        """The accounts in the order asked; a history that lacks its id is refused later."""
        return self.account_ids or [str(history.accounts[0].get("account_id")) for history in self.accounts or ()]

    def n_keys(self) -> int:
        """Those of all rows too; values that are objects themselves are not looked into."""
        own = super().n_keys()
        for history in self.accounts or ():
            own += len(history.model_fields_set) + sum(sum(map(len, rows)) for rows in history.tables().values())
        return own


class PermitRequest(Strict):
    """A contact that somebody wants to make: now, or at an instant."""

    account_id: AccountId
    channel: ContactChannel
    number_ref: RecordName | None = None
    at: AwareDatetime | None = None


class Outcome(Strict):
    """One event: ``row`` as in the event table of its kind, ``key`` the teller's own, the same whenever it is told."""

    key: RecordName
    kind: Literal["contact", "payment", "promise", "standing", "consent"]
    row: Row
    decision_id: RecordName | None = None
    permit_id: RecordName | None = None


class OutcomesRequest(Strict):
    """Events of the day, in the order in which they happened."""

    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=MOST_OUTCOMES)]


class OverrideRequest(Strict):
    """What is done instead of what was decided, by whom and why; a harsher channel needs a second person."""

    to: Channel
    reason_code: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.-]+$")]
    reason: FreeText = ""
    by: StaffRef | None = None
    second: StaffRef | None = None
    seconds_spent: Annotated[int, Field(ge=0, le=86_400)] | None = None


class CustomerRequest(Strict):
    """What a customer asks about a decision, in their words."""

    kind: Literal["explanation", "human_review", "refuse_automated", "correction"]
    text: FreeText = ""
    received_on: Day | None = None


class ExplanationQuery(BaseModel):
    """Of which explanation, for whom, and as what; without ``format`` the header ``Accept`` decides."""

    model_config = ConfigDict(extra="forbid")

    lang: Literal["en", "zh"] = "en"
    audience: Literal["compliance", "collector", "customer"] = "compliance"
    format: Literal["text", "html", "json"] | None = None


class QueueQuery(BaseModel):
    """Which part of the queue."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS_A_PAGE)] = 50
    cursor: Annotated[str, Field(max_length=500, pattern=NO_NUL)] | None = None


def parse_accounts(body: bytes) -> AccountsRequest:
    """A request body as an `AccountsRequest`.

    Raises
    ------
    BadRequestError
        ``bad_request``: not JSON, a wrong type, an unknown key, no or too many accounts, an account twice, both or
        neither of ``account_ids`` and ``accounts``, inline accounts without ``as_of``, a key twice in one object.

    Examples
    --------
    >>> parse_accounts(b'{"account_ids": ["A1"]}').account_ids
    ['A1']
    >>> parse_accounts(b'{"account_ids": []}')
    Traceback (most recent call last):
    ...
    scoring.errors.BadRequestError: account_ids is empty. Name 1 to 10000 accounts.
    """
    try:
        asked = AccountsRequest.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from None
    refuse_repeated_keys(body, asked.n_keys)
    if (asked.account_ids is None) == (asked.accounts is None):
        raise BadRequestError(
            "A request names either account_ids (of the current portfolio) or accounts (whole histories), and "
            "this one has "
            f"{'neither' if asked.accounts is None else 'both'}.",
            field="account_ids",
            expected="one of account_ids, accounts",
        )
    if asked.accounts is not None and asked.as_of is None:
        raise BadRequestError(
            "as_of is missing. Histories in the request say nothing about the day they are known to; give it as "
            "2025-03-31.",
            field="as_of",
            expected="a day",
        )
    refuse_repeated(asked.account_ids or (), "account_ids")
    return asked


def refuse_repeated(account_ids: Iterable[str], field: str) -> None:
    """Refuse an account that is named twice: its answer would be ambiguous, and its decision recorded twice."""
    seen: set[str] = set()
    for account_id in account_ids:
        if account_id in seen:
            raise BadRequestError(
                f"Account {account_id} is named twice. Name each account once.", field=field, got=account_id
            )
        seen.add(account_id)


def refusal(error: ValidationError) -> BadRequestError:
    """The first fault of a body in the one error shape, without any value of it but keys and lengths."""
    return refusal_of(error.errors(include_url=False)[0])


def refusal_of(fault: Mapping[str, Any]) -> BadRequestError:
    """One pydantic fault as a refusal."""
    kind, context = fault["type"], fault.get("ctx", {})
    field = ".".join(str(part) for part in fault["loc"]) or "body"
    if kind == "json_invalid":
        return BadRequestError(f"The body is not JSON: {context['error']}.", field="body", expected="a JSON object")
    if kind == "extra_forbidden":
        name = str(fault["loc"][-1])[:60]
        return BadRequestError(
            f"{name!r} is not known here. Remove it, or correct its spelling.", field=field[:200], got=name
        )
    if kind == "missing":
        return BadRequestError(f"{field} is missing.", field=field)
    if kind == "string_pattern_mismatch" and context["pattern"] == NO_NUL:
        return BadRequestError(
            f"{field} holds the character U+0000, which no text here may hold. Remove it.",
            field=field,
            expected="a text without U+0000",
        )
    if kind == "too_short":
        return BadRequestError(
            f"{field} is empty. Name 1 to {MOST_ACCOUNTS} accounts.",
            field=field,
            got=0,
            expected=f"1 to {MOST_ACCOUNTS}",
        )
    if kind == "too_long":
        most, got = context["max_length"], context.get("actual_length")
        return BadRequestError(
            f"{field} has {got or 'too many'} entries, more than {most}. Split it.",
            field=field,
            got=got,
            expected=f"1 to {most}",
        )
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    seen = json_type(fault.get("input"))
    return BadRequestError(f"{field} is {seen}, and it should be {expected}.", field=field, got=seen, expected=expected)


def json_type(value: Any) -> str:
    """What kind of JSON value this is, in words.

    >>> [json_type(v) for v in (None, True, 1.5, "x", [], {})]
    ['null', 'true or false', 'a number', 'a text', 'a list', 'an object']
    """
    kinds = (
        (bool, "true or false"),
        (int | float, "a number"),
        (str, "a text"),
        (list | tuple, "a list"),
        (Mapping, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")
