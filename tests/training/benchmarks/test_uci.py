"""The UCI benchmark: what it reads, how it fails itself, and a reduced check of its figures on the real file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.errors import BadRequestError
from tests.portfolio.real_data import dataset
from training.benchmarks import uci
from training.benchmarks.uci_columns import DEMOGRAPHICS, RAW, TARGET, engineered_columns, read_wide


def wide(n: int = 200, seed: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    made = {name: draw.integers(-500, 50_000, n) for name in RAW}
    made |= {
        name: draw.integers(-2, 5, n) for name in RAW if name in ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")
    }
    return pd.DataFrame(made | {"LIMIT_BAL": draw.integers(1, 50, n) * 10_000, TARGET: draw.integers(0, 2, n)})


def judged(auc: float, overdue_auc: float, log_loss: float = 0.42, overdue_log_loss: float = 0.59) -> pd.DataFrame:
    rows = [
        {"way": uci.OURS, "population": "all", "auc": auc, "log_loss": log_loss},
        {"way": uci.OURS, "population": "overdue", "auc": overdue_auc, "log_loss": overdue_log_loss},
    ]
    return pd.DataFrame(rows)


def test_no_column_is_a_demographic_or_the_target() -> None:
    assert set(engineered_columns(wide()).columns).isdisjoint({*DEMOGRAPHICS, TARGET})


def test_columns_do_not_hang_on_the_demographics_or_the_target() -> None:
    plain = wide()
    other = plain.assign(**dict.fromkeys(DEMOGRAPHICS, 7), **{TARGET: 1 - plain[TARGET]})
    pd.testing.assert_frame_equal(engineered_columns(plain), engineered_columns(other))


def test_a_payment_is_set_against_the_bill_before_it() -> None:
    one = pd.DataFrame(
        {**{name: [0] for name in RAW}, "LIMIT_BAL": [1000], "BILL_AMT1": [900], "BILL_AMT2": [200], "PAY_AMT1": [50]}
    )
    assert engineered_columns(one)["paid_share_0"].tolist() == [0.25]


def test_an_account_gets_the_same_columns_alone_and_among_others() -> None:
    rows = wide(20)
    alone = pd.concat([engineered_columns(rows.iloc[[row]]) for row in range(20)])
    pd.testing.assert_frame_equal(engineered_columns(rows), alone)


def test_a_file_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    wide().drop(columns="PAY_3").to_csv(tmp_path / "file.csv", index=False)
    with pytest.raises(BadRequestError, match=r"lacks \['PAY_3'\]"):
        read_wide(tmp_path / "file.csv")


def test_reaching_every_aim_gives_no_finding() -> None:
    assert uci.findings(judged(0.789, 0.743)) == []


def test_every_aim_missed_is_found_at_once() -> None:
    found = uci.findings(judged(0.78, 0.73, 0.43, 0.61))
    assert [finding.figure for finding in found] == ["all auc", "overdue auc", "all log_loss", "overdue log_loss"]


def test_too_good_a_figure_is_a_leak() -> None:
    assert [finding.figure for finding in uci.findings(judged(0.801, 0.771))] == ["all auc leak", "overdue auc leak"]


def test_a_column_that_knows_the_answer_sets_off_the_alarm() -> None:
    rows = wide(600)
    default = rows[TARGET].to_numpy(dtype=np.float64)
    leaking = np.column_stack([default + np.random.default_rng(1).normal(0, 0.3, 600), rows["PAY_0"]]).astype(
        np.float32
    )
    data = uci.Data(leaking, leaking, default, (rows["PAY_0"] >= 1).to_numpy())
    found = uci.findings(uci.run(data, {uci.OURS: uci.as_it_comes}, folds=2))
    assert {"all auc leak", "overdue auc leak"} <= {finding.figure for finding in found}


def test_without_the_file_the_command_says_so_and_exits_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert uci.main([str(tmp_path / "nowhere.csv")]) == 2
    assert "UCI_Credit_Card.csv" in capsys.readouterr().err


@pytest.mark.real_data
@pytest.mark.slow
def test_two_folds_of_the_real_file_come_near_the_ceiling_and_stay_below_the_alarm() -> None:
    """A reduced check: half the file trains one member, no bag; the full run is the command."""
    data = uci.read_data(dataset(str(uci.FILE), "the UCI benchmark reaches its ceiling"))
    ways = {uci.OURS: partial(uci.one_member, member="shallow"), "WoE": uci.scorecard}
    summary = uci.summarised(uci.run(data, ways, folds=2))
    assert 0.780 <= summary[uci.OURS, "all"]["auc"][0] <= uci.LEAKS["all"]
    assert 0.730 <= summary[uci.OURS, "overdue"]["auc"][0] <= uci.LEAKS["overdue"]
    assert 0.760 <= summary["WoE", "all"]["auc"][0] < summary[uci.OURS, "all"]["auc"][0]
