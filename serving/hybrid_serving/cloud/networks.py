"""The engines of one replica, by batch key.

Looks engines up and reads what they say of themselves; it calls none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hybrid_engines.engine import Engine
from hybrid_engines.signature import Port, Role
from hybrid_serving.cloud.pace import Pace
from hybrid_serving.cloud.program import BatchKey, Keys

Size = tuple[int, int]
"""Width and height in pixels."""

GUIDANCE = "guidance"
"""Name of the conditioning that is the embedded guidance scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """One text encoder for all sizes, a U-Net and a decoder for each."""

    text_encoder: Engine
    unets: Mapping[Size, Engine]
    decoders: Mapping[Size, Engine]

    def keys(self, size: Size) -> Keys:
        """The batch keys of a size."""
        return Keys(encode=_key(self.text_encoder), step=_key(self.unets[size]), decode=_key(self.decoders[size]))

    def by_key(self) -> dict[BatchKey, Engine]:
        """Every engine once."""
        engines: Iterable[Engine] = (self.text_encoder, *self.unets.values(), *self.decoders.values())
        return {_key(engine): engine for engine in engines}

    def paces(self) -> dict[BatchKey, Pace]:
        """The measured tables."""
        return {key: _pace(engine) for key, engine in self.by_key().items()}

    def latent_shape(self, size: Size) -> tuple[int, ...]:
        """Shape of one latent of a size."""
        return port(self.unets[size], Role.SAMPLE).shape

    def domain(self, size: Size) -> str:
        """Digest of the numerics domain of a size's steps."""
        return self.unets[size].domain.digest()

    def text_ports(self, size: Size) -> tuple[Port, ...]:
        """What the U-Net of a size takes from the text encoder."""
        ports = self.unets[size].signature.by_role(Role.CONDITIONING)
        return tuple(found for found in ports if found.name != GUIDANCE)

    def guidance_width(self, size: Size) -> int | None:
        """Width of the embedded guidance scale; `None` where guidance takes a second row."""
        ports = self.unets[size].signature.by_role(Role.CONDITIONING)
        return next((found.shape[0] for found in ports if found.name == GUIDANCE), None)


def port(engine: Engine, role: Role) -> Port:
    """The only array of a role."""
    (found,) = engine.signature.by_role(role)
    return found


def _key(engine: Engine) -> BatchKey:
    signature = engine.signature
    return BatchKey(signature.network, signature.variant, signature.inputs[0].shape)


def _pace(engine: Engine) -> Pace:
    """The table of the buckets that may be used: one only, where the bucket belongs to the numerics domain."""
    fixed = engine.domain.bucket
    buckets = engine.buckets if fixed is None else (fixed,)
    measured = engine.facts.milliseconds
    return Pace({bucket: measured[bucket] for bucket in buckets if bucket in measured})
