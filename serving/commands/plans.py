"""Commands over plans: the nightly run, and what if."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from serving.commands.shared import AS_JSON, FOLDER, Day, tell
from serving.progress import steps
from serving.settings import read_settings


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--as-of", "as_of", required=True, type=Day(), help="What was known by the end of this day.")
@click.option("--capacity", type=FOLDER, help="YAML: channel -> contacts and/or minutes; left out means unlimited.")
@click.option(
    "--policy",
    help="Contact-policy profile, a name in data/policy or a file; default: the one for the portfolio's currency.",
)
@click.option(
    "--operations",
    type=FOLDER,
    help="YAML of facts that stand in no table, e.g. call_recording_on: true; unlisted is unknown.",
)
@click.option(
    "--strategy", "strategy_file", type=FOLDER, help="Strategy file; default: the promoted one, else data/reference."
)
@click.option(
    "--out", required=True, type=FOLDER, help="New folder, or an earlier plan's, which is replaced in one step."
)
@AS_JSON
def plan(
    folder: Path,
    as_of: date,
    capacity: Path | None,
    policy: str | None,
    operations: Path | None,
    strategy_file: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """The nightly run: scores, plan, ledger records, queue files.

    \b
    Example: scoring plan data/local/demo --as-of 2026-09-30 --capacity data/sample/capacity.yaml --out data/local/plan
    """
    from serving.nightly import run_plan

    settings = read_settings()
    with steps(9, quiet=as_json) as progress:
        run = run_plan(
            folder, as_of=as_of, out=out, home=settings.home, recorded_at=datetime.now(UTC), capacity_file=capacity,
            policy=policy, operations_file=operations, threads=settings.threads, progress=progress,
            ledger_place=settings.ledger_place, strategy_file=strategy_file,
        )  # fmt: skip
    used = {name: entry["used"] for name, entry in run.summary["capacities"].items() if entry["used"]}
    lines = [
        f"{run.summary['n_accounts']:,} accounts decided for {as_of}; queues are in {out}.",
        *(f"  {name:<14} {count:>8,}" for name, count in used.items()),
    ]
    said = run.summary["policy"]
    lines.append(
        f"Contact policy: {said['profile']} {said['version']} ({said['status']})."
        if said["profile"]
        else f"Warning: {said['note']}."
    )
    if run.already_recorded:
        lines.append("The ledger already held this very plan; nothing was written twice.")
    tell({**run.summary, "out": str(out), "already_recorded": run.already_recorded}, as_json, lines)


@click.command("what-if")
@click.argument("folder", type=FOLDER)
@click.option("--as-of", "as_of", required=True, type=Day(), help="What was known by the end of this day.")
@click.option("--capacity", required=True, type=FOLDER, help="YAML as for `plan`: what is varied.")
@click.option("--rule", "rules", multiple=True, help="Repeat: rules to price; default: all that close anything.")
@click.option("--policy", help="Contact-policy profile, as for `plan`.")
@click.option("--other-policy", "others", multiple=True, help="Repeat: a profile to judge the same day by.")
@click.option("--operations", type=FOLDER, help="YAML, as for `plan`.")
@click.option("--strategy", "strategy_file", type=FOLDER, help="Strategy file, as for `plan`.")
@click.option("--out", required=True, type=FOLDER, help="New folder, or an earlier answer's.")
@AS_JSON
def what_if(
    folder: Path,
    as_of: date,
    capacity: Path,
    rules: tuple[str, ...],
    policy: str | None,
    others: tuple[str, ...],
    operations: Path | None,
    strategy_file: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """What other capacities and rules would be worth: value curves, contacts avoided, the price of each rule and of an agent hour.

    Computed beside the plan: nothing is planned or recorded.

    \b
    Example: scoring what-if data/local/demo --as-of 2026-09-30 --capacity data/sample/capacity.yaml --out data/local/what_if
    """
    from serving.what_if import FILES, ask_what_if

    settings = read_settings()
    with steps(4, quiet=as_json) as progress:
        table = ask_what_if(
            folder, as_of=as_of, out=out, home=settings.home, capacity_file=capacity, policy=policy,
            operations_file=operations, strategy_file=strategy_file, rules=rules, other_policies=others,
            threads=settings.threads, progress=progress,
        )  # fmt: skip
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    tell({"as_of": as_of, "answers": rows, "out": str(out)}, as_json, [(out / FILES[1]).read_text(encoding="utf-8")])
