"""How fast and how good the optimiser is: a day of 20,000 accounts beside scipy's HiGHS, prices beside differences, and a million alone.

Run ``python -m training.benchmarks.optimiser``; add ``--accounts N`` for another size of the large instance.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt

from scoring.decisions.assignment import contacts_of
from scoring.decisions.optimiser import solve
from training.simulator.judge import best_assignment

SHARES = (0.2, 0.1, 0.05, 0.1, 0.04, 0.02, 0.0, 0.01)
"""Places per account of eight channels; the ninth is unlimited."""


def invented_values(n: int, seed: int = 0) -> tuple[npt.NDArray[np.float64], list[int | None]]:
    """Values of nine channels for accounts of very different size, three in ten closed, and the channels' places.

    >>> values, places = invented_values(1000)
    >>> values.shape, places[:3]
    ((1000, 9), [None, 200, 100])
    """
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, 1.0, (n, 1)) * rng.normal(1, 1, (n, 9)) * 100
    values[rng.random(values.shape) < 0.3] = -np.inf
    return values, [None, *(int(n * share) for share in SHARES)]


def measure(n: int, *, beside_highs: bool) -> str:
    """One line: seconds of wall and processor, proven gap, and the difference to HiGHS where it is run."""
    values, places = invented_values(n)
    wall, cpu = time.perf_counter(), time.process_time()
    found = solve(values, contacts_of(places))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    within = all(limit is None or (found.chosen == c).sum() <= limit for c, limit in enumerate(places))
    line = f"{n:,} x 9: {wall:.2f} s wall, {cpu:.2f} s processor, gap {found.gap:.1e}, within capacity: {within}"
    if beside_highs:
        start = time.perf_counter()
        optimum = best_assignment(values, places)[1]
        line += f"; HiGHS {time.perf_counter() - start:.2f} s, value differs by {found.value / optimum - 1:+.1e}"
    return line


def prices_beside_differences(n: int) -> list[str]:
    """For each limited channel its price, what one place more adds and what one place less takes, by solving again."""
    values, places = invented_values(n)
    found, lines = solve(values, contacts_of(places)), []
    limited = [channel for channel, limit in enumerate(places) if limit is not None]
    for place, channel in enumerate(limited):
        moved = []
        for step in (1, -1):
            other = [
                max(limit + step, 0) if c == channel and limit is not None else limit for c, limit in enumerate(places)
            ]
            moved.append(abs(solve(values, contacts_of(other)).value - found.value))
        price = found.prices[place]
        fits = moved[0] - 1e-6 <= price <= (moved[1] if places[channel] else np.inf) + 1e-6
        lines.append(
            f"channel {channel}: price {price:.4f}, one more {moved[0]:.4f}, one less {moved[1]:.4f}, between: {fits}"
        )
    return lines


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    small, places = invented_values(1_000)
    solve(small, contacts_of(places))  # compiled before the clock starts
    print(measure(20_000, beside_highs=True))
    print(*prices_beside_differences(20_000), sep="\n")
    print(measure(parser.parse_args().accounts, beside_highs=False))


if __name__ == "__main__":
    main()
