"""For compliance: everything, in a reviewer's order (contact rulebook, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scoring.explanations.facts import DecisionFacts, ScoreFacts
from scoring.explanations.quantities import days, feature_value, money, probability_text, signed
from scoring.explanations.ranking import capacity_lines, rank_lines
from scoring.explanations.sections import Section
from scoring.explanations.wording import Wording
from scoring.ledger.record import instant_text
from scoring.vocabulary import HUMAN_ONLY_CHANNELS, Evidence, Segment

AGAINST: Final = ("block", "review", "unknown")
_UNWILLING: Final = (Segment.UNWILLING_ABLE, Segment.UNWILLING_UNABLE)
_OVERDUE_ACCOUNTS: Final = re.compile(r"^([\d,]+) overdue accounts on (\d{4}-\d{2}-\d{2}(?:, \d{4}-\d{2}-\d{2})*)$")


def compliance_sections(facts: DecisionFacts, wording: Wording) -> tuple[Section, ...]:
    """The sections of the review page; one without lines is left out."""
    told = {
        "decision": _decision(facts, wording),
        "not_allowed": _not_allowed(facts, wording),
        "scores": _scores(facts, wording),
        "willingness": reasons(facts, facts.willingness, wording),
        "ability": reasons(facts, facts.ability, wording),
        "rules": _rules(facts, wording),
        "rank": rank_lines(facts, wording),
        "capacity": capacity_lines(facts, wording),
        "softer": (wording.say(f"softer.{key}") for key in ("hardship", "plan", "dispute", "payment", "general")),
        "human": _human(facts, wording),
        "integrity": _integrity(facts, wording),
    }
    gathered = {key: tuple(lines) for key, lines in told.items()}
    return tuple(Section(key, wording.heading(key), lines) for key, lines in gathered.items() if lines)


def reference_population(facts: DecisionFacts, wording: Wording) -> str:
    """What reasons compare with, as the bundle states it; the usual phrase is put into the reader's language."""
    stated: str = facts.body["model"]["reference_population"]
    usual = _OVERDUE_ACCOUNTS.match(stated)
    if usual is None:
        return stated
    pattern: str = wording.tables["say"]["reference"]
    return pattern.format(number=usual[1], days=wording.listed(usual[2].split(", ")))


def _decision(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    choice, scores = facts.choice, facts.scores
    treatment = wording.name("treatment", choice["treatment"])
    if facts.is_contacted:
        chosen = wording.say(
            "decision.contact", treatment=treatment, channel=wording.name("channel", choice["channel"])
        )
        yield wording.joined([chosen, wording.say("decision.place", rank=choice["queue_rank"])])
    else:
        yield wording.say("decision.silent", treatment=treatment)
    if choice["reason"]:
        decided = "rule" if facts.is_decided_by_rule else "why"
        yield wording.say(f"decision.{decided}", reason=wording.name("reason", choice["reason"]))
    yield wording.say(
        "decision.when",
        as_of=wording.day(facts.as_of),
        recorded_at=instant_text(facts.record.recorded_at)[:19].replace("T", " "),
    )
    yield wording.say(
        "decision.account",
        account=facts.body["account_ref"],
        dpd=days(scores["dpd"], wording),
        bucket=wording.name("bucket", scores["bucket"]),
        past_due=money(scores["past_due_cents"], facts.currency, wording),
        cure=money(scores["cure_amount_cents"], facts.currency, wording),
    )
    started = wording.say("decision.started", trigger=wording.name("started", facts.body["trigger"]))
    yield wording.joined([started, _randomised(facts, wording)])


def _randomised(facts: DecisionFacts, wording: Wording) -> str:
    exploration = facts.choice["exploration"]
    if exploration["holdout"]:
        return wording.say("decision.holdout")
    if exploration["explored"]:
        return wording.say("decision.explored", propensity=probability_text(exploration["propensity"], wording))
    return wording.say("decision.certain")


def _not_allowed(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    if facts.is_held:
        yield wording.say("not_allowed.hold", reason=wording.name("reason", facts.choice["reason"]))
    against = [verdict for verdict in facts.verdicts if verdict.outcome in AGAINST]
    for verdict in against:
        said = [
            wording.say(
                "not_allowed.verdict",
                rule=verdict.rule,
                force=wording.name("force", verdict.force),
                cite=verdict.cite,
                verified=wording.name("verified", verdict.verified),
                outcome=wording.name("outcome", verdict.outcome),
                channels=_channels(verdict.channels, wording),
            )
        ]
        if verdict.counter is not None and verdict.limit is not None:
            said.append(wording.say("not_allowed.counter", counter=verdict.counter, limit=verdict.limit))
        if verdict.next_pass_at is not None:
            said.append(wording.say("not_allowed.next_pass", at=verdict.next_pass_at[:19].replace("T", " ")))
        yield wording.joined(said)
    if facts.verdicts and not against:
        yield wording.say("not_allowed.nothing")
    if not facts.verdicts:
        profile = facts.body["policy"]["profile"]
        yield wording.say(f"not_allowed.{'not_judged' if profile == 'holds_only' else 'no_results'}", profile=profile)
    yield wording.say("not_allowed.human_only")
    left_out = [
        name
        for name, found in facts.candidates.items()
        if found.value_cents is None and name not in HUMAN_ONLY_CHANNELS
    ]
    if left_out and not facts.is_decided_by_rule:
        yield wording.say("not_allowed.left_out", channels=_channels(left_out, wording))


def _scores(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    scores, payable = facts.scores, facts.scores["payable_cents"]
    same = scores["w_logged"] == scores["w_none"]
    logged = probability_text(scores["w_logged"], wording)
    yield wording.joined(
        [
            wording.say("scores.willingness", p=probability_text(scores["w_none"], wording)),
            wording.say("scores.same") if same else wording.say("scores.logged", p=logged),
        ]
    )
    yield wording.say(
        "scores.ability",
        a=probability_text(facts.ability_share, wording),
        full=probability_text(scores["p_full"], wording),
    )
    yield wording.say(
        "scores.payable", **{side: money(payable[side], facts.currency, wording) for side in ("low", "mid", "high")}
    )
    yield wording.say("scores.no_interval")
    segment = [wording.say("scores.segment", segment=wording.name("segment", scores["segment"]))]
    if scores["segment"] in _UNWILLING:
        segment.append(wording.say("scores.extrapolated"))
    yield wording.joined(segment)
    evidence = [wording.say("scores.evidence", evidence=wording.name("evidence", scores["evidence"]))]
    if scores["evidence"] == Evidence.INSUFFICIENT:
        evidence.append(wording.say("scores.insufficient"))
    features = facts.body["input"]["features"]
    evidence.append(
        wording.say("scores.missing", missing=sum(value is None for value in features), total=len(features))
    )
    yield wording.joined(evidence)


def reasons(facts: DecisionFacts, score: ScoreFacts, wording: Wording) -> Iterator[str]:
    """Up to four reasons of one score, strongest first, and what they are to be read against."""
    if facts.is_decided_by_rule:
        yield wording.say("reasons.rule")
    yield wording.say("reasons.reference", reference=reference_population(facts, wording))
    for place, reason in enumerate(score.reasons, start=1):
        yield wording.say(
            f"reasons.{'higher' if reason.contribution > 0 else 'lower'}",
            place=place,
            group=wording.name("group", reason.group),
            contribution=signed(reason.contribution),
            feature=wording.name("feature", reason.feature),
            value=feature_value(reason.feature, reason.value, facts.currency, wording),
        )
    yield wording.say("reasons.scale" if score.reasons else "reasons.none")
    check = "adds_up" if score.adds_up else "apart"
    yield wording.say(f"reasons.{check}", expected=signed(score.expected_margin), margin=signed(score.margin))


def _rules(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """The rules that passed, with their counters; those that did not are told above."""
    for verdict in facts.verdicts:
        if verdict.outcome == "pass":
            said = [
                wording.say(
                    "rules.verdict",
                    rule=verdict.rule,
                    outcome=wording.name("outcome", verdict.outcome),
                    channels=_channels(verdict.channels, wording),
                )
            ]
            if verdict.counter is not None and verdict.limit is not None:
                said.append(wording.say("not_allowed.counter", counter=verdict.counter, limit=verdict.limit))
            yield wording.joined(said)


def _human(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    yield wording.say("human.none", decision_id=facts.record.record_id)
    yield wording.say("human.right")


def _integrity(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    found, body = facts.record.integrity(), facts.body
    policy = ", ".join(f"{name} {value}" for name, value in body["policy"].items() if isinstance(value, str))
    yield wording.say(
        "integrity.place", seq=found["seq"], batch=facts.record.batch_id or wording.say("integrity.no_batch")
    )
    yield wording.say("integrity.hash", hash=found["hash"])
    yield wording.say("integrity.prev_hash", hash=found["prev_hash"])
    yield wording.say("integrity.body_hash", canonicalisation=found["canonicalisation"], hash=found["body_hash"])
    yield wording.say("integrity.bundle", bundle=body["model"]["bundle_id"], recipe=body["model"]["recipe"])
    yield wording.say("integrity.policy", policy=policy)
    yield wording.say("integrity.run", run=body["run_id"])
    yield wording.say("integrity.data", data=body["input"]["data_fingerprint"])
    yield wording.say("integrity.features", features=body["input"]["feature_spec_hash"])
    yield wording.say("integrity.software", software=", ".join(f"{k} {v}" for k, v in body["environment"].items()))
    yield wording.joined([wording.say("integrity.not_kept"), wording.say("integrity.reads")])


def _channels(names: list[str] | tuple[str, ...], wording: Wording) -> str:
    return wording.listed(wording.name("channel", name) for name in names)
