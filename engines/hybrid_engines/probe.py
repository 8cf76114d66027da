"""A stored question and its reference answer, put to every engine before it is admitted; and the timing of its buckets.

The question is seeded, the answer is eager float32's. It must not import a framework: loading runs it.
"""

import hashlib
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from hybrid_engines.engine import Array
from hybrid_engines.runner import CompiledEngine
from hybrid_engines.signature import Port, Role, Signature
from hybrid_engines.spec import EngineError

FILE = "probe.safetensors"
SEED = 20240806
TOLERANCES = {"f32": 1e-4, "bf16": 0.1, "f16": 0.02}
"""Largest allowed difference by precision, in units of the answer's largest value where that exceeds one."""


class ProbeFailed(EngineError):
    """An engine whose answer is not the network's."""


def question(signature: Signature, *, rows: int, vocabulary: int) -> dict[str, Array]:
    """Seeded inputs by name, `rows` of them with different levels."""
    generator = np.random.default_rng(SEED)
    return {
        port.name: _values(port, rows=rows, vocabulary=vocabulary, generator=generator) for port in signature.inputs
    }


def write(folder: Path, *, asked: Mapping[str, Array], answer: Array) -> None:
    """Keep question and reference answer beside the engine."""
    arrays = {**asked, "reference": answer}
    # The library writes an array's memory as it lies, and torch answers in channels-last order.
    data = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (folder / FILE).write_bytes(data)


def check(engine: CompiledEngine, *, folder: Path, precision: str) -> str:
    """The first 16 hex digits of the digest of the engine's answer; raises `ProbeFailed` if the answer is wrong."""
    stored = safetensors.numpy.load((folder / FILE).read_bytes())
    reference = stored.pop("reference")
    given = ask(engine, stored)
    difference = float(np.max(np.abs(given - reference)))
    allowed = TOLERANCES[precision] * max(1.0, float(np.max(np.abs(reference))))
    if not difference <= allowed:  # so that NaN fails
        network = engine.signature.network
        raise ProbeFailed(f"The engine of `{network}` is {difference:.3g} off its reference; {allowed:.3g} is allowed.")
    return hashlib.sha256(given.tobytes()).hexdigest()[:16]


def ask(engine: CompiledEngine, inputs: Mapping[str, Array], *, bucket: int | None = None) -> Array:
    """Calls with conditioning given by rows, in `bucket` or the smallest that fits; a copy of the first output."""
    rows, largest = len(next(iter(inputs.values()))), engine.buckets[-1]
    if rows > largest:
        parts = [{name: array[at : at + largest] for name, array in inputs.items()} for at in range(0, rows, largest)]
        return np.concatenate([ask(engine, part) for part in parts])
    carried = {port.name for port in engine.signature.by_role(Role.CONDITIONING)}
    slots = tuple(range(-1, -1 - rows, -1)) if carried else ()
    for row, slot in enumerate(slots):
        engine.hold(slot, {name: inputs[name][row] for name in carried})
    bucket = bucket or next(size for size in engine.buckets if size >= rows)
    try:
        answers = engine({k: v for k, v in inputs.items() if k not in carried}, bucket=bucket, slots=slots)
        return next(iter(answers.values())).copy()
    finally:
        for slot in slots:
            engine.drop(slot)


def measure(engine: CompiledEngine, *, vocabulary: int, seconds: float = 1.5, rounds: int = 5) -> dict[int, float]:
    """Median milliseconds of a full call by bucket.

    Rounds over all buckets, so that a disturbance of the machine meets them alike and their ratios stay true; the first
    round is not counted. `rounds` and `seconds` are least values, but ten times `seconds` is always enough.
    """
    asked = {rows: question(engine.signature, rows=rows, vocabulary=vocabulary) for rows in engine.buckets}
    times: dict[int, list[float]] = {bucket: [] for bucket in asked}
    for bucket, inputs in asked.items():
        ask(engine, inputs, bucket=bucket)
    spent = 0.0
    while spent < 10 * seconds and (spent < seconds or len(times[engine.buckets[0]]) < rounds):
        for bucket, inputs in asked.items():
            start = time.perf_counter()
            ask(engine, inputs, bucket=bucket)
            times[bucket].append(time.perf_counter() - start)
            spent += times[bucket][-1]
    return {bucket: round(statistics.median(found) * 1000, 4) for bucket, found in times.items()}


def _values(port: Port, *, rows: int, vocabulary: int, generator: np.random.Generator) -> Array:
    shape = (rows, *port.shape)
    if port.role is Role.TOKENS:
        return generator.integers(0, vocabulary, shape, dtype=np.int64)
    if port.role is Role.LEVEL:
        return generator.uniform(0.0, 999.0, shape).astype(np.float32)
    return generator.standard_normal(shape).astype(np.float32)
