"""Commands over the contact policy: check, approve, breaches, page."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import click

from scoring.errors import BadRequestError
from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, Day, tell
from serving.settings import read_settings


@click.command("policy-check")
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
    tell(report.as_dict(), as_json, [str(report)])
    if report.exit_code:
        raise SystemExit(FINDINGS)


@click.command("policy-approve")
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
    tell(asdict(approval), as_json, [f"{profile.name} is approved by {approver}: {approval}"])


@click.command("policy-breaches")
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
    tell({"profile": profile.name, "breaches": [asdict(breach) for breach in found]}, as_json, lines)
    if found:
        raise SystemExit(FINDINGS)


@click.command("policy-page")
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
