"""Commands over the ledger: anchoring, replay, evidence, people's records, erasure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from serving.commands.shared import AS_JSON, FINDINGS, FOLDER, Day, open_ledger, tell
from serving.settings import read_settings


def _keys() -> Path:
    return read_settings().home / "keys"


@click.command("ledger-key")
@AS_JSON
def ledger_key(as_json: bool) -> None:
    """Make the key that signs tree heads: private (mode 0600) and public half, under SCORING_HOME/keys.

    \b
    Example: scoring ledger-key
    """
    from scoring.ledger.heads import PUBLIC_KEY, make_key

    made = make_key(_keys())
    lines = [f"Key {made} is made. Give {_keys() / PUBLIC_KEY} to whoever checks; keep the other file for yourself."]
    tell({"key_id": made, "public_key": str(_keys() / PUBLIC_KEY)}, as_json, lines)


@click.command()
@click.argument("file", type=FOLDER)
@click.option("--key", type=FOLDER, help="Private key; default: the one under SCORING_HOME/keys.")
@AS_JSON
def anchor(file: Path, key: Path | None, as_json: bool) -> None:
    """Sign the head of the ledger and add it to FILE, which belongs where the ledger's owner cannot write.

    \b
    Example: scoring anchor /mnt/worm/ledger-heads.jsonl
    """
    from scoring.ledger.anchors import anchor as add_anchor
    from scoring.ledger.heads import PRIVATE_KEY, signing_key

    head = add_anchor(open_ledger(), file, signing_key(key or _keys() / PRIVATE_KEY), datetime.now(UTC))
    tell(head.as_dict(), as_json, [f"{head.size:,} records anchored under root {head.root.hex()[:16]}..."])


@click.command()
@click.argument("decision_ids", nargs=-1)
@click.option("--batch", help="Replay every decision of a batch, named by its run id.")
@AS_JSON
def replay(decision_ids: tuple[str, ...], batch: str | None, as_json: bool) -> None:
    """Compute decisions again from their records and the archived bundle. Exit 1 where something differs.

    \b
    Example: scoring replay 4db71d69-6839-82fd-a152-3f38a1a271f2
    """
    from scoring.ledger.replay import TAKEN_AS_GIVEN
    from scoring.ledger.replay import replay as replay_decisions
    from serving.archive import archived_bundles, archived_tables

    if bool(decision_ids) == bool(batch):
        raise click.UsageError("Name decisions, or one batch with --batch.")
    settings = read_settings()
    found = replay_decisions(
        open_ledger(),
        list(decision_ids) or None,
        archived_bundles(settings.home),
        archived_tables(settings.home),
        batch_id=batch,
        threads=settings.threads,
    )
    wrong = [one for one in found if not one.is_exact]
    lines = [f"{one.decision_id}: {line}" for one in wrong[:50] for line in _replay_lines(one)]
    given = sorted({name for one in found for name in one.taken_as_given})
    lines += [f"taken as given: {name} ({TAKEN_AS_GIVEN[name]})" for name in given]
    lines.append(f"{len(found):,} decisions replayed, {len(found) - len(wrong):,} exact, {len(wrong):,} not.")
    tell(
        {
            "replayed": len(found),
            "exact": len(found) - len(wrong),
            "others": [o.as_dict() for o in wrong],
            "taken_as_given": given,
        },
        as_json,
        lines,
    )
    if wrong:
        raise SystemExit(FINDINGS)


def _replay_lines(one: Any) -> list[str]:
    if one.refusal:
        return [f"not replayed: {one.refusal}"]
    told = [f"{d.path} was {d.recorded!r}, comes out as {d.recomputed!r}" for d in one.differences[:20]]
    return [*told, *(f"known: {cause}" for cause in one.causes)]


@click.command()
@click.argument("decision_id")
@click.option("--out", required=True, type=FOLDER, help="The zip file to write.")
@click.option("--audience", type=click.Choice(["compliance", "customer"]), default="compliance", show_default=True)
@click.option("--by", default="console", show_default=True, help="Who takes it out; recorded.")
def evidence(decision_id: str, out: Path, audience: str, by: str) -> None:
    """One decision as a file that a third party can check: record, proof, policy, model card, explanation, verifier.

    \b
    Example: scoring evidence 4db71d69-6839-82fd-a152-3f38a1a271f2 --out decision.zip
    """
    from scoring.ledger.heads import PRIVATE_KEY
    from scoring.ledger.human import access
    from serving.evidence import evidence_bundle

    settings, key, now = read_settings(), _keys() / PRIVATE_KEY, datetime.now(UTC)
    ledger = open_ledger(writing=True)
    access(ledger, decision_id, by=by, purpose=f"evidence for {audience}", recorded_at=now)
    content = evidence_bundle(
        ledger, decision_id, home=settings.home, audience=audience, key=key if key.is_file() else None, at=now
    )
    out.write_bytes(content)
    click.echo(f"{out} written, {len(content):,} bytes. Check it with: python verifier.py {out.name}")


@click.command()
@click.argument("decision_id")
@click.option("--to", required=True, help="The channel instead, or none.")
@click.option("--by", required=True, help="Who decides.")
@click.option("--second", help="Who agrees; needed for a harsher channel.")
@click.option("--reason-code", required=True)
@click.option("--reason", default="", help="In your own words; sealed.")
def override(decision_id: str, to: str, by: str, second: str | None, reason_code: str, reason: str) -> None:
    """Do otherwise than was decided, and say why. Two persons for a harsher channel.

    \b
    Example: scoring override 4db71d69-... --to none --by s17 --reason-code illness
    """
    from scoring.errors import BadRequestError
    from scoring.ledger.human import override as record_override
    from scoring.vocabulary import Channel

    if to not in {str(channel) for channel in Channel}:
        raise BadRequestError(f"{to!r} is not a channel.", field="to", got=to, expected=[str(c) for c in Channel])
    written = record_override(
        open_ledger(writing=True), decision_id, to=Channel(to), by=by, second=second, reason_code=reason_code,
        reason=reason, recorded_at=datetime.now(UTC),
    )  # fmt: skip
    click.echo(f"Recorded as {written.record_id}.")


@click.command("request")
@click.argument("decision_id")
@click.argument("kind", type=click.Choice(["explanation", "human_review", "refuse_automated", "correction"]))
@click.option("--received-on", type=Day(), help="Default: today (UTC).")
@click.option("--text", default="", help="The customer's words; sealed.")
def ask(decision_id: str, kind: str, received_on: date | None, text: str) -> None:
    """Record what a customer asks about a decision; the record states the day by which it is answered.

    \b
    Example: scoring request 4db71d69-... human_review
    """
    from scoring.ledger.human import RequestKind, request

    now = datetime.now(UTC)
    written = request(
        open_ledger(writing=True),
        decision_id,
        RequestKind(kind),
        received_on=received_on or now.date(),
        recorded_at=now,
        text=text,
    )
    click.echo(f"Recorded as {written.record_id}; due {written.body['due_on']}.")


@click.command()
@click.argument("account_id")
@click.option("--by", required=True, help="Who decides.")
@click.option("--reason-code", required=True)
@click.option("--despite", default="", help="Why before the end of retention.")
def erase(account_id: str, by: str, reason_code: str, despite: str) -> None:
    """Destroy an account's key: nothing in the ledger leads to the person any more, and every hash still verifies.

    \b
    Example: scoring erase A000011 --by s17 --reason-code retention
    """
    from scoring.ledger.retention import erase as erase_subject

    written = erase_subject(
        open_ledger(writing=True),
        account_id,
        by=by,
        reason_code=reason_code,
        despite=despite,
        recorded_at=datetime.now(UTC),
    )
    click.echo(f"Erased; recorded as {written.record_id}.")


@click.command()
@click.argument("account_id")
@click.option("--by", required=True, help="Who decides.")
@click.option("--reason-code", required=True, help="E.g. lawsuit, complaint, audit; when lifting, why it ends.")
@click.option("--lift", is_flag=True, help="End the hold.")
def hold(account_id: str, by: str, reason_code: str, lift: bool) -> None:
    """Put an account under legal hold, or lift it: as long as it holds, nothing of it is erased.

    \b
    Example: scoring hold A000011 --by s17 --reason-code lawsuit
    """
    from scoring.ledger.retention import hold as record_hold

    written = record_hold(
        open_ledger(writing=True),
        account_id,
        is_held=not lift,
        by=by,
        reason_code=reason_code,
        recorded_at=datetime.now(UTC),
    )
    click.echo(f"{'Lifted' if lift else 'Held'}; recorded as {written.record_id}.")


@click.command()
@click.option("--on", type=Day(), help="Default: today (UTC).")
@click.option("--erase", "erase_by", metavar="WHO", help="Erase what is due and not held, in this person's name.")
@AS_JSON
def erasures(on: date | None, erase_by: str | None, as_json: bool) -> None:
    """Subjects whose records are all past their retention, and those that a legal hold keeps; with --erase, erase the free ones.

    \b
    Example: scoring erasures --on 2031-12-31 --erase s17
    """
    from scoring.ledger.retention import due_for_erasure, erase_due

    now = datetime.now(UTC)
    ledger = open_ledger(writing=erase_by is not None)
    day = on or now.date()
    if erase_by is not None and day > now.date():
        raise click.UsageError("Only what is due today can be erased; leave out --on, or --erase.")
    due = list(due_for_erasure(ledger, day))
    done = [] if erase_by is None else erase_due(ledger, day, by=erase_by, recorded_at=now)
    lines = [
        f"{one.account_ref}: kept until {one.delete_after}{', under legal hold' if one.is_held else ''}" for one in due
    ]
    lines.append(
        f"{len(due):,} due on {day}, {sum(one.is_held for one in due):,} of them under legal hold; {len(done):,} erased."
    )
    facts = [
        {"account_ref": one.account_ref, "delete_after": one.delete_after.isoformat(), "is_held": one.is_held}
        for one in due
    ]
    tell({"on": day.isoformat(), "due": facts, "erased": len(done)}, as_json, lines)
