"""The latents of the images at this replica, in arrays allocated once: a batch is gathered by one index.

Arrays and arithmetic only; which slots step together is the batcher's business, with which weights the table's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybrid_serving import sampler
from hybrid_serving.protocol import Latent, State
from hybrid_serving.table import Entry

HISTORY = 2
"""Earlier estimates that any of our samplers remembers at most."""

Slots = NDArray[np.intp]


class Latents:
    """State of up to `capacity` images of one latent shape, addressed by slot."""

    def __init__(self, shape: tuple[int, ...], *, capacity: int) -> None:
        self.shape = shape
        self._x = np.zeros((capacity, *shape), dtype=np.float32)
        self._x0 = np.zeros((capacity, *shape), dtype=np.float32)
        self._history = np.zeros((capacity, HISTORY, *shape), dtype=np.float32)
        self._remembered = [0] * capacity

    def put(self, slot: int, state: State) -> None:
        """Copy a state into its slot."""
        self._x[slot] = state.x
        for age, past in enumerate(state.history):
            self._history[slot, age] = past
        self._remembered[slot] = len(state.history)

    def state(self, slot: int, *, position: int, history_length: int) -> State:
        """Copy a state out of its slot."""
        count = min(self._remembered[slot], history_length)
        history = tuple(self._history[slot, age].copy() for age in range(count))
        return State(position=position, x=self._x[slot].copy(), history=history)

    def gather(self, slots: Slots) -> Latent:
        """The current latents `[B, C, h, w]`."""
        batch: Latent = self._x[slots]
        return batch

    def estimate(self, slot: int) -> Latent:
        """The last estimate of the finished latent."""
        estimate: Latent = self._x0[slot]
        return estimate

    def advance(
        self, slots: Slots, x: Latent, output: Latent, *, entries: Sequence[Entry], noise: Sequence[Latent | None]
    ) -> None:
        """One sampler step of the rows `x` that `gather` gave for `slots`."""
        past = [tuple(self._history[slot, : self._remembered[slot]]) for slot in slots]
        after, x0 = sampler.step_rows(x, output, entries=entries, history=past, noise=noise)
        self._x[slots] = after
        self._x0[slots] = x0
        for age in range(HISTORY - 1, 0, -1):
            self._history[slots, age] = self._history[slots, age - 1]
        self._history[slots, 0] = x0
        for slot in slots:
            self._remembered[slot] = min(self._remembered[slot] + 1, HISTORY)
