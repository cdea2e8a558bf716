"""The shapes of answers, for OpenAPI. Answers are written from columns; tests hold the two to each other."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from scoring.vocabulary import Bucket, Channel, Evidence, Segment, Treatment
from serving.wire import Strict

Probability = Annotated[float, Field(ge=0, le=1)]


class Reason(Strict):
    """A group of features that moved a score: its contribution in log-odds, its strongest feature and value."""

    group: str
    contribution: float
    feature: str
    value: float | None


class Explained(Strict):
    """A score in log-odds: ``expected_margin`` plus all contributions is ``margin``; the strongest are reasons."""

    margin: float
    expected_margin: float
    reasons: Annotated[list[Reason], Field(max_length=4)]


class ExplainedScores(Strict):
    """The two explained scores, on the scale of log-odds."""

    willingness: Explained
    ability: Explained


class AccountScore(Strict):
    """One account's scores: the columns of ``scores.parquet``, to the last bit, and why."""

    account_id: str
    as_of: date
    dpd: Annotated[int, Field(ge=0)]
    bucket: Bucket
    past_due_cents: int
    cure_amount_cents: int
    w_none: Probability
    w_logged: Probability
    w_sms: Probability
    w_app_push: Probability
    w_email: Probability
    w_online_cs: Probability
    w_ai_voice: Probability
    w_agent_call: Probability
    w_letter: Probability
    w_field_visit: Probability
    w_legal_referral: Probability
    ability: Probability
    p_full: Probability
    payable_low_cents: int
    payable_mid_cents: int
    payable_high_cents: int
    segment: Segment
    evidence: Evidence
    w_none_low: Probability | None = None
    w_none_high: Probability | None = None
    ability_low: Probability | None = None
    ability_high: Probability | None = None
    w_adjusted: float | None = None
    evidence_missing: str | None = None
    expected_cents: float | None = None
    w_sms_error: float | None = None
    w_app_push_error: float | None = None
    w_email_error: float | None = None
    w_online_cs_error: float | None = None
    w_ai_voice_error: float | None = None
    w_agent_call_error: float | None = None
    w_letter_error: float | None = None
    w_field_visit_error: float | None = None
    w_legal_referral_error: float | None = None
    p_roll_30d: Probability | None = None
    p_cure_30d: Probability | None = None
    p_self_cure_30d: Probability | None = None
    p_promise_kept: Probability | None = None
    p_m3_90d: Probability | None = None
    p_contact_sms: Probability | None = None
    p_contact_app_push: Probability | None = None
    p_contact_email: Probability | None = None
    p_contact_online_cs: Probability | None = None
    p_contact_ai_voice: Probability | None = None
    p_contact_agent_call: Probability | None = None
    p_contact_letter: Probability | None = None
    p_contact_field_visit: Probability | None = None
    explained: ExplainedScores | None


class ScoreAnswer(Strict):
    """Scores in the order asked. Nothing is recorded.

    ``is_stale``: the portfolio is older than it may be. ``degraded``: the models could not score, and the scorecard stands in.
    """

    as_of: date
    bundle_id: str
    is_stale: bool
    degraded: bool
    scores: list[AccountScore]


class Decision(Strict):
    """One decision, as in ``decisions.parquet``; ``trigger`` says whether the nightly plan or this request made it.

    ``degraded``: it was made on the scorecard, because the models could not score.
    """

    decision_id: str
    account_id: str
    as_of: date
    channel: Channel
    treatment: Treatment
    rank: int
    priority_value_cents: int
    runner_up_channel: Channel
    propensity: float
    explored: bool
    holdout: bool
    needs_review: bool
    reason: str
    trigger: str
    degraded: bool = False


class Content(Strict):
    """What a contact on one channel must say and carry under the plan's contact policy, and what it must never do."""

    profile: str
    policy_version: str
    channel: Channel
    must_say: list[str]
    must_say_if_first: list[str]
    must_carry: list[str]
    never: list[str]
    opt_out_line: bool
    opt_out_keywords: list[str]
    language: str | None
    automated_voice: dict[str, Any] | None
    voicemail: dict[str, Any] | None


class DecisionsAnswer(Strict):
    """Decisions in the order asked; each is in the ledger before it is answered.

    ``content`` says for every channel that was chosen what the contact must say; empty where the plan has no profile.
    ``degraded``: the models cannot score now, or could not when one of these was decided; each decision says whether it was.
    """

    as_of: date
    bundle_id: str
    is_stale: bool
    degraded: bool
    decisions: list[Decision]
    content: dict[Channel, Content]


class QueueRow(Strict):
    """One place in a queue."""

    channel: Channel
    rank: int
    account_id: str
    treatment: Treatment
    priority_value_cents: int
    bucket: Bucket
    dpd: int
    past_due_cents: int
    cure_amount_cents: int
    payable_low_cents: int
    payable_mid_cents: int
    payable_high_cents: int
    segment: Segment
    evidence: Evidence
    runner_up_channel: Channel
    needs_review: bool
    decision_id: str


class QueueAnswer(Strict):
    """A page of the current plan's queue; ``next_cursor`` is null on the last one.

    ``degraded``: the models cannot score now; the plan's decisions stand.
    """

    run_id: str
    as_of: date
    is_stale: bool
    degraded: bool
    rows: list[QueueRow]
    next_cursor: str | None


class PermitAnswer(Strict):
    """Whether a contact may be made. Where not: the rules against it, and when all would pass if nothing else happened."""

    is_granted: bool
    permit_id: str | None
    at: datetime
    expires_at: datetime | None
    rules: list[str]
    would_pass_at: datetime | None
    is_stale: bool


class ReleaseAnswer(Strict):
    """A permit that was given back."""

    permit_id: str
    released: bool


class ToldOutcome(Strict):
    """What came of one outcome: its record, and the account's decision after it."""

    key: str
    account_id: str
    recorded_at: datetime
    record_id: str
    is_new: bool
    decision: Decision | None
    not_decided_because: str | None


class OutcomesAnswer(Strict):
    """Outcomes in the order told; each is on disk and in the ledger before it is answered.

    ``is_stale``: the portfolio under them is older than it may be. They are kept all the same; where the settings refuse answers from a
    stale one, no decision is made, and ``not_decided_because`` says so.
    """

    is_stale: bool
    outcomes: list[ToldOutcome]


class OverrideAnswer(Strict):
    """An override as recorded."""

    record_id: str
    decision_id: str
    recorded_at: datetime
    from_: Annotated[Channel, Field(alias="from")]
    to: Channel


class RequestAnswer(Strict):
    """A customer's request as recorded, and the day by which it is answered."""

    record_id: str
    decision_id: str
    recorded_at: datetime
    kind: str
    due_on: date


class ReplayAnswer(Strict):
    """One decision computed again: exact, or what differs and what is known to have changed, or why it could not be."""

    decision_id: str
    outcome: str
    differences: list[dict[str, Any]]
    refusal: str
    causes: list[str]
    taken_as_given: list[str]


class ExplanationAnswer(Strict):
    """An explanation in words."""

    decision_id: str
    lang: str
    audience: str
    degraded: bool
    text: str


class RecordAnswer(Strict):
    """A decision record as the ledger holds it."""

    decision_id: str
    account_id: str | None
    as_of: date | None
    batch_id: str | None
    recorded_at: str
    degraded: bool
    body: dict[str, Any]
    integrity: dict[str, Any]


class HistoryAnswer(Strict):
    """One account's decision records, newest first."""

    account_id: str
    decisions: list[RecordAnswer]


class AliveAnswer(Strict):
    """The process is alive."""

    alive: bool


class ReadyAnswer(Strict):
    """What the service answers with.

    ``degraded``: the models cannot score, and the scorecard stands in. ``challenger``: the bundle that is scored in shadow, or the code
    of why the pinned one is not.
    """

    ready: bool
    bundle_id: str
    bundle_version: str
    plan_run_id: str
    plan_bundle_id: str
    as_of: date
    n_accounts: int
    n_decisions: int
    degraded: bool
    challenger: str | None


class ErrorAnswer(Strict):
    """Every refusal: a stable code, a sentence for a person, and what was at fault."""

    code: str
    message: str
    field: str | None
    got: Any
    expected: Any
