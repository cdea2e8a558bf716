"""A bundle on disk: what is listed loads, by name; what is missing, added or changed is refused."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest

from scoring.errors import BundleError
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.bundle import MODEL_NAMES, REFERENCE, definition_facts, load_bundle, write_bundle
from scoring.scores.stored_boosters import StoredBoosters
from scoring.scores.targets import TargetDefinition

FACTS = {"targets": definition_facts(TargetDefinition())}
ROWS = np.random.default_rng(0).normal(size=(40, len(FEATURE_NAMES))).astype(np.float32)
ROWS[::7, 3] = np.nan


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2, "num_leaves": 4}
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, (ROWS[:, 0] > 0).astype(float)), 3)


@pytest.fixture
def folder(tmp_path: Path, booster: lightgbm.Booster) -> Path:
    models = dict.fromkeys((*MODEL_NAMES, "contact_sms"), booster)
    write_bundle(tmp_path / "b", models, FACTS, documents={"effects": {"none": [0.25]}}, reference=ROWS)
    return tmp_path / "b"


def test_a_model_beyond_the_core_is_loaded_by_its_name(folder: Path, booster: lightgbm.Booster) -> None:
    bundle = load_bundle(folder)

    assert set(bundle.boosters) == {*MODEL_NAMES, "contact_sms"}
    assert bundle.margin("contact_sms", ROWS).tobytes() == np.asarray(booster.predict(ROWS, raw_score=True)).tobytes()


def test_boosters_that_tables_answer_for_are_let_go_and_read_again_only_when_asked_for(
    folder: Path, booster: lightgbm.Booster, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, untouched = load_bundle(folder), load_bundle(folder)
    bundle.prepare()
    (folder / "ability.txt").unlink()
    read: list[str] = []
    monkeypatch.setattr(StoredBoosters, "__getitem__", lambda _, name: read.append(name))

    margins = bundle.margins(MODEL_NAMES, ROWS)
    parts = bundle.explained("ability", ROWS)
    assert (read, parts.method) == ([], "leaf_tables")

    monkeypatch.undo()
    assert all(margins[name].tobytes() == untouched.margin(name, ROWS).tobytes() for name in MODEL_NAMES)
    assert bundle.boosters["ability"] is not bundle.boosters["ability"]
    assert bundle.boosters["ability"].model_to_string() == untouched.boosters["ability"].model_to_string()


def test_a_booster_that_no_table_can_hold_stays(tmp_path: Path, booster: lightgbm.Booster) -> None:
    kinds = np.zeros_like(ROWS)
    kinds[:, 1] = np.arange(len(ROWS)) % 4
    data = lightgbm.Dataset(kinds, (kinds[:, 1] % 2).astype(float), categorical_feature=[1])
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2, "min_data_per_group": 1}
    categorical = lightgbm.train({**settings, "cat_smooth": 1, "max_cat_to_onehot": 1}, data, 2)
    write_bundle(tmp_path / "c", {**dict.fromkeys(MODEL_NAMES, booster), "ability": categorical}, FACTS, reference=ROWS)
    bundle = load_bundle(tmp_path / "c")
    bundle.prepare()

    assert bundle.leaf_tables["ability"] is None
    assert bundle.boosters["ability"] is bundle.boosters["ability"]
    assert bundle.explained("ability", ROWS).method == "pred_contrib"


def test_documents_and_reference_rows_come_back_as_written(folder: Path) -> None:
    bundle = load_bundle(folder)

    assert bundle.documents == {"effects": {"none": [0.25]}}
    assert bundle.reference is not None and bundle.reference.tobytes() == ROWS.tobytes()


def test_a_bundle_of_core_models_alone_has_no_documents_and_no_reference(
    tmp_path: Path, booster: lightgbm.Booster
) -> None:
    write_bundle(tmp_path, dict.fromkeys(MODEL_NAMES, booster), FACTS)
    bundle = load_bundle(tmp_path)

    assert (dict(bundle.documents), bundle.reference) == ({}, None)


def test_the_same_content_has_the_same_identity(tmp_path: Path, folder: Path, booster: lightgbm.Booster) -> None:
    models = dict.fromkeys(("contact_sms", *reversed(MODEL_NAMES)), booster)

    again = write_bundle(tmp_path / "c", models, FACTS, documents={"effects": {"none": [0.25]}}, reference=ROWS)

    assert again == load_bundle(folder).bundle_id


@pytest.mark.parametrize("name", ["willingness.txt", "contact_sms.txt", "effects.json", REFERENCE, "bundle.json"])
def test_a_changed_byte_in_any_file_is_refused(folder: Path, name: str) -> None:
    identity = load_bundle(folder).bundle_id
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(BundleError, match=r"pinned|cannot be read"):
        load_bundle(folder, expected_id=identity)


@pytest.mark.parametrize("name", ["ability.txt", "contact_sms.txt", "effects.json", REFERENCE])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(BundleError, match="missing"):
        load_bundle(folder)


def test_a_file_that_the_manifest_does_not_list_is_refused(folder: Path) -> None:
    (folder / "contact_email.txt").write_text("tree")

    with pytest.raises(BundleError, match=r"holds \['contact_email.txt'\], which the manifest does not list"):
        load_bundle(folder)


def test_a_bundle_without_a_core_model_is_not_written(tmp_path: Path, booster: lightgbm.Booster) -> None:
    with pytest.raises(BundleError, match=r"lacks \['willingness'\]"):
        write_bundle(tmp_path / "b", dict.fromkeys(MODEL_NAMES[1:], booster), FACTS)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["../evil", "bundle", "A", ""])
def test_a_part_that_cannot_be_a_file_name_is_refused(tmp_path: Path, booster: lightgbm.Booster, name: str) -> None:
    with pytest.raises(BundleError, match="cannot name a part"):
        write_bundle(tmp_path / "b", dict.fromkeys(MODEL_NAMES, booster), FACTS, documents={name: 1})
