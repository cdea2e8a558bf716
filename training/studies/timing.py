"""What timing and resting cost or bring on the simulator's truth: the same plan with and without them, at the same capacity.

``python -m training.studies.timing PORTFOLIO --home HOME``: a simulated portfolio with its truth and a state folder with a champion trained
on other people. Each truth day is planned with nothing held back, with each part of timing alone, and with all of it; what the plan really
brings is looked up. The truth tells of one contact on the first morning, so a contact that waits for a later day counts as none here:
waiting can only lose. ``training/studies/timing.md`` holds the last figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from scoring.decisions.account_events import account_events
from scoring.decisions.capacity import Capacity
from scoring.decisions.payday import PaymentDays
from scoring.decisions.plan import decide
from scoring.decisions.strategy import house_strategy
from scoring.decisions.timing import Timing, timing
from scoring.features.builder import build
from scoring.portfolio.reading import read_portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import load_champion
from scoring.scores.scores import score
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training.simulator.board import DEFAULT_SHARES
from training.simulator.judge import NOBODY, Truth, read_truth, truth_days_of

WITHOUT: Final = "nothing held back"
RESAMPLES: Final = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    asked = _parser().parse_args(arguments)
    _, bundle = load_champion(asked.home)
    rows = [
        row for day in truth_days_of(asked.portfolio)[-asked.days :] for row in day_rows(asked.portfolio, day, bundle)
    ]
    print(report(pd.concat(rows, ignore_index=True)))
    return 0


def variants(when: Timing) -> dict[str, Timing | None]:
    """Timing as it is, each part of it alone, and none."""
    n = len(when.holds)
    no_holds = np.full(n, "", dtype=object)
    never = np.zeros_like(when.too_soon)
    no_payday = PaymentDays(np.zeros(n, dtype=np.int64), np.ones(n), np.zeros(n, dtype=np.int64))
    return {
        WITHOUT: None,
        "holds alone (plan, pause, open promise)": replace(when, too_soon=never, seen=no_payday),
        "rest between contacts alone": replace(when, holds=no_holds, seen=no_payday),
        "waiting for payday alone": replace(when, holds=no_holds, too_soon=never),
        "all of timing": when,
    }


def day_rows(folder: Path, day: Any, bundle: Bundle) -> list[pd.DataFrame]:
    """One table a variant: the true gain, contact and complaint of every account of the truth."""
    portfolio = read_portfolio(folder, threads=1)
    truth, frame = read_truth(folder, day), build(portfolio, day)
    scores = score(bundle, frame, threads=1)
    events = account_events(portfolio, scores.table["account_id"].to_numpy(dtype=object), day)
    when, n = timing(events), len(truth.accounts)
    shares: dict[Channel, Capacity] = {
        c: Capacity(contacts=round(DEFAULT_SHARES.get(c, 0.0) * n)) for c in CONTACT_CHANNELS
    }
    calm = replace(house_strategy(), exploration_share=0.0, holdout_share=0.0)
    found = []
    for name, given in variants(when).items():
        plan = decide(scores, bundle.definition, shares, run_id=name, events=events, when=given, strategy=calm)
        found.append(_truly(plan.decisions, truth).assign(variant=name, day=str(day)))
    return found


def _truly(decisions: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    code = {str(channel): place for place, channel in enumerate(CONTACT_CHANNELS)}
    chosen = decisions.set_index("account_id")["channel"].map(code).reindex(truth.accounts["account_id"])
    at = chosen.fillna(NOBODY).to_numpy(dtype=np.int64)
    rows, is_contact = np.arange(len(at)), at != NOBODY
    nothing = truth.grid("complaints", [Channel.NONE])[:, 0]
    return pd.DataFrame(
        {
            "gain_cents": np.where(is_contact, truth.value()[rows, np.maximum(at, 0)], 0.0),
            "contacts": is_contact,
            "calls": at == CONTACT_CHANNELS.index(Channel.AGENT_CALL),
            "complaints": np.where(is_contact, truth.grid("complaints")[rows, np.maximum(at, 0)], nothing) - nothing,
        }
    )


def report(rows: pd.DataFrame) -> str:
    """Value, contacts and complaints of each variant, and the difference to nothing held back with its bootstrap interval."""
    base = rows[rows["variant"] == WITHOUT].reset_index(drop=True)
    lines = [
        "| variant | value a day | difference, 95 % | contacts a day | value a contact | complaints added |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    days, draw = rows["day"].nunique(), np.random.default_rng(0)
    for name, own in rows.groupby("variant", sort=False):
        gained = own["gain_cents"].to_numpy() / 100 / days
        off = gained - base["gain_cents"].to_numpy() / 100 / days
        means = (
            [off[draw.integers(0, len(off), len(off))].sum() for _ in range(RESAMPLES)] if name != WITHOUT else [0.0]
        )
        low, high = np.quantile(means, [0.025, 0.975])
        share = gained.sum() * days / max(own["contacts"].sum(), 1)
        lines.append(
            f"| {name} | {gained.sum():,.0f} | {off.sum():+,.0f} ({low:+,.0f} to {high:+,.0f}) | "
            f"{own['contacts'].sum() / days:,.0f} | {share:,.1f} | {own['complaints'].sum() / days:.2f} |"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.studies.timing", description=__doc__)
    parser.add_argument("portfolio", type=Path, help="simulated, with truth")
    parser.add_argument("--home", type=Path, default=Path(".scoring"), help="state folder with a champion")
    parser.add_argument("--days", type=int, default=3, help="so many of the last truth days")
    return parser


if __name__ == "__main__":
    sys.exit(main())
