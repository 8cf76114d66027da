"""Runs a compiled network: checks a call, stages its rows in fixed buffers, and lets the backend compute.

The hot path: it is entered hundreds of times a second, so nothing is allocated here per call and every array is copied
once. It must not know a backend; those implement `Runner`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hybrid_engines.engine import Array, Domain, Facts
from hybrid_engines.signature import Port, Role, Signature
from hybrid_engines.spec import CallRefused

Held = Mapping[str, Array]
Invoke = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Buffers:
    """Fixed arrays of one bucket, batch axis first; a backend binds them once."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


class Runner(Protocol):
    """A backend's compiled network."""

    def bind(self, buffers: Buffers) -> Invoke:
        """A function that reads the inputs and fills the outputs of `buffers`."""
        ...


class _Lane:
    """One bucket: its buffers, the bound call, and whose conditioning lies in which row."""

    def __init__(self, signature: Signature, *, bucket: int, runner: Runner) -> None:
        self.buffers = Buffers(inputs=_allocate(signature.inputs, bucket), outputs=_allocate(signature.outputs, bucket))
        self.tenants: list[Held | None] = [None] * bucket
        self.invoke = runner.bind(self.buffers)


class CompiledEngine:
    """An `Engine` over a backend's runner; its arrays lie on the host, wherever the runner computes."""

    def __init__(
        self,
        runner: Runner,
        *,
        signature: Signature,
        domain: Domain,
        facts: Facts,
        buckets: tuple[int, ...],
        is_batch_invariant: bool,
    ) -> None:
        self._runner = runner
        self._lanes: dict[int, _Lane] = {}
        self._held: dict[int, Held] = {}
        self._rows = tuple(port for port in signature.inputs if port.role is not Role.CONDITIONING)
        self._carried = tuple(port for port in signature.inputs if port.role is Role.CONDITIONING)
        self.signature = signature
        self.domain = domain
        self.facts = facts
        self.buckets = buckets
        self.is_batch_invariant = is_batch_invariant

    def hold(self, slot: int, arrays: Mapping[str, Array]) -> None:
        """Keep a copy of one row's conditioning under `slot` until `drop`."""
        for port in self._carried:
            _check(arrays, port=port, shape=port.shape)
        self._held[slot] = {port.name: np.array(arrays[port.name], dtype=port.dtype) for port in self._carried}

    def drop(self, slot: int) -> None:
        """Forget `slot`; unknown slots are ignored."""
        self._held.pop(slot, None)

    def __call__(self, arrays: Mapping[str, Array], *, bucket: int, slots: Sequence[int] = ()) -> Mapping[str, Array]:
        """Run the rows of `arrays` with the conditioning of `slots`; see `Engine`."""
        rows = self._count(arrays, bucket=bucket, slots=slots)
        lane = self._lanes.get(bucket) or self._open(bucket)
        for port in self._rows:
            buffer = lane.buffers.inputs[port.name]
            buffer[:rows] = arrays[port.name]
            if rows < bucket:
                buffer[rows:] = buffer[rows - 1]
        if self._carried:
            self._seat(lane, slots=slots)
        lane.invoke()
        return {name: output[:rows] for name, output in lane.buffers.outputs.items()}

    def _count(self, arrays: Mapping[str, Array], *, bucket: int, slots: Sequence[int]) -> int:
        """Rows of the call, after checking that it fits."""
        if bucket not in self.buckets:
            raise CallRefused(f"No bucket of {bucket} rows; this engine has {', '.join(map(str, self.buckets))}.")
        rows = len(arrays[self._rows[0].name]) if self._rows[0].name in arrays else 0
        if not 1 <= rows <= bucket:
            raise CallRefused(f"{rows} rows do not fit a bucket of {bucket}; give 1 to {bucket}.")
        for port in self._rows:
            _check(arrays, port=port, shape=(rows, *port.shape))
        if len(slots) != (rows if self._carried else 0):
            raise CallRefused(f"{len(slots)} slots for {rows} rows; name one slot a row where there is conditioning.")
        return rows

    def _open(self, bucket: int) -> _Lane:
        lane = _Lane(self.signature, bucket=bucket, runner=self._runner)
        self._lanes[bucket] = lane
        return lane

    def _seat(self, lane: _Lane, *, slots: Sequence[int]) -> None:
        """Bring each slot's conditioning into its row, unless it lies there; padding repeats the last row's."""
        tenants, last = lane.tenants, len(slots) - 1
        for row in range(len(tenants)):
            slot = slots[min(row, last)]
            held = self._held.get(slot)
            if held is None:
                raise CallRefused(f"Slot {slot} holds nothing; call `hold` first.")
            if tenants[row] is not held:
                for port in self._carried:
                    lane.buffers.inputs[port.name][row] = held[port.name]
                tenants[row] = held


def _allocate(ports: tuple[Port, ...], bucket: int) -> dict[str, Array]:
    return {port.name: np.zeros((bucket, *port.shape), dtype=port.dtype) for port in ports}


def _check(arrays: Mapping[str, Array], *, port: Port, shape: tuple[int, ...]) -> None:
    array = arrays.get(port.name)
    if array is None:
        raise CallRefused(f"Array `{port.name}` is missing; expected {port.dtype} of shape {shape}.")
    if array.shape != shape:
        raise CallRefused(f"Array `{port.name}` has shape {array.shape}, expected {shape}.")
