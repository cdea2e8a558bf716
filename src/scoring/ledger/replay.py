"""Replay: decisions computed again from their records and the archived bundle, and compared value by value.

A plan decides all its accounts together, so it is replayed together: features, positions, flags and what the policy left open are
read from its records, the archived bundle scores them, the optimiser plans them under the recorded capacities, and every record is
written again. A decision between plans is replayed alone, at its recorded prices. Equal means equal: decisions, ranks, texts and
every float to the last bit. Reference tables (treatments, harm, effects, strategy, timing, terms) are the archived ones of the day.
What rests on events that records do not hold is taken as given, and the answer lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import orjson

from scoring.decisions.capacity import Capacity
from scoring.decisions.live import decide_at_prices
from scoring.decisions.plan import Plan, decide
from scoring.decisions.strategy import Strategy, house_strategy, strategy_from, with_effects
from scoring.errors import LedgerError, ScoringError
from scoring.features.builder import FeatureFrame
from scoring.ledger.decision_record import Circumstances, Ranked, record_blocks
from scoring.ledger.record import StoredBatch, StoredRecord
from scoring.ledger.replay_inputs import CUSTOMER, events_from, facts_from, frame_from, lawful_from, timing_from
from scoring.ledger.store import Ledger
from scoring.resources import in_force, reference_version
from scoring.scores.bundle import Bundle
from scoring.scores.card_scores import card_scores
from scoring.scores.rank_reasons import rank_explainer
from scoring.scores.scores import SCORECARD, Scores, score
from scoring.vocabulary import Channel

TAKEN_AS_GIVEN: Final[Mapping[str, str]] = {
    "policy": "what each rule said was judged from contacts and consents; that a closed channel stayed closed is computed again",
    "details": "hours, terms, questions and files are composed from payments, promises and contacts",
    "softer": "the payments tried were put into a history that the record does not hold",
    "environment": "it says where it was computed; what is another version now is named among the causes",
}
"""Parts of a record that a replay does not compute again, and why: they rest on events that no record holds."""
TABLES: Final = ("channel_effects", "harm", "plan_terms", "strategy", "timing", "treatments")
"""Reference tables whose version a decision records."""

BundleOf = Callable[[str], Bundle]
"""Finds an archived bundle by its id; raises a `ScoringError` where it is gone."""
TablesOf = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Finds the texts of reference tables by name and SHA-256; what it does not have is absent."""


@dataclass(frozen=True)
class Difference:
    """One value that came out otherwise: where, what was recorded, what was recomputed."""

    path: str
    recorded: Any
    recomputed: Any


@dataclass(frozen=True)
class Replayed:
    """One decision after its replay.

    Attributes
    ----------
    decision_id : str
    differences : tuple of Difference
        Empty where everything is exact.
    refusal : str
        Why it could not be replayed; empty where it was.
    causes : tuple of str
        What is known to differ between then and now and may explain a difference: versions of libraries.
    taken_as_given : tuple of str
        Parts of this record that were not computed again; see `TAKEN_AS_GIVEN`.
    """

    decision_id: str
    differences: tuple[Difference, ...] = ()
    refusal: str = ""
    causes: tuple[str, ...] = ()
    taken_as_given: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether everything came out as recorded."""
        return not self.differences and not self.refusal

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        >>> Replayed("D1").as_dict()["outcome"]
        'exact'
        """
        outcome = "not replayed" if self.refusal else "differs" if self.differences else "exact"
        return {
            "decision_id": self.decision_id,
            "outcome": outcome,
            "differences": [vars(difference) for difference in self.differences],
            "refusal": self.refusal,
            "causes": list(self.causes),
            "taken_as_given": list(self.taken_as_given),
        }


def _no_tables(versions: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def replay(
    ledger: Ledger,
    decision_ids: Sequence[str] | None,
    bundle_of: BundleOf,
    tables_of: TablesOf = _no_tables,
    *,
    batch_id: str | None = None,
    threads: int = 1,
) -> list[Replayed]:
    """Compute decisions again, and say what differs.

    Parameters
    ----------
    ledger : Ledger
    decision_ids : sequence of str, or None
        None replays every decision of a batch.
    bundle_of : callable
        Finds an archived bundle.
    tables_of : callable
        Finds archived reference tables; without it the project's own must be the ones that decided.
    batch_id : str, optional
        Needed where no decisions are named.

    Returns
    -------
    list of Replayed, in the order asked

    Raises
    ------
    UnknownDecisionError
        An id is not in the ledger.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
    ...     replay(ledger, [], bundle_of=lambda bundle_id: None)
    []
    """
    asked = None if decision_ids is None else [_decision(ledger, decision_id) for decision_id in decision_ids]
    batches = list(dict.fromkeys(record.batch_id for record in asked)) if asked is not None else [batch_id]
    found: dict[str, Replayed] = {}
    for batch in batches:
        if batch is None:
            found |= {
                r.decision_id: r
                for r in _each_alone(ledger, [r for r in asked or () if r.batch_id is None], bundle_of, tables_of)
            }
        else:
            found |= {r.decision_id: r for r in _whole_plan(ledger, batch, bundle_of, tables_of, threads)}
    return list(found.values()) if asked is None else [found[record.record_id] for record in asked]


def _decision(ledger: Ledger, decision_id: str) -> StoredRecord:
    record = ledger.get(decision_id)
    if record.kind != "decision":
        raise LedgerError(
            f"Record {decision_id} is of kind {record.kind}; only decisions are replayed.",
            field="decision_id",
            got=record.kind,
        )
    return record


def _whole_plan(
    ledger: Ledger, batch_id: str, bundle_of: BundleOf, tables_of: TablesOf, threads: int
) -> Iterator[Replayed]:
    batch = ledger.batch(batch_id)
    if batch is None or batch.first_seq is None:
        raise LedgerError(f"There is no batch {batch_id} with decisions in the ledger.", field="batch_id", got=batch_id)
    records = list(ledger.records(first_seq=batch.first_seq, last_seq=batch.last_seq))
    bodies = [record.body for record in records]
    if "capacity" not in batch.meta or any("position" not in body["input"] for body in bodies[:1]):
        yield from _refused(records, "it was recorded before inputs were kept for replay")
        return
    capacity = {Channel(name): Capacity.from_stated(limits) for name, limits in batch.meta["capacity"].items()}
    tables = tables_of(table_versions(bodies[0]))
    strategy = strategy_of(batch, bodies[0], tables)

    def decided(scores: Scores, bundle: Bundle) -> Plan:
        return decide(
            scores, bundle.definition, capacity, run_id=bodies[0]["run_id"], lawful=lawful_from(bodies),
            events=events_from(bodies, scores.frame), when=timing_from(bodies, scores.frame.as_of), strategy=strategy,
            facts=facts_from(bodies),
        )  # fmt: skip

    with in_force(tables):
        found = _recomputed(ledger, records, bodies, bundle_of, decided, strategy, threads)
    yield from found


def table_versions(body: Mapping[str, Any]) -> dict[str, str]:
    """The reference tables that decided, by name and hash, as far as the record states them."""
    return {name: body["policy"][name] for name in TABLES if name in body["policy"]}


def strategy_of(batch: StoredBatch | None, body: Mapping[str, Any], tables: Mapping[str, str]) -> Strategy:
    """The strategy that decided: the archived one, the one that its plan recorded, or the house's."""
    text = tables.get("strategy", None if batch is None else batch.meta.get("strategy_text"))
    recorded = None if text is None else strategy_from(text)
    return recorded if recorded is not None and recorded.version == body["strategy"]["sha256"] else house_strategy()


def _each_alone(
    ledger: Ledger, records: Sequence[StoredRecord], bundle_of: BundleOf, tables_of: TablesOf
) -> Iterator[Replayed]:
    for record in records:
        body = record.body
        if "at_prices" not in body:
            yield from _refused([record], "it was recorded before its prices were kept for replay")
            continue
        tables = tables_of(table_versions(body))
        strategy = strategy_of(ledger.batch(body["at_prices"].get("plan_run_id", "")), body, tables)
        with in_force(tables):
            found = _recomputed(ledger, [record], [body], bundle_of, _at_prices(body, strategy), strategy, 1)
        yield from found


def _at_prices(body: Mapping[str, Any], strategy: Strategy) -> Callable[[Scores, Bundle], Plan]:
    made_at = body["at_prices"]
    prices, minutes = (
        {Channel(name): float(price) for name, price in made_at[kind].items()} for kind in ("prices", "minute_prices")
    )
    closed = frozenset(Channel(name) for name in made_at["closed"])

    def decided(scores: Scores, bundle: Bundle) -> Plan:
        return decide_at_prices(
            scores,
            bundle.definition,
            prices,
            closed,
            run_id=body["run_id"],
            lawful=lawful_from([body]),
            minute_prices=minutes,
            events=events_from([body], scores.frame),
            when=timing_from([body], scores.frame.as_of),
            strategy=strategy,
        )

    return decided


def _recomputed(
    ledger: Ledger,
    records: Sequence[StoredRecord],
    bodies: Sequence[dict[str, Any]],
    bundle_of: BundleOf,
    decided: Callable[[Scores, Bundle], Plan],
    strategy: Strategy,
    threads: int,
) -> list[Replayed]:
    try:
        accounts, customers = _names(ledger, records, bodies)
        again = _bodies_again(ledger, bodies, accounts, customers, bundle_of, decided, strategy, threads)
    except ScoringError as problem:
        return list(_refused(records, problem.message))
    causes = tuple(_causes(bodies[0]))
    return [
        Replayed(record.record_id, tuple(differences(body, other)), "", causes, _given(body))
        for record, body, other in zip(records, bodies, again, strict=True)
    ]


def _given(body: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a record is taken as given."""
    return tuple(name for name in TAKEN_AS_GIVEN if body.get(name) is not None)


def _names(
    ledger: Ledger, records: Sequence[StoredRecord], bodies: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Accounts and customers; ties and draws depend on their ids, so an erased one cannot be replayed."""
    refs = [body["input"]["position"]["customer_ref"] for body in bodies]
    customers = ledger.subjects.accounts(sorted(set(refs)))
    gone = sum(record.account_id is None for record in records) + sum(ref not in customers for ref in refs)
    if gone:
        raise LedgerError(
            f"{gone} of the accounts and customers that were decided together were erased, and draws and ties depend on their ids.",
            field="decision_id",
            got=gone,
        )
    return [str(record.account_id) for record in records], [customers[ref].removeprefix(CUSTOMER) for ref in refs]


def _bodies_again(
    ledger: Ledger,
    bodies: Sequence[dict[str, Any]],
    accounts: Sequence[str],
    customers: Sequence[str],
    bundle_of: BundleOf,
    decided: Callable[[Scores, Bundle], Plan],
    strategy: Strategy,
    threads: int,
) -> Iterator[dict[str, Any]]:
    first = bodies[0]
    bundle = with_effects(bundle_of(first["model"]["bundle_id"]), strategy)
    _refuse_other_tables(first, strategy)
    scores = _scored_again(first, bundle, frame_from(bodies, accounts, customers), threads)
    plan = decided(scores, bundle).named_by(first["run_id"], ledger.refs)
    ranked = None
    if "product" in first["scores"]:
        explainer = rank_explainer(bundle)
        acts = (plan.decisions["channel"] != str(Channel.NONE)).to_numpy()
        ranked = None if explainer is None else Ranked.of(explainer, scores.frame.values, acts, threads=threads)
    shared = Circumstances(
        first["run_id"], first["trigger"], first["input"]["data_fingerprint"], first["currency"], {}, {}
    )
    blocks = record_blocks(
        plan, scores, bundle, shared, lawful_from(bodies), ranked=ranked, refs=ledger.refs,
        events=events_from(bodies, scores.frame), when=timing_from(bodies, scores.frame.as_of),
        at_prices=first.get("at_prices"), facts=facts_from(bodies),
    )  # fmt: skip
    return (orjson.loads(text) for block in blocks for text in block["body"].to_pylist())


def _scored_again(body: Mapping[str, Any], bundle: Bundle, frame: FeatureFrame, threads: int) -> Scores:
    """Scores by what scored then: the models, or the scorecard that stood in for them."""
    if body["model"].get("scored_by") == SCORECARD:
        return card_scores(bundle, frame)
    return score(bundle, frame, threads=threads)


def _refuse_other_tables(body: Mapping[str, Any], strategy: Strategy) -> None:
    """Another version of a table would decide otherwise, so what is neither archived nor current is refused."""
    recorded = table_versions(body)
    now = {name: strategy.version if name == "strategy" else reference_version(name) for name in recorded}
    changed = sorted(name for name, seen in now.items() if recorded[name] != seen)
    if changed:
        raise LedgerError(
            f"The tables {changed} are not the ones that were in force: their hashes differ from the recorded ones. Put the texts of "
            "the day into the archive of the state folder, named by their SHA-256.",
            field="policy",
            got={name: now[name] for name in changed},
            expected={name: recorded[name] for name in changed},
        )


def _refused(records: Iterable[StoredRecord], why: str) -> Iterator[Replayed]:
    for record in records:
        yield Replayed(record.record_id, refusal=why)


def _causes(body: Mapping[str, Any]) -> Iterator[str]:
    for name, recorded in body["environment"].items():
        if version(name) != recorded:
            yield f"{name} was {recorded}, and is {version(name)}"


def differences(recorded: Mapping[str, Any], recomputed: Mapping[str, Any]) -> list[Difference]:
    """Every value that differs between two bodies, by its path; inputs are left out.

    Examples
    --------
    >>> differences({"choice": {"rank": 2}, "details": 1}, {"choice": {"rank": 3}})
    [Difference(path='choice.rank', recorded=2, recomputed=3)]
    """
    kept = [
        {name: value for name, value in body.items() if name not in TAKEN_AS_GIVEN} for body in (recorded, recomputed)
    ]
    return [] if kept[0] == kept[1] else list(_differing("", *kept))


def _differing(path: str, one: Any, other: Any) -> Iterator[Difference]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _differing(f"{path}.{name}" if path else name, one.get(name), other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _differing(f"{path}[{place}]", *pair)
    elif one != other:
        yield Difference(path, one, other)
