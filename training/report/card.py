"""The model card (Mitchell et al., 2019), written from the facts of a run; a card written by hand goes stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.report import sections
from training.report.traceability import traceability


def model_card(facts: Mapping[str, Any]) -> str:
    """The model card as Markdown; pictures are named as ``plots/NAME.png``."""
    correlation = facts["performance"]["overall"].get("score_correlation", 0.0)
    alarm = (
        "**Alarm: the two scores correlate above 0.6.** In this portfolio they are not separately interpretable: read segments with care; "
        "the product, and with it the order of the queue, does not suffer."
        if correlation > facts["correlation_alarm"]
        else f"The two scores correlate {correlation:.2f}, below the alarm of {facts['correlation_alarm']}."
    )
    lines = [
        "# Model card: willingness and ability",
        "",
        *sections.identity(facts),
        "## Intended use",
        "",
        *sections.use(facts),
        "## What the scores mean",
        "",
        *sections.meaning(facts),
        "## Findings of the gates",
        "",
        *sections.findings(facts),
        "## Performance",
        "",
        *sections.performance(facts),
        *sections.picture("capture", "Money captured by the accounts worked first"),
        *sections.picture("buckets", "Figures by bucket"),
        *sections.by_bucket_and_segment(facts),
        "## Calibration",
        "",
        *sections.picture("reliability", "Predicted against seen"),
        *sections.picture("calibration", "Calibration by bucket"),
        "## The two scores",
        "",
        alarm,
        "",
        *sections.picture("distributions", "Score distributions"),
        *sections.picture("reasons", "What moves the scores, by business group"),
        "## Fairness of help and of pressure",
        "",
        *sections.picture("fairness", "Help and pressure by protected group"),
        *sections.fairness(facts, whole=False),
        "## Ethical considerations",
        "",
        "People behind these accounts may be ill, out of work or in dispute. No demographics, no third-party and no social data is a "
        "feature; the check refuses them before training. Where evidence is thin the score says so and the treatment asks for the reason "
        "instead of assuming one. A low willingness is a statement about payments, not about a person.",
        "",
        "## Caveats",
        "",
        "- Ability of those who paid nothing is extrapolated; *cannot* against *will not* is not identified.",
        "- Outcomes come under whatever contacts were made; the effect of a channel is known only as far as contacts were randomised.",
        "- Amounts paid are anchored by the minimum due: a small payment is not proof of small means.",
        "- Figures hold for this portfolio and these days. The gates say which were missed.",
        "",
        "## Traceability (JR/T 0221-2021, 6.4)",
        "",
        *traceability(facts),
    ]
    return "\n".join(lines).rstrip() + "\n"
