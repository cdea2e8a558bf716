"""A bento with its bundle inside: the champion is put beside the code under ``models/bundles/``, from where `bentoml build` takes it.

Plans, ledger and keys are state, not code; they never go into a bento. One that runs without a state folder of its own scores inline
histories on the bundle that it brought, and refuses what needs a plan.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring.errors import MissingToolError
from scoring.scores.bundle import load_bundle
from scoring.scores.pins import CHAMPION, Pin, load_champion, read_pin

CODE: Final = Path(__file__).resolve().parents[1]
BENTO_FILE: Final = "bento.yaml"


@dataclass(frozen=True)
class Bento:
    """A bento that was built: its tag, its folder, and the pin of the bundle in it."""

    tag: str
    folder: Path
    pin: Pin


def bundles_of(home: Path, code: Path = CODE) -> Path:
    """The folder whose ``bundles/`` holds the champion: the state folder, or a bento's own models where the state folder pins none.

    Examples
    --------
    >>> bundles_of(Path("state")).name
    'state'
    """
    brought = code / "models"
    in_bento = (code.parent / BENTO_FILE).is_file() and (brought / "bundles" / CHAMPION).is_file()
    return brought if in_bento and not (home / "bundles" / CHAMPION).is_file() else home


def stage(home: Path, code: Path = CODE) -> Pin:
    """Put the champion and its card under ``models/bundles/``, in place of what was there.

    Raises
    ------
    NotReadyError, BundleError
        Nothing was promoted, or a hash is wrong: nothing was changed.
    """
    pin, _ = load_champion(home)
    place = code / "models" / "bundles"
    shutil.rmtree(place, ignore_errors=True)
    for name in (pin.folder, f"{pin.folder}-card"):
        if (home / "bundles" / name).is_dir():
            shutil.copytree(home / "bundles" / name, place / name)
    shutil.copy2(home / "bundles" / CHAMPION, place / CHAMPION)
    load_champion(place.parent)
    return pin


def build(home: Path, code: Path = CODE) -> Bento:
    """Put the champion beside the code and run `bentoml build`.

    Raises
    ------
    MissingToolError
        ``missing_requirement``: this is no checkout, or BentoML refused.
    """
    if not (code / "pyproject.toml").is_file():
        raise MissingToolError(
            "A bento is built from a checkout, and this is an installed package. Clone the repository, and run `make install` there.",
            field="checkout",
        )
    pin = stage(home, code)
    own = {"BENTOML_HOME": str((home / "bentoml").resolve()), "BENTOML_DO_NOT_TRACK": "True"}
    Path(own["BENTOML_HOME"]).mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", str(code), "--output", "tag"],
        env={**os.environ, **own}, cwd=code, capture_output=True, text=True, check=False,
    )  # fmt: skip
    tag = made.stdout.strip().rpartition("__tag__:")[2]
    folder = Path(own["BENTOML_HOME"], "bentos", *tag.split(":"))
    if made.returncode or not (folder / BENTO_FILE).is_file():
        said = (made.stderr.strip() or made.stdout.strip()).splitlines()[-1:]
        raise MissingToolError(f"BentoML did not build: {' '.join(said)}", field="bentoml")
    brought = read_pin(folder / "src" / "models")
    load_bundle(folder / "src" / "models" / "bundles" / brought.folder, expected_id=pin.bundle_id)
    return Bento(tag, folder, pin)
