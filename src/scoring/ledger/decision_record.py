"""The decision record: what was known, scored, allowed, weighed and chosen for one account, as canonical JSON by column.

It holds what an explanation and a replay need, so that neither runs the models on today's data: the features, both scores with
their margins and contributions by reason group, up to four reasons each, the candidates with their value and the price of
a place, the choice and the runner-up. Amounts are whole minor units. Field groups follow section 3.1 of the contact rulebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scoring.decisions.account_events import AccountEvents
from scoring.decisions.detail_columns import detail_columns
from scoring.decisions.lawfulness import Lawfulness, rule_letters
from scoring.decisions.on_file import OnFile
from scoring.decisions.plan import RULE, Plan
from scoring.decisions.softer import Softer
from scoring.decisions.timing import Timing
from scoring.decisions.treatment_details import TreatmentDetails
from scoring.features.builder import feature_spec_hash
from scoring.features.registry import FEATURES
from scoring.ledger.canonical import Fragment, canonical, canonical_column
from scoring.ledger.replay_inputs import Refs, facts_columns, input_columns, timing_columns
from scoring.scores.bundle import EXPLAINED, Bundle
from scoring.scores.rank_reasons import RankExplainer, RankReasons
from scoring.scores.scores import MODELS, Scores, group_contributions, known_effects
from scoring.vocabulary import CONTACT_CHANNELS, Channel

SCHEMA: Final = "decision/1"
BLOCK_ROWS: Final = 10_000
MOST_REASONS: Final = 4
SMALLEST_REASON_SHARE: Final = 0.02
"""A group below this share of all movement is no reason, a house threshold of 2026-11."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Circumstances:
    """What all decisions of a run share and every record states.

    Attributes
    ----------
    run_id : str
    trigger : str
        ``plan`` or ``request``.
    data_fingerprint : str
    policy : mapping
        Contact-policy profile, version, hash and status; what it could and could not judge.
    environment : mapping
        Library versions and whatever a replay must match.
    """

    run_id: str
    trigger: str
    data_fingerprint: str
    currency: str
    policy: Mapping[str, Any]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Ranked:
    """Reasons of the rank for some rows of a plan, and nothing for the others.

    Attributes
    ----------
    place : array (n_accounts,), int
        Row in ``reasons`` of each account; -1 where there is none.
    reasons : RankReasons
    """

    place: npt.NDArray[np.int64]
    reasons: RankReasons

    @classmethod
    def of(
        cls,
        explainer: RankExplainer,
        values: npt.NDArray[np.float32],
        chosen: npt.NDArray[np.bool_],
        *,
        threads: int = 1,
    ) -> Ranked:
        """Work out the reasons of the rank for the chosen rows."""
        place = np.where(chosen, np.cumsum(chosen) - 1, -1)
        return cls(place, explainer.explain(values[chosen], threads=threads))

    def product(self, rows: slice) -> pa.Array:
        """Groups, reference and value of willingness x ability per row; null where there is none."""
        place = self.place[rows]
        there = place >= 0
        at = np.where(there, place, 0)
        if not len(self.reasons.product):
            return pa.nulls(len(place))
        groups = pa.StructArray.from_arrays(
            [pa.array(self.reasons.values[at, k]) for k in range(len(self.reasons.groups))],
            names=list(self.reasons.groups),
        )
        reference = pa.array(np.full(len(at), self.reasons.reference))
        value = pa.array(self.reasons.product[at])
        return pa.StructArray.from_arrays(
            [groups, reference, value], names=["groups", "reference", "value"], mask=pa.array(~there)
        )

    def kept(self, name: str, rows: slice) -> Floats:
        """Share of resamples that keep each group among the largest, per row; NaN where there is none."""
        place = self.place[rows]
        found = np.full((len(place), len(self.reasons.groups)), np.nan)
        found[place >= 0] = self.reasons.kept[name][place[place >= 0]]
        return found


def record_blocks(
    plan: Plan,
    scores: Scores,
    bundle: Bundle,
    shared: Circumstances,
    lawful: Lawfulness | None = None,
    details: TreatmentDetails | None = None,
    ranked: Ranked | None = None,
    softer: Softer | None = None,
    *,
    refs: Refs,
    events: AccountEvents | None = None,
    when: Timing | None = None,
    at_prices: Mapping[str, Any] | None = None,
    facts: OnFile | None = None,
) -> Iterator[pa.Table]:
    """Records in blocks for `scoring.ledger.store.Ledger.append_batch`: ``record_id``, ``account_id``, ``body``.

    Parameters
    ----------
    lawful : Lawfulness, optional
        What the contact policy said about every rule and channel.
    details : TreatmentDetails, optional
        Timing, terms, questions and files that go with the decisions, recorded under ``details``.
    ranked : Ranked, optional
        Reasons of the rank, for the accounts that get an action.
    softer : Softer, optional
        What the customer could do that leads to a softer treatment.
    refs : callable
        What stands for accounts in the ledger (`scoring.ledger.store.Ledger.refs`): a body never holds an account's id.
    events : AccountEvents, optional
        What `decide` was given; the flags that it looked at are recorded.
    when : Timing, optional
        What `decide` was given; what time held back is recorded.
    at_prices : mapping, optional
        For decisions between plans: the prices they were made at, and channels that were closed.
    facts : OnFile, optional
        What `decide` was given: slots, regions, approvals.
    """
    for start in range(0, len(plan.decisions), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(plan.decisions)))
        accounts = pa.array(plan.decisions["account_id"].iloc[rows], type=pa.string())
        tree = _tree(plan, scores, bundle, shared, lawful, rows, ranked)
        tree["account_ref"] = pa.array(refs(accounts.to_pylist()), type=pa.string())
        tree["input"]["position"] = input_columns(scores, lawful, events, plan.strategy, refs, rows)
        if when is not None:
            tree["input"]["timing"] = timing_columns(when, plan.waiting, rows)
        if facts is not None:
            tree["input"]["on_file"] = facts_columns(facts, rows)
        if at_prices is not None:
            tree["at_prices"] = dict(at_prices)
        if softer is not None:
            tree["softer"] = _softer(softer, rows)
        if details is not None:
            tree["details"] = detail_columns(details, rows)
        yield pa.table(
            {
                "record_id": pa.array(plan.decisions["decision_id"].iloc[rows], type=pa.string()),
                "account_id": accounts,
                "body": canonical_column(tree),
            }
        )


def _tree(
    plan: Plan,
    scores: Scores,
    bundle: Bundle,
    shared: Circumstances,
    lawful: Lawfulness | None,
    rows: slice,
    ranked: Ranked | None,
) -> dict[str, Any]:
    decided = plan.decisions.iloc[rows]
    scored = scores.table.iloc[rows]
    return {
        "as_of": scores.frame.as_of.isoformat(),
        "candidates": _candidates(plan, rows),
        "choice": {
            "channel": _text(decided["channel"]),
            "exploration": {
                "explored": _array(decided["explored"]),
                "holdout": _array(decided["holdout"]),
                "propensity": _array(decided["propensity"]),
            },
            "loss_cents": _array(decided["loss_cents"]),
            "margin_cents": _rounded(margin_of(plan, rows)),
            "priority_formula": RULE,
            "priority_value_cents": _array(decided["priority_value_cents"]),
            "needs_review": _array(decided["needs_review"]),
            "queue_rank": _array(decided["rank"]),
            "reason": _text(decided["reason"]),
            "runner_up": _text(decided["runner_up_channel"]),
            "treatment": _text(decided["treatment"]),
            "waited_days": _array(decided["waited_days"]),
        },
        "currency": shared.currency,
        "decision_id": _text(decided["decision_id"]),
        "decision_kind": "choose_channel",
        "environment": dict(shared.environment),
        "input": {
            "data_fingerprint": shared.data_fingerprint,
            "feature_spec_hash": feature_spec_hash(),
            "features": features_as_stored(scores.frame.values[rows]),
        },
        "model": {
            "bundle_id": bundle.bundle_id,
            "effects": effect_sources(bundle, scores),
            "recipe": bundle.manifest["recipe"],
            "reference_population": bundle.manifest["reference_population"],
            **({} if scores.scored_by == MODELS else {"scored_by": scores.scored_by}),
        },
        "policy": {
            **shared.policy,
            **({} if lawful is None else {"results": policy_results(lawful, rows)}),
        },
        "run_id": shared.run_id,
        "schema": SCHEMA,
        "strategy": plan.strategy.facts(),
        "scores": {
            **{name: _score(name, scores, rows, ranked) for name in EXPLAINED},
            **({} if ranked is None else {"product": ranked.product(rows)}),
            "ability_share": _interval("ability", scored),
            "bucket": _text(scored["bucket"]),
            "cure_amount_cents": _array(scored["cure_amount_cents"]),
            "dpd": _array(scored["dpd"]),
            "evidence": _text(scored["evidence"]),
            "evidence_missing": _text(scored["evidence_missing"]),
            "p_full": _array(scored["p_full"]),
            "past_due_cents": _array(scored["past_due_cents"]),
            "payable_cents": {side: _array(scored[f"payable_{side}_cents"]) for side in ("low", "mid", "high")},
            "segment": _text(scored["segment"]),
            "w_logged": _array(scored["w_logged"]),
            "w_none": _array(scored["w_none"]),
            "w_none_interval": {side: _array(scored[f"w_none_{side}"]) for side in ("low", "high")},
        },
        "trigger": shared.trigger,
    }


def _softer(softer: Softer, rows: slice) -> pa.Array:
    """The payment that leads to a softer treatment, per row; null where that was not asked, zero where none tried does."""
    treatment = softer.treatment[rows]
    columns = [pa.array(softer.payment_cents[rows]), pa.array(treatment, type=pa.string(), mask=treatment == "")]
    return pa.StructArray.from_arrays(
        columns, names=["payment_cents", "treatment"], mask=pa.array(~softer.is_asked[rows])
    )


def _interval(name: str, scored: pd.DataFrame) -> dict[str, Any]:
    """A score as it is served, with its interval."""
    return {
        "high": _array(scored[f"{name}_high"]),
        "low": _array(scored[f"{name}_low"]),
        "value": _array(scored[name]),
    }


def _score(name: str, scores: Scores, rows: slice, ranked: Ranked | None) -> dict[str, Any]:
    parts = scores.contributions[name][rows]
    kept = None if ranked is None else ranked.kept(name, rows)
    groups, by_group = group_contributions(parts)
    return {
        "expected_margin": pa.array(parts[:, -1]),
        "groups": {group: pa.array(by_group[:, place]) for place, group in enumerate(groups)},
        "margin": pa.array(scores.margins[name][rows]),
        "reasons": reasons(parts, scores.frame.values[rows], kept),
        "scale": "log-odds",
    }


def reasons(parts: Floats, values: npt.NDArray[np.float32], kept: Floats | None = None) -> pa.Array:
    """Up to four reasons per row: groups by the size of their contribution, each with its strongest feature and value.

    Parameters
    ----------
    parts : array (n, n_features + 1)
        Contributions in log-odds, expected margin last.
    values : array (n, n_features)
    kept : array (n, n_groups), optional
        Share of resampled references that also count the group among the four largest; NaN where that was not worked out.

    Returns
    -------
    pyarrow list array of struct
        ``group``, ``contribution`` (log-odds, signed), ``feature``, ``value`` (null: not on file), ``kept``. Groups below 2 % of all
        movement are left out; ties keep the order of the groups.
    """
    groups, by_group = group_contributions(parts)
    size = np.abs(by_group)
    order = np.argsort(-size, axis=1, kind="stable")[:, :MOST_REASONS]
    picked = np.take_along_axis(by_group, order, axis=1)
    told = np.abs(picked) > SMALLEST_REASON_SHARE * size.sum(axis=1, keepdims=True)
    strongest = _strongest_features(parts, groups)
    features = np.take_along_axis(strongest, order, axis=1)[told]
    seen = np.take_along_axis(values.astype(np.float64), np.take_along_axis(strongest, order, axis=1), axis=1)[told]
    columns = {
        "contribution": pa.array(picked[told]),
        "feature": pa.array(_FEATURE_NAMES[features], type=pa.string()),
        "group": pa.array(np.array(groups, dtype=object)[order[told]], type=pa.string()),
        "value": _short(seen),
    }
    if kept is not None:
        columns["kept"] = _nullable(np.take_along_axis(kept, order, axis=1)[told])
    entries = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    ends = np.concatenate([[0], np.cumsum(told.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), entries)


_FEATURE_NAMES: Final = np.array([feature.name for feature in FEATURES], dtype=object)


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _strongest_features(parts: Floats, groups: list[str]) -> npt.NDArray[np.int64]:
    """Per row and group, the column of the feature with the largest contribution."""
    strongest = np.empty((len(parts), len(groups)), dtype=np.int64)
    for place, group in enumerate(groups):
        members = np.array([column for column, feature in enumerate(FEATURES) if str(feature.group) == group])
        strongest[:, place] = members[np.abs(parts[:, members]).argmax(axis=1)]
    return strongest


def features_as_stored(values: npt.NDArray[np.float32]) -> pa.Array:
    """Feature rows as lists of the shortest decimals that give the same float32 back; null where not observed.

    Examples
    --------
    >>> features_as_stored(np.array([[0.1, np.nan]], dtype=np.float32)).to_pylist()
    [[0.1, None]]
    """
    ends = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), _short(values.reshape(-1)))


def _short(values: npt.NDArray[Any]) -> pa.Array:
    """Float32 values as doubles with the shortest decimal text, NaN as null."""
    single = pa.array(values.astype(np.float32), mask=np.isnan(values))
    return pc.cast(pc.cast(single, pa.string()), pa.float64())


def policy_results(lawful: Lawfulness, rows: slice) -> Fragment:
    """What each rule said on each channel, as one small JSON text per distinct table.

    ``rules`` maps a rule to nine letters in channel order (``.`` not applicable, ``p`` pass, ``u`` unknown, ``r`` review, ``b`` block);
    ``closed`` and ``review`` map a channel to the rules that decided so.
    """
    texts = np.array([_table_text(lawful.rule_ids, table) for table in lawful.tables], dtype=object)
    return Fragment(pa.array(texts[lawful.which[rows]], type=pa.string()))


def _table_text(rule_ids: tuple[str, ...], table: npt.NDArray[np.int8]) -> str:
    letters: dict[str, str] = {}
    for rule_id, said in zip(rule_ids, rule_letters(table), strict=True):
        letters[rule_id] = _strictest(letters[rule_id], said) if rule_id in letters else said
    closed: dict[str, list[str]] = {}
    review: dict[str, list[str]] = {}
    for place, channel in enumerate(CONTACT_CHANNELS):
        blocks = [rule for rule, said in letters.items() if said[place] == "b"]
        asks = [rule for rule, said in letters.items() if said[place] in "ur"]
        if blocks:
            closed[str(channel)] = blocks
        elif asks:
            review[str(channel)] = asks
    return canonical({"closed": closed, "review": review, "rules": letters}).decode()


def _strictest(one: str, other: str) -> str:
    """Two dated versions of a rule: the stricter letter on each channel."""
    return "".join(max(pair, key=".purb".index) for pair in zip(one, other, strict=True))


def effect_sources(bundle: Bundle, scores: Scores) -> dict[str, str]:
    """Whether what a channel changes comes from the dated prior, from the log, or from both."""
    is_learned = "effects" in bundle.documents and scores.scored_by == MODELS
    effects = bundle.effects if is_learned else known_effects()
    return {} if effects is None else {str(channel): str(one.status) for channel, one in effects.channels.items()}


def _candidates(plan: Plan, rows: slice) -> dict[str, Any]:
    """Per channel: gain, cost and harm of a contact, net value (null where it is not possible), minutes, price of its place."""
    worth, price = plan.worth, plan.price_of_contact(rows)
    parts = {"cost_cents": worth.cost(rows), "gain_cents": worth.gain(rows), "harm_cents": worth.harm(rows)}
    found: dict[str, Any] = {}
    for place, channel in enumerate(CONTACT_CHANNELS):
        found[str(channel)] = {
            **{name: _rounded(part[:, place]) for name, part in parts.items()},
            "minutes": _rounded(worth.minutes[rows, place]),
            "price_cents": _rounded(price[:, place]),
            "value_cents": _rounded(plan.values[rows, place]),
        }
    return found


_CHOICES: Final = {str(channel): place for place, channel in enumerate((*CONTACT_CHANNELS, Channel.NONE))}


def margin_of(plan: Plan, rows: slice) -> Floats:
    """Value of the choice less that of the best alternative, doing nothing (0) included, before prices.

    Negative where a better channel had no place left: then capacity decided, not value.
    """
    worth = np.where(plan.values[rows] > 0, plan.values[rows], 0.0)
    worth = np.concatenate([worth, np.zeros((len(worth), 1))], axis=1)
    names = np.asarray(plan.decisions["channel"], dtype=object)[rows].tolist()
    chosen = np.array([_CHOICES[name] for name in names], dtype=np.int64)
    each = np.arange(len(worth))
    own = worth[each, chosen]
    worth[each, chosen] = -np.inf
    return np.asarray(own - worth.max(axis=1))


def _rounded(values: Floats) -> pa.Array:
    """Amounts to a hundredth of a minor unit; null where there is none."""
    finite = np.isfinite(values)
    return pa.array(np.round(np.where(finite, values, 0.0), 2), mask=~finite)


def _array(column: Any) -> pa.Array:
    return pa.array(column.to_numpy())


def _text(column: Any) -> pa.Array:
    return pa.array(column.to_numpy(dtype=object), type=pa.string())
