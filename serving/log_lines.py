"""Log lines: one of JSON for each request and each event of the service, on standard output. None holds a personal value.

Written at once and without `logging`, whose records cost more than everything else that is told of a request.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import orjson

WRITERS: Final[list[Callable[[bytes], object]]] = []
"""Each is given every line; there is none as long as this process serves nothing."""


def log(event: str, **fields: Any) -> None:
    """One line of JSON: ``event`` is noun.verb."""
    if WRITERS:
        line = orjson.dumps({"at": datetime.now(UTC), "event": event, **fields}, option=orjson.OPT_APPEND_NEWLINE)
        for write in WRITERS:
            write(line)


def write_log_lines() -> None:
    """Send the log lines to standard output, each at once, and the server's own line of each request nowhere."""
    if not WRITERS:
        WRITERS.append(_to_standard_output)
    logging.getLogger("uvicorn.access").propagate = False


def _to_standard_output(line: bytes) -> None:
    """Write a line; where that fails, as on a full disk, no request fails with it."""
    try:
        os.write(sys.stdout.fileno(), line)
    except OSError as error:
        with suppress(OSError):
            os.write(sys.stderr.fileno(), f"A log line was lost: {error.strerror}.\n".encode())
