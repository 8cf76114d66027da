"""What the segments are: names, networks, shapes. Known when a replica starts, the same for its whole life.

Values only; `deployment` fills them from the fixed half of the configuration and the models that it names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hybrid_api.scalars import Size
from hybrid_serving.cloud.ingress.planning import Curve
from hybrid_serving.protocol import Settings
from hybrid_serving.sampler import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One network of the trajectory."""

    name: str
    runs_on: Literal["Cloud", "Edge"]
    network: str
    """Digest of the U-Net, which handoffs are bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about the service that no request and no `reconfigure` changes."""

    model: str
    """The name under `/v1/models`."""
    segments: tuple[Segment, ...]
    """In denoising order."""
    schedule: Schedule
    """Noise schedule of all segments."""
    sizes: tuple[Size, ...]
    """Sizes that engines were built for."""
    latent_shape: Callable[[Size], tuple[int, ...]]
    """Shape of a latent, `[C, h, w]`."""
    count_tokens: Callable[[str], int]
    """Length of a prompt in tokens of the text encoder, as usage reports it."""
    curve: Curve = ()
    """The pair's measured quality over the noise level of the split."""
    embeds_guidance: bool = False
    """Whether the networks take the guidance scale as an input, as LCMs do."""
    created: int = 0
    """Seconds since the epoch."""

    @property
    def networks(self) -> dict[str, str]:
        """Digest of each segment's U-Net."""
        return {segment.name: segment.network for segment in self.segments}

    @property
    def names(self) -> tuple[str, ...]:
        """The segments' names in denoising order."""
        return tuple(segment.name for segment in self.segments)

    def rows_a_step(self, settings: Settings) -> int:
        """Rows of one step: guidance takes two, where it is no input."""
        return 1 if settings.guidance_scale == 1.0 or self.embeds_guidance else 2
