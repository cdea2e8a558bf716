"""How a training is judged: bootstrap over customers, calibration against a null, rivals, drift, fairness, reads of the test set."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from scoring.errors import BadRequestError
from training.evaluation import evaluation_table, intervals, metrics, resampled
from training.gates import GATES, gate_findings
from training.plots import roll_shares
from training.promotion import circumstances
from training.report.drift import bands_of, stability_index
from training.report.fairness import Compared, as_facts, fairness, verdict_of
from training.report.null import against_null, cash_by_bucket
from training.report.page import page
from training.report.reading_log import LOG, Read, reads, record, set_id
from training.report.resampling import customer_weights, weighted_auc, weighted_capture, weighted_r2
from training.report.rivals import Rival, against_rules, differences, worse_buckets


def a_table(n: int = 400, seed: int = 1, **changed: Any) -> pd.DataFrame:
    """Test accounts whose scores mean what they say."""
    draw = np.random.default_rng(seed)
    willing = draw.uniform(0.05, 0.95, n)
    paid = draw.random(n) < willing
    ability, owed = draw.uniform(0.3, 0.9, n), draw.integers(10_000, 500_000, n)
    share = np.where(paid, np.clip(ability + draw.normal(0, 0.05, n), 0.01, 1.0), np.nan)
    scored = pd.DataFrame(
        {
            "dpd": draw.integers(1, 60, n),
            "bucket": np.where(draw.random(n) < 0.5, "M1", "M2"),
            "cure_amount_cents": owed,
            "w_logged": willing,
            "ability": ability,
            **changed,
        }
    )
    targets = pd.DataFrame(
        {
            "paid_cents": np.nan_to_num(share * owed).astype(np.int64),
            "willingness": paid.astype(float),
            "ability": share,
        }
    )
    return evaluation_table(scored, targets, [f"C{i // 2}" for i in range(n)])


@given(st.integers(0, 1000), st.integers(5, 60))
def test_weights_of_one_give_the_figures_of_the_library(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    seen, score = draw.integers(0, 2, n).astype(float), draw.integers(0, 8, n) / 8
    ones = np.ones((1, n))
    if len(np.unique(seen)) == 2:
        assert weighted_auc(seen, score, ones)[0] == pytest.approx(roc_auc_score(seen, score))
        assert weighted_r2(seen, score, ones)[0] == pytest.approx(r2_score(seen, score))


@given(st.integers(0, 1000), st.integers(5, 40))
def test_a_weight_of_two_counts_like_a_second_row(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    seen, score, money = draw.integers(0, 2, n).astype(float), draw.random(n), draw.random(n) + 0.1
    times = draw.integers(1, 4, n)
    weights = times[None, :].astype(float)
    repeated = [np.repeat(values, times) for values in (seen, score, money)]
    ones = np.ones((1, int(times.sum())))
    if len(np.unique(seen)) == 2:
        assert weighted_auc(seen, score, weights)[0] == pytest.approx(weighted_auc(*repeated[:2], ones)[0])
    assert weighted_capture(money, score, 0.3, weights)[0] == pytest.approx(
        weighted_capture(repeated[2], repeated[1], 0.3, ones)[0]
    )


def test_replicates_with_weights_of_one_are_the_figures_themselves() -> None:
    table = a_table()
    own = metrics(table)
    for name, values in resampled(table, np.ones((1, len(table)))).items():
        assert values[0] == pytest.approx(own[name]), name


def test_a_customer_comes_into_a_replicate_with_all_of_their_accounts() -> None:
    weights = customer_weights(["a", "b", "a", "c", "b"], seed=3, replicates=50)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_intervals_hold_their_figure_and_narrow_with_more_accounts() -> None:
    few, many = a_table(200), a_table(3000)
    narrow, wide = (intervals(table, seed=1)["willingness_auc"] for table in (many, few))
    assert narrow[0] < metrics(many)["willingness_auc"] < narrow[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_a_model_that_means_what_it_says_is_within_chance_and_a_shifted_one_is_not() -> None:
    draw = np.random.default_rng(5)
    p = draw.uniform(0.1, 0.8, 2000)
    seen = (draw.random(2000) < p).astype(float)
    honest, shifted = against_null(p, seen, seed=1), against_null(np.clip(p + 0.1, 0, 1), seen, seed=1)
    assert honest["ece"] < honest["ece_null"] * 1.3 and honest["in_the_large_excess"] == 0.0
    assert shifted["in_the_large"] < -0.05 and shifted["in_the_large_excess"] > 0.03
    assert shifted["ece_excess"] > 0


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_calibrated_models_pass_their_null_about_as_often_as_it_says(seed: int) -> None:
    draw = np.random.default_rng(seed)
    p = draw.uniform(0.1, 0.9, 150)
    passes = [
        against_null(p, (draw.random(150) < p).astype(float), seed=seed)["in_the_large_excess"] == 0 for _ in range(20)
    ]
    assert sum(passes) >= 14


def test_a_handful_of_accounts_says_nothing_about_calibration() -> None:
    assert against_null(np.full(49, 0.5), np.ones(49), seed=1) == {}


def test_expected_and_realised_cash_by_bucket_add_up_to_all() -> None:
    found = cash_by_bucket(a_table(), seed=1)
    for name in ("expected_cents", "realised_cents", "n"):
        assert found["M1"][name] + found["M2"][name] == pytest.approx(found["all"][name], abs=1.0)


def test_a_bundle_against_itself_differs_by_nothing_and_against_noise_it_is_better_in_every_bucket() -> None:
    table = a_table(1500)
    own, draw = table["w_logged"].to_numpy(), np.random.default_rng(2)
    same = differences(table, Rival("same", own, table["ability"].to_numpy()), seed=1)
    noise = differences(table, Rival("noise", draw.random(len(table)), draw.random(len(table))), seed=1)
    assert {told["difference"] for figures in same.values() for told in figures.values()} == {0.0}
    assert all(noise[bucket]["willingness_auc"]["better"] == 1.0 for bucket in ("all", "M1", "M2"))
    assert worse_buckets(noise) == []


def test_a_challenger_that_is_better_overall_but_worse_in_a_bucket_is_refused_with_the_bucket_named() -> None:
    table = a_table(3000, bucket=np.where(np.arange(3000) < 2400, "M1", "M3"))
    honest, draw = table["w_logged"].to_numpy(), np.random.default_rng(4)
    worse_in_m3 = np.where(table["bucket"] == "M3", draw.random(3000), honest)
    champion = np.where(table["bucket"] == "M3", honest, draw.random(3000))
    ours = table.assign(w_logged=worse_in_m3)
    found = differences(ours, Rival("champion", champion, table["ability"].to_numpy()), seed=1)
    flat = {
        f"rivals.champion.differences.{b}.{f}.better": t["better"] for b, own in found.items() for f, t in own.items()
    }
    gates = {name: gate for name, gate in _shipped().items() if name in ("worse_than_champion", "worse_in_a_bucket")}
    findings = gate_findings(flat, gates)
    assert found["all"]["willingness_auc"]["better"] == 1.0
    assert [finding.gate for finding in findings] == ["worse_in_a_bucket"]
    assert "differences.M3.willingness_auc.better is -1" in findings[0].message


def test_every_simple_rule_is_a_rival() -> None:
    found = against_rules(a_table(), seed=1)
    assert set(found) == {"P alone", "balance", "days past due", "P x balance", "P(1-P) x A x D"}
    assert all(told["low"] <= told["difference"] <= told["high"] for own in found.values() for told in own.values())


def _shipped() -> dict[str, Any]:
    import tomllib

    return dict(tomllib.loads(GATES.read_text(encoding="utf-8"))["gates"])


def test_every_gate_shipped_says_what_it_asks_and_why() -> None:
    for name, gate in _shipped().items():
        assert set(gate) <= {"metric", "low", "high", "why", "severity", "optional"}, name
        assert ("low" in gate) != ("high" in gate), name
        assert gate["why"] and gate.get("severity", "error") in ("error", "warning", "info"), name


def test_a_leak_a_permutation_and_bad_cash_are_reported_together() -> None:
    figures = {"n": 1000.0, "willingness_auc": 0.99, "permutation.excess": 0.2, "cash.M4.cash_ratio_high": 0.5}
    found = {finding.gate: finding.severity for finding in gate_findings(figures)}
    assert {found[name] for name in ("willingness_auc_leak", "permutation", "bucket_cash_short")} == {"error"}


def test_a_second_look_at_a_test_set_is_information_and_refuses_nothing() -> None:
    gate = {"again": _shipped()["test_set_read_again"]}
    assert gate_findings({"reads.count": 1.0}, gate) == []
    assert gate_findings({"reads.count": 7.0}, gate)[0].severity == "info"


@given(st.lists(st.integers(0, 500), min_size=2, max_size=12))
def test_equal_counts_have_not_drifted(counts: list[int]) -> None:
    if sum(counts):
        assert stability_index(counts, counts)["shift"] == 0.0


def test_samples_of_one_population_stay_below_what_chance_exceeds_and_a_moved_one_does_not() -> None:
    draw = np.random.default_rng(8)
    kept = bands_of(draw.normal(0, 1, 3000))
    again = [bands_of(draw.normal(0, 1, 800), kept["edges"])["counts"] for _ in range(100)]
    assert sum(stability_index(kept["counts"], counts)["shift"] > 0 for counts in again) <= 5
    moved = bands_of(draw.normal(1, 1, 800), kept["edges"])["counts"]
    assert stability_index(kept["counts"], moved)["shift"] > 0.25


def test_a_feature_that_is_newly_missing_is_drift() -> None:
    kept = bands_of(np.arange(1000.0))
    assert stability_index(kept["counts"], bands_of(np.full(500, np.nan), kept["edges"])["counts"])["shift"] > 1


def a_queue(n: int, seed: int = 3) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    table = a_table(n, seed)
    return table.assign(
        customer_id=np.arange(n),
        treatment=np.where(draw.random(n) < 0.3, "plan_offer", "negotiate"),
        channel=np.where(draw.random(n) < 0.3, "agent_call", "none"),
        is_held_out=draw.random(n) < 0.5,
    )


def by_measure(found: list[Compared]) -> dict[str, Compared]:
    return {one.measure: one for one in found}


def test_groups_that_are_treated_alike_raise_nothing_and_one_that_is_pressed_twice_as_much_raises_an_alarm() -> None:
    queue, draw = a_queue(4000), np.random.default_rng(9)
    groups = pd.DataFrame({"sex": draw.choice(["female", "male"], 4000)})
    pressed = (groups["sex"] == "male") & (draw.random(4000) < 0.5)
    alike = by_measure(fairness(queue, groups, seed=1))
    unlike = by_measure(fairness(queue.assign(channel=queue["channel"].where(~pressed, "agent_call")), groups, seed=1))
    assert {one.verdict for one in alike.values()} == {"fine"}
    pressure = unlike["pressure_ratio"]
    value = pressure.value if pressure.group == "male" else 1 / pressure.value
    assert value > 1.5 and unlike["help_ratio"].verdict == "fine"


def test_a_difference_that_days_past_due_explain_is_no_difference() -> None:
    queue, draw = a_queue(6000), np.random.default_rng(10)
    late = queue["bucket"] == "M2"
    groups = pd.DataFrame({"sex": np.where(draw.random(6000) < np.where(late, 0.8, 0.2), "male", "female")})
    called = draw.random(6000) < np.where(late, 0.6, 0.1)
    found = by_measure(fairness(queue.assign(channel=np.where(called, "agent_call", "none")), groups, seed=1))
    assert found["pressure_ratio"].low < 1 < found["pressure_ratio"].high


def test_a_group_of_fewer_than_a_hundred_is_not_reported_but_named() -> None:
    groups = pd.DataFrame({"sex": ["female"] * 250 + ["male"] * 151 + ["other"] * 99})
    found = fairness(a_queue(500), groups, seed=1)
    facts = as_facts(found, groups, places={})
    assert {one.group for one in found} == {"male"}
    assert facts["left_out"] == ["sex other"]


def test_without_a_protected_table_the_report_says_that_fairness_was_not_checked() -> None:
    facts = as_facts([], pd.DataFrame(index=range(5)), places={})
    assert facts["checked"] is False and "was not checked" in facts["why"]


@pytest.mark.parametrize(
    ("measure", "bounds", "verdict"),
    [
        ("help_ratio", (0.5, 0.79), "alarm"),
        ("help_ratio", (0.5, 0.89), "watch"),
        ("help_ratio", (0.5, 1.1), "fine"),
        ("pressure_ratio", (1.26, 2.0), "alarm"),
        ("equal_opportunity_difference", (0.06, 0.1), "watch"),
        ("ability_standardised_difference", (-0.5, -0.31), "watch"),
    ],
)
def test_a_verdict_needs_the_whole_interval(measure: str, bounds: tuple[float, float], verdict: str) -> None:
    assert verdict_of(measure, bounds) == verdict


def a_read(test_set: str, at: str = "2026-11-22T00:00:00+00:00") -> Read:
    return Read(at, "Zhang Min", "run", "bundle", test_set, "2026-07-31", 500, "evaluation of a training")


def test_every_read_of_a_test_set_is_kept_and_counted_per_set(tmp_path: Path) -> None:
    one, other = (set_id(ids, date(2026, 7, 31), "f") for ids in (["a", "b"], ["a", "c"]))
    assert [record(tmp_path, a_read(name)) for name in (one, other, one)] == [1, 1, 2]
    assert [read.test_set for read in reads(tmp_path)] == [one, other, one]


def test_a_read_that_was_removed_or_changed_is_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        record(tmp_path, a_read(name))
    lines = (tmp_path / LOG).read_text().splitlines()
    (tmp_path / LOG).write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(BadRequestError, match=r"Line 2 .* changed or removed"):
        reads(tmp_path)


def test_an_approver_who_trained_the_bundle_and_a_champion_that_changed_are_pointed_out() -> None:
    facts = {"identity": {"operator": "Zhang Min", "bundle_id": "new"}, "rivals": {"champion": {"bundle_id": "old"}}}
    assert [finding.gate for finding in circumstances(facts, "other", "zhang min")] == ["champion_changed", "four_eyes"]
    assert circumstances(facts, "old", "Li Wei") == []
    assert circumstances(json.loads("{}"), "old", "Li Wei") == []


def test_a_page_holds_its_pictures_and_needs_no_other_file() -> None:
    html = page("# Title\n\n| a | b |\n| --- | --- |\n| 1 | <2> |\n\n![x](plots/x.png)\n", {"plots/x.png": b"PNG"})
    assert "<table>" in html and "&lt;2&gt;" in html and "data:image/png;base64,UE5H" in html
    assert "http" not in html and 'src="plots' not in html


def test_roll_rates_say_where_every_account_of_a_bucket_went() -> None:
    before = pd.DataFrame({"account_id": list("abcd"), "dpd": [5, 10, 40, 0]})
    after = pd.DataFrame({"account_id": list("bcd"), "dpd": [40, 3, 1]})

    told = roll_shares(before, after)

    assert (told["from"], told["n"]) == (["M1", "M2"], [2, 1])
    assert told["share"].tolist() == [[0.5, 0, 0.5, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]]
