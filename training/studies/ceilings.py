"""How near the scores come to what features can tell at all, world by world: ``python -m training.studies.ceilings``.

Each world is simulated, the project's own pipeline trains on training customers and days, and the test accounts are
scored on the truth's day, at least a horizon after the last training day. A share of customers is held out by the
pipeline's own hash, three times over, so that nine accounts in ten are judged, each by a bundle that never saw its
customer. Beside every figure stands the *feature ceiling*: the same features trained on the truth itself, cross-fitted.

Exit code 1 when a gated world misses an aim. `training/studies/ceilings.md` holds the last figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from training.simulator.parameters import worlds
from training.simulator.simulate import simulate
from training.studies.ceiling_figures import Figure, figures_of
from training.studies.judging import judged, publish

GATED: Final = ("base", "nonlogit")
ACCOUNTS: Final = 20_000
ACCOUNTS_ELSEWHERE: Final = 8_000
SEED: Final = 1
REFUSED: Final = "dirty"
"""Training refuses this world for its repeated keys and mixed currencies, as it must."""
DATA: Final = Path("data/local/ceilings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; 0 when every gated world that was asked for reaches its aims."""
    asked = _parser().parse_args(arguments)
    figures, sizes = {}, {}
    for world in asked.worlds or [name for name in worlds() if name != REFUSED]:
        accounts = asked.accounts or (ACCOUNTS if world in GATED else ACCOUNTS_ELSEWHERE)
        table = judged(simulated(asked.data, world, accounts, asked.seed), asked.recipe)
        figures[world], sizes[world] = figures_of(table), len(table)
        print("\n".join(_world(world, figures[world], sizes[world])), flush=True)
        if asked.out is not None:
            publish(asked.out, report(figures, sizes))
    missed = [f"{world}: {each.name}" for world in GATED for each in figures.get(world, []) if not each.is_met]
    print(f"{len(missed)} aims of gated worlds missed.", *missed, sep="\n", file=sys.stderr)
    return int(bool(missed))


def simulated(data: Path, world: str, accounts: int, seed: int) -> Path:
    """The folder of a world, simulated unless it is there already."""
    folder = data / f"{world}-{accounts}-{seed}"
    if not (folder / "truth" / "truth.toml").is_file():
        print(f"{world}: simulating {accounts:,} accounts", file=sys.stderr)
        simulate(folder, accounts, seed, world)
    return folder


def report(figures: Mapping[str, list[Figure]], sizes: Mapping[str, int]) -> str:
    """All worlds in Markdown, good or bad."""
    parts = ["\n".join(_overview(figures))]
    parts += ["\n".join(_world(world, found, sizes[world])) for world, found in figures.items()]
    return "\n\n".join(parts) + "\n"


def _overview(figures: Mapping[str, list[Figure]]) -> Iterator[str]:
    """A row a world, a column an aim; misses stand out."""
    names = [each.name for each in next(iter(figures.values())) if str(each.aim)]
    yield "| world | " + " | ".join(names) + " |"
    yield "| --- |" + " --- |" * len(names)
    for world, found in figures.items():
        by_name = {each.name: each for each in found}
        cells = [_marked(by_name[name]) if name in by_name else "–" for name in names]
        yield f"| `{world}` | " + " | ".join(cells) + " |"


def _marked(figure: Figure) -> str:
    return f"{figure.value:.3f}" if figure.is_met else f"**{figure.value:.3f}**"


def _world(world: str, figures: list[Figure], n: int) -> Iterator[str]:
    yield f"### `{world}`: {n:,} accounts judged"
    yield ""
    yield "| figure | ours | ceiling or truth | value | 95 % interval | aim | met |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for each in figures:
        met = "" if not str(each.aim) else "yes" if each.is_met else "**no**"
        pair = " | ".join(_short(value) for value in (each.ours, each.beside))
        yield f"| {each.name} | {pair} | {each.value:.3f} | {each.low:.3f} to {each.high:.3f} | {each.aim} | {met} |"


def _short(value: float) -> str:
    return f"{value / 100:,.0f}" if abs(value) > 1000 else "–" if pd.isna(value) else f"{value:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.studies.ceilings", description=__doc__)
    parser.add_argument("--worlds", nargs="+", choices=sorted(worlds()), metavar="WORLD", help="default: all of them")
    parser.add_argument(
        "--accounts", type=int, help=f"default {ACCOUNTS} in gated worlds, {ACCOUNTS_ELSEWHERE} elsewhere"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--recipe", type=Path, help="default: the pipeline's")
    parser.add_argument("--data", type=Path, default=DATA, help="where simulated folders are kept and reused")
    parser.add_argument("--out", type=Path, help="Markdown file to publish the tables in, below its mark")
    return parser


if __name__ == "__main__":
    sys.exit(main())
