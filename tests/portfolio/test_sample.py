"""The committed sample is the generated one, and every bucket and table is in it."""

from datetime import date
from pathlib import Path

from scoring.portfolio.checking import check
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import read_portfolio
from tests.portfolio.sample_portfolio import MIDDLE, write_sample

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


def test_the_committed_sample_is_the_generated_one_to_the_byte(tmp_path: Path):
    write_sample(tmp_path)

    by_hand = {"capacity.yaml", "operations.yaml"}  # for `scoring plan`, beside the tables
    assert {path.name: path.read_bytes() for path in SAMPLE.iterdir() if path.name not in by_hand} == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }


def test_the_sample_holds_every_table_and_passes_the_check():
    sample = read_portfolio(SAMPLE)

    assert sample.observed == set(contracts())
    assert (sample.extract_on, sample.currency) == (date(2025, 6, 30), "CNY")
    assert check(sample) == []


def test_the_middle_day_has_a_full_window_after_it():
    assert MIDDLE.toordinal() + 30 + 10 < read_portfolio(SAMPLE).extract_on.toordinal()
