"""What HTTP and Serve add to one request over the bare engine loop: same engines, same threads, same requests.

The bare loop runs in this process and is asked in turn with the served one, so that a drift of the machine hits both.
Both count from the request to the finished pixels; the served one also encodes them as PNG.
"""

import argparse
import json
import queue
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import scheduling
from e2e import served
from hybrid_serving.cloud.loop import EngineLoop
from hybrid_serving.protocol import Image, Settings, Work

PORT = 8213
PROMPT = "a red circle above a blue square"
STEPS = (4, 25)
THREADS = 2


def bare_milliseconds(bench: scheduling.Bench, loop: EngineLoop, *, steps: int, seed: int) -> float:
    """One picture through the loop alone."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    settings = Settings(PROMPT, "", seed, 0, "dpmpp-2m", steps, 5.0, *scheduling.SIZE)
    began = time.perf_counter()
    loop.submit(bench.prepare(Work("", settings, steps, time.time() + 60)), answers.put)
    answer = answers.get(timeout=60.0)
    assert isinstance(answer, Image), f"expected a picture, found {answer!r}"
    return (time.perf_counter() - began) * 1e3


def served_milliseconds(client: httpx.Client, *, steps: int, seed: int) -> float:
    """One picture through HTTP, Serve and the same loop."""
    body = {"prompt": PROMPT, "steps": steps, "split": steps, "guidance_scale": 5.0, "seed": seed}
    began = time.perf_counter()
    client.post("/images/generations", json=body).raise_for_status()
    return (time.perf_counter() - began) * 1e3


def in_turn(sides: Sequence[Callable[..., float]], *, steps: int, requests: int) -> list[list[float]]:
    """Milliseconds of `requests` of each side, taking turns; ten before that are thrown away."""
    found: list[list[float]] = [[] for _ in sides]
    for seed in range(requests + 10):
        for index in (0, 1) if seed % 2 else (1, 0):
            milliseconds = sides[index](steps=steps, seed=seed)
            if seed >= 10:
                found[index].append(milliseconds)
    return found


def measure(*, requests: int) -> dict[str, Any]:
    """Medians and what lies between them, by number of steps."""
    bench = scheduling.set_up("builtin://shapes/large", threads=THREADS, paced=False)
    loop = EngineLoop(bench.stages())
    loop.start()
    result: dict[str, Any] = {}
    with served.serving(served.sample(_same_engine), port=PORT) as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60.0, trust_env=False) as client:
            sides = (partial(bare_milliseconds, bench, loop), partial(served_milliseconds, client))
            for steps in STEPS:
                bare, through = in_turn(sides, steps=steps, requests=requests)
                added = [after - before for before, after in zip(bare, through, strict=True)]
                result[f"{steps} steps"] = {
                    "bare": statistics.median(bare),
                    "served": statistics.median(through),
                    "added": statistics.quantiles(added, n=20),
                }
    loop.close()
    return result


def _same_engine(spec: dict[str, Any]) -> None:
    for segment in spec["segments"]:
        segment["engine"] = {"threads": THREADS, "batchSizes": list(scheduling.BUCKETS)}
        segment["workers"] = {"replicas": 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60, help="of each side and number of steps")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sys.setswitchinterval(0.001)  # as in a replica
    result = measure(requests=options.requests)
    table = Table("one picture", "bare loop, ms", "served, ms", "added, ms: median (5 % to 95 %)")
    for name, row in result.items():
        low, middle, high = (row["added"][index] for index in (0, 9, 18))
        table.add_row(name, f"{row['bare']:.1f}", f"{row['served']:.1f}", f"{middle:.1f} ({low:.1f} to {high:.1f})")
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
