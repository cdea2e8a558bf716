"""Settings from the environment, each with its default. The only place that reads environment variables.

==========================  =======================================  ==========================================
variable                    default                                  example
==========================  =======================================  ==========================================
``SCORING_HOME``            ``./.scoring``                           ``/srv/scoring`` (ledger, MLflow store, bundles)
``SCORING_HOST``            ``127.0.0.1``                            ``0.0.0.0``; other hosts than this machine need keys
``SCORING_PORT``            ``3000``                                 ``8080``
``SCORING_LEDGER``          ``<SCORING_HOME>/ledger.db``             ``postgresql://scoring@db/ledger`` (or another file)
``SCORING_STATE``           ``<SCORING_HOME>/state.db``              ``postgresql://scoring@db/state`` (keys, permits, events)
``SCORING_WORKERS``         ``1``                                    ``2`` (processes that share ledger and state)
``SCORING_TLS_CERT``        none                                     ``/etc/scoring/cert.pem`` (with its chain: answers over https)
``SCORING_TLS_KEY``         none                                     ``/etc/scoring/key.pem`` (both or neither)
``SCORING_THREADS``         ``2``                                    ``4`` (DuckDB, contributions, short and long requests at once)
``SCORING_MOST_BODY``       ``50000000``                             ``1000000`` (bytes of a request's body)
``SCORING_MOST_ACCOUNTS``   ``10000``                                ``500`` (accounts of one request)
``SCORING_MOST_ROWS``       ``20000``                                ``5000`` (rows of one account's history)
``SCORING_RATE``            ``0``                                    ``50`` (requests a second, key and worker; 0: no limit)
``SCORING_STALE_DAYS``      ``3``                                    ``1`` (a portfolio older than this is stale)
``SCORING_STALE``           ``flag``                                 ``refuse`` (what is answered from a stale one)
``SCORING_DATASETS``        ``../shared/datasets``                   ``/data/public`` (public data for development)
==========================  =======================================  ==========================================
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from scoring.errors import BadRequestError

FLAG, REFUSE = "flag", "refuse"


@dataclass(frozen=True)
class Limits:
    """How much a caller may ask for, and how old the portfolio may be.

    Attributes
    ----------
    body_bytes, accounts, rows : int
        Of one request; ``rows`` of one account's history.
    rate : int
        Requests a second that one key may make of one worker; 0 for any number.
    stale_days : int
        A portfolio extracted more days ago is stale.
    on_stale : str
        ``flag`` says so on every answer; ``refuse`` answers nothing from it.
    """

    body_bytes: int = 50_000_000
    accounts: int = 10_000
    rows: int = 20_000
    rate: int = 0
    stale_days: int = 3
    on_stale: str = FLAG


@dataclass(frozen=True)
class Settings:
    """Where state lives and how much of the machine may be used."""

    home: Path
    host: str
    port: int
    threads: int
    datasets: Path
    ledger: str = ""
    state: str = ""
    workers: int = 1
    tls: tuple[Path, Path] | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def ledger_path(self) -> Path:
        """The SQLite ledger."""
        return self.home / "ledger.db"

    @property
    def ledger_place(self) -> str:
        """Where the ledger is: a file, or the address of a PostgreSQL database."""
        return self.ledger or str(self.ledger_path)

    @property
    def state_place(self) -> str:
        """Where keys, permits and the day's events are: a file, or the address of a PostgreSQL database."""
        return self.state or str(self.home / "state.db")


def read_settings() -> Settings:
    """Settings as the environment states them now.

    Raises
    ------
    BadRequestError
        A number is not one, or out of range; one of certificate and key without the other: names the variable and what is expected.
    """
    return Settings(
        home=Path(os.environ.get("SCORING_HOME", ".scoring")),
        host=os.environ.get("SCORING_HOST", "127.0.0.1"),
        port=_number("SCORING_PORT", 3000, 1, 65535),
        threads=_number("SCORING_THREADS", 2, 1, 256),
        datasets=Path(os.environ.get("SCORING_DATASETS", "../shared/datasets")),
        ledger=os.environ.get("SCORING_LEDGER", ""),
        state=os.environ.get("SCORING_STATE", ""),
        workers=_number("SCORING_WORKERS", 1, 1, 64),
        tls=_tls(os.environ.get("SCORING_TLS_CERT", ""), os.environ.get("SCORING_TLS_KEY", "")),
        limits=_limits(),
    )


def _tls(certificate: str, key: str) -> tuple[Path, Path] | None:
    """Certificate and key, or None; one alone, or one that is not there, is refused: nothing goes out unencrypted by mistake."""
    if not certificate and not key:
        return None
    for name, text in (("SCORING_TLS_CERT", certificate), ("SCORING_TLS_KEY", key)):
        if not Path(text).is_file():
            raise BadRequestError(
                f"{name} names no file, and TLS needs a certificate and its key. Set both, or neither.",
                field=name,
                got=text,
            )
    return Path(certificate), Path(key)


def _limits() -> Limits:
    return Limits(
        body_bytes=_number("SCORING_MOST_BODY", Limits.body_bytes, 1_000, 1_000_000_000),
        accounts=_number("SCORING_MOST_ACCOUNTS", Limits.accounts, 1, 10_000),
        rows=_number("SCORING_MOST_ROWS", Limits.rows, 1, 1_000_000),
        rate=_number("SCORING_RATE", Limits.rate, 0, 1_000_000),
        stale_days=_number("SCORING_STALE_DAYS", Limits.stale_days, 0, 10_000),
        on_stale=_one_of("SCORING_STALE", FLAG, REFUSE),
    )


def _one_of(name: str, *allowed: str) -> str:
    text = os.environ.get(name, allowed[0])
    if text in allowed:
        return text
    raise BadRequestError(
        f"{name} is {text!r}; it must be {' or '.join(allowed)}.", field=name, got=text, expected=list(allowed)
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
