"""What engines made for tests keep between calls."""

from collections.abc import Mapping, Sequence

import numpy as np

from hybrid_engines.engine import Array


class HostCarry:
    """Conditioning kept in host memory, for engines whose device is the host."""

    def __init__(self) -> None:
        self._held: dict[int, Mapping[str, Array]] = {}

    def hold(self, slot: int, arrays: Mapping[str, Array]) -> None:
        """Keep `arrays` (without batch axis) under `slot`."""
        self._held[slot] = arrays

    def drop(self, slot: int) -> None:
        """Forget `slot`; unknown slots are ignored."""
        self._held.pop(slot, None)

    def gather(self, slots: Sequence[int]) -> dict[str, Array]:
        """Batch of the held arrays, one row a slot."""
        if not slots:
            return {}
        rows = [self._held[slot] for slot in slots]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
