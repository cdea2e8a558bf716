"""Small random portfolios full of edges: same-day events, late knowledge, returns, zero minimums, credit balances.

One function draws everything from a `random.Random`, so a seed gives a big portfolio and hypothesis a small one it can shrink.
"""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from tests.features.plain_reference import Row, Tables

AS_OF = date(2025, 3, 31)
EXTRACT_ON = date(2025, 6, 30)
END = datetime(2025, 4, 1)
TIMES = (time(), time(9, 30), time(23, 59, 59, 999999))
KINDS = ("voluntary", "voluntary", "voluntary", "autopay", "refund", "set_off", "goodwill", "write_off", "transfer")
CHANNELS = ("sms", "app_push", "email", "ai_voice", "agent_call", "letter", "online_cs")
OUTCOMES = ("conversation", "no_answer", "sent", "delivered", "read", "not_connected", "met", "refused")
FLAGS = (
    "charged_off",
    "sold",
    "deceased",
    "dispute_open",
    "fraud_suspected",
    "plan_signed",
    "plan_breached",
    "hardship",
)
OPTIONAL = ("contacts", "promises", "standings", "inflows")
SPENDING = ("purchases_cents", "cash_advances_cents", "interest_and_fees_cents")


def random_tables(draw: Random, n_accounts: int) -> Tables:
    """Event tables of some accounts; optional tables and columns are now and then absent altogether."""
    tables: Tables = {name: [] for name in ("accounts", "statements", "payments", *OPTIONAL)}
    for number in range(n_accounts):
        add_account(draw, tables, f"A{number:04d}", f"C{number // 2:04d}")
    for name in OPTIONAL:
        if draw.random() < 0.15:
            del tables[name]
    if draw.random() < 0.15:
        for row in tables["statements"]:
            for column in SPENDING:
                del row[column]
    for name, rows in tables.items():
        if name != "accounts" and draw.random() < 0.2:
            for row in rows:
                del row["known_at"]
    return tables


def add_account(draw: Random, tables: Tables, account_id: str, customer_id: str) -> None:
    """One account with its statements, payments, contacts, promises, flags; and a customer's inflows."""
    opened_on = AS_OF + timedelta(days=draw.choice((-1500, -400, -89, -3, 1)))
    tables["accounts"].append(
        {
            "account_id": account_id,
            "customer_id": customer_id,
            "product": "classic",
            "opened_on": opened_on,
            "credit_limit_cents": draw.choice((0, 100_000, 500_000, 1_000_000)),
            "currency": "CNY",
            "known_at": _late(draw, datetime.combine(opened_on, time()), 0.05),
        }
    )
    statements = _statements(draw, account_id)
    tables["statements"] += statements
    edges = [day for s in statements for day in (s["statement_on"], s["due_on"], s["due_on"] + timedelta(days=1))]
    minimums = [s["minimum_due_cents"] for s in statements if s["minimum_due_cents"]] or [1_000]
    tables["payments"] += [
        _payment(draw, f"P{account_id}-{n}", account_id, edges, minimums) for n in range(draw.choice((0, 1, 3, 8, 14)))
    ]
    for name, event, most in (("contacts", _contact, 8), ("promises", _promise, 4), ("standings", _standing, 3)):
        tables[name] += [event(draw, f"{account_id}-{n}", account_id) for n in range(draw.randint(0, most))]
    tables["standings"] = _one_per_key(tables["standings"], "account_id", "kind", "from_at")
    if draw.random() < 0.4:
        tables["inflows"] += [_inflow(draw, customer_id, month) for month in range(draw.randint(1, 12))]
        tables["inflows"] = _one_per_key(tables["inflows"], "customer_id", "month_on")


def _one_per_key(rows: list[Row], *key: str) -> list[Row]:
    return list({tuple(row[name] for name in key): row for row in rows}.values())


def _late(draw: Random, happened: datetime, share: float) -> datetime | None:
    """When the bank knew: unsaid, at once, or in time or too late for ``AS_OF``."""
    if draw.random() < share:
        return draw.choice((END - timedelta(microseconds=1), END, END + timedelta(days=9)))
    return draw.choice((None, happened))


def _instant(draw: Random, day: date) -> datetime:
    return datetime.combine(day, draw.choice(TIMES))


def _day(draw: Random, edges: list[date] | None = None) -> date:
    if edges and draw.random() < 0.5:
        return draw.choice(edges)
    if draw.random() < 0.25:
        return AS_OF + timedelta(days=draw.choice((-365, -364, -180, -179, -90, -89, -30, -29, -1, 0, 1, 2)))
    return AS_OF + timedelta(days=draw.randint(-420, 30))


def _statements(draw: Random, account_id: str) -> list[Row]:
    """Cycles of about a month, oldest first; sometimes without minimum due, sometimes past ``AS_OF``."""
    n_cycles = draw.choice((0, 1, 2, 4, 8, 14))
    reports_dpd = draw.choice((0.0, 0.0, 0.0, 0.0, 0.1, 1.0))
    last = AS_OF + timedelta(days=draw.choice((-25, -20, -12, -1, 0, 1, 15)))
    grace = draw.choice((0, 10, 20, 25, 40))
    rows = []
    for cycle in reversed(range(n_cycles)):
        cut = last - timedelta(days=30 * cycle + (draw.randint(0, 3) if cycle else 0))
        has_minimum = draw.random() >= reports_dpd
        rows.append(
            {
                "account_id": account_id,
                "statement_on": cut,
                "due_on": cut + timedelta(days=grace + draw.choice((0, 0, 0, 3))),
                "balance_cents": draw.choice((-5_000, 0, 20_000, 90_001, 250_000, 600_000)),
                "minimum_due_cents": draw.choice((0, 1_000, 1_000, 5_003, 20_000)) if has_minimum else None,
                "purchases_cents": draw.choice((None, 0, 7_001, 40_000)),
                "cash_advances_cents": draw.choice((None, 0, 0, 9_000)),
                "interest_and_fees_cents": draw.choice((None, 0, 333)),
                "reported_dpd": None if has_minimum else draw.choice((None, 0, 5, 35, 64)),
                "known_at": _late(draw, datetime.combine(cut, time(2)), 0.03),
            }
        )
    return rows


def _payment(draw: Random, payment_id: str, account_id: str, edges: list[date], minimums: list[int]) -> Row:
    paid_at = _instant(draw, _day(draw, edges))
    minimum = draw.choice(minimums)
    returned = paid_at + timedelta(days=draw.choice((0, 3, 20))) if draw.random() < 0.2 else None
    heard = None if returned is None else _late(draw, returned + timedelta(days=1), 0.3)
    return {
        "payment_id": payment_id,
        "account_id": account_id,
        "paid_at": paid_at,
        "amount_cents": draw.choice((0, 1, minimum // 2, minimum, minimum, 2 * minimum + 1, 30_000)),
        "kind": draw.choice(KINDS),
        "reversed_at": returned,
        "reversal_known_at": heard,
        "known_at": _late(draw, paid_at, 0.1),
    }


def _contact(draw: Random, contact_id: str, account_id: str) -> Row:
    at = _instant(draw, _day(draw))
    return {
        "contact_id": contact_id,
        "account_id": account_id,
        "contacted_at": at,
        "channel": draw.choice(CHANNELS),
        "direction": draw.choice(("outbound", "outbound", "inbound")),
        "outcome": draw.choice(OUTCOMES),
        "known_at": _late(draw, at, 0.1),
    }


def _promise(draw: Random, promise_id: str, account_id: str) -> Row:
    made_at = _instant(draw, _day(draw))
    return {
        "promise_id": promise_id,
        "account_id": account_id,
        "made_at": made_at,
        "promised_cents": draw.choice((0, 1_000, 5_000, 33_333)),
        "due_on": made_at.date() + timedelta(days=draw.choice((0, 1, 7, 30))),
        "known_at": _late(draw, made_at, 0.1),
    }


def _standing(draw: Random, name: str, account_id: str) -> Row:
    from_at = _instant(draw, _day(draw))
    until = draw.choice((None, None, from_at + timedelta(days=1), max(END, from_at), from_at + timedelta(days=400)))
    return {
        "account_id": account_id,
        "kind": draw.choice(FLAGS),
        "from_at": from_at,
        "until_at": until,
        "known_at": _late(draw, from_at, 0.1),
    }


def _inflow(draw: Random, customer_id: str, months_back: int) -> Row:
    month = 2025 * 12 + 3 - months_back
    month_on = date(month // 12, month % 12 + 1, 1)
    return {
        "customer_id": customer_id,
        "month_on": month_on,
        "inflow_cents": draw.choice((0, 150_000, 777_777)),
        "essential_spend_cents": draw.choice((None, 0, 90_000, 200_000)),
        "known_at": _late(draw, datetime.combine(month_on + timedelta(days=40), time()), 0.1),
    }


def unknown_changes(draw: Random, tables: Tables) -> Tables:
    """The same tables as known on ``AS_OF``, with everything that was not known then changed, removed or added to."""
    changed = {name: [_disturbed(draw, name, row) for row in rows] for name, rows in tables.items()}
    kept = {name: [row for row in rows if row is not None] for name, rows in changed.items()}
    later: Tables = {name: [] for name in ("accounts", "statements", "payments", *OPTIONAL)}
    for account in tables["accounts"]:
        add_account(draw, later, account["account_id"], account["customer_id"])
    for name, rows in later.items():
        if name in kept and name != "accounts":
            kept[name] += [_posted_later(draw, name, row) for row in rows]
    kept["accounts"].append(_posted_later(draw, "accounts", {**later["accounts"][0], "account_id": "NEW"}))
    kept["standings"] = _one_per_key(kept.get("standings", []), "account_id", "kind", "from_at")
    return {name: rows for name, rows in kept.items() if name in tables}


def _disturbed(draw: Random, name: str, row: Row) -> Row | None:
    """A row not known by ``AS_OF`` changed at will or gone; one that is known changed only in what is learned later."""
    if is_unknown(name, row):
        return draw.choice((None, {**row, **_bigger(row)}))
    if name == "payments":
        return {**row, **_later_return(draw, row)}
    if name == "standings" and (row["until_at"] is None or row["until_at"] >= END):
        return {**row, "until_at": draw.choice((None, END, END + timedelta(days=50)))}
    return row


def _later_return(draw: Random, row: Row) -> Row:
    back, heard = row["reversed_at"], row["reversal_known_at"]
    if back is not None and back < END and (heard is None or heard < END):
        return {}
    came_back = max(row["paid_at"], END) + timedelta(days=draw.randint(0, 30))
    choices: tuple[Row, ...] = (
        {"reversed_at": None, "reversal_known_at": None},
        {"reversed_at": came_back, "reversal_known_at": None},
        {"reversed_at": row["paid_at"], "reversal_known_at": came_back},
    )
    return draw.choice(choices)


EVENT = {
    "accounts": "opened_on",
    "statements": "statement_on",
    "payments": "paid_at",
    "contacts": "contacted_at",
    "promises": "made_at",
    "standings": "from_at",
    "inflows": "month_on",
}


def is_unknown(name: str, row: Row) -> bool:
    """Whether the bank knew of a row only after ``AS_OF``."""
    if row.get("known_at") is not None and row["known_at"] >= END:
        return True
    happened = row[EVENT[name]]
    if name == "inflows":
        return bool(happened >= AS_OF.replace(day=1))
    return bool(happened >= END if isinstance(happened, datetime) else happened > AS_OF)


def _bigger(row: Row) -> Row:
    return {name: value + 77_777 for name, value in row.items() if name.endswith("_cents") and value is not None}


def _posted_later(draw: Random, name: str, row: Row) -> Row:
    """A new row with a key of its own that the bank learned of after ``AS_OF``; its event may well lie before."""
    own: dict[str, Any] = {"known_at": END + timedelta(days=draw.randint(0, 60))}
    for key in ("payment_id", "contact_id", "promise_id"):
        if key in row:
            own[key] = f"late-{row[key]}"
    if name == "statements":
        own["statement_on"] = row["statement_on"] - timedelta(days=4)
    if name == "inflows":
        own["month_on"] = row["month_on"].replace(day=2)
    return row | own
