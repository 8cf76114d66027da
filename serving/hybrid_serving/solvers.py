"""The samplers: from a noise schedule to the entries of a coefficient table.

Each is a function computed in float64 whose x is variance-preserving: x = alpha·image + sigma·noise with
alpha² + sigma² = 1. The weights are those of the diffusers scheduler of the same name. Nothing here touches a latent.
"""

import math
from typing import NamedTuple

import numpy as np

from hybrid_serving import spacing, unipc
from hybrid_serving.schedule import Reals, Schedule, alpha_bars, sigmas
from hybrid_serving.table import Entry


class _Point(NamedTuple):
    """A noise level as the amplitudes of image and noise in x."""

    alpha: float
    sigma: float

    @classmethod
    def from_power(cls, alpha_bar: float) -> "_Point":
        return cls(math.sqrt(alpha_bar), math.sqrt(1.0 - alpha_bar))

    @classmethod
    def from_ratio(cls, ratio: float) -> "_Point":
        alpha = 1.0 / math.sqrt(1.0 + ratio * ratio)
        return cls(alpha, ratio * alpha)

    @property
    def ratio(self) -> float:
        return self.sigma / self.alpha


_CLEAN = _Point(1.0, 0.0)


def dpmpp_2m(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """DPM-Solver++ 2M, midpoint, first order at both ends (Lu et al. 2022, Alg. 2)."""
    levels = spacing.timesteps_before_the_end(schedule, steps, default="linspace")
    points = [*_points_at(schedule, levels), _CLEAN]
    entries = []
    for i, level in enumerate(levels.tolist()):
        x, x0 = _first_order(points[i], points[i + 1])
        earlier = x0 * _half_step_ratio(points[i - 1 : i + 2]) if 0 < i < steps - 1 else 0.0
        from_x, from_output = _x0_weights(schedule, points[i])
        entries.append(
            Entry(
                level=level,
                x0_from_x=from_x,
                x0_from_output=from_output,
                x=x,
                x0=x0 + earlier,
                history=(0.0 - earlier,),
            )
        )
    return tuple(entries)


def unipc_2(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """UniPC of order 2, first order at both ends (Zhao et al. 2023)."""
    levels = spacing.timesteps_before_the_end(schedule, steps, default="linspace")
    points = [*_points_at(schedule, levels), _CLEAN]
    weights = unipc.steps([unipc.Amplitudes(*point) for point in points])
    entries = []
    for level, point, (x, x0, history) in zip(levels.tolist(), points, weights, strict=False):
        from_x, from_output = _x0_weights(schedule, point)
        entries.append(Entry(level=level, x0_from_x=from_x, x0_from_output=from_output, x=x, x0=x0, history=history))
    return tuple(entries)


def ddim(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """DDIM without noise (Song et al. 2021, eq. 12); each step ends `train_steps // steps` below where it began."""
    clean = alpha_bars(schedule).tolist()
    end = 1.0 if schedule.set_alpha_to_one else clean[0]
    stride = schedule.train_steps // steps
    entries = []
    for level in map(int, spacing.whole_timesteps(schedule, steps, default="leading")):
        here, there = clean[level], clean[level - stride] if level >= stride else end
        entries.append(_first_order_entry(schedule, float(level), _Point.from_power(here), _Point.from_power(there)))
    return tuple(entries)


def euler(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """Euler's method in the noise-to-signal ratio (Karras et al. 2022, Alg. 2 without churn)."""
    levels = spacing.continuous_timesteps(schedule, steps, default="linspace")
    points = [*_points_at(schedule, levels), _CLEAN]
    return tuple(
        _first_order_entry(schedule, level, here, there)
        for level, here, there in zip(levels.tolist(), points, points[1:], strict=False)
    )


def euler_ancestral(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """Euler's method to below the next level, then noise back up to it (k-diffusion's `sample_euler_ancestral`)."""
    levels = spacing.continuous_timesteps(schedule, steps, default="linspace")
    points = [*_points_at(schedule, levels), _CLEAN]
    return tuple(
        _ancestral_entry(schedule, level, here, there)
        for level, here, there in zip(levels.tolist(), points, points[1:], strict=False)
    )


def lcm(schedule: Schedule, steps: int) -> tuple[Entry, ...]:
    """Multistep consistency sampling (Luo et al. 2023, "Latent Consistency Models", Alg. 3)."""
    levels = spacing.consistency_timesteps(schedule, steps)
    points = [_Point.from_power(alpha_bars(schedule)[int(level)]) for level in levels]
    return tuple(
        _consistency_entry(schedule, level, here, there)
        for level, here, there in zip(levels.tolist(), points, [*points[1:], _CLEAN], strict=True)
    )


def initial_weight(schedule: Schedule, first: Entry) -> float:
    """Weight of Euler's initial noise: at linspace and trailing spacing it is the first level's sigma, else 1."""
    return 1.0 if schedule.spacing == "leading" else _points_at(schedule, np.array([first.level]))[0].sigma


def _points_at(schedule: Schedule, levels: Reals) -> list[_Point]:
    ratios = np.interp(levels, np.arange(schedule.train_steps), sigmas(schedule))
    return [_Point.from_ratio(ratio) for ratio in ratios.tolist()]


def _x0_weights(schedule: Schedule, point: _Point) -> tuple[float, float]:
    """The image estimate as weights of x and of the network's output."""
    if schedule.prediction == "epsilon":
        return 1.0 / point.alpha, -point.sigma / point.alpha
    return point.alpha, -point.sigma


def _first_order(here: _Point, there: _Point) -> tuple[float, float]:
    """Weights of x and x0 when the noise in x is kept and rescaled; DDIM, Euler and DPM-Solver++ 1 agree on them."""
    kept = there.sigma / here.sigma
    return kept, there.alpha - here.alpha * kept


def _first_order_entry(schedule: Schedule, level: float, here: _Point, there: _Point) -> Entry:
    x, x0 = _first_order(here, there)
    from_x, from_output = _x0_weights(schedule, here)
    return Entry(level=level, x0_from_x=from_x, x0_from_output=from_output, x=x, x0=x0)


def _half_step_ratio(points: list[_Point]) -> float:
    """h / (2 h_previous) in log-SNR; 0 (first order) between equal levels, which rounding makes near 1,000 steps."""
    before, here, there = (point.ratio for point in points)
    return 0.5 * math.log(here / there) / math.log(before / here) if before > here else 0.0


def _ancestral_entry(schedule: Schedule, level: float, here: _Point, there: _Point) -> Entry:
    ratio, target = here.ratio, there.ratio
    up = target * math.sqrt(ratio * ratio - target * target) / ratio
    down = math.sqrt(target * target - up * up)
    from_x, from_output = _x0_weights(schedule, here)
    return Entry(
        level=level,
        x0_from_x=from_x,
        x0_from_output=from_output,
        x=down / ratio * there.alpha / here.alpha,
        x0=there.alpha * (1.0 - down / ratio),
        noise=there.alpha * up,
    )


def _consistency_entry(schedule: Schedule, level: float, here: _Point, there: _Point) -> Entry:
    scaled = level * schedule.timestep_scaling
    skip = 0.25 / (scaled * scaled + 0.25)
    out = scaled / math.sqrt(scaled * scaled + 0.25)
    from_x, from_output = _x0_weights(schedule, here)
    return Entry(
        level=level,
        x0_from_x=from_x,
        x0_from_output=from_output,
        x=there.alpha * skip,
        x0=there.alpha * out,
        noise=there.sigma,
    )
