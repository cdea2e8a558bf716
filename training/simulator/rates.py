"""Base rates of a book by bucket: who cures and who rolls within 30 days, against the ranges that are plausible.

Positions are computed here a second time, in plain pandas, independent of the feature builder: two implementations of
the same convention that a test holds against each other.
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scoring.vocabulary import BUCKET_FIRST_DPD, QUALIFYING_KINDS, Bucket, bucket_of
from training.simulator.policy import MATERIALITY_CENTS
from training.simulator.truth import HORIZON_DAYS

matplotlib.use("Agg")

OVERDUE_BUCKETS = (Bucket.M1, Bucket.M2, Bucket.M3, Bucket.M4, Bucket.M5, Bucket.M6)
_HOLDS = ("deceased", "dispute_open", "plan_signed", "charged_off")


def plausible_ranges() -> dict[str, dict[str, Any]]:
    """The range of the cure rate of each bucket, with its source.

    >>> plausible_ranges()["M1"]["cure"]
    [0.6, 0.85]
    """
    with (Path(__file__).parent / "rates.toml").open("rb") as file:
        return tomllib.load(file)


def positions(folder: Path, as_of: date) -> pd.DataFrame:
    """Where each account stands at the end of a day: ``dpd``, ``past_due_cents``, ``cure_amount_cents``.

    By what was known then: oldest minimum first, an excess is lost for later minimums, only payments by the customer.
    """
    end = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    statements = pd.read_parquet(folder / "statements.parquet")
    statements = statements[statements["known_at"] < end]
    payments = pd.read_parquet(folder / "payments.parquet")
    counts = payments["kind"].isin([str(kind) for kind in QUALIFYING_KINDS]) & (payments["known_at"] < end)
    payments = payments[counts & ~(payments["reversal_known_at"] < end)]
    asked = pd.DataFrame(
        {
            "account_id": statements["account_id"],
            "at": pd.to_datetime(statements["statement_on"]).astype("datetime64[us]"),
            "cents": statements["minimum_due_cents"],
            "due_on": pd.to_datetime(statements["due_on"]),
        }
    )
    paid = pd.DataFrame(
        {"account_id": payments["account_id"], "at": payments["paid_at"], "cents": -payments["amount_cents"]}
    )
    events = pd.concat([asked, paid]).sort_values(["account_id", "at"], kind="stable")
    running = events.groupby("account_id")["cents"].cumsum()
    lost = running.groupby(events["account_id"]).min().clip(upper=0)
    covered = -paid.groupby("account_id")["cents"].sum().reindex(lost.index).fillna(0) + lost
    asked = asked.sort_values(["account_id", "at"], kind="stable")
    required = asked.groupby("account_id")["cents"].cumsum() - covered.reindex(asked["account_id"]).to_numpy()
    asked["left"] = np.clip(required, 0, asked["cents"])
    asked["late"] = asked["left"].where(asked["due_on"] < pd.Timestamp(as_of), 0)
    by_account = asked.groupby("account_id")
    oldest = asked[asked["late"] > 0].groupby("account_id")["due_on"].min()
    table = pd.DataFrame({"past_due_cents": by_account["late"].sum(), "cure_amount_cents": by_account["left"].sum()})
    table.insert(0, "dpd", (pd.Timestamp(as_of) - oldest).dt.days.reindex(table.index).fillna(0).astype(np.int64))
    return table.astype(np.int64)


def held_accounts(folder: Path, as_of: date, kinds: tuple[str, ...] = _HOLDS) -> set[str]:
    """Accounts under one of these flags at the end of a day, as known then."""
    end = pd.Timestamp(as_of) + pd.Timedelta(days=1)
    flags = pd.read_parquet(folder / "standings.parquet")
    holds = flags["kind"].isin(kinds) & (flags["from_at"] < end) & (flags["known_at"] < end)
    holds &= flags["until_at"].isna() | (flags["until_at"] >= end)
    return set(flags.loc[holds, "account_id"])


def base_rates(folder: Path, days: list[date]) -> pd.DataFrame:
    """What became within 30 days of the accounts that were overdue at some as-of days, all days together.

    Returns
    -------
    DataFrame, one row per bucket
        ``bucket``; ``n`` (accounts); ``share`` (of all accounts of the book); ``cure_rate``: everything that was
        overdue then is paid; ``roll_rate_by_count`` and ``roll_rate_by_balance`` (weighted by what is past due): in
        a worse bucket, or charged off.
    """
    n_accounts = len(pd.read_parquet(folder / "accounts.parquet", columns=["account_id"]))
    parts = []
    for day in days:
        before, after = positions(folder, day), positions(folder, day + timedelta(days=HORIZON_DAYS))
        is_open = (before["dpd"] > 0) & (before["past_due_cents"] >= MATERIALITY_CENTS)
        before = before[is_open & ~before.index.isin(held_accounts(folder, day))]
        dpd = after["dpd"].reindex(before.index)
        gone = before.index.isin(held_accounts(folder, day + timedelta(days=HORIZON_DAYS), ("charged_off",)))
        parts.append(
            pd.DataFrame(
                {
                    "bucket": [str(bucket_of(value)) for value in before["dpd"]],
                    "cured": (dpd <= HORIZON_DAYS) & ~gone,
                    "rolled": (_rank(dpd) > _rank(before["dpd"])) | gone,
                    "balance": before["past_due_cents"],
                }
            )
        )
    rows = pd.concat(parts)
    rows["rolled_balance"] = rows["balance"] * rows["rolled"]
    grouped = rows.groupby("bucket")
    table = pd.DataFrame(
        {
            "n": grouped.size(),
            "share": grouped.size() / (n_accounts * len(days)),
            "cure_rate": grouped["cured"].mean(),
            "roll_rate_by_count": grouped["rolled"].mean(),
            "roll_rate_by_balance": grouped["rolled_balance"].sum() / grouped["balance"].sum(),
        }
    )
    return table.reindex([str(bucket) for bucket in OVERDUE_BUCKETS]).rename_axis("bucket").reset_index()


def rates_figure(rates: pd.DataFrame) -> Figure:
    """Cure and roll rates by bucket, over the plausible range of the cure rate."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    ranges = [plausible_ranges()[bucket]["cure"] for bucket in rates["bucket"]]
    place = np.arange(len(rates))
    axes.fill_between(place, *np.array(ranges).T, color="0.9", label="plausible cure rate")
    axes.plot(place, rates["cure_rate"], "o-", color="#1b5e8c", label="cure rate")
    axes.plot(place, rates["roll_rate_by_count"], "s-", color="#b3482f", label="roll rate by count")
    axes.plot(place, rates["roll_rate_by_balance"], "s--", color="#b3482f", label="roll rate by balance")
    axes.set(title="30 days ahead, by bucket", xlabel="bucket", ylabel="share", ylim=(0, 1))
    axes.set_xticks(place, rates["bucket"])
    axes.legend(frameon=False)
    return figure


def _rank(dpd: pd.Series) -> Any:
    return np.searchsorted(list(BUCKET_FIRST_DPD.values()), dpd, side="right")
