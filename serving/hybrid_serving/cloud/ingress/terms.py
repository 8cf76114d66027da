"""What a request is held against: the resource's defaults and limits as plain typed values.

Values only, made anew by every `reconfigure`; a request keeps the terms that it was admitted under.
"""

from dataclasses import dataclass

from hybrid_api.prices import PriceList
from hybrid_api.scalars import Size
from hybrid_api.segments import Steps
from hybrid_api.serve_config import Tunable


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The tunable half of the resource in the units that the ingress computes with."""

    sampler: str
    steps: int
    guidance_scale: float
    size: Size
    deadline_seconds: float
    max_steps: int
    max_images: int
    queue_seconds: float
    body_bytes: int
    handoff_seconds: float
    shares: tuple[Steps, ...]
    """One for each segment but the last, in denoising order."""
    prices: PriceList | None


def read(tunable: Tunable, *, sizes: tuple[Size, ...]) -> Terms:
    """The terms behind a tunable half; the first of `sizes` is the default where the resource names none."""
    defaults, limits = tunable.spec.requests.defaults, tunable.spec.requests.limits
    return Terms(
        sampler=defaults.sampler,
        steps=defaults.steps,
        guidance_scale=float(defaults.guidance_scale),
        size=defaults.size or sizes[0],
        deadline_seconds=defaults.deadline.total_seconds(),
        max_steps=limits.steps,
        max_images=limits.images,
        queue_seconds=limits.queue_time.total_seconds(),
        body_bytes=limits.body_size,
        handoff_seconds=tunable.spec.handoff.ttl.total_seconds(),
        shares=tuple(segment.steps for segment in tunable.spec.segments if segment.steps is not None),
        prices=tunable.prices,
    )
