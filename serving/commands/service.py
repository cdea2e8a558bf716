"""Commands over the service: serve, bench."""

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
