"""Everything measured about one training, as one nested mapping of JSON values: the *facts* that gates, card and report read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from scoring.decisions.capacity import Capacity
from scoring.decisions.plan import decide
from scoring.errors import BundleError, FeatureError, NotReadyError
from scoring.features.builder import FeatureFrame
from scoring.portfolio.reading import Portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import load_champion
from scoring.scores.scorecard import Scorecard
from scoring.scores.scores import score
from scoring.vocabulary import CONTACT_CHANNELS, Channel
from training import evaluation
from training.recipe import Recipe
from training.report.drift import drift
from training.report.fairness import as_facts, fairness, protected_groups
from training.report.null import against_null, calibration_by_bucket, cash_by_bucket
from training.report.rivals import Rival, against_rules, differences
from training.rotation import held_out_customers, is_test_customer
from training.snapshots import Snapshot

PLACES_PER_ACCOUNT: Final = {Channel.AGENT_CALL: 0.10, Channel.AI_VOICE: 0.10, Channel.LETTER: 0.05, Channel.SMS: 0.50}
"""Places per overdue account for the fairness audit; the other channels are closed. An assumption, named in the report."""


def performance(table: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """Figures with intervals: overall, by bucket, by segment and by evidence state."""
    found: dict[str, Any] = {"overall": evaluation.metrics(table), "intervals": evaluation.intervals(table, seed=seed)}
    for column in ("bucket", "segment", "evidence"):
        if column in table:
            found[f"by_{column}"] = evaluation.by_group(table, column)
            found[f"intervals_by_{column}"] = evaluation.intervals_by_group(table, column, seed=seed)
    return found


def rivals(home: Path, bundle: Bundle, held_out: Snapshot, table: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """Paired differences against the champion, the scorecard and the simple rules; says why where there was no comparison."""
    found: dict[str, Any] = {"rules": against_rules(table, seed=seed)}
    card = bundle.documents.get("scorecard")
    if card is None:
        found["scorecard"] = {"compared": False, "why": "The bundle holds no scorecard."}
    else:
        scored = Scorecard.from_json(card).scored(held_out.frame)
        found["scorecard"] = _against("scorecard", scored, table, seed)
    found["champion"] = _against_champion(home, bundle, held_out, table, seed)
    return found


def _against(name: str, scored: pd.DataFrame, table: pd.DataFrame, seed: int) -> dict[str, Any]:
    willing, ability = (scored[column].to_numpy(dtype=np.float64) for column in ("w_logged", "ability"))
    return {"compared": True, "differences": differences(table, Rival(name, willing, ability), seed=seed)}


def _against_champion(home: Path, bundle: Bundle, held_out: Snapshot, table: pd.DataFrame, seed: int) -> dict[str, Any]:
    try:
        pin, champion = load_champion(home)
    except NotReadyError:
        return {"compared": False, "why": "No bundle has been promoted yet."}
    except BundleError as error:
        return {"compared": False, "why": f"The champion cannot score these accounts: {error}"}
    told = {"bundle_id": champion.bundle_id, "version": pin.version}
    if champion.bundle_id == bundle.bundle_id:
        return {"compared": False, "why": "This training gave the champion again, to the byte.", **told}
    if champion.manifest["targets"] != bundle.manifest["targets"]:
        return {"compared": False, "why": "The champion was trained on other targets.", **told}
    own = held_out.frame.as_of
    later = [day for day in champion.manifest["train_days"] if _overlaps(day, own.toordinal(), bundle)]
    scored = score(champion, held_out.frame, with_contributions=False).table
    note = f"The champion was trained on {', '.join(later)}, whose outcomes overlap this test." if later else ""
    return {**_against("champion", scored, table, seed), **told, "note": note}


def _overlaps(day: str, test_ordinal: int, bundle: Bundle) -> bool:
    return pd.Timestamp(day).toordinal() > test_ordinal - bundle.definition.horizon_days


def stability(bundle: Bundle, days: Sequence[Snapshot], ways: Recipe) -> list[dict[str, Any]]:
    """The same bundle on held-out customers on every day there is; the training days share a calendar with training, not customers."""
    found = []
    for day in days:
        held_out = held_out_customers(day, ways)
        if len(held_out.frame) == 0:
            continue
        table = _table(bundle, held_out)
        figures = evaluation.metrics(table)
        figures["in_the_large"] = float((table["willingness"] - table["w_logged"]).mean())
        found.append({"as_of": held_out.frame.as_of.isoformat(), **figures})
    return found


def _table(bundle: Bundle, held_out: Snapshot) -> pd.DataFrame:
    scored = score(bundle, held_out.frame, with_contributions=False).table
    return evaluation.evaluation_table(scored, held_out.targets, held_out.frame.positions["customer_id"])


def fairness_facts(
    portfolio: Portfolio, bundle: Bundle, tested: Snapshot, ways: Recipe, *, seed: int
) -> dict[str, Any]:
    """Who would be helped and who pressed, by protected group, on the test day's queue at the stated places."""
    queue = tested.take(tested.in_queue)
    groups = protected_groups(portfolio, queue.frame.positions["customer_id"], queue.frame.as_of)
    if groups.columns.empty or len(queue.frame) == 0:
        return as_facts([], groups, places={})
    scores = score(bundle, queue.frame, with_contributions=False)
    table = evaluation.evaluation_table(scores.table, queue.targets, queue.frame.positions["customer_id"])
    places = {channel: int(np.ceil(PLACES_PER_ACCOUNT.get(channel, 0.0) * len(table))) for channel in CONTACT_CHANNELS}
    capacity: dict[Channel, Capacity] = {channel: Capacity(contacts=n) for channel, n in places.items()}
    decided = decide(scores, bundle.definition, capacity, run_id="fairness").decisions
    judged = table.assign(
        treatment=decided["treatment"].to_numpy(),
        channel=decided["channel"].to_numpy(),
        is_held_out=is_test_customer(queue, ways),
    )
    found = fairness(judged, groups, seed=seed)
    facts = as_facts(found, groups, places={str(channel): n for channel, n in places.items() if n})
    for verdict in ("alarm", "watch"):
        facts[f"n_{verdict}"] = sum(one.verdict == verdict for one in found)
    return facts


def drift_facts(
    last: Mapping[str, Any] | None,
    last_bundle: Bundle | None,
    queue: FeatureFrame,
    held_out: Snapshot,
    contacts: Mapping[str, Any],
    *,
    seed: int,
) -> dict[str, Any]:
    """The queue of this test day against that of the last training; the last bundle's scores, so that only accounts differ.

    Its willingness is also held against what happened since, on customers never trained on: is it still right in the large?
    """
    if last is None:
        return {"compared": False, "why": "This is the first training in this store."}
    scores = scores_of(last_bundle, queue) if last_bundle is not None else {}
    found = {"compared": True, **drift(last, queue, scores, contacts)}
    told = scores_of(last_bundle, held_out.frame) if last_bundle is not None else {}
    if "willingness" in told:
        seen = held_out.targets["willingness"].to_numpy(dtype=np.float64)
        found["calibration"] = {"willingness": against_null(told["willingness"], seen, seed=seed)}
    return found


def scores_of(bundle: Bundle, frame: FeatureFrame) -> dict[str, Any]:
    """The two scores of a bundle on a frame, by name; none where it cannot score it."""
    try:
        scored = score(bundle, frame, with_contributions=False).table
    except (BundleError, FeatureError):
        return {}
    return {"willingness": scored["w_logged"].to_numpy(), "ability": scored["ability"].to_numpy()}


def calibration_facts(table: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """Calibration beside its null, and cash, by bucket."""
    return {"calibration": calibration_by_bucket(table, seed=seed), "cash": cash_by_bucket(table, seed=seed)}


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Every number of the facts under its dotted path, for gates and metrics.

    Examples
    --------
    >>> flat({"cash": {"M1": {"cash_ratio": 1.0}}, "why": "text", "compared": True})
    {'cash.M1.cash_ratio': 1.0, 'compared': 1.0}
    """
    return dict(_numbers(facts, prefix))


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, bool | int | float | np.number):
        yield path, float(value)
    elif isinstance(value, tuple) and len(value) == 2:
        yield f"{path}.low", float(value[0])
        yield f"{path}.high", float(value[1])
