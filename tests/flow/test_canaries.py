"""Planted personal values: account ids, a name, phone numbers, an address, a person's words. None is found where it does not belong."""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from shutil import copytree

import duckdb
import pytest

from scoring.ledger.heads import PRIVATE_KEY, make_key
from scoring.ledger.store import Ledger
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import SMALLEST
from serving.app import equip, make_app
from serving.evidence import AUDIENCES, evidence_bundle
from serving.log_lines import WRITERS
from serving.nightly import run_plan
from serving.opening import open_desk
from serving.settings import Settings
from tests.flow.conftest import Line

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette asks for a newer httpx than BentoML brings
    from starlette.testclient import TestClient

AT = datetime(2026, 9, 1, 1, 30, tzinfo=UTC)
ACCOUNT, CUSTOMER, NUMBER = "CanaryAccount", "CanaryCustomer", "13800138000"
WORDS = "CanaryName of 5 CanaryStreet, 13900139000, is in hospital."
CANARIES = ("Canary", "13800138000", "13900139000")
PLANTED = {
    "account_id": f"'{ACCOUNT}' || account_id",
    "customer_id": f"'{CUSTOMER}' || customer_id",
    "number_ref": f"'{NUMBER}' || number_ref",
}


@dataclass(frozen=True)
class Night:
    """A plan over a portfolio full of canaries, its state folder, and everything that was said meanwhile."""

    home: Path
    run_id: str
    said: list[str]


def plant(source: Path, folder: Path) -> None:
    """The portfolio with canaries for its ids, numbers and references."""
    copytree(source, folder)
    with duckdb.connect() as connection:
        for name in contracts():
            path = folder / f"{name}.parquet"
            if not path.is_file():
                continue
            columns = [row[0] for row in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()]
            chosen = ", ".join(f"{PLANTED[c]} AS {c}" if c in PLANTED else f'"{c}"' for c in columns)
            connection.execute(f"CREATE OR REPLACE TABLE planted AS SELECT {chosen} FROM '{path}'")
            connection.execute(f"COPY planted TO '{path}' (FORMAT parquet)")


@pytest.fixture(scope="module")
def night(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    root = tmp_path_factory.mktemp("canaries")
    plant(line.portfolio, root / "portfolio")
    home, heard = root / "home", _Listening()
    copytree(line.home / "bundles", home / "bundles")
    make_key(home / "keys")
    logging.getLogger().addHandler(heard)
    WRITERS.append(heard.told)
    run = run_plan(
        root / "portfolio",
        as_of=line.as_of,
        out=root / "out",
        home=home,
        recorded_at=AT,
        threads=1,
        progress=heard.lines.append,
    )
    yield Night(home, run.run_id, heard.lines)
    logging.getLogger().removeHandler(heard)
    WRITERS.remove(heard.told)


class _Listening(logging.Handler):
    """Keeps every log line, of every library and of the service."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def told(self, line: bytes) -> None:
        """One of the service's own."""
        self.lines.append(line.decode())


def found_in(content: bytes | str) -> list[str]:
    """The canaries that some content holds."""
    text = content if isinstance(content, bytes) else content.encode()
    return [canary for canary in CANARIES if canary.encode() in text]


@pytest.fixture(scope="module")
def client(night: Night) -> Iterator[TestClient]:
    desk = open_desk(Settings(home=night.home, host="127.0.0.1", port=3000, threads=1, datasets=Path("nowhere")))
    app = make_app()
    equip(app, desk, clock=lambda: AT)
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as made:
        yield made
    desk.close()


@pytest.fixture(scope="module")
def a_decision(night: Night, client: TestClient) -> str:
    """A decision with everything that people can add to it, told over HTTP."""
    with Ledger.open(night.home / "ledger.db", read_only=True) as ledger:
        decided = next(r for r in ledger.records(kind="decision") if r.body["choice"]["channel"] != "none")
    place = f"/v1/decisions/{decided.record_id}"
    told = [
        client.post(f"{place}/override", json={"to": "none", "by": "s17", "reason_code": "illness", "reason": WORDS}),
        client.post(f"{place}/requests", json={"kind": "human_review", "text": WORDS}),
    ]
    assert [answer.status_code for answer in told] == [200, 200], [answer.text for answer in told]
    assert [found_in(answer.content) for answer in told] == [[], []]
    return decided.record_id


def test_the_ledger_holds_no_canary_and_so_no_hash_has_one_before_it(night: Night, a_decision: str) -> None:
    kept = b"".join(path.read_bytes() for path in sorted(night.home.glob("ledger.db*")))

    assert found_in(kept) == []
    assert found_in((night.home / "ledger-subjects.db").read_bytes()) == ["Canary"]
    with Ledger.open(night.home / "ledger.db", read_only=True) as ledger:
        opened = {record.kind: ledger.opened(record) for record in ledger.about(a_decision)}
    assert opened["override"]["reason"] == WORDS


def test_an_exported_bundle_holds_no_words_no_numbers_and_the_account_only_where_it_is_told(
    night: Night, a_decision: str
) -> None:
    for audience in AUDIENCES:
        with Ledger.open(night.home / "ledger.db") as ledger:
            content = evidence_bundle(
                ledger, a_decision, home=night.home, audience=audience, key=night.home / "keys" / PRIVATE_KEY, at=AT
            )
        with zipfile.ZipFile(BytesIO(content)) as files:
            seen = {name: found_in(files.read(name).replace(ACCOUNT.encode(), b"")) for name in files.namelist()}
            with_account = {name for name in files.namelist() if ACCOUNT.encode() in files.read(name)}
        assert {name for name, canaries in seen.items() if canaries} == set()
        assert {name for name in with_account if not name.startswith("explanation.")} == set()


BAD_REQUESTS = {
    "an unknown account": ("/v1/score", {"account_ids": ["A1"]}, None),
    "a word where a day stands": ("/v1/decisions", None, ("opened_on", "CanaryName")),
    "a number among the addresses": ("/v1/decisions", None, ("channel_addresses", "sms:13800138000")),
    "an unknown column": ("/v1/score", None, ("holder", "CanaryName")),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_refusals_and_log_lines_repeat_no_personal_value(
    client: TestClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    log_lines: list[bytes],
    name: str,
) -> None:
    route, body, planted = BAD_REQUESTS[name]
    if planted is not None:
        account = {**SMALLEST["accounts"][0], planted[0]: planted[1]}
        rows = {table: [{k: str(v) for k, v in row.items()} for row in rows] for table, rows in SMALLEST.items()}
        body = {
            "accounts": [{**rows, "accounts": [{**rows["accounts"][0], planted[0]: account[planted[0]]}]}],
            "as_of": "2025-05-01",
        }
    with caplog.at_level(logging.DEBUG):
        answer = client.post(route, json=body)

    assert answer.status_code in (400, 404, 409, 422), answer.text
    assert found_in(answer.text) == []
    assert log_lines
    assert found_in(caplog.text + b"".join(log_lines).decode() + "".join(capfd.readouterr())) == []


def test_no_log_line_and_no_meter_of_a_night_and_its_reviews_names_a_canary(
    night: Night, client: TestClient, a_decision: str, capfd: pytest.CaptureFixture[str]
) -> None:
    client.get(f"/v1/decisions/{a_decision}/explanation?lang=zh&audience=customer")
    client.get(f"/v1/accounts/{ACCOUNT}-none/decisions")

    assert night.said
    assert found_in("\n".join(night.said) + "".join(capfd.readouterr())) == []
    assert found_in(client.get("/metrics").content) == []
