"""Decides at which step k the large network hands over to the small one.

A pure planner over measured facts, which it names in its reason. It asks nobody, waits for nothing and never goes below
the quality floor; where k is pinned it does not think at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


class SplitError(ValueError):
    """No split may be chosen."""


@dataclass(frozen=True, slots=True)
class Split:
    """The chosen step and why, for people."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The steps to choose from, both ends included."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the pair's measured curve says of each split, and what is asked for."""

    by_step: Sequence[float]
    """Quality of the picture for k = 0, 1, …, steps."""
    floor: float

    @classmethod
    def from_curve(cls, points: Sequence[tuple[float, float]], *, levels: Sequence[float], floor: float) -> "Quality":
        """Interpolate measured (level, quality) points at the boundaries' levels (`Table.boundary`)."""
        known = sorted(points)
        by_step = np.interp(levels, [level for level, _ in known], [quality for _, quality in known])
        return cls(by_step=tuple(by_step.tolist()), floor=floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as it measured itself, and the way to it."""

    seconds_per_step: float
    """One guided step of the small network."""
    seconds_to_decode: float = 0.0
    seconds_to_receive: float = 0.0
    """Round trip and transfer of the handoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The cloud now."""

    seconds_per_large_step: float
    seconds_per_small_step: float
    seconds_to_decode: float = 0.0
    queue_seconds: float = 0.0
    """Predicted wait before the first step."""


def choose(
    choice: int | Range,
    *,
    steps: int,
    cloud: Cloud,
    deadline_seconds: float,
    device: Device | None = None,
    quality: Quality | None = None,
) -> Split:
    """The cheapest step for the cloud that keeps quality and deadline; the fastest one where no step is in time."""
    if isinstance(choice, int):
        return Split(choice, f"pinned to {choice} of {steps} steps")
    good = _good_enough(choice, steps=steps, quality=quality)
    seconds = {k: _seconds(k, steps=steps, cloud=cloud, device=device) for k in good}
    in_time = [k for k in good if seconds[k] <= deadline_seconds]
    if not in_time:
        fastest = min(good, key=lambda k: (seconds[k], k))
        return Split(fastest, f"no step meets the deadline of {deadline_seconds:g} s, this is the fastest")
    best = min(in_time, key=lambda k: (_cloud_seconds(k, steps=steps, cloud=cloud, device=device), k))
    picture = f"picture after {seconds[best]:.3g} s of {deadline_seconds:g} s"
    return Split(best, f"{_reason(best, good=good, device=device)}; {picture}")


def _good_enough(choice: Range, *, steps: int, quality: Quality | None) -> list[int]:
    """The steps of the range whose measured quality reaches the floor; never none."""
    if not 0 <= choice.minimum <= choice.maximum <= steps:
        raise SplitError(f"The range {choice.minimum} to {choice.maximum} does not fit into {steps} steps.")
    if quality is None:
        raise SplitError(
            "A range of steps needs the pair's measured quality curve; measure it (`hybrid profile`) or pin the step."
        )
    if len(quality.by_step) != steps + 1:
        raise SplitError(f"The quality curve has {len(quality.by_step)} values; {steps} steps have {steps + 1} splits.")
    considered = range(choice.minimum, choice.maximum + 1)
    good = [k for k in considered if quality.by_step[k] >= quality.floor]
    if not good:
        best = max(considered, key=lambda k: quality.by_step[k])
        raise SplitError(
            f"No step from {choice.minimum} to {choice.maximum} reaches the quality floor {quality.floor:g};"
            f" step {best} comes nearest with {quality.by_step[best]:g}. Raise the maximum or lower the floor."
        )
    return good


def _seconds(k: int, *, steps: int, cloud: Cloud, device: Device | None) -> float:
    """Predicted time to the picture when the large network runs k steps."""
    waited = cloud.queue_seconds + _cloud_seconds(k, steps=steps, cloud=cloud, device=device)
    if device is None or k == steps:
        return waited
    return waited + device.seconds_to_receive + (steps - k) * device.seconds_per_step + device.seconds_to_decode


def _cloud_seconds(k: int, *, steps: int, cloud: Cloud, device: Device | None) -> float:
    """Predicted engine time in the cloud, which is what costs."""
    large = k * cloud.seconds_per_large_step
    if device is None or k == steps:
        return large + (steps - k) * cloud.seconds_per_small_step + cloud.seconds_to_decode
    return large


def _reason(best: int, *, good: list[int], device: Device | None) -> str:
    if device is None:
        return "cheapest step at the asked quality, the cloud finishes"
    if best == good[0]:
        return "cheapest step at the asked quality"
    return f"device too slow for fewer cloud steps ({device.seconds_per_step:g} s a step)"
