"""A bento is whole: what pyproject.toml puts into it starts, and reads nothing of the checkout it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scoring.errors import BundleError
from scoring.portfolio.reading import SMALLEST
from scoring.scores.bundle import load_bundle
from scoring.scores.pins import read_pin
from serving.release import BENTO_FILE, bundles_of, stage
from tests.serving.conftest import Home

CHECKOUT = Path(__file__).parents[2]
PROBE = """
import serving.service, scoring
from scoring.resources import data_folder
from scoring.decisions.lawfulness import find_profile
from scoring.portfolio.contracts import contracts
from scoring.explanations.wording import words
find_profile("cn_bank_card", ""), contracts(), words("zh")
print(scoring.__file__, data_folder(), sep="\\n")
"""
SCORE = """
import json, os, warnings
warnings.simplefilter("ignore")
import serving.source_path
import serving.worker as service
from starlette.testclient import TestClient
service._open()
client = TestClient(service.APPLICATION, base_url="http://localhost", client=("127.0.0.1", 50000))
print(client.post("/v1/score", json=json.loads(os.environ["BODY"])).json().get("bundle_id"))
print(client.post("/v1/score", json={"account_ids": ["A1"]}).status_code)
ready = client.get("/readyz")
print(ready.status_code, ready.json()["message"], sep="\\n")
"""
WITHOUT_MLFLOW = """
import os, sys, warnings
warnings.simplefilter("ignore")
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mlflow", "training"):
            raise ImportError(name + " is gone")
sys.meta_path.insert(0, Gone())
import serving.source_path
import serving.worker as service
from starlette.testclient import TestClient
service._open()
client = TestClient(service.APPLICATION, base_url="http://localhost", client=("127.0.0.1", 50000))
asked = {"account_ids": [os.environ["ACCOUNT"]]}
score, decided = client.post("/v1/score", json=asked), client.post("/v1/decisions", json=asked)
explained = client.get("/v1/decisions/" + decided.json()["decisions"][0]["decision_id"] + "/explanation")
print(client.get("/readyz").status_code, score.status_code, decided.status_code, explained.status_code)
service.APPLICATION.state.desk.close()
"""


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that `bentoml build` would copy from a checkout without a staged bundle, laid out as it would lay them out."""
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bentoml"]["build"]
    assert build["python"]["is_src_layout"] is False
    root = tmp_path_factory.mktemp("bento") / "src"
    root.mkdir()
    (root.parent / BENTO_FILE).write_text("name: collections_scoring\n")
    for pattern in build["include"]:
        for path in CHECKOUT.glob(pattern + ("/*" if pattern.endswith("**") else "")):
            if path.is_file() and not {"__pycache__", "bundles"} & set(path.parts):
                place = root / path.relative_to(CHECKOUT)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    return root


def test_the_service_of_a_bento_starts_from_its_own_files(bento: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run([sys.executable, "-c", PROBE], cwd=bento, env=own, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    code, data = (Path(line) for line in done.stdout.splitlines())
    assert code.is_relative_to(bento.resolve())
    assert data.is_relative_to(bento.resolve())


def test_a_staged_bundle_is_served_from_the_bentos_own_folder_without_any_state(bento: Path, home: Home) -> None:
    pin = stage(home.settings.home, bento)
    nowhere = bento.parent / "no-state"
    body = {
        "accounts": [SMALLEST | {"accounts": [SMALLEST["accounts"][0] | {"currency": "CNY"}]}],
        "as_of": "2025-04-30",
    }
    asked = {**os.environ, "SCORING_HOME": str(nowhere), "BODY": json.dumps(body), "PYTHONDONTWRITEBYTECODE": "1"}
    asked.pop("PYTHONPATH", None)

    done = subprocess.run([sys.executable, "-c", SCORE], cwd=bento, env=asked, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    bundle_id, stored, ready, message = done.stdout.splitlines()
    assert bundle_id == pin.bundle_id == read_pin(bento / "models").bundle_id
    assert (stored, ready) == ("409", "503") and "scoring plan" in message
    assert not nowhere.exists()
    assert load_bundle(bento / "models" / "bundles" / pin.folder, expected_id=pin.bundle_id).bundle_id == pin.bundle_id


def test_a_state_folder_with_a_pin_of_its_own_goes_before_the_bundle_that_was_brought(bento: Path, home: Home) -> None:
    stage(home.settings.home, bento)

    assert bundles_of(home.settings.home, bento) == home.settings.home
    assert bundles_of(bento.parent / "no-state", bento) == bento / "models"
    assert bundles_of(bento.parent / "no-state", CHECKOUT) == bento.parent / "no-state"


def test_a_bundle_that_is_not_the_pinned_one_is_not_staged(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.settings.home / "bundles", tmp_path / "home" / "bundles")
    (tmp_path / "home" / "bundles" / "small" / "ability.txt").write_text("cut")

    with pytest.raises(BundleError, match=r"ability\.txt"):
        stage(tmp_path / "home", tmp_path / "code")

    assert not (tmp_path / "code").exists()


def test_serving_answers_where_neither_mlflow_nor_training_can_be_imported(home: Home, account_ids: list[str]) -> None:
    asked = {**os.environ, "SCORING_HOME": str(home.settings.home), "ACCOUNT": account_ids[0]}

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MLFLOW], cwd=CHECKOUT, env=asked, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout.split()) == (0, ["200", "200", "200", "200"]), done.stderr


def test_a_bento_holds_no_state_tests_or_training(bento: Path) -> None:
    assert {path.name for path in bento.iterdir()} <= {"data", "models", "requirements.lock", "serving", "src"}


def test_the_bento_takes_its_packages_from_the_lock_file() -> None:
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bentoml"]["build"]

    assert (CHECKOUT / build["python"]["requirements_txt"]).is_file()
    assert build["python"]["lock_packages"] is False
