"""The device's half of a trajectory: from a handoff's state to pixels, on a small U-Net and a decoder.

The same loop, table and arithmetic as the cloud's workers, so in one numerics domain the picture is the same to the
last bit. Knows no network protocol and no file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybrid_engines.engine import Engine
from hybrid_serving import pixels, trajectory
from hybrid_serving.protocol import Latent, Settings, State
from hybrid_serving.table import Table

Conditioning = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Finished:
    """A picture that this device finished, and what that took."""

    pixels: pixels.Pixels
    steps: int
    step_seconds: float
    """All steps together."""
    decode_seconds: float


class Network:
    """A U-Net engine with one request's conditioning held, as the trajectory wants it; use as a context manager."""

    def __init__(self, engine: Engine, conditioning: Conditioning) -> None:
        self._engine = engine
        self._conditioning = conditioning
        self._rows = len(next(iter(conditioning.values())))

    def __enter__(self) -> "Network":
        for row in range(self._rows):
            self._engine.hold(row, {name: array[row] for name, array in self._conditioning.items()})
        return self

    def __exit__(self, *_: object) -> None:
        for row in range(self._rows):
            self._engine.drop(row)

    def __call__(self, x: Latent, level: float, /) -> NDArray[np.float32]:
        """Outputs for one latent, a row for each row of conditioning; in one call where the engine has room for it."""
        rows, largest = range(self._rows), self._engine.buckets[-1]
        groups = [rows[start : start + largest] for start in range(0, len(rows), largest)]
        return np.concatenate([self._call(x, level, slots=group) for group in groups])

    def _call(self, x: Latent, level: float, *, slots: Sequence[int]) -> NDArray[np.float32]:
        arrays = {
            "sample": np.repeat(x[np.newaxis], len(slots), axis=0),
            "level": np.full(len(slots), level, dtype=np.float32),
        }
        outputs = self._engine(arrays, bucket=bucket(self._engine, rows=len(slots)), slots=slots)
        return outputs["output"].copy()  # the engine reuses its buffer at the next call


def finish(
    state: State,
    *,
    table: Table,
    settings: Settings,
    conditioning: Conditioning,
    unet: Engine,
    decoder: Engine,
    on_step: Callable[[State], None] | None = None,
) -> Finished:
    """Run every step that is left, and decode."""
    first = state.position
    started = time.perf_counter()
    with Network(unet, conditioning) as network:
        for step in trajectory.walk(state, table=table, stop=settings.steps, settings=settings, denoise=network):
            state = step.state
            if on_step is not None:
                on_step(state)
    stepped = time.perf_counter()
    picture = decode(state.x, decoder=decoder)
    return Finished(
        pixels=picture,
        steps=settings.steps - first,
        step_seconds=stepped - started,
        decode_seconds=time.perf_counter() - stepped,
    )


def decode(x: Latent, *, decoder: Engine) -> pixels.Pixels:
    """The picture of a finished latent."""
    outputs = decoder({"sample": x[np.newaxis]}, bucket=bucket(decoder, rows=1))
    return pixels.to_pixels(outputs["output"][0])


def bucket(engine: Engine, *, rows: int) -> int:
    """The smallest batch size of the engine that holds `rows`."""
    return next(size for size in engine.buckets if size >= rows)
