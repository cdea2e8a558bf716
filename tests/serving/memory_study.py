"""What each step of a worker's start costs: `SCORING_HOME=... python -m tests.serving.memory_study`, in a process of its own.

Last figures: ``serving/measurements.md``, start-up and memory. Linux only: it reads ``/proc/self/status``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

import serving.lean


def tell(step: str) -> None:
    """Print a step, processor seconds so far, MiB resident now and at most."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    now, most = (int(lines[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM"))
    print(f"{step:24s} {process_time():6.2f} s  {now:5d} MiB  at most {most:5d}", flush=True)


def told(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
    """The step, telling when it is done."""

    @wraps(step)
    def done(*given: Any, **named: Any) -> Any:
        found = step(*given, **named)
        tell(name.strip("_"))
        return found

    return done


STEPS = (
    "_warm_champion",
    "read_current_plan",
    "read_portfolio",
    "kept_features",
    "build",
    "score_or_card",
    "morning_of",
)

if __name__ == "__main__":
    for part in ("_bentoml_impl.worker.service", "_bentoml_impl.server.app"):
        import_module(part)
    tell("libraries")
    import serving.worker

    tell("own modules")
    from serving import opening
    from serving.settings import read_settings

    for each in STEPS:
        setattr(opening, each, told(each, getattr(opening, each)))
    desk = opening.open_desk(read_settings())
    serving.worker.settle()
    tell("settled")
    print("ready:", desk.is_ready())
