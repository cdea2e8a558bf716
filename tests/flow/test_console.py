"""The console tells what is wrong in one message, exits 2, and leaves nothing half written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.flow.conftest import Line


def console(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `scoring` in a process of its own, as a user does."""
    command = [sys.executable, "-m", "serving.console", *words]
    return subprocess.run(
        command, env={**os.environ, "SCORING_HOME": str(home), "SCORING_THREADS": "1"}, capture_output=True, text=True
    )


@pytest.fixture
def broken(line: Line, tmp_path: Path) -> Path:
    """A copy of the portfolio that a test may spoil."""
    return shutil.copytree(line.portfolio, tmp_path / "broken", ignore=shutil.ignore_patterns("truth"))


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for text in says:
        assert text in done.stderr, done.stderr


def test_a_missing_table_is_named(line: Line, broken: Path, tmp_path: Path) -> None:
    (broken / "statements.parquet").unlink()
    done = console("plan", str(broken), "--as-of", str(line.as_of), "--out", str(tmp_path / "o"), home=line.home)
    refused(done, "bad_portfolio", "statements")
    assert not (tmp_path / "o").exists()


def test_a_wrong_type_is_named_with_an_example(line: Line, broken: Path, tmp_path: Path) -> None:
    statements = pd.read_parquet(broken / "statements.parquet")
    statements["balance_cents"] = (
        statements["balance_cents"].astype(str).replace(statements["balance_cents"].astype(str).iloc[0], "twelve")
    )
    statements.to_parquet(broken / "statements.parquet")
    done = console("plan", str(broken), "--as-of", str(line.as_of), "--out", str(tmp_path / "o"), home=line.home)
    refused(done, "bad_portfolio", "balance_cents", "twelve")
    assert not (tmp_path / "o").exists()


def test_an_as_of_before_the_data_is_refused_with_the_first_day(line: Line, tmp_path: Path) -> None:
    done = console("plan", str(line.portfolio), "--as-of", "2001-01-01", "--out", str(tmp_path / "o"), home=line.home)
    refused(done, "as_of_out_of_range", "first statement")
    assert not (tmp_path / "o").exists()


def test_a_day_that_is_no_day_is_bad_usage(line: Line, tmp_path: Path) -> None:
    refused(
        console("plan", str(line.portfolio), "--as-of", "2025-02-30", "--out", str(tmp_path / "o"), home=line.home),
        "is not a day",
    )


def test_without_a_promoted_bundle_the_plan_says_how_to_get_one(line: Line, tmp_path: Path) -> None:
    done = console(
        "plan", str(line.portfolio), "--as-of", str(line.as_of), "--out", str(tmp_path / "o"), home=tmp_path / "empty"
    )
    refused(done, "not_ready", "scoring promote")
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "empty" / "ledger.db").exists()


def test_a_bundle_changed_by_one_byte_is_refused_and_nothing_is_recorded(line: Line, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(line.home / "bundles", home / "bundles")
    model = next((home / "bundles").glob("*/willingness.txt"))
    model.write_bytes(model.read_bytes()[:-1] + b" ")
    done = console("plan", str(line.portfolio), "--as-of", str(line.as_of), "--out", str(tmp_path / "o"), home=home)
    refused(done, "bundle_mismatch", "willingness.txt")
    assert not (tmp_path / "o").exists() and not (home / "ledger.db").exists()


def test_a_folder_that_is_no_plan_is_left_alone(line: Line, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("do not delete")
    refused(
        console("plan", str(line.portfolio), "--as-of", str(line.as_of), "--out", str(mine), home=line.home),
        "not a plan",
    )
    assert (mine / "thesis.txt").read_text() == "do not delete"


def test_an_unknown_channel_in_the_capacity_file_is_named(line: Line, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("fax: {contacts: 3}\n")
    done = console(
        "plan",
        str(line.portfolio),
        "--as-of",
        str(line.as_of),
        "--capacity",
        str(tmp_path / "c.yaml"),
        "--out",
        str(tmp_path / "o"),
        home=line.home,
    )
    refused(done, "bad_capacity", "fax")


def test_errors_for_machines_have_the_one_json_shape(line: Line, tmp_path: Path) -> None:
    done = console("check", str(tmp_path / "nowhere"), "--json", home=line.home)
    assert done.returncode == 2
    assert set(json.loads(done.stderr)) == {"code", "message", "field", "got", "expected"}


def test_findings_exit_with_1_and_are_all_reported(line: Line, broken: Path) -> None:
    payments = pd.read_parquet(broken / "payments.parquet")
    payments.loc[0, "amount_cents"] = -5
    payments.loc[1, "kind"] = "gift"
    payments.to_parquet(broken / "payments.parquet")
    done = console("check", str(broken), "--json", home=line.home)
    assert done.returncode == 1
    assert {"out_of_range", "unknown_kind"} <= {finding["code"] for finding in json.loads(done.stdout)["findings"]}


def test_every_command_has_help_with_an_example(line: Line) -> None:
    listed = console("--help", home=line.home).stdout.split("Commands:")[1]
    for command in [
        row.split()[0] for row in listed.strip().splitlines() if row.startswith("  ") and not row.startswith("   ")
    ]:
        assert "Example: scoring" in console(command, "--help", home=line.home).stdout, command


def test_a_late_row_that_shows_a_broken_cap_is_reported_as_a_breach(line: Line, broken: Path) -> None:
    one = pd.read_parquet(broken / "contacts.parquet").iloc[:1]
    at = pd.Timestamp("2026-09-10 03:00:00")
    texts = pd.concat([one] * 2, ignore_index=True).assign(
        contact_id=["LATE-1", "LATE-2"],
        contacted_at=[at, at + pd.Timedelta(hours=2)],
        channel="sms",
        direction="outbound",
        outcome="sent",
        known_at=[at + pd.Timedelta(days=3), at + pd.Timedelta(hours=2)],
    )
    kept = pd.read_parquet(broken / "contacts.parquet")
    pd.concat([kept[kept["account_id"] != one["account_id"].iloc[0]], texts]).to_parquet(broken / "contacts.parquet")

    done = console(
        "policy-breaches", str(broken), "--since", "2026-09-10", "--as-of", "2026-09-30", "--json", home=line.home
    )

    assert done.returncode == 1, done.stderr
    found = [b for b in json.loads(done.stdout)["breaches"] if b["account_id"] == one["account_id"].iloc[0]]
    assert [(breach["rule"], breach["counter"], breach["limit"], breach["was_known"]) for breach in found] == [
        ("H-CN-CAP-SMS", 1, 1, False)
    ]
