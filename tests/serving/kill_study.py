"""Kills the service at random points under load, restarts it, and looks at what it left.

``python -m tests.serving.kill_study --points 100 --database sqlite`` (or ``postgresql``). Eight clients ask two workers for new decisions,
tell outcomes, take permits and give some back, each request under an idempotency key; at a random instant every process of the service
gets SIGKILL. It is started again, and what was not acknowledged is asked again with the same keys. At the end: everything acknowledged is
there exactly once in ledger and state, no cap was exceeded, a request told again gets the very answer it got, and the ledger verifies.
``--service bentoml`` kills the real supervisor and its workers instead of `Forked`; a start of it takes ten seconds or more.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
from sqlalchemy import select

from scoring.ledger.store import Ledger
from scoring.ledger.verify import verify
from scoring.portfolio.reading import read_portfolio
from serving.current_plan import read_current_plan
from serving.settings import Settings
from serving.state.database import State
from serving.state.tables import ANSWERED, EVENTS, PERMITS, REDECISIONS
from tests.serving.conftest import AS_OF
from tests.serving.study_load import DECISION, OUTCOME, PERMIT, RELEASE, Clients, Day, Told, drained, headers_of
from tests.serving.study_service import Forked, Service, Whole, home_on

LONGEST_LIFE_SECONDS = 3.0
WARM_SECONDS = 30.0
MOST_CALLS_A_DAY = 3
ASKED_AGAIN = 400


@dataclass(frozen=True)
class Left:
    """What is in ledger and state.

    Attributes
    ----------
    decisions : mapping of decision id to account and day
        Made on request, not by the plan.
    """

    decisions: dict[str, tuple[str, date | None]]
    outcomes: Counter[str]
    events: Counter[str]
    redecided: Counter[int]
    permits: dict[str, tuple[str, str, int, str | None]]
    unfinished: int


def day_of(settings: Settings, seed: int) -> Day:
    """A working day over the accounts of a home."""
    plan = read_current_plan(settings.home)
    planned = [str(name) for name in plan.decisions["account_id"]]
    portfolio = read_portfolio(plan.portfolio_folder, threads=1)
    cohort = portfolio.connection.sql(
        f"SELECT account_id FROM statements GROUP BY 1 HAVING min(statement_on) < DATE '{AS_OF}' - 150 ORDER BY 1"
    )
    others = [str(name) for (name,) in cohort.fetchall() if name not in set(planned)]
    portfolio.connection.close()
    return Day(planned, others, AS_OF, seed)


def read_left(settings: Settings) -> Left:
    """Everything a service left behind, read while none runs."""
    with Ledger.open(settings.ledger_place, read_only=True) as ledger:
        rows = ledger.database.rows(
            "SELECT record_id, account_ref, as_of FROM records WHERE kind = 'decision' AND batch_id IS NULL"
        )
        told = ledger.database.rows("SELECT record_id, count(*) FROM records WHERE kind = 'outcome' GROUP BY 1")
    state = State(settings.state_place)
    try:
        with state.reading() as connection:
            events = Counter(connection.execute(select(EVENTS.c.event_key)).scalars().all())
            redecided = Counter(connection.execute(select(REDECISIONS.c.event_seq)).scalars().all())
            unfinished = len(connection.execute(select(ANSWERED).where(ANSWERED.c.status == 0)).all())
            permits = {
                row.permit_id: (row.customer_id, row.channel, row.contact_at, row.ended_by)
                for row in connection.execute(select(PERMITS))
            }
    finally:
        state.close()
    return Left({row[0]: (row[1], row[2]) for row in rows}, Counter(dict(told)), events, redecided, permits, unfinished)


def look(settings: Settings, told: Told, *, at_end: bool) -> list[str]:
    """What is wrong: acknowledged and not there, there twice, caps exceeded, findings of the ledger."""
    left, wrong = read_left(settings), list(told.wrong)
    for asked, answer in told.acknowledged:
        if asked.kind == DECISION:
            wrong += [
                f"decision {one['decision_id']} is lost"
                for one in answer["decisions"]
                if one["decision_id"] not in left.decisions
            ]
        elif asked.kind == OUTCOME:
            for one in answer["outcomes"]:
                if left.events[one["key"]] != 1 or left.outcomes[one["record_id"]] != 1:
                    wrong.append(
                        f"outcome {one['key']}: {left.events[one['key']]} events, {left.outcomes[one['record_id']]} records"
                    )
                if one["decision"] and one["decision"]["decision_id"] not in left.decisions:
                    wrong.append(f"decision after outcome {one['key']} is lost")
        elif asked.kind == PERMIT and answer["is_granted"] and answer["permit_id"] not in left.permits:
            wrong.append(f"permit {answer['permit_id']} is lost")
        elif asked.kind == RELEASE and left.permits[answer["permit_id"]][3] is None:
            wrong.append(f"the release of permit {answer['permit_id']} is lost")
    wrong += over_caps(left)
    if at_end:
        wrong += doubled(left, told)
    with Ledger.open(settings.ledger_place, read_only=True) as ledger:
        wrong += [finding.message for finding in verify(ledger)]
    return wrong


def over_caps(left: Left) -> list[str]:
    """Customers with more reserved calls on one day than the cap; calls are never ended here."""
    calls = Counter(
        (customer, datetime.fromtimestamp(at / 1e6, UTC).date())
        for customer, channel, at, _ in left.permits.values()
        if channel == "agent_call"
    )
    return [
        f"{n} calls are reserved for one customer on {day}" for (_, day), n in calls.items() if n > MOST_CALLS_A_DAY
    ]


def doubled(left: Left, told: Told) -> list[str]:
    """Once everything is acknowledged: nothing is there that nobody was told of."""
    granted = [a["permit_id"] for asked, a in told.acknowledged if asked.kind == PERMIT and a["is_granted"]]
    keys = [one["key"] for asked, a in told.acknowledged if asked.kind == OUTCOME for one in a["outcomes"]]
    wrong = [f"{n} permits answer one request" for n in [len(granted) - len(set(granted))] if n]
    wrong += [f"{len(left.permits) - len(set(granted))} permits that nobody was told of"] * (
        len(left.permits) != len(granted)
    )
    wrong += [f"{len(left.events)} events for {len(keys)} outcomes"] * (len(left.events) != len(keys))
    return wrong + [f"{left.unfinished} requests are not finished"] * bool(left.unfinished)


def untold(left: Left, told: Told) -> int:
    """Decisions in the ledger that no answer named: made by an attempt that was killed, and made again under other prices."""
    named = {one["decision_id"] for asked, a in told.acknowledged if asked.kind == DECISION for one in a["decisions"]}
    named |= {
        one["decision"]["decision_id"]
        for asked, a in told.acknowledged
        if asked.kind == OUTCOME
        for one in a["outcomes"]
        if one["decision"]
    }
    return len(left.decisions.keys() - named)


def told_again(service: Service, told: Told, chance: random.Random) -> list[str]:
    """Some acknowledged requests once more under their keys: the same answer, to the byte."""
    kept = [each for each in told.acknowledged if each[0].kind != DECISION]
    wrong = []
    with httpx.Client(base_url=service.address, timeout=60) as http:
        for asked, answer in chance.sample(kept, min(ASKED_AGAIN, len(kept))):
            again = http.post(asked.path, content=asked.body, headers=headers_of(asked))
            if again.status_code != 200 or again.json() != answer:
                wrong.append(f"{asked.kind} told again: {again.status_code}, another answer")
    return wrong


def wait_for_more(told: Told) -> None:
    """Wait until something new is acknowledged: from then on the service is at work."""
    before, ends = len(told.acknowledged), time.monotonic() + WARM_SECONDS
    while len(told.acknowledged) == before and time.monotonic() < ends:
        time.sleep(0.01)


def kill_many(settings: Settings, service: Service, points: int, seed: int) -> tuple[Told, list[str]]:
    """Kill at so many points; what is wrong afterwards."""
    chance, told, day = random.Random(seed), Told(), day_of(settings, seed)
    for number in range(points):
        service.start()
        clients = Clients(service, day, told)
        clients.start()
        wait_for_more(told)
        time.sleep(chance.random() * LONGEST_LIFE_SECONDS)
        clients.halt()
        service.kill()
        clients.join()
        if number % 10 == 9:
            print(f"{number + 1} points, {len(told.acknowledged)} acknowledged", flush=True)
        if number % 10 == 9 and (wrong := look(settings, told, at_end=False)):
            return told, wrong
    service.start()
    drained(service, day, told)
    wrong = told_again(service, told, chance)
    service.kill()
    return told, wrong + look(settings, told, at_end=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--service", choices=["forked", "bentoml"], default="forked")
    asked = parser.parse_args()
    began = time.perf_counter()
    with home_on(asked.database) as (settings, _), tempfile.TemporaryDirectory(prefix="log-") as log:
        service: Service = Forked(settings) if asked.service == "forked" else Whole(settings, Path(log) / "log")
        told, wrong = kill_many(settings, service, asked.points, asked.seed)
        left = read_left(settings)
    kinds = Counter(asked.kind for asked, _ in told.acknowledged)
    granted = sum(a["is_granted"] for each, a in told.acknowledged if each.kind == PERMIT)
    print(
        f"{asked.database}, {asked.service}: killed at {asked.points} points, {told.cut} requests cut off; acknowledged "
        f"{kinds[DECISION]} decisions, {kinds[OUTCOME]} outcomes, {kinds[PERMIT]} permit requests ({granted} granted), "
        f"{kinds[RELEASE]} releases; {len(wrong)} problems; {untold(left, told)} decisions of killed attempts that were made again; "
        f"asked to wait {dict(told.waits)}; refused {dict(told.refused)}; {time.perf_counter() - began:.0f} s"
    )
    for problem in wrong[:20]:
        print(f"  {problem}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
