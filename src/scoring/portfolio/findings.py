"""What a data check returns: one finding per rule and table, with a count, a few ids and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb

from scoring.portfolio.casting import quoted
from scoring.portfolio.contracts import TableContract

Severity = Literal["error", "warning"]
MAX_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the data check has to say.

    Attributes
    ----------
    code : str
        Stable name of the rule.
    severity : {"error", "warning"}
        An error makes results wrong; a warning states an assumption or something to look at.
    table : str
        Contract table; the file name for a file that is no table.
    rows : int
        How many rows it concerns.
    examples : tuple of str
        At most five keys (parts joined by `` / ``), never other values.
    message : str
        What was seen, why it matters, what to do.
    """

    code: str
    severity: Severity
    table: str
    rows: int
    examples: tuple[str, ...]
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        >>> Finding("orphan", "error", "payments", 1, ("P9",), "Deliver the account.").as_dict()["examples"]
        ['P9']
        """
        return {
            "code": self.code,
            "severity": self.severity,
            "table": self.table,
            "rows": self.rows,
            "examples": list(self.examples),
            "message": self.message,
        }


def key_of(columns: Sequence[str], alias: str = "") -> str:
    """SQL text of a row's key, for examples.

    >>> key_of(["account_id", "statement_on"])
    'concat_ws(\\' / \\', "account_id", "statement_on")'
    """
    prefix = f"{alias}." if alias else ""
    return f"concat_ws(' / ', {', '.join(prefix + quoted(name) for name in columns)})"


def counted(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    selected: str,
    *,
    code: str,
    severity: Severity,
    message: str,
) -> list[Finding]:
    """The finding of a query that yields one key (column ``example``) per row at fault; empty where it yields none.

    ``message`` may hold ``{rows}``.

    >>> from scoring.portfolio.contracts import contracts
    >>> keys = "SELECT unnest(['A1', 'A2']) AS example"
    >>> said = {"code": "odd", "severity": "warning", "message": "{rows} accounts are odd. Look at them."}
    >>> [f.message for f in counted(duckdb.connect(), contracts()["accounts"], keys, **said)]
    ['2 accounts are odd. Look at them.']
    """
    [(rows, examples)] = connection.execute(
        f"SELECT count(*), min(example, {MAX_EXAMPLES}) FROM ({selected})"  # noqa: S608  built from contracts
    ).fetchall()
    if not rows:
        return []
    text = message.replace("{rows}", f"{rows:,}")
    return [Finding(code, severity, contract.table, rows, tuple(examples or ()), text)]
