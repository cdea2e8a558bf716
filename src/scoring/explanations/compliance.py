"""For compliance: everything, in a reviewer's order (contact rulebook, section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from scoring.explanations.details import file_lines, offer_lines, timing_lines
from scoring.explanations.facts import CLOSE, DecisionFacts, ScoreFacts, Verdict
from scoring.explanations.papers import rule_papers
from scoring.explanations.quantities import days, feature_value, money, percent, probability_text, signed
from scoring.explanations.ranking import capacity_lines, rank_lines
from scoring.explanations.sections import Section
from scoring.explanations.wording import Wording
from scoring.ledger.record import instant_text
from scoring.policy.rules import Rule
from scoring.vocabulary import HUMAN_ONLY_CHANNELS, Evidence, Segment

_POLICY_PAPERS: Final = ("profile", "version", "sha256", "approved_by", "treatments")
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
        "when": timing_lines(facts, wording),
        "offer": offer_lines(facts, wording),
        "file": file_lines(facts, wording),
        "softer": _softer(facts, wording),
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
        place = "unranked" if facts.is_between_plans else "place"
        yield wording.joined([chosen, wording.say(f"decision.{place}", rank=choice["queue_rank"])])
    else:
        yield wording.say("decision.silent", treatment=treatment)
    if choice["reason"]:
        decided = "rule" if facts.is_decided_by_rule else "why"
        yield wording.say(f"decision.{decided}", reason=wording.name("reason", choice["reason"]))
    if facts.is_by_card:
        yield wording.say("decision.by_card")
    if facts.rules_left_open:
        yield wording.say("decision.review", rules=wording.listed(facts.rules_left_open))
    yield wording.say(
        "decision.when",
        as_of=wording.day(facts.as_of),
        recorded_at=instant_text(facts.record.recorded_at)[:19].replace("T", " "),
    )
    yield wording.say(
        "decision.account",
        account=facts.record.account_id or facts.body["account_ref"],
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
    against = [verdict for verdict in facts.verdicts if verdict.is_against]
    papers = rule_papers(facts.body["policy"])
    for verdict in against:
        yield _verdict(verdict, papers.get(verdict.rule), wording)
    if against and not papers:
        yield wording.say("not_allowed.no_papers")
    if not facts.verdicts:
        yield wording.say("not_allowed.not_judged")
    elif not against:
        yield wording.say("not_allowed.nothing")
    yield wording.say("not_allowed.human_only")
    told = {*HUMAN_ONLY_CHANNELS, *(channel for verdict in against for channel in verdict.channels)}
    left_out = [name for name, found in facts.candidates.items() if found.value_cents is None and name not in told]
    if left_out and not facts.is_decided_by_rule:
        yield wording.say(
            f"not_allowed.{'unused' if facts.verdicts else 'left_out'}", channels=_channels(left_out, wording)
        )


def _verdict(verdict: Verdict, papers: Rule | None, wording: Wording) -> str:
    outcome, channels = wording.name("outcome", verdict.outcome), _channels(verdict.channels, wording)
    if papers is None:
        return wording.say("not_allowed.bare", rule=verdict.rule, outcome=outcome, channels=channels)
    return wording.say(
        "not_allowed.verdict",
        rule=verdict.rule,
        force=wording.name("force", papers.force),
        cite=papers.cite,
        verified=wording.name("verified", papers.verified),
        outcome=outcome,
        channels=channels,
    )


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
    yield from _intervals(facts, wording)
    segment = [wording.say("scores.segment", segment=wording.name("segment", scores["segment"]))]
    if scores["segment"] in _UNWILLING:
        segment.append(wording.say("scores.extrapolated"))
    yield wording.joined(segment)
    evidence = [wording.say("scores.evidence", evidence=wording.name("evidence", scores["evidence"]))]
    if scores["evidence"] == Evidence.INSUFFICIENT:
        lacking = [wording.name("lacking", name) for name in str(scores.get("evidence_missing", "")).split(",") if name]
        if lacking:
            evidence.append(wording.say("scores.lacking", lacking=wording.listed(lacking)))
        evidence.append(wording.say("scores.insufficient"))
    features = facts.body["input"]["features"]
    evidence.append(
        wording.say("scores.missing", missing=sum(value is None for value in features), total=len(features))
    )
    yield wording.joined(evidence)


def _intervals(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    scores = facts.scores
    if "w_none_interval" not in scores:
        yield wording.say("scores.no_interval")
        return
    sides = {
        f"{name}_{side}": probability_text(found[side], wording)
        for name, found in (("w", scores["w_none_interval"]), ("a", scores["ability_share"]))
        for side in ("low", "high")
    }
    yield wording.say("scores.interval", **sides)


def reasons(facts: DecisionFacts, score: ScoreFacts, wording: Wording) -> Iterator[str]:
    """Up to four reasons of one score, strongest first, and what they are to be read against."""
    if facts.is_decided_by_rule:
        yield wording.say("reasons.rule")
    yield wording.say("reasons.reference", reference=reference_population(facts, wording))
    for place, reason in enumerate(score.reasons, start=1):
        told = wording.say(
            f"reasons.{'higher' if reason.contribution > 0 else 'lower'}",
            place=place,
            group=wording.name("group", reason.group),
            contribution=signed(reason.contribution),
            feature=wording.name("feature", reason.feature),
            value=feature_value(reason.feature, reason.value, facts.currency, wording),
        )
        yield wording.joined([told, *_how_sure(score, place, wording)])
    yield wording.say("reasons.scale" if score.reasons else "reasons.none")
    check = "adds_up" if score.adds_up else "apart"
    yield wording.say(f"reasons.{check}", expected=signed(score.expected_margin), margin=signed(score.margin))


def _how_sure(score: ScoreFacts, place: int, wording: Wording) -> Iterator[str]:
    """How often resampled references bring the reason up too, and whether it is close to the one before."""
    reason = score.reasons[place - 1]
    if reason.kept is not None:
        yield wording.say("reasons.kept", share=percent(reason.kept))
    if place > 1 and abs(reason.contribution) > (1.0 - CLOSE) * abs(score.reasons[place - 2].contribution):
        yield wording.say("reasons.close")


def _rules(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """Which profile was judged and when, and the rules that passed; those that did not are told above."""
    if not facts.verdicts:
        return
    policy = facts.body["policy"]
    yield wording.say(
        "rules.profile",
        profile=policy["profile"],
        version=policy["version"],
        status=wording.name("status", policy["status"]),
        judged_at=policy["judged_at"][:19].replace("T", " "),
        rules_of=wording.day(date.fromisoformat(policy["rules_of"])),
    )
    for verdict in facts.verdicts:
        if verdict.outcome == "pass":
            outcome = wording.name("outcome", verdict.outcome)
            channels = _channels(verdict.channels, wording)
            yield wording.say("rules.verdict", rule=verdict.rule, outcome=outcome, channels=channels)


def _softer(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    """What was worked out for this account when it was decided, then the general rules."""
    found = facts.body.get("softer")
    if found is not None and found["treatment"] is not None:
        yield wording.say(
            "softer.would",
            amount=money(found["payment_cents"], facts.currency, wording),
            as_of=wording.day(facts.as_of),
            treatment=wording.name("treatment", found["treatment"]),
        )
    elif found is not None:
        yield wording.say("softer.would_not")
    for key in ("hardship", "plan", "dispute", "payment", "general"):
        yield wording.say(f"softer.{key}")


def _human(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    yield wording.say("human.none", decision_id=facts.record.record_id)
    yield wording.say("human.right")


def _integrity(facts: DecisionFacts, wording: Wording) -> Iterator[str]:
    found, body = facts.record.integrity(), facts.body
    policy = ", ".join(f"{name} {body['policy'][name]}" for name in _POLICY_PAPERS if body["policy"].get(name))
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
