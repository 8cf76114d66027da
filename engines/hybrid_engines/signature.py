"""What a network looks like from outside: its named arrays and what each is for.

Pure; part of the engine key. It must not know any backend.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an array is for. Callers bind by role, so a new architecture needs no new caller."""

    TOKENS = "tokens"
    SAMPLE = "sample"
    LEVEL = "level"
    """Noise level shown to the network: float32 `[B]` in every precision (bf16 would turn 999 into 1000)."""
    CONDITIONING = "conditioning"
    """Carried: stays with the engine, addressed by slot."""
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Port:
    """One named array of a network; `shape` is without the leading batch axis."""

    name: str
    role: Role
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The arrays of one network at one size."""

    network: str
    """`unet`, `text-encoder` or `decoder`."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    variant: str = "base"

    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON form."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def by_role(self, role: Role) -> tuple[Port, ...]:
        """The inputs and outputs of one role, in order."""
        return tuple(port for port in (*self.inputs, *self.outputs) if port.role is role)
