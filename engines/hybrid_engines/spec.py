"""How an engine is wanted: backend, precision, batch sizes, threads. Values only; it must not resolve `auto`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

BackendName = Literal["auto", "tensorrt", "openvino", "onnxruntime", "eager"]
Precision = Literal["auto", "f32", "bf16", "f16"]
Graph = Literal["auto", "static", "dynamic"]


class EngineError(Exception):
    """Root of what can go wrong with engines; the message is a sentence for the user."""


class BackendUnavailable(EngineError):
    """A backend, or a precision of it, that this machine does not have."""


class CallRefused(EngineError):
    """A call that does not fit the engine's signature or buckets."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The engine settings of one segment."""

    backend: BackendName = "auto"
    precision: Precision = "auto"
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Rows a call, ascending; the buckets."""
    threads: int = 1
    graph: Graph = "auto"
    """`static`: one graph for every batch size; `dynamic`: one for all."""

    def __post_init__(self) -> None:
        ascending = tuple(sorted(set(self.batch_sizes)))
        if not ascending or self.batch_sizes != ascending or ascending[0] < 1:
            raise EngineError(f"Batch sizes {self.batch_sizes} must be positive, ascending and without repetition.")
        if self.threads < 1:
            raise EngineError(f"{self.threads} threads cannot run an engine; give 1 or more.")


@dataclass(frozen=True, slots=True)
class Target:
    """What an engine is compiled for; part of its key."""

    device: str
    instruction_set: str
    threads: int
    """0 where the device schedules itself."""


class Stage(StrEnum):
    """What a build is doing; members are in order."""

    WAIT = "waiting for another builder"
    WEIGHTS = "reading weights"
    EXPORT = "exporting the graph"
    COMPILE = "compiling"
    PROBE = "checking against the reference answer"
    MEASURE = "measuring"
    PUBLISH = "publishing"


Progress = Callable[[Stage], None]
"""Told of every stage as it begins."""


def silent(stage: Stage) -> None:
    """The progress that nobody watches."""
