"""Settings from the environment, each with its default. The only place that reads environment variables.

==========================  =======================================  ==========================================
variable                    default                                  example
==========================  =======================================  ==========================================
``SCORING_HOME``            ``./.scoring``                           ``/srv/scoring`` (ledger, MLflow store, bundles)
``SCORING_HOST``            ``127.0.0.1``                            ``127.0.0.1``; other hosts are refused for now
``SCORING_PORT``            ``3000``                                 ``8080``
``SCORING_LEDGER``          ``<SCORING_HOME>/ledger.db``             ``postgresql://scoring@db/ledger`` (or another file)
``SCORING_THREADS``         ``2``                                    ``4`` (DuckDB and contributions)
``SCORING_DATASETS``        ``../shared/datasets``                   ``/data/public`` (public data for development)
==========================  =======================================  ==========================================
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scoring.errors import BadRequestError


@dataclass(frozen=True)
class Settings:
    """Where state lives and how much of the machine may be used."""

    home: Path
    host: str
    port: int
    threads: int
    datasets: Path
    ledger: str = ""

    @property
    def ledger_path(self) -> Path:
        """The SQLite ledger."""
        return self.home / "ledger.db"

    @property
    def ledger_place(self) -> str:
        """Where the ledger is: a file, or the address of a PostgreSQL database."""
        return self.ledger or str(self.ledger_path)


def read_settings() -> Settings:
    """Settings as the environment states them now.

    Raises
    ------
    BadRequestError
        A number is not one, or out of range: names the variable and what is expected.
    """
    return Settings(
        home=Path(os.environ.get("SCORING_HOME", ".scoring")),
        host=os.environ.get("SCORING_HOST", "127.0.0.1"),
        port=_number("SCORING_PORT", 3000, 1, 65535),
        threads=_number("SCORING_THREADS", 2, 1, 256),
        datasets=Path(os.environ.get("SCORING_DATASETS", "../shared/datasets")),
        ledger=os.environ.get("SCORING_LEDGER", ""),
    )


def _number(name: str, default: int, low: int, high: int) -> int:
    text = os.environ.get(name, str(default))
    if text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise BadRequestError(
        f"{name} is {text!r}; it must be a whole number from {low} to {high}.",
        field=name,
        got=text,
        expected=f"{low} to {high}",
    )
