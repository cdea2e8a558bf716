"""From a seed to a folder: simulate every chunk, write the event tables, the truth and the settings.

Chunks are independent and have their own random streams; they are written in order, one row group each, so the bytes
are the same for any number of processes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scoring.errors import AsOfError, BadRequestError, MissingToolError
from scoring.portfolio.contracts import contracts, ibis_schema
from training.simulator.chunk import CHUNK, simulate_chunk, stream
from training.simulator.days import EXTRACT_ON, calendar, first_day
from training.simulator.defects import plant, write_planted
from training.simulator.parameters import Parameters, parameters_of
from training.simulator.stamps import Clock
from training.simulator.tables import TableWriter
from training.simulator.truth import HORIZON_DAYS, truth_days, truth_of, write_settings

Progress = Callable[[int, int], None]
"""Called with chunks done and chunks in all."""

MAX_ACCOUNTS = 9_999_999


@dataclass(frozen=True)
class Request:
    """What to simulate; the same request gives the same bytes."""

    accounts: int
    seed: int
    world: str
    months: int
    truth_on: tuple[date, ...]

    @property
    def chunks(self) -> int:
        """How many chunks the accounts fill."""
        return -(-self.accounts // CHUNK)


def simulate(
    out: Path,
    accounts: int,
    seed: int,
    world: str = "base",
    months: int = 24,
    *,
    truth_on: list[date] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a simulated portfolio: event tables in ``out``, what is really true in ``out/truth``.

    Parameters
    ----------
    out : Path
        A folder that is absent or empty.
    accounts, seed : int
        How many accounts, and the seed: the same request writes the same bytes.
    world : str
        One of `training.simulator.worlds`.
    months : int
        Months of history, 4 to 60; the last day is always `EXTRACT_ON`.
    truth_on : list of date, optional
        As-of days at which the truth is told. By default the last month-end whose 30-day window and 10-day posting
        lag end before the extract day, and the month-end two months earlier.
    workers : int
        Processes that share the chunks. They start by import, so a script that asks for more than one needs the usual
        ``if __name__ == "__main__"``.
    progress : callable, optional
        Told about every finished chunk.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    BadRequestError
        ``bad_request``: the world is unknown, a number is out of range, or the folder holds files already.
    AsOfError
        ``as_of_out_of_range``: the truth of a day was asked for whose window is not simulated.
    MissingToolError
        ``missing_requirement``: several processes were asked for and could not be started.

    Examples
    --------
    >>> import tempfile
    >>> folder = simulate(Path(tempfile.mkdtemp()), accounts=20, seed=1, months=6)
    >>> sorted(path.name for path in folder.glob("*.parquet"))[:3]
    ['accounts.parquet', 'assignments.parquet', 'consents.parquet']
    """
    parameters = parameters_of(world)
    _refuse_bad(out, accounts, months)
    days = tuple(sorted(set(truth_on))) if truth_on is not None else truth_days(months)
    _refuse_days(days, months)
    request = Request(accounts, seed, world, months, days)
    out.mkdir(parents=True, exist_ok=True)
    try:
        _write(out, request, parameters, workers, progress)
    except BaseException:
        # Half a portfolio would look like a whole one.
        shutil.rmtree(out)
        raise
    return out


def _write(out: Path, request: Request, parameters: Parameters, workers: int, progress: Progress | None) -> None:
    (out / "truth").mkdir()
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for done, tables in enumerate(_chunks(request, workers), start=1):
            if done == 1 and parameters.number("planted_defects"):
                tables, planted = plant(tables, stream(request.seed, 0, 5))
                write_planted(out / "truth", planted)
            for name, table in tables.items():
                if name not in writers:
                    writers[name] = stack.enter_context(pq.ParquetWriter(out / f"{name}.parquet", table.schema))
                writers[name].write_table(table)
            if progress is not None:
                progress(done, request.chunks)
        _write_empty(out, parameters, set(writers))
    source = (
        f"simulated: world {request.world}, {request.accounts} accounts, seed {request.seed}, {request.months} months"
    )
    (out / "portfolio.toml").write_text(
        f'extract_on = {EXTRACT_ON}\ncurrency = "CNY"\nsource = "{source}"\n', encoding="utf-8"
    )
    write_settings(out / "truth", parameters, request.seed, request.accounts, request.truth_on)


def _write_empty(out: Path, parameters: Parameters, written: set[str]) -> None:
    """Tables that the bank keeps but that stayed empty: absent would mean not observed."""
    unobserved = set() if parameters.number("inflows_visible") else {"inflows"}
    if parameters.word("contact_policy") == "none":
        unobserved |= {"contacts", "assignments", "promises", "consents"}
    for name, contract in contracts().items():
        if name not in written | unobserved:
            pq.write_table(ibis_schema(contract).to_pyarrow().empty_table(), out / f"{name}.parquet")


def _refuse_bad(out: Path, accounts: int, months: int) -> None:
    if not 1 <= accounts <= MAX_ACCOUNTS:
        raise BadRequestError(
            f"{accounts} accounts were asked for; ids and memory hold 1 to {MAX_ACCOUNTS}. Choose a number in between.",
            field="accounts",
            got=accounts,
        )
    if not 4 <= months <= 60:
        raise BadRequestError(
            f"{months} months were asked for; fewer than 4 leave no matured window, more than 60 is past the calendar "
            "of festivals. Choose 4 to 60.",
            field="months",
            got=months,
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadRequestError(
            f"{out.name} is not an empty folder, and a mixture of two portfolios would look like one. Name a new "
            "folder, or empty this one.",
            field="out",
            got=out.name,
        )


def _refuse_days(days: tuple[date, ...], months: int) -> None:
    first, last = first_day(months), EXTRACT_ON - timedelta(days=HORIZON_DAYS)
    for day in days:
        if not first <= day <= last:
            raise AsOfError(
                f"The truth of {day} was asked for, but it needs the day and the {HORIZON_DAYS} days after it inside "
                f"the simulated time. Choose days from {first} to {last}.",
                field="truth_on",
                got=day.isoformat(),
            )


def _chunks(request: Request, workers: int) -> Iterator[dict[str, pa.Table]]:
    """The tables of every chunk, in order."""
    numbers = range(request.chunks)
    if workers <= 1 or request.chunks == 1:
        yield from (_chunk(request, number) for number in numbers)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(_chunk, [request] * request.chunks, numbers)
        except BrokenProcessPool as error:
            raise MissingToolError(
                f"The {workers} processes could not be started: either memory ran out, or the calling script has no "
                "`if __name__ == '__main__':` around its work, which new processes need. Add it, or ask for workers=1.",
                field="workers",
                got=workers,
            ) from error


def _chunk(request: Request, number: int) -> dict[str, pa.Table]:
    """The tables of one chunk, those of the truth named ``truth/...``."""
    parameters = parameters_of(request.world)
    n_accounts = min(CHUNK, request.accounts - number * CHUNK)
    days = calendar(parameters, request.months)
    first = first_day(request.months)
    snapshot_days = [(day - first).days for day in request.truth_on]
    history = simulate_chunk(parameters, request.seed, number, n_accounts, days, snapshot_days)
    clock = Clock(first, EXTRACT_ON)
    width = max(6, len(str(request.accounts)))
    writer = TableWriter(history, clock, parameters, width, stream(request.seed, number, 4))
    tables = writer.tables()
    truth = truth_of(history, days, writer.account_ids, parameters, request.seed)
    return tables | {f"truth/{name}": table for name, table in truth.items()}
