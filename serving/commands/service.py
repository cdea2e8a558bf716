"""Commands over the service: serve, bento, bench."""

from __future__ import annotations

import click

from serving.commands.shared import AS_JSON, tell
from serving.settings import read_settings


@click.command()
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


@click.command()
@click.option(
    "--only-stage", is_flag=True, help="Put the bundle under models/bundles/ and leave building to `bentoml build`."
)
@AS_JSON
def bento(only_stage: bool, as_json: bool) -> None:
    """Build a bento with the promoted bundle inside.

    \b
    Example: scoring bento
    """
    from serving.release import build, stage

    home = read_settings().home
    if only_stage:
        pin = stage(home)
        lines = [f"Bundle {pin.bundle_id[:16]} is under models/bundles/. Build with: bentoml build"]
        tell({"bundle_id": pin.bundle_id}, as_json, lines)
        return
    made = build(home)
    lines = [
        f"{made.tag} is built with bundle {made.pin.bundle_id[:16]} inside: {made.folder}",
        f"Serve it: bentoml serve {made.folder}",
    ]
    tell({"tag": made.tag, "folder": str(made.folder), "bundle_id": made.pin.bundle_id}, as_json, lines)


@click.command()
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
    tell(measured.as_dict(), as_json, report(measured))
