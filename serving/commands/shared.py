"""What the commands share: parameter types, the JSON option, finding pipelines and the ledger, printing a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from scoring.errors import BadRequestError, MissingToolError
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


def open_ledger(*, writing: bool = False) -> Any:
    """The ledger that the settings name, to read or to add to; refused where there is none."""
    from scoring.ledger.store import Ledger

    place = read_settings().ledger_place
    path = Path(place)
    if "://" not in place and not path.is_file():
        raise BadRequestError(
            f"There is no ledger at {path}. Run `scoring plan` first, or set SCORING_HOME.",
            field="SCORING_HOME",
            got=str(path),
        )
    return Ledger.open(place, read_only=not writing)


def pipeline(name: str) -> Callable[..., Any]:
    """A training pipeline by its entry point."""
    found = [entry for entry in entry_points(group="scoring.pipelines") if entry.name == name]
    if not found:
        raise MissingToolError(
            f"The training pipeline {name!r} is not installed here. Run `make install`.", field="pipeline", got=name
        )
    loaded: Callable[..., Any] = found[0].load()
    return loaded


def tell(facts: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    """Print a result: lines for people, or the facts as JSON."""
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str) if as_json else "\n".join(lines))
