"""Whether ledger and state answer now: a database that went away after the start makes the service not ready until it is back."""

from __future__ import annotations

from serving.desk import Desk, there
from serving.state.events import last_numbers


def refuse_silent_databases(desk: Desk) -> None:
    """Ask each database for its latest number.

    Raises
    ------
    StateUnavailableError, MissingToolError
        One of them does not answer.
    """
    with desk.needed_state().reading() as connection:
        last_numbers(connection)
    there(desk.ledger).head()
