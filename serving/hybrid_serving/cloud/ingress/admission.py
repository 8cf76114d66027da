"""Whether a request can be answered in time, from the work that waits and the measured pace of the engines.

Pure bookkeeping: no clock, no I/O. It refuses only by prediction; what was admitted is never dropped here.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from hybrid_serving.cloud.ingress.dispatch import Journey
from hybrid_serving.cloud.ingress.errors import ApiError


@dataclass(frozen=True, slots=True)
class _Promise:
    journey: Journey
    rows_a_step: int


@dataclass(slots=True)
class Admission:
    """The journeys under way, and how fast each segment runs."""

    row_milliseconds: dict[str, float] = field(default_factory=dict)
    """By segment, at the fullest bucket; without it nothing is refused."""
    replicas: dict[str, int] = field(default_factory=dict)
    """Running replicas by segment; one where unknown."""
    _promises: dict[int, _Promise] = field(default_factory=dict)

    def learn(self, segment: str, *, milliseconds: Mapping[int, float]) -> None:
        """Take over a segment's measured milliseconds by bucket."""
        paces = [value / bucket for bucket, value in milliseconds.items()]
        self.row_milliseconds[segment] = min(paces, default=0.0)

    @contextmanager
    def promised(self, journey: Journey, *, rows_a_step: int) -> Iterator[None]:
        """Count what is left of `journey` for as long as the block lasts."""
        self._promises[id(journey)] = _Promise(journey, rows_a_step)
        try:
            yield
        finally:
            del self._promises[id(journey)]

    def promised_rows(self) -> dict[str, int]:
        """By segment, the step rows of unfinished stretches."""
        rows: dict[str, int] = {}
        for promise in self._promises.values():
            for segment, steps in promise.journey.steps_left():
                rows[segment] = rows.get(segment, 0) + steps * promise.rows_a_step
        return rows

    def wait_seconds(self, segment: str) -> float:
        """How long new work would wait for the segment."""
        rows = self.promised_rows().get(segment, 0)
        return rows * self.row_milliseconds.get(segment, 0.0) / 1000 / max(1, self.replicas.get(segment, 1))

    def check(self, journey: Journey, *, rows_a_step: int, images: int, limits: "Limits") -> None:
        """Raise 429 where the images would wait too long, or could not be done by their deadline after waiting."""
        wait = run = 0.0
        for segment, steps in journey.steps_left():
            wait += self.wait_seconds(segment)
            run += steps * rows_a_step * images * self.row_milliseconds.get(segment, 0.0) / 1000
        excess = max(wait - limits.queue_seconds, wait + run - limits.deadline_seconds)
        if wait > 0 and excess > 0:
            raise too_busy(wait, retry_after_seconds=excess)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a request may wait before its first step, and until its end."""

    queue_seconds: float
    deadline_seconds: float


def too_busy(wait_seconds: float, *, retry_after_seconds: float) -> ApiError:
    """The refusal of a request that would wait too long."""
    message = f"The predicted wait is {wait_seconds:.1f} s, more than the request or this service allows; try later."
    return ApiError(message, code="rate_limit_exceeded", retry_after_seconds=max(1, math.ceil(retry_after_seconds)))
