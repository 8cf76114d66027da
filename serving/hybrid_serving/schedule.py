"""The noise schedule that a pair of networks was trained with, read from diffusers' `scheduler_config.json`.

Pure values in float64. Which sampler walks the schedule is a request's choice, not the schedule's; nothing here knows
one.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Reals = NDArray[np.float64]
Spacing = Literal["linspace", "leading", "trailing"]
_Off = Literal[False] | None

# Samplers that work with noise-to-signal ratios need a finite one at zero terminal SNR: float16's smallest subnormal,
# as in diffusers.
_SMALLEST_ALPHA_BAR: Final = 2.0**-24


class SamplerError(ValueError):
    """No coefficient table exists for what was asked."""


class ScheduleUnsupportedError(SamplerError):
    """The scheduler config has a setting that no table honours."""


class Schedule(BaseModel):
    """A discrete variance-preserving schedule (Ho et al. 2020) and the conventions it is sampled with.

    Settings of a config that choose a sampler (order, algorithm) are ignored: the request chooses it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    beta_start: float
    beta_end: float
    beta_schedule: Literal["linear", "scaled_linear"]
    train_steps: int = Field(default=1000, alias="num_train_timesteps", gt=0)
    prediction: Literal["epsilon", "v_prediction"] = Field(default="epsilon", alias="prediction_type")
    spacing: Spacing | None = Field(default=None, alias="timestep_spacing")
    """How steps are spread over the training steps; `None` is the sampler's own default, as in diffusers."""
    steps_offset: int = Field(default=0, ge=0)
    """Added to every step of the leading spacing."""
    zero_terminal_snr: bool = Field(default=False, alias="rescale_betas_zero_snr")
    """Rescale so that the last training step is pure noise (Lin et al. 2023, Alg. 1)."""
    set_alpha_to_one: bool = True
    """Whether DDIM's last step ends at the clean image rather than at training step 0."""
    original_steps: int = Field(default=50, alias="original_inference_steps", gt=0)
    """Steps of the grid that a latent consistency model was distilled on."""
    timestep_scaling: float = 10.0
    """Scale of the timestep in the boundary condition of a latent consistency model."""

    clip_sample: _Off = None
    thresholding: _Off = None
    trained_betas: None = None
    use_beta_sigmas: _Off = None
    use_exponential_sigmas: _Off = None
    use_flow_sigmas: _Off = None
    use_karras_sigmas: _Off = None
    use_lu_lambdas: _Off = None
    interpolation_type: Literal["linear"] = "linear"
    timestep_type: Literal["discrete"] = "discrete"
    final_sigmas_type: Literal["zero"] = "zero"

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Schedule":
        """Read a `scheduler_config.json`; a setting that would change the picture and is not honoured is refused."""
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            found = "; ".join(f"`{item['loc'][0]}` is {item['input']!r}: {item['msg']}" for item in error.errors())
            raise ScheduleUnsupportedError(f"The scheduler config is not supported: {found}.") from error

    def noise_level(self, timestep: float) -> float:
        """Standard deviation of the noise in x (0 clean, 1 pure noise) at a training step, whole or between two."""
        clean = float(np.interp(timestep, np.arange(self.train_steps), alpha_bars(self)))
        return math.sqrt(1.0 - clean)


@lru_cache(maxsize=64)
def alpha_bars(schedule: Schedule) -> Reals:
    """Share of signal power at every training step; the last is 0 with zero terminal SNR."""
    # diffusers, with which the networks were trained, keeps 1 - beta in float32; at low noise the rounding shows.
    kept = np.float32(1.0) - _betas(schedule).astype(np.float32)
    products: Reals = np.cumprod(kept, dtype=np.float64)
    if schedule.zero_terminal_snr:
        products = _with_zero_terminal_snr(products)
    products.flags.writeable = False
    return products


@lru_cache(maxsize=64)
def sigmas(schedule: Schedule) -> Reals:
    """Noise-to-signal ratio at every training step; finite also with zero terminal SNR."""
    clean = np.maximum(alpha_bars(schedule), _SMALLEST_ALPHA_BAR)
    ratios: Reals = np.sqrt((1.0 - clean) / clean)
    ratios.flags.writeable = False
    return ratios


def _with_zero_terminal_snr(products: Reals) -> Reals:
    amplitudes: Reals = np.sqrt(products)
    first, last = amplitudes[0], amplitudes[-1]
    amplitudes -= last
    amplitudes *= first / (first - last)
    return amplitudes * amplitudes


def _betas(schedule: Schedule) -> Reals:
    start, end, count = schedule.beta_start, schedule.beta_end, schedule.train_steps
    if schedule.beta_schedule == "linear":
        return np.linspace(start, end, count)
    return np.square(np.linspace(start**0.5, end**0.5, count))
