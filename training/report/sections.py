"""Sections that the model card and the validation report share, each a list of Markdown lines written from the facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.report.words import differences_table, figures_table, groups_table, named, number, spread, table

Facts = Mapping[str, Any]


def identity(facts: Facts) -> list[str]:
    """What was trained, from what, by whom."""
    told, data = facts["identity"], facts["data"]
    rows = [
        ["bundle", f"`{told['bundle_id']}`"],
        ["recipe", told["recipe"]],
        ["code", f"`{told['code_version']}`"],
        ["trained", f"{told['started_at']} by {told['operator']}"],
        ["models", ", ".join(told["trees"])],
        [
            "data",
            f"{data['source'] or 'a portfolio without a named source'}, extract of {data['extract_on']}, {data['currency']}",
        ],
        ["data fingerprint", f"`{data['fingerprint']}`"],
        ["training days", ", ".join(data["train_days"])],
        ["test day", f"{data['test_day']} ({number(facts['performance']['overall']['n'])} accounts never trained on)"],
        ["rows", ", ".join(f"{name} {n:,}" for name, n in data["rows"].items())],
    ]
    return table(["", ""], rows)


def meaning(facts: Facts) -> list[str]:
    """What the scores mean, with this run's numbers."""
    told = facts["targets"]
    return [
        f"*Willingness* is the probability of a token payment within {told['horizon_days']} days: at least "
        f"{told['tau_floor_cents']:,} minor units and {told['tau_minimum_share']:.0%} of the last minimum due. *Ability* is the expected "
        "share of the cure amount that is paid, given such a payment; it is defined only for those who paid, so for a person who paid "
        "nothing it is an extrapolation from payers with similar records. Whether somebody *cannot* or *will not* pay is not observed "
        "and is not claimed. Willingness times ability times the cure amount is the expected cash.",
        "",
    ]


def use(facts: Facts) -> list[str]:
    """What it is for, and what it is not for."""
    return [
        "For ordering and choosing the next lawful contact of credit-card accounts past due, as a help to collectors. Not for granting "
        "credit, pricing, or closing accounts; not for deciding legal action or a visit, where a person decides; not for accounts "
        "that are current, disputed, of the deceased, or under a kept plan. Not for another portfolio without training on it.",
        "",
    ]


def performance(facts: Facts) -> list[str]:
    """Figures with intervals."""
    told = facts["performance"]
    lines = [
        "On customers never trained on, on a day after every training window has closed. Intervals: bootstrap over customers.",
        "",
    ]
    lines += figures_table(told["overall"], told["intervals"])
    turns = facts["turns"]
    if turns["n"] > 1:
        shown = {name: v for name, v in turns["mean"].items() if name not in ("n", "ability_n")}
        rows = [[named(name), number(v), number(turns["sd"].get(name))] for name, v in shown.items()]
        lines += [f"The same training {turns['n']} times, each time with other customers held out:", ""]
        lines += table(["figure", "mean", "standard deviation"], rows)
    return lines


def by_bucket_and_segment(facts: Facts) -> list[str]:
    """The main figures by bucket, segment and evidence."""
    told = facts["performance"]
    lines: list[str] = []
    for column in ("bucket", "segment", "evidence"):
        if f"by_{column}" in told:
            lines += groups_table(told[f"by_{column}"], told[f"intervals_by_{column}"], column)
    return lines


def calibration(facts: Facts) -> list[str]:
    """Calibration beside chance, and cash by bucket."""
    lines = [
        "*Chance* is the 95th percentile of what a perfectly calibrated model shows on these very accounts; a figure beyond it is real.",
        "",
    ]
    for model, groups in facts["calibration"].items():
        rows = [
            [
                bucket,
                number(own["n"]),
                number(own["predicted"]),
                number(own["seen"]),
                f"{own['in_the_large']:+.3f}",
                number(own["in_the_large_null"]),
                number(own["ece"]),
                number(own["ece_null"]),
                _beyond(own),
            ]
            for bucket, own in groups.items()
        ]
        lines += [f"**{named(model)}**", ""]
        lines += table(["bucket", "n", "predicted", "seen", "off", "chance", "ECE", "chance", "verdict"], rows)
    units = facts["data"]["minor_units"]
    rows = [
        [
            bucket,
            number(own["n"]),
            f"{own['expected_cents'] / units:,.0f}",
            f"{own['realised_cents'] / units:,.0f}",
            number(own["cash_ratio"]),
            spread([own["cash_ratio_low"], own["cash_ratio_high"]]) if "cash_ratio_low" in own else "–",
        ]
        for bucket, own in facts["cash"].items()
    ]
    lines += [f"**Cash**, in {facts['data']['currency']}", ""]
    return lines + table(["bucket", "accounts", "expected", "realised", "ratio", "95 % interval"], rows)


def _beyond(own: Mapping[str, float]) -> str:
    off = [
        name
        for name, excess in (("in the large", "in_the_large_excess"), ("in bands", "ece_excess"))
        if own[excess] > 0
    ]
    return "beyond chance " + " and ".join(off) if off else "within chance"


def rivals(facts: Facts) -> list[str]:
    """Paired differences."""
    told = facts["rivals"]
    lines: list[str] = []
    for name in ("champion", "scorecard"):
        lines += [f"**Against the {name}**", ""]
        if not told[name]["compared"]:
            lines += [f"Not compared: {told[name]['why']}", ""]
            continue
        if told[name].get("note"):
            lines += [f"Note: {told[name]['note']}", ""]
        lines += differences_table(told[name]["differences"])
    lines += ["**Against rules without a model, or with less of it**", ""]
    return lines + differences_table(told["rules"])


def stability(facts: Facts) -> list[str]:
    """The same bundle on several days."""
    lines = [
        "Held-out customers on every day there is. Only the last day is out of time; on the others the bundle knows the calendar.",
        "",
    ]
    shown = ("n", "willingness_auc", "in_the_large", "ability_r2", "cash_ratio", "score_correlation")
    rows = [[day["as_of"], *(number(day.get(name)) for name in shown)] for day in facts["stability"]]
    return lines + table(["day", *(named(name) for name in shown)], rows)


def drift(facts: Facts) -> list[str]:
    """What moved since the last training."""
    told = facts["drift"]
    if not told["compared"]:
        return [f"Not compared: {told['why']}", ""]
    lines = [
        f"Since {told['since']}: {told['n_then']:,} accounts then, {told['n_now']:,} now. *Chance* is the index that no change at all "
        "exceeds once in a hundred.",
        "",
    ]
    last = told.get("calibration", {}).get("willingness")
    if last:
        lines += [
            f"The last bundle on customers and outcomes since: {last['predicted']:.3f} predicted, {last['seen']:.3f} seen "
            f"({last['in_the_large']:+.3f}, chance {last['in_the_large_null']:.3f}).",
            "",
        ]
    moved = sorted(told["features"].items(), key=lambda item: -item[1]["psi"])[:10]
    everything = [*((f"score: {name}", own) for name, own in told["scores"].items()), *moved]
    rows = [
        [name, number(own["psi"]), number(own["critical"]), "moved" if own["shift"] else "–"]
        for name, own in everything
    ]
    lines += table(["", "stability index", "chance", ""], rows)
    rows = [
        [channel, f"{own['then']:.1%}", f"{own['now']:.1%}", f"{own['low']:+.1%} to {own['high']:+.1%}"]
        for channel, own in told["contactability"].items()
    ]
    return lines + table(
        ["answered by channel", "then", "now", "99 % interval of the change"], rows, empty="No contacts observed."
    )


def fairness(facts: Facts, *, whole: bool = True) -> list[str]:
    """Help and pressure by protected group, or that it was not checked; with ``whole`` the other measures as well."""
    told = facts["fairness"]
    if not told["checked"]:
        return [f"**Not checked.** {told['why']}", ""]
    places = ", ".join(f"{channel} {n:,}" for channel, n in told["places"].items())
    lines = [
        "What the models and the default strategy would do on the test day's queue, before the contact policy. *Help* is a plan offer "
        "or a hold; *pressure* a call, a letter, a visit or legal review. Ratios are between accounts of the same "
        "bucket and amount; the other group is the largest one. An alarm or a watch is raised only where the whole interval lies beyond "
        f"the limit. Places assumed: {places}. Protected data is read for this test alone and is never a feature.",
        "",
    ]
    rows = [
        [
            row["attribute"],
            row["group"],
            row["reference"],
            f"{row['n']:,}",
            named(row["measure"]),
            number(row["rate"]),
            number(row["reference_rate"]),
            number(row["value"]),
            spread([row["low"], row["high"]]),
            row["verdict"],
        ]
        for row in told["rows"]
        if whole or row["measure"] in ("help_ratio", "pressure_ratio") or row["verdict"] != "fine"
    ]
    lines += [
        f"{len(told['rows'])} measures were looked at; about one interval in twenty misses its true value by chance.",
        "",
    ]
    lines += table(
        ["attribute", "group", "against", "n", "measure", "rate", "its rate", "value", "95 % interval", "verdict"], rows
    )
    if told["left_out"]:
        lines += [f"Too few accounts to report: {', '.join(told['left_out'])}.", ""]
    return lines


def findings(facts: Facts) -> list[str]:
    """Every gate finding."""
    rows = [[f["severity"], f["gate"], f["message"]] for f in facts["findings"]]
    return table(["severity", "gate", "finding"], rows, empty="Every gate passed.")


def picture(name: str, words: str) -> list[str]:
    """A plot of the run.

    >>> picture("capture", "Money")
    ['![Money](plots/capture.png)', '']
    """
    return [f"![{words}](plots/{name}.png)", ""]
