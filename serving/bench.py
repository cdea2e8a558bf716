"""`scoring bench`: the nightly run on invented accounts, and exact contributions beside LightGBM's own, on this machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scoring.errors import MissingToolError
from scoring.scores.contributions_bench import measure_contributions
from scoring.scores.pins import load_champion
from serving.invented import AS_OF, write_invented_portfolio

CAPACITY: Final = (
    "agent_call: {minutes: 60000}\nai_voice: {contacts: 10000}\nsms: {contacts: 50000}\nletter: {contacts: 5000}\n"
)
_STAGE: Final = re.compile(r"^\s*([0-9.]+) s {2}(.+)$")


@dataclass(frozen=True)
class Measured:
    """Figures of one bench: whole-run seconds and memory, seconds by stage, and contributions against ``pred_contrib``."""

    machine: str
    accounts: int
    wall_s: float
    cpu_s: float
    peak_mib: float
    stages_s: dict[str, float]
    ledger_mib: float
    contributions: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return dict(self.__dict__)


def measure(home: Path, accounts: int) -> Measured:
    """Run `scoring plan` in a process of its own on invented accounts with a ledger of its own, then time contributions.

    Parameters
    ----------
    home : Path
        State folder whose promoted bundle is used (it must be in CNY, like the invented portfolio); nothing is written there.
    accounts : int

    Raises
    ------
    NotReadyError, BundleError
        No usable bundle.
    MissingToolError
        The run failed; its message is passed on.
    """
    load_champion(home)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        place = Path(scratch)
        write_invented_portfolio(place / "portfolio", accounts)
        (place / "capacity.yaml").write_text(CAPACITY, encoding="utf-8")
        (place / "home").mkdir()
        (place / "home" / "bundles").symlink_to((home / "bundles").resolve())
        wall, cpu, peak, stages = _timed_plan(place)
        ledger = (place / "home" / "ledger.db").stat().st_size / 2**20
    return Measured(_machine(), accounts, wall, cpu, peak, stages, ledger, _contributions())


def _timed_plan(place: Path) -> tuple[float, float, float, dict[str, float]]:
    command = [
        sys.executable, "-m", "serving.console", "plan", str(place / "portfolio"), "--as-of", AS_OF,
        "--capacity", str(place / "capacity.yaml"), "--out", str(place / "plan"),
    ]  # fmt: skip
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, "SCORING_HOME": str(place / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        told = running.stderr.read() if running.stderr else ""
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if running.returncode != 0:
        raise MissingToolError(
            f"The measured plan failed: {told.strip().splitlines()[-1] if told.strip() else 'no message'}",
            field="bench",
        )
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _stages(told, wall)


def _stages(told: str, wall: float) -> dict[str, float]:
    """Seconds from each progress line to the next; what comes before the first is start-up."""
    begun = [(float(m.group(1)), m.group(2)) for m in map(_STAGE.match, told.splitlines()) if m]
    if not begun:
        return {}
    ends = [at for at, _ in begun[1:]] + [None]
    inside = {name: round(end - at, 1) for (at, name), end in zip(begun, ends, strict=True) if end is not None}
    return {**inside, "queue files and start-up": round(wall - sum(inside.values()), 1)}


def _contributions() -> list[dict[str, Any]]:
    figures = measure_contributions(time.perf_counter, row_counts=(1, 100, 1_000))
    return [
        {
            "rows": timing.n_rows,
            "predict_ms": timing.predict_s * 1e3,
            "pred_contrib_ms": timing.pred_contrib_s * 1e3,
            "leaf_tables_ms": timing.leaf_tables_s * 1e3,
            "ratio": timing.pred_contrib_s / timing.leaf_tables_s,
            "largest_difference": timing.largest_difference,
        }
        for timing in figures.timings
    ]


def _machine() -> str:
    return f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def report(measured: Measured) -> list[str]:
    """The figures as lines for a terminal and for Markdown."""
    lines = [
        f"{measured.machine}",
        f"plan, {measured.accounts:,} accounts x 24 statements: {measured.wall_s:.1f} s wall, {measured.cpu_s:.1f} s CPU, "
        f"peak {measured.peak_mib:,.0f} MiB, ledger {measured.ledger_mib:,.0f} MiB",
        "",
        "| stage | seconds |", "| --- | --- |",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in measured.stages_s.items()),
        "",
        "| rows | predict ms | pred_contrib ms | leaf tables ms | ratio | largest difference |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    lines += [
        f"| {row['rows']:,} | {row['predict_ms']:.3f} | {row['pred_contrib_ms']:.2f} | {row['leaf_tables_ms']:.3f} "
        f"| {row['ratio']:.0f} | {row['largest_difference']:.1e} |"
        for row in measured.contributions
    ]
    return lines
