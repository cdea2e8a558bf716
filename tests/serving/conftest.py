"""A small simulated portfolio with a trained bundle, a recorded plan, and the service's application on them."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from scoring.features.builder import build
from scoring.portfolio.contracts import contracts
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.bundle import definition_facts, write_bundle
from scoring.scores.pins import Pin, write_pin
from serving.app import equip, make_app
from serving.current_plan import CurrentPlan, read_current_plan
from serving.desk import Desk, there
from serving.kept_files import forget_kept
from serving.nightly import PLAN_FILE, NightlyRun, run_plan
from serving.opening import open_desk
from serving.settings import Settings
from training.fitting import fit
from training.recipe import read_recipe
from training.simulator import simulate
from training.snapshots import snapshot

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette asks for a newer httpx than BentoML brings
    from starlette.testclient import TestClient

AS_OF = date(2026, 9, 30)
TRAINED_ON = (date(2026, 5, 31), date(2026, 6, 30))
RECORDED_AT = datetime(2026, 9, 30, 22, 0, tzinfo=UTC)
CAPACITY = "agent_call: {minutes: 30}\nletter: {contacts: 3}\nai_voice: {contacts: 0}\n"


@dataclass(frozen=True)
class Home:
    """A state folder with a champion and a plan, and where its portfolio is.

    ``untouched`` is a copy that no service opens, for tests that want a home of their own: copying files of a database that this process
    has open takes its locks away, and another process then damages it.
    """

    settings: Settings
    portfolio: Path
    run: NightlyRun
    untouched: Path


def settings_of(home: Path) -> Settings:
    return Settings(home=home, host="127.0.0.1", port=3000, threads=1, datasets=Path("nowhere"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_home(tmp_path_factory.mktemp("served"))


def made_home(root: Path) -> Home:
    """A portfolio, small models and a plan in a folder."""
    folder = simulate(root / "portfolio", accounts=600, seed=5, months=8)
    settings = settings_of(root / "home")
    write_champion(settings.home, read_portfolio(folder, threads=1))
    (root / "capacity.yaml").write_text(CAPACITY)
    run = run_plan(
        folder,
        as_of=AS_OF,
        out=root / "out",
        home=settings.home,
        recorded_at=RECORDED_AT,
        capacity_file=root / "capacity.yaml",
        threads=1,
    )
    return Home(settings, folder, run, shutil.copytree(settings.home, root / "untouched"))


def write_champion(home: Path, portfolio: Portfolio) -> None:
    """Train small models and pin them, without any tracking."""
    recipe = read_recipe(None)
    recipe = replace(recipe, lightgbm={**recipe.lightgbm, "n_trees": 12})
    definition = recipe.definition(portfolio.currency)
    fitted = fit([snapshot(portfolio, day, definition) for day in TRAINED_ON], recipe)
    facts = {
        "currency": portfolio.currency,
        "payable": {"coverage": 0.8, "conformal_margin": fitted.conformal_margin},
        "recipe": recipe.name,
        "reference_population": "a small simulated portfolio",
        "targets": definition_facts(definition),
    }
    bundle_id = write_bundle(home / "bundles" / "small", fitted.boosters, facts)
    write_pin(home, Pin(bundle_id, "small", "1", "run", "Test Approver", "2026-09-01T00:00:00+00:00", "", ()))


@pytest.fixture(scope="session")
def desk(home: Home) -> Iterator[Desk]:
    opened = open_desk(home.settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def client(desk: Desk) -> Iterator[TestClient]:
    with client_of(desk) as made:
        yield made


def client_of(desk: Desk | None, **limits: Any) -> TestClient:
    """A caller on the same machine; without a desk, of a service that has not loaded yet."""
    app = make_app()
    if desk is not None:
        equip(app, desk, **limits)
    return TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000))


@pytest.fixture
def copied_plan(home: Home, tmp_path: Path) -> tuple[Path, CurrentPlan]:
    """A copy of the plan's folder, and the plan."""
    [plan] = (path.parent for path in home.settings.home.glob(f"plans/*/{PLAN_FILE}"))
    return copytree(plan, tmp_path / "plan"), read_current_plan(home.settings.home)


@pytest.fixture(scope="session")
def unkept_desk(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The same service where nothing was kept beside the plan."""
    own = replace(home.settings, home=copytree(home.untouched, tmp_path_factory.mktemp("unkept") / "home"))
    forget_kept(own.home / "plans", "a newer one")
    opened = open_desk(own)
    assert opened.is_ready() and there(opened.day).scores is None and there(opened.day).rows.kept is None
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def account_ids(desk: Desk) -> list[str]:
    """Accounts of the plan, in its order."""
    return [str(account_id) for account_id in desk.plan().decisions["account_id"]]


@pytest.fixture(scope="session")
def current_id(home: Home) -> str:
    """An account that is not past due, so that no plan decides it."""
    portfolio = read_portfolio(home.portfolio, threads=1)
    at = build(portfolio, AS_OF, min_dpd=0).positions
    return str(at.loc[at["dpd"] == 0, "account_id"].iloc[0])


def history_of(home: Home, account_id: str, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """One account's rows as a caller would send them: texts for days and instants, no empty columns."""
    portfolio = read_portfolio(home.portfolio, threads=1)
    tables = {}
    for name in sorted(portfolio.observed - {"protected", *without}):
        key = "account_id" if contracts()[name].has("account_id") else "customer_id"
        asked = f"SELECT {key} FROM accounts WHERE account_id = '{account_id}'"
        rows = portfolio.connection.sql(f"SELECT * FROM {name} WHERE {key} IN ({asked})").to_arrow_table().to_pylist()
        tables[name] = [{column: _as_sent(value) for column, value in row.items() if value is not None} for row in rows]
    return tables


def _as_sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
