"""Does the system fall silent as evidence goes? ``python -m training.studies.abstention``.

Accounts of held-out customers of a simulated portfolio are scored again and again by the same bundle, each time with less to
go by: inflows hidden from more and more customers; single payments and promises hidden from more and more accounts; the
history cut shorter and shorter; and all of it together. The shares that come out as `insufficient_evidence` and as
`undetermined` must never fall on the way. Exit code 1 when one does. `training/studies/abstention.md` holds the last curves.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from scoring.features import inflows, payments, promises
from scoring.features.builder import FeatureFrame, build
from scoring.features.definition import Feature
from scoring.features.registry import FEATURE_NAMES
from scoring.portfolio.files import SETTINGS_FILE
from scoring.portfolio.reading import read_portfolio
from scoring.scores.scores import score
from scoring.vocabulary import Evidence, Segment
from training.snapshots import is_held_out
from training.studies.ceilings import ACCOUNTS, DATA, SEED, simulated
from training.studies.judging import Judge, judges, publish

matplotlib.use("Agg")

SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MONTHS: Final = (24, 12, 9, 6, 4, 3, 2, 1)
TOGETHER: Final = tuple(zip((0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0), MONTHS, strict=True))
FIRST_TURN: Final = (0,)
"""The bundle that `scoring train` registers."""
TOLERANCE: Final = 0.0
"""A share may not fall at all: the accounts are the same at every step."""
_DATED: Final = {
    "statements": "statement_on",
    "payments": "paid_at",
    "contacts": "contacted_at",
    "promises": "made_at",
    "inflows": "month_on",
}


@dataclass(frozen=True)
class Removal:
    """What is taken away: shares of customers whose family of features is hidden, and how many months of history stay."""

    ladder: str
    step: str
    inflows_hidden: float = 0.0
    payments_hidden: float = 0.0
    months: int = MONTHS[0]


def removals() -> list[Removal]:
    """Every step of every ladder, from everything to nothing.

    >>> [each.step for each in removals() if each.ladder == "history shortened"]
    ['24 months', '12 months', '9 months', '6 months', '4 months', '3 months', '2 months', '1 month']
    """
    found = [Removal("inflows hidden", f"{share:.0%}", inflows_hidden=share) for share in SHARES]
    found += [Removal("payments and promises hidden", f"{share:.0%}", payments_hidden=share) for share in SHARES]
    found += [Removal("history shortened", _months(months), months=months) for months in MONTHS]
    found += [
        Removal("all of it", f"{share:.0%}, {_months(months)}", share, share, months) for share, months in TOGETHER
    ]
    return found


def _months(months: int) -> str:
    return f"{months} month{'s' if months > 1 else ''}"


def curves(folder: Path, recipe: Path | None = None) -> pd.DataFrame:
    """Abstention at every step.

    Returns
    -------
    DataFrame, one row per step
        ``ladder``, ``step``, ``accounts``; ``insufficient`` and ``undetermined``: shares of the same accounts at every step. An
        account that can no longer be scored at all counts as both.
    """
    judging = list(judges(folder, recipe, FIRST_TURN))
    rows = []
    with tempfile.TemporaryDirectory(prefix="abstention-") as scratch:
        frames = {months: _frame(folder, judging[0], months, Path(scratch)) for months in sorted(set(MONTHS))}
        for removal in removals():
            states = pd.concat([_states(judge, frames[removal.months], removal) for judge in judging])
            rows.append(
                {
                    "ladder": removal.ladder,
                    "step": removal.step,
                    "accounts": len(states),
                    "insufficient": float((states["evidence"] != str(Evidence.SUFFICIENT)).mean()),
                    "undetermined": float((states["segment"] == str(Segment.UNDETERMINED)).mean()),
                }
            )
    return pd.DataFrame(rows)


def falls(found: pd.DataFrame) -> list[str]:
    """Steps at which a share fell, in words; empty when every curve rises or stays.

    >>> steps = pd.DataFrame({"ladder": "x", "step": ["a", "b"], "insufficient": [0.1, 0.2], "undetermined": [0.5, 0.4]})
    >>> falls(steps)
    ['x, b: undetermined falls from 0.500 to 0.400']
    """
    seen = []
    for ladder, steps in found.groupby("ladder", sort=False):
        for share in ("insufficient", "undetermined"):
            before = steps[share].shift()
            for step, was, now in zip(steps["step"], before, steps[share], strict=True):
                if now < was - TOLERANCE:
                    seen.append(f"{ladder}, {step}: {share} falls from {was:.3f} to {now:.3f}")
    return seen


def picture(found: pd.DataFrame) -> Figure:
    """The curves, a panel a ladder."""
    ladders = list(found.groupby("ladder", sort=False))
    figure = Figure(figsize=(4.0 * len(ladders), 3.6), layout="constrained")
    for axes, (ladder, steps) in zip(
        np.atleast_1d(figure.subplots(1, len(ladders), sharey=True)), ladders, strict=True
    ):
        places = np.arange(len(steps))
        axes.plot(places, steps["undetermined"], "o-", color="#888888", label="segment undetermined")
        axes.plot(places, steps["insufficient"], "s-", color="#b3401e", label="insufficient evidence")
        axes.set_xticks(places, steps["step"], rotation=60, ha="right", fontsize=8)
        axes.set(title=str(ladder), ylim=(0, 1.02), xlabel="less evidence to the right")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share of accounts")
    figure.axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _frame(folder: Path, judge: Judge, months: int, scratch: Path) -> FeatureFrame:
    """Features of everybody as if the history began so many months before the as-of day."""
    if months == MONTHS[0]:
        return build(read_portfolio(folder, threads=1), judge.as_of, min_dpd=0)
    first = (pd.Timestamp(judge.as_of) - pd.DateOffset(months=months)).date()
    place = scratch / str(months)
    place.mkdir()
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("opening", _opening(folder, first))
        (place / SETTINGS_FILE).write_bytes((folder / SETTINGS_FILE).read_bytes())
        for path in sorted(folder.glob("*.parquet")):
            column = _DATED.get(path.stem)
            where = "" if column is None else f" WHERE {column} > DATE '{first.isoformat()}'"
            source = str(path).replace("'", "''")
            rows = f"SELECT * FROM read_parquet('{source}'){where}"  # noqa: S608  a path and a date of our own
            if path.stem == "statements":
                rows += f" UNION ALL BY NAME {_OPENED.format(source=source)}"
            connection.execute(f"COPY ({rows}) TO '{place / path.name}' (FORMAT parquet)")
    return build(read_portfolio(place, threads=1), judge.as_of, min_dpd=0)


_OPENED: Final = """
SELECT s.* REPLACE (o.cure_amount_cents AS minimum_due_cents, coalesce(o.due_on, s.due_on) AS due_on)
FROM read_parquet('{source}') s JOIN opening o ON s.account_id = o.account_id AND s.statement_on = o.statement_on
"""


def _opening(folder: Path, day: date) -> pd.DataFrame:
    """What was owed on the day before which everything is forgotten: the last statement by then, and all that was unpaid as its minimum.

    A bank that lost its history still knows what is owed. Without this a shorter history would be another, smaller debt, and the
    same account would look better for having forgotten its arrears.
    """
    at = build(read_portfolio(folder, threads=1), day, min_dpd=0).positions
    due = pd.Timestamp(day) - pd.to_timedelta(at["dpd"].where(at["dpd"] > 0), unit="D")
    return at[["account_id", "cure_amount_cents", "statement_on"]].assign(due_on=due.dt.date)


def _states(judge: Judge, frame: FeatureFrame, removal: Removal) -> pd.DataFrame:
    """Evidence and segment of a judge's accounts with something removed, in the order of the accounts."""
    accounts = judge.held_out.frame.positions["account_id"]
    here = frame.take(frame.positions["account_id"].isin(accounts).to_numpy())
    values = _hidden(here, inflows.FEATURES, removal.inflows_hidden)
    values = _hidden(values, (*payments.FEATURES, *promises.FEATURES), removal.payments_hidden)
    told = score(judge.bundle, values, with_contributions=False).table.set_index("account_id")
    silent = {"evidence": str(Evidence.INSUFFICIENT), "segment": str(Segment.UNDETERMINED)}
    states: pd.DataFrame = told[["evidence", "segment"]].astype(str).reindex(accounts).fillna(silent)
    return states


def _hidden(frame: FeatureFrame, family: Sequence[Feature], share: float) -> FeatureFrame:
    """A family of features not observed for a share of customers; a larger share hides it from the same ones and more."""
    rows: npt.NDArray[np.bool_] = is_held_out(frame.positions["customer_id"], share, salt="abstention")
    values = frame.values.copy()
    places = np.array([FEATURE_NAMES.index(each.name) for each in family])
    values[np.ix_(np.flatnonzero(rows), places)] = np.nan
    return FeatureFrame(frame.as_of, frame.positions, values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; 0 when no share ever falls."""
    asked = _parser().parse_args(arguments)
    found = curves(simulated(asked.data, asked.world, asked.accounts, asked.seed), asked.recipe)
    print(_table(found))
    if asked.out is not None:
        publish(asked.out.with_suffix(".md"), _table(found))
        picture(found).savefig(asked.out.with_suffix(".png"), dpi=100)
    fell = falls(found)
    print(*(fell or ["No share falls."]), sep="\n", file=sys.stderr)
    return int(bool(fell))


def _table(found: pd.DataFrame) -> str:
    lines = ["| removed | step | insufficient evidence | undetermined |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.ladder} | {row.step} | {row.insufficient:.3f} | {row.undetermined:.3f} |" for row in found.itertuples()
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.studies.abstention", description=__doc__)
    parser.add_argument("--world", default="base")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--recipe", type=Path, help="default: the pipeline's")
    parser.add_argument("--data", type=Path, default=DATA, help="where simulated folders are kept and reused")
    parser.add_argument("--out", type=Path, help="write the table and the picture under this name, .md and .png")
    return parser


if __name__ == "__main__":
    sys.exit(main())
