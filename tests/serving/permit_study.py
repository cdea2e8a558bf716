"""A thousand calls to one customer asked for at once, from a service of two workers: three are granted, whatever the database.

``python -m tests.serving.permit_study --database sqlite`` (or ``postgresql``). Every other request is for another account of the same
customer. ``--service bentoml`` asks ``bentoml serve`` with two workers instead of `Forked`. Exits 1 if not exactly the cap was granted,
or if anything else than 200 was answered in the end. Each request has an idempotency key and is sent again where its connection closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from scoring.portfolio.reading import read_portfolio
from serving.current_plan import read_current_plan
from serving.settings import Settings
from tests.serving.study_service import Forked, Service, Whole, home_on, noon_in

CAP = 3
CONNECTIONS = 100
TRIED = 20


def pairs_of(settings: Settings) -> list[tuple[str, str]]:
    """Two accounts each of customers that have two in the plan."""
    plan = read_current_plan(settings.home)
    portfolio = read_portfolio(plan.portfolio_folder, threads=1)
    rows = portfolio.connection.sql(
        "SELECT min(account_id), max(account_id) FROM accounts GROUP BY customer_id ORDER BY 1"
    )
    found = [(str(one), str(other)) for one, other in rows.fetchall()]
    portfolio.connection.close()
    return [pair for pair in found if pair[0] != pair[1] and set(pair) <= set(plan.row_of)]


async def answered(client: httpx.AsyncClient, asked: dict[str, Any], key: dict[str, str]) -> httpx.Response:
    """The answer, asked for again under the same key where the connection was closed under it or the service asks to wait."""
    while True:
        try:
            answer = await client.post("/v1/permits", content=json.dumps(asked), headers=key)
        except httpx.TransportError:
            continue
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(float(answer.headers["retry-after"]))


async def ask_all(address: str, asks: list[dict[str, Any]]) -> tuple[Counter[str], list[float]]:
    """Ask everything at once; what was answered, and how long each took."""
    answers: Counter[str] = Counter()
    took: list[float] = []

    async def one(client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
        began, key = time.perf_counter(), {"idempotency-key": str(uuid4())}
        answer = await answered(client, asked, key)
        took.append(time.perf_counter() - began)
        body = answer.json()
        granted = "granted" if body.get("is_granted") else " ".join(body.get("rules", ()))
        answers[granted if answer.status_code == 200 else f"{answer.status_code} {body.get('code')}"] += 1

    limits = httpx.Limits(max_connections=CONNECTIONS)
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=600, headers=headers) as client:
        await asyncio.gather(*(one(client, asked) for asked in asks))
    return answers, took


def wish(account_id: str) -> dict[str, Any]:
    """A call at an hour at which calls are allowed."""
    return {"account_id": account_id, "channel": "agent_call", "number_ref": "n1", "at": noon_in(2)}


def callable_pair(service: Service, pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """Two accounts of a customer who may be called; found by asking and giving back."""
    with httpx.Client(base_url=service.address, timeout=60) as http:
        for pair in pairs[:TRIED]:
            given = [http.post("/v1/permits", json=wish(account_id)).json() for account_id in pair]
            for permit in given:
                if permit["is_granted"]:
                    http.post(f"/v1/permits/{permit['permit_id']}/release").raise_for_status()
            if all(permit["is_granted"] for permit in given):
                return pair
    raise SystemExit("No customer with two accounts may be called. Choose another portfolio.")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--service", choices=["forked", "bentoml"], default="forked")
    given = parser.parse_args()
    with home_on(given.database) as (settings, _), tempfile.TemporaryDirectory(prefix="log-") as log:
        service: Service = Forked(settings) if given.service == "forked" else Whole(settings, Path(log) / "log")
        service.start()
        pair = callable_pair(service, pairs_of(settings))
        began = time.perf_counter()
        answers, took = asyncio.run(ask_all(service.address, [wish(pair[k % 2]) for k in range(given.requests)]))
        seconds = time.perf_counter() - began
        service.kill()
    print(
        f"{given.database}, {given.service}, 2 workers: {given.requests} requests at once over two accounts of one customer: "
        f"{dict(answers)}; {seconds:.0f} s, slowest {max(took):.1f} s"
    )
    only_200 = all(not name[:1].isdigit() for name in answers)
    raise SystemExit(answers["granted"] != CAP or not only_200)


if __name__ == "__main__":
    main()
