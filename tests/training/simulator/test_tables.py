"""The tables that are written: complete, clean where they should be, damaged where that is the point."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from scoring.errors import AsOfError, BadRequestError, PortfolioError
from scoring.portfolio.checking import check, refuse_miscounted
from scoring.portfolio.reading import read_portfolio
from training.simulator import simulate, worlds

Simulated = Callable[..., Path]


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_request_writes_the_same_bytes(tmp_path: Path):
    one, two = (simulate(tmp_path / name, 300, seed=3, months=6) for name in ("one", "two"))

    assert fingerprints(one) == fingerprints(two)


def test_another_seed_writes_other_people(tmp_path: Path):
    one, two = (simulate(tmp_path / str(seed), 100, seed, months=4, truth_on=[]) for seed in (3, 4))

    assert fingerprints(one)["accounts.parquet"] != fingerprints(two)["accounts.parquet"]


def test_the_number_of_processes_does_not_change_a_byte(tmp_path: Path):
    alone, shared = (
        simulate(tmp_path / str(workers), 10_100, seed=3, months=4, truth_on=[], workers=workers) for workers in (1, 2)
    )

    assert fingerprints(alone) == fingerprints(shared)


def test_base_passes_the_data_check_without_a_finding(simulated: Simulated):
    assert check(read_portfolio(simulated(), threads=1)) == []


@pytest.mark.parametrize("world", ["lumpy", "unlogged", "cold"])
def test_other_worlds_pass_too(simulated: Simulated, world: str):
    assert check(read_portfolio(simulated(world), threads=1)) == []


def test_the_data_check_finds_every_planted_defect(simulated: Simulated):
    folder = simulated("dirty")
    planted = json.loads((folder / "truth" / "planted_defects.json").read_text())

    found = {(f.table, f.code): f for f in check(read_portfolio(folder, threads=1))}

    assert len(planted) == 22
    for defect in planted:
        finding = found.pop((defect["table"], defect["code"]))
        assert finding.rows == defect["rows"], defect["what"]
    # One damage shows twice: a missing minimum is also a gap in the account's history.
    assert list(found) == [("statements", "minimum_due_in_part")]


def test_a_dirty_world_is_neither_trained_on_nor_planned_for(simulated: Simulated):
    with pytest.raises(PortfolioError) as refused:
        refuse_miscounted(read_portfolio(simulated("dirty"), threads=1))

    assert refused.value.got == ["duplicate_key", "duplicate_key", "currency_mix"]
    assert "2 keys (account_id) of accounts" in refused.value.message and "scoring check" in refused.value.message


def test_a_cold_bank_has_no_contacts_and_no_inflows(simulated: Simulated):
    names = {path.stem for path in simulated("cold").glob("*.parquet")}

    assert names == {"accounts", "payments", "protected", "standings", "statements"}


def test_observed_tables_are_written_even_when_nothing_happened(tmp_path: Path):
    folder = simulate(tmp_path / "few", 3, seed=1, months=4, truth_on=[])

    assert pd.read_parquet(folder / "promises.parquet").columns[0] == "promise_id"
    assert (folder / "portfolio.toml").read_text().startswith("extract_on = 2026-09-30\n")


def test_nothing_in_the_tables_was_known_after_the_extract_day(simulated: Simulated):
    for path in simulated().glob("*.parquet"):
        table = pd.read_parquet(path)
        if "known_at" in table:
            assert (table["known_at"] < pd.Timestamp("2026-10-01")).all(), path.stem


def test_some_rows_are_known_late_and_some_payments_returned(simulated: Simulated):
    payments = pd.read_parquet(simulated() / "payments.parquet")
    lag = payments["known_at"] - payments["paid_at"]

    assert 0.02 < (lag > pd.Timedelta(days=1)).mean() < 0.04
    assert lag.max() < pd.Timedelta(days=10)
    assert 0.003 < payments["reversed_at"].notna().mean() < 0.02


def test_some_customers_own_two_accounts_and_some_live_in_another_time_zone(simulated: Simulated):
    accounts = pd.read_parquet(simulated() / "accounts.parquet")

    assert (accounts["customer_id"].value_counts() == 2).mean() == pytest.approx(0.08, abs=0.02)
    assert accounts["timezone"].value_counts(normalize=True)["Asia/Urumqi"] == pytest.approx(0.04, abs=0.02)


def test_contacts_keep_to_lawful_hours_in_both_time_zones(simulated: Simulated):
    contacts = pd.read_parquet(simulated() / "contacts.parquet").query("direction == 'outbound'")
    hour = contacts["contacted_at"].dt.hour

    # 08:00 to 22:00 by the clocks of Shanghai (UTC+8) and Urumqi (UTC+6).
    assert hour.min() >= 2 and hour.max() < 14


def test_the_life_of_an_account_leaves_its_marks(simulated: Simulated):
    folder = simulated(months=24)
    kinds = set(pd.read_parquet(folder / "standings.parquet")["kind"])
    payments = set(pd.read_parquet(folder / "payments.parquet")["kind"])

    assert kinds >= {
        "plan_signed", "plan_breached", "dispute_open", "fraud_suspected", "deceased", "adm_refused", "job_loss",
        "illness", "complaint_open", "charged_off", "own_number_invalid", "human_approval_visit",
        "human_approval_legal",
    }  # fmt: skip
    assert payments == {"voluntary", "autopay", "refund", "set_off", "write_off", "goodwill"}


def test_nobody_is_contacted_while_a_plan_is_kept(simulated: Simulated):
    folder = simulated(months=24)
    plans = pd.read_parquet(folder / "standings.parquet").query("kind == 'plan_signed'")
    contacts = pd.read_parquet(folder / "contacts.parquet").query("direction == 'outbound'")
    both = plans.merge(contacts, on="account_id")

    # From the day after the signing, and until the day before the plan ended.
    start = both["from_at"].dt.normalize() + pd.Timedelta(days=1)
    end = both["until_at"].fillna(pd.Timestamp("2027-01-01")).dt.normalize()
    assert len(plans) > 20
    assert not ((both["contacted_at"] >= start) & (both["contacted_at"] < end)).any()


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path):
    (tmp_path / "note.txt").write_text("mine")

    with pytest.raises(
        BadRequestError, match="not an empty folder, and a mixture of two portfolios would look like one"
    ):
        simulate(tmp_path, 10, seed=1)


@pytest.mark.parametrize(("accounts", "months"), [(0, 24), (10, 3), (10, 61)])
def test_sizes_out_of_range_are_refused(tmp_path: Path, accounts: int, months: int):
    with pytest.raises(BadRequestError, match=r"were asked for; .* Choose"):
        simulate(tmp_path / "new", accounts, seed=1, months=months)


def test_a_day_whose_window_is_not_simulated_is_refused(tmp_path: Path):
    with pytest.raises(AsOfError, match="The truth of 2026-09-20 was asked for, but it needs the day and the 30 days"):
        simulate(tmp_path / "new", 10, seed=1, truth_on=[date(2026, 9, 20)])


def test_a_portfolio_that_could_not_be_finished_leaves_nothing_behind(tmp_path: Path):
    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "new", 10, seed=1, months=4, truth_on=[], progress=stop)

    assert not (tmp_path / "new").exists()


def test_the_truth_can_be_asked_for_any_day(tmp_path: Path):
    folder = simulate(tmp_path / "new", 200, seed=1, months=6, truth_on=[date(2026, 8, 1)])

    assert set(pd.read_parquet(folder / "truth" / "accounts.parquet")["as_of"]) == {date(2026, 8, 1)}


def test_the_documentation_names_every_world_and_every_column_of_the_truth(simulated: Simulated):
    text = (Path(__file__).parents[3] / "training" / "simulator" / "simulator.md").read_text(encoding="utf-8")
    folder = simulated(accounts=300, months=6, truth=True) / "truth"
    columns = {name for table in ("accounts", "outcomes") for name in pd.read_parquet(folder / f"{table}.parquet")}

    assert [name for name in {*worlds(), *columns} if f"`{name}`" not in text] == []
