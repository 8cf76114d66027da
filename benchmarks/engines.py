"""Engines against diffusers on the same weights, inputs and threads, in one interleaved run.

For each network: plain eager, eager in channels-last memory, torch.compile, and every engine of this project that runs
here. Each is called twice at every batch before anything is counted; then each round visits every variant at every
batch in a new order. `--report` draws what was measured so far into `docs/benchmarks.md`.
"""

import argparse
import copy
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import engines_report, random_pair
from hybrid_engines import build, cpu, models, networks, probe
from hybrid_engines.engine import Array, Engine
from hybrid_engines.models import Model, Size
from hybrid_engines.spec import EngineSpec

BATCHES = (1, 2, 4, 8)
ROUNDS = 7
LEAST_ROUNDS = 5
LEAST_SECONDS = 0.05
"""A time is that of as many calls as take this long."""
FOLDER = Path(__file__).resolve().parents[1] / "docs"
CACHE = Path.home() / ".cache" / "hybrid-diffusion" / "benchmarks"

Call = Callable[[int], Array]
"""Runs the first rows of the inputs."""


@dataclass(frozen=True, slots=True)
class Case:
    """A network to be measured."""

    name: str
    uri: str
    size: Size


def cases() -> dict[str, Case]:
    """Every network by name."""
    root = random_pair.write(CACHE / "random-pair")
    found = [Case(f"shapes/{name}", f"builtin://shapes/{name}", (64, 64)) for name in ("large", "small")]
    sizes = {name: 8 * shape["sample_size"] for name, shape in random_pair.SHAPES.items()}
    found += [Case(f"random/{name}", (root / name).as_uri(), (size, size)) for name, size in sizes.items()]
    return {case.name: case for case in found}


def measure(case: Case, *, threads: int, rounds: int) -> dict[str, Any]:
    """All variants of one network: milliseconds a call by batch, and how far outputs are from eager's."""
    torch.set_num_threads(threads)
    model = models.open_model(case.uri)
    signature = model.signature("unet", size=case.size)
    inputs = probe.question(signature, rows=max(BATCHES), vocabulary=10)
    engines = dict(_engines(model, size=case.size, threads=threads))
    variants = _diffusers(model, inputs) | {name: _engine_call(engine, inputs) for name, engine in engines.items()}
    load_before = os.getloadavg()
    milliseconds, errors = _interleave(variants, rounds=rounds)
    facts = next(iter(engines.values())).facts
    return {
        "network": case.name,
        "parameters": facts.parameters,
        "gflop_a_row": round(2 * facts.macs_with_attention / 1e9, 3),
        "latent": list(signature.inputs[0].shape),
        "threads": threads,
        "rounds": rounds,
        "load_average": [round(load, 2) for load in (load_before[0], os.getloadavg()[0])],
        "milliseconds": milliseconds,
        "largest_difference": errors,
        "domains": {name: engine.domain.digest() for name, engine in engines.items()},
        "machine": _machine(),
    }


def _engines(model: Model, *, size: Size, threads: int) -> Iterator[tuple[str, Engine]]:
    f32 = EngineSpec(backend="openvino", precision="f32", batch_sizes=BATCHES, threads=threads)
    wanted = {
        "ONNX Runtime f32": replace(f32, backend="onnxruntime"),
        "OpenVINO f32": f32,
        "OpenVINO f32 static": replace(f32, graph="static"),
    }
    if cpu.has_bf16():
        wanted["OpenVINO bf16"] = replace(f32, precision="bf16")
        wanted["OpenVINO bf16 static"] = replace(f32, precision="bf16", graph="static")
    for name, spec in wanted.items():
        yield name, build.ensure(model, "unet", spec=spec, size=size, cache=CACHE / "engines")


def _engine_call(engine: Engine, inputs: dict[str, Array]) -> Call:
    """As the server calls it: conditioning is held, the rest is passed."""
    rows = {name: inputs[name] for name in ("sample", "level")}
    for slot in range(max(BATCHES)):
        engine.hold(slot, {"text": inputs["text"][slot]})

    def call(batch: int) -> Array:
        bucket = next(size for size in engine.buckets if size >= batch)
        given = engine({name: array[:batch] for name, array in rows.items()}, bucket=bucket, slots=range(batch))
        return given["output"]

    return call


def _diffusers(model: Model, inputs: dict[str, Array]) -> dict[str, Call]:
    """The same weights in diffusers' own class, three ways."""
    module = networks.load(model, "unet").network
    channels_last: Any = copy.deepcopy(module).to(memory_format=torch.channels_last)
    compiled = torch.compile(copy.deepcopy(module), dynamic=True)
    return {
        "diffusers eager": _torch_call(module, inputs),
        "diffusers channels-last": _torch_call(channels_last, inputs, memory=torch.channels_last),
        "diffusers torch.compile": _torch_call(compiled, inputs),
    }


def _torch_call(module: Any, inputs: dict[str, Array], *, memory: Any = torch.contiguous_format) -> Call:
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    tensors["sample"] = tensors["sample"].to(memory_format=memory)

    def call(batch: int) -> Array:
        with torch.no_grad():
            given = (tensors[name][:batch] for name in ("sample", "level", "text"))
            output: torch.Tensor = module(*given, return_dict=False)[0]
        return output.numpy()

    return call


def _interleave(
    variants: dict[str, Call], *, rounds: int
) -> tuple[dict[str, dict[int, list[float]]], dict[str, float]]:
    places = [(name, batch) for name in variants for batch in BATCHES]
    times: dict[str, dict[int, list[float]]] = {name: {batch: [] for batch in BATCHES} for name in variants}
    expected = {batch: variants["diffusers eager"](batch).copy() for batch in BATCHES}
    errors = dict.fromkeys(variants, 0.0)
    repeats = {}
    for name, batch in places:
        given = variants[name](batch)
        errors[name] = max(errors[name], float(np.max(np.abs(given - expected[batch]))))
        repeats[name, batch] = max(1, round(LEAST_SECONDS / _seconds(variants[name], batch, repeats=1)))
    for _ in range(rounds):
        random.shuffle(places)
        for name, batch in places:
            seconds = _seconds(variants[name], batch, repeats=repeats[name, batch])
            times[name][batch].append(round(1000 * seconds, 4))
    return times, errors


def _seconds(call: Call, batch: int, *, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call(batch)
    return (time.perf_counter() - start) / repeats


def _machine() -> dict[str, Any]:
    return {
        "processor": cpu.device_name(),
        "instruction_set": cpu.instruction_set(),
        "processors": cpu.usable_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "time": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    """Measure the networks that were named, all by default, and draw the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="*", help="such as random/large; default: all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="only draw what was measured before")
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds is {options.rounds}; a median with its spread needs {LEAST_ROUNDS} or more.")
    path = FOLDER / "benchmarks.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    known = {} if options.report else cases()
    for name in options.network or known:
        sys.stderr.write(f"{name} …\n")
        found[name] = measure(known[name], threads=options.threads, rounds=options.rounds)
        found = json.loads(json.dumps(found))  # batches as keys become strings, as in the file
        path.write_text(json.dumps(found, indent=1) + "\n")
    engines_report.write(found, folder=FOLDER)


if __name__ == "__main__":
    main()
