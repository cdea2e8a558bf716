"""Replays at least ten thousand decisions after two retrains, one change of the contact policy and one of a table: a command.

``python -m tests.flow.replay_study --out DIR [--accounts 20000]`` simulates a portfolio, trains and promotes, plans under the shipped
contact policy and under one that closes text messages, trains and promotes twice more on other portfolios, and then replays every
decision of both plans while the harm table in force is another one. Last figures: ``replay_study.md``, beside this file.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from scoring.ledger.replay import replay
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import read_portfolio
from scoring.resources import data_folder, in_force, reference_text
from serving.archive import archived_bundles, archived_tables
from serving.nightly import run_plan
from training.pipeline import train
from training.promotion import promote
from training.simulator import simulate

CAPACITY = "agent_call: {minutes: 3000}\nsms: {contacts: 1500}\napp_push: {contacts: 1000}\n"


def another_champion(home: Path, scratch: Path, seed: int) -> None:
    """Train on another small portfolio and promote."""
    portfolio = simulate(scratch / f"portfolio-{seed}", accounts=1500, seed=seed, months=12)
    train(portfolio, home=home, threads=1)
    promote("challenger", home=home, approver="Study", promoted_at=datetime.now(UTC), despite="a study of replay")


def without_texts(policy: str) -> str:
    """The contact policy with one number changed: no text message a day instead of one."""
    one, none = "count: sms, scope: debtor, max: 1", "count: sms, scope: debtor, max: 0"
    assert one in policy, "the shipped policy has another limit of text messages now"
    return policy.replace(one, none)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--accounts", type=int, default=20_000)
    asked = parser.parse_args()
    home, began = asked.out / "home", time.perf_counter()
    another_champion(home, asked.out, seed=1)
    folder = simulate(asked.out / "portfolio", accounts=asked.accounts, seed=7, months=12)
    as_of = read_portfolio(folder, threads=1).extract_on
    (asked.out / "capacity.yaml").write_text(CAPACITY, encoding="utf-8")
    changed = asked.out / "cn_bank_card.yaml"
    changed.write_text(without_texts((data_folder() / "policy" / "cn_bank_card.yaml").read_text("utf-8")), "utf-8")
    runs = [
        run_plan(
            folder, as_of=as_of, out=asked.out / f"plan-{number}", home=home, recorded_at=datetime.now(UTC), policy=policy,
            capacity_file=asked.out / "capacity.yaml",
        ).run_id
        for number, policy in enumerate([None, str(changed)])
    ]  # fmt: skip
    for seed in (2, 3):
        another_champion(home, asked.out, seed)
    other_harm = {"harm": reference_text("harm").replace("growth = 0.15", "growth = 0.45")}
    with Ledger.open(home / "ledger.db", read_only=True) as ledger, in_force(other_harm):
        archive = archived_bundles(home), archived_tables(home)
        found = [one for run in runs for one in replay(ledger, None, *archive, batch_id=run)]
    chosen = [pd.read_parquet(asked.out / f"plan-{number}" / "decisions.parquet")["channel"] for number in (0, 1)]
    wrong = [one for one in found if not one.is_exact]
    print(
        f"{len(found):,} decisions replayed after two retrains, one policy change (it moved {int((chosen[0] != chosen[1]).sum()):,} "
        f"channels) and one table change: {len(found) - len(wrong):,} exact, {len(wrong):,} not; {time.perf_counter() - began:.0f} s"
    )
    for one in wrong[:10]:
        print(one.as_dict())
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
