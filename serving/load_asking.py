"""Asking as fast as the answers come, over a few kept connections, at the least cost to the machine that is measured.

A full HTTP client costs more processor time a request than the service under test, and on two cores that is measured too. This one
writes prepared bytes and reads to the end of the stated length.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, cast

import numpy as np

WARM_UP: Final = 20
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Ask:
    """One request as it goes over the wire."""

    bytes_sent: bytes

    @classmethod
    def of(cls, method: str, path: str, body: str = "") -> Ask:
        """A request with a JSON body.

        >>> Ask.of("GET", "/v1/queue").bytes_sent.splitlines()[0]
        b'GET /v1/queue HTTP/1.1'
        """
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body.encode())}\r\n"
        return cls(f"{head}\r\n{body}".encode())


@dataclass(frozen=True)
class Measured:
    """One turn: requests a second, the median and the 99th of 100 in milliseconds, the server's processor time a request."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    n: int
    failed: int


def ask_for(port: int, asks: Sequence[Ask], seconds: float, connections: int, process: int) -> Measured:
    """Ask a server on this machine for some seconds.

    Parameters
    ----------
    process : int
        The server, whose processor time is read, with all processes under it; where the system does not tell, it is NaN.
    """
    with asyncio.Runner(loop_factory=_fast_loop) as runner:
        return runner.run(_turn(port, asks, seconds, connections, process))


def _fast_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where there is one: the server has it too."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _turn(port: int, asks: Sequence[Ask], seconds: float, connections: int, process: int) -> Measured:
    endless = _endless(asks)
    await _ask_until(port, islice(endless, WARM_UP), time.perf_counter() + 60)
    spent, began = cpu_seconds(process), time.perf_counter()
    times = [
        each
        for own in await asyncio.gather(*(_ask_until(port, endless, began + seconds) for _ in range(connections)))
        for each in own
    ]
    took, spent = time.perf_counter() - began, cpu_seconds(process) - spent
    ms = np.array([own for own, _ in times]) * 1e3
    failed = sum(not is_good for _, is_good in times)
    p50, p99 = np.quantile(ms, [0.5, 0.99]).tolist()
    return Measured(len(ms) / took, p50, p99, spent / len(ms) * 1e3, len(ms), failed)


def _endless(asks: Sequence[Ask]) -> Iterator[Ask]:
    while True:
        yield from asks


async def _ask_until(port: int, asks: Iterator[Ask], ends: float) -> list[tuple[float, bool]]:
    """Seconds of each request over one connection, and whether it was answered with 200."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    _, asking = await loop.create_connection(lambda: _Asking(asks, ends, done), "127.0.0.1", port)
    await done
    return asking.times


class _Asking(asyncio.Protocol):
    """One connection: asks, reads to the end of the stated length, asks again."""

    def __init__(self, asks: Iterator[Ask], ends: float, done: asyncio.Future[None]) -> None:
        self._asks, self._ends, self._done = asks, ends, done
        self.times: list[tuple[float, bool]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        ask = next(self._asks, None) if self._began <= self._ends else None
        if ask is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._answer, self._length, self._is_good = bytearray(), -1, False
        self._transport.write(ask.bytes_sent)

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._answer += data
        if self._length < 0 and (end := self._answer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._answer[:end]).lower()
            self._length = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._is_good = head.startswith(b"http/1.1 200")
        if 0 <= self._length <= len(self._answer):
            self.times.append((time.perf_counter() - self._began, self._is_good))
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed; by the server where not all was asked."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("The server closed the connection."))


def cpu_seconds(process: int) -> float:
    """Processor time of a process and all under it so far; NaN where the system does not tell."""
    found = {int(path.parent.name): _stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
    family = {process}
    while more := {pid for pid, fields in found.items() if fields and int(fields[1]) in family} - family:
        family |= more
    ticks = [int(fields[11]) + int(fields[12]) for pid in family if (fields := found.get(pid))]
    return sum(ticks) / _TICKS if ticks else float("nan")


def _stat(path: Path) -> list[str]:
    """The fields behind the name of a process; none where it has just ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []
