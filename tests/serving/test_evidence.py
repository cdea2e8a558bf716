"""Evidence: a bundle that a third party can check with the Python it has, and that holds what its audience may see."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from scoring.ledger.heads import PRIVATE_KEY, PUBLIC_KEY, make_key
from scoring.ledger.human import override
from scoring.ledger.record import Record
from scoring.ledger.store import Ledger
from scoring.vocabulary import Channel
from serving.evidence import evidence_bundle
from serving.evidence_verifier import problems_of
from tests.explanations.invented import DECISION_ID, worked

AT = datetime(2025, 5, 2, 1, 30, tzinfo=UTC)
CANARY = "Canary-7731-Wang-Fang"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with one explained decision, other records around it, and a key."""
    home = tmp_path_factory.mktemp("home")
    make_key(home / "keys")
    with Ledger.open(home / "ledger.db") as ledger:
        ledger.append([Record(f"X{number}", "outcome", {}) for number in range(300)], recorded_at=AT)
        body = {**worked(), "account_ref": ledger.refs([CANARY])[0]}
        decided = Record(DECISION_ID, "decision", body, account_id=CANARY, as_of=AT.date())
        ledger.append([decided], recorded_at=AT)
        override(
            ledger,
            DECISION_ID,
            to=Channel.NONE,
            by="s17",
            reason_code="illness",
            reason=f"{CANARY} is ill.",
            recorded_at=AT,
        )
    return home


def bundle(home: Path, tmp_path: Path, audience: str = "compliance") -> Path:
    with Ledger.open(home / "ledger.db") as ledger:
        content = evidence_bundle(
            ledger, DECISION_ID, home=home, audience=audience, key=home / "keys" / PRIVATE_KEY, at=AT
        )
    path = tmp_path / f"{audience}.zip"
    path.write_bytes(content)
    return path


def test_a_bundle_is_checked_by_the_verifier_inside_it(home: Path, tmp_path: Path) -> None:
    path = bundle(home, tmp_path)
    with zipfile.ZipFile(path) as files:
        verifier = tmp_path / "verifier.py"
        verifier.write_bytes(files.read("verifier.py"))
        names = set(files.namelist())

    done = subprocess.run([sys.executable, "-I", verifier, path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout[:6]) == (0, "Sound:"), done.stderr
    assert {"record.json", "about.json", "proof.json", "explanation.zh.pdf", "explanation.en.html"} <= names


def test_the_signature_is_checked_with_the_key_of_the_third_party(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_key(other)

    assert problems_of(bundle(home, tmp_path), None, home / "keys" / PUBLIC_KEY) == []
    assert problems_of(bundle(home, tmp_path), None, other / PUBLIC_KEY) == [
        "the head is not signed by the key you trust"
    ]


@pytest.mark.parametrize("name", ["record.json", "proof.json", "explanation.en.html", "verifier.py"])
def test_a_changed_file_is_named(home: Path, tmp_path: Path, name: str) -> None:
    forged = BytesIO()
    with zipfile.ZipFile(bundle(home, tmp_path)) as files, zipfile.ZipFile(forged, "w") as written:
        for each in files.namelist():
            content = files.read(each)
            written.writestr(each, content.replace(b"1", b"2", 1) if each == name else content)

    assert problems_of(forged) == [f"{name} was changed"]


def test_another_root_is_named(home: Path, tmp_path: Path) -> None:
    assert problems_of(bundle(home, tmp_path), "ab" * 32) == ["the root is not the one you trust"]


@pytest.mark.parametrize("audience", ["compliance", "customer"])
def test_what_a_person_wrote_is_in_no_bundle_in_clear(home: Path, tmp_path: Path, audience: str) -> None:
    with zipfile.ZipFile(bundle(home, tmp_path, audience)) as files:
        assert not [name for name in files.namelist() if b"is ill" in files.read(name)]
        assert CANARY.encode() not in files.read("proof.json")


def test_a_customers_bundle_holds_no_figures_of_the_record(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle(home, tmp_path, "customer")) as files:
        names = set(files.namelist())

    assert not names & {"record.json", "about.json"}
    assert problems_of(tmp_path / "customer.zip", None, home / "keys" / PUBLIC_KEY) == []
