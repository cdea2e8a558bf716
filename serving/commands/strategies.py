"""Commands over strategies: judged on the log of decisions, promoted only through that gate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, pipeline, tell
from serving.progress import steps
from serving.settings import read_settings


@click.group()
def strategy() -> None:
    """How values and capacities become decisions: judge a strategy file on the log, make it the one that runs.

    \b
    Example: scoring strategy judge data/reference/strategy.toml data/local/demo
    """


@strategy.command()
@click.argument("file", type=FOLDER)
@click.argument("portfolio", type=FOLDER)
@AS_JSON
def judge(file: Path, portfolio: Path, as_json: bool) -> None:
    """What the portfolio's log of decisions says about a strategy FILE; nothing is changed. Exit 1 unless it passes.

    \b
    Example: scoring strategy judge data/reference/strategy.toml data/local/demo
    """
    with steps(None, quiet=as_json) as progress:
        verdict = pipeline("judge_strategy")(file, portfolio, home=read_settings().home, progress=progress)
    tell(verdict, as_json, _lines(file, verdict))
    if verdict["verdict"] != "passes":
        raise SystemExit(FINDINGS)


@strategy.command("promote")
@click.argument("file", type=FOLDER)
@click.argument("portfolio", type=FOLDER)
@click.option("--approver", required=True, help="Who answers for it.")
@AS_JSON
def promote_strategy(file: Path, portfolio: Path, approver: str, as_json: bool) -> None:
    """Register a strategy FILE, judge it, and make it the one that runs; refused (exit 1) unless the gate lets it pass.

    \b
    Example: scoring strategy promote data/reference/strategy.toml data/local/demo --approver "Li Wei"
    """
    home = read_settings().home
    with steps(None, quiet=as_json) as progress:
        done = pipeline("promote_strategy")(
            file, portfolio, home=home, approver=approver, promoted_at=datetime.now(UTC), progress=progress
        )
    pinned = f"Strategy version {done['version']} runs from the next plan on; the pin is {done['pin']}."
    tell(done, as_json, [*_lines(file, done["judged"]), pinned])


def _lines(file: Path, verdict: dict[str, Any]) -> list[str]:
    return [f"{file.name}: {verdict['verdict']}.", *verdict["reasons"]]
