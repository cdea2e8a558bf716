"""The console: every command of `scoring`, in the order in which they are used.

Exit codes: 0 done, 1 findings or failed gates, 2 bad usage or bad input with one clear message. Results go to stdout, progress
and errors to stderr. Training pipelines are found by entry point, so that serving never imports training.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any, Final

import click

from scoring.errors import GateError, ScoringError
from serving.commands import (
    backup,
    contact_policy,
    keys,
    ledger,
    models,
    plans,
    portfolio,
    records,
    service,
    strategies,
)
from serving.commands.shared import DONE, FINDINGS, REFUSED


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


COMMANDS: Final = (
    portfolio.simulate,
    portfolio.ingest,
    portfolio.check,
    models.train,
    models.promote,
    models.challenger,
    strategies.strategy,
    plans.plan,
    plans.what_if,
    service.serve,
    service.bento,
    keys.keys,
    backup.backup,
    backup.restore,
    records.explain,
    models.evaluate,
    records.verify,
    ledger.ledger_key,
    ledger.anchor,
    ledger.replay,
    ledger.evidence,
    ledger.override,
    ledger.ask,
    ledger.erase,
    ledger.hold,
    ledger.erasures,
    contact_policy.policy_check,
    contact_policy.policy_approve,
    contact_policy.policy_breaches,
    contact_policy.policy_page,
    service.bench,
)
for command in COMMANDS:
    cli.add_command(command)


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
