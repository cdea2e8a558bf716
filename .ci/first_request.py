"""Wait for the service, score the first account of the queue over HTTP, and print it with the top of the queue."""

import json
import sys
import time
from pathlib import Path

import httpx
import pandas as pd

WAIT_SECONDS = 90


def main(address: str, plan: Path) -> None:
    """Print one scored request and the top of the fullest queue."""
    wait_until_ready(address)
    decisions = pd.read_parquet(plan / "decisions.parquet")
    busiest = decisions[decisions["channel"] != "none"]["channel"].value_counts().index[0]
    top = httpx.get(f"{address}/v1/queue", params={"channel": busiest, "limit": 10}).raise_for_status().json()
    first = top["rows"][0]["account_id"]
    scored = httpx.post(f"{address}/v1/score", json={"account_ids": [first]}).raise_for_status().json()
    print(f"POST /v1/score for {first}:")
    print(json.dumps(scored, indent=2, ensure_ascii=False)[:2500])
    print(f"\nTop of the queue, channel {busiest}:")
    print(
        pd.DataFrame(top["rows"])[
            ["rank", "account_id", "treatment", "priority_value_cents", "bucket", "dpd"]
        ].to_string(index=False)
    )


def wait_until_ready(address: str) -> None:
    """Poll /readyz until it says yes; say why not when it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    last = "no answer"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{address}/readyz", timeout=2)
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        if answer.status_code == 200:
            return
        last = answer.text
        time.sleep(0.5)
    sys.exit(f"The service was not ready within {WAIT_SECONDS} s: {last}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
