"""The invented sample under ``data/sample``: thirty accounts over thirteen months, the same to the byte on every run.

Run as a script to write it again: ``python tests/portfolio/sample_portfolio.py``. Nobody in it exists. On 2025-05-01
every bucket is occupied; the last accounts tell special stories (a cure, a returned payment, a plan, a dispute,
hardship, a death).
"""

# ruff: noqa: DTZ001  instants are UTC without zone, as in the event tables.
from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

FIRST_MONTH = date(2024, 6, 1)
EXTRACT_ON = date(2025, 6, 30)
MIDDLE = date(2025, 5, 1)
N_ACCOUNTS = 30
Row = dict[str, Any]


def sample_tables() -> dict[str, list[Row]]:
    """Every contract table of the sample, as rows."""
    tables: dict[str, list[Row]] = {name: [] for name in ("accounts", "statements", "payments")}
    tables |= {
        name: [] for name in ("contacts", "assignments", "promises", "standings", "consents", "inflows", "protected")
    }
    for number in range(N_ACCOUNTS):
        _account(number, random.Random(20250501 + number), tables)
    _stories(tables)
    _customers(tables)
    return tables


def write_sample(folder: Path) -> None:
    """The sample as CSV files and ``portfolio.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in sample_tables().items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
    settings = f'extract_on = {EXTRACT_ON}\nsource     = "invented sample"\ncurrency   = "CNY"\n'
    (folder / "portfolio.toml").write_text(settings, encoding="utf-8")


def _account(number: int, draw: random.Random, tables: Mapping[str, list[Row]]) -> None:
    account = f"A{number + 1:04d}"
    limit = draw.choice([1_000_000, 2_000_000, 5_000_000])
    opened = date(2019, 1, 10) + timedelta(days=97 * number % 1500)
    tables["accounts"].append(
        {
            "account_id": account,
            "customer_id": _customer(number),
            "product": draw.choice(["classic", "gold"]),
            "opened_on": opened,
            "credit_limit_cents": limit,
            "currency": "CNY",
            "region": draw.choice(["east", "north", "south"]),
            "timezone": "Asia/Shanghai",
            "channel_addresses": draw.choice(
                ["sms,agent_call", "sms,app_push,email,agent_call,letter", "sms,email,letter"]
            ),
            "known_at": datetime.combine(opened, time(9)),
        }
    )
    balance, arrears = limit // 2, 0
    for month in range(13):
        cut = _month(month).replace(day=3 + number % 24)
        if cut > EXTRACT_ON:
            break
        purchases = _purchases(number, cut, limit, draw)
        fees = balance * 15 // 1000 if arrears else 0
        balance += purchases + fees
        minimum = min(balance, max(10_000, balance // 20))
        due = cut + timedelta(days=20)
        tables["statements"].append(
            {
                "account_id": account,
                "statement_on": cut,
                "due_on": due,
                "balance_cents": balance,
                "minimum_due_cents": minimum,
                "purchases_cents": purchases,
                "cash_advances_cents": 0,
                "interest_and_fees_cents": fees,
                "known_at": datetime.combine(cut, time(2)),
            }
        )
        paid = min(balance, _paid(number, due, arrears + minimum, balance, draw))
        if paid and due <= EXTRACT_ON:
            _pay(account, number, month, due - timedelta(days=draw.randint(0, 6)), paid, tables)
        elif due < EXTRACT_ON - timedelta(days=12):
            _work(account, number, due + timedelta(days=draw.randint(2, 9)), draw, tables)
        balance -= paid
        arrears = max(0, arrears + minimum - paid)


def _purchases(number: int, cut: date, limit: int, draw: random.Random) -> int:
    return draw.randint(1, 8) * limit // 100 if cut < _stops_on(number) else 0


def _paid(number: int, due: date, required: int, balance: int, draw: random.Random) -> int:
    """In full, a little more than required, or, from the day it stops, nothing; now and then a token."""
    if due >= _stops_on(number):
        return 6_000 if draw.random() < 0.15 else 0
    return balance if number % 5 == 0 else required + draw.randint(0, 20) * 1_000


def _stops_on(number: int) -> date:
    """Six good payers; then eighteen that stopped one to six months before the middle day, three in each bucket."""
    if number < 6:
        return date(2099, 1, 1)
    return MIDDLE - timedelta(days=30 * ((number - 6) // 3 % 6) + 25 + number % 3)


def _pay(account: str, number: int, month: int, day: date, amount: int, tables: Mapping[str, list[Row]]) -> None:
    paid_at = datetime.combine(day, time(1 + number % 14, 30))
    tables["payments"].append(
        {
            "payment_id": f"P-{account}-{month:02d}",
            "account_id": account,
            "paid_at": paid_at,
            "amount_cents": amount,
            "kind": "autopay" if number % 4 == 0 else "voluntary",
            "reversed_at": None,
            "reversal_known_at": None,
            "known_at": paid_at + timedelta(hours=6),
        }
    )


def _work(account: str, number: int, day: date, draw: random.Random, tables: Mapping[str, list[Row]]) -> None:
    """A decision of the historical policy, the contact it led to, and now and then a promise."""
    channel = draw.choice(["none", "sms", "agent_call", "ai_voice", "letter"])
    decided_at = datetime.combine(day, time(1))
    decision = f"D-{account}-{day:%Y%m%d}"
    tables["assignments"].append(
        {
            "assignment_id": decision,
            "account_id": account,
            "decided_at": decided_at,
            "channel": channel,
            "propensity": 0.2,
            "policy_id": "uniform-sample",
            "lawful_channels": "none,sms,agent_call,ai_voice,letter",
            "is_exploration": True,
            "is_holdout": False,
            "known_at": decided_at,
        }
    )
    if channel == "none":
        return
    is_call = channel in {"agent_call", "ai_voice"}
    outcome = draw.choice(["conversation", "no_answer", "no_answer", "busy"]) if is_call else "sent"
    contacted_at = decided_at + timedelta(hours=2, minutes=draw.randint(0, 300))
    tables["contacts"].append(
        {
            "contact_id": f"K-{decision[2:]}",
            "account_id": account,
            "contacted_at": contacted_at,
            "channel": channel,
            "direction": "outbound",
            "outcome": outcome,
            "recipient": "debtor" if outcome == "conversation" else None,
            "number_ref": f"N-{account}-1",
            "minutes": 6.5 if outcome == "conversation" else (1.0 if is_call else 0.0),
            "cost_cents": {"sms": 5, "letter": 250}.get(channel, 120),
            "decision_id": decision,
            "propensity": 0.2,
            "known_at": contacted_at + timedelta(minutes=15),
        }
    )
    if outcome == "conversation":
        tables["promises"].append(
            {
                "promise_id": f"R-{decision[2:]}",
                "account_id": account,
                "made_at": contacted_at,
                "promised_cents": 10_000 * draw.randint(1, 9),
                "due_on": day + timedelta(days=10),
                "channel": channel,
                "known_at": contacted_at + timedelta(minutes=15),
            }
        )


def _stories(tables: Mapping[str, list[Row]]) -> None:
    """What happened to the last accounts."""
    _cure("A0025", tables)
    returned = next(row for row in reversed(tables["payments"]) if row["account_id"] == "A0026")
    returned["reversed_at"] = returned["paid_at"] + timedelta(days=3)
    returned["reversal_known_at"] = returned["paid_at"] + timedelta(days=4)
    for account, kind, start, end in (
        ("A0022", "own_number_invalid", datetime(2025, 4, 2, 3), None),
        ("A0027", "plan_signed", datetime(2025, 4, 10, 6), None),
        ("A0028", "dispute_open", datetime(2025, 4, 20, 2), datetime(2025, 5, 25, 8)),
        ("A0029", "hardship", datetime(2025, 3, 15, 7), None),
        ("A0029", "job_loss", datetime(2025, 3, 15, 7), None),
        ("A0030", "deceased", datetime(2025, 4, 5, 1), None),
    ):
        tables["standings"].append(
            {
                "account_id": account,
                "kind": kind,
                "from_at": start,
                "until_at": end,
                "evidence_ref": f"E-{account}-{kind}",
                "known_at": start + timedelta(hours=4),
            }
        )
    for account, kind, channel, withdrawn in (
        ("A0007", "opt_out", "email", None),
        ("A0011", "opt_out", "sms", datetime(2025, 5, 12, 4)),
        ("A0016", "night_contact", "agent_call", None),
    ):
        tables["consents"].append(
            {
                "account_id": account,
                "kind": kind,
                "channel": channel,
                "given_at": datetime(2025, 2, 11, 5),
                "withdrawn_at": withdrawn,
                "evidence_ref": f"E-{account}-{kind}",
                "known_at": datetime(2025, 2, 11, 5),
            }
        )


def _cure(account: str, tables: Mapping[str, list[Row]]) -> None:
    owed = [row for row in tables["statements"] if row["account_id"] == account][-1]["balance_cents"]
    _pay(account, 1, 99, date(2025, 5, 14), owed // 2, tables)


def _customers(tables: Mapping[str, list[Row]]) -> None:
    for number in sorted({int(row["customer_id"][1:]) - 1 for row in tables["accounts"]}):
        draw = random.Random(9_000 + number)
        customer = f"C{number + 1:04d}"
        tables["protected"].append(
            {"customer_id": customer, "sex": draw.choice(["female", "male"]), "birth_year": draw.randint(1955, 2002)}
        )
        if number % 2:
            continue
        usual = draw.randint(40, 150) * 10_000
        for month in range(12):
            month_on = _month(month)
            inflow = usual * draw.randint(80, 120) // 100
            tables["inflows"].append(
                {
                    "customer_id": customer,
                    "month_on": month_on,
                    "inflow_cents": inflow // 5 if customer == "C0029" and month_on >= date(2025, 2, 1) else inflow,
                    "essential_spend_cents": usual * 6 // 10,
                    "known_at": datetime.combine(_month(month + 1), time(3)) + timedelta(days=1),
                }
            )


def _customer(number: int) -> str:
    """Account 30 belongs to the customer of account 1; otherwise one each."""
    return "C0001" if number == N_ACCOUNTS - 1 else f"C{number + 1:04d}"


def _month(place: int) -> date:
    months = FIRST_MONTH.month - 1 + place
    return date(FIRST_MONTH.year + months // 12, months % 12 + 1, 1)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_rows(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """A copy that a test may change."""
    return {name: [dict(row) for row in rows] for name, rows in tables.items()}


if __name__ == "__main__":
    write_sample(Path(__file__).resolve().parents[2] / "data" / "sample")
