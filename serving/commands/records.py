"""Commands over the ledger: explain, verify."""

from __future__ import annotations

from pathlib import Path

import click

from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, open_ledger, tell
from serving.settings import read_settings


@click.command()
@click.argument("decision_id")
@click.option("--lang", type=click.Choice(["en", "zh", "both"]), default="both", show_default=True)
@click.option(
    "--audience", type=click.Choice(["compliance", "collector", "customer"]), default="compliance", show_default=True
)
@click.option("--html", type=FOLDER, help="Write one page with its charts to this file instead; --lang en or zh.")
def explain(decision_id: str, lang: str, audience: str, html: Path | None) -> None:
    """One decision in words, read from its record. English and Chinese unless one is asked for.

    \b
    Example: scoring explain 0b54a1f2-... --lang zh --audience collector
    """
    from scoring.explanations import explain as worded
    from scoring.explanations import page_html

    record = open_ledger().get(decision_id)
    if html is not None:
        html.write_text(page_html(record, lang="en" if lang == "both" else lang, audience=audience), encoding="utf-8")
        click.echo(f"The page is in {html}.")
        return
    click.echo(
        "\n\n".join(
            worded(record, lang=one, audience=audience) for one in (("en", "zh") if lang == "both" else (lang,))
        )
    )


@click.command()
@click.option("--head", help="The last head kept elsewhere (SEQ:HASH): finds a cut tail and a rewritten chain.")
@click.option("--anchor", type=FOLDER, help="A file of signed heads, kept elsewhere (`scoring anchor`).")
@click.option("--public-key", type=FOLDER, help="The key that signed them; default: the one under SCORING_HOME/keys.")
@AS_JSON
def verify(head: str | None, anchor: Path | None, public_key: Path | None, as_json: bool) -> None:
    """Check the ledger: every broken link, edit, gap and duplicate at once. Exit 1 when there is one.

    \b
    Example: scoring verify --anchor /mnt/worm/ledger-heads.jsonl --public-key /mnt/worm/ledger-public.pem
    """
    from scoring.ledger.anchors import read_anchors
    from scoring.ledger.heads import PUBLIC_KEY
    from scoring.ledger.heads import public_key as read_public_key
    from scoring.ledger.record import Head
    from scoring.ledger.verify import verify as verify_ledger

    ledger, settings = open_ledger(), read_settings()
    findings = verify_ledger(
        ledger,
        Head.parse(head) if head else None,
        anchors=read_anchors(anchor) if anchor else (),
        key=read_public_key(public_key or settings.home / "keys" / PUBLIC_KEY) if anchor else None,
        processes=settings.threads,
    )
    now = ledger.head()
    lines = [f"[{finding.code}] {finding.message}" for finding in findings]
    lines.append(f"{len(findings)} findings." if findings else f"{now.seq:,} records verified; head {now}")
    tell({"findings": [finding.as_dict() for finding in findings], "head": str(now)}, as_json, lines)
    if findings:
        raise SystemExit(FINDINGS)
