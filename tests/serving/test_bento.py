"""A bento is whole: what pyproject.toml puts into it starts, and reads nothing of the checkout it came from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that `bentoml build` would copy, laid out as it would lay them out."""
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bentoml"]["build"]
    assert build["python"]["is_src_layout"] is False
    root = tmp_path_factory.mktemp("bento")
    for pattern in build["include"]:
        for path in CHECKOUT.glob(pattern + ("/*" if pattern.endswith("**") else "")):
            if path.is_file() and "__pycache__" not in path.parts:
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


def test_a_bento_holds_no_state_tests_or_training(bento: Path) -> None:
    assert {path.name for path in bento.iterdir()} <= {"data", "models", "requirements.lock", "serving", "src"}
    assert not (bento / "models" / "bundles").exists()


def test_the_bento_takes_its_packages_from_the_lock_file() -> None:
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bentoml"]["build"]

    assert (CHECKOUT / build["python"]["requirements_txt"]).is_file()
    assert build["python"]["lock_packages"] is False
