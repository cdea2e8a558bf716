"""PostgreSQL is stopped under load and started again: clear refusals with a hint meanwhile, nothing acknowledged lost, no hand needed.

``python -m tests.serving.stop_study --rounds 3``. Ledger and state are two databases of one server; the clients of the kill study go on
asking. While the server is away every answer must be 503 with a code and ``Retry-After``, ``/readyz`` must be 503 and say why,
``/healthz`` must be 200. When it is back the service must answer again by itself. At the end everything acknowledged is there, once, and
the ledger verifies.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from serving.settings import Settings
from tests.serving.kill_study import day_of, look
from tests.serving.study_load import Clients, Told, drained
from tests.serving.study_service import Forked, Postgres, home_on

AWAY_SECONDS = 6.0
BETWEEN_SECONDS = 4.0
LONGEST_RECOVERY_SECONDS = 15.0


@dataclass
class Seen:
    """What probes and clients saw while the server was away, and how long the way back took."""

    ready: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    answered_while_away: int = 0
    recovered_after: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def away(address: str, server: Postgres, told: Told, seen: Seen) -> None:
    """Stop the server, look for some seconds, start it, and wait until everything is answered again."""
    server.stop()
    acknowledged, waits = len(told.acknowledged), told.waits.copy()
    ends = time.monotonic() + AWAY_SECONDS
    with httpx.Client(base_url=address, timeout=30) as http:
        while time.monotonic() < ends:
            ready = http.get("/readyz")
            seen.ready[f"{ready.status_code} {ready.json().get('code')}"] += 1
            if ready.status_code != 503 or "retry-after" not in ready.headers:
                seen.wrong.append(f"/readyz answered {ready.status_code} while the database was away")
            if http.get("/healthz").status_code != 200:
                seen.wrong.append("/healthz was not 200")
            time.sleep(0.2)
        seen.answered_while_away += len(told.acknowledged) - acknowledged
        seen.waits += told.waits - waits
        server.start()
        seen.recovered_after.append(recovered(http, told))


def recovered(http: httpx.Client, told: Told) -> float:
    """Seconds until the service is ready and acknowledges again."""
    began, acknowledged = time.monotonic(), len(told.acknowledged)
    while time.monotonic() - began < LONGEST_RECOVERY_SECONDS * 4:
        if http.get("/readyz").status_code == 200 and len(told.acknowledged) > acknowledged:
            break
        time.sleep(0.05)
    return time.monotonic() - began


def stop_often(settings: Settings, server: Postgres, rounds: int, seed: int) -> tuple[Told, Seen]:
    """Stop and start so many times under load; what was seen."""
    service, told, seen, day = Forked(settings), Told(), Seen(), day_of(settings, seed)
    service.start()
    clients = Clients(service, day, told)
    clients.start()
    for _ in range(rounds):
        time.sleep(BETWEEN_SECONDS)
        away(service.address, server, told, seen)
    clients.halt()
    clients.join()
    drained(service, day, told)
    service.kill()
    late = [
        f"it took {s:.1f} s until everything was answered again"
        for s in seen.recovered_after
        if s > LONGEST_RECOVERY_SECONDS
    ]
    cut = [f"{told.cut} connections were cut"] * bool(told.cut)
    seen.wrong += late + cut + look(settings, told, at_end=True)
    return told, seen


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with home_on("postgresql") as (settings, server):
        assert server is not None
        told, seen = stop_often(settings, server, asked.rounds, asked.seed)
    times = ", ".join(f"{seconds:.1f}" for seconds in seen.recovered_after)
    print(
        f"PostgreSQL stopped {asked.rounds} times under load for {AWAY_SECONDS:.0f} s: {len(told.acknowledged)} acknowledged in all, "
        f"{seen.answered_while_away} of them while it was away; asked to wait {dict(seen.waits)}; /readyz {dict(seen.ready)}; "
        f"answering again after {times} s; refused {dict(told.refused)}; {len(seen.wrong)} problems"
    )
    for problem in seen.wrong[:20]:
        print(f"  {problem}")
    raise SystemExit(bool(seen.wrong))


if __name__ == "__main__":
    main()
