"""Where each segment of a request stops, and why: as asked, as pinned, or as planned from what was measured.

Pure. The last segment runs what is left; only the first one's stop can be asked for or planned.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hybrid_api import scalars
from hybrid_api.segments import Steps
from hybrid_serving import split
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.table import Table

QUALITY_TOLERANCE = 0.05
"""How much of the quality of the large network alone a planned split may cost."""

Curve = tuple[tuple[float, float], ...]
"""Measured (level, quality) points of a pair; the level is the one that the next segment sees first, 0 where none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the segments stop."""

    stops: tuple[int, ...]
    """One for each segment but the last, ascending."""
    reason: str
    """Why the first one stops there, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known when a request arrives."""

    table: Table
    curve: Curve
    """Empty where the pair was not measured."""
    cloud: Callable[[], split.Cloud | None]
    """Called where a split has to be planned; `None` until engines were measured."""
    deadline_seconds: float
    device: split.Device | None = None


def plan(asked: int | str | None, *, shares: Sequence[Steps], outlook: Outlook) -> Plan:
    """The stops of a request; `asked` overrides the first segment's share, the others keep theirs."""
    steps = outlook.table.steps
    if not shares:
        return Plan((), "one segment makes the whole picture")
    first = _asked(asked, steps=steps) if asked is not None else _chosen(shares[0], outlook=outlook)
    return Plan((first.step, *_later(first.step, shares[1:], steps=steps)), first.reason)


def widest(shares: Sequence[Steps], *, steps: int) -> tuple[int, ...]:
    """The stops where every segment runs the most steps that it may."""
    return tuple(_later(0, shares, steps=steps))


def _later(start: int, shares: Sequence[Steps], *, steps: int) -> Iterator[int]:
    for share in shares:
        start = min(start + share.upper.of(steps), steps)
        yield start


def _asked(asked: int | str, *, steps: int) -> split.Split:
    step = scalars.parse_share(asked).of(steps) if isinstance(asked, str) else asked
    if step > steps:
        message = f"`split` is {step}; expected a step from 0 to {steps}, or a share of the steps such as `40%`."
        raise ApiError(message, code="invalid_value", param="split")
    return split.Split(step, "asked for by the request")


def _chosen(share: Steps, *, outlook: Outlook) -> split.Split:
    steps = outlook.table.steps
    if share.min is None or share.max is None:
        return split.choose(
            share.upper.of(steps), steps=steps, cloud=_UNKNOWN, deadline_seconds=outlook.deadline_seconds
        )
    allowed = split.Range(minimum=share.min.of(steps), maximum=share.max.of(steps))
    cloud = outlook.cloud()
    if not outlook.curve or cloud is None:
        missing = "the pair has no measured quality curve" if not outlook.curve else "no engine was measured yet"
        return split.Split(allowed.maximum, f"{missing}, so the most steps of the range")
    try:
        return split.choose(
            allowed,
            steps=steps,
            cloud=cloud,
            deadline_seconds=outlook.deadline_seconds,
            device=outlook.device,
            quality=_quality(outlook.curve, table=outlook.table),
        )
    except split.SplitError as error:
        return split.Split(allowed.maximum, f"the most steps of the range, because: {error}")


def _quality(curve: Curve, *, table: Table) -> split.Quality:
    levels = [table.boundary(step) for step in range(table.steps + 1)]
    unbounded = split.Quality.from_curve(curve, levels=levels, floor=0.0)
    return split.Quality(by_step=unbounded.by_step, floor=unbounded.by_step[-1] - QUALITY_TOLERANCE)


_UNKNOWN = split.Cloud(seconds_per_large_step=0.0, seconds_per_small_step=0.0)
"""A pinned split is not planned, so nothing needs to be known."""
