"""The values that ingress, denoisers and edge exchange about one image.

Only values: no I/O, no framework, no behaviour beyond derived quantities. A generation is fully described by its
`Settings`; where it stands is a `State`; a denoiser is asked with `Work` and answers `Image` or `Released`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Latent = NDArray[np.float32]
"""One image's latent, float32 `[C, h, w]`, variance-preserving whatever the sampler."""

ReleaseReason = Literal["split", "drain", "rebalance", "preempted"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the pixels of one image, besides the networks and their numerics domain."""

    prompt: str
    negative_prompt: str
    seed: int
    """Unsigned 64-bit; the key of the counter-based noise."""
    image: int
    """Index of the image within its request (`n` images share a seed)."""
    sampler: str
    steps: int
    guidance_scale: float
    """1.0 means unguided: one row a step instead of two."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


@dataclass(frozen=True, slots=True)
class State:
    """A sampler's complete state between two steps; enough to go on anywhere."""

    position: int
    """Index of the next entry of the coefficient table; `steps` when none is left."""
    x: Latent
    history: tuple[Latent, ...] = ()
    """What the sampler remembers beside x (earlier x0 estimates, newest first)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one denoiser did for one image, measured with its own clock."""

    nanoseconds: Mapping[str, int] = field(default_factory=dict)
    """Engine time of this image's rows by item kind (`encode`, `step`, `decode`, `preview`), in nanoseconds."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows run by item kind."""


@dataclass(frozen=True, slots=True)
class Work:
    """One image's stretch of the trajectory, to be run by one denoiser."""

    id: str
    """Unique for the image within the service: request id and image index."""
    settings: Settings
    stop: int
    """Release the state before the entry of this index; `settings.steps` means: finish and decode."""
    deadline: float
    """Absolute, seconds since the epoch."""
    state: State | None = None
    """Where to go on from; `None` starts from noise."""
    conditioning: Mapping[str, NDArray[np.float32]] | None = None
    """Encoded text by array name, rows first (`[rows, tokens, width]`, unconditional last); `None` encodes it here."""
    tenant: str = ""
    """Whom engine time is booked to; it decides nothing else."""
    previews: int = 0
    """How many previews to send, evenly spaced over the whole trajectory."""


@dataclass(frozen=True, slots=True)
class Preview:
    """An estimate of the final picture, sent while the denoising goes on."""

    index: int
    pixels: NDArray[np.uint8]
    """`[height, width, 3]`, RGB."""


@dataclass(frozen=True, slots=True)
class Image:
    """The finished picture."""

    pixels: NDArray[np.uint8]
    """`[height, width, 3]`, RGB."""
    usage: Usage
    domain: str
    """Digest of the numerics domain that computed it."""


@dataclass(frozen=True, slots=True)
class Released:
    """A trajectory that leaves its denoiser before the end; the ingress decides where it goes on."""

    state: State
    reason: ReleaseReason
    conditioning: Mapping[str, NDArray[np.float32]]
    usage: Usage
    domain: str
