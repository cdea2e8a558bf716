"""Opening the desk: everything is loaded once, and what cannot be loaded is kept as the refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np

from scoring.decisions.strategy import with_effects
from scoring.errors import BundleError, NotReadyError, ScoringError
from scoring.features.builder import build, feature_spec_hash
from scoring.ledger.replay import BundleOf
from scoring.ledger.store import Ledger
from scoring.portfolio.reading import read_portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import Pin, load_challenger, load_champion
from serving.archive import archived_bundles, archived_tables
from serving.contact_policy import policy_of
from serving.current_plan import read_current_plan, refuse_stale_plan
from serving.customer_rows import CustomerRows
from serving.degraded import CANNOT_SCORE, Condition, score_or_card
from serving.desk import Day, Desk, Loaded, there
from serving.kept_features import kept_features
from serving.kept_rows import kept_rows
from serving.kept_scores import kept_scores
from serving.morning import morning_of
from serving.nightly import DUCKDB_MEMORY, refuse_other_currency
from serving.places import without_places
from serving.release import bundles_of
from serving.row_numbers import RowNumbers
from serving.settings import Settings
from serving.state.database import State
from serving.today import Today


def open_desk(settings: Settings, keep: Desk | None = None) -> Desk:
    """Load bundle, ledger, plan and portfolio; never fails, but keeps for each part why it is missing.

    Parameters
    ----------
    settings : Settings
    keep : Desk, optional
        One whose ledger and state are used on, where they are open.
    """
    champion = _or_refusal(lambda: _warm_champion(settings))
    ledger = keep.ledger if keep and isinstance(keep.ledger, Ledger) else _or_refusal(lambda: _open_ledger(settings))
    condition = Condition()
    day = _or_refusal(lambda: _open_day(settings, there(champion)[1], there(ledger), condition))
    state = keep.state if keep and isinstance(keep.state, State) else _or_refusal(lambda: _open_state(settings))
    if not isinstance(champion, ScoringError) and isinstance(day, Day):
        champion = champion[0], with_effects(champion[1], day.plan.strategy)
    found = (_bundles(settings.home, champion), archived_tables(settings.home))
    challenger = _or_refusal(lambda: _open_challenger(settings, there(champion)[1]))
    return Desk(
        without_places(champion, settings),
        without_places(ledger, settings),
        without_places(day, settings),
        without_places(state, settings),
        settings.limits,
        _open_today(state, day),
        found,
        without_places(challenger, settings),
        condition,
    )


def _open_challenger(settings: Settings, champion: Bundle) -> tuple[Pin, Bundle] | None:
    """The bundle to score in shadow; None where none is pinned, or where the champion itself is."""
    found = load_challenger(settings.home)
    if found is None or found[1].bundle_id == champion.bundle_id:
        return None
    if found[1].manifest["currency"] != champion.manifest["currency"]:
        raise BundleError(
            f"The challenger was trained in {found[1].manifest['currency']} and the champion in {champion.manifest['currency']}: "
            "amounts would mean something else. Pin another, or retire it with `scoring challenger retire`.",
            field="currency",
            got=found[1].manifest["currency"],
            expected=champion.manifest["currency"],
        )
    return found


def _bundles(home: Path, champion: tuple[Pin, Bundle] | ScoringError) -> BundleOf:
    """Finds bundles by id: the one in use, or an archived one."""
    archived = archived_bundles(home)

    def find(bundle_id: str) -> Bundle:
        in_use = not isinstance(champion, ScoringError) and champion[1].bundle_id == bundle_id
        return there(champion)[1] if in_use else archived(bundle_id)

    return find


def _open_today(state: State | ScoringError, day: Day | ScoringError) -> Today | None:
    """The day's events over the plan's portfolio; they are read with the first question."""
    if isinstance(state, ScoringError) or isinstance(day, ScoringError):
        return None
    plan = day.plan
    return Today(state, day.rows, plan.as_of, plan.run_id, plan.strategy.watched)


def _open_ledger(settings: Settings) -> Ledger:
    """The ledger that the nightly run has made; starting a service makes none."""
    if "://" not in settings.ledger_place and not Path(settings.ledger_place).is_file():
        raise NotReadyError(
            "There is no ledger yet, so nothing can be recorded. Make a plan with `scoring plan`.", field="ledger"
        )
    return Ledger.open(settings.ledger_place)


def _open_state(settings: Settings) -> State:
    """Keys, permits and events; made where there is a state folder, which starting a service never makes."""
    if "://" not in settings.state_place and not Path(settings.state_place).parent.is_dir():
        raise NotReadyError("There is no state folder yet. Make a plan with `scoring plan`.", field="state")
    return State(settings.state_place)


def _warm_champion(settings: Settings) -> tuple[Pin, Bundle]:
    """The champion, with everything that is built once: leaf tables, compiled kernels, the feature query."""
    pin, bundle = load_champion(bundles_of(settings.home))
    _ = feature_spec_hash()
    with suppress(*CANNOT_SCORE):  # then scoring one account says so, and the scorecard stands in
        bundle.prepare()
    return pin, bundle


def _open_day(settings: Settings, bundle: Bundle, ledger: Ledger, condition: Condition) -> Day:
    plan = read_current_plan(settings.home)
    portfolio = read_portfolio(plan.portfolio_folder, threads=settings.threads, memory_limit=DUCKDB_MEMORY)
    refuse_stale_plan(plan, portfolio, ledger)
    refuse_other_currency(portfolio, bundle)
    folder = settings.home / "plans" / plan.run_id[:16]
    kept = kept_features(folder, plan.features, plan.as_of)
    frame = build(portfolio, plan.as_of, min_dpd=0) if kept is None else kept
    score_or_card(bundle, frame.take(np.arange(min(len(frame), 1))), condition)
    policy = without_places(_or_refusal(lambda: policy_of(plan)), settings)
    morning = None
    if not isinstance(policy, ScoringError):
        morning = morning_of(portfolio, frame, policy, plan.strategy, plan.payment_curve)
    scores = kept_scores(folder, plan.scores, bundle.bundle_id, plan.as_of.isoformat(), len(plan.decisions))
    rows = CustomerRows(portfolio, kept_rows(folder, plan.rows))
    return Day(plan, rows, frame, RowNumbers(frame.positions["account_id"].array), policy, morning, scores)


def _or_refusal(load: Callable[[], Loaded]) -> Loaded | ScoringError:
    try:
        return load()
    except ScoringError as error:
        return error
    except (duckdb.Error, OSError) as error:
        return NotReadyError(
            f"The state folder cannot be read to its end ({type(error).__name__}). Restore it, or make the plan again.",
            got=type(error).__name__,
        )
