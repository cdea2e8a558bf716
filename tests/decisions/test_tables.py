"""The treatment matrix and capacity files: malformed ones are refused, with the place that is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scoring.decisions.capacity import Capacity, capacity_from, contacts_by_channel, read_capacity
from scoring.decisions.treatments import cells_of, treatment_table, treatments_from
from scoring.errors import CapacityError, PolicyError
from scoring.resources import data_folder
from scoring.vocabulary import CONTACT_CHANNELS, HUMAN_ONLY_CHANNELS, Channel, Evidence, Segment, Stage

SHIPPED = (data_folder() / "reference" / "treatments.toml").read_text(encoding="utf-8")


def malformed(old: str, new: str) -> str:
    assert SHIPPED.count(old) >= 1
    return SHIPPED.replace(old, new, 1)


EARLY = '[willing_able]\nearly = { treatment = "reminder", channels = ["app_push", "sms", "email"] }'


@pytest.mark.parametrize(
    ("text", "message", "field"),
    [
        (malformed(EARLY, "[willing_able]"), r"\[willing_able\] early: missing", "willing_able.early"),
        (malformed("[undetermined]", "[unsure]"), r"\[undetermined\] early: missing", "undetermined.early"),
        (malformed('treatment = "reminder"', 'treatment = "threaten"'), "unknown treatment", "willing_able.early"),
        (
            malformed('"app_push", "sms"', '"fax", "sms"'),
            r"\['fax'\] may not be chosen by a score",
            "willing_able.early",
        ),
        (malformed('"app_push", "sms"', '"field_visit"'), r"\['field_visit'\] may not", "willing_able.early"),
        (malformed('"app_push", "sms"', '"legal_referral"'), r"\['legal_referral'\] may not", "willing_able.early"),
        (malformed('"app_push", "sms"', '"sms", "sms"'), "names a channel twice", "willing_able.early"),
        (
            malformed('channels = ["app_push", "sms", "email"]', 'channels = "sms"'),
            "list of channels",
            "willing_able.early",
        ),
        (malformed("self_cure_above = 0.90", "self_cure_above = 90"), "between 0 and 1", "self_cure_above"),
        (malformed("self_cure_above = 0.90", ""), "between 0 and 1", "self_cure_above"),
        (malformed("[undetermined]", "[undetermined"), "not TOML", "treatments.toml"),
    ],
)
def test_a_malformed_matrix_is_refused_with_its_place(text: str, message: str, field: str):
    with pytest.raises(PolicyError, match=message) as refused:
        treatments_from(text)
    assert refused.value.field == field


def test_the_shipped_matrix_has_a_row_for_every_segment_stage_and_missing_evidence():
    raw = tomllib.loads(SHIPPED)

    rows = {*(str(segment) for segment in Segment), str(Evidence.INSUFFICIENT)}
    assert all({str(stage) for stage in Stage} == set(raw[row]) for row in rows)
    assert treatments_from(SHIPPED).version == treatment_table().version


def test_no_cell_of_the_matrix_suits_a_channel_that_only_people_choose():
    columns = [CONTACT_CHANNELS.index(channel) for channel in HUMAN_ONLY_CHANNELS]

    assert not treatment_table().suitable[:, columns].any()


@pytest.mark.parametrize(
    ("dpd", "stage"), [(0, "early"), (29, "early"), (30, "mid"), (89, "mid"), (90, "late"), (400, "late")]
)
def test_stages_follow_the_days_past_due(dpd: int, stage: str):
    seen = pd.DataFrame({"segment": ["willing_unable"], "evidence": ["sufficient"], "dpd": [dpd]})
    raw = tomllib.loads(SHIPPED)["willing_unable"][stage]

    cell = int(cells_of(seen)[0])
    table = treatment_table()
    assert table.treatments[cell] == raw["treatment"]
    suited = {str(c): int(p) for c, p in zip(CONTACT_CHANNELS, table.suitable[cell], strict=True) if p}
    assert suited == {name: place for place, name in enumerate(raw["channels"], start=1)}


def test_missing_evidence_outranks_the_segment():
    seen = pd.DataFrame({"segment": ["willing_able"], "evidence": ["insufficient_evidence"], "dpd": [5]})

    assert treatment_table().treatments[int(cells_of(seen)[0])] == "ask_reason"


# --- capacity ---


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"fax": {"contacts": 1}}, "'fax' is not a channel"),
        ({"sms": {"contacts": -1}}, "Capacity of sms: contacts is -1"),
        ({"sms": {"contacts": 1.5}}, "contacts are whole"),
        ({"sms": {"contacts": True}}, "contacts is True"),
        ({"sms": {"contacts": "many"}}, "contacts is 'many'"),
        ({"agent_call": {"minutes": float("nan")}}, "minutes is nan"),
        ({"agent_call": {"hours": 3}}, "give `contacts` and/or `minutes`"),
        ({"agent_call": 40}, "give `contacts` and/or `minutes`"),
        (["sms"], "maps channels to limits"),
    ],
)
def test_a_malformed_capacity_is_refused(raw: Any, message: str):
    with pytest.raises(CapacityError, match=message):
        capacity_from(raw)


def test_the_tighter_of_contacts_and_minutes_counts():
    assert Capacity(contacts=7, minutes=30).places(6.0) == 5
    assert contacts_by_channel(capacity_from({"agent_call": {"minutes": 30}, "sms": {"minutes": 0}})) == {
        **dict.fromkeys(CONTACT_CHANNELS),
        Channel.SMS: 0,
    }


def test_a_channel_without_minutes_is_not_limited_by_minutes():
    assert Capacity(minutes=10).places(0.0) is None


def test_a_capacity_file_is_read_and_a_broken_one_refused(tmp_path: Path):
    path = tmp_path / "capacity.yaml"
    path.write_text("agent_call: {minutes: 60}\n", encoding="utf-8")
    assert read_capacity(path)[Channel.AGENT_CALL] == Capacity(minutes=60)

    path.write_text("agent_call: {minutes: ", encoding="utf-8")
    with pytest.raises(CapacityError, match="cannot be read as YAML"):
        read_capacity(path)
    with pytest.raises(CapacityError, match="is not there"):
        read_capacity(tmp_path / "none.yaml")
    path.write_text("", encoding="utf-8")
    assert read_capacity(path) == read_capacity(None)
