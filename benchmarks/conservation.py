"""Whether the books come to the bill: a random load on the real service, with everything that upsets books.

Clients that hang up, requests that are refused, prices that change, a worker that is killed, and a stop at the end.
Then the ledger is read: what was used, what idled and what nobody saw must be the bill, and the last at most 2 % of it.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from e2e import served
from hybrid_serving.ledger.sqlite import SqliteStore
from hybrid_serving.ledger.statement import Statement, statements

PORT = 8213
MOST_UNATTRIBUTED = Fraction(2, 100)
CLIENTS = 6
_IN_VAIN, _REFUSED = 0.06, 0.02
_PRICES = ("0.05", "0.0316", "0.11")


def load(running: served.Served, *, requests: int, seed: int) -> dict[str, int]:
    """Ask at random, and upset things on the way; how often a request ended how."""
    rng, ended, lock = random.Random(seed), dict[str, int](), threading.Lock()
    upsets = {requests // 4: _reprice(0), requests // 2: _kill, 3 * requests // 4: _reprice(1)}
    asked = [(number, rng.random(), rng.randrange(1, 9), rng.randrange(2**32)) for number in range(requests)]

    def ask(number: int, fate: float, steps: int, picture: int) -> None:
        if upset := upsets.get(number):
            upset(running)
        how = _ask(running, fate=fate, steps=steps, seed=picture)
        with lock:
            ended[how] = ended.get(how, 0) + 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda one: ask(*one), asked))
    return ended


def _ask(running: served.Served, *, fate: float, steps: int, seed: int) -> str:
    body: dict[str, Any] = {
        "prompt": "a red circle",
        "steps": 25 if fate < _IN_VAIN else steps,
        "seed": seed,
        "n": 1 + seed % 2,
    }
    if fate > 1 - _REFUSED:
        body["steps"] = 10_000
    headers = {"Authorization": f"Bearer {running.key}"}
    patience = 0.15 if fate < _IN_VAIN else 120.0
    try:
        with httpx.Client(timeout=patience, trust_env=False) as client:
            answer = client.post(f"{running.url}/images/generations", json=body, headers=headers)
    except httpx.HTTPError:
        return "hung up"
    return "drawn" if answer.is_success else f"status {answer.status_code}"


def _reprice(number: int) -> Any:
    """A change of the price list, applied in place."""

    def apply(running: served.Served) -> None:
        documents = served.sample(_one_worker)
        prices = next(each for each in documents if each["kind"] == "ConfigMap")
        prices["data"]["cpuCoreHour"] = _PRICES[number]
        running.apply(documents)

    return apply


def _kill(running: served.Served) -> None:
    """A worker ends without a word."""
    if pid := running.running("large")[0].pid:
        os.kill(pid, signal.SIGKILL)


def _one_worker(spec: dict[str, Any]) -> None:
    spec["segments"][0]["workers"] = {"replicas": 1}


def measure(*, requests: int, seed: int) -> tuple[dict[str, int], Statement]:
    """How requests ended, and the statement of everything after the stop."""
    with tempfile.TemporaryDirectory(prefix="hybrid-conservation-") as folder:
        state = Path(folder)
        with served.serving(served.sample(_one_worker), port=PORT, state=state) as running:
            ended = load(running, requests=requests, seed=seed)
        kept = SqliteStore(state / "ledger" / "ledger.sqlite", is_read_only=True)
        (statement,) = statements(kept.sums(after=0, until=time.time_ns()), by=("tenant",))
        kept.close()
    return ended, statement


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, optionally write JSON; exit code 1 where the books do not come to the bill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=520)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    ended, statement = measure(requests=options.requests, seed=options.seed)
    billed, unattributed = statement.billed, statement.unattributed
    assert billed is not None, "`hybrid serve` measures its own bill"
    assert unattributed is not None, "as above"
    overhead = {kind.value: amount for kind, amount in statement.overhead.items()}
    parts = {"used, without bytes sent": statement.used - statement.egress, **overhead, "unattributed": unattributed}
    assert sum(parts.values()) == billed
    assert sum(group.amount for group in statement.groups.values()) == statement.used
    table = Table(
        "part", statement.currency, "share", title=", ".join(f"{count} {how}" for how, count in ended.items())
    )
    for name, amount in {**parts, "the bill": billed}.items():
        table.add_row(name, f"{float(amount):.9f}", f"{float(amount / billed):.2%}")
    Console().print(table)
    if options.json:
        found = {"ended": ended, "unattributed": float(unattributed / billed)}
        options.json.write_text(json.dumps(found | {name: float(amount) for name, amount in parts.items()}, indent=2))
    if abs(unattributed) > MOST_UNATTRIBUTED * billed:
        sys.exit(f"{float(unattributed / billed):.2%} of the bill is unattributed, expected at most 2 %.")


if __name__ == "__main__":
    main()
