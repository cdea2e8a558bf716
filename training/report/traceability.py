"""JR/T 0221-2021, section 6.4: what must be traceable of an algorithm, and where this run shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.report.words import table


def traceability(facts: Mapping[str, Any]) -> list[str]:
    """The requirement, where it is shown, and what is shown, as Markdown.

    What a run cannot know (the storage medium) is said to be for the bank to fill in; it is never left out.
    """
    told, data = facts["identity"], facts["data"]
    libraries = ", ".join(f"{name} {version}" for name, version in told["libraries"].items())
    machine = f"Python {told['python']}; {libraries}; {told['machine']}"
    scripts = f"`{told['code_version']}`, recipe `{told['recipe']}`"
    bias = facts["fairness"].get("why") or "checked"
    trees = ", ".join(f"{name} {n}" for name, n in told["trees"].items())
    rows = [
        ["Training data: time of acquisition", "`portfolio.extract_on`", data["extract_on"]],
        ["Training data: source", "MLflow parameter `data_source`", data["source"]],
        ["Training data: amount", "MLflow parameters `rows.*`", ", ".join(f"{k} {v:,}" for k, v in data["rows"].items())],
        ["Training data: storage medium", "for the bank's data catalogue", "to be filled in by the operator"],
        ["Training data: signature or checksum", "MLflow tag `data_fingerprint` (SHA-256)", f"`{data['fingerprint']}`"],
        ["Training data: sampling method", "recipe, section `[split]`", data["sampling"]],
        ["Modelling: scripts kept", "MLflow tag `code_version`, artifact `recipe.toml`", scripts],
        ["Modelling: software and hardware", "bundle manifest, MLflow parameters", machine],
        ["Modelling: operator", "MLflow tag `operator`", told["operator"]],
        ["Modelling: start and end", "MLflow run", f"{told['started_at']} to the end of the run"],
        ["Modelling: iterations", "MLflow child runs", trees],
        ["Modelling: parameter iterations", "recipe and its tuning record, MLflow artifact `recipe.toml`", told["tuning"]],
        ["Deployment: operator", "pin `champion.toml`, `approval.json`", "recorded by `scoring promote`"],
        ["Deployment: time and result", "pin `champion.toml`, `approval.json`", "recorded by `scoring promote`"],
        ["Deployment: scripts", "`code_version` of the service, recorded with every decision", "the same repository"],
        ["Deployment: environment", "lock file with hashes; `/readyz` of the service", "the same repository"],
        ["Objective free of bias", "section Fairness; forbidden features refused before training", bias],
    ]  # fmt: skip
    return table(["requirement", "where shown", "this run"], rows)
