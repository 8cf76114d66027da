"""How long work waited and calls took at one replica, kept until somebody collects it for a histogram.

The engine thread appends and another thread takes, so that no histogram's own cost falls between two engine calls.
Bounded: where nobody collects, the oldest go.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns

from hybrid_serving.cloud.program import Kind
from hybrid_serving.cloud.ticket import Ticket

_LIMIT = 10_000


def _queue() -> deque[int]:
    return deque(maxlen=_LIMIT)


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in nanoseconds, oldest first."""

    waits: deque[int] = field(default_factory=_queue)
    """From arrival to the first engine call, of each piece of work."""
    steps: deque[int] = field(default_factory=_queue)
    """Engine calls that ran a step, of each call."""

    def begin(self, tickets: Sequence[Ticket]) -> None:
        """Note the waits that end now."""
        for ticket in tickets:
            if not ticket.has_begun:
                ticket.has_begun = True
                self.waits.append(perf_counter_ns() - ticket.arrived_nanoseconds)

    def call(self, kind: Kind, nanoseconds: int) -> None:
        """Note an engine call."""
        if kind == "step":
            self.steps.append(nanoseconds)


def taken(durations: deque[int]) -> Iterator[float]:
    """Take out all that is there, in seconds."""
    while durations:
        yield durations.popleft() / 1e9
