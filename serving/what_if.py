"""What if, for a portfolio: the morning is prepared as for a plan, questions are asked about it, and a table, a page and a picture written.

Nothing is recorded and no plan is made: the ledger is not even opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.decisions.account_events import account_events
from scoring.decisions.capacity import read_capacity
from scoring.decisions.lawfulness import find_profile, lawfulness, read_operations
from scoring.decisions.on_file import on_file
from scoring.decisions.strategy import with_effects
from scoring.decisions.strategy_pin import strategy_in_force
from scoring.decisions.timing import timing
from scoring.decisions.what_if import (
    AS_IT_IS,
    CAPACITY,
    MINUTES,
    ONE_MORE_HOUR,
    POLICY,
    RULE,
    Asked,
    what_if,
)
from scoring.errors import BadRequestError
from scoring.features.builder import build
from scoring.portfolio.checking import refuse_miscounted
from scoring.portfolio.reading import read_portfolio
from scoring.scores.pins import load_champion
from scoring.scores.scores import score
from scoring.vocabulary import Channel
from serving.nightly import DUCKDB_MEMORY, refuse_other_currency

matplotlib.use("Agg")
FILES: Final = ("what_if.csv", "what_if.md", "what_if.png")
_CENTS: Final = 100.0


def ask_what_if(
    folder: Path,
    *,
    as_of: date,
    out: Path,
    home: Path,
    capacity_file: Path,
    policy: str | None = None,
    operations_file: Path | None = None,
    strategy_file: Path | None = None,
    rules: Sequence[str] = (),
    other_policies: Sequence[str] = (),
    threads: int = 2,
    progress: Callable[[str], None] = lambda message: None,
) -> pd.DataFrame:
    """Ask about one day of a portfolio, and write ``what_if.csv``, ``what_if.md`` and ``what_if.png``.

    Parameters
    ----------
    rules : sequence of str
        Rules to price; empty for every rule that closes anything.
    other_policies : sequence of str
        Profiles to judge the same day by, names or files.

    Returns
    -------
    DataFrame
        See `scoring.decisions.what_if.what_if`.

    Raises
    ------
    BadRequestError
        ``bad_request``: ``out`` holds something else than an earlier answer.
    """
    _refuse_foreign(out)
    capacity, operations = read_capacity(capacity_file), read_operations(operations_file)
    strategy = strategy_in_force(home, strategy_file)
    bundle = with_effects(load_champion(home)[1], strategy)
    progress("reading the portfolio")
    portfolio = read_portfolio(folder, threads=threads, memory_limit=DUCKDB_MEMORY)
    refuse_miscounted(portfolio)
    refuse_other_currency(portfolio, bundle)
    progress("features and scores")
    scores = score(bundle, build(portfolio, as_of), threads=threads)
    ids = scores.table["account_id"].to_numpy(dtype=object)
    progress("contact policy")
    profile = find_profile(policy, portfolio.currency)
    judged = {
        name: None if found is None else lawfulness(portfolio, found, operations, ids.tolist(), as_of)
        for name, found in [("", profile), *((name, find_profile(name, "")) for name in other_policies)]
    }
    lawful = judged.pop("")
    events = account_events(portfolio, ids, as_of)
    facts = on_file(portfolio, events, scores.frame.positions, capacity[Channel.AGENT_CALL].slots, profile)
    progress("questions")
    asked = Asked(
        scores, bundle.definition, capacity, lawful=lawful, events=events, when=timing(events), facts=facts,
        strategy=strategy,
    )  # fmt: skip
    others = {name: found for name, found in judged.items() if found is not None}
    table = what_if(asked, rules=list(rules) or None, others=others)
    write_answers(table, out, as_of=as_of, currency=portfolio.currency, n_accounts=len(ids))
    return table


def write_answers(table: pd.DataFrame, out: Path, *, as_of: date, currency: str, n_accounts: int) -> None:
    """Write the table, the page and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / FILES[0], index=False, lineterminator="\n")
    (out / FILES[1]).write_text(page(table, as_of, currency, n_accounts), encoding="utf-8")
    figure(table, as_of, currency).savefig(out / FILES[2], dpi=120)


def page(table: pd.DataFrame, as_of: date, currency: str, n_accounts: int) -> str:
    """The answers as Markdown, in major units of the currency.

    Examples
    --------
    >>> now = {"kind": "as_it_is", "what": "", "value_cents": 100_000, "change_cents": 0.0, "contacts": 5}
    >>> now |= {"agent_minutes": 30.0, "price_cents": 500.0}
    >>> print(page(pd.DataFrame([now]), date(2026, 9, 30), "CNY", 20).splitlines()[2])
    20 accounts, CNY. As it is: value 1,000 from 5 contacts, 30 agent minutes; one more agent hour is worth 5.
    """
    now = table[table["kind"] == AS_IT_IS].iloc[0]
    lines = [
        f"# What if, {as_of}",
        "",
        f"{n_accounts:,} accounts, {currency}. As it is: value {_money(now['value_cents'])} from {int(now['contacts']):,} contacts, "
        f"{now['agent_minutes']:,.0f} agent minutes; one more agent hour is worth {_money(now['price_cents'])}.",
        "",
        "Values are gains less costs less harm that the optimiser reaches when all capacity is shared out by value, without the reserve "
        "for exploration. Computed only: nothing here was planned or recorded, and a rule that is lifted here still holds. A rule of "
        "price 0 closes nothing of worth, or does not stand alone: what is held for a death, a dispute or a kept plan stays held.",
        "",
    ]
    lines += _section(
        table, ONE_MORE_HOUR, "One more agent hour", ("offered", "change_cents", "price_cents", "contacts_change")
    )
    lines += _section(
        table, MINUTES, "Agent minutes", ("factor", "offered", "value_cents", "change_cents", "contacts_change")
    )
    lines += _section(
        table, CAPACITY, "Capacity of other channels",
        ("what", "factor", "offered", "value_cents", "change_cents", "contacts_change"),
    )  # fmt: skip
    by_price = (
        table.sort_values(["change_cents", "what"], ascending=[False, True], kind="stable") if len(table) else table
    )
    lines += _section(
        by_price, RULE, "Price of each rule: value with it lifted",
        ("what", "change_cents", "n_closed", "n_forbidden", "contacts_change"),
    )  # fmt: skip
    lines += _section(
        table, POLICY, "Another contact policy", ("what", "value_cents", "change_cents", "contacts_change")
    )
    return "\n".join(lines) + "\n"


_HEADINGS: Final = {
    "what": "", "factor": "times", "offered": "offered", "value_cents": "value", "change_cents": "change of value",
    "price_cents": "by its dual price", "contacts_change": "change of contacts", "n_closed": "accounts it closes a channel for",
    "n_forbidden": "contacts it avoids",
}  # fmt: skip


def _section(table: pd.DataFrame, kind: str, title: str, columns: tuple[str, ...]) -> list[str]:
    rows = table[table["kind"] == kind]
    if not len(rows):
        return []
    lines = [
        f"## {title}",
        "",
        "| " + " | ".join(_HEADINGS[name] for name in columns) + " |",
        "|" + " --- |" * len(columns),
    ]
    lines += ["| " + " | ".join(_cell(name, row[name]) for name in columns) + " |" for _, row in rows.iterrows()]
    return [*lines, ""]


def _cell(name: str, value: Any) -> str:
    if name == "what":
        return str(value)
    return f"{value:g}" if name == "factor" else _money(value) if name.endswith("_cents") else f"{value:,.0f}"


def _money(cents: float) -> str:
    return f"{cents / _CENTS:,.0f}"


def figure(table: pd.DataFrame, as_of: date, currency: str) -> Figure:
    """Value over agent minutes and over the capacity of each channel, and the price of each rule."""
    drawn = Figure(figsize=(12.0, 4.4), layout="constrained")
    minutes, channels, rules = drawn.subplots(1, 3)
    now = float(table.loc[table["kind"] == AS_IT_IS, "value_cents"].iloc[0]) / _CENTS
    _curve(
        minutes, table[table["kind"] == MINUTES].assign(factor=lambda rows: rows["offered"]), now, "agent minutes a day"
    )
    given = table[table["kind"] == MINUTES]
    if len(given):
        minutes.axvline(float((given["offered"] / given["factor"]).iloc[-1]), color="0.6", linewidth=0.8, linestyle=":")
    _curve(channels, table[table["kind"] == CAPACITY], now, "times the capacity of the day")
    if len(given) and (table["kind"] == CAPACITY).any():
        channels.sharey(minutes)
    minutes.set_ylabel(f"value of the day, {currency}")
    priced = table[(table["kind"] == RULE) & (table["change_cents"].abs() >= 1)].nlargest(12, "change_cents")[::-1]
    rules.barh(priced["what"], priced["change_cents"] / _CENTS, color="C3")
    rules.set_xlabel(f"value with the rule lifted, {currency}")
    rules.tick_params(axis="y", labelsize=7)
    if not len(priced):
        rules.set_xticks([])
        rules.set_yticks([])
        rules.text(0.5, 0.5, "no rule has a price here", ha="center", transform=rules.transAxes, color="0.4")
    for axes, title in ((minutes, "agents"), (channels, "other channels"), (rules, "price of each rule")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    drawn.suptitle(f"What if, {as_of}: computed only, nothing planned", fontsize=11)
    return drawn


def _curve(axes: Axes, rows: pd.DataFrame, now: float, label: str) -> None:
    """One line a channel; the day as it is dotted."""
    for what, own in rows.groupby("what"):
        at = own.sort_values("factor")
        axes.plot(at["factor"], at["value_cents"] / _CENTS, marker="o", markersize=3, label=str(what))
    axes.axhline(now, color="0.6", linewidth=0.8, linestyle=":", label="as it is")
    axes.set_xlabel(label)
    if len(rows):
        axes.legend(frameon=False, fontsize=7)


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier answer; a plan's folder above all."""
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - set(FILES)):
        raise BadRequestError(
            f"--out {out} holds files that are no answers to what if, so it is left alone. Name a new or empty folder.",
            field="out",
            got=str(out),
        )
