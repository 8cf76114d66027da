"""The engine contract: a compiled network that one calls with named arrays.

Backends implement `Engine`; the batcher, the stages and the edge call it and know nothing else. No backend, no file,
no framework here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from hybrid_engines.signature import Signature

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Domain:
    """Where results are equal to the last bit; across domains only a measured tolerance holds."""

    network: str
    """Digest of the weights and the architecture."""
    graph: str
    """`static` or `dynamic` batch."""
    precision: str
    backend: str
    """Name and full version of the backend's build."""
    instruction_set: str
    threads: int
    bucket: int | None = None
    """Set only where the backend is not batch-invariant: there the bucket belongs to the domain."""
    answer: str = ""
    """Digest of the engine's answer to its stored probe: two machines whose kernels differ cannot share a domain."""

    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON form."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured or counted when the engine was built; cost model and batcher read it."""

    macs: int
    """Multiply-accumulates of convolutions and linear layers, one row."""
    macs_with_attention: int
    parameters: int
    milliseconds: Mapping[int, float] = field(default_factory=dict)
    """Median time of one call by bucket (rows), measured on the device that the engine is for."""


class Engine(Protocol):
    """A compiled network on one device. Calls come from one thread at a time."""

    @property
    def signature(self) -> Signature:
        """Its named arrays."""
        ...

    @property
    def domain(self) -> Domain:
        """Where its results are equal to the last bit."""
        ...

    @property
    def facts(self) -> Facts:
        """What was measured or counted when it was built."""
        ...

    @property
    def buckets(self) -> tuple[int, ...]:
        """Batch sizes it was built and measured for, ascending."""
        ...

    @property
    def is_batch_invariant(self) -> bool:
        """Whether a row's result is independent of its batch, to the last bit."""
        ...

    def hold(self, slot: int, arrays: Mapping[str, Array]) -> None:
        """Keep one row's conditioning on the device under `slot` (arrays without batch axis) until `drop`."""
        ...

    def drop(self, slot: int) -> None:
        """Forget what `hold` kept; unknown slots are ignored."""
        ...

    def __call__(self, arrays: Mapping[str, Array], *, bucket: int, slots: Sequence[int] = ()) -> Mapping[str, Array]:
        """Run `B <= bucket` rows; padding to the bucket is the engine's business.

        `arrays` has every input that is not conditioning, batch axis first; `slots` names the held conditioning of each
        row (its length is B, or 0 for networks without conditioning). Returns outputs with batch axis B, float32, valid
        until the next call.
        """
        ...
