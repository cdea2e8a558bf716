"""Facts from the event tables, as known at the instant of the decision.

Which source answers for which fact, so that an ordinary bank portfolio gives usable verdicts and nothing is made up:

- a flag of the rulebook is true while a row of ``standings`` holds; where that table was delivered, a flag without a
  row is false, because the table is the bank's register of such flags;
- a fact that a consent gives (``tcpa_consent_ai_voice``, ``email_basis``, ...) is true while a row of that kind holds
  in ``consents``, and false without one where the table was delivered;
- operational facts (``call_recording_on``, ``visit_team_ge_2``, agency lists) come from the operations settings; so
  does any fact that no table answers for. What is listed nowhere is unknown; a rule that needs it asks a person;
- contacts are known where their table was delivered and its feeds, as far as the settings say, are not too old;
- contacts count for every account of the customer; opt-outs and flags of the person (death, insolvency, refusal of
  machine decisions) hold on all accounts of the customer;
- the contact would go to the customer, on a number not chosen yet, in every zone that ``accounts.timezone`` lists.
"""

# ruff: noqa: S608  only names from this module's constants enter SQL; values are bound.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scoring.errors import PolicyError
from scoring.policy.facts import ANY_CHANNEL, CALLBACK, OPT_OUT, as_utc
from scoring.policy.facts_frame import CONTACT_TYPE, NEVER, NOT_LISTED, Coded, FactsFrame
from scoring.policy.operations import Operations, overlays_of, zones_of
from scoring.policy.profile import Profile
from scoring.policy.rules import CHANNEL_INDEX, CHANNELS, DIRECTIONS, OUTCOMES
from scoring.policy.truth import Truth
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio

PERSON_FLAGS: Final = (
    "deceased", "incapacity", "bankruptcy_stay", "discharged", "adm_refused", "tcpa_revoked", "own_number_invalid",
)  # fmt: skip
"""Flags of the person, not of one debt: a row on one account holds on all accounts of the customer."""
CONSENT_FACTS: Final = ("tcpa_consent_ai_voice", "nyc_electronic_optin", "email_basis")
"""Facts of which ``consents`` is the register."""
PROMISE_OPEN: Final = "promise_open"
"""A promise is known and not yet due; no shipped rule reads it, a house rule may."""
NEED_NO_ADDRESS: Final = ("online_cs", "legal_referral")
"""Channels that work without an address of the customer."""
SMS_BASIS: Final = ("sms_basis", "sms_basis_60d")
"""The consent kind, and the fact that holds for some days after it or after a text from the customer."""


def facts_from_portfolio(
    portfolio: Portfolio,
    profile: Profile,
    at: datetime,
    operations: Operations | None = None,
    account_ids: Sequence[str] | None = None,
) -> FactsFrame:
    """The facts of a portfolio's accounts at one instant, for ``verdict_frame``.

    Parameters
    ----------
    portfolio : Portfolio
    profile : Profile
        Says how much contact history its rules read.
    at : datetime
        Rows that were not known by this instant are left out.
    operations : Operations, optional
        What no table says; without it those facts are unknown.
    account_ids : sequence of str, optional
        These accounts in this order; otherwise all, by ``account_id``.

    Returns
    -------
    FactsFrame
        One row per account. Facts of tables that were not delivered are unknown.

    Raises
    ------
    PolicyError
        An account is not in the portfolio or is asked for twice, or a contact has an unknown channel or outcome.

    Examples
    --------
    >>> from datetime import UTC
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> frame = facts_from_portfolio(portfolio_from_tables(SMALLEST), cn, datetime(2026, 11, 23, tzinfo=UTC))
    >>> len(frame), bool(frame.contacts_observed[0])
    (1, False)
    """
    at, operations = as_utc(at), operations or Operations()
    connection = portfolio.connection.cursor()
    try:
        accounts = _accounts(connection, account_ids)
        n, observed = accounts.num_rows, portfolio.observed
        consents = _open_consents(connection, at)
        contacts, numbers = _contacts(connection, at, profile.window_days)
        return FactsFrame(
            at=at,
            account_ids=accounts["account_id"],
            zones=_coded(accounts["timezone"], zones_of),
            collector=Coded.same(operations.collector, n),
            recipient=Coded.same("debtor", n),
            template=Coded.same("standard", n),
            overlays=_coded(accounts["region"], lambda region: overlays_of(region, profile, operations)),
            number=np.full(n, -1, np.int32),
            numbers=numbers,
            flags=_flags(connection, n, at, profile, operations, observed, consents),
            unlisted=np.full(n, Truth.UNKNOWN, np.int8),
            consents=_covered(consents, n),
            callback_us=_callbacks(consents, n),
            consents_observed=np.full(n, "consents" in observed, np.bool_),
            contacts=contacts,
            contacts_observed=np.full(n, "contacts" in observed and operations.counts_are_known(at), np.bool_),
            inconvenient=np.empty((0, 3), np.int64),
        )
    finally:
        connection.close()


def addresses_on_file(portfolio: Portfolio, account_ids: Sequence[str] | None = None) -> NDArray[np.int8]:
    """Whether each account has a usable address for each channel: a matter of what can be done, not of what is lawful.

    Parameters
    ----------
    portfolio : Portfolio
    account_ids : sequence of str, optional
        As for ``facts_from_portfolio``.

    Returns
    -------
    int8 array, shape (n, 9)
        ``Truth`` codes; unknown where ``accounts.channel_addresses`` is not given. Answering a chat and referring
        inside the bank need no address.

    Examples
    --------
    >>> from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
    >>> card = {**SMALLEST["accounts"][0], "channel_addresses": "sms,letter"}
    >>> addresses_on_file(portfolio_from_tables({**SMALLEST, "accounts": [card]})).tolist()
    [[2, 0, 0, 2, 0, 0, 2, 0, 2]]
    """
    connection = portfolio.connection.cursor()
    try:
        _accounts(connection, account_ids)
        listed = _arrow(connection, "SELECT channel_addresses FROM policy_accounts ORDER BY row")["channel_addresses"]
    finally:
        connection.close()
    texts = _coded(listed, lambda text: text)
    table = np.asarray([_has_address(text) for text in texts.values], np.int8).reshape(len(texts.values), len(CHANNELS))
    return np.asarray(table[texts.codes], np.int8)


def _has_address(text: str | None) -> list[Truth]:
    named = {name.strip() for name in (text or "").split(",")} | set(NEED_NO_ADDRESS)
    missing = Truth.UNKNOWN if text is None else Truth.FALSE
    return [Truth.TRUE if channel in named else missing for channel in CHANNELS]


def _accounts(connection: duckdb.DuckDBPyConnection, account_ids: Sequence[str] | None) -> pa.Table:
    """The accounts in order, kept as temporary tables ``policy_accounts`` and ``policy_siblings``."""
    if account_ids is None:
        wanted = "SELECT account_id, row_number() OVER (ORDER BY account_id) - 1 AS row FROM accounts"
    else:
        ids = pa.array(account_ids, pa.string())
        connection.register(
            "policy_wanted", pa.table({"account_id": ids, "row": pa.array(range(len(ids)), pa.int64())})
        )
        wanted = "SELECT account_id, row FROM policy_wanted"
    connection.execute(
        f"""CREATE TEMP TABLE policy_accounts AS
        SELECT w.row::INTEGER AS row, w.account_id, a.customer_id, a.timezone, a.region, a.channel_addresses
        FROM ({wanted}) w JOIN accounts a ON a.account_id = w.account_id"""
    )
    if account_ids is not None:
        _refuse_strangers(connection, len(account_ids))
    connection.execute(
        """CREATE TEMP TABLE policy_siblings AS
        SELECT p.row, a.account_id, a.account_id = p.account_id AS own
        FROM policy_accounts p JOIN accounts a ON a.customer_id = p.customer_id"""
    )
    return _arrow(connection, "SELECT account_id, timezone, region FROM policy_accounts ORDER BY row")


def _refuse_strangers(connection: duckdb.DuckDBPyConnection, n: int) -> None:
    found = _arrow(
        connection, "SELECT count(*) AS found, count(DISTINCT account_id) AS distinct_ids FROM policy_accounts"
    )
    if (found["found"][0].as_py(), found["distinct_ids"][0].as_py()) == (n, n):
        return
    missing = _arrow(connection, "SELECT account_id FROM policy_wanted ANTI JOIN accounts USING (account_id) LIMIT 1")
    what = (
        f"Account {missing['account_id'][0]} is not in the portfolio" if missing.num_rows else "An account comes twice"
    )
    raise PolicyError(
        f"{what}, so its contact rules cannot be judged. Ask for each known account once.", field="account_ids"
    )


def _arrow(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> pa.Table:
    return connection.sql(sql, params=dict(values or {})).to_arrow_table()


def _numpy(column: pa.ChunkedArray, dtype: Any) -> NDArray[Any]:
    return np.asarray(column.to_numpy(), dtype)


def _coded(column: pa.ChunkedArray, meaning: Any) -> Coded[Any]:
    """A text column with few values, each read once; null is read as None."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return Coded(tuple(meaning(value) for value in encoded.dictionary.to_pylist()), _numpy(encoded.indices, np.int32))


def _flags(
    connection: duckdb.DuckDBPyConnection,
    n: int,
    at: datetime,
    profile: Profile,
    operations: Operations,
    observed: frozenset[str],
    consents: pa.Table,
) -> dict[str, NDArray[np.int8]]:
    listed: dict[str, int] = {}
    if "standings" in observed:
        listed |= dict.fromkeys(contracts()["standings"].columns["kind"].allowed, Truth.FALSE)
    if "consents" in observed:
        listed |= dict.fromkeys((*CONSENT_FACTS, SMS_BASIS[1]), Truth.FALSE)
    listed |= {name: Truth.TRUE if holds else Truth.FALSE for name, holds in operations.facts.items()}
    flags = {name: np.full(n, value, np.int8) for name, value in listed.items()}
    texts = _texts_from_customers(connection, at, profile)
    own = consents.filter(consents["own"])
    basis = pc.and_(
        pc.equal(own["kind"], SMS_BASIS[0]), pc.greater_equal(own["given_at"], _sms_basis_since(at, profile))
    )
    if "promises" in observed:
        flags.setdefault(PROMISE_OPEN, np.full(n, Truth.FALSE, np.int8))
        _raise_flags(flags, n, _named(_open_promises(connection, at)["row"], PROMISE_OPEN))
    _raise_flags(flags, n, _open_standings(connection, at))
    _raise_flags(flags, n, own.filter(pc.is_in(own["kind"], pa.array(CONSENT_FACTS))).select(["row", "kind"]))
    _raise_flags(flags, n, _named(own.filter(basis)["row"], SMS_BASIS[1]))
    _raise_flags(flags, n, _named(texts["row"], SMS_BASIS[1]))
    return flags


def _named(rows: pa.ChunkedArray, kind: str) -> pa.Table:
    return pa.table({"row": rows, "kind": pa.array([kind], pa.string()).take(pa.array(np.zeros(len(rows), np.int64)))})


def _raise_flags(flags: dict[str, NDArray[np.int8]], n: int, rows: pa.Table) -> None:
    """Set flags to true on the rows that a table names."""
    kinds = _coded(rows["kind"], str)
    at = _numpy(rows["row"], np.int64)
    for code, kind in enumerate(kinds.values):
        if kind not in flags:
            flags[kind] = np.full(n, NOT_LISTED, np.int8)
        flags[kind][at[kinds.codes == code]] = Truth.TRUE


def _open_standings(connection: duckdb.DuckDBPyConnection, at: datetime) -> pa.Table:
    """Flags in force and known at an instant; those of the person on every account of the customer."""
    return _arrow(
        connection,
        """SELECT DISTINCT b.row, s.kind FROM standings s JOIN policy_siblings b ON b.account_id = s.account_id
        WHERE (b.own OR s.kind IN (SELECT unnest($person)))
          AND s.from_at <= $at AND coalesce(s.known_at, s.from_at) <= $at
          AND (s.until_at IS NULL OR s.until_at > $at)""",
        {"at": at.replace(tzinfo=None), "person": list(PERSON_FLAGS)},
    )


def _open_promises(connection: duckdb.DuckDBPyConnection, at: datetime) -> pa.Table:
    """Accounts with a promise that is known and falls due today or later."""
    return _arrow(
        connection,
        """SELECT DISTINCT b.row FROM promises p JOIN policy_siblings b ON b.account_id = p.account_id
        WHERE b.own AND p.made_at <= $at AND coalesce(p.known_at, p.made_at) <= $at AND p.due_on >= $day""",
        {"at": at.replace(tzinfo=None), "day": at.date()},
    )


def _open_consents(connection: duckdb.DuckDBPyConnection, at: datetime) -> pa.Table:
    """Consents in force and known at an instant; opt-outs of the customer's other accounts too."""
    return _arrow(
        connection,
        """SELECT b.row, c.kind, c.channel, c.given_at, epoch_us(c.given_at) AS given_us, b.own
        FROM consents c JOIN policy_siblings b ON b.account_id = c.account_id
        WHERE (b.own OR c.kind = $opt_out)
          AND c.given_at <= $at AND coalesce(c.known_at, c.given_at) <= $at
          AND (c.withdrawn_at IS NULL OR c.withdrawn_at > $at)""",
        {"at": at.replace(tzinfo=None), "opt_out": OPT_OUT},
    )


def _channel_columns(channel: str) -> slice | int:
    return slice(None) if channel == ANY_CHANNEL else CHANNEL_INDEX[channel]


def _covered(consents: pa.Table, n: int) -> dict[str, NDArray[np.bool_]]:
    """For each kind of consent, the accounts and channels that one in force covers."""
    kinds, channels = _coded(consents["kind"], str), _coded(consents["channel"], str)
    rows = _numpy(consents["row"], np.int64)
    covered: dict[str, NDArray[np.bool_]] = {}
    for kind_code, kind in enumerate(kinds.values):
        covers = covered.setdefault(kind, np.zeros((n, len(CHANNELS)), np.bool_))
        for channel_code, channel in enumerate(channels.values):
            said = (kinds.codes == kind_code) & (channels.codes == channel_code)
            covers[rows[said], _channel_columns(channel)] = True
    return covered


def _callbacks(consents: pa.Table, n: int) -> NDArray[np.int64]:
    """When the latest wish to be called back was given, for each account and channel."""
    wishes = consents.filter(pc.equal(consents["kind"], CALLBACK)).sort_by("given_us")
    channels, rows = _coded(wishes["channel"], str), _numpy(wishes["row"], np.int64)
    given_us = _numpy(wishes["given_us"], np.int64)
    callback_us = np.full((n, len(CHANNELS)), NEVER, np.int64)
    for code, channel in enumerate(channels.values):
        said = channels.codes == code
        for column in range(len(CHANNELS)) if channel == ANY_CHANNEL else (CHANNEL_INDEX[channel],):
            np.maximum.at(callback_us[:, column], rows[said], given_us[said])
    return callback_us


def _sms_basis_since(at: datetime, profile: Profile) -> datetime:
    return (at - timedelta(days=profile.parameters.get("sms_basis", {}).get("recheck_days", 60))).replace(tzinfo=None)


def _texts_from_customers(connection: duckdb.DuckDBPyConnection, at: datetime, profile: Profile) -> pa.Table:
    """Accounts whose customer sent a text lately."""
    return _arrow(
        connection,
        """SELECT DISTINCT b.row FROM contacts c JOIN policy_siblings b ON b.account_id = c.account_id
        WHERE b.own AND c.channel = 'sms' AND c.direction = 'inbound' AND c.contacted_at >= $since
          AND c.contacted_at <= $at AND coalesce(c.known_at, c.contacted_at) <= $at""",
        {"at": at.replace(tzinfo=None), "since": _sms_basis_since(at, profile)},
    )


def _contacts(
    connection: duckdb.DuckDBPyConnection, at: datetime, window_days: int
) -> tuple[NDArray[Any], Sequence[str]]:
    """The customers' recent contacts as known at an instant, ordered by row and time, and the names of the numbers."""
    table = _arrow(
        connection,
        """SELECT b.row, epoch_us(c.contacted_at) AS at_us,
          list_position($channels, c.channel) - 1 AS channel,
          list_position($outcomes, c.outcome) - 1 AS outcome,
          list_position($directions, c.direction) - 1 AS direction,
          b.own AS this_debt, c.number_ref, (c.minutes * 60)::FLOAT AS seconds
        FROM contacts c JOIN policy_siblings b ON b.account_id = c.account_id
        WHERE c.contacted_at >= $since AND c.contacted_at <= $at AND coalesce(c.known_at, c.contacted_at) <= $at
        ORDER BY b.row, c.contacted_at""",
        {
            "at": at.replace(tzinfo=None),
            "since": (at - timedelta(days=window_days + 2)).replace(tzinfo=None),
            "channels": list(CHANNELS),
            "outcomes": list(OUTCOMES),
            "directions": list(DIRECTIONS),
        },
    )
    contacts = np.empty(table.num_rows, CONTACT_TYPE)
    for name in ("row", "at_us", "this_debt"):
        contacts[name] = _numpy(table[name], CONTACT_TYPE[name])
    for name in ("channel", "outcome", "direction"):
        contacts[name] = _numpy(pc.fill_null(table[name], -1), np.int8)
        if (contacts[name] < 0).any():
            raise PolicyError(
                f"Table contacts: a {name} is not in the contract, so caps cannot be counted. Run the data check.",
                field=f"contacts.{name}",
            )
    contacts["seconds"] = _numpy(pc.cast(table["seconds"], pa.float32()), np.float32)
    numbers = table["number_ref"].combine_chunks().dictionary_encode()
    contacts["number"] = _numpy(pc.fill_null(numbers.indices, -1), np.int32)
    return contacts, numbers.dictionary.to_pylist()
