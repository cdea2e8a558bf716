"""Every position and feature again, event by event in plain Python: slow, obvious, and the judge of the SQL.

Rows are dicts as in the event tables, with `date` and `datetime` values. Nothing here is shared with `scoring.features`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]
GRACE = 3


def known_rows(tables: Tables, as_of: date) -> Tables:
    """What was known by the end of ``as_of``, table by table."""
    end = datetime.combine(as_of + timedelta(days=1), time())

    def seen(name: str, happened: Any) -> list[Row]:
        rows = tables.get(name, [])
        return [r for r in rows if happened(r) and (r.get("known_at") is None or r["known_at"] < end)]

    def with_return(row: Row) -> Row:
        back, heard = row.get("reversed_at"), row.get("reversal_known_at")
        is_known = back is not None and back < end and (heard is None or heard < end)
        return row | {"reversed_at": back if is_known else None}

    def with_end(row: Row) -> Row:
        until = row.get("until_at")
        return row | {"until_at": until if until is not None and until < end else None}

    return {
        "accounts": seen("accounts", lambda r: r["opened_on"] <= as_of),
        "statements": seen("statements", lambda r: r["statement_on"] <= as_of),
        "payments": [with_return(r) for r in seen("payments", lambda r: r["paid_at"] < end)],
        "contacts": seen("contacts", lambda r: r["contacted_at"] < end),
        "promises": seen("promises", lambda r: r["made_at"] < end),
        "standings": [with_end(r) for r in seen("standings", lambda r: r["from_at"] < end)],
        "inflows": seen("inflows", lambda r: _next_month(r["month_on"]) <= as_of),
    }


def _next_month(day: date) -> date:
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)


def is_qualifying(payment: Row) -> bool:
    return payment["kind"] in ("voluntary", "autopay") and payment["reversed_at"] is None


class Arrears:
    """The unpaid minimums of one account, oldest first; a payment never pays ahead."""

    def __init__(self) -> None:
        self.unpaid: list[list[Any]] = []  # [due_on, cents still unpaid]

    def bill(self, due_on: date, minimum: int) -> None:
        self.unpaid.append([due_on, minimum])

    def pay(self, cents: int) -> None:
        for entry in self.unpaid:
            part = min(entry[1], cents)
            entry[1] -= part
            cents -= part

    def open(self) -> list[tuple[date, int]]:
        return [(due_on, cents) for due_on, cents in self.unpaid if cents > 0]

    def dpd(self, day: date) -> int:
        return max((max((day - due_on).days, 0) for due_on, _ in self.open()), default=0)


def plain_features(tables: Tables, as_of: date) -> dict[str, tuple[Row, Row]]:
    """Positions and features of every account that has a statement known on ``as_of``."""
    known = known_rows(tables, as_of)
    by_account: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for name in ("statements", "payments", "contacts", "promises", "standings"):
        for row in known[name]:
            by_account[row["account_id"]][name].append(row)
    found = {}
    for account in known["accounts"]:
        history = by_account[account["account_id"]]
        if history["statements"]:
            inflows = [r for r in known["inflows"] if r["customer_id"] == account["customer_id"]]
            found[account["account_id"]] = _one(account, history, inflows, as_of, tables)
    return found


def _one(account: Row, history: dict[str, list[Row]], inflows: list[Row], as_of: date, tables: Tables) -> Any:
    cycles, arrears = _walk(history)
    position = _position(cycles, arrears, history["standings"], as_of)
    features: Row = {}
    features |= _arrears(cycles, arrears, position, account, as_of)
    features |= _payment_amounts(history["payments"], position, as_of)
    features |= _payment_cycles(cycles, as_of)
    features |= _dues(cycles, features, as_of)
    features |= _balances(cycles, position, account["credit_limit_cents"], as_of)
    features |= _spending(cycles, account["credit_limit_cents"], as_of)
    _blank_what_reaches_too_far_back(features, cycles[0]["statement_on"], account["opened_on"], as_of)
    features |= _promises(history["promises"], history["payments"], as_of, "promises" in tables)
    features |= _contacts(history["contacts"], as_of, "contacts" in tables)
    features |= _inflows(inflows, position, as_of)
    return position, features


def _blank_what_reaches_too_far_back(features: Row, first: date, opened: date, as_of: date) -> None:
    """A window longer than the history is absent, unless the first statement follows the opening within 62 days."""
    if (first - opened).days <= 62:
        return
    for name in features:
        for days in (180, 365):
            if name.endswith(f"_{days}d") and name != "n_statements_365d" and (as_of - first).days + 31 < days:
                features[name] = None


def _walk(history: dict[str, list[Row]]) -> tuple[list[Row], Arrears]:
    """Statements and qualifying payments in time order: what was unpaid when, and what was paid in which cycle."""
    events = [(datetime.combine(s["statement_on"], time()), 0, s) for s in history["statements"]]
    events += [(p["paid_at"], 1, p) for p in history["payments"] if is_qualifying(p)]
    cycles: list[Row] = []
    arrears = Arrears()
    for _, turn, row in sorted(events, key=lambda event: event[:2]):
        if turn == 0:
            arrears.bill(row["due_on"], row["minimum_due_cents"] or 0)
            dpd = row.get("reported_dpd") if row["minimum_due_cents"] is None else arrears.dpd(row["statement_on"])
            cycles.append(row | {"dpd": dpd, "paid": []})
        else:
            arrears.pay(row["amount_cents"])
            if cycles:
                cycles[-1]["paid"].append((row["paid_at"].date(), row["amount_cents"]))
    return cycles, arrears


def _position(cycles: list[Row], arrears: Arrears, standings: list[Row], as_of: date) -> Row:
    last = cycles[-1]
    minimum = last["minimum_due_cents"]
    overdue = [cents for due_on, cents in arrears.open() if due_on < as_of]
    holds = {row["kind"] for row in standings if row["until_at"] is None}
    if minimum is None:
        reported = last.get("reported_dpd") or 0
        dpd = reported + (as_of - last["statement_on"]).days if reported > 0 else 0
        cure = max(last["balance_cents"], 0)
        past_due = cure if dpd > 0 else 0
    else:
        dpd, past_due, cure = arrears.dpd(as_of), sum(overdue), sum(cents for _, cents in arrears.open())
    return {
        "dpd": dpd,
        "past_due_cents": past_due,
        "cure_amount_cents": cure,
        "n_unpaid_minimums": None if minimum is None else len(overdue),
        "last_minimum_due_cents": minimum,
        "balance_cents": last["balance_cents"],
        "statement_on": last["statement_on"],
        "is_charged_off": bool(holds & {"charged_off", "sold"}),
        "is_deceased": "deceased" in holds,
        "is_disputed": bool(holds & {"dispute_open", "fraud_suspected"}),
        "is_on_kept_plan": "plan_signed" in holds and "plan_breached" not in holds,
    }


def _ratio(top: int | None, bottom: int | None) -> float | None:
    return None if top is None or not bottom else top / bottom


def _total(values: Iterable[int | None]) -> int | None:
    """A sum that is absent where nothing was observed."""
    seen = [value for value in values if value is not None]
    return sum(seen) if seen else None


def _age(cycle: Row, as_of: date) -> int:
    return (as_of - cycle["statement_on"]).days


def _streak(holds: Iterable[bool]) -> int:
    length = 0
    for one in holds:
        if not one:
            break
        length += 1
    return length


def _arrears(cycles: list[Row], arrears: Arrears, position: Row, account: Row, as_of: date) -> Row:
    newest = cycles[::-1]
    dpds = [cycle["dpd"] for cycle in newest]
    before = [*dpds[1:], None]
    year = [(c, d, b) for c, d, b in zip(newest, dpds, before, strict=True) if _age(c, as_of) < 365]
    known = [d for _, d, _ in year if d is not None]
    found: Row = {
        "dpd": position["dpd"],
        "n_unpaid_minimums": position["n_unpaid_minimums"],
        "past_due_cents": position["past_due_cents"],
        "days_since_due": (as_of - cycles[-1]["due_on"]).days,
        "account_age_days": (as_of - account["opened_on"]).days,
        "past_due_cycles_365d": sum(d > 0 for d in known),
        "past_due_share_365d": _ratio(sum(d > 0 for d in known), len(known)),
        "past_due_streak_cycles": _streak(d is not None and d > 0 for d in dpds),
        "straight_roll_cycles": _streak(
            d is not None and b is not None and d >= b + 25 for d, b in zip(dpds, before, strict=True)
        ),
        "days_since_current_statement": min(
            (_age(c, as_of) for c, d in zip(newest, dpds, strict=True) if d == 0), default=None
        ),
        "cures_365d": sum(d == 0 and b is not None and b > 0 for _, d, b in year),
        "n_statements_365d": len(year),
    }
    recent = [d for c, d in zip(newest, dpds, strict=True) if _age(c, as_of) < 180]
    found["past_due_cycles_180d"] = sum(d is not None and d > 0 for d in recent)
    for place, name in enumerate(("dpd_at_last_statement", "dpd_1_cycle_ago", "dpd_2_cycles_ago")):
        found[name] = dpds[place] if place < len(dpds) else None
    for window in (90, 180, 365):
        inside = [d for c, d in zip(newest, dpds, strict=True) if d is not None and _age(c, as_of) < window]
        found[f"worst_dpd_{window}d"] = max(inside, default=None)
    return found


def _payment_amounts(payments: list[Row], position: Row, as_of: date) -> Row:
    paid = sorted((p["paid_at"].date(), p["amount_cents"], p["payment_id"]) for p in payments if is_qualifying(p))
    ages = [(as_of - day).days for day, _, _ in paid]
    cents = [amount for _, amount, _ in paid]
    gaps = [None] + [before - after for before, after in pairwise(ages)]
    found: Row = {}
    for window in (30, 90, 180, 365):
        inside = [c for c, age in zip(cents, ages, strict=True) if age < window]
        found[f"paid_cents_{window}d"], found[f"n_payments_{window}d"] = sum(inside), len(inside)
    earlier = sum(c for c, age in zip(cents, ages, strict=True) if 90 <= age < 180)
    year = [c for c, age in zip(cents, ages, strict=True) if age < 365]
    year_gaps = [gap for gap, age in zip(gaps, ages, strict=False) if gap is not None and age < 365]
    cure = position["cure_amount_cents"]
    autopays = [p for p in payments if is_qualifying(p) and p["kind"] == "autopay"]
    n_autopay = sum((as_of - p["paid_at"].date()).days < 365 for p in autopays)
    return found | {
        "days_since_last_payment": min(ages, default=None),
        "last_payment_cents": cents[-1] if cents else None,
        "last_payment_to_cure_ratio": _ratio(cents[-1] if cents else None, cure),
        "largest_payment_to_cure_ratio_365d": _ratio(max(year, default=None), cure),
        "paid_to_cure_ratio_90d": _ratio(found["paid_cents_90d"], cure),
        "payment_trend_90d": _ratio(found["paid_cents_90d"], earlier),
        "longest_payment_gap_days_365d": max(year_gaps, default=None),
        "mean_payment_gap_days_365d": _ratio(sum(year_gaps), len(year_gaps)),
        "payment_spread_ratio_365d": _ratio((max(year) - min(year)) * len(year), sum(year)) if year else None,
        "autopay_share_365d": _ratio(n_autopay, len(year)),
        **{
            f"n_reversals_{window}d": sum(
                p["reversed_at"] is not None and (as_of - p["reversed_at"].date()).days < window for p in payments
            )
            for window in (180, 365)
        },
        "other_credits_cents_180d": sum(
            p["amount_cents"]
            for p in payments
            if p["kind"] not in ("voluntary", "autopay") and (as_of - p["paid_at"].date()).days < 180
        ),
    }


def _payment_cycles(cycles: list[Row], as_of: date) -> Row:
    closed = cycles[:-1][::-1]  # newest first; the last cycle may still be paid
    sums = [sum(cents for _, cents in c["paid"]) for c in closed]
    asked = [max(c["balance_cents"], 0) for c in closed]
    rows = list(zip(closed, sums, asked, strict=True))
    year = [(c, paid, a) for c, paid, a in rows if a > 0 and _age(c, as_of) < 365]
    half = [(c, paid, a) for c, paid, a in rows if a > 0 and _age(c, as_of) < 180]
    quarter = [(paid, a) for c, paid, a in rows if _age(c, as_of) < 120]
    billed = [c for c, _, _ in year if c["minimum_due_cents"]]
    on_time = [
        c for c in billed if sum(cents for day, cents in c["paid"] if day <= c["due_on"]) >= c["minimum_due_cents"]
    ]
    first = [(min(day for day, _ in c["paid"]) - c["due_on"]).days for c, _, _ in year if c["paid"]]
    partial = [
        c
        for c, paid, _ in rows
        if _age(c, as_of) < 180 and c["paid"] and c["minimum_due_cents"] is not None and paid < c["minimum_due_cents"]
    ]

    def nth(values: list[Any], place: int) -> Any:
        return values[place] if place < len(values) else None

    return {
        "days_to_first_payment_last_cycle": (min(day for day, _ in closed[0]["paid"]) - closed[0]["statement_on"]).days
        if closed and closed[0]["paid"]
        else None,
        "mean_days_payment_to_due_365d": _ratio(sum(first), len(first)),
        "paid_by_due_share_365d": _ratio(len(on_time), len(billed)),
        "paid_cycle_share_180d": _ratio(sum(bool(c["paid"]) for c, _, _ in half), len(half)),
        "paid_cycle_share_365d": _ratio(sum(bool(c["paid"]) for c, _, _ in year), len(year)),
        "partial_cycles_180d": len(partial),
        "full_balance_share_365d": _ratio(sum(paid * 100 >= a * 95 for _, paid, a in year), len(year)),
        "paid_streak_cycles": _streak(bool(c["paid"]) for c in closed) if closed else None,
        "unpaid_streak_cycles": _streak(not c["paid"] for c in closed) if closed else None,
        "paid_to_balance_ratio_1_cycle": _ratio(nth(sums, 0), nth(asked, 0)),
        "paid_to_balance_ratio_2_cycles": _ratio(nth(sums, 1), nth(asked, 1)),
        "paid_to_balance_ratio_90d": _ratio(_total(paid for paid, _ in quarter), _total(a for _, a in quarter)),
        "paid_to_balance_ratio_365d": _ratio(_total(paid for _, paid, _ in year), _total(a for _, _, a in year)),
        "paid_cents_1_cycle": nth(sums, 0),
        "paid_cents_2_cycles": nth(sums, 1),
    }


def _dues(cycles: list[Row], features: Row, as_of: date) -> Row:
    return {
        f"paid_to_due_ratio_{window}d": _ratio(
            features[f"paid_cents_{window}d"],
            _total(c["minimum_due_cents"] for c in cycles if 0 <= (as_of - c["due_on"]).days < window),
        )
        for window in (90, 180, 365)
    }


def _balances(cycles: list[Row], position: Row, limit: int, as_of: date) -> Row:
    newest = cycles[::-1]
    at = {n: newest[n - 1]["balance_cents"] if n <= len(newest) else None for n in (1, 2, 3, 4)}
    half = [c["balance_cents"] for c in newest if _age(c, as_of) < 180]
    year = [c["balance_cents"] for c in newest if _age(c, as_of) < 365]
    cure = position["cure_amount_cents"]
    return {
        "balance_cents": at[1],
        "balance_cents_1_cycle_ago": at[2],
        "balance_cents_2_cycles_ago": at[3],
        "credit_limit_cents": limit,
        "utilisation": _ratio(at[1], limit),
        "utilisation_1_cycle_ago": _ratio(at[2], limit),
        "utilisation_change_90d": _ratio(None if at[4] is None else at[1] - at[4], limit),
        "mean_utilisation_180d": _ratio(_total(half), limit * len(half)),
        "highest_utilisation_365d": _ratio(max(year, default=None), limit),
        "over_limit_cycles_365d": sum(balance > limit for balance in year),
        "balance_trend_90d": _ratio(at[1], max(at[4] or 0, 0)),
        "cure_amount_cents": cure,
        "cure_to_limit_ratio": _ratio(cure, limit),
        "cure_to_balance_ratio": _ratio(cure, max(position["balance_cents"], 0)),
        "cure_to_minimum_ratio": _ratio(cure, position["last_minimum_due_cents"]),
        "last_minimum_due_cents": position["last_minimum_due_cents"],
    }


def _spending(cycles: list[Row], limit: int, as_of: date) -> Row:
    def seen(column: str, since: int, until: int) -> int | None:
        return _total(c.get(column) for c in cycles if since <= _age(c, as_of) < until)

    drawn = [c.get("cash_advances_cents") for c in cycles if _age(c, as_of) < 365]
    quarter = [c for c in cycles if _age(c, as_of) < 90]
    owing = _total(c["balance_cents"] for c in quarter if c["balance_cents"] > 0)
    charges = seen("interest_and_fees_cents", 0, 90)
    bought, advanced = seen("purchases_cents", 0, 180), seen("cash_advances_cents", 0, 180)
    return {
        "purchases_cents_1_cycle": cycles[-1].get("purchases_cents"),
        "purchases_cents_180d": bought,
        "purchases_to_limit_ratio_90d": _ratio(seen("purchases_cents", 0, 90), limit),
        "purchase_trend_90d": _ratio(seen("purchases_cents", 0, 90), seen("purchases_cents", 90, 180)),
        "cash_advance_share_180d": None if None in (bought, advanced) else _ratio(advanced, bought + advanced),
        "cash_advance_cycles_365d": _total(None if cents is None else int(cents > 0) for cents in drawn),
        "charges_to_balance_ratio_90d": _ratio(None if charges is None else charges * len(quarter), owing),
        "purchases_while_past_due_180d": _total(
            None if c.get("purchases_cents") is None or c["dpd"] is None else c["purchases_cents"] * (c["dpd"] > 0)
            for c in cycles
            if _age(c, as_of) < 180
        ),
    }


def _promises(promises: list[Row], payments: list[Row], as_of: date, is_observed: bool) -> Row:
    empty = 0 if is_observed else None
    judged = []
    for promise in promises:
        made_on, due_on = promise["made_at"].date(), promise["due_on"]
        last_on = due_on + timedelta(days=GRACE)
        paid = sum(
            p["amount_cents"] for p in payments if is_qualifying(p) and made_on <= p["paid_at"].date() <= last_on
        )
        judged.append((made_on, (as_of - last_on).days, promise["promised_cents"], paid))
    fell = [(age, paid * 100 >= cents * 90) for _, age, cents, paid in judged if age > 0]
    half = [kept for age, kept in fell if age < 180]

    def made(window: int) -> int | None:
        return sum((as_of - day).days < window for day, _, _, _ in judged) if judged else empty

    def broken(window: int) -> int | None:
        return sum(age < window and not kept for age, kept in fell) if judged else empty

    return {
        "n_promises_90d": made(90),
        "n_promises_365d": made(365),
        "kept_promise_rate_180d": _ratio(sum(half), len(half)),
        "broken_promises_90d": broken(90),
        "broken_promises_365d": broken(365),
        "days_since_last_promise": min(((as_of - day).days for day, _, _, _ in judged), default=None),
        "open_promised_cents": sum(cents for _, age, cents, _ in judged if age <= 0) if judged else empty,
    }


def _contacts(contacts: list[Row], as_of: date, is_observed: bool) -> Row:
    tried = [((as_of - c["contacted_at"].date()).days, c) for c in contacts]
    outbound = [(age, c) for age, c in tried if c["direction"] == "outbound"]
    calls = [(age, c["outcome"]) for age, c in outbound if c["channel"] in ("ai_voice", "agent_call")]
    messages = [(age, c["outcome"]) for age, c in outbound if c["channel"] in ("sms", "app_push", "email")]
    talks = [age for age, c in tried if c["outcome"] in ("conversation", "met")]

    def count(matches: Iterable[bool]) -> int | None:
        return sum(matches) if tried or is_observed else None

    def share(rows: list[tuple[int, str]], outcomes: tuple[str, ...], window: int) -> float | None:
        inside = [outcome for age, outcome in rows if age < window]
        return _ratio(sum(outcome in outcomes for outcome in inside), len(inside))

    return {
        "n_outbound_30d": count(age < 30 for age, _ in outbound),
        "n_outbound_90d": count(age < 90 for age, _ in outbound),
        "n_calls_30d": count(age < 30 for age, _ in calls),
        "n_conversations_90d": count(age < 90 for age in talks),
        "call_answer_share_90d": share(calls, ("conversation", "met"), 90),
        "message_read_share_90d": share(messages, ("read",), 90),
        "n_inbound_180d": count(age < 180 and c["direction"] == "inbound" for age, c in tried),
        "n_refused_365d": count(age < 365 and c["outcome"] == "refused" for age, c in tried),
        "not_connected_share_180d": share(calls, ("not_connected",), 180),
        "days_since_conversation": min(talks, default=None),
        "days_since_outbound": min((age for age, _ in outbound), default=None),
    }


def _inflows(inflows: list[Row], position: Row, as_of: date) -> Row:
    aged = [((as_of - row["month_on"]).days, row) for row in inflows]
    quarter = [row for age, row in aged if age < 123]
    earlier = [row["inflow_cents"] for age, row in aged if 123 <= age < 306]
    income = _total(row["inflow_cents"] for row in quarter)
    mean = _ratio(income, len(quarter))
    spare = [
        row["inflow_cents"] - row["essential_spend_cents"]
        for row in quarter
        if row.get("essential_spend_cents") is not None
    ]
    mean_spare = _ratio(sum(spare), len(spare))
    cure = position["cure_amount_cents"]
    return {
        "inflow_months_seen_180d": sum(age < 215 for age, _ in aged) if aged else None,
        "mean_inflow_cents_90d": mean,
        "inflow_trend_90d": _ratio(None if income is None else income * len(earlier), sum(earlier) * len(quarter)),
        "inflow_to_cure_ratio": None if mean is None or not cure else mean / cure,
        "spare_inflow_cents_90d": mean_spare,
        "spare_to_cure_ratio": None if mean_spare is None or not cure else mean_spare / cure,
    }
