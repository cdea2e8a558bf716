"""The console: every command of `scoring`, in the order in which they are used.

Exit codes: 0 done, 1 findings or failed gates, 2 bad usage or bad input with one clear message. Results go to stdout, progress
and errors to stderr. Training pipelines are found by entry point, so that serving never imports training.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from scoring.errors import BadRequestError, GateError, MissingToolError, ScoringError
from serving.progress import steps
from serving.settings import read_settings

DONE, FINDINGS, REFUSED = 0, 1, 2


class Day(click.ParamType[date]):
    """A calendar day, YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read a day, or fail with what was seen."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2025-05-01.", param, ctx)


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no progress.")
FOLDER = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="collections-scoring")
def cli() -> None:
    """Decide, for every overdue credit-card account, what to do next, in what order and why.

    State (ledger, MLflow store, bundles) lives under SCORING_HOME, default ./.scoring.

    \b
    A first run:
      scoring simulate --out data/local/demo --accounts 20000 --seed 1
      scoring check data/local/demo
      scoring train data/local/demo
      scoring promote challenger --approver "Your Name"
      scoring plan data/local/demo --as-of 2026-09-30 --out data/local/plan
      scoring serve
    """


@cli.command()
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
        _pipeline("simulate")(
            out=out, accounts=accounts, seed=seed, world=world, months=months, workers=settings.threads,
            progress=lambda done, of: progress(f"{done} of {of} chunks of accounts"),
        )  # fmt: skip
    _tell(
        {"out": str(out), "accounts": accounts, "seed": seed, "world": world},
        as_json,
        [f"{accounts:,} accounts of world {world} are in {out}."],
    )


@cli.command()
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
    _tell({"source": source, "out": str(out), "notes": notes}, as_json, [*notes, f"The event tables are in {out}."])


@cli.command()
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
    _tell({"findings": [finding.as_dict() for finding in findings], "errors": errors}, as_json, lines)
    if errors:
        raise SystemExit(FINDINGS)


@cli.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--recipe", type=FOLDER, help="A recipe file; default: the portfolio's own, else training/recipes/default.toml."
)
@click.option("--as-of", "as_of", type=Day(), multiple=True, help="Repeat: the last day tests, the others train.")
@AS_JSON
def train(folder: Path, recipe: Path | None, as_of: tuple[date, ...], as_json: bool) -> None:
    """Train willingness and ability, evaluate on customers and a day never trained on, register the bundle.

    \b
    Example: scoring train data/local/demo
    """
    settings = read_settings()
    with steps(None, quiet=as_json) as progress:
        done = _pipeline("train")(
            folder, home=settings.home, recipe=recipe, as_of=as_of, threads=settings.threads, progress=progress
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
    _tell(facts, as_json, lines)


@cli.command()
@click.argument("version")
@click.option("--approver", required=True, help="Who answers for it.")
@click.option("--despite", help="Reason to promote over failed gates; it is recorded.")
@AS_JSON
def promote(version: str, approver: str, despite: str | None, as_json: bool) -> None:
    """Make a registered bundle the champion. VERSION is a number, or `challenger` for the newest.

    Failed gates refuse it (exit 1) unless a reason is given.

    \b
    Example: scoring promote challenger --approver "Li Wei"
    """
    settings = read_settings()
    done = _pipeline("promote")(
        version, home=settings.home, approver=approver, promoted_at=datetime.now(UTC), despite=despite
    )
    facts = {
        "version": done.pin.version, "bundle_id": done.pin.bundle_id, "folder": str(settings.home / "bundles" / done.pin.folder),
        "approver": done.pin.approver, "approved_at": done.pin.approved_at, "findings": list(done.pin.findings),
    }  # fmt: skip
    lines = [f"Version {done.pin.version} is champion: {facts['folder']}", *done.pin.findings]
    _tell(facts, as_json, lines)


@cli.command()
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
    "--out", required=True, type=FOLDER, help="New folder, or an earlier plan's, which is replaced in one step."
)
@AS_JSON
def plan(
    folder: Path,
    as_of: date,
    capacity: Path | None,
    policy: str | None,
    operations: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """The nightly run: scores, plan, ledger records, queue files.

    \b
    Example: scoring plan data/local/demo --as-of 2026-09-30 --capacity data/sample/capacity.yaml --out data/local/plan
    """
    from serving.nightly import run_plan

    settings = read_settings()
    with steps(7, quiet=as_json) as progress:
        run = run_plan(
            folder, as_of=as_of, out=out, home=settings.home, recorded_at=datetime.now(UTC), capacity_file=capacity,
            policy=policy, operations_file=operations, threads=settings.threads, progress=progress,
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
    _tell({**run.summary, "out": str(out), "already_recorded": run.already_recorded}, as_json, lines)


@cli.command()
@click.option("--host", help="Default: SCORING_HOST or 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: SCORING_PORT or 3000.")
def serve(host: str | None, port: int | None) -> None:
    """Start the BentoML service on the promoted bundle and the current plan.

    \b
    Example: scoring serve --port 3000
    """
    from dataclasses import replace

    from serving.serve import serve as start

    settings = read_settings()
    start(replace(settings, host=host or settings.host, port=port or settings.port))


@cli.command()
@click.argument("decision_id")
@click.option("--lang", type=click.Choice(["en", "zh", "both"]), default="both", show_default=True)
@click.option(
    "--audience", type=click.Choice(["compliance", "collector", "customer"]), default="compliance", show_default=True
)
def explain(decision_id: str, lang: str, audience: str) -> None:
    """One decision in words, read from its record. English and Chinese unless one is asked for.

    \b
    Example: scoring explain 0b54a1f2-... --lang zh --audience collector
    """
    from scoring.explanations import explain as worded

    record = _ledger().get(decision_id)
    click.echo(
        "\n\n".join(
            worded(record, lang=one, audience=audience) for one in (("en", "zh") if lang == "both" else (lang,))
        )
    )


@cli.command()
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
        done = _pipeline("evaluate")(
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
    _tell(facts, as_json, [rules, "", done.ceiling.to_string(index=False)])


@cli.command()
@click.option("--head", help="The last head kept elsewhere (SEQ:HASH): finds a cut tail and a rewritten chain.")
@AS_JSON
def verify(head: str | None, as_json: bool) -> None:
    """Check the ledger: every broken link, edit, gap and duplicate at once. Exit 1 when there is one.

    \b
    Example: scoring verify
    """
    from scoring.ledger.record import Head
    from scoring.ledger.verify import verify as verify_ledger

    ledger = _ledger()
    findings = verify_ledger(ledger, Head.parse(head) if head else None)
    now = ledger.head()
    lines = [f"[{finding.code}] {finding.message}" for finding in findings]
    lines.append(f"{len(findings)} findings." if findings else f"{now.seq:,} records verified; head {now}")
    _tell({"findings": [finding.as_dict() for finding in findings], "head": str(now)}, as_json, lines)
    if findings:
        raise SystemExit(FINDINGS)


@cli.command("policy-check")
@click.argument("cases", type=FOLDER)
@click.option(
    "--profile-dir", type=FOLDER, help="Folder with <profile>.yaml files; default: the project's data/policy."
)
@AS_JSON
def policy_check(cases: Path, profile_dir: Path | None, as_json: bool) -> None:
    """Run contact-policy situations against their expected verdicts. Exit 1 when one differs.

    \b
    Example: scoring policy-check tests/scenarios/contact_policy/cn_bank_card.yaml
    """
    from scoring.policy.cases import run_cases

    report = run_cases(cases, profile_dir)
    _tell(report.as_dict(), as_json, [str(report)])
    if report.exit_code:
        raise SystemExit(FINDINGS)


@cli.command("policy-approve")
@click.argument("profile", type=FOLDER)
@click.option("--approver", required=True, help="The compliance officer who answers for it.")
@AS_JSON
def policy_approve(profile: Path, approver: str, as_json: bool) -> None:
    """Approve a contact-policy profile as it stands: its hash, the name and the day go into the register beside it.

    \b
    Example: scoring policy-approve data/policy/cn_bank_card.yaml --approver "Wang Fang"
    """
    from scoring.policy.approving import approve_profile

    approval = approve_profile(profile, approver, datetime.now(UTC).date())
    _tell(asdict(approval), as_json, [f"{profile.name} is approved by {approver}: {approval}"])


@cli.command("policy-breaches")
@click.argument("folder", type=FOLDER)
@click.option("--since", required=True, type=Day(), help="Contacts made from this day on are judged.")
@click.option(
    "--as-of", "as_of", required=True, type=Day(), help="What was known by the end of this day, late rows included."
)
@click.option("--policy", help="Profile; default: the one for the portfolio's currency.")
@click.option("--operations", type=FOLDER, help="YAML of facts that stand in no table.")
@AS_JSON
def policy_breaches(
    folder: Path, since: date, as_of: date, policy: str | None, operations: Path | None, as_json: bool
) -> None:
    """Contacts that broke a cap or cooldown, as rows that came late now show. Exit 1 when there is one.

    \b
    Example: scoring policy-breaches data/local/demo --since 2026-09-01 --as-of 2026-09-30
    """
    from scoring.decisions.lawfulness import find_profile, read_operations
    from scoring.policy import late_breaches
    from scoring.portfolio.reading import read_portfolio

    portfolio = read_portfolio(folder, threads=read_settings().threads)
    profile = find_profile(policy, portfolio.currency)
    if profile is None:
        raise BadRequestError(
            f"There is no profile for {portfolio.currency}. Name one with --policy.", field="policy", got=None
        )
    known_at = datetime.combine(as_of + timedelta(days=1), time(), tzinfo=UTC)
    begun_at = datetime.combine(since, time(), tzinfo=UTC)
    found = late_breaches(portfolio, profile, begun_at, known_at, read_operations(operations))
    lines = [*map(str, found), f"{len(found)} breaches under {profile.name} {profile.version}."]
    _tell({"profile": profile.name, "breaches": [asdict(breach) for breach in found]}, as_json, lines)
    if found:
        raise SystemExit(FINDINGS)


@cli.command("policy-page")
@click.option("--out", required=True, type=FOLDER, help="Markdown file to write.")
@click.option(
    "--profile-dir", type=FOLDER, help="Folder with <profile>.yaml files; default: the project's data/policy."
)
def policy_page(out: Path, profile_dir: Path | None) -> None:
    """Write the page that lists every contact rule in plain words.

    \b
    Example: scoring policy-page --out data/policy/contact_policy.md
    """
    from scoring.policy.page import write_page
    from scoring.policy.profile import load_profile
    from scoring.resources import data_folder

    files = sorted((profile_dir or data_folder() / "policy").glob("*.yaml"))
    profiles = [load_profile(path) for path in files if "schema: contact-policy/" in path.read_text(encoding="utf-8")]
    write_page(profiles, out)
    click.echo(f"{len(profiles)} profiles are in {out}.")


@cli.command()
@click.option(
    "--accounts", default=100_000, show_default=True, type=click.IntRange(1_000), help="Invented accounts for the plan."
)
@AS_JSON
def bench(accounts: int, as_json: bool) -> None:
    """Speed and memory on this machine: the nightly run on invented accounts, and exact contributions beside LightGBM's own.

    \b
    Example: scoring bench --accounts 100000
    """
    from serving.bench import measure, report

    measured = measure(read_settings().home, accounts)
    _tell(measured.as_dict(), as_json, report(measured))


def _ledger() -> Any:
    from scoring.ledger.store import Ledger

    path = read_settings().ledger_path
    if not path.is_file():
        raise BadRequestError(
            f"There is no ledger at {path}. Run `scoring plan` first, or set SCORING_HOME.",
            field="SCORING_HOME",
            got=str(path),
        )
    return Ledger.open(path, read_only=True)


def _pipeline(name: str) -> Callable[..., Any]:
    """A training pipeline by its entry point."""
    found = [entry for entry in entry_points(group="scoring.pipelines") if entry.name == name]
    if not found:
        raise MissingToolError(
            f"The training pipeline {name!r} is not installed here. Run `make install`.", field="pipeline", got=name
        )
    loaded: Callable[..., Any] = found[0].load()
    return loaded


def _tell(facts: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str) if as_json else "\n".join(lines))


def main() -> None:
    """Run the console; turn every error into one message and an exit code."""
    try:
        cli(standalone_mode=False)
    except ScoringError as refusal:
        _refuse(refusal.as_dict())
        raise SystemExit(FINDINGS if isinstance(refusal, GateError) else REFUSED) from None
    except click.ClickException as usage:
        usage.show()
        raise SystemExit(REFUSED) from None
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped; nothing half written remains in use. Run the command again.", err=True)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(DONE) from None
    except Exception as defect:  # the outermost edge: a defect of ours becomes a message, the trace only on request
        if os.environ.get("SCORING_DEBUG"):
            traceback.print_exc()
        _refuse(
            {
                "code": "internal_error",
                "message": f"This is a defect of the program, not of your input ({type(defect).__name__}). "
                "Set SCORING_DEBUG=1 to see where, and report it.",
                "field": None, "got": None, "expected": None,
            }
        )  # fmt: skip
        raise SystemExit(REFUSED) from None


def _refuse(body: dict[str, Any]) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps(body, ensure_ascii=False, default=str), err=True)
    else:
        click.echo(f"error [{body['code']}]: {body['message']}", err=True)


if __name__ == "__main__":
    main()
