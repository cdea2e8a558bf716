"""What is counted, for Prometheus. Labels are route templates and codes, never account or decision ids."""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
Blocks = Tally[tuple[str, str]]
SCORES_WATCHED = ("w_logged", "ability")
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_APART = (-0.3, -0.1, -0.05, -0.02, -0.005, 0.005, 0.02, 0.05, 0.1, 0.3)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Meters:
    """The service's counters, in a registry of their own.

    Examples
    --------
    >>> meters = Meters()
    >>> meters.accounts.labels("/v1/score").inc(3)
    >>> b'scoring_accounts_total{route="/v1/score"} 3.0' in meters.text()
    True
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "scoring_requests_total", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "scoring_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self.refusals = Counter("scoring_refusals_total", "Refusals by code.", ("code",), registry=self._registry)
        self.accounts = Counter("scoring_accounts_total", "Accounts answered for.", ("route",), registry=self._registry)
        self.permits = Counter(
            "scoring_permits_total", "Permits asked for.", ("channel", "result"), registry=self._registry
        )
        self.blocks = Counter(
            "scoring_blocks_total",
            "Contacts that a rule stood against: asked for as permits, or weighed in decisions made live.",
            ("rule", "channel", "asked_by"),
            registry=self._registry,
        )
        self.decisions = Counter(
            "scoring_decisions_total",
            "Decisions answered.",
            ("channel", "reason", "trigger"),
            registry=self._registry,
        )
        self.outcomes = Counter("scoring_outcomes_total", "Outcomes kept, by kind.", ("kind",), registry=self._registry)
        self.scores = Histogram(
            "scoring_score",
            "Scores answered; compare with scoring_score_reference.",
            ("score",),
            buckets=_TENTHS,
            registry=self._registry,
        )
        self._watched = {name: self.scores.labels(name) for name in SCORES_WATCHED}
        self.reference = Gauge(
            "scoring_score_reference",
            "Share of the bundle's reference population up to a score.",
            ("score", "le"),
            registry=self._registry,
            multiprocess_mode="max",
        )
        self.data_age = Gauge(
            "scoring_data_age_days",
            "Days since the portfolio was extracted.",
            registry=self._registry,
            multiprocess_mode="max",
        )
        self.ready = Gauge(
            "scoring_ready",
            "1 when bundle, ledger and plan are loaded.",
            registry=self._registry,
            multiprocess_mode="livemin",
        )

        self.degraded = Gauge(
            "scoring_degraded",
            "1 while the models cannot score; the scorecard stands in, where there is one.",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.shadow_difference = Histogram(
            "scoring_shadow_difference",
            "Challenger's score less the champion's, of the same account.",
            ("score",),
            buckets=_APART,
            registry=self._registry,
        )
        self.shadow_decisions = Counter(
            "scoring_shadow_decisions_total",
            "Decisions asked again of the challenger, by the champion's channel and whether the challenger's is another.",
            ("channel", "is_other"),
            registry=self._registry,
        )
        self.shadow_dropped = Counter(
            "scoring_shadow_dropped_total",
            "Accounts that the challenger was not asked about: it was busy, or it failed.",
            ("why",),
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and how long it took."""
        kind = (method, route, status)
        if kind not in self._answered:
            self._answered[kind] = self.requests.labels(*kind), self.seconds.labels(route)
        requests, times = self._answered[kind]
        requests.inc()
        times.observe(seconds)

    def decided(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count decisions by channel and reason."""
        for row in rows:
            self.decisions.labels(row["channel"], row["reason"] or "worth_it", row["trigger"]).inc()

    def scored(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count scores by tenth."""
        for name, watched in self._watched.items():
            for row in rows:
                watched.observe(row[name])

    def expect(self, name: str, values: npt.NDArray[np.float64]) -> None:
        """State how a score is spread in the reference population."""
        for bound in _TENTHS:
            self.reference.labels(name, str(bound)).set(float((values <= bound).mean()) if len(values) else 0.0)

    def permit(self, channel: str, given: Mapping[str, Any]) -> None:
        """Count a permit, or every rule that stood against it."""
        self.permits.labels(channel, "granted" if given["is_granted"] else "refused").inc()
        for rule in given["rules"]:
            self.blocks.labels(rule, channel, "permit").inc()

    def blocked(self, found: deque[Blocks]) -> None:
        """Count what rules blocked in decisions, and take it from there."""
        while found:
            for (rule, channel), n in found.popleft().items():
                self.blocks.labels(rule, channel, "decision").inc(n)

    def shadow_scored(self, pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """Count how far the challenger's scores lie from the champion's."""
        for champion, challenger in pairs:
            for name in SCORES_WATCHED:
                self.shadow_difference.labels(name).observe(challenger[name] - champion[name])

    def shadow_decided(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Count shadow records: scores and channels; a decision drawn by chance is compared by its scores only."""
        for body in bodies:
            for name in SCORES_WATCHED:
                told = body["scores"][name]
                self.shadow_difference.labels(name).observe(told["challenger"] - told["champion"])
            if not body["was_by_chance"]:
                is_other = "no" if body["is_same_channel"] else "yes"
                self.shadow_decisions.labels(body["choice"]["champion"]["channel"], is_other).inc()

    def text(self) -> bytes:
        """All counters in Prometheus' text format; of all workers where there are several."""
        try:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        except ValueError:  # a single process: nothing is shared through files
            return generate_latest(self._registry)
        return generate_latest(together)
