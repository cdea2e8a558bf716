"""Commands over models: train, promote, challenger, evaluate."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from serving.commands.shared import AS_JSON, FOLDER, Day, open_ledger, pipeline, tell
from serving.progress import steps
from serving.settings import read_settings


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--recipe", type=FOLDER, help="A recipe file; default: the portfolio's own, else training/recipes/default.toml."
)
@click.option("--as-of", "as_of", type=Day(), multiple=True, help="Repeat: the last day tests, the others train.")
@click.option("--operator", help="Who trains, for the record; default: the user of this machine.")
@AS_JSON
def train(folder: Path, recipe: Path | None, as_of: tuple[date, ...], operator: str | None, as_json: bool) -> None:
    """Train willingness and ability, evaluate on customers and a day never trained on, register the bundle.

    \b
    Example: scoring train data/local/demo
    """
    settings = read_settings()
    with steps(None, quiet=as_json) as progress:
        done = pipeline("train")(
            folder,
            home=settings.home,
            recipe=recipe,
            as_of=as_of,
            threads=settings.threads,
            operator=operator or getpass.getuser(),
            trained_at=datetime.now(UTC),
            progress=progress,
        )
    lines = [
        f"Trained on {', '.join(map(str, done.train_days))}; "
        f"tested on {done.test_day}, {done.figures['n']:,.0f} accounts never trained on.",
        "",
    ]
    lines += [f"{'figure':<26} {'mean of turns':>14} {'sd':>8} {'this bundle':>12}   95 % interval"]
    for name, value in done.figures.items():
        low, high = done.intervals.get(name, (float("nan"), float("nan")))
        lines.append(
            f"{name:<26} {value:>14.4f} {done.spreads.get(name, float('nan')):>8.4f} {done.own_figures[name]:>12.4f}"
            f"   {low:.4f} to {high:.4f}"
        )
    lines += ["", *(f"{finding.severity}: [{finding.gate}] {finding.message}" for finding in done.findings)]
    lines += [f"Registered as version {done.version}. Promote it with: scoring promote {done.version} --approver NAME"]
    facts = {
        "version": done.version, "run_id": done.run_id, "bundle_id": done.bundle_id, "test_day": done.test_day.isoformat(),
        "train_days": [day.isoformat() for day in done.train_days], "figures": done.figures, "spreads": done.spreads,
        "bundle_figures": done.own_figures, "bundle_by_bucket": done.figures_by_bucket, "bundle_intervals": done.intervals,
        "findings": [{"gate": f.gate, "severity": f.severity, "message": f.message} for f in done.findings],
    }  # fmt: skip
    tell(facts, as_json, lines)


@click.command()
@click.argument("version")
@click.option("--approver", required=True, help="Who answers for it.")
@click.option("--despite", help="Reason to promote over failed gates; it is recorded.")
@click.option(
    "--as", "role", type=click.Choice(["champion", "challenger"]), default="champion", show_default=True,
    help="A challenger is scored in shadow and decides nothing.",
)  # fmt: skip
@AS_JSON
def promote(version: str, approver: str, despite: str | None, role: str, as_json: bool) -> None:
    """Make a registered bundle the champion. VERSION is a number, or `challenger` for the newest.

    Failed gates refuse it (exit 1) unless a reason is given; a challenger's gates are told and refuse nothing.

    \b
    Example: scoring promote challenger --approver "Li Wei"
    """
    settings = read_settings()
    done = pipeline("promote")(
        version,
        home=settings.home,
        approver=approver,
        promoted_at=datetime.now(UTC),
        despite=despite,
        as_challenger=role == "challenger",
    )
    facts = {
        "role": role,
        "version": done.pin.version, "bundle_id": done.pin.bundle_id, "folder": str(settings.home / "bundles" / done.pin.folder),
        "approver": done.pin.approver, "approved_at": done.pin.approved_at, "findings": list(done.pin.findings),
        "card": None if done.card is None else str(done.card),
    }  # fmt: skip
    lines = [f"Version {done.pin.version} is {role}: {facts['folder']}", *done.pin.findings]
    lines += [] if done.card is None else [f"Model card, validation report and approval: {done.card}"]
    tell(facts, as_json, lines)


@click.group()
def challenger() -> None:
    """The bundle that is scored in shadow: what it would have done otherwise, and its end.

    \b
    Example: scoring challenger compare
    """


@challenger.command()
@AS_JSON
def compare(as_json: bool) -> None:
    """Sum up the shadow records of the ledger: how often the choice differs, by channel, and how far the scores lie apart.

    \b
    Example: scoring challenger compare
    """
    from scoring.ledger.shadow import SHADOW
    from scoring.ledger.shadow_summary import summarise

    found = summarise(record.body for record in open_ledger().records(kind=SHADOW))
    facts = [{"champion": one, "challenger": other, **told.facts()} for (one, other), told in found.items()]
    lines = [line for told in facts for line in _compared(told)]
    tell(
        {"compared": facts},
        as_json,
        lines or ["There are no shadow records: no challenger was pinned while decisions were made."],
    )


def _compared(told: dict[str, Any]) -> Iterator[str]:
    share = told["other_channel_share"]
    yield f"champion {told['champion'][:16]}, challenger {told['challenger'][:16]}"
    yield f"  {told['records']:,} decisions, {told['by_chance']:,} of them drawn by chance"
    if share is not None:
        yield f"  another channel: {share:.1%}; worth to the champion: {told['value_to_champion_cents'] / 100:,.2f}"
    for row in told["by_channel"]:
        to = f", mostly to {row['mostly_to']}" if row["mostly_to"] else ""
        yield f"  {row['channel']:<14} {row['decisions']:>8,} decisions, {row['elsewhere']:>8,} elsewhere{to}"
    for name, apart in told["mean_difference"].items():
        yield f"  {name:<14} {apart:+.4f} on average, {told['mean_distance'][name]:.4f} apart"


@challenger.command()
@AS_JSON
def retire(as_json: bool) -> None:
    """Take the challenger's pin away; its bundle and its records stay.

    \b
    Example: scoring challenger retire
    """
    from scoring.scores.pins import retire_challenger

    pin = retire_challenger(read_settings().home)
    lines = ["No challenger is pinned."] if pin is None else [f"Version {pin.version} is no longer scored in shadow."]
    tell({"retired": None if pin is None else pin.bundle_id}, as_json, lines)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--plan", "plan_folder", type=FOLDER, help="A folder written by `scoring plan` for this portfolio.")
@click.option(
    "--as-of", "as_of", type=Day(), help="A day of which the truth is told; default: the plan's, else the last."
)
@click.option("--capacity", type=FOLDER, help="Capacity file; default: what the plan used.")
@click.option("--out", type=FOLDER, help="Folder for the tables and the capture curve.")
@AS_JSON
def evaluate(
    folder: Path, plan_folder: Path | None, as_of: date | None, capacity: Path | None, out: Path | None, as_json: bool
) -> None:
    """What a plan is really worth on a simulated portfolio, against simple rules and the truth, at the same capacity.

    \b
    Example: scoring evaluate data/local/demo --plan data/local/plan --out data/local/evaluation
    """
    with steps(4, quiet=as_json) as progress:
        done = pipeline("evaluate")(
            folder,
            plan=plan_folder,
            as_of=as_of,
            capacity=capacity,
            out=out,
            progress=lambda at, of: progress(f"step {at} of {of}"),
        )
    facts = {
        "as_of": done.as_of.isoformat(), "bound_cents": done.bound_cents, "unmatched": done.unmatched,
        "rules": done.rules.to_dict("records"), "ceiling": done.ceiling.to_dict("records"),
    }  # fmt: skip
    amounts = "{:,.2f}".format
    rules = done.rules.to_string(index=False, float_format=amounts)
    tell(facts, as_json, [rules, "", done.ceiling.to_string(index=False)])
