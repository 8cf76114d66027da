"""Scheduling alone: step-level batching against static batches, on the same engine, buckets and arithmetic.

Both get the same requests at the same instants (open loop, Poisson), in blocks that take turns, at 0.8 of the capacity
that the peer showed just before (all requests at once); encoding and decoding are left out. Latency counts from the
planned arrival.
"""

import argparse
import json
import queue
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.static_batches import Deliver, StaticBatches
from hybrid_engines import build, models
from hybrid_engines.engine import Array, Engine
from hybrid_engines.signature import Role
from hybrid_engines.spec import EngineSpec
from hybrid_serving.cloud import assembly
from hybrid_serving.cloud.loop import EngineLoop
from hybrid_serving.cloud.networks import Networks
from hybrid_serving.cloud.preparation import Preparation
from hybrid_serving.cloud.prompts import Embeddings, PromptTokenizer
from hybrid_serving.cloud.stages import Stages
from hybrid_serving.cloud.task import Task
from hybrid_serving.protocol import Settings, Work
from hybrid_serving.sampler import Schedule

MIX = {4: 60, 25: 30, 50: 10}
"""Steps of a request, and the share of such requests in percent."""
LOAD = 0.8
BUCKETS = (1, 2, 4, 8, 16)
SIZE = (64, 64)
SAMPLERS = ("dpmpp-2m", "ddim", "euler", "euler-a")
PLACES = 512
"""Images in memory; more than ever wait, so that neither side refuses any."""
PACED_MILLISECONDS = {1: 4.1, 2: 6.1, 4: 11.7, 8: 20.7, 16: 33.8}
"""Of `builtin://shapes/small`, OpenVINO f32 on two quiet cores."""
SATURATING = 60
"""Requests, all at once, that show the peer's capacity."""


@dataclass(frozen=True, slots=True)
class Request:
    """One image to be drawn."""

    at_seconds: float
    """From the start of its block."""
    steps: int
    seed: int
    sampler: str


@dataclass(frozen=True, slots=True)
class Block:
    """What one side did with one sequence of requests."""

    seconds: float
    latencies: list[tuple[int, float]]
    """Steps and seconds of every request."""
    host_share: float | None = None
    """Time between engine calls as a share of engine time."""

    @property
    def throughput(self) -> float:
        """Requests a second, from the first arrival to the last answer."""
        return len(self.latencies) / self.seconds

    def percentile(self, steps: int, percent: float) -> float:
        """Latency of the requests of that many steps."""
        return float(np.percentile([seconds for found, seconds in self.latencies if found == steps], percent))


class Side(Protocol):
    """A way to schedule."""

    def submit(self, task: Task, deliver: Deliver) -> object:
        """Take a task."""
        ...

    def close(self) -> None:
        """End its thread."""
        ...


class Measured:
    """An engine whose table of milliseconds is of this session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.facts = replace(engine.facts, milliseconds=self._table())

    def _table(self) -> dict[int, float]:
        return _milliseconds(self._engine)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __call__(self, arrays: Any, *, bucket: int, slots: Sequence[int] = ()) -> Any:
        """As the engine."""
        return self._engine(arrays, bucket=bucket, slots=slots)


class Paced(Measured):
    """Takes a time from a table and computes nothing: the scheduling alone, also on a machine with other work."""

    def _table(self) -> dict[int, float]:
        return PACED_MILLISECONDS

    def __call__(self, arrays: Any, *, bucket: int, slots: Sequence[int] = ()) -> Any:  # noqa: ARG002  (as the engine)
        """Zeros, after as long as the engine takes."""
        time.sleep(self.facts.milliseconds[bucket] / 1000)
        (output,) = self.signature.by_role(Role.OUTPUT)
        return {output.name: np.zeros((len(slots), *output.shape), dtype=np.float32)}


@dataclass(slots=True)
class Bench:
    """The engine and what both sides share."""

    networks: Networks
    prepare: Preparation
    conditioning: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        ports = self.networks.unets[SIZE].signature.by_role(Role.CONDITIONING)
        self.conditioning = {port.name: np.zeros((2, *port.shape), dtype=np.float32) for port in ports}

    def stages(self) -> Stages:
        """Fresh places for images."""
        return Stages(self.networks, capacity=PLACES, embeddings=Embeddings())

    def play(self, side: Side, requests: Sequence[Request]) -> Block:
        """Submit every request at its instant, whatever the side does, and wait for all answers."""
        answers: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()
        began = time.perf_counter()
        for request in requests:
            due = began + request.at_seconds
            time.sleep(max(0.0, due - time.perf_counter()))

            def deliver(_: Any, due: float = due, steps: int = request.steps) -> None:
                answers.put((steps, time.perf_counter() - due))

            side.submit(self.prepare(self._work(request)), deliver)
        latencies = [answers.get(timeout=600.0) for _ in requests]
        return Block(time.perf_counter() - began, latencies)

    def peer(self, requests: Sequence[Request]) -> Block:
        """One block of static batches."""
        side = StaticBatches(self.stages(), size=SIZE)
        block = self.play(side, requests)
        side.close()
        return block

    def ours(self, requests: Sequence[Request]) -> Block:
        """One block of step-level batching."""
        loop = EngineLoop(self.stages())
        loop.start()
        block = self.play(loop, requests)
        clocks = loop.ask(loop.clocks).result()
        loop.close()
        return replace(block, host_share=clocks.host_nanoseconds / clocks.books.engine_nanoseconds)

    def _work(self, request: Request) -> Work:
        # One entry more than is run, so that the work ends as a released state and not with decoding.
        settings = Settings("", "", request.seed, 0, request.sampler, request.steps + 1, 5.0, *SIZE)
        return Work("", settings, request.steps, time.time() + 3600, conditioning=self.conditioning)


def set_up(model_uri: str, *, threads: int, paced: bool) -> Bench:
    """Load the engine, or build it, and measure its table now."""
    model = models.open_model(model_uri, first=models.open_model("builtin://shapes/large"))
    spec = EngineSpec(batch_sizes=BUCKETS, threads=threads)
    for component in ("unet", "text_encoder", "decoder"):
        build.ensure(model, component, spec=spec, size=SIZE)
    loaded = assembly.load(model, spec=spec, sizes=[SIZE])
    stand_in = Paced if paced else Measured
    networks = replace(loaded, unets={SIZE: stand_in(loaded.unets[SIZE])})
    prepare = Preparation(
        networks,
        schedule=Schedule.from_config(model.schedule),
        tokenize=PromptTokenizer(model.tokenizer, length=model.max_tokens),
        embeddings=Embeddings(),
    )
    return Bench(networks, prepare)


def draw(count: int, *, rate: float, seed: int) -> list[Request]:
    """Requests of the mix at exponential intervals."""
    rng = random.Random(seed)
    at_seconds, requests = 0.0, []
    for _ in range(count):
        at_seconds += rng.expovariate(rate)
        (steps,) = rng.choices(list(MIX), list(MIX.values()))
        requests.append(Request(at_seconds, steps, rng.getrandbits(32), rng.choice(SAMPLERS)))
    return requests


def _milliseconds(engine: Engine, *, rounds: int = 30) -> dict[int, float]:
    """Shortest time of a call by bucket, which other work on the machine disturbs least; the buckets take turns."""
    signature = engine.signature
    held = signature.by_role(Role.CONDITIONING)
    given = [port for port in signature.inputs if port.role is not Role.CONDITIONING]
    for slot in range(max(engine.buckets)):
        engine.hold(slot, {port.name: np.zeros(port.shape, dtype=port.dtype) for port in held})
    times: dict[int, list[float]] = {bucket: [] for bucket in engine.buckets}
    for _ in range(rounds):
        for bucket in engine.buckets:
            arrays = {port.name: np.ones((bucket, *port.shape), dtype=port.dtype) for port in given}
            began = time.perf_counter()
            engine(arrays, bucket=bucket, slots=range(bucket))
            times[bucket].append((time.perf_counter() - began) * 1000)
    return {bucket: min(found) for bucket, found in times.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """The same requests on both sides, one after the other."""

    ours: Block
    peer: Block


def in_turn(bench: Bench, requests: Sequence[Request], *, turn: int) -> Pair:
    """Both sides, the first one by turns."""
    sides: list[Callable[[Sequence[Request]], Block]] = [bench.ours, bench.peer]
    blocks = {side.__name__: side(requests) for side in (sides if turn % 2 else reversed(sides))}
    return Pair(**blocks)


def summarize(saturated: Sequence[Pair], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Figures by block, ours and the peer's, and the medians of their ratios."""
    rows: dict[str, list[tuple[float, float]]] = {
        name: [(pair.ours.throughput, pair.peer.throughput) for pair in found]
        for name, found in (("saturated_requests_per_second", saturated), ("requests_per_second", pairs))
    }
    for steps in MIX:
        for percent in (50, 95):
            name = f"p{percent}_seconds_of_{steps}_steps"
            rows[name] = [
                (pair.ours.percentile(steps, percent), pair.peer.percentile(steps, percent)) for pair in pairs
            ]
    figures = {}
    for name, values in rows.items():
        ratios = [(ours / peer) if name.endswith("per_second") else (peer / ours) for ours, peer in values]
        figures[name] = {
            "ours": [ours for ours, _ in values],
            "peer": [peer for _, peer in values],
            "times_better": {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)},
        }
    return {"figures": figures, "host_share_of_engine_time": [pair.ours.host_share for pair in pairs]}


def print_table(result: dict[str, Any]) -> None:
    """The same for people."""
    table = Table("measure", "step-level", "static", "times better: median (least to most)")
    for name, figure in result["figures"].items():
        better = figure["times_better"]
        table.add_row(
            name.replace("_", " "),
            f"{statistics.median(figure['ours']):.3f}",
            f"{statistics.median(figure['peer']):.3f}",
            f"{better['median']:.2f} ({better['least']:.2f} to {better['most']:.2f})",
        )
    Console().print(table)
    shares = ", ".join(f"{share:.1%}" for share in result["host_share_of_engine_time"])
    print(f"Host time between engine calls, of engine time: {shares}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in turn, print a table, optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin://shapes/large")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--requests", type=int, default=60, help="of each block")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20_241)
    parser.add_argument("--paced", action="store_true", help="sleep for the times of a table instead of computing")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sys.setswitchinterval(0.001)  # as in a replica
    bench = set_up(options.model, threads=options.threads, paced=options.paced)
    at_once = [replace(request, at_seconds=0.0) for request in draw(SATURATING, rate=1.0, seed=options.seed)]
    in_turn(bench, at_once, turn=0)  # warms up, and is thrown away
    saturated, pairs, rates = [], [], []
    for block in range(options.blocks):
        saturated.append(in_turn(bench, at_once, turn=block))
        rates.append(LOAD * saturated[-1].peer.throughput)
        requests = draw(options.requests, rate=rates[-1], seed=options.seed + block)
        pairs.append(in_turn(bench, requests, turn=block))
    result = {
        "model": options.model,
        "threads": options.threads,
        "paced": options.paced,
        "requests_a_block": options.requests,
        "seed": options.seed,
        "milliseconds": dict(bench.networks.unets[SIZE].facts.milliseconds),
        "rates": rates,
        **summarize(saturated, pairs),
    }
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
