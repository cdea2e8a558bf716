"""Nothing that was not known by the end of ``as_of`` moves a bit of any feature or position."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import AsOfError
from scoring.features.builder import build
from scoring.portfolio.contracts import contracts
from scoring.portfolio.inline import inline_table
from scoring.portfolio.reading import read_portfolio
from tests.features.building import bits, frame_of, portfolio_of
from tests.features.plain_reference import Tables, known_rows
from tests.features.random_portfolios import AS_OF, EXTRACT_ON, is_unknown, random_tables, unknown_changes

portfolios = st.builds(random_tables, st.randoms(use_true_random=False), st.integers(1, 3))


def first_statement(tables: Tables) -> date:
    return min((row["statement_on"] for row in tables["statements"]), default=date.max)


@pytest.mark.parametrize("seed", range(4))
def test_changing_adding_or_deleting_what_was_not_known_changes_nothing(seed: int):
    tables = random_tables(Random(seed), 120)
    changed = unknown_changes(Random(seed + 100), tables)

    assert changed != tables
    assert bits(frame_of(changed)) == bits(frame_of(tables))


@settings(max_examples=15, deadline=None)
@given(portfolios, st.randoms(use_true_random=False))
def test_no_change_to_what_was_not_known_can_be_seen(tables: Tables, draw: Random):
    if first_statement(tables) <= AS_OF:
        assert bits(frame_of(unknown_changes(draw, tables))) == bits(frame_of(tables))


@pytest.mark.parametrize("seed", range(2))
def test_deleting_everything_unknown_changes_nothing(seed: int):
    tables = random_tables(Random(seed), 120)
    known = {name: [row for row in rows if not is_unknown(name, row)] for name, rows in tables.items()}

    assert sum(map(len, known.values())) < sum(map(len, tables.values()))
    assert bits(frame_of(known)) == bits(frame_of(tables))


def test_a_longer_history_never_changes_an_earlier_day():
    tables = random_tables(Random(3), 120)
    earlier = AS_OF - timedelta(days=45)
    known_then = {name: rows for name, rows in known_rows(tables, earlier).items() if name in tables}

    assert bits(frame_of(known_then, earlier)) == bits(frame_of(tables, earlier))


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_rows_does_not_matter(seed: int):
    tables = random_tables(Random(seed), 120)
    shuffle = Random(seed + 1).sample
    shuffled = {name: shuffle(rows, len(rows)) for name, rows in tables.items()}

    assert bits(frame_of(shuffled)) == bits(frame_of(tables))


def test_one_account_alone_gives_the_same_bits_as_inside_the_portfolio():
    tables = random_tables(Random(5), 60)
    whole = bits(frame_of(tables))

    for account_id in sorted(whole)[:8]:
        customers = {r["customer_id"] for r in tables["accounts"] if r["account_id"] == account_id}
        alone = {
            name: [
                r
                for r in rows
                if r.get("account_id", account_id) == account_id and r.get("customer_id") in (None, *customers)
            ]
            for name, rows in tables.items()
        }
        assert bits(frame_of(alone)) == {account_id: whole[account_id]}


def test_one_thread_and_four_give_the_same_bits(tmp_path: Path):
    tables = random_tables(Random(6), 1_500)
    for name, rows in tables.items():
        pq.write_table(inline_table(contracts()[name], rows), tmp_path / f"{name}.parquet", row_group_size=1_024)
    (tmp_path / "portfolio.toml").write_text(f"extract_on = {EXTRACT_ON}\n", encoding="utf-8")

    one, four = (build(read_portfolio(tmp_path, threads=n), AS_OF, min_dpd=0) for n in (1, 4))

    assert bits(one) == bits(four)
    assert bits(one) == bits(frame_of(tables))


# --- days the data cannot answer for ---


def test_a_day_before_the_first_statement_is_refused():
    tables = random_tables(Random(5), 20)
    first = first_statement(tables)

    with pytest.raises(AsOfError, match=f"lies before the data: the first statement is of {first}"):
        build(portfolio_of(tables), first - timedelta(days=1))


def test_a_portfolio_without_a_statement_is_refused():
    with pytest.raises(AsOfError, match="there is no statement at all"):
        build(portfolio_of({"accounts": [], "statements": [], "payments": []}), AS_OF)


def test_a_day_more_than_a_week_after_the_extract_is_refused(tmp_path: Path):
    tables = random_tables(Random(5), 20)
    for name, rows in tables.items():
        pq.write_table(inline_table(contracts()[name], rows), tmp_path / f"{name}.parquet")
    (tmp_path / "portfolio.toml").write_text(f"extract_on = {EXTRACT_ON}\n", encoding="utf-8")
    portfolio = read_portfolio(tmp_path, threads=1)

    assert len(build(portfolio, EXTRACT_ON + timedelta(days=7), min_dpd=0))
    with pytest.raises(AsOfError, match=f"more than 7 days after the extract of {EXTRACT_ON}"):
        build(portfolio, EXTRACT_ON + timedelta(days=8))
