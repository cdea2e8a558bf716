"""Log lines: JSON on standard output, one for each request but signs of life, and one for each event. None holds a personal value.

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

CANNOT_WRITE: Final = (OSError, ValueError, AttributeError)
"""A full disk; an output that was closed; none at all."""


def log(event: str, **fields: Any) -> None:
    """One line of JSON: ``event`` is noun.verb."""
    if WRITERS:
        line = orjson.dumps({"at": datetime.now(UTC), "event": event, **fields}, option=orjson.OPT_APPEND_NEWLINE)
        for write in WRITERS:
            write(line)


def write_log_lines() -> None:
    """Send the log lines to standard output. The server's own line of each request, which nobody hears, is not even made:
    it makes one where this logger, or one above it that it propagates to, has a handler."""
    if not WRITERS:
        WRITERS.append(_to_standard_output)
    logging.getLogger("uvicorn.access").propagate = False


def _to_standard_output(line: bytes) -> None:
    """Write a line; where that fails, because a disk is full or the output closed, nothing else fails with it."""
    try:
        _write(sys.stdout.fileno(), line)
    except CANNOT_WRITE as error:
        with suppress(*CANNOT_WRITE):
            _write(sys.stderr.fileno(), f"A log line was lost: {type(error).__name__}.\n".encode())


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
