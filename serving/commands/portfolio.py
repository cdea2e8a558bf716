"""Commands over event tables: simulate, ingest, check."""

from __future__ import annotations

from pathlib import Path

import click

from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, pipeline, tell
from serving.progress import steps
from serving.settings import read_settings


@click.command()
@click.option("--out", required=True, type=FOLDER, help="New or empty folder for the event tables and truth/.")
@click.option("--accounts", default=20_000, show_default=True, type=click.IntRange(1), help="How many accounts.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same bytes.")
@click.option("--world", default="base", show_default=True, help="Which world; see training/simulator/simulator.md.")
@click.option("--months", default=24, show_default=True, type=click.IntRange(4, 60), help="Months of history.")
@AS_JSON
def simulate(out: Path, accounts: int, seed: int, world: str, months: int, as_json: bool) -> None:
    """Write a portfolio whose truth is known.

    \b
    Example: scoring simulate --out data/local/demo --accounts 20000 --seed 1
    """
    settings = read_settings()
    with steps(None, quiet=as_json) as progress:
        pipeline("simulate")(
            out=out, accounts=accounts, seed=seed, world=world, months=months, workers=settings.threads,
            progress=lambda done, of: progress(f"{done} of {of} chunks of accounts"),
        )  # fmt: skip
    tell(
        {"out": str(out), "accounts": accounts, "seed": seed, "world": world},
        as_json,
        [f"{accounts:,} accounts of world {world} are in {out}."],
    )


@click.command()
@click.argument("source", type=click.Choice(["uci-credit-card"]))
@click.argument("csv", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="New or empty folder for the event tables.")
@AS_JSON
def ingest(source: str, csv: Path, out: Path, as_json: bool) -> None:
    """Turn a public file into event tables, with the safe time alignment.

    \b
    Example: scoring ingest uci-credit-card UCI_Credit_Card.csv --out data/local/uci
    """
    from scoring.portfolio.uci_credit_card import ingest_uci_credit_card

    notes = ingest_uci_credit_card(csv, out)
    tell({"source": source, "out": str(out), "notes": notes}, as_json, [*notes, f"The event tables are in {out}."])


@click.command()
@click.argument("folder", type=FOLDER)
@AS_JSON
def check(folder: Path, as_json: bool) -> None:
    """Report every data finding at once. Exit 1 when there is an error among them.

    \b
    Example: scoring check data/local/demo
    """
    from scoring.portfolio.checking import check as check_portfolio
    from scoring.portfolio.reading import read_portfolio

    settings = read_settings()
    findings = check_portfolio(read_portfolio(folder, threads=settings.threads))
    errors = sum(finding.severity == "error" for finding in findings)
    lines = []
    for finding in findings:
        examples = f" Examples: {', '.join(map(str, finding.examples))}." if finding.examples else ""
        lines.append(
            f"{finding.severity:<8} {finding.table:<12} {finding.code:<24} {finding.rows:>9,} rows. {finding.message}{examples}"
        )
    lines.append(f"{len(findings)} findings, {errors} of them errors." if findings else "No findings.")
    tell({"findings": [finding.as_dict() for finding in findings], "errors": errors}, as_json, lines)
    if errors:
        raise SystemExit(FINDINGS)
