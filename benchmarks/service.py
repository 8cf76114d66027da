"""The whole service against the common diffusers server: same weights, precision, threads, niceness and requests.

Both run at once; only one is asked at a time, in turn, so that a drift of the machine hits both. Throughput with
concurrent closed-loop clients, and the latency of one request at a time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from e2e import served
from hybrid_engines import models

PROMPTS = ("a red circle above a blue square", "a green star", "a purple ring to the left of an orange cross")
STEPS = 25
SERVICE_PORT, PEER_PORT = 8211, 8212


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers."""

    name: str
    url: str
    headers: dict[str, str]
    extra: dict[str, Any]

    def ask(self, client: httpx.Client, *, seed: int) -> float:
        """Draw one picture; returns the seconds it took."""
        body = {"prompt": PROMPTS[seed % len(PROMPTS)], "steps": STEPS, "guidance_scale": 5.0, "seed": seed}
        started = time.perf_counter()
        answer = client.post(f"{self.url}/images/generations", json=body | self.extra, headers=self.headers)
        answer.raise_for_status()
        return time.perf_counter() - started


def throughput(side: Side, *, clients: int, seconds: float) -> float:
    """Pictures a second with `clients` asking without a pause."""
    stop = time.perf_counter() + seconds

    def ask_on(index: int) -> int:
        drawn = 0
        with httpx.Client(timeout=120.0, trust_env=False) as client:
            while time.perf_counter() < stop:
                side.ask(client, seed=1000 * index + drawn)
                drawn += 1
        return drawn

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        drawn = sum(pool.map(ask_on, range(clients)))  # one that fails fails the measurement
    return drawn / (time.perf_counter() - started)


def latency_ms(side: Side, *, requests: int) -> float:
    """Median milliseconds of one request at a time."""
    with httpx.Client(timeout=120.0, trust_env=False) as client:
        return statistics.median(side.ask(client, seed=seed) * 1e3 for seed in range(requests))


def interleaved(sides: list[Side], measure: Callable[[Side], float], *, rounds: int) -> dict[str, list[float]]:
    """`measure` of each side in turn, `rounds` times; one round before that is thrown away."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for turn in range(rounds + 1):
        for side in sides if turn % 2 else reversed(sides):
            value = measure(side)
            if turn:
                found[side.name].append(value)
    return found


@contextmanager
def _peer(*, threads: int) -> Iterator[None]:
    """The other server as a child, while it answers."""
    model = models.BUILTIN / "shapes" / "large"
    command = [sys.executable, "-m", "benchmarks.peer", "--model", str(model), "--port", str(PEER_PORT)]
    child = subprocess.Popen([*command, "--threads", str(threads)], env={**os.environ, "OMP_NUM_THREADS": str(threads)})

    def is_up() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{PEER_PORT}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        served.eventually(is_up, seconds=120, what="the peer answers")
        yield
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _row(table: Table, name: str, ours: list[float], theirs: list[float], *, inverse: bool = False) -> dict[str, Any]:
    ratios = [(b / a if inverse else a / b) for a, b in zip(ours, theirs, strict=True)]
    table.add_row(
        name,
        f"{statistics.median(ours):.2f}",
        f"{statistics.median(theirs):.2f}",
        f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
    )
    return {"ours": ours, "theirs": theirs, "ratio": statistics.median(ratios)}


def main() -> None:
    """Run both servers, measure in turn, print a table, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    def all_large(spec: dict[str, Any]) -> None:
        for segment in spec["segments"]:
            segment["engine"] = {"threads": options.threads, "batchSizes": [1, 2, 4, 8, 16]}
            segment["workers"] = {"replicas": 1}

    with (
        _peer(threads=options.threads),
        served.serving(served.sample(all_large), port=SERVICE_PORT) as service,
    ):
        ours = Side("service", service.url, {"Authorization": f"Bearer {service.key}"}, {"split": STEPS, "n": 1})
        theirs = Side("diffusers + lock", f"http://127.0.0.1:{PEER_PORT}/v1", {}, {})
        sides = [ours, theirs]
        rate = interleaved(
            sides,
            lambda side: throughput(side, clients=options.clients, seconds=options.seconds),
            rounds=options.rounds,
        )
        alone = interleaved(sides, lambda side: latency_ms(side, requests=20), rounds=options.rounds)
    table = Table("measure", ours.name, theirs.name, "ratio, median (spread)", title=f"{options.clients} clients")
    result = {
        "throughput": _row(table, "pictures a second", rate[ours.name], rate[theirs.name]),
        "latency": _row(table, "ms, one at a time", alone[ours.name], alone[theirs.name], inverse=True),
    }
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
