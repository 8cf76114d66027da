"""Which training steps a sampler visits (Lin et al. 2023, table 2), as the diffusers schedulers choose them.

Pure arithmetic on indices; what happens at a step is `solvers`' business.
"""

import numpy as np

from hybrid_serving.schedule import Reals, SamplerError, Schedule


class StepsUnsupportedError(SamplerError):
    """The schedule cannot be walked in that many steps."""


def whole_timesteps(schedule: Schedule, steps: int, *, default: str) -> Reals:
    """`steps` whole training steps, noisiest first; linspace ends at training step 0 (DDIM)."""
    spacing = schedule.spacing or default
    if spacing == "linspace":
        return np.linspace(0, schedule.train_steps - 1, steps).round()[::-1]
    return _leading(schedule, steps, ahead=0) if spacing == "leading" else _trailing(schedule, steps)


def continuous_timesteps(schedule: Schedule, steps: int, *, default: str) -> Reals:
    """As `whole_timesteps`, but linspace falls between training steps, in float32 as shown to the network (Euler)."""
    if (schedule.spacing or default) == "linspace":
        return np.linspace(0, schedule.train_steps - 1, steps, dtype=np.float32)[::-1].astype(np.float64)
    return whole_timesteps(schedule, steps, default=default)


def timesteps_before_the_end(schedule: Schedule, steps: int, *, default: str) -> Reals:
    """The first `steps` of one more, so that the last visited is above training step 0 (DPM-Solver++)."""
    spacing = schedule.spacing or default
    if spacing == "linspace":
        return np.linspace(0, schedule.train_steps - 1, steps + 1).round()[:0:-1]
    return _leading(schedule, steps, ahead=1) if spacing == "leading" else _trailing(schedule, steps)


def consistency_timesteps(schedule: Schedule, steps: int) -> Reals:
    """Evenly chosen from the grid that the consistency model was distilled on (Luo et al. 2023)."""
    grid = schedule.original_steps
    if not steps <= grid <= schedule.train_steps:
        raise StepsUnsupportedError(
            f"`steps` is {steps}; a consistency model distilled on {grid} steps takes 1 to {grid}."
        )
    ratio = schedule.train_steps // grid
    chosen = np.floor(np.linspace(0, grid, num=steps, endpoint=False))
    return (grid - chosen) * ratio - 1


def _leading(schedule: Schedule, steps: int, *, ahead: int) -> Reals:
    ratio = schedule.train_steps // (steps + ahead)
    timesteps: Reals = np.arange(steps + ahead, dtype=np.float64)[: -steps - 1 : -1] * ratio + schedule.steps_offset
    if ratio < 1 or timesteps[0] >= schedule.train_steps:
        raise StepsUnsupportedError(
            f"`steps` is {steps}; with leading spacing and an offset of {schedule.steps_offset} that leaves the"
            f" {schedule.train_steps} training steps. Ask for fewer steps."
        )
    return timesteps


def _trailing(schedule: Schedule, steps: int) -> Reals:
    ratio = schedule.train_steps / steps
    # The very call of diffusers, whose rounding decides where a step falls between two; it may give one step too many.
    timesteps: Reals = np.rint(np.arange(schedule.train_steps, 0, -ratio)[:steps])
    timesteps -= 1.0
    return timesteps
