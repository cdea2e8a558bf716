"""What the documents say exists, exists: commands, error codes, settings, files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from scoring import errors
from scoring.features.registry import FEATURES
from serving import settings
from serving.console import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme_and_every_named_one_exists() -> None:
    named = set(re.findall(r"scoring ([a-z][a-z-]+)", README)) - {"scoring"}

    assert set(cli.commands) <= named
    assert named <= set(cli.commands), "the README names a command that is not there"


def test_every_error_code_is_in_the_readme() -> None:
    codes = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ScoringError)
    }

    assert {code for code in codes if f"`{code}`" not in README} == set()


def test_every_setting_is_in_the_readme() -> None:
    named = set(re.findall(r"SCORING_[A-Z_]+", (settings.__doc__ or "")))

    assert {name for name in named if f"`{name}`" not in README} == set()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_file_the_readme_points_at_is_there(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_readme_counts_the_features_rightly() -> None:
    assert f"({len(FEATURES)} of them" in README


def test_the_lock_file_names_no_index_and_pins_every_line_with_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*==", lock, flags=re.M)

    assert "://" not in lock and "--index" not in lock
    assert len(pinned) > 100
    assert lock.count("--hash=sha256:") >= len(pinned)


def test_every_declared_dependency_has_a_floor_or_a_ceiling() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    own_extras = f"{project['name']}["

    assert [name for name in declared if not re.search(r"[<>=]", name) and not name.startswith(own_extras)] == []


def test_nothing_imports_the_data_and_models_folders_as_packages() -> None:
    for path in [
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("training/**/*.py"),
        *ROOT.glob("serving/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
    ]:
        assert not re.search(r"^\s*(from|import) (data|models)\b", path.read_text(encoding="utf-8"), flags=re.M), path


def test_no_file_of_the_project_names_a_path_of_one_machine() -> None:
    suspicious = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")
    for path in [
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("training/**/*"),
        *ROOT.glob("serving/**/*.py"),
        *ROOT.glob("data/**/*.md"),
        ROOT / "README.md",
    ]:
        if path.is_file() and path.suffix in {".py", ".md", ".toml"}:
            assert not suspicious.search(path.read_text(encoding="utf-8")), path
