"""The nightly run: a portfolio and a day in; scores, plan, ledger records and queue files out.

The ledger comes first: a record is there before anyone can read a queue. Records go in as one batch, files appear in one rename,
and everything is derived from the inputs alone, so a run that was killed is simply run again: same ids, no duplicates.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

import scoring
from scoring.decisions.account_events import account_events
from scoring.decisions.capacity import Capacity, read_capacity
from scoring.decisions.lawfulness import Lawfulness, find_profile, lawfulness, read_operations
from scoring.decisions.on_file import on_file
from scoring.decisions.plan import Plan, decide, plan_summary, strategy_versions
from scoring.decisions.softer import softer_treatments
from scoring.decisions.strategy import Strategy, with_effects
from scoring.decisions.strategy_pin import strategy_in_force
from scoring.decisions.timing import timing
from scoring.decisions.treatment_details import TreatmentDetails, slot_hours, treatment_details
from scoring.decisions.treatment_details import versions as detail_versions
from scoring.decisions.treatments import treatment_table
from scoring.errors import BadRequestError, BundleError, MissingToolError
from scoring.features.builder import FeatureFrame, build, feature_spec_hash
from scoring.ledger.decision_record import SCHEMA as RECORD_SCHEMA
from scoring.ledger.decision_record import Circumstances, Ranked, record_blocks
from scoring.ledger.record import Batch, StoredBatch
from scoring.ledger.replay_inputs import CUSTOMER
from scoring.ledger.store import Ledger
from scoring.policy import Operations
from scoring.portfolio.checking import refuse_miscounted
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import Pin, load_champion
from scoring.scores.rank_reasons import rank_explainer
from scoring.scores.scores import Scores, score
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from serving.archive import archive_policy, archive_tables
from serving.kept_features import FACTS, keep_features
from serving.kept_files import ROWS as ROWS_FILES
from serving.kept_files import ROWS_INDEX, forget_kept
from serving.kept_rows import FACTS as ROWS
from serving.kept_rows import keep_rows
from serving.kept_scores import FACTS as SCORES
from serving.kept_scores import keep_scores

PLAN_FILE: Final = "plan.json"
PAYMENT_CURVE: Final = "payment_curve"
STRATEGY_FILE: Final = "strategy.toml"
CURRENT: Final = "current.json"
QUEUE_COLUMNS: Final = (
    "rank", "account_id", "treatment", "priority_value_cents", "loss_cents", "waited_days", "bucket", "dpd", "past_due_cents",
    "cure_amount_cents",
    "payable_low_cents", "payable_mid_cents", "payable_high_cents", "segment", "evidence", "runner_up_channel", "needs_review",
    "contact_on", "contact_from_hour", "contact_until_hour", "next_review_on", "plan_kind", "plan_instalments",
    "plan_instalment_cents", "plan_eligibility", "ask_about", "repair", "legal_completeness", "decision_id",
)  # fmt: skip
DECISION_COLUMNS: Final = (
    "decision_id", "account_id", "as_of", "channel", "treatment", "rank", "priority_value_cents", "runner_up_channel",
    "propensity", "explored", "holdout", "needs_review", "reason", "loss_cents", "waited_days",
)  # fmt: skip
SMALLEST_FREE_DISK: Final = 1 << 30
DUCKDB_MEMORY: Final = "1500MB"


@dataclass(frozen=True)
class NightlyRun:
    """What a run gives back: the summary written as ``plan.json``, and where things are."""

    run_id: str
    out: Path
    summary: dict[str, Any]
    already_recorded: bool


def run_plan(
    folder: Path,
    *,
    as_of: date,
    out: Path,
    home: Path,
    recorded_at: datetime,
    capacity_file: Path | None = None,
    policy: str | None = None,
    operations_file: Path | None = None,
    threads: int = 2,
    progress: Callable[[str], None] = lambda message: None,
    ledger_place: str = "",
    strategy_file: Path | None = None,
) -> NightlyRun:
    """Score a portfolio, make one plan, record every decision, write the queues.

    Parameters
    ----------
    folder : Path
        Event tables.
    as_of : date
        What was known by the end of this day.
    out : Path
        New, empty, or an earlier plan's folder, which is replaced in one step.
    home : Path
        State folder: pinned bundle, ledger, plans.
    recorded_at : datetime
        UTC instant of writing; not part of any decision.
    policy : str, optional
        Contact-policy profile, by name or file; default: the one for the portfolio's currency.
    operations_file : Path, optional
        What holds for the whole operation, e.g. that calls are recorded; without it such facts are unknown.
    ledger_place : str, optional
        A file or the address of a PostgreSQL database; default: ``ledger.db`` in the state folder.
    strategy_file : Path, optional
        Default: the promoted strategy, else the house's.

    Returns
    -------
    NightlyRun

    Raises
    ------
    ScoringError
        Before anything is written: bad portfolio, capacity, as-of or bundle, or an ``out`` that holds something else.
    """
    _refuse_foreign(out)
    _refuse_full_disk(home)
    capacity = read_capacity(capacity_file)
    operations = read_operations(operations_file)
    strategy = strategy_in_force(home, strategy_file)
    pin, bundle = load_champion(home)
    bundle = with_effects(bundle, strategy)
    progress("reading the portfolio")
    portfolio = read_portfolio(folder, threads=threads, memory_limit=DUCKDB_MEMORY)
    refuse_miscounted(portfolio)
    refuse_other_currency(portfolio, bundle)
    progress("features")
    everybody_seen = build(portfolio, as_of, min_dpd=0)
    frame = everybody_seen.take((everybody_seen.positions["dpd"] >= 1).to_numpy())
    progress(f"scores and contributions of {len(frame):,} accounts")
    scores = score(bundle, frame, threads=threads)
    progress("contact policy")
    profile = find_profile(policy, portfolio.currency)
    lawful = (
        None
        if profile is None
        else lawfulness(portfolio, profile, operations, scores.table["account_id"].tolist(), as_of)
    )
    progress("plan")
    shared = circumstances(portfolio, bundle, as_of, capacity, policy_facts(lawful, operations), strategy)
    events = account_events(portfolio, scores.table["account_id"].to_numpy(dtype=object), as_of)
    when = timing(events)
    facts = on_file(portfolio, events, scores.frame.positions, capacity[Channel.AGENT_CALL].slots, profile)
    plan = decide(
        scores, bundle.definition, capacity, run_id=shared.run_id, lawful=lawful, events=events, when=when,
        strategy=strategy, facts=facts,
    )  # fmt: skip
    progress("timing and terms")
    details = treatment_details(
        events,
        when,
        scores,
        plan.decisions,
        bundle.definition,
        waiting=plan.waiting,
        profile=profile,
        call_hours=slot_hours(plan.slots, capacity[Channel.AGENT_CALL].slots),
    )
    progress("what would soften")
    softer = softer_treatments(portfolio, frame, bundle, plan.decisions["treatment"].to_numpy(dtype=object))
    progress("reasons of the rank")
    ranked = rank_reasons(plan, frame, bundle, threads=threads)
    progress("ledger")
    summary = {**_summary(plan, scores, pin, bundle, portfolio, shared), PAYMENT_CURVE: when.curve.stated()}
    batch = Batch(
        shared.run_id,
        "decision",
        as_of,
        {**summary, "capacity": stated_capacity(capacity), "strategy_text": strategy.text},
    )
    archive_tables(home, strategy)
    if profile is not None:
        archive_policy(home, policy, profile)
    with Ledger.open(ledger_place or home / "ledger.db") as ledger:
        _ = ledger.refs(everybody(portfolio))  # so that a decision between plans has no reference left to write
        plan = plan.named_by(shared.run_id, ledger.refs)
        stored = ledger.append_batch(
            batch,
            record_blocks(
                plan,
                scores,
                bundle,
                shared,
                lawful,
                details,
                ranked=ranked,
                softer=softer,
                refs=ledger.refs,
                events=events,
                when=when,
                facts=facts,
            ),
            recorded_at=recorded_at,
        )
    progress("queue files")
    told = {**summary, "ledger": _ledger_facts(stored)}
    keep = partial(_keep_beside, everybody_seen, scores, portfolio, bundle.bundle_id, progress)
    _publish(plan, scores, details, told, out, home / "plans" / shared.run_id[:16], keep)
    _point_at(home, shared.run_id, folder, as_of)
    forget_kept(home / "plans", shared.run_id[:16])
    return NightlyRun(shared.run_id, out, summary, stored.already_there)


def stated_capacity(capacity: dict[Channel, Capacity]) -> dict[str, list[Any]]:
    """Contacts and minutes offered by each channel, slots and regions, as a replay reads them."""
    return {str(channel): limit.stated() for channel, limit in capacity.items()}


def rank_reasons(plan: Plan, frame: FeatureFrame, bundle: Bundle, *, threads: int) -> Ranked | None:
    """Why the accounts that get an action rank where they do; None where the bundle cannot tell."""
    explainer = rank_explainer(bundle)
    acts = (plan.decisions["channel"] != str(Channel.NONE)).to_numpy()
    return None if explainer is None else Ranked.of(explainer, frame.values, acts, threads=threads)


def everybody(portfolio: Portfolio) -> list[str]:
    """Accounts and customers of a portfolio, as references are asked for."""
    found = portfolio.connection.execute("SELECT account_id, customer_id FROM accounts").fetchnumpy()
    return [
        *found["account_id"].tolist(),
        *(CUSTOMER + customer for customer in sorted(set(found["customer_id"].tolist()))),
    ]


def policy_facts(lawful: Lawfulness | None, operations: Operations) -> dict[str, Any]:
    """What decided which channels were open: profile, version, hash, approval, operations; or that there was no profile."""
    if lawful is None:
        return {
            "profile": None,
            "note": "no contact-policy profile: only holds and the treatment table restricted channels",
        }
    return {**lawful.facts, "operations": _operations_facts(operations)}


def _operations_facts(operations: Operations) -> dict[str, Any]:
    """The operations as they were given, flat, so that `Operations.read` takes them back."""
    until = operations.contacts_complete_until
    stated = {
        "collector": operations.collector,
        "overlays_by_region": None
        if operations.overlays_by_region is None
        else {r: list(o) for r, o in operations.overlays_by_region.items()},
        "contacts_complete_until": None if until is None else until.isoformat(),
        "contacts_max_lag_hours": operations.contacts_max_lag_hours,
    }
    return {**{name: value for name, value in stated.items() if value is not None}, **operations.facts}


def circumstances(
    portfolio: Portfolio,
    bundle: Bundle,
    as_of: date,
    capacity: dict[Channel, Capacity],
    policy: dict[str, Any],
    strategy: Strategy,
) -> Circumstances:
    """What all decisions of a run share; the run id is a hash of everything that can change a decision."""
    limits = stated_capacity(capacity)
    inputs = [
        scoring.__version__, RECORD_SCHEMA, portfolio.fingerprint, as_of.isoformat(), bundle.bundle_id, feature_spec_hash(),
        treatment_table().version, limits, policy, strategy_versions(strategy), detail_versions(),
    ]  # fmt: skip
    run_id = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return Circumstances(
        run_id=run_id,
        trigger="plan",
        data_fingerprint=portfolio.fingerprint,
        currency=portfolio.currency,
        policy={**policy, "treatments": treatment_table().version, **strategy_versions(strategy), **detail_versions()},
        environment={name: version(name) for name in ("lightgbm", "numpy", "duckdb")},
    )


def refuse_other_currency(portfolio: Portfolio, bundle: Bundle) -> None:
    """Refuse a portfolio in another currency than the bundle's: its amounts and thresholds would mean something else."""
    if portfolio.currency != bundle.manifest["currency"]:
        raise BundleError(
            f"The portfolio is in {portfolio.currency or 'no stated currency'} and the bundle was trained in "
            f"{bundle.manifest['currency']}: amounts and thresholds would mean something else. Train and promote on a portfolio "
            "of the same currency.",
            field="currency",
            got=portfolio.currency,
            expected=bundle.manifest["currency"],
        )


def _summary(
    plan: Plan, scores: Scores, pin: Pin, bundle: Bundle, portfolio: Portfolio, shared: Circumstances
) -> dict[str, Any]:
    return {
        "run_id": shared.run_id,
        "as_of": scores.frame.as_of.isoformat(),
        "bundle": {"id": bundle.bundle_id, "version": pin.version, "approver": pin.approver, "approved_at": pin.approved_at},
        "policy": dict(shared.policy),
        "portfolio": {
            "fingerprint": portfolio.fingerprint, "extract_on": portfolio.extract_on.isoformat(), "currency": portfolio.currency,
            "observed_tables": sorted(portfolio.observed),
        },
        "feature_spec_hash": feature_spec_hash(),
        "solver": {"method": "dual prices by coordinate search, then repair", "bound": "Lagrangian dual at the stated prices"},
        **plan_summary(plan),
    }  # fmt: skip


def _ledger_facts(stored: StoredBatch) -> dict[str, Any]:
    return {
        "batch_id": stored.batch_id,
        "n_records": stored.n_records,
        "first_seq": stored.first_seq,
        "last_seq": stored.last_seq,
    }


def _publish(
    plan: Plan,
    scores: Scores,
    details: TreatmentDetails,
    summary: dict[str, Any],
    out: Path,
    kept: Path,
    keep: Callable[[Path], dict[str, Any]],
) -> None:
    """Write all files beside their place and rename once; the state folder keeps what the service reads."""
    out.parent.mkdir(parents=True, exist_ok=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch, own = (Path(tempfile.mkdtemp(prefix=".plan-", dir=place.parent)) for place in (out, kept))
    try:
        _write_files(plan, scores, details, summary | keep(own), scratch)
        for name in ("scores.parquet", "decisions.parquet", STRATEGY_FILE, PLAN_FILE):
            shutil.copy2(scratch / name, own / name)
        _swap_in(own, kept)
        _swap_in(scratch, out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(own, ignore_errors=True)


def _keep_beside(
    seen: FeatureFrame,
    scores: Scores,
    portfolio: Portfolio,
    bundle_id: str,
    progress: Callable[[str], None],
    folder: Path,
) -> dict[str, Any]:
    """Write what the service would work out itself; what ``plan.json`` states of it. The largest, the rows, come last."""
    kept = {FACTS: keep_features(seen, folder), SCORES: keep_scores(scores, bundle_id, folder)}
    try:
        return {**kept, ROWS: keep_rows(portfolio, folder)}
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        progress(
            f"rows of customers could not be kept ({type(error).__name__}): the service will ask the portfolio for them"
        )
        for name in (ROWS_INDEX, *ROWS_FILES.values()):
            (folder / name).unlink(missing_ok=True)
        return kept


def _write_files(plan: Plan, scores: Scores, details: TreatmentDetails, summary: dict[str, Any], place: Path) -> None:
    scores.table.to_parquet(place / "scores.parquet", index=False)
    plan.decisions[list(DECISION_COLUMNS)].to_parquet(place / "decisions.parquet", index=False)
    _with_accounts(plan, details).to_parquet(place / "details.parquet", index=False)
    for channel, queue in queues(plan, scores, details).items():
        queue.to_parquet(place / f"queue_{channel}.parquet", index=False)
        queue.to_csv(place / f"queue_{channel}.csv", index=False, lineterminator="\n")
    (place / STRATEGY_FILE).write_text(plan.strategy.text, encoding="utf-8", newline="")
    (place / PLAN_FILE).write_text(
        json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def _with_accounts(plan: Plan, details: TreatmentDetails) -> pd.DataFrame:
    """The details of every account under its id: timing, terms, questions, files."""
    return pd.concat([plan.decisions[["decision_id", "account_id"]], details.table], axis=1)


def queues(plan: Plan, scores: Scores, details: TreatmentDetails) -> dict[str, pd.DataFrame]:
    """One table per contact channel in rank order; a channel without work has an empty one."""
    joined = pd.concat([plan.decisions, scores.table.drop(columns=["account_id", "as_of"]), details.table], axis=1)
    ordered = joined.sort_values(["channel", "rank"], kind="stable")
    names = np.asarray(ordered["channel"])
    return {str(c): ordered.loc[names == str(c), list(QUEUE_COLUMNS)].reset_index(drop=True) for c in CONTACT_CHANNELS}


def _swap_in(fresh: Path, place: Path) -> None:
    """Put a finished folder in place; an earlier one is moved aside first and removed last."""
    fresh.chmod(0o755)
    old = fresh.with_name(fresh.name + ".old")
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _point_at(home: Path, run_id: str, folder: Path, as_of: date) -> None:
    """Tell the service which plan is current, in one step."""
    path = home / "plans" / CURRENT
    scratch = path.with_suffix(".tmp")
    scratch.write_text(
        json.dumps(
            {"run_id": run_id, "plan": run_id[:16], "portfolio": str(folder.resolve()), "as_of": as_of.isoformat()}
        )
        + "\n",
        encoding="utf-8",
    )
    scratch.replace(path)


def _refuse_foreign(out: Path) -> None:
    """Refuse to replace a folder that is not an earlier plan."""
    if out.exists() and not out.is_dir():
        raise BadRequestError(f"--out {out} is a file. Name a folder.", field="out", got=str(out))
    if out.is_dir() and any(out.iterdir()) and not (out / PLAN_FILE).is_file():
        raise BadRequestError(
            f"--out {out} holds files that are not a plan ({PLAN_FILE} is missing), so it is left alone. Name a new or empty folder.",
            field="out",
            got=str(out),
        )


def _refuse_full_disk(home: Path) -> None:
    there = home if home.exists() else home.absolute().parent
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < SMALLEST_FREE_DISK:
        raise MissingToolError(
            f"Only {free >> 20} MB are free under {there}; a plan needs at least {SMALLEST_FREE_DISK >> 20} MB. "
            "Free some disk or set SCORING_HOME.",
            field="disk",
            got=free,
            expected=SMALLEST_FREE_DISK,
        )
