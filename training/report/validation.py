"""The validation report by the themes of SR 26-2 (formerly SR 11-7), written from the facts of a run.

SR 26-2 (17 April 2026, with OCC Bulletin 2026-13) asks that the depth of validation follow materiality, and keeps the themes:
purpose, data, conceptual soundness, outcomes analysis, monitoring, governance. What only people can state (sign-off, owner, materiality
tier) has a place here and is never filled in by the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.report import sections
from training.report.traceability import traceability
from training.report.words import number, table


def validation_report(facts: Mapping[str, Any]) -> str:
    """The validation report as Markdown; pictures are named as ``plots/NAME.png``."""
    parts: list[tuple[str, list[str]]] = [
        ("Summary of findings", sections.findings(facts)),
        ("Model and run", sections.identity(facts)),
        ("Purpose and use limits", sections.use(facts) + sections.meaning(facts)),
        ("Materiality", _materiality(facts)),
        ("Data: lineage and quality", _data(facts)),
        ("Conceptual soundness", _soundness(facts)),
        ("Outcomes: performance", sections.performance(facts) + sections.picture("buckets", "Figures by bucket")),
        ("Outcomes: by bucket, segment and evidence", sections.by_bucket_and_segment(facts)),
        (
            "Outcomes: calibration and cash",
            sections.picture("reliability", "Predicted against seen")
            + sections.picture("calibration", "Calibration by bucket")
            + sections.calibration(facts),
        ),
        (
            "Alternatives tried: champion, scorecard, simple rules",
            sections.picture("paired", "Paired differences")
            + sections.picture("capture", "Capture and gain")
            + sections.rivals(facts),
        ),
        ("Stability over days", sections.picture("stability", "Day by day") + sections.stability(facts)),
        (
            "Drift since the last training",
            sections.picture("drift", "Population stability")
            + sections.picture("roll_rates", "Roll rates")
            + sections.drift(facts),
        ),
        ("Tests against leaks", _leaks(facts)),
        ("Explanations", sections.picture("reasons", "What moves the scores") + _explanations(facts)),
        (
            "Fairness of help and of pressure",
            sections.picture("fairness", "Help and pressure") + sections.fairness(facts),
        ),
        ("Limits and compensating controls", _limits()),
        ("Monitoring plan", _monitoring()),
        ("Traceability (JR/T 0221-2021, 6.4)", traceability(facts)),
        ("Sign-off", _sign_off()),
    ]
    lines = ["# Validation report (SR 26-2, formerly SR 11-7)", ""]
    for number_of, (title, body) in enumerate(parts, start=1):
        lines += [f"## {number_of}. {title}", "", *body]
    return "\n".join(lines).rstrip() + "\n"


def _materiality(facts: Mapping[str, Any]) -> list[str]:
    cash, units = facts["cash"].get("all", {}), facts["data"]["minor_units"]
    return [
        f"Exposure: the test day's queue held {facts['data']['n_queue']:,} accounts owing "
        f"{facts['data']['queue_cents'] / units:,.0f} {facts['data']['currency']} to be cured; its held-out part paid "
        f"{cash.get('realised_cents', 0) / units:,.0f} within the horizon. Purpose: decides whom to contact first and how, under rules "
        "that it cannot override. The tier is for the bank's model risk policy to set: ______.",
        "",
    ]


def _data(facts: Mapping[str, Any]) -> list[str]:
    data = facts["data"]
    return [
        f"Tables observed: {', '.join(data['observed'])}. A table that is absent means *not observed*, never zero. Every figure is "
        "computed from what was known by the end of the as-of day; immature outcomes are missing, never 0. `scoring check` reports the "
        f"data's own findings. Sampling: {data['sampling']}.",
        "",
    ]


def _soundness(facts: Mapping[str, Any]) -> list[str]:
    return [
        "Two questions, two models, one horizon: does a token payment come, and how much of the cure amount, given one. Their product with "
        "the amount is the expected cash. Gradient-boosted trees with numerical splits and a depth of at most 8, so that every "
        "contribution is exact; log loss and cross-entropy. Contacts move willingness; ability is shared by all channels. A scorecard "
        "is the challenger and the fallback.",
        "",
        f"Monotone directions held by construction: {facts['monotone']}.",
        "",
    ]


def _leaks(facts: Mapping[str, Any]) -> list[str]:
    told, reads = facts["permutation"], facts["reads"]
    lines = [
        "Split by customer and by time, with at least a horizon between the last training day and the test day.",
        "",
    ]
    if told:
        lines += [
            f"Shuffled outcomes: models trained on them reach an area of {told['auc']:.3f} ± {told['half_width']:.3f} on the test accounts "
            f"({number(told['shuffles'])} shuffles); one half is expected.",
            "",
        ]
    return [
        *lines,
        f"This test set has been read {reads['count']} time(s), this run included (set `{reads['test_set'][:16]}`).",
        "",
    ]


def _explanations(facts: Mapping[str, Any]) -> list[str]:
    rows = [
        [group, *(number(facts["groups"][name].get(group)) for name in facts["groups"])]
        for group in facts["group_names"]
    ]
    return [
        "Contributions are exact Shapley values on the log-odds scale; they add up to the score to 1e-9 for every account, or nothing is "
        "served. Mean size by business group:",
        "",
        *table(["group", *facts["groups"]], rows),
    ]


def _limits() -> list[str]:
    rows = [
        [
            "Those who paid nothing: ability is extrapolated",
            "segments only above 0.6; evidence state; the treatment asks for the reason",
        ],
        [
            "Contacts change what is seen",
            "exploration and holdout with logged propensities; effects only where the log supports them",
        ],
        ["Scores may correlate", "alarm above 0.6; the order uses the product, which does not suffer"],
        ["Thin evidence", "`insufficient_evidence`, never a guess"],
        ["Models may fail to load", "scorecard as fallback in degraded mode"],
    ]
    return table(["limit", "control"], rows)


def _monitoring() -> list[str]:
    rows = [
        ["expected over realised cash by bucket", "monthly", "outside 0.9 to 1.1, interval and all"],
        ["willingness, calibration in the large by bucket", "monthly", "beyond chance and 0.01"],
        ["stability index of scores and features", "monthly", "beyond chance, and 0.1 for scores or 0.25 for features"],
        ["contactability by channel", "monthly", "moved by more than 3 points beyond chance"],
        ["help and pressure by protected group", "each training, and on the ledger", "alarm or watch"],
        ["overrides by collectors", "monthly", "for the operator to set"],
        ["complaints by channel", "weekly", "for the operator to set"],
    ]
    return table(["what", "when", "trigger"], rows)


def _sign_off() -> list[str]:
    rows = [
        ["independent validator", "", ""],
        ["model owner", "", ""],
        ["approver of promotion", "recorded by `scoring promote` in `approval.json` and in the pin", ""],
    ]
    return table(["role", "name", "date"], rows)
