"""Walks one or many images along their coefficient tables: the loop that may stop anywhere and go on elsewhere.

Denoisers, the edge and the tests advance states only through here, so that a split image equals a whole one to the last
bit. The network is a callable; no engine, clock or I/O in this module.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid_serving import noise, sampler
from hybrid_serving.protocol import Latent, Settings, State
from hybrid_serving.table import Table


class Denoise(Protocol):
    """The network of one image."""

    def __call__(self, x: Latent, level: float, /) -> NDArray[np.float32]:
        """Outputs for scaled `x`: one row (unguided or embedded guidance), or the conditional and unconditional row."""
        ...


class Step(NamedTuple):
    """A state and the estimate of the finished latent that led to it, for previews."""

    state: State
    x0: Latent


def begin(settings: Settings, *, table: Table, latent_shape: tuple[int, ...]) -> State:
    """The state before the first entry: noise at the table's first level."""
    start = noise.normals(settings.seed, image=settings.image, step=0, shape=latent_shape)
    return State(position=0, x=start * np.float32(table.initial))


def walk(state: State, *, table: Table, stop: int, settings: Settings, denoise: Denoise) -> Iterator[Step]:
    """Every step from `state` up to the position `stop`, one at a time."""
    while state.position < stop:
        entry = table.at(state.position)
        outputs = denoise(state.x * np.float32(entry.c_in), entry.level)
        output = outputs[0] if len(outputs) == 1 else sampler.guide(outputs[0], outputs[1], settings.guidance_scale)
        (last,) = advance([state], output[np.newaxis], tables=[table], settings=[settings])
        state = last.state
        yield last


def run(state: State, *, table: Table, stop: int, settings: Settings, denoise: Denoise) -> State:
    """The state at the position `stop`."""
    for last in walk(state, table=table, stop=stop, settings=settings, denoise=denoise):
        state = last.state
    return state


def advance(
    states: Sequence[State],
    outputs: NDArray[np.float32],
    *,
    tables: Sequence[Table],
    settings: Sequence[Settings],
) -> list[Step]:
    """One step of several images from guided outputs `[B, C, h, w]`; each has a sampler and a position of its own."""
    after, x0 = sampler.step_rows(
        np.stack([state.x for state in states]),
        outputs,
        entries=[table.at(state.position) for table, state in zip(tables, states, strict=True)],
        history=[state.history for state in states],
        noise=_noise(states, tables=tables, settings=settings),
    )
    return [
        Step(_next(state, x=row, x0=estimate, table=table), estimate)
        for state, table, row, estimate in zip(states, tables, after, x0, strict=True)
    ]


def _noise(states: Sequence[State], *, tables: Sequence[Table], settings: Sequence[Settings]) -> list[Latent | None]:
    """The noise of every row that needs some, drawn together."""
    injected: list[Latent | None] = [None] * len(states)
    needing = [row for row, state in enumerate(states) if tables[row].needs_noise(state.position)]
    places = [noise.Place(settings[row].seed, settings[row].image, states[row].position + 1) for row in needing]
    if places:
        for row, drawn in zip(needing, noise.normals_rows(places, shape=states[0].x.shape), strict=True):
            injected[row] = drawn
    return injected


def _next(state: State, *, x: Latent, x0: Latent, table: Table) -> State:
    history = (x0, *state.history)[: table.history_length]
    return State(position=state.position + 1, x=x, history=history)
